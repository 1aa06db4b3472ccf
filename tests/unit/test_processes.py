"""/proc is parsed in the kernel's format."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import processes
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import Identity

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F41 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 700 1 0 100 0 0 10 0
   1: 0100007F:1F41 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 701 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0 0 0 0 702 1
"""
UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 703 /run/with space.sock
0000000000000000: 00000003 00000000 00000000 0001 03 704 /run/connected.sock
0000000000000000: 00000002 00000000 00010000 0001 01 705 @abstract
"""
STAT = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5000 1 2 3"
STATUS = "Name:\tuwsgi\nPPid:\t1\nUid:\t10\t33\t33\t33\nGid:\t10\t34\t34\t34\nGroups:\t34 50 \n"


@pytest.fixture
def proc(tmp_path):
    for name, text in {
        "net/tcp": TCP,
        "net/tcp6": TCP6,
        "net/unix": UNIX,
        "stat": "cpu 1\nbtime 1000000\n",
        "42/stat": STAT,
        "42/status": STATUS,
        "42/cmdline": "/v/bin/python\0/v/bin/uwsgi\0--ini\0a b.ini\0",
        "42/cgroup": "1:name=systemd:/\n0::/system.slice/uwsgi-shop@1.service\n",
        "42/environ": "A=1\0B=x=y\0broken\0",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "42/cwd").symlink_to("/srv/shop")
    (tmp_path / "42/fd").mkdir()
    (tmp_path / "42/fd/3").symlink_to("socket:[700]")
    (tmp_path / "42/fd/4").symlink_to("/dev/null")
    (tmp_path / "43").mkdir()  # a process that ended in the meantime
    return str(tmp_path)


def only_process(proc):
    (process,) = [*processes.processes(proc).values()]
    return process


@pytest.mark.skipif(sys.byteorder != "little", reason="the recorded addresses are those of a little-endian machine")
def test_listening_sockets_are_found_with_their_queues_and_owners(proc):
    found = processes.listeners(proc, processes.processes(proc))
    assert [(one.address, one.inode, one.queue, one.pids) for one in found] == [
        ("unix:/run/with space.sock", 703, 0, []),
        ("127.0.0.1:8001", 700, 3, [42]),
        ("[::1]:80", 702, 0, []),
    ]
    assert [one.port for one in found] == [0, 8001, 80]


def test_a_process_is_read_with_its_effective_ids_unit_and_start(proc):
    one = only_process(proc)
    assert (one.pid, one.parent, one.name) == (42, 1, "uwsgi")
    assert one.command == ["/v/bin/python", "/v/bin/uwsgi", "--ini", "a b.ini"]
    assert one.identity == Identity(33, 34, (34, 50))
    assert one.unit == "uwsgi-shop@1.service"
    assert one.started == 1000000 + 5000 / os.sysconf("SC_CLK_TCK")
    processes.details(one, proc)
    assert one.environment == {"A": "1", "B": "x=y"}
    assert one.cwd == "/srv/shop"


def test_this_process_is_found_with_a_socket_it_listens_on():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        table = processes.processes()
        own = table[os.getpid()]
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        [found] = [one for one in processes.listeners(pids={own.pid: own}) if one.address == address]
    assert own.identity.uid == os.geteuid()
    assert found.pids == [os.getpid()]


def test_another_identity_needs_a_child_process():
    who = Identity(65534, 65534, (65534,)) if os.getuid() == 0 else Identity(os.getuid(), os.getgid())
    assert processes.run_as(who, lambda: [os.getuid(), os.getgid()]) == [who.uid, who.gid]
    assert os.getuid() != 65534


def test_an_exception_of_the_child_is_returned_as_its_text():
    def fail():
        raise ValueError("not today")

    assert processes.run_as(Identity(os.getuid(), os.getgid()), fail) == "ValueError: not today"


def test_a_process_is_shown_with_its_command_or_its_name():
    who = Identity(0, 0)
    assert str(processes.Process(1, 0, "init", ["/sbin/init", "x" * 90], who, 0)) == (
        f"/sbin/init {'x' * 69} (pid 1, root)"
    )
    assert str(processes.Process(2, 0, "kthreadd", [], who, 0)) == "kthreadd (pid 2, root)"


@pytest.fixture
def closed(monkeypatch):
    """Root without CAP_SYS_PTRACE: only the process's own user can open /proc/42/fd; return the users who do so."""
    asked = []
    real = os.listdir

    def listdir(path):
        if str(path).endswith("/42/fd") and not asked:
            raise PermissionError(13, "Permission denied")
        return real(path)

    def run_as(who, look):
        asked.append(who)
        return look()

    monkeypatch.setattr(os, "listdir", listdir)
    monkeypatch.setattr(processes, "run_as", run_as)
    return asked


