"""Output of apt-get, and how it is interpreted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import pytest
from ansible.module_utils import basic
from ansible_collections.pyweb.stack.plugins.module_utils.host import files, held_units
from ansible_collections.pyweb.stack.plugins.modules import apt_install
from module_args import patch_module_args

DONE = """\
Selecting previously unselected package nginx-common.
Setting up nginx-common (1.22.1-9+deb12u3) ...
Setting up libnm0:amd64 (1.42.4-1+deb12u1) ...
Setting up nginx (1.22.1-9+deb12u3) ...
Upgrading binary: nginx.
Processing triggers for libc-bin (2.36-9+deb12u10) ...
"""
SIMULATED = """\
NOTE: This is only a simulation!
Inst nginx-common (1.22.1-9+deb12u3 Debian:12.11/oldstable [all])
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.11/oldstable [amd64])
Conf nginx-common (1.22.1-9+deb12u3 Debian:12.11/oldstable [all])
"""


@pytest.mark.parametrize(
    ("out", "installed"),
    [
        (DONE, ["libnm0 1.42.4-1+deb12u1", "nginx 1.22.1-9+deb12u3", "nginx-common 1.22.1-9+deb12u3"]),
        (SIMULATED, ["libc6 2.36-9+deb12u10", "nginx-common 1.22.1-9+deb12u3"]),
        ("nginx is already the newest version (1.22.1-9+deb12u3).\n", []),
    ],
)
def test_newly_installed_packages_are_found(out, installed):
    assert apt_install.installed_by(out) == installed


def test_faults_are_the_errors_without_warnings_and_duplicates():
    err = (
        "W: Some index files failed to download.\nE: Unable to locate package nope\nE: Unable to locate package nope\n"
    )
    assert apt_install.faults(err) == "Unable to locate package nope"
    assert apt_install.faults("Killed\n") == "Killed"


class Apt:
    """A fake apt-get with one answer per call; the last answer is repeated."""

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []

    def __call__(self, *words):
        self.calls.append(words)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


LOCKED = (100, "", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)\n")


def test_updating_the_lists_waits_for_another_apt_get(monkeypatch):
    monkeypatch.setattr(apt_install.time, "sleep", lambda _seconds: None)
    apt = Apt(LOCKED, LOCKED, (0, "", ""))
    assert apt_install.fetch_lists(apt, 60) == ""
    assert apt.calls == [("update",)] * 3


def test_updating_the_lists_does_not_wait_forever():
    assert "Could not get lock" in apt_install.fetch_lists(Apt(LOCKED), -1)


def test_lists_that_cannot_be_fetched_are_an_error_without_waiting():
    apt = Apt((100, "", "E: Failed to fetch http://deb.example.com/InRelease\n"))
    assert apt_install.fetch_lists(apt, 60) == "apt-get update: Failed to fetch http://deb.example.com/InRelease"
    assert len(apt.calls) == 1


def test_lists_are_fresh_for_a_day(monkeypatch, tmp_path):
    monkeypatch.setattr(apt_install.glob, "glob", lambda _pattern: ["a_Packages"])
    real = os.stat
    monkeypatch.setattr(apt_install.os, "stat", lambda _path: real(tmp_path))
    assert apt_install.lists_are_fresh()
    os.utime(tmp_path, (0, time.time() - 86500))
    assert not apt_install.lists_are_fresh()


def test_missing_lists_are_not_fresh(monkeypatch):
    monkeypatch.setattr(apt_install.glob, "glob", lambda _pattern: [])
    assert not apt_install.lists_are_fresh()


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Return the module with scripts in place of programs, and `apt_get` as apt-get; each records its calls."""
    calls = tmp_path / "calls"
    calls.touch()

    def run(apt_get, there=(), check=False, systemctl="", fresh=True, dpkg_query="", **arguments):
        for name, script in (("apt-get", apt_get), ("dpkg", ""), ("systemctl", systemctl)):
            # Without quotes: each call is one line, whatever an argument contains.
            note = f"(printf '%s ' {name} $*; echo) | sed 's/ $//' >> {calls}"
            program(tmp_path / name, f"set -f\n{note}\n{script}")
        program(tmp_path / "dpkg-query", dpkg_query)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
        monkeypatch.setattr(apt_install.packages, "installed", lambda _module: list(there))
        monkeypatch.setattr(apt_install, "facts", lambda _module: {"pyweb": {}})
        monkeypatch.setattr(apt_install, "lists_are_fresh", lambda: fresh)
        for name in ("LOCK", "HELD", "BEGUN", "MASKS", "ENABLED"):
            monkeypatch.setattr(held_units, name, f"{tmp_path}/{name}")
        monkeypatch.setattr(held_units, "UNPACKED", (f"{tmp_path}/units",))
        with patch_module_args({"_ansible_check_mode": check, **arguments}), pytest.raises(SystemExit):
            apt_install.main()
        return json.loads(capsys.readouterr().out), calls

    return run


