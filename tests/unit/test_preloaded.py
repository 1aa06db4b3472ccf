"""Ansible's programs as forks of a process that has imported Ansible (tests/tools/preloaded)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from preloaded import client

FOLDER = Path(__file__).resolve().parents[1] / "tools/preloaded"
PROGRAM = shutil.which("ansible-playbook", path=str(Path(sys.executable).parent))
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what the program was given
      ansible.builtin.debug:
        msg: "{{ lookup('env', 'COLOUR') }} {{ lookup('pipe', 'pwd; umask') }}"
    - name: Fail
      ansible.builtin.fail:
        msg: no
      when: fail | default(false)
"""

pytestmark = pytest.mark.skipif(not PROGRAM, reason="ansible-playbook is not installed beside this Python")


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(PLAY)
    return path


def begin(program: str, playbook: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "COLOUR": "blue", "VIRTUAL_ENV": sys.prefix, "ANSIBLE_NOCOLOR": "1"}
    environment["ANSIBLE_CONFIG"] = str(FOLDER.parents[2] / "ansible.cfg")
    environment.pop("PYWEB_COLD", None)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    argv = [program, "-i", "localhost,", "-c", "local", str(playbook), *words]
    return subprocess.Popen(argv, cwd=playbook.parent, env=environment, umask=0o27, text=True, **pipes)


def result(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _errors = process.communicate(timeout=60)
    return process.returncode, output


@pytest.mark.parametrize("words", [[], ["-e", "fail=true"], ["--no-such-option"]], ids=["passes", "fails", "wrong"])
def test_run_is_the_same_as_of_the_program(playbook: Path, words: list[str]) -> None:
    cold = result(begin(str(PROGRAM), playbook, *words))
    for _each in range(2):
        assert result(begin(str(FOLDER / "ansible-playbook"), playbook, *words)) == cold


OTHER_CHECK = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return {"failed": True, "msg": "another collection of this name"}
"""


def test_run_uses_the_collection_beside_its_playbook(playbook: Path) -> None:
    plugin = playbook.parent / "collections/ansible_collections/pyweb/stack/plugins/action/check.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(OTHER_CHECK)
    playbook.write_text("- hosts: localhost\n  gather_facts: false\n  tasks: [pyweb.stack.check: {}]\n")
    for program in (str(PROGRAM), str(FOLDER / "ansible-playbook")):
        status, output = result(begin(program, playbook))
        assert status == 2
        assert "another collection of this name" in output


GIVEN = """
import sys
import server
from ansible.plugins.loader import init_plugin_loader

server.preload_collections()
ours = [name for name in sys.modules if name.startswith("ansible_collections")]
init_plugin_loader()
import ansible_collections.pyweb.stack
print(ours, "ansible_collections.pyweb.stack.plugins.action.check" in sys.modules)
"""


def test_a_run_gets_the_plugins_of_this_checkout_once_it_has_found_the_collection() -> None:
    words, environment = [sys.executable, "-c", GIVEN], {**os.environ, "PYTHONPATH": str(FOLDER)}
    environment["ANSIBLE_CONFIG"] = str(FOLDER.parents[2] / "ansible.cfg")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "[] True\n", done.stdout + done.stderr


def test_run_ends_with_its_caller(playbook: Path, tmp_path: Path) -> None:
    number = tmp_path / "number"
    playbook.write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        f"    - ansible.builtin.debug: msg={{{{ lookup('pipe', 'echo $PPID > {number}; sleep 5') }}}}\n"
    )
    caller = begin(str(FOLDER / "ansible-playbook"), playbook)
    deadline = time.monotonic() + 30
    while not (number.exists() and number.read_text().strip()):
        assert time.monotonic() < deadline, result(caller)
        time.sleep(0.05)
    # The lookup runs in a worker, which has a session of its own.
    main = Path(f"/proc/{parent(int(number.read_text()))}")
    caller.send_signal(signal.SIGKILL)
    caller.wait(10)
    while main.exists():
        assert time.monotonic() < deadline, "the run went on without its caller"
        time.sleep(0.05)


@pytest.mark.parametrize("ended", [1, 2], ids=["one", "two"])
def test_run_that_a_server_did_not_take_is_given_to_another_once(monkeypatch: pytest.MonkeyPatch, ended: int) -> None:
    monkeypatch.delenv("PYWEB_COLD", raising=False)
    monkeypatch.setattr(os, "isatty", lambda _descriptor: False)
    pairs = [socket.socketpair() for _each in range(3)]
    for _mine, theirs in pairs[:ended]:
        theirs.close()
    pairs[ended][1].sendall(b"+7\n")
    servers = iter([mine for mine, _theirs in pairs])
    monkeypatch.setattr(client, "server", lambda _name: next(servers))
    if ended == 1:
        assert client.main("ansible", []) == 7
    else:
        with pytest.raises(SystemExit, match="ended twice before it took ansible"):
            client.main("ansible", [])


def test_end_of_the_server_during_a_run_is_reported() -> None:
    mine, theirs = socket.socketpair()
    theirs.sendall(b"+")
    theirs.shutdown(socket.SHUT_WR)
    with mine, theirs, pytest.raises(SystemExit, match="was killed during this one"):
        client.answer(mine, {})


def parent(process: int) -> int:
    """Return the id of the parent of a process (proc_pid_stat(5))."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_set_of_runs_has_one_environment_one_configuration_and_one_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "ansible.cfg"
    config.write_text("[defaults]\nforks = 1\n")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(config))
    monkeypatch.setattr(client, "ROOT", str(tmp_path))
    plugin = tmp_path / "plugins/modules/one.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("one = 1\n")
    digests = [client.digest(["play.yml"])]
    monkeypatch.setenv("COLOUR", "blue")
    config.write_text("[defaults]\nforks = 1\n")
    assert client.digest(["other.yml"]) == digests[0], "not read before the playbook"
    config.write_text("[defaults]\nforks = 2\n")
    digests.append(client.digest(["play.yml"]))
    monkeypatch.setenv("ANSIBLE_FORKS", "3")
    digests.append(client.digest(["play.yml"]))
    plugin.write_text("one = 11\n")
    digests.append(client.digest(["play.yml"]))
    (tmp_path / "collections").mkdir()
    digests.append(client.digest([str(tmp_path / "play.yml")]))
    assert len(set(digests)) == len(digests)
