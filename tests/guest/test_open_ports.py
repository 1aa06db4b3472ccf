"""What other hosts could reach before the first run stays reachable, and the run lists these ports."""

from __future__ import annotations

import json
import re
import shlex
import socket
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from client import ask
from host import Host, Run

SITE = {"name": "shop", "domains": ["shop.example"]}
# Services that are not the collection's: one is started by a systemd socket, one listens only on 127.0.0.1.
SERVICES = """
mkdir -p /var/empty && echo somebody > /var/empty/index.html
cat > /usr/local/bin/echo-udp <<EOF
import socket
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", 5514))
while True:
    data, peer = server.recvfrom(100)
    server.sendto(data, peer)
EOF
cat > /etc/systemd/system/lazy.socket <<EOF
[Socket]
ListenStream=9091
Accept=yes
EOF
cat > /etc/systemd/system/lazy@.service <<EOF
[Service]
ExecStart=/bin/echo lazy
StandardOutput=socket
EOF
systemctl start lazy.socket
systemd-run --quiet --unit=other /usr/bin/python3 -m http.server 8443 --directory /var/empty
systemd-run --quiet --unit=logs /usr/bin/python3 /usr/local/bin/echo-udp
systemd-run --quiet --unit=inside /usr/bin/python3 -m http.server 7000 --bind 127.0.0.1
"""
LATE = "systemd-run --quiet --unit=late /usr/bin/python3 -m http.server 9999 --directory /var/empty"
LISTED = (
    "8443/tcp python3 (pid ",
    "other.service)",
    "5514/udp python3 (pid ",
    "logs.service)",
    "9091/tcp systemd (lazy.socket)",
)


def reaches(host: Host, port: int) -> bool:
    try:
        with urlopen(f"http://{host.address}:{port}/", timeout=5) as answer:
            return answer.status == 200
    except URLError:
        return False


def reaches_udp(host: Host) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(3)
        client.sendto(b"anybody?", (host.address, 5514))
        try:
            return client.recv(100) == b"anybody?"
        except OSError:
            return False


def reaches_lazy(host: Host) -> bool:
    try:
        with socket.create_connection((host.address, 9091), timeout=5) as client:
            return client.recv(100) == b"lazy\n"
    except OSError:
        return False


def notes(run: Run) -> list[str]:
    """Return what the run reports about the firewall: the notes of modules, or else the lines about hosts."""
    report, _end = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])
    results: list[dict[str, Any]] = [
        result for play in report["plays"] for task in play["tasks"] for result in task["hosts"].values()
    ]
    lines = [str(line) for result in results for line in result.get("lines", [])]
    return [str(note) for result in results for note in result.get("notes", [])] or [
        line.partition(": ")[2] for line in lines if re.match(r"\S+: ", line)
    ]


def run(host: Host, *words: str) -> Run:
    done = host.play([SITE], "site.yml", *words)
    assert done.status == 0, done.error or done.output[-2000:]
    return done


def nft(host: Host, command: str) -> str:
    """Return the output of nft, through its library, because not every firewalld package installs the program."""
    script = (
        "import nftables, sys; status, out, err = nftables.Nftables().cmd(sys.argv[1]); print(out); sys.exit(status)"
    )
    return host.told(f"/usr/bin/python3 -c {shlex.quote(script)} {shlex.quote(command)}")


def open_in(host: Host) -> set[str]:
    """Return the open ports, which must be the same now and after a reload."""
    now, lasting = (set(host.told(f"firewall-cmd {words} --list-ports").split()) for words in ("", "--permanent"))
    assert now == lasting
    return now


def test_what_was_reachable_stays_reachable(host: Host) -> None:
    host.told(SERVICES)
    # The collection does not manage the firewall.
    run(host, "-e", "firewalld_manage=false")
    assert host.run("systemctl is-active firewalld").stdout.strip() != "active"
    assert host.run("command -v firewall-cmd").stdout == ""
    assert ask(host.address, "shop.example").status == 200
    assert reaches(host, 8443)

    predicted = notes(run(host, "--check"))
    assert host.run("command -v firewall-cmd").stdout == ""
    done = run(host)
    assert notes(done) == predicted
    assert [text for text in LISTED if text not in predicted[0]] == []
    assert "7000" not in predicted[0]
    assert reaches(host, 8443)
    assert reaches_udp(host)
    assert reaches_lazy(host)
    assert ask(host.address, "shop.example").status == 200
    assert open_in(host) == {"5514/udp", "8443/tcp", "9091/tcp"}

    # A running firewalld keeps its configuration.
    host.told(LATE)
    host.told("firewall-cmd --quiet --add-port=6000/tcp && firewall-cmd --quiet --permanent --add-port=6000/tcp")
    again = run(host)
    assert (again.changed, notes(again)) == (0, [])
    assert not reaches(host, 9999)
    assert "6000/tcp" in open_in(host)

    # Ports that were opened for others are closed if the inventory says so, and only those.
    run(host, "-e", '{"firewalld_close_others": ["8000-9000/tcp"]}')
    assert not reaches(host, 8443)
    assert reaches_udp(host)
    run(host, "-e", "firewalld_close_others=true")
    assert not reaches_udp(host)
    assert not reaches_lazy(host)
    assert open_in(host) == {"6000/tcp"}
    assert ask(host.address, "shop.example").status == 200
    assert run(host, "-e", "firewalld_close_others=true").changed == 0

    # There are packet filter rules that are not firewalld's.
    host.told("systemctl disable --quiet --now firewalld")
    nft(host, "add table inet theirs; add chain inet theirs in { type filter hook input priority 0; }")
    nft(host, "add rule inet theirs in tcp dport 25 drop")
    beside = run(host)
    assert beside.changed == 0
    [note] = notes(beside)
    assert note.startswith(
        "the kernel has rules in inet theirs, so firewalld is not started and opens nothing: allow 80/tcp there"
    )
    assert notes(run(host, "--check")) == [note]
    assert host.run("systemctl is-active firewalld").stdout.strip() == "inactive"
    assert reaches(host, 9999)
    # If the interface is in another zone, the default zone has no effect.
    host.told("cat > /etc/firewalld/zones/dmz.xml", '<zone><service name="ssh"/><interface name="eth0"/></zone>\n')
    told = run(host, "-e", "firewalld_over_others=true", "-e", '{"firewalld_close_others": ["9999/tcp"]}')
    assert host.told("systemctl is-active firewalld") == "active"
    assert "allow 80/tcp there" in notes(told)[-2]
    assert "eth0 is in its zone dmz, in which 80/tcp stays closed (firewalld_zone: dmz" in notes(told)[-1]
    assert host.told("firewall-cmd --get-zone-of-interface=eth0") == "dmz"
    assert "table inet theirs" in nft(host, "list tables")
    assert not reaches(host, 9999)
    assert reaches(host, 8443)
