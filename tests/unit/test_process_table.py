"""Unusual contents of /proc that a test machine does not have: odd names, foreign descriptors, missing rights."""

from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import processes
from ansible_collections.pyweb.stack.plugins.module_utils.host.path_walk import Identity

STAT = "{pid} ({name}) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 1 2 3"
OWN = Identity(os.getuid(), os.getgid(), (os.getgid(),))


class Table:
    """A /proc made of files."""

    def __init__(self, folder):
        self.folder = folder
        self.write("stat", "cpu 1\nbtime 1000\n")

    def write(self, name, text):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def add(self, pid, name="uwsgi", command="uwsgi\0", cgroup="", groups="", ticks=0):
        ids = "\t".join([str(os.getuid())] * 4), "\t".join([str(os.getgid())] * 4)
        self.write(f"{pid}/stat", STAT.format(pid=pid, name=name, ticks=ticks))
        self.write(f"{pid}/status", f"Name:\t{name}\nPPid:\t7\nUid:\t{ids[0]}\nGid:\t{ids[1]}\nGroups:\t{groups}\n")
        self.write(f"{pid}/cmdline", command)
        self.write(f"{pid}/cgroup", cgroup)

    def listening(self, inode, pids=()):
        """Return a unix socket on /s that these processes hold."""
        line = f"0: 00000002 00000000 00010000 0001 01 {inode} /s"
        self.write("net/unix", f"Num RefCount Protocol Flags Type St Inode Path\n{line}\n")
        for pid in pids:
            (self.folder / f"{pid}/fd").mkdir()
            (self.folder / f"{pid}/fd/5").symlink_to(f"socket:[{inode}]")

    def all(self):
        return processes.processes(str(self.folder))

    def owners(self, **wanted):
        return [sorted(one.pids) for one in processes.listeners(str(self.folder), **wanted)]


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/uwsgi-shop@a.service\n", "uwsgi-shop@a.service"),
        ("0::/system.slice/docker.service/child\n", "docker.service"),
        ("12:cpu:/\n1:name=systemd:/system.slice/nginx.service\n", "nginx.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", ""),
        ("0::/system.slice/a.services\n", ""),
        ("", ""),
    ],
)
def test_the_unit_is_the_last_part_that_names_a_service(table, cgroup, unit):
    table.add(1, cgroup=cgroup)
    assert table.all()[1].unit == unit


def test_processes_are_recognized_and_described(table):
    table.add(10, name="a) b (c", command="/v/bin/python3\0-m\0x y\0", ticks=os.sysconf("SC_CLK_TCK") * 3, groups="5 6")
    table.add(11, name="kthreadd", command="")
    table.add(12, command="x" * 100 + "\0")
    (table.folder / "self").mkdir()
    (table.folder / "99").mkdir()
    found = table.all()
    user = OWN.name
    assert sorted(found) == [10, 11, 12]
    assert (found[10].name, found[10].started, found[10].parent) == ("a) b (c", 1003.0, 7)
    assert found[10].identity == Identity(os.getuid(), os.getgid(), (5, 6))
    assert str(found[10]) == f"/v/bin/python3 -m x y (pid 10, {user})"
    assert str(found[11]) == f"kthreadd (pid 11, {user})"
    assert str(found[12]) == f"{'x' * 80} (pid 12, {user})"


def test_without_a_boot_time_processes_are_old(table):
    table.write("stat", "cpu 1\n")
    table.add(1)
    assert table.all()[1].started == 0.0


@pytest.mark.skipif(sys.byteorder != "little", reason="the recorded addresses are those of a little-endian machine")
@pytest.mark.parametrize(
    ("file", "address", "wanted"),
    [
        ("tcp", "00000000:0050", "0.0.0.0:80"),
        ("tcp", "0200A8C0:FFFF", "192.168.0.2:65535"),
        ("tcp6", "00000000000000000000000000000000:01BB", "[::]:443"),
        ("tcp6", "B80D0120000000000000000001000000:0001", "[2001:db8::1]:1"),
    ],
)
def test_addresses_are_parsed_in_the_kernels_format(table, file, address, wanted):
    table.write(
        f"net/{file}",
        f"head\n 0: {address} 0:0 0A 00000000:0000000A 00:0 0 0 0 7 1\n 1: {address} 0:0 06 0:0 0 0 0 0 8\n",
    )
    [found] = processes.listeners(str(table.folder))
    assert found.queue == 10
    assert found.inode == 7
    assert found.address == wanted
    assert found.port == int(wanted.rpartition(":")[2])


