"""Whether firewalld allows the site's ports: the doctor's exact messages for each fault."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import filter_iptables
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_filter import Chain, PacketFilter, Rule
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_visitors import Visit
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from doctor_evidence import Case, check, evidence, faults_of, hop_of, process, put


def filtered(*rules, policy="ACCEPT"):
    """Return a change: iptables has these rules in the chain INPUT, and firewalld is not installed."""

    def change(site, host):
        text = "\n".join(["*filter", f":INPUT {policy} [0:0]", *(f"-A INPUT {rule}" for rule in rules), "COMMIT"])
        put(host.firewall, installed=False, running=False)
        put(host, packet_filter=PacketFilter(["eth0"], filter_iptables.chains(text, "iptables"), ["iptables"]))

    return change


CASES = [
    Case(
        "firewall-cmd hangs",
        lambda site, host: put(host.firewall, answered=False, running=False),
        "firewalld.silent",
        "unknown",
        "firewall-cmd does not answer: it is not known which ports firewalld allows",
        "systemctl status firewalld",
        ("no answer in time",),
    ),
    Case(
        "a rich rule that refuses the port",
        lambda site, host: put(host.firewall, rules=['rule port port="80" protocol="tcp" reject']),
        "firewalld.closed",
        "broken",
        "firewalld does not allow 80/tcp: zone public has a rich rule that refuses it",
        'firewall-cmd --remove-rich-rule=\'rule port port="80" protocol="tcp" reject\' && firewall-cmd --permanent '
        '--remove-rich-rule=\'rule port port="80" protocol="tcp" reject\'',
        ('zone public: rule port port="80" protocol="tcp" reject',),
    ),
    Case(
        "enabled and stopped",
        lambda site, host: put(host.firewall, running=False),
        "firewalld.stopped",
        "degraded",
        ("firewalld is enabled but not running: the site is reachable, and so is everything else on this host"),
        "systemctl start firewalld",
        ("firewall-cmd --state: not running",),
    ),
    Case(
        "enabled and stopped, with an error",
        lambda site, host: put(host.firewall, running=False, error="no bus"),
        "firewalld.stopped",
        "degraded",
        ("firewalld is enabled but not running: the site is reachable, and so is everything else on this host"),
        "systemctl start firewalld",
        ("no bus",),
    ),
    Case(
        "the port of http is closed",
        lambda site, host: put(host.firewall, opened=["81/tcp", "80/udp"], ports=[]),
        "firewalld.closed",
        "broken",
        "firewalld does not allow 80/tcp: zone public does not open it",
        (
            "firewall-cmd --add-service=http && firewall-cmd --permanent --add-service=http "
            "(firewalld_ports, or web_sites[].nginx.listen with pyweb.stack.site)"
        ),
        ("zone public: services ssh; ports none",),
    ),
    Case(
        "the port of https is closed",
        lambda site, host: (put(site.entrances[0], port=443), put(host, listeners=[Listener("0.0.0.0:443", 1)])),
        "firewalld.closed",
        "broken",
        "firewalld does not allow 443/tcp: zone public does not open it",
        (
            "firewall-cmd --add-service=https && firewall-cmd --permanent --add-service=https "
            "(firewalld_ports, or web_sites[].nginx.listen with pyweb.stack.site)"
        ),
        ("zone public: services ssh; ports 80/tcp",),
    ),
    Case(
        "another port is closed",
        lambda site, host: (put(site.entrances[0], port=8080), put(host, listeners=[Listener("0.0.0.0:8080", 1)])),
        "firewalld.closed",
        "broken",
        "firewalld does not allow 8080/tcp: zone public does not open it",
        (
            "firewall-cmd --add-port=8080/tcp && firewall-cmd --permanent --add-port=8080/tcp "
            "(firewalld_ports, or web_sites[].nginx.listen with pyweb.stack.site)"
        ),
        ("zone public: services ssh; ports 80/tcp",),
    ),
    Case(
        "iptables drops the port",
        filtered("-p tcp --dport 80 -j DROP"),
        "firewalld.dropped",
        "broken",
        "a packet filter (iptables) drops 80/tcp by a rule of chain INPUT in table filter on the outer interface eth0: "
        "visitors get no connection, though the host itself does",
        "iptables -D INPUT -p tcp --dport 80 -j DROP, then keep it: netfilter-persistent save (Debian), "
        "service iptables save (Red Hat)",
        ("iptables, table filter, chain INPUT: -A INPUT -p tcp --dport 80 -j DROP",),
    ),
    Case(
        "iptables accepts the addresses of an office",
        filtered("-i lo -j ACCEPT", "-s 198.51.100.0/24 -p tcp --dport 80 -j ACCEPT", policy="DROP"),
        "firewalld.limited",
        "advice",
        "a packet filter (iptables) drops 80/tcp by the policy drop of chain INPUT in table filter except for some "
        "clients: nobody else can visit the site, which may be intended",
        "if this is not intended: iptables -I INPUT -p tcp --dport 80 -j ACCEPT, then keep it: netfilter-persistent "
        "save (Debian), service iptables save (Red Hat)",
        (
            "iptables, table filter, chain INPUT: policy drop, and none of its 2 rules allows the port",
            "allowed: -A INPUT -s 198.51.100.0/24 -p tcp --dport 80 -j ACCEPT",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_firewalld_is_named(case):
    check(case)


def reported(change):
    site, host = evidence()
    change(site, host)
    return verdict(site, host)


@pytest.mark.parametrize(
    "rules",
    [
        ["-i lo -j ACCEPT", "-i wg0 -j ACCEPT"],
        ["-s 203.0.113.0/24 -j ACCEPT"],
    ],
    ids=["a private network", "some addresses for all ports"],
)
def test_a_filter_that_accepts_some_addresses_is_unknown_not_broken(rules):
    report = reported(filtered(*rules, policy="DROP"))
    assert faults_of(report)["firewalld.limited"]["status"] == "unknown"
    assert report["status"] == "unknown"


def test_a_site_behind_a_tunnel_is_not_broken():
    def change(site, host):
        filtered(policy="DROP")(site, host)
        host.table[70] = process(70, "cloudflared tunnel run")

    assert faults_of(reported(change))["firewalld.limited"]["status"] == "unknown"


def test_a_rule_for_the_addresses_of_an_office_does_not_change_the_status():
    report = reported(filtered("-s 198.51.100.0/24 -p tcp --dport 80 -j ACCEPT", policy="DROP"))
    assert report["status"] == "ok"
    assert hop_of(report, "firewalld")["status"] == "ok"


def test_a_port_that_answered_the_controller_is_not_reported_as_dropped():
    def change(site, host):
        filtered("-p tcp --dport 80 -j DROP")(site, host)
        site.visitors.visits = [Visit("shop.example", "192.0.2.1", 80, False, 200)]

    report = reported(change)
    assert "firewalld.dropped" not in faults_of(report)
    assert "80/tcp answered the controller" in hop_of(report, "firewalld")["evidence"]


def test_dropped_http_with_open_https_is_only_degraded():
    def change(site, host):
        filtered("-p tcp --dport 80 -j DROP")(site, host)
        site.entrances.append(dataclasses.replace(site.entrances[0], port=443, tls=True))

    assert faults_of(reported(change))["firewalld.dropped"]["status"] == "degraded"


def test_a_dropped_unusual_port_is_not_reported():
    def change(site, host):
        filtered("-p tcp --dport 8080 -j DROP")(site, host)
        site.entrances.append(dataclasses.replace(site.entrances[0], port=8080))

    assert "firewalld.dropped" not in faults_of(reported(change))


@pytest.mark.parametrize(
    ("rules", "fix"),
    [
        (["-j ufw-user-input"], "ufw allow 80/tcp"),
        (["-p tcp --dport 22 -j ACCEPT"], "iptables -I INPUT -p tcp --dport 80 -j ACCEPT, then keep it"),
    ],
)
def test_the_fix_uses_the_program_that_made_the_rules(rules, fix):
    found = faults_of(reported(filtered(*rules, policy="DROP")))
    if "ufw" in fix:
        assert "firewalld.dropped" not in found, "an unknown chain makes the result uncertain"
        change = filtered(*rules, policy="DROP")

        def with_chain(site, host):
            change(site, host)
            host.packet_filter.chains.append(Chain("iptables", "ip", "filter", "ufw-user-input"))

        found = faults_of(reported(with_chain))
    assert found["firewalld.dropped"]["fix"].startswith(fix)


def test_firewallds_own_table_is_not_reported():
    def change(site, host):
        chain = Chain("nft", "inet", "firewalld", "filter_INPUT", "input", 10, rules=[Rule("reject", (), "drop")])
        put(host, packet_filter=PacketFilter(["eth0"], [chain], ["nft"]))

    assert reported(change)["status"] == "ok"


@pytest.mark.parametrize(
    "rule",
    [
        'rule family="ipv4" source address="192.0.2.0/24" port port="80" protocol="tcp" reject',
        'rule family="ipv6" port port="80" protocol="tcp" drop',
        'rule port port="8080" protocol="tcp" drop',
        'rule service name="http" accept',
        'rule service name="https" reject',
        'rule service name="http" accept limit value="1/m"',
    ],
)
def test_a_rich_rule_about_some_addresses_or_other_ports_closes_nothing(rule):
    assert "firewalld.closed" not in faults_of(reported(lambda site, host: put(host.firewall, rules=[rule])))