@pytest.mark.parametrize(("name", "pids"), [("uwsgi", [42]), ("uWSGI", [42]), ("nginx", [])])
def test_only_sockets_of_a_uwsgi_are_read_as_its_user(proc, closed, name, pids):
    table = processes.processes(proc)
    table[42].name = name
    [listener] = [found for found in processes.listeners(proc, table) if found.port == 8001]
    assert listener.pids == pids
    assert closed == ([Identity(33, 34, (34, 50))] if pids else [])


def test_a_process_that_ended_in_the_meantime_holds_nothing(proc):
    table = processes.processes(proc)
    gone = processes.Process(77, 1, "gone", [], Identity(0, 0), 0)
    [listener] = [found for found in processes.listeners(proc, {77: gone, **table}) if found.port == 8001]
    assert listener.pids == [42]


def test_details_that_root_cannot_read_are_read_as_the_user(proc, monkeypatch):
    process = only_process(proc)
    asked = []
    monkeypatch.setattr(processes, "run_as", lambda who, _look: asked.append(who) or ["A=its own\0", "/its/own"])
    os.unlink(f"{proc}/42/cwd")
    processes.details(process, proc)
    assert (process.environment, process.cwd) == ({"A": "1", "B": "x=y"}, "/its/own")
    os.unlink(f"{proc}/42/environ")
    processes.details(process, proc)
    assert (process.environment, process.cwd) == ({"A": "its own"}, "/its/own")
    assert asked == [Identity(33, 34, (34, 50))] * 2
    monkeypatch.setattr(processes, "run_as", lambda _who, _look: "PermissionError: no")
    processes.details(process, proc)
    assert (process.environment, process.cwd) == ({}, "")


def test_details_that_root_can_read_need_no_child(proc, monkeypatch):
    process = only_process(proc)
    monkeypatch.setattr(processes, "run_as", lambda *_words: pytest.fail("no other user was needed"))
    processes.details(process, proc)
    assert process.cwd == "/srv/shop"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("groups", "wanted"), [((), [12346]), ((7, 8), [7, 8])])
def test_another_identity_only_has_its_own_groups(groups, wanted):
    who = Identity(12345, 12346, groups)
    assert processes.run_as(who, lambda: [os.getuid(), os.getgid(), sorted(os.getgroups())]) == [12345, 12346, wanted]


def test_a_child_without_a_result_returns_none():
    assert processes.run_as(Identity(os.getuid(), os.getgid()), lambda: os._exit(3)) is None


def test_every_child_is_reaped(monkeypatch):
    children = []
    real = os.fork

    def fork():
        child = real()
        if child:
            children.append(child)
        return child

    monkeypatch.setattr(os, "fork", fork)
    processes.run_as(Identity(os.getuid(), os.getgid()), lambda: 1)
    [child] = children
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


def test_a_process_without_a_unit_or_a_command(proc):
    with open(f"{proc}/42/cgroup", "w") as stream:
        stream.write("0::/user.slice/session.scope\n")
    with open(f"{proc}/42/cmdline", "w") as stream:
        stream.write("")
    process = only_process(proc)
    assert (process.unit, process.command) == ("", [])
