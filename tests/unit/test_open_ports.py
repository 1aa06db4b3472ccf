"""Which ports other hosts can reach, from a fake /proc."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import open_ports, processes

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ANY, LOOPBACK, OUTSIDE = "00000000", "0100007F", "0A0200C0"  # 192.0.2.10
ANY6, LOOPBACK6 = "0" * 32, "0" * 24 + "01000000"
MAPPED_LOOPBACK = "0000000000000000FFFF00000100007F"
LISTEN, UNCONNECTED, ESTABLISHED = "0A", "07", "01"


class Proc:
    """A fake /proc with sockets and the processes that hold them."""

    def __init__(self, root):
        self.root, self.tables, self.inode = root, {}, 100
        (root / "net").mkdir()
        (root / "stat").write_text("btime 1\n")

    def socket(self, table, address, port, state, pids=(), peer=""):
        self.inode += 1
        peer = peer or "0" * len(address) + ":0000"
        row = f"   0: {address}:{port:04X} {peer} {state} 00000000:00000000 00:00000000 00000000 0 0 {self.inode} 1\n"
        self.tables[table] = self.tables.get(table, HEAD) + row
        (self.root / "net" / table).write_text(self.tables[table])
        for pid in pids:
            (self.root / f"{pid}/fd/{self.inode}").symlink_to(f"socket:[{self.inode}]")

    def process(self, pid, name, unit=""):
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "status").write_text(f"Name:\t{name}\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n")
        (folder / "stat").write_text(f"{pid} ({name}) S " + "1 " * 49)
        (folder / "cgroup").write_text(f"0::/system.slice/{unit}\n" if unit else "0::/\n")

    def found(self, run=lambda argv: (1, "", "")):
        table = processes.processes(str(self.root))
        return open_ports.open_ports(run, table, str(self.root))


@pytest.fixture
def proc(tmp_path):
    return Proc(tmp_path)


def test_ports_have_their_process_and_its_unit(proc):
    proc.process(7, "python3", "app.service")
    proc.process(9, "tool")
    proc.socket("tcp", ANY, 8443, LISTEN, [7])
    proc.socket("udp6", ANY6, 514, UNCONNECTED, [9])
    assert proc.found() == [
        {"port": "514/udp", "process": "tool (pid 9)", "unit": ""},
        {"port": "8443/tcp", "process": "python3 (pid 7, app.service)", "unit": "app.service"},
    ]


@pytest.mark.parametrize(
    ("table", "address", "state", "peer", "ports"),
    [
        ("tcp", ANY, LISTEN, "", ["8000/tcp"]),
        ("tcp", OUTSIDE, LISTEN, "", ["8000/tcp"]),
        ("tcp6", ANY6, LISTEN, "", ["8000/tcp"]),
        ("udp", OUTSIDE, UNCONNECTED, "", ["8000/udp"]),
        ("tcp", LOOPBACK, LISTEN, "", []),
        ("tcp", "0200007F", LISTEN, "", []),  # 127.0.0.2
        ("tcp6", LOOPBACK6, LISTEN, "", []),
        ("tcp6", MAPPED_LOOPBACK, LISTEN, "", []),
        ("udp", LOOPBACK, UNCONNECTED, "", []),
        ("tcp", ANY, ESTABLISHED, f"{OUTSIDE}:0050", []),
        ("udp", ANY, ESTABLISHED, f"{OUTSIDE}:0035", []),
        ("udp", ANY, UNCONNECTED, f"{OUTSIDE}:0035", []),
    ],
)
def test_which_ports_other_hosts_can_reach(proc, table, address, state, peer, ports):
    proc.socket(table, address, 8000, state, peer=peer)
    assert [port["port"] for port in proc.found()] == ports


def test_a_port_on_several_addresses_is_listed_once(proc):
    proc.process(7, "nginx", "nginx.service")
    for table, address in (("tcp", ANY), ("tcp6", ANY6), ("tcp", OUTSIDE)):
        proc.socket(table, address, 80, LISTEN, [7])
    assert [port["port"] for port in proc.found()] == ["80/tcp"]


def test_a_port_on_loopback_and_on_another_address_can_be_reached(proc):
    proc.socket("tcp", LOOPBACK, 5432, LISTEN)
    proc.socket("tcp", OUTSIDE, 5432, LISTEN)
    assert [port["port"] for port in proc.found()] == ["5432/tcp"]


def test_dhcp_and_discovery_protocols_are_ignored(proc):
    """Other ports of their processes too: they receive answers, and change all the time."""
    proc.process(5, "avahi-daemon", "avahi-daemon.service")
    for table, port in (("udp", 68), ("udp6", 546), ("udp", 5353), ("udp", 5355)):
        proc.socket(table, ANY if table == "udp" else ANY6, port, UNCONNECTED, [5])
    proc.socket("tcp", ANY, 5355, LISTEN, [5])
    proc.socket("udp", ANY, 49152, UNCONNECTED, [5])
    proc.socket("udp", ANY, 67, UNCONNECTED)
    assert [port["port"] for port in proc.found()] == ["67/udp"]


def test_ports_of_the_kernel_have_no_process(proc):
    proc.socket("udp", ANY, 51820, UNCONNECTED)
    assert proc.found() == [{"port": "51820/udp", "process": "no visible process", "unit": ""}]


def test_a_socket_held_by_systemd_has_its_unit(proc):
    def run(argv):
        assert argv == ["systemctl", "show", "--property=Id,Listen", "--type=socket", "*.socket"]
        shown = "Listen=/run/x.sock (Stream)\nId=x.socket\n\nListen=[::]:2222 (Stream)\nListen=[::]:2223 (Datagram)\n"
        return 0, f"{shown}Id=lazy.socket\n", ""

    proc.process(1, "systemd", "init.scope")
    proc.process(7, "app", "app.service")
    proc.socket("tcp6", ANY6, 2222, LISTEN, [1])
    proc.socket("udp6", ANY6, 2223, UNCONNECTED, [1])
    proc.socket("tcp6", ANY6, 2224, LISTEN, [1, 7])
    assert [(port["process"], port["unit"]) for port in proc.found(run)] == [
        ("systemd (lazy.socket)", "lazy.socket"),
        ("systemd (lazy.socket)", "lazy.socket"),
        ("app (pid 7, app.service)", "app.service"),
    ]
    assert [port["process"] for port in proc.found()][:2] == ["systemd (pid 1)"] * 2


def test_workers_have_the_name_of_their_master(proc):
    for pid in (70, 71, 72):
        proc.process(pid, "gunicorn", "g.service")
    proc.socket("tcp", ANY, 8000, LISTEN, [70, 71, 72])
    assert proc.found()[0]["process"] == "gunicorn (pid 70, g.service)"


def test_ports_of_this_host():
    """With the real /proc."""

    def ports():
        return [port["port"] for port in open_ports.open_ports(lambda argv: (1, "", ""), processes.processes())]

    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("0.0.0.0", 0))  # noqa: S104 - the address that is compared
        stream.listen()
        datagram.bind(("0.0.0.0", 0))  # noqa: S104 - likewise
        wanted = {f"{stream.getsockname()[1]}/tcp", f"{datagram.getsockname()[1]}/udp"}
        assert wanted <= set(ports())
    assert not wanted & set(ports())