def test_every_process_that_holds_a_socket_is_named(table):
    table.add(1)
    table.add(2, name="nginx")
    table.add(3)
    table.listening(700, pids=[1, 2])
    assert table.owners(pids=table.all()) == [[1, 2]]
    assert table.owners() == [[]]


def test_descriptors_of_other_sockets_are_ignored(table):
    table.add(1)
    table.listening(700)
    (table.folder / "1/fd").mkdir()
    for number, target in enumerate(["socket:[7000]", "socket:[70]", "pipe:[700]", "/socket:[700]"]):
        (table.folder / f"1/fd/{number}").symlink_to(target)
    assert table.owners(pids=table.all()) == [[]]


def test_a_process_that_ends_in_the_meantime_holds_nothing(table):
    table.add(1)
    table.listening(700)
    assert table.owners(pids=table.all()) == [[]]


@pytest.mark.parametrize(("name", "owners"), [("uwsgi", [1]), ("uWSGI worker", [1]), ("nginx", [])])
def test_sockets_that_root_cannot_see_are_read_as_the_user_of_a_uwsgi(table, monkeypatch, name, owners):
    """As in a container without CAP_SYS_PTRACE."""
    table.add(1, name=name)
    table.listening(700, pids=[1])
    asked, inside = [], []
    listdir = os.listdir

    def refuse(folder):
        if str(folder).endswith("/fd") and not inside:
            raise PermissionError(13, "Permission denied", folder)
        return listdir(folder)

    def run_as(who, look):
        asked.append(who)
        inside.append(True)
        return look()

    found = table.all()
    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(processes, "run_as", run_as)
    assert table.owners(pids=found) == [owners]
    assert asked == ([found[1].identity] if owners else [])


@pytest.mark.parametrize("answer", [None, "PermissionError: [Errno 13] Permission denied"])
def test_an_invalid_result_of_a_child_names_no_process(table, monkeypatch, answer):
    table.add(1)
    table.listening(700, pids=[1])
    found = table.all()
    monkeypatch.setattr(processes, "run_as", lambda _who, _look: answer)

    def refuse(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "listdir", refuse)
    assert table.owners(pids=found) == [[]]


@pytest.mark.parametrize(
    ("environ", "seen", "environment", "cwd"),
    [
        ("A=1\0B=\0", "not asked", {"A": "1", "B": ""}, "/srv"),
        ("", ["C=3\0", "/other"], {"C": "3"}, "/srv"),
        ("", None, {}, "/srv"),
        ("", "PermissionError", {}, "/srv"),
    ],
)
def test_details_that_root_cannot_read_are_read_as_the_processs_own_user(
    table, monkeypatch, environ, seen, environment, cwd
):
    table.add(1)
    table.write("1/environ", environ)
    (table.folder / "1/cwd").symlink_to("/srv")
    process = table.all()[1]

    def run_as(who, _look):
        assert seen != "not asked"
        assert who == process.identity
        return seen

    monkeypatch.setattr(processes, "run_as", run_as)
    processes.details(process, str(table.folder))
    assert (process.environment, process.cwd) == (environment, cwd)


def test_a_hidden_working_directory_is_read_as_the_user(table, monkeypatch):
    table.add(1)
    table.write("1/environ", "A=1\0")
    process = table.all()[1]
    monkeypatch.setattr(processes, "run_as", lambda _who, _look: ["B=2\0", "/seen"])
    processes.details(process, str(table.folder))
    assert (process.environment, process.cwd) == ({"A": "1"}, "/seen")


def test_a_child_without_a_result_returns_none():
    assert processes.run_as(OWN, lambda: os._exit(3)) is None


def test_no_child_process_is_left(monkeypatch):
    children, fork = [], os.fork

    def noted():
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)
    before = sorted(os.listdir("/proc/self/fd"))
    assert processes.run_as(OWN, lambda: ["a", 1]) == ["a", 1]
    assert sorted(os.listdir("/proc/self/fd")) == before
    [child] = children
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_child_has_exactly_the_groups_of_its_user():
    assert processes.run_as(
        Identity(64123, 64124, (64125, 64126)), lambda: [*os.getgroups(), os.getgid(), os.getuid()]
    ) == [*(64125, 64126, 64124, 64123)]
    assert processes.run_as(Identity(64123, 64124), os.getgroups) == [64124]
