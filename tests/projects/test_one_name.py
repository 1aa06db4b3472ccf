"""Several sites with one domain, one of them at `/`, the others below paths: each is independent of the others, also
when one is removed.

    PYWEB_PLATFORM=debian12 pytest tests/projects/test_one_name.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from host import Host
from project import Shape
from visitor import Visitor, links

pytestmark = pytest.mark.same_everywhere

DOMAIN = "several.example"
PATHS = {"home": "", "cart": "/cart", "blog": "/blog/v1"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host, work: Path) -> None:
    for name in PATHS:
        Shape(name, settings=f'TOLD = "the site {name}"\n', urls="\ndef told():\n    return settings.TOLD\n").write(
            work / name
        )
    host.deploy(sites(work))


def sites(work: Path, absent: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the sites of one domain, each with its own administrator; the one at `/` is not the first."""
    found = []
    for name in ("cart", "home", "blog"):
        site = {
            "name": name,
            "domains": [DOMAIN],
            "source": {"directory": str(work / name)},
            "uwsgi": {"processes": 1},
            "superuser": {"username": f"{name}-admin", "password": "correct-horse", "email": "a@example.com"},
            **({"prefix": PATHS[name]} if PATHS[name] else {}),
        }
        gone = {"name": name, "domains": [DOMAIN], "state": "absent", "purge": True}
        found.append(gone if name in absent else site)
    return found


def assert_served(host: Host, name: str) -> None:
    """Check that the site's own page is served, and everything that it links to and loads."""
    somebody = Visitor(host.address, DOMAIN)
    page = somebody.get(f"{PATHS[name]}/")
    assert (page.status, f"the site {name}" in page.body) == (200, True), page
    sheets = links(page, r"\.css(\?|$)")
    assert sheets
    assert [path for path in sheets if not path.startswith(f"{PATHS[name]}/static/")] == []
    assert [somebody.get(path).status for path in sheets] == [200] * len(sheets)
    (about,) = links(page, r"about/$")
    assert (about, somebody.get(about).status) == (f"{PATHS[name]}/about/", 200)


def test_each_site_is_served_below_its_path(host: Host) -> None:
    for name in PATHS:
        assert_served(host, name)


def test_a_path_without_its_slash_is_redirected(host: Host) -> None:
    somebody = Visitor(host.address, DOMAIN)
    assert somebody.get("/cart").path == "/cart/"
    assert somebody.get("/cartwheel/").status == 404, "the site at / has no such page"


def test_a_browser_can_be_logged_in_to_all_sites_at_once(host: Host) -> None:
    somebody = Visitor(host.address, DOMAIN)
    for name, path in PATHS.items():
        login = somebody.get(f"{path}/admin/")
        assert login.path.startswith(f"{path}/admin/login/"), login.path
        page = somebody.send(login, username=f"{name}-admin", password="correct-horse")
        assert (page.status, "logout" in page.body) == (200, True), page
    for path in PATHS.values():
        assert "logout" in somebody.get(f"{path}/admin/").body, path


def test_a_second_run_changes_nothing_and_the_doctor_finds_nothing(host: Host, work: Path) -> None:
    again = host.play(sites(work))
    assert (again.status, again.changed) == (0, 0), again.error or again.output[-2000:]
    doctor = host.play(sites(work), "doctor.yml")
    assert doctor.status == 0, doctor.error
    assert '"broken": false' in doctor.output, doctor.output[-3000:]


def test_manage_knows_the_path(host: Host) -> None:
    code = "from django.urls import reverse; print(reverse('about'))"
    assert host.told(f'/opt/sites/blog/manage shell -c "{code}"').splitlines()[-1] == "/blog/v1/about/"


def test_sites_with_different_server_keys_are_refused_before_the_host_is_changed(host: Host, work: Path) -> None:
    given = sites(work)
    given[2]["nginx"] = {"listen": 8080}
    run = host.play(given)
    assert run.status != 0
    assert "site 'blog': nginx.listen differs from that of site 'cart'" in run.error


def test_a_failed_deploy_of_one_site_affects_none_of_them(host: Host, work: Path) -> None:
    urls = work / "blog/mysite/urls.py"
    good = urls.read_text(encoding="utf-8")
    try:
        urls.write_text(f"{good}\nraise ValueError('broken on purpose')\n", encoding="utf-8")
        run = host.play(sites(work))
    finally:
        urls.write_text(good, encoding="utf-8")
    assert run.status != 0
    assert "broken on purpose" in run.error
    for name in PATHS:
        assert_served(host, name)


def test_removing_a_site_does_not_affect_the_others(host: Host, work: Path) -> None:
    host.deploy(sites(work, absent=["home"]))
    for name in ("cart", "blog"):
        assert_served(host, name)
    somebody = Visitor(host.address, DOMAIN)
    assert somebody.get("/").status == 404, "there is still a site at /"


def test_a_rollback_to_a_release_at_another_path_is_refused(host: Host, work: Path) -> None:
    given = sites(work, absent=["home", "cart"])
    given[2]["prefix"] = "/news"
    host.deploy(given)
    assert Visitor(host.address, DOMAIN).get("/news/").status == 200
    assert host.run("test -e /etc/nginx/pyweb.d").returncode != 0, "the locations of the removed sites are still there"
    run = host.play(given, "rollback.yml")
    assert run.status != 0
    assert "is served at /blog/v1/, and nginx has the site at /news/" in run.error
    assert Visitor(host.address, DOMAIN).get("/news/").status == 200
