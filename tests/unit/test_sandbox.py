"""The sandbox of a site's processes: where its directives come from, exceptions, and how commands run in it."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import goldens
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import confined, sandbox
from ansible_collections.pyweb.stack.plugins.module_utils.host import shell as shells
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import Identity
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.release import units
from releases import AS_ROOT

SECRET = "correct-horse-battery"


def site(**keys):
    [found] = complete([{**goldens.SHOP, **keys}])
    return {**found, "group": found["user"]}


def of(build=None, **keys):
    return sandbox.of_site(site(**keys), {**goldens.BUILD, **(build or {})})


def writable(found):
    return [path.removeprefix("-") for path in found["ReadWritePaths"]]


# --- access of a site ---


def test_a_site_can_write_its_data_and_its_sockets():
    found = of()
    assert writable(found) == ["/var/lib/sites/shop", "/run/sites/shop"]
    assert {name: values for name, values in found.items() if name != "ReadWritePaths"} == sandbox.DIRECTIVES


def test_media_elsewhere_and_targets_of_roots_links_are_writable(tmp_path):
    assert "/srv/pictures" in writable(of(nginx={"media": {"url": "/m/", "path": "/srv/pictures"}}))
    (tmp_path / "state/shop").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "state/shop/media")
    [found] = complete([goldens.SHOP], roots={"state": str(tmp_path / "state")})
    assert writable(sandbox.of_site(found, goldens.BUILD))[:2] == [
        f"{tmp_path}/state/shop",
        f"{tmp_path}/state/shop/media",
    ]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"logto": "/var/log/shop/uwsgi.log"}, ["/var/log/shop"]),
        ({"logger": ["file:/var/log/a.log", "err file:/srv/b/c.log"]}, ["/var/log", "/srv/b"]),
        ({"spooler": "/srv/spool"}, ["/srv/spool"]),
        ({"cache2": "name=x,items=9,store=/srv/cache/x"}, ["/srv/cache"]),
        ({"req-logger": "file:/etc/x.log", "harakiri": 5}, []),
    ],
)
def test_paths_in_uwsgi_options_are_writable(options, paths):
    assert writable(of(uwsgi={"options": options}))[2:] == paths


def test_paths_in_settings_are_writable_except_those_of_the_system():
    build = {"written": ["/srv/db", "/var/log/my shop", "/etc", "/usr/share/x", "/", "/home", "/proc/1", "/srv/../etc"]}
    found = of(build)
    assert found["ReadWritePaths"][2:] == ["-/srv/db", '"-/var/log/my shop"']


@pytest.mark.parametrize(
    ("keys", "build", "value"),
    [
        ({}, {}, "yes"),
        ({"source": {"path": "/srv/mysite"}, "virtualenv": "/srv/venv"}, {}, "yes"),
        ({"source": {"path": "/home/huatai/mysite"}}, {}, "read-only"),
        ({"source": {"path": "/srv/mysite"}, "virtualenv": "/home/huatai/venv"}, {}, "read-only"),
        ({}, {"home": "/root/venv"}, "read-only"),
        ({}, {"written": ["/home/huatai/db"]}, "read-only"),
        ({"uwsgi": {"options": {"pythonpath": ["/srv/a", "/home/huatai/lib"]}}}, {}, "read-only"),
    ],
)
def test_homes_are_hidden_unless_the_site_is_in_one(keys, build, value):
    assert of(build, **keys)["ProtectHome"] == [value]


def test_a_link_into_a_home_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "HOMES", (str(tmp_path / "home"),))
    (tmp_path / "home").mkdir()
    os.symlink(tmp_path / "home", tmp_path / "code")
    assert of(source={"path": str(tmp_path / "code")})["ProtectHome"] == ["read-only"]


def test_a_user_of_the_host_keeps_its_ipc_objects():
    assert "RemoveIPC" not in of(user="huatai")


def test_a_build_without_recorded_paths_can_write_where_its_user_can():
    """Such a build was made by an earlier version, on a host that is being upgraded."""
    manifest = {name: value for name, value in goldens.BUILD.items() if name != "written"}
    found = sandbox.of_site(site(source={"path": "/home/huatai/mysite"}), manifest)
    assert found["ProtectSystem"] == ["full"]
    assert writable(found)[-1] == "/home/huatai/mysite"


# --- directives of the inventory ---


def directives(unit):
    found = site(uwsgi={"unit": unit})
    text = units.render({**found, "sandbox": sandbox.of_site(found, goldens.BUILD)})["uwsgi-shop@.service"]
    return [line for line in text.splitlines() if "=" in line]


def test_a_directive_of_the_inventory_replaces_the_default():
    found = directives({"ProtectHome": "read-only", "PrivateDevices": "no"})
    assert [line for line in found if line.startswith(("ProtectHome", "PrivateDevices"))] == [
        "PrivateDevices=no",
        "ProtectHome=read-only",
    ]


def test_directives_that_systemd_accumulates_are_added():
    found = directives({"ReadWritePaths": "/srv/a%b", "SystemCallFilter": ["@chown"], "RestrictAddressFamilies": ""})
    assert [line for line in found if line.startswith(("ReadWritePaths", "SystemCallFilter", "RestrictAddress"))] == [
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallFilter=@chown",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictAddressFamilies=",
        "ReadWritePaths=-/var/lib/sites/shop",
        "ReadWritePaths=-/run/sites/shop",
        "ReadWritePaths=/srv/a%%b",
    ]


def test_commands_only_get_sandbox_directives_of_the_inventory():
    own = {"ProtectHome": ["no"], "ReadWritePaths": ["/srv/a"], "MemoryMax": ["1G"], "Environment": ["A=1"]}
    assert sandbox.with_own({"ProtectHome": ["yes"], "ReadWritePaths": ["/x"]}, own) == {
        "ProtectHome": ["no"],
        "ReadWritePaths": ["/x", "/srv/a"],
    }


# --- builds ---


def build(environment=None, **keys):
    return sandbox.of_build(site(**keys), environment or {})


def test_a_build_can_write_builds_virtualenvs_caches_and_data():
    assert writable(build()) == [
        "/opt/sites/shop/builds",
        "/opt/sites/shop/virtualenvs",
        "/var/cache/sites/shop",
        # The parent directory of the steps' own directories; it belongs to root.
        "/var/lib/pyweb.stack",
        "/var/lib/sites/shop",
    ]


def test_a_build_can_write_the_virtualenv_of_the_inventory():
    found = build(source={"path": "/home/huatai/mysite"}, virtualenv="/home/huatai/venv")
    assert writable(found)[-2:] == ["/home/huatai/mysite", "/home/huatai/venv"]
    assert found["ProtectHome"] == ["read-only"]


@pytest.mark.parametrize(
    ("environment", "home", "private"),
    [
        ({"SSL_CERT_FILE": "/etc/ssl/ca.crt", "https_proxy": "http://proxy/home/x"}, "yes", True),
        ({"SSL_CERT_FILE": "/home/huatai/ca.crt"}, "read-only", True),
        ({"PIP_FIND_LINKS": "file:///tmp/wheels"}, "yes", False),
    ],
)
def test_a_build_can_read_paths_in_its_environment(environment, home, private):
    found = build(environment)
    assert (found["ProtectHome"], "PrivateTmp" in found) == ([home], private)


def test_a_build_has_the_same_exceptions_as_uwsgi():
    assert build(uwsgi={"unit": {"ReadWritePaths": "/srv/a"}})["ReadWritePaths"][-1] == "/srv/a"


# --- commands ---


def test_no_value_of_the_environment_is_on_a_command_line():
    argv, given = confined.command(
        "x.service",
        {"PrivateTmp": ["yes"]},
        Identity(7, 8),
        ["true", "a b", "${HOME} $@"],
        "/srv",
        {"TOKEN": SECRET, "B": "1\n2"},
    )
    assert SECRET not in " ".join(argv)
    assert given == f"TOKEN={SECRET}\0B=1\n2\0".encode()
    assert argv[-5:] == [str(len(given)), "/srv", "true", "a b", "$${HOME} $$@"]
    assert {"--uid=7", "--gid=8", "--property=PrivateTmp=yes", "--unit=x.service"} <= set(argv)


@pytest.mark.parametrize(
    ("status", "errors", "told"),
    [
        (0, "a warning\n", (0, "a warning\n", "")),
        (3, "", (3, "", "")),
        (127, "\npyweb-not-started /no: No such file or directory\n", (127, "", "/no: No such file or directory")),
        (137, "working\n\npyweb-killed-by 9\n", (-9, "working\n", "")),
        (226, "", (226, "", "systemd could not prepare its sandbox: 226/NAMESPACE")),
        (226, "its own\n", (226, "its own\n", "")),
    ],
)  # fmt: skip
def test_exit_status_of_a_command(status, errors, told):
    assert confined.ending(status, errors) == told


# A fake systemd: it runs what comes after the options of systemd-run, and records what is stopped.
SYSTEMD_RUN = """#!/usr/bin/python3
import os, sys
words = [word.replace("$$", "$") for word in sys.argv[1:] if not word.startswith("--")]
os.execvp(words[0], words)
"""


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Return a shell with a sandbox, and a fake systemd without one."""
    for name, text in (("systemd-run", SYSTEMD_RUN), ("systemctl", f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(shells, "BASE_ENVIRONMENT", {**shells.BASE_ENVIRONMENT, "PATH": path})
    return Shell("shop", {"TOKEN": SECRET}, [SECRET], {"PrivateTmp": ["yes"]})


@AS_ROOT
def test_a_command_in_the_sandbox_gets_its_environment_its_input_and_its_directory(shell, tmp_path):
    script = "env; pwd; cat; echo err >&2; exit 3"
    done = shell.run("step", ["sh", "-c", script], "nobody", str(tmp_path), {"MORE": "1\n2"}, "the input", check=False)
    lines = done.stdout.splitlines()
    assert {"TOKEN=********", "MORE=1", "2", "HOME=/nonexistent", str(tmp_path), "the input"} <= set(lines)
    assert (done.returncode, done.stderr, done.args[0]) == (3, "err\n", "sh")


@AS_ROOT
def test_a_command_fails_in_the_sandbox_as_outside(shell):
    def failure(*words, **more):
        with pytest.raises(StepError) as caught:
            shell.run("step", words, "nobody", **more)
        return caught.value.cause

    assert failure("/no/such/program") == "/no/such/program: No such file or directory"
    assert failure("true", cwd="/no/such") == "/no/such: No such file or directory"
    assert failure("sh", "-c", "kill -9 $$") == "ended by signal 9"
    assert failure("sh", "-c", f"echo fatal: {SECRET} >&2; exit 1") == "********"


@AS_ROOT
def test_the_unit_of_a_command_that_takes_too_long_is_stopped(shell, tmp_path):
    with pytest.raises(StepError, match=r"no end after 0\.3 s"):
        shell.run("step", ["sleep", "60"], "nobody", timeout=0.3)
    assert re.fullmatch(r"stop --quiet pyweb-run-shop-[0-9a-f]{12}\.service\n", (tmp_path / "asked").read_text())


@AS_ROOT
def test_a_command_in_the_sandbox_is_stopped_when_its_run_is_killed(shell, tmp_path):
    (tmp_path / "runs").touch(0o666)
    (tmp_path / "runs").chmod(0o666)
    run = os.fork()
    if run == 0:
        shell.run("step", ["sh", "-c", f"echo yes > {tmp_path}/runs; exec sleep 60"], "nobody")
        os._exit(0)
    wait_until((tmp_path / "runs").read_text)
    os.kill(run, signal.SIGKILL)
    os.waitpid(run, 0)
    wait_until((tmp_path / "asked").exists)


def wait_until(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@AS_ROOT
def test_commands_of_root_run_without_a_sandbox(shell, monkeypatch):
    monkeypatch.setattr(confined, "command", None)
    assert shell.run("step", ["true"]).returncode == 0


def test_a_shell_in_a_sandbox_hides_the_same_secrets():
    outside = Shell("shop", {}, [SECRET])
    inside = outside.within({"PrivateTmp": ["yes"]})
    assert (inside.mask(SECRET), inside.sandbox, outside.sandbox) == ("********", {"PrivateTmp": ["yes"]}, {})


def test_the_record_of_a_release_is_plain_json():
    assert json.loads(json.dumps(of())) == of()
