"""Releases below a temporary directory, and fakes of what a release uses on a host."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import types
from pathlib import Path

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete, split_secrets
from ansible_collections.pyweb.stack.plugins.module_utils.release.release import wanted
from ansible_collections.pyweb.stack.plugins.module_utils.release.shelf import Shelf

SECRET = "correct-horse-battery"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="it writes files that belong to root")
FIXTURES = Path(__file__).parent / "fixtures/releases_0_1"


def roots(tmp_path):
    return {key: str(tmp_path / key) for key in ("sites", "state", "config", "run", "cache")}


def make_site(tmp_path, **keys):
    """Return the site shop below `tmp_path`, and its secrets."""
    sites, secrets = split_secrets(complete([{**goldens.SHOP, **keys}], roots=roots(tmp_path)))
    return sites[0], secrets["shop"]


def make_release(tmp_path, build=None, **keys):
    """Return a release of the site shop; its roots are the same for all `keys`."""
    site, secrets = make_site(tmp_path, **keys)
    return wanted(site, secrets, build or goldens.BUILD, "site-shop")


def make_layout(tmp_path):
    return Layout.under("shop", roots(tmp_path))


def put_releases(tmp_path, *rows):
    """Create releases as they are on a host: (id, time of creation)."""
    folder = tmp_path / "sites/shop/releases"
    for name, made in rows:
        (folder / name).mkdir(parents=True)
        (folder / name / "release.json").write_text(json.dumps({"id": name, "build": f"of-{name}", "made": made}))


def put_links(tmp_path, current="", previous=""):
    for name, release_id in (("current", current), ("previous", previous)):
        if release_id:
            (tmp_path / "sites/shop").mkdir(parents=True, exist_ok=True)
            os.symlink(f"releases/{release_id}", tmp_path / "sites/shop" / name)


def put_0_1(tmp_path, name):
    """Create a release as version 0.1 made it, of the kind `name`, and return its record."""
    folder = FIXTURES / name
    moved = {"/opt/sites": "sites", "/var/lib/sites": "state", "/etc/sites": "config", "/run/sites": "run"}
    texts = {}
    for file in ("release.json", "uwsgi.ini", "environment"):
        texts[file] = (folder / file).read_text()
        for before, after in moved.items():
            texts[file] = texts[file].replace(before, str(tmp_path / after))
    record = json.loads(texts["release.json"])
    release = tmp_path / "sites/shop/releases" / record["id"]
    config = tmp_path / "config/shop"
    release.mkdir(parents=True)
    config.mkdir(parents=True, exist_ok=True)
    (release / "release.json").write_text(texts["release.json"])
    (release / "uwsgi.ini").write_text(texts["uwsgi.ini"])
    (config / f"{record['id']}.env").write_text(texts["environment"])
    return record


class FakeShell:
    """Record commands, and answer those that start with given words: words -> (exit status, output)."""

    def __init__(self, answers=()):
        self.answers = dict(answers)
        self.done, self.given = [], []

    def run(self, step, argv, user="root", cwd="/", environment=None, stdin="", timeout=1200, check=True):
        command = " ".join(argv)
        self.done.append(f"{step}: {command}" + ("" if check else " (may fail)"))
        self.given.append(
            {
                "step": step,
                "argv": argv,
                "user": user,
                "cwd": cwd,
                "environment": environment,
                "stdin": stdin,
                "timeout": timeout,
            }
        )
        status, output = next((found for words, found in self.answers.items() if command.startswith(words)), (0, ""))
        if check and status:
            raise StepError("shop", step, output or f"exit status {status}")
        return types.SimpleNamespace(returncode=status, stdout=output, stderr=output if status else "")


class World:
    """What a switch uses: fakes of systemd and the database that record the calls in their order.

    `failing` are the actions that fail, `running` the releases that systemd runs, `planned` the pending migrations,
    `applied` the applied ones, `superuser` the result of creating one. `workers` says whether the site has background
    processes, and `used` which releases they still use. `worse` says whether visitors get worse answers from the new
    release, `unwatched` why visits are not watched. `seen` are (action, live release) pairs.
    """

    def __init__(
        self,
        shelf,
        running=(),
        failing=(),
        planned=(),
        applied=(),
        superuser=(),
        worse=False,
        unwatched="",
        workers=False,
        used=(),
    ):
        self.shelf, self.seen = shelf, []
        self.workers, self.used = workers, set(used)
        self.active, self.failing = list(running), set(failing)
        self.planned, self.applied, self.superuser = list(planned), list(applied), list(superuser)
        self.worse, self.unwatched = worse, unwatched
        self.units = {}
        self.instances, self.unit_files, self.database = FakeInstances(self), FakeUnitFiles(self), FakeDatabase(self)
        self.background = FakeBackground(self)

    def note(self, action):
        self.seen.append((action, self.shelf.current))
        if action in self.failing:
            raise StepError("shop", "test", f"{action} failed")

    @property
    def done(self):
        return [action for action, _live in self.seen]

    def parts(self):
        return self.shelf, self.instances, self.unit_files, self.database, self.background


class FakeInstance:
    def __init__(self, world, name):
        self.world, self.name = world, name

    def check_environment(self):
        if "environment" in self.world.failing:
            self.world.note("environment")

    def start(self):
        self.world.note(f"start {self.name}")

    def restart(self):
        self.world.note(f"restart {self.name}")

    def clear(self):
        self.world.note(f"clear {self.name}")

    def stop(self):
        self.world.note(f"stop {self.name}")

    def retire(self):
        self.world.note(f"retire {self.name}")

    def abandon(self):
        self.world.note(f"abandon {self.name}")

    def drain(self):
        self.world.note(f"drain {self.name}")

    def wait_until_healthy(self):
        self.world.note(f"health {self.name}")

    def settle(self, live=False):
        self.world.note(f"settle {self.name}" + (" live" if live else ""))

    def ask_once_more(self):
        self.world.note(f"ask {self.name}")

    def is_active(self):
        return self.name in self.world.active


class FakeInstances:
    def __init__(self, world):
        self.world = world

    def of(self, release_id):
        return FakeInstance(self.world, release_id)

    def probe(self, release_id):
        return FakeInstance(self.world, f"probe of {release_id}")

    def running(self):
        return list(self.world.active)

    def answers_of(self, live):
        return f"how {live} answers" if live in self.world.active else None

    def watch(self, old, before):
        if not before:
            return "its traffic is not watched"
        self.world.note(f"watch after {old}")
        if self.world.worse:
            raise StepError("shop", "watch", "7 of 9 answers to visitors were 5xx")
        return self.world.unwatched

    def stop_probes(self):
        self.world.note("stop probes")


class FakeUnitFiles:
    """Store units in `world.units`."""

    def __init__(self, world):
        self.world = world

    def present(self):
        return list(self.world.units)

    def texts(self, also):
        return {name: self.world.units.get(name, "") for name in {*self.world.units, *also}}

    def installed(self, wanted):
        return all(self.world.units.get(name) == text for name, text in wanted.items())

    def limit_ports(self, wanted, check_mode):
        return []

    def install(self, wanted, addresses):
        self.world.units.update(wanted)
        self.world.note(" ".join(["install units", *addresses]))

    def restore(self, before):
        self.world.units = {name: text for name, text in before.items() if text}
        self.world.note("restore units")

    def drop(self, names):
        for name in names:
            del self.world.units[name]
        self.world.note(f"drop {' '.join(names)}")


class FakeDatabase:
    def __init__(self, world):
        self.world = world

    def migrations(self, what, timeout=1200):
        self.world.note(f"migrations {what}" + (f" in {timeout} s" if timeout != 1200 else ""))
        if what == "applied":
            return {"applied": self.world.applied}
        return {"known": ["shop.0001_initial"], "plan": self.world.planned}

    def command(self, step):
        self.world.note(" ".join([step["kind"], *step["words"]]))

    @contextlib.contextmanager
    def locked(self, steps):
        self.world.note("lock")
        try:
            yield
        finally:
            self.world.note("unlock")

    def make_superuser(self, check_mode):
        self.world.note("superuser" + (" in check mode" if check_mode else ""))
        return list(self.world.superuser)


class FakeBackground:
    """Fake workers and timers that record calls if the site has any."""

    def __init__(self, world):
        self.world = world

    def note(self, action):
        if self.world.workers:
            self.world.note(action)

    def check(self):
        self.note("check workers")

    def texts(self):
        return {"pyweb-timer-shop@digest.timer": "the live release's"}

    def start_new(self):
        self.note("start workers")

    def stop_old(self):
        self.note("stop old workers")

    def follow(self):
        self.note("timers follow")

    def put_back(self, old, texts):
        assert texts == self.texts()
        self.note(f"put workers of {old} back")

    def tidy(self, check_mode=False):
        self.note("tidy workers" + (" in check mode" if check_mode else ""))
        return ["started worker celery"] if self.world.workers == "missing" else []

    def in_use(self):
        return self.world.used


class FakeFront:
    """Fake nginx in front of the site: `wrong` has the result of each look, in order."""

    def __init__(self, world, *wrong, serving=True):
        self.world, self.wrong, self.serving = world, list(wrong), serving

    def serves(self):
        return self.serving

    def answers(self):
        return self.serving and not self.look(attempts=1).wrong

    def unanswered(self):
        return self.look().wrong if self.serving else ""

    def look(self, attempts=3):
        self.world.note(f"ask through nginx, {attempts} times at most")
        return types.SimpleNamespace(wrong=self.wrong.pop(0))


class WatchedShelf(Shelf):
    """A real shelf that records its calls in the same order as all other calls."""

    world: World

    def prepare(self, release):
        self.world.note("prepare")
        super().prepare(release)

    def record(self, release, known):
        self.world.note(f"record {' '.join(known)}")
        super().record(release, known)

    def switch(self, release_id):
        self.world.note(f"switch to {release_id}")
        super().switch(release_id)

    def tidy(self, release, check_mode, used=()):
        self.world.note("tidy" + (" in check mode" if check_mode else ""))
        return super().tidy(release, check_mode, used)


def make_world(tmp_path, **state):
    shelf = WatchedShelf(make_layout(tmp_path))
    shelf.world = World(shelf, **state)
    return shelf.world


def buildable(tmp_path, release):
    """Return a release whose build, user and directories exist."""
    for name in (f"sites/shop/builds/{goldens.BUILD['id']}/venv/bin", "sites/shop/releases", "config/shop"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    uwsgi = tmp_path / f"sites/shop/builds/{goldens.BUILD['id']}/venv/bin/uwsgi"
    uwsgi.touch(0o755)
    root = str(tmp_path / f"sites/shop/builds/{goldens.BUILD['id']}")
    manifest = {
        **release.manifest,
        "path": root,
        "src": f"{root}/src",
        "home": f"{root}/venv",
        "uwsgi": str(uwsgi),
        "source": {"kind": "git", "git": "/srv/shop.git", "version": "main"},
    }
    return dataclasses.replace(release, manifest=manifest, user="root")


def links(host):
    return tuple(os.readlink(host / "sites/shop" / name) for name in ("current", "previous"))


def history(host):
    """Return the lines of the site's history without their times."""
    return [line.split(" ", 1)[1] for line in (host / "sites/shop/history").read_text().splitlines()]
