"""The environment of a uWSGI process, whose title may have overwritten what /proc shows of it."""

from __future__ import annotations

import getpass
import pwd

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import unit_environment as environments
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Process
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout

RELEASE = "0123456789ab"
OVERWRITTEN = {"ED": "cut", "REQUIRED": "old", "NOTIFY_SOCKET": "/run/systemd/notify"}
INTACT = {"REQUIRED": "as it started", "PATH": "/usr/bin"}


def master(command, environment):
    return Process(5, 1, "uwsgi", [command], Identity(33, 33), 0.0, environment=environment)


@pytest.fixture
def layout(tmp_path):
    layout = Layout.under("shop", {"config": str(tmp_path)})
    (tmp_path / "shop").mkdir()
    (tmp_path / f"shop/{RELEASE}.env").write_text('REQUIRED="of the release"\nKEY="two\nlines"\n')
    return layout


@pytest.mark.parametrize("command", ["uWSGI master", "uwsgi"])
def test_a_release_has_the_environment_of_its_file(layout, command):
    """Even if the environment in /proc looks complete: part of it may be overwritten."""
    user = getpass.getuser()
    unit = {
        "Id": f"uwsgi-shop@{RELEASE}.service",
        "User": user,
        "EnvironmentFiles": f"{layout.env(RELEASE)} (ignore_errors=yes)",
    }
    found = environments.running_environment(master(command, OVERWRITTEN), unit, layout)
    assert found["REQUIRED"] == "of the release"
    assert found["KEY"] == "two\nlines"
    assert found["HOME"] == pwd.getpwnam(user).pw_dir
    assert found["NOTIFY_SOCKET"] == "/run/systemd/notify"
    assert "ED" not in found


def test_the_name_of_a_unit_that_systemd_has_forgotten_is_enough(layout):
    unit = {"Id": f"uwsgi-shop@{RELEASE}.service"}
    found = environments.running_environment(master("uWSGI master", OVERWRITTEN), unit, layout)
    assert found == {"REQUIRED": "of the release", "KEY": "two\nlines", "NOTIFY_SOCKET": "/run/systemd/notify"}


def test_a_foreign_uwsgi_has_the_environment_in_proc_unless_it_is_overwritten(layout, tmp_path):
    (tmp_path / "env").write_text("REQUIRED=changed since\n")
    unit = {"Id": "uwsgi.service", "EnvironmentFiles": f"{tmp_path}/env (ignore_errors=no)"}
    assert environments.running_environment(master("uwsgi", INTACT), unit, layout) == INTACT
    found = environments.running_environment(master("uWSGI master", OVERWRITTEN), unit, layout)
    assert found == {**OVERWRITTEN, "REQUIRED": "changed since"}


def test_a_foreign_uwsgi_without_a_unit_has_the_environment_in_proc(layout):
    assert environments.running_environment(master("uWSGI master", OVERWRITTEN), {}, layout) == OVERWRITTEN


def test_environment_that_systemd_would_give_a_unit(tmp_path):
    path = tmp_path / "env"
    path.write_text('# A=1\n; B=2\nC=c d\nD=\'e f\'\nE="g \\\\ h"\nno line\nF=\nG="i\nj=k"\n')
    unit = {"Environment": 'X=1 "Y=2 3" Z="a\\"b" word', "EnvironmentFiles": f"{path} (ignore_errors=no)"}
    wanted = {"X": "1", "Y": "2 3", "Z": 'a"b', "C": "c d", "D": "e f", "E": "g \\ h", "F": "", "G": "i\nj=k"}
    assert environments.unit_environment(unit) == wanted
