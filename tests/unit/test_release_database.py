"""Migrations and the superuser: the programs that the build's Python runs, and how their output is used."""

from __future__ import annotations

import dataclasses
import inspect
import json

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import StepError
from ansible_collections.pyweb.stack.plugins.module_utils.release import django_migrations, django_superuser
from ansible_collections.pyweb.stack.plugins.module_utils.release.database import Database
from releases import AS_ROOT, SECRET, FakeShell, make_release

BUILD = {**goldens.BUILD, "src": "/opt/sites/shop/builds/0123456789ab/src", "chdir": "backend"}
ADMIN = {"username": "admin", "email": "admin@example.com", "password": SECRET}


def make(tmp_path, answers=(), build=None, **keys):
    shell = FakeShell(answers)
    return Database(shell, make_release(tmp_path, build or BUILD, **keys)), shell


def answering(status, *lines):
    return {"/bin/sh": (status, "\n".join(lines))}


# --- migrations ---


def test_migrations_run_with_the_builds_python_as_the_sites_user(tmp_path):
    found = {"known": ["shop.0001_initial"], "plan": ["shop.0001_initial"], "left": []}
    database, shell = make(
        tmp_path, answering(0, "Applying shop.0001_initial... OK", "", json.dumps(found)), env={"TOKEN": SECRET}
    )
    assert database.migrations("apply") == found
    [given] = shell.given
    assert given["argv"] == [
        "/bin/sh",
        "-c",
        'umask 0027; exec "$@"',
        "sh",
        "/opt/sites/shop/builds/0123456789ab/venv/bin/python3",
        "-",
        "apply",
    ]
    assert (given["step"], given["user"]) == ("migrate", "site-shop")
    assert given["cwd"] == "/opt/sites/shop/builds/0123456789ab/src/backend"
    assert given["environment"] == {
        "TOKEN": SECRET,
        "DJANGO_SETTINGS_MODULE": "pyweb_settings",
        "PYTHONPATH": "/opt/sites/shop/builds/0123456789ab/overlay",
        "HOME": f"{tmp_path}/state/shop",
    }
    assert given["stdin"] == inspect.getsource(django_migrations)


def test_without_a_virtualenv_the_systems_python_is_used(tmp_path):
    database, shell = make(tmp_path, answering(0, "{}"), {**BUILD, "home": ""})
    database.migrations("plan")
    assert shell.given[0]["argv"][4] == "/usr/bin/python3"


def test_no_program_runs_for_a_project_without_an_overlay(tmp_path):
    database, shell = make(tmp_path, build={**BUILD, "overlay": False}, superuser=ADMIN)
    assert database.migrations("apply") == {"known": [], "plan": [], "applied": []}
    assert database.make_superuser(check_mode=False) == []
    assert shell.done == []


class Failing(FakeShell):
    """A failing migration: its result is on the standard output, its reason on the standard error."""

    def run(self, *words, **more):
        done = super().run(*words, **more)
        done.stdout, _mark, done.stderr = done.stdout.partition("---\n")
        return done


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", ""),
        ('{"known": [], "plan": []}\n', ""),
        ('{"plan": ["a.1", "a.2"]}\n', "; applied: none; not applied: a.1, a.2"),
        ('{"plan": ["a.1", "a.2"], "left": ["a.2"]}\n', "; applied: a.1; not applied: a.2"),
        ('{"plan": []}\n{"plan": ["a.1"], "left": ["a.1"]}\n', "; applied: none; not applied: a.1"),
    ],
)
def test_a_failing_migration_says_what_was_applied(tmp_path, answer, words):
    said = f"Operations to perform\n{answer}---\nTraceback ...\nValueError: bad data\n"
    shell = Failing(answering(1, said))
    with pytest.raises(StepError) as caught:
        Database(shell, make_release(tmp_path, BUILD)).migrations("apply")
    assert caught.value.cause == f"ValueError: bad data{words}"
    assert (caught.value.step, str(caught.value).endswith("\n  Traceback ...\n  ValueError: bad data")) == (
        "migrate",
        True,
    )


# --- the superuser ---


@AS_ROOT
@pytest.mark.parametrize(("said", "what"), [("made\n", ["superuser admin"]), ("there\n", [])])
def test_the_superuser_is_created_once(tmp_path, said, what):
    (tmp_path / "config/shop").mkdir(parents=True)
    record = tmp_path / "config/shop/superusers.json"
    record.write_text('{"other": 1}')
    database, shell = make(tmp_path, answering(0, f"a warning\n{said}"), superuser=ADMIN, env={"A": "b"})
    assert database.make_superuser(check_mode=False) == what
    [given] = shell.given
    assert (given["step"], given["user"]) == ("superuser", "site-shop")
    assert given["argv"][4:] == ["/opt/sites/shop/builds/0123456789ab/venv/bin/python3", "-"]
    assert {key: value for key, value in given["environment"].items() if key.startswith("DJANGO_SUPER")} == {
        "DJANGO_SUPERUSER_USERNAME": "admin",
        "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
        "DJANGO_SUPERUSER_PASSWORD": SECRET,
    }
    assert given["environment"]["A"] == "b"
    assert given["stdin"] == inspect.getsource(django_superuser)
    known = json.loads(record.read_text())
    assert sorted(known) == ["admin", "other"]
    assert known["admin"] > 1764000000
    assert oct(record.stat().st_mode) == "0o100600"
    # It is recorded, so that a second run does not start Django.
    assert database.make_superuser(check_mode=False) == []
    assert len(shell.done) == 1


@AS_ROOT
def test_a_superuser_of_another_user_model(tmp_path):
    (tmp_path / "config/shop").mkdir(parents=True)
    given = {"email": "a@example.com", "fields": {"full_name": "Ada", "age": 36}, "password": SECRET}
    database, shell = make(tmp_path, answering(0, "made"), superuser=given)
    assert database.make_superuser(check_mode=False) == ["superuser a@example.com"]
    environment = shell.given[0]["environment"]
    assert (environment["DJANGO_SUPERUSER_USERNAME"], environment["DJANGO_SUPERUSER_EMAIL"]) == ("", "a@example.com")
    assert json.loads(environment["PYWEB_USER_FIELDS"]) == {"full_name": "Ada", "age": 36}
    assert list(json.loads((tmp_path / "config/shop/superusers.json").read_text())) == ["a@example.com"]


def test_check_mode_predicts_the_superuser(tmp_path):
    database, shell = make(tmp_path, superuser=ADMIN)
    assert database.make_superuser(check_mode=True) == ["superuser admin"]
    assert shell.done == []


def test_a_site_without_a_superuser(tmp_path):
    database, shell = make(tmp_path)
    assert database.make_superuser(check_mode=False) == []
    assert shell.done == []


def test_a_superuser_that_cannot_be_created_is_not_recorded(tmp_path):
    database, _shell = make(tmp_path, answering(1, "no such table"), superuser=ADMIN)
    with pytest.raises(StepError, match="superuser failed: no such table"):
        database.make_superuser(check_mode=False)
    assert not (tmp_path / "config/shop/superusers.json").exists()


def test_a_stored_release_creates_no_superuser(tmp_path):
    release = dataclasses.replace(make_release(tmp_path, BUILD, superuser=ADMIN), superuser={})
    assert Database(FakeShell(), release).make_superuser(check_mode=False) == []
