"""The project's own commands: their order, when they run, and what happens if one fails (docs/commands.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host, Run
from sites import Project, site
from two_sites import DEPLOY, WHOLE, World

pytestmark = pytest.mark.same_everywhere

SITE = "steps"
ROOT = f"/opt/sites/{SITE}"
# Written by release steps, in a directory that the site's user can write.
RAN = f"/var/lib/sites/{SITE}/ran.txt"
# A program of the project: it logs its first argument and its environment, and does what the second one says.
NOTE = f"""
import os, shutil, sys, time
place = "built.txt" if sys.argv[1].startswith("b") else {RAN!r}
inside = os.environ.get("VIRTUAL_ENV") == sys.prefix and shutil.which("python").startswith(sys.prefix)
static = len(os.listdir(os.environ["PYTHONPATH"] + "/../static"))
with open(place, "a") as stream:
    print(sys.argv[1], inside, bool(static), os.environ["COLOUR"], file=stream)
if sys.argv[2:] == ["fail"]:
    sys.exit("ValueError: " + os.environ["COLOUR"] + " is no colour of this shop")
if sys.argv[2:] == ["sleep"]:
    time.sleep(600)
os.makedirs("node_modules/left", exist_ok=True) if place == "built.txt" else None
"""
SETTINGS = """
INSTALLED_APPS += ["compressor"]
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder", "compressor.finders.CompressorFinder"]
COMPRESS_ENABLED = COMPRESS_OFFLINE = True
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_table"}}
TEMPLATES[0]["APP_DIRS"] = True
"""
PAGE = """{% load compress %}<html><head>{% compress css %}<style>h1 { color: red }</style>{% endcompress %}</head>
<body>{{ visits }}</body></html>"""
VIEWS = """

def visits(request):
    from django.core.cache import cache

    cache.set("visits", (cache.get("visits") or 0) + 1)
    return render(request, "visits.html", {"visits": cache.get("visits")})
"""
# A deploy check that queries a table: it must not run before the first migration.
DEPLOY_CHECK = """

from django.core.checks import register


@register(deploy=True)
def pictures_are_there(app_configs, **kwargs):
    return [] if Picture.objects.exists() else []
