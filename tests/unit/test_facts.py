"""Facts that the roles use: from this host where possible, otherwise from a fake one."""

from __future__ import annotations

import glob
import json
import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import facts, files, firewalld_state, packages


@pytest.fixture
def host(tmp_path, monkeypatch):
    """host(path, text or link) puts a file into a fake root file system, which the module then reads."""
    real_glob, real_open, real_exists = glob.glob, open, os.path.exists
    real_access, real_readlink, real_stat = os.access, os.readlink, os.stat

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

    monkeypatch.setattr(glob, "glob", lambda pattern: [one[len(str(tmp_path)) :] for one in real_glob(inside(pattern))])
    monkeypatch.setattr("builtins.open", lambda path, *rest, **named: real_open(inside(path), *rest, **named))
    monkeypatch.setattr(os.path, "exists", lambda path: real_exists(inside(path)))
    monkeypatch.setattr(os, "access", lambda path, mode: real_access(inside(path), mode))
    monkeypatch.setattr(os, "readlink", lambda path: real_readlink(inside(path)))
    monkeypatch.setattr(os, "stat", lambda path, *rest, **named: real_stat(inside(path), *rest, **named))
    return put


def test_pythons_are_those_that_can_be_run(host):
    for path in ("/usr/bin/python3.9", "/usr/bin/python3.12", "/usr/local/bin/python3.12", "/usr/local/bin/python3.14"):
        host(path, mode=0o755)
    host("/usr/bin/python3.11", mode=0o644)
    for other in ("python3.12-config", "python3.12m", "python3.", "python3.x"):
        host(f"/usr/bin/{other}", mode=0o755)
    assert facts.pythons() == {
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
def test_packages_are_known_if_the_package_manager_has_its_lists(host, files, known):
    for path in files:
        host(path)
    assert packages.lists_present() is known


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = (
    "   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
)


def test_listening_ports_of_a_program(tmp_path):
    def put(path, text, link=False):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            target.symlink_to(text)
        else:
            target.write_text(text)

    ipv6 = "0" * 32
    put("stat", "btime 1\n")
    put(
        "net/tcp",
        HEAD
        + ROW.format(address="00000000", port=22, state="0A", inode=11)
        + ROW.format(address="0100007F", port=8000, state="0A", inode=12)
        + ROW.format(address="0100007F", port=2222, state="01", inode=13),
    )
    put("net/tcp6", HEAD + ROW.format(address=ipv6, port=2200, state="0A", inode=14))
    for pid, program, inodes in (
        (1, "systemd", (11, 14)),
        (7, "sshd", (11, 13)),
        (8, "nginx", (12,)),
        (9, "sshd", (14,)),
    ):
        put(f"{pid}/status", f"Name:\t{program}\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n")
        put(f"{pid}/stat", f"{pid} ({program}) S " + "1 " * 49)
        for inode in inodes:
            put(f"{pid}/fd/{inode}", f"socket:[{inode}]", link=True)
        put(f"{pid}/fd/0", "/dev/null", link=True)
    put("net/unix", f"Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 {0x10000:08X} 1 1 11 /run/sshd.sock\n")
    assert facts.listening_ports("sshd", str(tmp_path)) == {22, 2200}
    assert facts.listening_ports("nothing", str(tmp_path)) == set()


def test_ports_of_this_process():
    """With the real /proc."""
    own = files.read_or_empty("/proc/self/comm").strip()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert port not in facts.listening_ports(own)
        listener.listen()
        assert port in facts.listening_ports(own)
    assert port not in facts.listening_ports(own)


@pytest.mark.parametrize(
    ("value", "ports"), [("192.0.2.1 50000 192.0.2.2 2222", "{2222}"), ("2001:db8::1 1 ::1 22", "{22}")]
)
def test_the_port_of_the_connection_is_found_although_sudo_drops_the_variable(value, ports):
    """With sudo, the variable is only in the environment of an ancestor."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; import conftest\n"
    code += "from ansible_collections.pyweb.stack.plugins.module_utils.host import facts\n"
    code += "print(facts.connection_ports())"
    inner = ["env", "--unset=SSH_CONNECTION", sys.executable, "-c", code]
    # A shell between the two processes, with its own environment; `true` makes it stay.
    argv = ["/bin/sh", "-c", '"$@"; true', "sh", *inner]
    done = subprocess.run(
        argv, env={**os.environ, "SSH_CONNECTION": value}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ports


def test_a_missing_file_is_read_as_empty(tmp_path):
    assert files.read_or_empty(str(tmp_path / "none")) == ""
    assert files.read_or_empty(str(tmp_path)) == ""


class Module:
    """The part of AnsibleModule that `packages` uses: one package manager's output."""

    def __init__(self, program, answer):
        self.program, self.answer, self.argvs = program, answer, []

    def get_bin_path(self, name):
        return f"/usr/bin/{name}" if name == self.program else None

    def run_command(self, argv):
        assert argv[0] == self.program
        self.argvs.append(" ".join(argv))
        return 0, self.answer, ""


@pytest.mark.parametrize(
    ("program", "answer", "names"),
    [
        # Installed; removed but configured; installed and held; half-configured.
        ("dpkg-query", "ii  nginx\nrc  apache2\nhi  gcc\niF  python3-apt\n", ["gcc", "nginx"]),
        ("rpm", "nginx\nfirewalld\nnginx\n", ["firewalld", "nginx"]),
        ("none", "", []),
    ],
)
def test_packages(program, answer, names):
    module = Module(program, answer)
    assert packages.installed(module) == names
    asked = {
        "dpkg-query": "dpkg-query --show --showformat ${db:Status-Abbrev} ${Package}\\n",
        "rpm": "rpm --query --all --queryformat %{NAME}\\n",
    }
    assert module.argvs == ([asked[program]] if program in asked else [])


def test_an_installed_module_stream_counts_as_a_package(host):
    host("/etc/dnf/modules.d/nginx.module", "[nginx]\nname=nginx\nstream=1.26\nprofiles=common\nstate=enabled\n")
    host("/etc/dnf/modules.d/perl.module", "[perl]\nname=perl\nstream=5.32\nprofiles=\nstate=enabled\n")
    host("/etc/dnf/modules.d/php.module", "[php]\nname=php\nstream=8.2\nprofiles=common\nstate=disabled\n")
    assert packages.module_streams() == ["@nginx:1.26"]


@pytest.mark.parametrize(
    ("program", "answer", "names", "found"),
    [
        ("dnf", "python3.11\npython3.11\n", ["python3.11", "python3.12"], ["python3.11"]),
        ("dnf", "", ["python3.12"], []),
        ("apt-get", "", ["python3.12"], ["python3.12"]),
        ("dnf", "", [], []),
    ],
)
def test_packages_that_the_repositories_offer(program, answer, names, found):
    module = Module(program, answer)
    assert packages.offered(module, names) == found
    assert module.argvs == (
        [f"dnf --quiet repoquery --queryformat %{{name}}\\n {' '.join(names)}"] if program == "dnf" and names else []
    )


@pytest.mark.parametrize(("text", "mode"), [("1", "enforcing"), ("0", "permissive"), (None, "disabled")])
def test_mode_of_selinux(host, text, mode):
    if text is not None:
        host("/sys/fs/selinux/enforce", text)
    assert facts.selinux() == mode


OTHER_SERVICES = ["firewalld", "nftables", "netfilter-persistent", "iptables", "ip6tables", "shorewall"]


def test_services_that_run_and_are_enabled():
    shown = "ActiveState=active\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=\n"
    module = Module("systemctl", shown)
    found = facts.services(module)
    assert found["nginx"] == {"active": True, "enabled": True}
    assert found["firewalld"] == {"active": False, "enabled": False}
    shown = "systemctl show --property=ActiveState,UnitFileState nginx.service"
    assert module.argvs == [" ".join([shown, *(f"{name}.service" for name in OTHER_SERVICES)])]
    assert not any(one["active"] for one in facts.services(Module("systemctl", "")).values())


class Bus:
    """A fake firewalld on the bus: the ports that are open now, and those after a reload."""

    def __init__(self, running, permanent):
        self.answers = {"getZoneSettings2": running, "getZoneByName": "/zone/0", "getSettings2": permanent}

    def run_command(self, argv):
        assert argv[:4] == ["busctl", "call", "--json=short", "org.fedoraproject.FirewallD1"]
        method = argv[6]
        assert (
            argv[4:6]
            == {
                "getZoneSettings2": ["/org/fedoraproject/FirewallD1", "org.fedoraproject.FirewallD1.zone"],
                "getZoneByName": ["/org/fedoraproject/FirewallD1/config", "org.fedoraproject.FirewallD1.config"],
                "getSettings2": ["/zone/0", "org.fedoraproject.FirewallD1.config.zone"],
            }[method]
        )
        assert argv[7:] in ([[]] if method == "getSettings2" else [["s", "public"], ["s", "gone"]])
        answer = self.answers[method]
        return (0, json.dumps({"type": "x", "data": [answer]}), "") if answer is not None else (1, "", "no such zone")


def settings(services, ports):
    return {"services": {"type": "as", "data": services}, "ports": {"type": "a(ss)", "data": ports}}


def test_runtime_and_permanent_ports_are_read():
    bus = Bus(settings(["ssh", "http"], [["8080", "tcp"]]), settings(["ssh"], [["8080", "tcp"], ["9", "udp"]]))
    assert firewalld_state.let_in(bus, ["public"]) == {"public": {"services": ["ssh"], "ports": ["8080/tcp"]}}


def test_an_empty_and_a_missing_zone():
    assert firewalld_state.let_in(Bus({}, {}), ["public"]) == {"public": {"services": [], "ports": []}}
    assert firewalld_state.let_in(Bus(None, {}), ["gone"]) == {}


def test_the_default_zone_is_the_configured_one(host):
    assert firewalld_state.default_zone() == "public"
    host("/etc/firewalld/firewalld.conf", "# DefaultZone=home\nDefaultZone=dmz\nMinimalMark=100\n")
    assert firewalld_state.default_zone() == "dmz"


def test_ports_that_the_role_opened_are_read_by_purpose(host):
    host("/etc/firewalld/pyweb.stack/web.json", '{"zone": "dmz", "ports": ["8080/tcp"]}')
    host("/etc/firewalld/pyweb.stack/mail.json", "")
    found = firewalld_state.records()
    assert found == {"web": {"zone": "dmz", "ports": ["8080/tcp"]}, "mail": {}}
    assert firewalld_state.zones(found) == ["dmz", "public"]


def test_open_ports_of_a_stopped_firewalld_are_read_from_its_files(host):
    assert firewalld_state.will_let_in(["public", "dmz"]) == {"public": {"services": ["ssh"], "ports": []}}
    host("/usr/lib/firewalld/zones/public.xml", '<zone><service name="ssh"/><service name="dhcpv6-client"/></zone>')
    host("/usr/lib/firewalld/zones/dmz.xml", '<zone><service name="ssh"/></zone>')
    host(
        "/etc/firewalld/zones/dmz.xml",
        '<zone><port port="8080-8090" protocol="udp"/><port port="9" protocol="tcp"/></zone>',
    )
    assert firewalld_state.will_let_in(["public", "dmz", "gone"]) == {
        "public": {"services": ["dhcpv6-client", "ssh"], "ports": []},
        "dmz": {"services": [], "ports": ["8080-8090/udp", "9/tcp"]},
    }


def test_a_package_that_is_being_installed_does_not_count_as_installed(monkeypatch):
    """The result must not depend on the speed of apt-get."""
    monkeypatch.setattr(facts.held_units, "begun", lambda: ["nginx"])
    monkeypatch.setattr(facts.packages, "installed", lambda _module: ["git", "nginx"])
    monkeypatch.setattr(facts.packages, "module_streams", list)
    assert facts.installed_packages(None) == ["git"]


RHEL_9 = {
    "os_family": "RedHat",
    "distribution": "RedHat",
    "distribution_version": "9.4",
    "distribution_major_version": "9",
    "pkg_mgr": "dnf",
}


def test_facts_have_the_names_that_the_roles_use(host, monkeypatch):
    host("/proc/net/if_inet6", "fe80\n")
    host("/etc/dnf/modules.d/nginx.module", "[nginx]\nname=nginx\nstream=1.26\nprofiles=common\nstate=enabled\n")
    host("/etc/firewalld/firewalld.conf", "DefaultZone=dmz\n")
    monkeypatch.setattr(facts.platform, "facts", lambda: dict(RHEL_9))
    monkeypatch.setattr(facts, "listening_ports", lambda program: {2222} if program == "sshd" else set())
    monkeypatch.setattr(facts, "connection_ports", lambda: {22})
    monkeypatch.setattr(facts.packages, "installed", lambda _module: ["git"])
    monkeypatch.setattr(facts.firewalld_state, "let_in", lambda _module, zones: {zone: {} for zone in zones})
    monkeypatch.setattr(facts.open_ports, "open_ports", lambda _run, _table: [{"port": "9090/tcp"}])
    monkeypatch.setattr(facts.packet_filters, "packet_filters", lambda _run, _services: ["ufw is active"])
    monkeypatch.setattr(facts.zone_files, "bound", lambda: {"work": ["eth1"]})
    monkeypatch.setattr(facts.firewalld_state, "will_let_in", lambda zones: {zone: {} for zone in zones})
    inactive = Module(
        "systemctl", "ActiveState=active\nUnitFileState=enabled\n\nActiveState=inactive\nUnitFileState=\n"
    )
    found = facts.facts(inactive)
    assert found == {
        **RHEL_9,
        "pyweb": {
            "platform": "RedHat-9",
            "ipv6": True,
            "selinux": "disabled",
            "selinux_service": "",
            "pythons": {},
            "ssh_ports": [22, 2222],
            "packages": ["git", "@nginx:1.26"],
            "packages_known": True,
            "services": {
                "nginx": {"active": True, "enabled": True},
                **{name: {"active": False, "enabled": False} for name in OTHER_SERVICES},
            },
            "nginx_version": "",
            "firewalld_configured": True,
            "firewalld_zone": "dmz",
            "firewalld_opened": {},
            "firewalld_open": {"dmz": {}, "work": {}},
            "firewalld_bound": {"work": ["eth1"]},
            "open_ports": [{"port": "9090/tcp"}],
            "packet_filters": ["ufw is active"],
        },
    }
    active = Module("systemctl", "ActiveState=active\nUnitFileState=enabled\n\nActiveState=active\nUnitFileState=\n")
    found = facts.facts(active)["pyweb"]
    assert (found["firewalld_open"], found["open_ports"], found["packet_filters"]) == ({"dmz": {}}, [], [])
    assert found["firewalld_bound"] == {}


@pytest.mark.parametrize(
    ("program", "answer", "version"),
    [
        ("nginx", "nginx version: nginx/1.22.1\n", "1.22.1"),
        ("nginx", "nginx version: openresty/1.21.4.1\n", "1.21.4.1"),
        ("nginx", "Killed\n", ""),
        ("httpd", "nginx version: nginx/1.22.1\n", ""),
    ],
)
def test_the_version_of_nginx_is_read_from_its_output(program, answer, version):
    class Host(Module):
        def run_command(self, argv, **options):
            assert argv == ["/usr/bin/nginx", "-v"]
            return 0, "", answer  # nginx prints it to stderr

    assert facts.nginx_version(Host(program, "")) == version
