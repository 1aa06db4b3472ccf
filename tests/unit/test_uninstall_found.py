"""Finding the sites of a host, independent of the inventory."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import found, memory
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from builds import AS_ROOT
from uninstall_host import UNIT, Host, users


@pytest.fixture
def host(tmp_path, monkeypatch):
    users(monkeypatch, root=0, huatai=1000)
    return Host(tmp_path, monkeypatch)


def units(host, name, root, user="huatai"):
    text = f"{UNIT}[Service]\nUser={user}\nEnvironmentFile=-/moved/etc/{name}/%i.env\n"
    host.put(f"/etc/systemd/system/uwsgi-{name}@.service", text)
    host.put(f"/etc/systemd/system/uwsgi-{name}.service", f"{UNIT}ConditionPathExists={root}/current/uwsgi.ini\n")


def test_a_site_is_found_by_its_record(host):
    shop = Layout.under("shop", {"sites": "/srv/web"})
    memory.note_site(shop, "site-shop", managed=True, made=["/srv/web"])
    assert found.sites({}) == [found.FoundSite(shop, "site-shop", True, ("/srv/web",))]


def test_without_a_record_of_the_host_that_of_a_release_is_used(host):
    root = f"{host.root}/moved/shop"
    paths = {**Layout.under("shop").paths, "root": root, "media": "/srv/media"}
    host.put("/moved/shop/releases/0123456789ab/release.json", json.dumps({"site": {"name": "shop", "paths": paths}}))
    units(host, "shop", root)
    [site] = found.sites({})
    assert (site.layout.paths, site.user, site.managed) == (paths, "huatai", False)


@AS_ROOT
def test_files_of_others_in_the_root_of_the_sites_name_nothing_to_remove(host):
    """The root of the sites may be in the home of a user."""
    root = f"{host.root}/home/evil"
    paths = {**Layout.under("evil").paths, "root": root, "cache": "/usr", "run": "/etc"}
    for name in ("releases/0123456789ab/release.json", "builds/0123456789ab/build.json"):
        host.put(f"/home/evil/{name}", json.dumps({"site": {"name": "evil", "paths": paths}}))
        os.chown(f"{root}/{name}", 1000, 1000)
    assert found.sites({"sites": f"{host.root}/home"}) == []
    units(host, "evil", root)
    [site] = found.sites({"sites": f"{host.root}/home"})
    assert site.layout.cache != "/usr"


def test_without_a_release_units_and_account_are_used(host):
    units(host, "shop", "/moved/shop", user="site-shop")
    sysusers = (
        f'# Written by pyweb.stack.\ng nginx -\nu site-shop - "site shop" {host.root}/moved/data/shop /sbin/nologin\n'
    )
    host.put("/etc/sysusers.d/site-shop.conf", sysusers)
    host.put("/etc/tmpfiles.d/site-shop.conf", "# Written by pyweb.stack.\nd /moved/run/shop 2750 site-shop nginx\n")
    [site] = found.sites({})
    layout = site.layout
    assert (layout.root, layout.builds, layout.current) == ("/moved/shop", "/moved/shop/builds", "/moved/shop/current")
    assert (layout.state, layout.run) == (f"{host.root}/moved/data/shop", "/moved/run/shop")
    assert layout.config == "/moved/etc/shop"
    assert (site.user, site.managed) == ("site-shop", True)


@pytest.mark.parametrize("roots", [{}, {"sites": "{root}/srv/web"}])
def test_a_build_alone_is_a_site_and_other_directories_are_not(host, roots):
    roots = {key: path.format(root=host.root) for key, path in roots.items()}
    where = "/srv/web" if roots else "/opt/sites"
    host.put(f"{where}/shop/builds/0123456789ab/build.json", "{}")
    host.put(f"{where}/other/notes.txt")
    host.put(f"{where}/Not a name/builds/0123456789ab/build.json", "{}")
    assert [site.layout.root for site in found.sites(roots)] == [f"{host.root}{where}/shop"]


def test_data_belongs_to_a_site_if_its_account_says_so(host, monkeypatch):
    uid = host.root.stat().st_uid
    users(monkeypatch, **{"site-shop": uid, "site-blog": uid + 1})
    for name in ("shop", "blog", "other"):
        host.put(f"/var/lib/sites/{name}/db.sqlite3")
    [site] = found.sites({})
    assert (site.name, site.user, site.managed) == ("shop", "site-shop", True)


def test_files_of_others_are_not_sites(host):
    host.put("/etc/systemd/system/uwsgi-shop.service", "[Unit]\nDescription=mine\n")
    host.put("/etc/sysusers.d/site-shop.conf", "u shop - shop\n")
    host.put("/etc/systemd/system/uwsgi.service", UNIT)
    assert found.sites({}) == []


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("uwsgi-shop.service", "shop"),
        ("uwsgi-shop-b@.service", "shop-b"),
        ("uwsgi-shop-probe@.service", "shop"),
        ("uwsgi-shop@8000.socket", "shop"),
        ("pyweb-worker-shop.service", "shop"),
        ("pyweb-worker-shop-b@0123456789ab:celery:1.service", "shop-b"),
        ("pyweb-timer-shop@digest.service", "shop"),
        ("pyweb-timer-shop-b@digest.timer", "shop-b"),
        ("pyweb-tls-shop.path", "shop"),
        ("pyweb-tls-shop-b.service", "shop-b"),
    ],
)
def test_a_unit_names_its_site(host, unit, name):
    host.put(f"/etc/systemd/system/{unit}", UNIT)
    assert [site.name for site in found.sites({})] == [name]