"""


def keys(**more: Any) -> dict[str, Any]:
    return {
        "packages": ["django-compressor"],
        "env": {"COLOUR": "ultramarine"},
        "health": {"path": "/visits", "status": [200], "watch": 0},
        "build": [{"run": "python note.py b1"}, "collectstatic", {"run": "python note.py b2"}, {"manage": "compress"}],
        "release": [
            {"run": "python note.py r1"},
            "migrate",
            {"manage": "createcachetable"},
            {"run": "python note.py r2"},
        ],
        **more,
    }


@pytest.fixture(scope="module")
def shop(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    project = Project(tmp_path_factory.mktemp("commands") / "mysite")
    project.write({"note.py": NOTE, "templates/visits.html": PAGE})
    project.edit("mysite/settings.py", lambda text: text + SETTINGS)
    project.edit("gallery/views.py", lambda text: text + VIEWS)
    project.edit("gallery/models.py", lambda text: text + DEPLOY_CHECK)
    project.edit("gallery/urls.py", lambda text: text + '\nurlpatterns += [path("visits", views.visits)]\n')
    made = Shop(World(host, project, tmp_path_factory.mktemp("work"), {}))
    made.first = host.deploy(made.site(), WHOLE)
    yield made
    host.play([{**made.site()[0], "state": "absent", "purge": True}], WHOLE)


class Shop:
    """The site under test, on the host."""

    def __init__(self, world: World) -> None:
        self.world, self.host = world, world.host
        self.first: Run

    def site(self, **more: Any) -> list[dict[str, Any]]:
        return [site(SITE, self.world.project, **keys(**more))]

    def ran(self) -> list[str]:
        """Return the release steps that have run since the last call."""
        told = self.host.told(f"cat {RAN} 2>/dev/null; rm -f {RAN}")
        return [line.split()[0] for line in told.splitlines()]

    def works(self) -> None:
        page = self.world.ask(SITE, "/visits")
        assert page.status == 200, page
        [style] = [part.partition('"')[0] for part in page.body.split('href="')[1:]]
        assert self.world.ask(SITE, style).status == 200


def test_steps_run_in_order_inside_the_virtualenv(shop: Shop) -> None:
    built = shop.host.told(f"cat {ROOT}/current/src/built.txt").splitlines()
    # The second step ran after the static files were collected.
    assert built == ["b1 True False ultramarine", "b2 True True ultramarine"]
    assert [line.split()[0] for line in shop.host.told(f"cat {RAN}").splitlines()] == ["r1", "r2"]
    shop.ran()
    shop.works()
    visits = [int(shop.world.ask(SITE, "/visits").body.partition("<body>")[2].partition("<")[0]) for _visit in range(2)]
    assert visits[1] == visits[0] + 1  # stored in the table that createcachetable made, so every worker sees it
    assert shop.host.told(f"find {ROOT}/current/src/ -name node_modules -o -user site-{SITE}") == ""
    assert shop.host.told(f"ls {ROOT}/builds/*/").split().count("home") == 0


def test_a_second_run_runs_no_steps(shop: Shop) -> None:
    again = shop.host.deploy(shop.site(), WHOLE)
    assert (again.changed, shop.ran()) == (0, [])


def test_check_mode_lists_what_would_run(shop: Shop) -> None:
    shop.world.new_code()
    run = shop.host.play(shop.site(), DEPLOY, "--check", "--diff")
    assert run.status == 0, run.error
    for command in ("python note.py b1", "manage compress", "python note.py r1", "manage createcachetable"):
        assert f"{SITE}: command: {command}" in run.output
    assert shop.ran() == []


@pytest.mark.parametrize("what", ["build", "release"])
@pytest.mark.parametrize(
    ("how", "cause"), [("fail", "ValueError: ******** is no colour of this shop"), ("sleep", "no end after 3 s")]
)
def test_a_step_that_fails_or_hangs_keeps_the_old_release_live(shop: Shop, what: str, how: str, cause: str) -> None:
    before = shop.world.current(SITE)
    bad = {"run": f"python note.py {what[0]}9 {how}", "timeout": 3}
    steps = {"build": [bad, "collectstatic"], "release": ["migrate", {"manage": "check"}, bad]}[what]
    run = shop.host.play(shop.site(**{what: steps}), DEPLOY)
    assert run.status != 0
    had_run = "; steps that ran before it: migrate, manage check" if what == "release" else ""
    words = f"site '{SITE}': {what} step 'python note.py {what[0]}9 {how}' failed: {cause}{had_run}"
    assert run.error.splitlines()[0].startswith(words), run.error
    assert "ultramarine" not in run.output.replace('"COLOUR": "ultramarine"', "")
    assert shop.world.current(SITE) == before
    shop.works()
    shop.ran()
    shop.world.assert_tidy(SITE)


def test_a_rollback_runs_no_steps(shop: Shop) -> None:
    shop.world.new_code()
    shop.host.deploy(shop.site(), DEPLOY)
    assert shop.ran() == ["r1", "r2"]
    back = shop.host.play(shop.site(), "rollback.yml")
    assert back.status == 0, back.error
    assert shop.ran() == []
    shop.works()
    # The release exists already, but it is not the live one, so its steps are run.
    shop.host.deploy(shop.site(), DEPLOY)
    assert shop.ran() == ["r1", "r2"]


def test_once_runs_on_the_first_host_of_the_inventory_regardless_of_limit(shop: Shop, tmp_path: Path) -> None:
    """Two hosts of the inventory are the same container; each run is limited to one of them."""
    steps = [
        "migrate",
        {"manage": "createcachetable"},
        {"run": "python note.py once", "once": True},
        {"run": "python note.py each"},
    ]
    sites = shop.site(release=steps)
    second = {
        "ansible_host": shop.host.name,
        "ansible_connection": "community.docker.docker",
        "web_environment": f"{{{{ hostvars['{shop.host.name}']['web_environment'] }}}}",
        "web_sites": f"{{{{ hostvars['{shop.host.name}']['web_sites'] }}}}",
    }
    extra = tmp_path / "second.json"
    extra.write_text(json.dumps({"web": {"hosts": {"second": second}}}))
    for limit, ran in (("second", ["each"]), (shop.host.name, ["once", "each"])):
        shop.world.new_code()
        run = shop.host.play(sites, DEPLOY, "-i", str(extra), "--limit", limit)
        assert run.status == 0, run.error or run.output[-2000:]
        assert shop.ran() == ran


def test_a_superuser_that_cannot_be_created_does_not_stop_the_deploy(shop: Shop) -> None:
    refuse = "\n\ndef refuse(sender, **kwargs):\n    raise ValueError('no more users')\n\n\n"
    refuse += "models.signals.pre_save.connect(refuse, 'auth.User')\n"
    shop.world.project.edit("gallery/models.py", lambda text: text + refuse)
    admin = {"username": "admin", "password": "correct-horse-battery"}
    sites = shop.site(superuser=admin, nginx={"listen": [80, 8090]})
    for changed in (True, False):
        run = shop.host.deploy(sites, WHOLE)
        assert bool(run.changed) == changed
        assert f"site '{SITE}': superuser failed: ValueError: no more users" in run.output
    # nginx was configured after the superuser failed.
    assert shop.host.told("nginx -T 2>/dev/null | grep -c 'listen 8090'") != "0"
    shop.works()


def test_migrations_can_be_run_by_hand_before_the_first_release_is_healthy(shop: Shop) -> None:
    bare = site(
        "bare",
        shop.world.project,
        **{**keys(), "release": None, "migrate": False, "health": {"path": "/", "status": [200]}},
    )
    bare["health"]["timeout"] = 5
    run = shop.host.play([bare], DEPLOY)
    assert run.error.startswith("site 'bare': health failed: / as bare.example answered 500"), run.error
    shop.host.told("/opt/sites/bare/manage migrate --verbosity 0")
    shop.host.deploy([bare], WHOLE)
    assert shop.world.ask("bare").status == 200
    assert "current" in shop.host.told("cat /opt/sites/bare/manage")
    shop.world.assert_tidy("bare")
    shop.host.play([{**bare, "state": "absent", "purge": True}], WHOLE)


def test_node_has_the_version_that_the_project_requires(shop: Shop) -> None:
    assert shop.host.run("command -v node").returncode != 0  # no step has used it yet
    script = "require('fs').writeFileSync('static/node.txt', process.version + ' ' + process.cwd())"
    shop.world.project.write({"build.js": script, "package.json": '{"engines": {"node": "^24"}}'})
    run = shop.host.deploy(shop.site(build=[{"run": "node build.js"}, "collectstatic", {"manage": "compress"}]), DEPLOY)
    version = shop.host.told(f"cat {ROOT}/current/static/node*.txt | head -n 1")
    assert version.startswith("v24."), version
    assert shop.host.told("node --version") != version.split()[0]
    assert shop.host.told(f"ls {ROOT}/current/../../builds/*/ | grep -c tools || true") == "0"
    assert "hint: " not in run.output
