"""What the inventory adds to a project: secret files, writable directories and initial data. They are tested during
deploys, a rollback and a removal.

    PYWEB_PLATFORM=debian12 pytest tests/projects/test_settings.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from host import Host, Run
from project import Shape
from visitor import Visitor

pytestmark = pytest.mark.same_everywhere

NAME, SECRET = "added", "correct-horse-battery"
SHAPE = Shape(
    NAME,
    settings="""
        from .local_settings import TOLD

        KEY = os.environ["SECRET_KEY"]
        assert os.environ["DJANGO_SECRET_KEY"] == KEY
    """,
    urls="""
        def told():
            from django.db import connection
            counter = settings.BASE_DIR / "counter" / "visits"
            counter.write_text(str(int(counter.read_text()) + 1))
            with connection.cursor() as cursor:
                rows = cursor.execute("SELECT told FROM words").fetchall()
            same = settings.KEY == settings.SECRET_KEY
            return f"{settings.TOLD[:5]}, visit {counter.read_text()}, {rows[0][0]}, one key: {same}"
    """,
    files={"counter/visits": "100"},
    tables={"words": "seeded"},
)


class World:
    """The host with the site; `runs` are the playbook runs so far."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.runs: list[Run] = []

    def play(self, text: str, playbook: str = "site.yml", **keys: Any) -> Run:
        site = SHAPE.site(self.folder)
        site["files"] = {"mysite/local_settings.py": f'TOLD = "{text} {SECRET}"\n'}
        site["writable"] = ["counter"]
        site["seed"] = {"database": "db.sqlite3"}
        self.runs.append(self.host.play([{**site, **keys}], playbook))
        return self.runs[-1]

    def told(self) -> tuple[str, int]:
        """Return the word of the secret file and the number of visits, as the start page shows them."""
        page = Visitor(self.host.address, SHAPE.domain).get("/")
        found = re.search(r"<p>(\w+), visit (\d+), seeded, one key: True</p>", page.body)
        assert found, page
        return found[1], int(found[2])

    def stored(self) -> list[str]:
        return self.host.told(f"find /etc/sites/{NAME}/files -type f -printf '%u %g %m %p\\n'").splitlines()


@pytest.fixture(scope="module")
def world(host: Host, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("added") / NAME
    SHAPE.write(folder)
    made = World(host, folder)
    run = made.play("first")
    assert run.status == 0, run.error
    return made


def test_the_project_finds_its_file_its_data_and_its_key(world: World) -> None:
    word, visits = world.told()
    assert word == "first"
    assert visits > 100


def test_a_secret_file_is_stored_only_with_the_sites_secrets(world: World) -> None:
    places = world.host.told(f"grep -rlF {SECRET} /opt/sites /etc /var/lib/sites /run/sites /root /tmp || true")
    assert [place.rpartition("/files/")[0] for place in places.splitlines()] == [f"/etc/sites/{NAME}"], places
    [stored] = world.stored()
    assert stored.startswith(f"root site-{NAME} 640 /etc/sites/{NAME}/files/"), stored
    assert SECRET not in world.runs[0].output
    assert SECRET not in world.host.told("journalctl --no-pager")
    key = world.host.told(f"cat /etc/sites/{NAME}/secret_key")
    environments = world.host.told(f"cat $(pgrep -u site-{NAME} | sed 's,.*,/proc/&/environ,') | tr '\\0' '\\n'")
    assert key not in environments


def test_a_second_run_changes_nothing(world: World) -> None:
    run = world.play("first")
    assert (run.status, run.changed) == (0, 0), run.output[-2000:]


def test_the_site_can_write_only_its_writable_directories(world: World) -> None:
    code = world.host.told(f"readlink -f /opt/sites/{NAME}/current/src")
    assert world.host.told(f"readlink {code}/counter") == f"/var/lib/sites/{NAME}/writable/counter"
    as_site = f"runuser -u site-{NAME} -- sh -c"
    assert world.host.run(f"{as_site} 'touch {code}/counter/own && rm {code}/counter/own'").returncode == 0
    assert world.host.run(f"{as_site} 'touch {code}/own'").returncode != 0


def test_data_is_kept_by_deploys_and_a_rollback_restores_the_file(world: World) -> None:
    _word, visits = world.told()
    run = world.play("other")
    assert run.status == 0, run.error
    assert SECRET not in run.output
    word, later = world.told()
    assert word == "other"
    assert later > visits
    assert len(world.stored()) == 2
    run = world.play("other", "rollback.yml")
    assert run.status == 0, run.error
    assert world.told()[0] == "first"


def test_removing_the_site_keeps_only_its_data(world: World) -> None:
    run = world.play("first", state="absent")
    assert run.status == 0, run.error
    assert world.host.run(f"test -e /etc/sites/{NAME}/files").returncode != 0
    assert int(world.host.told(f"cat /var/lib/sites/{NAME}/writable/counter/visits")) > 100