def program(path, script):
    """Create a script. A script that is being started is not overwritten, because a shell reads it later."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    new.chmod(0o755)
    new.replace(path)


def test_packages_needed_later_are_installed_in_the_background(call, tmp_path):
    started = time.monotonic()
    slow = f'case "$*" in *nginx*) sleep 3; touch {tmp_path}/done;; *) echo "Setting up git (1:2.39) ...";; esac'
    result, calls = call(slow, there=["curl", "ssh"], name=["git", "curl"], soon=["nginx", "git", "ssh"])
    assert time.monotonic() - started < 3
    assert (result["changed"], result["installed"], result["begun"]) == (True, ["git 1:2.39"], ["nginx"])
    assert result["diff"]["after"] == "git 1:2.39\nnginx\n"
    while not (tmp_path / "done").exists():
        assert time.monotonic() - started < 20
        time.sleep(0.05)
    first, second = calls.read_text().splitlines()
    assert first.endswith(" git")
    assert second.endswith(" nginx")


def test_packages_in_the_background_count_as_missing_until_a_task_waits_for_them(call, tmp_path):
    slow = f"sleep 1; touch {tmp_path}/done"
    call(slow, name=[], soon=["nginx"])
    assert held_units.begun() == ["nginx"]
    result, _calls = call(slow, there=["nginx"], name=["nginx"])
    assert (tmp_path / "done").exists()
    assert (result["changed"], held_units.begun()) == (False, [])


@pytest.mark.parametrize("fails", [False, True])
def test_no_unit_stays_masked(call, tmp_path, fails):
    """`apt_get` does what apt-get's hook does."""
    (tmp_path / "MASKS").mkdir()
    hook = f"echo nginx.service >> {tmp_path}/HELD; ln -s /dev/null {tmp_path}/MASKS/nginx.service; exit {int(fails)}"
    result, calls = call(hook, name=["nginx"])
    assert result.get("failed", False) is fails
    assert calls.read_text().splitlines()[-1] == "systemctl unmask --quiet --runtime nginx.service"
    assert not (tmp_path / "HELD").exists()
    assert held_units.begun() == []


def test_a_background_installation_leaves_no_unit_masked(call, tmp_path):
    (tmp_path / "MASKS").mkdir()
    hook = f"echo nginx.service >> {tmp_path}/HELD; ln -s /dev/null {tmp_path}/MASKS/nginx.service; exit 1"
    _result, calls = call(hook, name=[], soon=["nginx"])
    with files.hold(held_units.LOCK, 20, lambda _process: AssertionError("still locked")):
        assert calls.read_text().splitlines()[-1] == "systemctl unmask --quiet --runtime nginx.service"
        assert held_units.begun() == ["nginx"]


def test_masks_left_by_a_killed_run_are_removed_first(call, tmp_path):
    (tmp_path / "MASKS").mkdir()
    (tmp_path / "MASKS/nginx.service").symlink_to("/dev/null")
    (tmp_path / "HELD").write_text("nginx.service\nother.service\nnginx.service\n")
    _result, calls = call("", there=["nginx"], name=["nginx"])
    assert calls.read_text().splitlines() == ["systemctl unmask --quiet --runtime nginx.service"]


