"""reload.sh of the role nginx: what it does with a stopped nginx, and if the new configuration does not start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "roles/nginx/files/reload.sh"
SYSTEMCTL = """#!/bin/sh
case "$*" in
*=ActiveState*) echo {state} ;;
*=NeedDaemonReload*) echo no ;;
show*) ;;
is-active*) [ {state} = active ] ;;
*) echo "$*" >> {calls}; [ "$1" != reload-or-restart ] && [ "$1" != try-reload-or-restart ] ;;
esac
"""


def run(folder: Path, state: str, word: str) -> tuple[int, str, list[str]]:
    """Run it with nginx in this state and a failing reload or start; return the status, stderr and the calls."""
    calls = folder / "calls"
    calls.touch()
    programs = {
        "systemctl": SYSTEMCTL.format(state=state, calls=calls),
        "journalctl": "#!/bin/sh\necho '[emerg] taken'\n",
    }
    for name, text in programs.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    argv = ["sh", "-c", SCRIPT.read_text(encoding="utf-8"), "reload nginx", word]
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip(), calls.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_stopped_nginx_that_fails_to_start_is_not_restarted_by_systemd(tmp_path, state):
    status, said, calls = run(tmp_path, state, "")
    assert (status, said) == (1, "[emerg] taken")
    assert calls == ["reload-or-restart nginx.service", "stop nginx.service", "reset-failed nginx.service"]


def test_a_running_nginx_keeps_running_if_it_refuses_to_reload(tmp_path):
    assert run(tmp_path, "active", "") == (1, "[emerg] taken", ["reload-or-restart nginx.service"])


@pytest.mark.parametrize("word", ["try-", "back-"])
def test_a_stopped_nginx_is_not_started_for_removed_or_restored_files(tmp_path, word):
    assert run(tmp_path, "inactive", word) == (0, "", [])


@pytest.mark.parametrize("state", ["active", "activating", "failed"])
def test_an_nginx_that_ran_before_gets_the_restored_files(tmp_path, state):
    assert run(tmp_path, state, "back-")[2][0] == "reload-or-restart nginx.service"


# A master with a worker, and a worker that an earlier reload left with its last client. A reload starts a new worker
# before it ends the old one, as nginx does.
MASTER = """
import pathlib, signal, subprocess, sys, time

def start(title):
    return subprocess.Popen([title, "60"], executable="/bin/sleep")

def reload(*_signal):
    global new
    new = start("nginx: worker process")
    time.sleep(0.3)
    pathlib.Path(sys.argv[1], "told").touch()
    old.kill()

leaving, old, new = start("nginx: worker process is shutting down"), start("nginx: worker process"), None
signal.signal(signal.SIGHUP, reload)
signal.signal(signal.SIGTERM, lambda *_signal: sys.exit())
pathlib.Path(sys.argv[1], "ready").touch()
try:
    while True:
        signal.pause()
finally:
    for process in filter(None, (leaving, old, new)):
        process.kill()
"""
RUNNING = """#!/bin/sh
case "$*" in
*=MainPID*) echo {pid} ;;
*=ActiveState*) echo active ;;
*=NeedDaemonReload*) echo no ;;
reload-or-restart*) kill -HUP {pid} ;;
esac
"""


def test_no_old_worker_accepts_connections_after_a_reload(tmp_path):
    master = subprocess.Popen([sys.executable, "-c", MASTER, str(tmp_path)])
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if not Path(f"/proc/{master.pid}/task/{master.pid}/children").exists():
            pytest.skip("this kernel does not list the children of processes")
        (tmp_path / "systemctl").write_text(RUNNING.format(pid=master.pid), encoding="utf-8")
        (tmp_path / "systemctl").chmod(0o755)
        argv = ["sh", "-c", SCRIPT.read_text(encoding="utf-8"), "reload nginx", ""]
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        began = time.monotonic()
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "told").exists()
        # The script does not wait for the worker with its last client.
        assert time.monotonic() - began < 8
    finally:
        master.terminate()
        master.wait(30)
