"""The steps of a release: their order, the lock, error messages, and the hosts and runs in which they run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import types

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import database as database_module
from ansible_collections.pyweb.stack.plugins.module_utils.release import django_migrations
from ansible_collections.pyweb.stack.plugins.module_utils.release.commands import Commands
from ansible_collections.pyweb.stack.plugins.module_utils.release.database import Database
from builds import ME
from models import fault
from releases import SECRET, FakeDatabase, FakeShell, World, make_release, make_world

CACHE, WARM = {"manage": "createcachetable"}, {"run": "bin/warm --all", "timeout": "2m"}
MIGRATE = {"migrate": {"timeout": "1h"}}


def commands_of(tmp_path, *steps, first=True, failing=(), planned=()):
    release = dataclasses.replace(make_release(tmp_path, release=list(steps)), first=first)
    world = World(None, failing=failing, planned=planned)
    world.note = lambda action: note(world, action)
    return Commands(release, FakeDatabase(world)), world


def note(world, action):
    world.seen.append((action, ""))
    if action in world.failing:
        raise StepError("shop", f"release step '{action}'", "it broke", "line 1\nline 2")


@pytest.mark.parametrize(
    ("steps", "done"),
    [
        (["migrate"], ["migrations apply"]),  # it takes the lock itself
        ([], ["migrations plan"]),
        ([MIGRATE], ["lock", "migrations apply-held in 3600 s", "unlock"]),
        (["migrate", CACHE], ["lock", "migrations apply-held", "manage createcachetable", "unlock"]),
        ([WARM, "migrate"], ["lock", "run bin/warm --all", "migrations apply-held", "unlock"]),
        ([CACHE], ["lock", "manage createcachetable", "migrations plan", "unlock"]),
    ],
)
def test_steps_run_in_order_under_one_lock(tmp_path, steps, done):
    commands, world = commands_of(tmp_path, *steps, planned=["shop.0002"])
    found = commands.run()
    assert world.done == done
    assert found.known == ["shop.0001_initial"]
    assert found.applied == (["shop.0002"] if any("apply" in action for action in done) else [])


def test_a_release_that_is_restarted_only_migrates(tmp_path):
    commands, world = commands_of(tmp_path, "migrate", CACHE)
    commands.run(new=False)
    assert world.done == ["migrations apply"]


def test_steps_of_one_host_are_not_run_on_the_others(tmp_path):
    steps = ["migrate", {**CACHE, "once": True}, WARM]
    commands, world = commands_of(tmp_path, *steps, first=False)
    assert commands.planned() == ["command: bin/warm --all"]
    commands.run()
    assert world.done == ["lock", "migrations apply-held", "run bin/warm --all", "unlock"]
    commands, world = commands_of(tmp_path, *steps)
    assert commands.planned() == ["command: manage createcachetable", "command: bin/warm --all"]


@pytest.mark.parametrize(
    ("failing", "ran", "applied"),
    [("migrations apply-held", "none", []), ("run bin/warm --all", "migrate, manage createcachetable", ["shop.0002"])],
)
def test_a_failure_names_the_step_and_the_completed_ones(tmp_path, failing, ran, applied):
    commands, world = commands_of(tmp_path, "migrate", CACHE, WARM, failing=[failing], planned=["shop.0002"])
    with pytest.raises(StepError) as caught:
        commands.run()
    assert str(caught.value) == (
        f"site 'shop': release step '{failing}' failed: it broke; steps that ran before it: {ran}\n  line 1\n  line 2"
    )
    assert caught.value.migrations == applied
    assert world.done[-1] == "unlock"


def test_a_secret_in_the_arguments_is_not_shown(tmp_path):
    release = make_release(tmp_path, release=[{"run": ["send", SECRET]}], env={"TOKEN": SECRET})
    assert Commands(release, FakeDatabase(None)).planned() == ["command: send ********"]


# --- the id ---


def test_only_commands_change_the_id(tmp_path):
    plain = make_release(tmp_path).id
    for same in ({"release": ["migrate"]}, {"migrate": False}, {"release": []}, {"release": [MIGRATE]}):
        assert make_release(tmp_path, **same).id == plain
    added = make_release(tmp_path, release=["migrate", CACHE]).id
    assert added != plain
    assert make_release(tmp_path, release=["migrate", {**CACHE, "timeout": "1h"}]).id == added
    assert make_release(tmp_path, release=[CACHE, "migrate"]).id != added
    assert make_release(tmp_path, release=["migrate", {**CACHE, "once": True}]).id != added


def test_migrate_false_has_no_step_and_excludes_release():
    assert "migrate is false and release is given; expected one of them" in fault(migrate=False, release=["migrate"])


# --- processes ---


def step(kind, *words, timeout=90):
    return {"kind": kind, "words": list(words), "timeout": timeout, "once": False}


def test_a_command_runs_inside_the_virtualenv_of_the_release(tmp_path):
    build = {**goldens.BUILD, "src": "/b/src", "chdir": "backend", "home": "/b/venv", "path": "/b"}
    shell = FakeShell()
    shell.environment, shell.mask = {"PATH": "/usr/bin:/bin"}, lambda text: text
    database = Database(shell, make_release(tmp_path, build, env={"TOKEN": SECRET}))
    database.command(step("manage", "createcachetable", "--dry-run"))
    database.command(step("run", "bin/warm"))
    manage, run = shell.given
    assert manage["argv"][3:] == ["sh", "/b/venv/bin/python3", "-m", "django", "createcachetable", "--dry-run"]
    assert (manage["cwd"], run["cwd"], run["argv"][4:]) == ("/b/src/backend", "/b/src", ["bin/warm"])
    assert (manage["user"], manage["timeout"], run["step"]) == ("site-shop", 90, "release step 'bin/warm'")
    assert run["environment"] == {
        "TOKEN": SECRET,
        "DJANGO_SETTINGS_MODULE": "pyweb_settings",
        "PYTHONPATH": "/b/overlay",
        "HOME": f"{tmp_path}/state/shop",
        "VIRTUAL_ENV": "/b/venv",
        "PATH": "/b/venv/bin:/usr/bin:/bin",
    }


def test_a_project_without_an_overlay_has_its_own_settings(tmp_path):
    build = {
        **goldens.BUILD,
        "overlay": False,
        "settings_module": "mysite.settings",
        "home": "",
        "src": "/b/src",
        "chdir": ".",
    }
    shell = FakeShell()
    shell.environment, shell.mask = {"PATH": "/usr/bin"}, lambda text: text
    Database(shell, make_release(tmp_path, build)).command(step("manage", "check"))
    [given] = shell.given
    assert given["argv"][4] == "/usr/bin/python3"
    assert given["environment"]["DJANGO_SETTINGS_MODULE"] == "mysite.settings"
    assert "PYTHONPATH" not in given["environment"]


# A stand-in for the program that holds the lock: its output, and what it does then.
HOLDERS = {
    "held": "import time\nprint('held', flush=True)\ntime.sleep(600)",
    "free": "print('free')",
    "refused": "raise SystemExit('error: another host migrates this database for more than 9 s')",
    "lost": "print('held', flush=True)\nraise SystemExit('error: the server closed the connection')",
    "noisy": "import os, sys; [os.write(2, b'\\xff' * 2**20) for _ in range(9)]; os.write(2, b'\\nerror: noise\\n')",
}


def locking(tmp_path, monkeypatch, program):
    (tmp_path / "venv/bin").mkdir(parents=True)
    os.symlink(sys.executable, tmp_path / "venv/bin/python3")
    build = {**goldens.BUILD, "src": str(tmp_path), "chdir": ".", "home": str(tmp_path / "venv")}
    release = dataclasses.replace(make_release(tmp_path, build), user=ME)
    monkeypatch.setattr(database_module.inspect, "getsource", lambda _module: HOLDERS[program])
    started = []
    start = Shell.start

    def noted(*words, **more):
        running = start(*words, **more)
        started.append(running.process)
        return running

    monkeypatch.setattr(Shell, "start", noted)
    return Database(Shell("shop", {}), release), started


@pytest.mark.parametrize("program", ["held", "free"])
def test_the_lock_is_only_held_while_the_steps_run(tmp_path, monkeypatch, program):
    database, started = locking(tmp_path, monkeypatch, program)
    with database.locked([step("run", "a")]):
        assert program == "free" or started[0].poll() is None
    assert started[0].poll() is not None


def test_the_lock_is_released_after_a_failing_step(tmp_path, monkeypatch):
    database, started = locking(tmp_path, monkeypatch, "held")
    with pytest.raises(StepError, match="it broke"), database.locked([step("run", "a")]):
        raise StepError("shop", "a", "it broke")
    assert started[0].poll() is not None


def test_without_the_lock_no_step_runs(tmp_path, monkeypatch):
    database, _started = locking(tmp_path, monkeypatch, "refused")
    with (
        pytest.raises(StepError, match="could not be taken: another host migrates this database for more than 9 s"),
        database.locked([step("run", "a")]),
    ):
        pytest.fail("a step ran")


def test_losing_the_lock_is_a_failure(tmp_path, monkeypatch):
    database, started = locking(tmp_path, monkeypatch, "lost")
    with (
        pytest.raises(StepError, match="was lost while the steps ran: the server closed the connection"),
        database.locked([step("run", "a")]),
    ):
        started[0].wait(30)


def test_the_output_of_the_lock_holder_is_read_up_to_a_limit(tmp_path, monkeypatch):
    database, _started = locking(tmp_path, monkeypatch, "noisy")
    with pytest.raises(StepError, match="could not be taken: noise") as caught, database.locked([step("run", "a")]):
        pytest.fail("a step ran")
    assert len(caught.value.output) < 5_000_000


# --- the lock itself ---


class Connection:
    """A fake connection of Django. It is only found under its own alias."""

    def __init__(self, vendor, answer=1):
        self.vendor, self.answer, self.said, self.closed = vendor, answer, [], False
        self.refused = ""
        self.settings_dict = {"OPTIONS": {"pool": True, "sslmode": "require"}}

    def copy(self, alias=None):
        assert alias is None  # Listeners for connections look them up by alias.
        return self

    def get_connection_params(self):
        return dict(self.settings_dict["OPTIONS"])

    @property
    @contextlib.contextmanager
    def wrap_database_errors(self):
        """Convert errors of the driver to errors of Django, as Django does."""
        try:
            yield
        except OSError as error:
            raise RuntimeError(f"django.db.utils.OperationalError: {error}") from error

    def get_new_connection(self, parameters):
        assert parameters == {"sslmode": "require"}  # it might be the only one of a pool
        if self.refused:
            raise OSError(self.refused)
        return self

    def cursor(self):
        return types.SimpleNamespace(execute=self.said.append, fetchone=lambda: [self.answer])

    def close(self):
        self.closed = True


def test_waiting_for_postgresqls_lock_ignores_the_connections_timeouts():
    connection = Connection("postgresql")
    with django_migrations.locked(connection, 7) as own:
        assert own is connection
        assert connection.said == [
            "SET LOCAL lock_timeout = 7000",
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL idle_in_transaction_session_timeout = 0",
            "SELECT pg_advisory_xact_lock(1887008613)",
        ]
        assert not connection.closed
    assert connection.closed


def test_an_unreachable_server_is_reported_with_djangos_error():
    connection = Connection("postgresql")
    connection.refused = "Connection refused"
    with (
        pytest.raises(RuntimeError, match=r"django\.db\.utils\.OperationalError: Connection refused"),
        django_migrations.locked(connection),
    ):
        pytest.fail("the step ran without the lock")


@pytest.mark.parametrize("answer", [0, None])
def test_a_lock_that_mysql_does_not_grant_is_a_failure(answer):
    connection = Connection("mysql", answer)
    with pytest.raises(SystemExit, match="for more than 7 s"), django_migrations.locked(connection, 7):
        pytest.fail("the step ran without the lock")
    assert connection.closed


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        ("canceling statement due to lock timeout", (SystemExit, "another host has been migrating this database")),
        ("permission denied", (RuntimeError, "permission denied")),
    ],
)
def test_a_timeout_of_postgresqls_lock_names_its_holder(fault, caught):
    def execute(statement):
        if "advisory" in statement:
            raise RuntimeError(fault)

    connection = Connection("postgresql")
    connection.cursor = lambda: types.SimpleNamespace(execute=execute)
    with pytest.raises(caught[0], match=caught[1]), django_migrations.locked(connection, 7):
        pytest.fail("the step ran without the lock")
    assert connection.closed


def test_an_sqlite_file_needs_no_lock():
    connection = Connection("sqlite")
    with django_migrations.locked(connection) as own:
        assert own is None
    assert connection.said == []


# --- a whole deploy ---


def test_the_program_that_holds_the_lock_can_be_run_from_standard_input():
    source = database_module.inspect.getsource(django_migrations)
    done = subprocess.run([sys.executable, "-", "hold", "1"], input=source, capture_output=True, text=True, check=False)
    assert "django" in done.stderr  # as far as it gets without Django


def test_a_failure_to_create_the_superuser_is_reported_and_stops_nothing(tmp_path):
    from ansible_collections.pyweb.stack.plugins.module_utils.release.switch import Switch
    from test_release_switch import buildable

    release = buildable(tmp_path, make_release(tmp_path))
    world = make_world(tmp_path, failing=["superuser"])
    for _run in range(2):  # In the second run the release is live.
        switch = Switch(release, *world.parts(), "anna@desk")
        switch.deploy()
        assert os.readlink(tmp_path / "sites/shop/current") == f"releases/{release.id}"
        assert switch.notes == [
            "site 'shop': test failed: superuser failed; the site is served without it, and the next run tries again"
        ]
        world.active, world.units = [release.id], dict(release.units)