def test_a_unit_that_its_package_enabled_is_disabled(tmp_path, monkeypatch):
    for name in ("LOCK", "HELD", "BEGUN", "MASKS", "ENABLED"):
        monkeypatch.setattr(held_units, name, f"{tmp_path}/{name}")
    for folder in ("MASKS", "ENABLED"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.service").symlink_to("/dev/null")
    (tmp_path / "HELD").write_text("a.service\n")
    calls = []
    held_units.release(calls.append)
    assert [call[1] for call in calls] == ["unmask", "disable"]


POSTINST = """\
if deb-systemd-helper --quiet was-enabled 'nginx.service'; then
    deb-systemd-helper enable 'nginx.service' >/dev/null || true
    deb-systemd-invoke $_dh_action 'nginx.service' 'nginx.socket' >/dev/null || true
    invoke-rc.d --quiet old start || exit $?
    invoke-rc.d dbus reload || true
    deb-systemd-invoke start 'there.service' 'x.timer'
    deb-systemd-invoke start running.service
fi
"""


def test_units_that_come_with_packages_are_masked(tmp_path):
    """Units that the scripts of packages would start, unless they existed before or run."""
    there = tmp_path / "lib/systemd/system"
    there.mkdir(parents=True)
    (there / "there.service").touch()
    (tmp_path / "postinst").write_text(POSTINST)
    programs = {
        "dpkg-deb": f'[ "$*" = "--info /a.deb postinst" ] || exit 2; cat {tmp_path}/postinst',
        "systemctl": f'[ $1 = is-active ] && {{ [ "$3" = running.service ]; exit; }}; echo "$*" >> {tmp_path}/calls',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    hook = held_units.HOOK.replace("/etc /run /usr/local/lib /usr/lib /lib", f"{tmp_path}/lib")
    hook = hook.replace(held_units.HELD, f"{tmp_path}/held")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", hook], input="/a.deb\n/b.deb\n", text=True, env={"PATH": path}, check=True)
    assert (tmp_path / "held").read_text().split() == ["nginx.service", "nginx.socket", "old.service"]
    assert (tmp_path / "calls").read_text() == "mask --quiet --runtime nginx.service nginx.socket old.service\n"


def test_check_mode_starts_nothing(call):
    result, calls = call('echo "Inst nginx (1.22 Debian)"', check=True, name=["git"], soon=["nginx"])
    assert (result["installed"], result["begun"]) == (["nginx 1.22"], [])
    assert re.search(r"--simulate git nginx$", calls.read_text().strip())
    assert "ansible_facts" not in result


def test_installed_packages_need_no_apt_get(call):
    result, calls = call("exit 1", there=["nginx"], name=["nginx"])
    assert result["changed"] is False
    assert result["ansible_facts"] == {"pyweb": {}}
    assert calls.read_text() == ""


def test_packages_left_by_a_killed_dpkg_are_configured(call, tmp_path):
    refuse = f"""grep -q ^dpkg {tmp_path}/calls && exec echo "Setting up nginx (1.22) ..."
echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. " >&2; exit 100"""
    result, calls = call(refuse, name=["nginx"])
    assert result["installed"] == ["nginx 1.22"]
    assert "--configure --pending" in calls.read_text().splitlines()[1]


# firewalld and nginx are unpacked, ssh is being upgraded, dbus is configured.
UNFINISHED = """case $1 in
--show) printf '%s\\n' 'iU  firewalld' 'iF  nginx' 'iU  ssh' 'ii  dbus';;
*) for unit in firewalld.service nginx.service nginx@.service running.socket ssh.service gone.service; do
    echo "/lib/systemd/system/$unit"
done;;
esac"""


@pytest.mark.parametrize("given", [{"name": ["git"]}, {"name": [], "soon": ["nginx", "firewalld"]}])
def test_packages_unpacked_by_a_killed_dpkg_are_not_started(call, tmp_path, given):
    """apt-get's hook is not told about packages that are only configured."""
    (tmp_path / "units").mkdir()
    for unit in ("firewalld.service", "nginx.service", "nginx@.service", "running.socket", "ssh.service"):
        (tmp_path / "units" / unit).touch()
    (tmp_path / "ENABLED").mkdir()
    (tmp_path / "ENABLED/ssh.service").symlink_to("/dev/null")
    running = '[ "$1 $3" = "is-active running.socket" ] || exit 1'
    _result, calls = call("", dpkg_query=UNFINISHED, systemctl=running, **given)
    with files.hold(held_units.LOCK, 20, lambda _process: AssertionError("still locked")):
        told = calls.read_text().splitlines()
    mask = "systemctl mask --quiet --runtime firewalld.service nginx.service"
    assert [line for line in told if line.startswith("systemctl mask")] == [mask]
    assert told.index(mask) < next(number for number, line in enumerate(told) if line.startswith("apt-get"))
    assert not (tmp_path / "HELD").exists()


def test_packages_that_cannot_be_configured_are_an_error(call):
    result, calls = call("echo 'E: dpkg was interrupted, you must run it' >&2; exit 100", name=["nginx"])
    assert result["msg"] == "apt-get install nginx: dpkg was interrupted, you must run it"
    assert len(calls.read_text().splitlines()) == 3


@pytest.mark.parametrize(("check", "noted"), [(False, [(["git", "nginx"], [])]), (True, [])])
def test_installed_packages_are_recorded_for_the_uninstall(call, monkeypatch, check, noted):
    told = []
    monkeypatch.setattr(apt_install.memory, "note_packages", lambda *given: told.append(given))
    call("", there=["git", "nginx"], check=check, name=["git"])
    assert told == noted
