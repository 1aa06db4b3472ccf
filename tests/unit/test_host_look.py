"""What the roles branch on: asked of this very host where that is possible, of a made-up one where not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import facts as host_look


@pytest.fixture
def host(tmp_path, monkeypatch):
    """host(path, text or link) puts a file into a made-up root file system, which the module then takes for its own."""
    real_glob, real_open, real_exists = host_look.glob.glob, open, os.path.exists
    real_access, real_readlink = os.access, os.readlink

    def inside(path):
        return f"{tmp_path}{path}" if str(path).startswith("/") and not str(path).startswith(str(tmp_path)) else path

    def put(path, text="", mode=0o644, link=False):
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            target.symlink_to(text)
        else:
            target.write_text(text)
            target.chmod(mode)

    monkeypatch.setattr(
        host_look.glob, "glob", lambda pattern: [one[len(str(tmp_path)) :] for one in real_glob(inside(pattern))]
    )
    monkeypatch.setattr("builtins.open", lambda path, *rest, **named: real_open(inside(path), *rest, **named))
    monkeypatch.setattr(os.path, "exists", lambda path: real_exists(inside(path)))
    monkeypatch.setattr(os, "access", lambda path, mode: real_access(inside(path), mode))
    monkeypatch.setattr(os, "readlink", lambda path: real_readlink(inside(path)))
    return put


def test_pythons_are_those_that_can_be_run(host):
    for path in ("/usr/bin/python3.9", "/usr/bin/python3.12", "/usr/local/bin/python3.12", "/usr/local/bin/python3.14"):
        host(path, mode=0o755)
    host("/usr/bin/python3.11", mode=0o644)
    for other in ("python3.12-config", "python3.12m", "python3.", "python3.x"):
        host(f"/usr/bin/{other}", mode=0o755)
    assert host_look.pythons() == {
        "3.9": "/usr/bin/python3.9",
        "3.12": "/usr/bin/python3.12",
        "3.14": "/usr/local/bin/python3.14",
    }


@pytest.mark.parametrize(
    ("files", "known"),
    [
        ([], True),  # dnf
        (["/usr/bin/apt-get"], False),
        (["/usr/bin/apt-get", "/var/lib/apt/lists/deb.example.com_dists_trixie_InRelease"], False),
        (["/usr/bin/apt-get", "/var/lib/apt/lists/deb.example.com_dists_trixie_main_binary-amd64_Packages.lz4"], True),
        (["/usr/bin/apt-get", "/var/lib/apt/lists/deb.example.com_dists_trixie_main_binary-amd64_Packages"], True),
    ],
)
def test_packages_are_known_where_the_package_manager_can_be_asked(host, files, known):
    for path in files:
        host(path)
    assert host_look.packages_known() is known


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = (
    "   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
)


def test_ports_are_those_that_the_program_listens_on(host):
    ipv6 = "0" * 32
    host(
        "/proc/net/tcp",
        HEAD
        + ROW.format(address="00000000", port=22, state="0A", inode=11)
        + ROW.format(address="0100007F", port=8000, state="0A", inode=12)
        + ROW.format(address="0100007F", port=2222, state="01", inode=13),
    )
    host("/proc/net/tcp6", HEAD + ROW.format(address=ipv6, port=2200, state="0A", inode=14))
    for pid, program, inodes in (
        (1, "systemd", (11, 14)),
        (7, "sshd", (11, 13)),
        (8, "nginx", (12,)),
        (9, "sshd", (14,)),
    ):
        host(f"/proc/{pid}/comm", f"{program}\n")
        for inode in inodes:
            host(f"/proc/{pid}/fd/{inode}", f"socket:[{inode}]", link=True)
        host(f"/proc/{pid}/fd/0", "/dev/null", link=True)
    assert host_look.listening_ports("sshd") == {22, 2200}
    assert host_look.listening_ports("nothing") == set()


def test_ports_of_this_process():
    """The same, of the real /proc."""
    own = host_look.read("/proc/self/comm").strip()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert port not in host_look.listening_ports(own)
        listener.listen()
        assert port in host_look.listening_ports(own)
    assert port not in host_look.listening_ports(own)


@pytest.mark.parametrize(
    ("value", "ports"), [("192.0.2.1 50000 192.0.2.2 2222", "{2222}"), ("2001:db8::1 1 ::1 22", "{22}")]
)
def test_the_port_of_the_connection_is_found_through_a_process_that_dropped_it(value, ports):
    """As sudo does: the variable is in an ancestor's environment only."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; import conftest\n"
    code += "from ansible_collections.pyweb.stack.plugins.module_utils.host import facts as host_look\n"
    code += "print(host_look.connection_ports())"
    inner = ["env", "--unset=SSH_CONNECTION", sys.executable, "-c", code]
    # A shell between the two, which keeps its own environment; `true` makes it stay.
    argv = ["/bin/sh", "-c", '"$@"; true', "sh", *inner]
    done = subprocess.run(
        argv, env={**os.environ, "SSH_CONNECTION": value}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ports


def test_a_file_that_is_gone_is_empty(tmp_path):
    assert host_look.read(str(tmp_path / "none")) == ""
    assert host_look.read(str(tmp_path)) == ""


class Module:
    """What `packages` needs of AnsibleModule: one package manager's answer."""

    def __init__(self, program, answer):
        self.program, self.answer = program, answer

    def get_bin_path(self, name):
        return f"/usr/bin/{name}" if name == self.program else None

    def run_command(self, argv):
        assert argv[0] == self.program
        return 0, self.answer, ""


@pytest.mark.parametrize(
    ("program", "answer", "names"),
    [
        # Installed, removed but configured, installed and held, half-configured.
        ("dpkg-query", "ii  nginx\nrc  apache2\nhi  gcc\niF  python3-apt\n", ["gcc", "nginx"]),
        ("rpm", "nginx\nfirewalld\nnginx\n", ["firewalld", "nginx"]),
        ("none", "", []),
    ],
)
def test_packages(program, answer, names):
    assert host_look.packages(Module(program, answer)) == names


def test_a_module_stream_that_is_installed_is_a_package(host):
    host("/etc/dnf/modules.d/nginx.module", "[nginx]\nname=nginx\nstream=1.26\nprofiles=common\nstate=enabled\n")
    host("/etc/dnf/modules.d/perl.module", "[perl]\nname=perl\nstream=5.32\nprofiles=\nstate=enabled\n")
    host("/etc/dnf/modules.d/php.module", "[php]\nname=php\nstream=8.2\nprofiles=common\nstate=disabled\n")
    assert host_look.module_streams() == ["@nginx:1.26"]


@pytest.mark.parametrize(
    ("program", "answer", "names", "found"),
    [
        ("dnf", "python3.11\npython3.11\n", ["python3.11", "python3.12"], ["python3.11"]),
        ("dnf", "", ["python3.12"], []),
        ("apt-get", "", ["python3.12"], ["python3.12"]),
        ("dnf", "", [], []),
    ],
)
def test_what_the_repositories_offer(program, answer, names, found):
    assert host_look.offered(Module(program, answer), names) == found


@pytest.mark.parametrize(("text", "mode"), [("1", "enforcing"), ("0", "permissive"), (None, "disabled")])
def test_what_the_kernel_does_about_selinux(host, text, mode):
    if text is not None:
        host("/sys/fs/selinux/enforce", text)
    assert host_look.selinux() == mode


def test_services_that_run_and_start_at_boot():
    shown = "ActiveState=active\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=\n"
    assert host_look.services(Module("systemctl", shown)) == {
        "nginx": {"active": True, "enabled": True},
        "firewalld": {"active": False, "enabled": False},
    }
    assert not any(one["active"] for one in host_look.services(Module("systemctl", "")).values())


class Bus:
    """A firewalld on the bus: what it has open now, and what after a reload."""

    def __init__(self, running, permanent):
        self.answers = {"getZoneSettings2": running, "getZoneByName": "/zone/0", "getSettings2": permanent}

    def run_command(self, argv):
        answer = self.answers[next(word for word in argv if word in self.answers)]
        return (0, json.dumps({"type": "x", "data": [answer]}), "") if answer is not None else (1, "", "no such zone")


def settings(services, ports):
    return {"services": {"type": "as", "data": services}, "ports": {"type": "a(ss)", "data": ports}}


def test_open_is_what_is_open_now_and_after_a_reload():
    bus = Bus(settings(["ssh", "http"], [["8080", "tcp"]]), settings(["ssh"], [["8080", "tcp"], ["9", "udp"]]))
    assert host_look.let_in(bus, ["public"]) == {"public": {"services": ["ssh"], "ports": ["8080/tcp"]}}


def test_a_zone_without_ports_or_that_is_not_there():
    assert host_look.let_in(Bus({}, {}), ["public"]) == {"public": {"services": [], "ports": []}}
    assert host_look.let_in(Bus(None, {}), ["gone"]) == {}
