"""How the packet filter is read, and what it does with a visitor's first packet."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import filter_iptables, filter_nft, look_filter
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Ran
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_filter import PacketFilter
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.filter_walk import Packet, walk

OWN = ["192.0.2.1", "2001:db8::1"]


def iptables(*rules, policy="DROP", more=""):
    text = "\n".join(["*filter", f":INPUT {policy} [0:0]", ":own - [0:0]", *rules, "COMMIT", more])
    return PacketFilter(["eth0"], filter_iptables.chains(text, "iptables"))


def nft(*rules, policy="drop", more=()):
    chain = {"family": "inet", "table": "f", "name": "in", "hook": "input", "prio": 0, "policy": policy}
    entries = [{"metainfo": {}}, {"chain": chain}, *more]
    for number, expressions in enumerate(rules, 1):
        entries.append({"rule": {"family": "inet", "table": "f", "chain": "in", "handle": number, "expr": expressions}})
    words = "table inet f {\n\tchain in { # handle 1\n\t\ttcp dport 80 drop # handle 1\n\t}\n}\n"
    return PacketFilter(["eth0"], filter_nft.chains(json.dumps({"nftables": entries}), words))


def told(found, **packet):
    return walk(found, Packet(80, found.outer, OWN, **packet))


def match(left, right, operator="=="):
    return {"match": {"op": operator, "left": left, "right": right}}


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
IIF = {"meta": {"key": "iifname"}}
STATE = {"ct": {"key": "state"}}
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
ACCEPT, DROP = {"accept": None}, {"drop": None}


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        ([], True),
        (["-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"], False),
        (["-A INPUT -p tcp -m multiport --dports 22,79:81 -j ACCEPT"], False),
        (["-A INPUT -p tcp -m multiport --dports 22,443 -j ACCEPT"], True),
        (["-A INPUT -p udp -m udp --dport 80 -j ACCEPT"], True),
        (["-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], True),
        (["-A INPUT -m conntrack --ctstate NEW -p tcp --dport 80 -j ACCEPT"], False),
        (["-A INPUT -i lo -j ACCEPT"], True),
        (["-A INPUT ! -i lo -j ACCEPT"], False),
        (["-A INPUT -i eth+ -p tcp --dport 80 -j ACCEPT"], False),
        (["-A INPUT -d 192.0.2.1/32 -j ACCEPT"], False),
        (["-A INPUT -d 192.0.2.9/32 -j ACCEPT"], True),
        (["-A INPUT -p tcp --dport 80 -m limit --limit 9/sec -j ACCEPT"], False),
        (['-A INPUT -p tcp --dport 80 -m comment --comment "a \'b -j DROP" -j ACCEPT'], False),
        (["-A INPUT -p tcp --dport 80 -j own", "-A own -j ACCEPT"], False),
        (["-A INPUT -p tcp --dport 80 -j own", "-A own -j RETURN", "-A own -j ACCEPT"], True),
        (["-A INPUT -g own", "-A INPUT -j ACCEPT"], True),
        (["-A INPUT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN --dport 80 -j ACCEPT"], False),
        (["-A INPUT -p tcp ! --syn -j DROP", "-A INPUT -j ACCEPT"], False),
        (["-A INPUT -m string --string x --algo bm -j ACCEPT"], False),  # Unknown, so nothing is reported.
        (["-A INPUT -j NFQUEUE --queue-num 1"], False),
        (["-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT"], True),
    ],
)
def test_what_iptables_does_with_a_visitor(rules, dropped):
    assert told(iptables(*rules)).dropped is dropped


def test_a_drop_for_some_visitors_or_with_an_unknown_match_is_not_reported():
    for rule in (
        "-s 203.0.113.5/32",
        "-m set --match-set f2b src",
        "-m string --string x --algo bm",
        "-m mark --mark 1",
    ):
        assert told(iptables(f"-A INPUT {rule} -j DROP", policy="ACCEPT")).dropped_in is None, rule


def test_a_drop_for_all_but_some_addresses_is_reported():
    found = told(iptables("-A INPUT ! -s 203.0.113.0/24 -p tcp --dport 80 -j DROP", policy="ACCEPT"))
    assert found.dropped
    assert found.limited == [found.rule]


def test_a_rule_that_accepts_some_addresses_is_remembered():
    found = told(iptables("-A INPUT -s 203.0.113.0/24 -p tcp --dport 80 -j ACCEPT"))
    assert found.dropped
    assert found.rule is None
    assert [rule.text for rule in found.limited] == ["-A INPUT -s 203.0.113.0/24 -p tcp --dport 80 -j ACCEPT"]


def test_a_redirected_port_is_looked_up_as_its_target():
    nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT"
    assert not told(iptables("-A INPUT -p tcp --dport 8080 -j ACCEPT", more=nat)).dropped
    assert told(iptables("-A INPUT -p tcp --dport 80 -j ACCEPT", more=nat)).dropped


def test_a_packet_forwarded_to_another_host_is_not_dropped():
    nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.9\nCOMMIT"
    found = told(iptables(more=nat))
    assert (found.dropped, found.away) == (False, True)


def test_chains_that_jump_in_a_circle_end():
    found = told(iptables("-A INPUT -j own", "-A own -j own"))
    assert not found.dropped
    assert found.doubts


def test_dropped_answers_are_found():
    text = "*filter\n:OUTPUT DROP [0:0]\n-A OUTPUT -o lo -j ACCEPT\n{}COMMIT"
    closed, opened = (text.format(rule) for rule in ("", "-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"))
    for given, dropped in ((closed, True), (opened, False)):
        found = PacketFilter(["eth0"], filter_iptables.chains(given, "iptables"))
        assert told(found, answer=True).dropped is dropped
        assert not told(found).dropped


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        ([], True),
        ([[match(DPORT, 80), ACCEPT]], False),
        ([[match(DPORT, {"set": [22, {"range": [79, 81]}]}), {"counter": {}}, ACCEPT]], False),
        ([[match(DPORT, "@web"), ACCEPT]], False),
        ([[match(DPORT, "@nobody"), ACCEPT]], False),  # Unknown, so nothing is reported.
        ([[match(STATE, ["established", "related"], "in"), ACCEPT]], True),
        ([[match(IIF, "lo"), ACCEPT]], True),
        ([[match(IIF, "lo", "!="), match(DPORT, 80), ACCEPT]], False),
        ([[{"vmap": {"key": DPORT, "data": {"set": [[22, ACCEPT], [80, ACCEPT]]}}}]], False),
        ([[{"vmap": {"key": STATE, "data": {"set": [["invalid", DROP], ["established", ACCEPT]]}}}]], True),
        ([[{"vmap": {"key": DPORT, "data": "@ports"}}]], False),
        ([[{"limit": {"rate": 9, "per": "second"}}, match(DPORT, 80), ACCEPT]], False),
        ([[match({"payload": {"protocol": "udp", "field": "dport"}}, 80), ACCEPT]], True),
        ([[{"xt": None}, ACCEPT]], False),
        ([[match(SADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}}), ACCEPT]], True),
        ([[match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["fin", "syn"]]}, "syn"), ACCEPT]], False),
        ([[match({"payload": {"protocol": "tcp", "field": "flags"}}, "ack", "in"), ACCEPT]], True),
        ([[{"jump": {"target": "own"}}]], False),
    ],
)
def test_what_nft_does_with_a_visitor(rules, dropped):
    key = {"family": "inet", "table": "f"}
    more = [
        {"set": {**key, "name": "web", "elem": [80, 443]}},
        {"map": {**key, "name": "ports", "elem": [[80, ACCEPT]]}},
        {"chain": {**key, "name": "own"}},
        {"rule": {**key, "chain": "own", "handle": 9, "expr": [match(DPORT, 80), ACCEPT]}},
    ]
    assert told(nft(*rules, more=more)).dropped is dropped


def test_a_rule_of_nft_has_its_text_and_its_handle():
    found = told(nft([match(DPORT, 80), {"reject": {"type": "icmpx"}}], policy="accept"))
    assert (found.rule.text, found.rule.handle, found.dropped_in.name) == ("tcp dport 80 drop", 1, "in")


@pytest.mark.parametrize("rate", [{"limit": {"rate": 9, "inv": True}}, {"ct count": {"val": 9, "inv": True}}])
def test_a_rate_limit_is_not_a_drop(rate):
    assert told(nft([rate, DROP], policy="accept")).dropped_in is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nftables": 1}', "Error: no"])
def test_an_invalid_ruleset_is_refused(text):
    with pytest.raises(ValueError, match=r"nftables|Expecting"):
        filter_nft.chains(text)


def test_the_outer_interface_is_that_of_the_default_route():
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    near = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
    default = "eth1\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n"
    assert look_filter.outer_interfaces(head + near + default, OWN) == ["eth1"]
    assert look_filter.outer_interfaces(head + near, OWN) == ["eth0"]
    assert look_filter.outer_interfaces("", OWN) == []


def asked(monkeypatch, said):
    """Return the filter of a host on which these programs have this output."""
    monkeypatch.setattr(look_filter.ask, "installed", lambda name: name in said)
    monkeypatch.setattr(look_filter, "_BINDINGS", ())
    monkeypatch.setattr(look_filter, "read_or_empty", lambda path: "filter" if "names" in path else "")
    monkeypatch.setattr(look_filter.ask, "run", lambda argv, timeout: said[argv[0]])
    return look_filter.look_at_filter(OWN)


SAVED = "# by iptables-save (nf_tables)\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
RULESET = {"nftables": [{"chain": {"family": "ip", "table": name, "name": "INPUT"}} for name in ("filter", "own")]}


def test_tables_of_iptables_are_not_read_again_from_nft(monkeypatch):
    said = {"nft": Ran(0, json.dumps(RULESET)), "iptables-save": Ran(0, SAVED)}
    found = asked(monkeypatch, said)
    assert [(chain.tool, chain.table) for chain in found.chains] == [("iptables", "filter"), ("nft", "own")]


def test_legacy_tables_are_read_in_addition_and_no_table_twice(monkeypatch):
    old = SAVED.replace("(nf_tables)", "")
    both = {"iptables-save": Ran(0, SAVED), "iptables-legacy-save": Ran(0, old)}
    assert [chain.tool for chain in asked(monkeypatch, both).chains] == ["iptables", "iptables-legacy"]
    same = {"iptables-save": Ran(0, old), "iptables-legacy-save": Ran(0, old)}
    assert [chain.tool for chain in asked(monkeypatch, same).chains] == ["iptables-legacy"]


def test_an_unreadable_filter_is_reported_with_its_reason(monkeypatch):
    assert asked(monkeypatch, {}).unasked == "neither nft nor iptables is installed"
    assert asked(monkeypatch, {"nft": Ran(1, err="Operation not permitted")}).unasked == "nft: Operation not permitted"
    assert "not understood" in asked(monkeypatch, {"nft": Ran(0, "x")}).unasked
