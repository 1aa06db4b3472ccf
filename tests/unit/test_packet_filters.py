"""Other packet filters besides firewalld, from the output of nft, iptables-save and systemd."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import packet_filters


def chain(name, family="ip", table="filter", **more):
    return {"chain": {"family": family, "table": table, "name": name, **more}}


def rule(chain, *expr, family="ip", table="filter"):
    return {"rule": {"family": family, "table": table, "chain": chain, "expr": list(expr)}}


INPUT = chain("INPUT", type="filter", hook="input", policy="accept")
FORWARD = chain("FORWARD", type="filter", hook="forward", policy="drop")
DOCKER = [
    chain("DOCKER-USER"),
    FORWARD,
    rule("FORWARD", {"jump": {"target": "DOCKER-USER"}}),
    rule("DOCKER-USER", {"return": None}),
    rule("FORWARD", {"match": {"left": {"meta": {"key": "oifname"}}, "right": "docker0"}}, {"accept": None}),
    rule("FORWARD", {"match": {"left": {"meta": {"key": "iifname"}}, "right": "br-0123456789ab"}}, {"accept": None}),
    rule("POSTROUTING", {"match": {"right": "docker0"}}, {"masquerade": None}, table="nat"),
    rule("PREROUTING", {"jump": {"target": "DOCKER"}}, table="nat"),
]


@pytest.mark.parametrize(
    ("objects", "tables"),
    [
        ([], []),
        ([INPUT], []),
        ([INPUT, rule("INPUT", {"drop": None})], ["ip filter"]),
        ([INPUT, rule("INPUT", {"accept": None})], ["ip filter"]),
        ([chain("in", "inet", "mine", hook="input", policy="drop")], ["inet mine"]),
        (
            [
                chain("x", "inet", "firewalld", hook="input"),
                rule("x", {"reject": None}, family="inet", table="firewalld"),
            ],
            [],
        ),
        ([rule("output", {"reject": None}, family="inet", table="pyweb-ports-shop")], []),
        (DOCKER, []),
        ([*DOCKER, rule("INPUT", {"drop": None})], ["ip filter"]),
        ([FORWARD], ["ip filter"]),
        # Masquerading for others forwards packets, which firewalld does not.
        ([rule("POSTROUTING", {"masquerade": None}, table="nat")], ["ip nat"]),
        ([rule("LIBVIRT_INP", {"accept": None}), rule("INPUT", {"jump": {"target": "LIBVIRT_INP"}})], []),
        ([rule("INPUT", {"match": {"right": "virbr0"}}, {"accept": None})], []),
        ([rule("f2b-sshd", {"reject": None}), rule("INPUT", {"jump": {"target": "f2b-sshd"}})], []),
        ([rule("f2b-chain", {"reject": None}, family="inet", table="f2b-table")], []),
        ([rule("in", {"drop": None}, family="inet", table="netavark")], []),
        # What a disabled ufw leaves.
        ([rule("INPUT", {"jump": {"target": "ufw-before-input"}})], []),
    ],
)
def test_rules_of_other_programs(objects, tables):
    ruleset = json.dumps({"nftables": [{"metainfo": {}}, *objects]})
    run = {"nft": (0, ruleset, "")}
    assert packet_filters.rules_of_others(lambda argv: run.get(argv[0], (127, "", ""))) == tables


SAVED = "*filter\n:INPUT {input} [0:0]\n:FORWARD {forward} [0:0]\n{chains}{rules}COMMIT\n"


@pytest.mark.parametrize(
    ("given", "tables"),
    [
        ({}, []),
        ({"rules": "-A INPUT -p tcp -m tcp --dport 25 -j DROP\n"}, ["ip filter"]),
        ({"input": "DROP"}, ["ip filter"]),
        ({"forward": "DROP"}, ["ip filter"]),
        ({"forward": "DROP", "chains": ":DOCKER-USER - [0:0]\n", "rules": "-A FORWARD -j DOCKER-USER\n"}, []),
        ({"rules": "-A FORWARD -o docker0 -j ACCEPT\n-A f2b-sshd -j RETURN\n"}, []),
    ],
)
def test_rules_that_only_iptables_lists(given, tables):
    saved = SAVED.format(**{"input": "ACCEPT", "forward": "ACCEPT", "chains": "", "rules": "", **given})
    run = {"iptables-save": (0, saved, ""), "ip6tables-save": (0, "", "")}
    assert packet_filters.rules_of_others(lambda argv: run.get(argv[0], (127, "", ""))) == tables


def test_legacy_iptables_is_read_if_it_has_tables(monkeypatch):
    monkeypatch.setattr(
        packet_filters, "read_or_empty", lambda path: "filter\n" if path.endswith("ip6_tables_names") else ""
    )
    saved = SAVED.format(input="DROP", forward="ACCEPT", chains="", rules="")
    run = {"nft": (0, '{"nftables": []}', ""), "ip6tables-legacy-save": (0, saved, "")}
    assert packet_filters.rules_of_others(lambda argv: run.get(argv[0], (127, "", ""))) == ["ip6 filter"]


def test_libnftables_is_used_if_nft_is_missing(monkeypatch):
    ruleset = json.dumps({"nftables": [INPUT, rule("INPUT", {"drop": None})]})
    run = {"/usr/bin/python3": (0, ruleset, "")}
    monkeypatch.setattr(packet_filters.glob, "glob", lambda pattern: [pattern])
    assert packet_filters.rules_of_others(lambda argv: run.get(argv[0], (127, "", ""))) == ["ip filter"]
    monkeypatch.setattr(packet_filters.glob, "glob", lambda _pattern: [])
    assert packet_filters.rules_of_others(lambda argv: run.get(argv[0], (127, "", ""))) == []


@pytest.fixture
def files(monkeypatch):
    """Return the files of the host by path."""
    found = {}
    monkeypatch.setattr(packet_filters, "read_or_empty", lambda path: found.get(path, ""))
    monkeypatch.setattr(packet_filters, "read_link", lambda path: found.get(path, ""))
    return found


def nothing(_argv):
    return 127, "", ""


@pytest.mark.parametrize(
    ("text", "found"), [("ENABLED=yes\n", ["ufw is active"]), ("#ENABLED=yes\nENABLED=no\n", []), ("", [])]
)
def test_ufw_filters_if_its_file_says_so(files, text, found):
    files["/etc/ufw/ufw.conf"] = text
    assert packet_filters.packet_filters(nothing, {}) == found


def test_services_that_load_rules(files):
    off, boot, on = (
        {"active": active, "enabled": enabled} for active, enabled in ((False, False), (False, True), (True, True))
    )
    states = {"nginx": on, "nftables": boot, "netfilter-persistent": on, "iptables": off}
    assert packet_filters.packet_filters(nothing, states) == [
        "nftables.service starts at boot",
        "netfilter-persistent.service runs",
    ]


def test_a_masked_firewalld_is_left_alone(files):
    files["/etc/systemd/system/firewalld.service"] = os.devnull
    assert packet_filters.packet_filters(nothing, {}) == ["firewalld.service is masked"]


def test_rules_of_an_unknown_program_count(files):
    files["/etc/ufw/ufw.conf"] = "ENABLED=yes"
    ruleset = json.dumps({"nftables": [rule("INPUT", {"drop": None})]})
    run = {"nft": (0, ruleset, "")}
    assert packet_filters.packet_filters(lambda argv: run.get(argv[0], (127, "", "")), {}) == ["ufw is active"]
    files.clear()
    assert packet_filters.packet_filters(lambda argv: run.get(argv[0], (127, "", "")), {}) == [
        "the kernel has rules in ip filter"
    ]
