# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what `nft --json list ruleset` prints (libnftables-json(5)). What is not understood becomes `maybe`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .evidence_filter import Chain, Rule, Test

MAYBE, NEVER = Test("maybe"), Test("never")
# Statements that decide nothing about a packet.
_GOES_ON = {
    *("counter", "log", "mangle", "notrack", "masquerade", "snat", "flow", "secmark", "ct helper", "ct timeout"),
    *("ct expectation", "quota", "last", "comment", "dup"),
}
_UNSURE = {"queue", "tproxy", "synproxy", "fwd"}
_TCP = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
Sets = dict[tuple[str, str, str], list[Any]]
# A set of more elements is a list of addresses: no visitor is among them that anybody could name.
_ELEMENTS_MAX = 4096


def chains(text: str, words: str = "") -> list[Chain]:
    """Return the chains of a ruleset. `words` is the same from `nft -a list ruleset`, for how the rules are written.

    Raises ValueError for what is no ruleset.
    """
    document = json.loads(text)
    found: Any = document.get("nftables") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ValueError("no list 'nftables' in it")
    written = texts(words)
    sets: Sets = {}
    result: dict[tuple[str, str, str], Chain] = {}
    for entry in found:
        for kind in ("set", "map"):
            one = entry.get(kind)
            if isinstance(one, dict):
                sets[(one.get("family", ""), one.get("table", ""), one.get("name", ""))] = _listed(one.get("elem"))
        one = entry.get("chain")
        if isinstance(one, dict):
            result[(one["family"], one["table"], one["name"])] = _chain(one)
    for entry in found:
        rule = entry.get("rule")
        if not isinstance(rule, dict):
            continue
        chain = result.get((rule["family"], rule["table"], rule["chain"]))
        if chain:
            handle = int(rule.get("handle", 0))
            said = written.get((chain.family, chain.table, handle), "") or _fallback(rule)
            chain.rules += _rules(rule.get("expr") or [], said, handle, (chain.family, chain.table), sets)
    return list(result.values())


def texts(words: str) -> dict[tuple[str, str, int], str]:
    """Return how the rules are written: (family, table, handle) to text."""
    found, where = {}, ("", "")
    for line in words.splitlines():
        table = re.match(r"table (\w+) (\S+) \{", line)
        rule = re.match(r"\s+(\S.*?) # handle (\d+)$", line)
        if table:
            where = (table[1], table[2])
        elif rule and not rule[1].endswith("{"):
            found[(*where, int(rule[2]))] = rule[1]
    return found


def _chain(given: Mapping[str, Any]) -> Chain:
    devices = given.get("dev") or given.get("devices") or []
    return Chain(
        "nft",
        given["family"],
        given["table"],
        given["name"],
        str(given.get("hook") or ""),
        int(given.get("prio") or 0),
        str(given.get("policy") or "accept"),
        tuple([devices] if isinstance(devices, str) else map(str, devices)),
    )


def _fallback(rule: Mapping[str, Any]) -> str:
    return f"the rule with handle {rule.get('handle', '?')}"


def _rules(expressions: list[Any], text: str, handle: int, table: tuple[str, str], sets: Sets) -> Iterator[Rule]:
    """Yield a rule, or one for each branch of its verdict map."""
    tests: list[Test] = []
    for one in expressions:
        # Statements without anything to say stand as {"accept": null}.
        name, value = _statement(one)
        if name == "match":
            tests.append(_match(value, table, sets))
        elif name in ("accept", "return"):
            yield Rule(text, tuple(tests), name, handle=handle)
            return
        elif name in ("drop", "reject"):
            yield Rule(text, tuple(tests), "drop", handle=handle)
            return
        elif name in ("jump", "goto"):
            yield Rule(text, tuple(tests), name, str(value.get("target", "")), handle)
            return
        elif name == "redirect":
            port = value.get("port", "") if isinstance(value, dict) else ""
            known = isinstance(port, int)
            yield Rule(text, tuple(tests), "redirect" if known or not port else "unsure", str(port), handle)
            return
        elif name == "dnat":
            yield Rule(text, tuple(tests), "away", handle=handle)
            return
        elif name == "vmap":
            yield from _branches(value, tests, text, handle, table, sets)
        elif name in _UNSURE:
            yield Rule(text, tuple(tests), "unsure", handle=handle)
            return
        elif name in ("limit", "ct count"):
            # `over` is for those who come too often.
            tests += [NEVER] if isinstance(value, dict) and value.get("inv") else []
        elif name in ("set", "meter", "map"):
            inner = json.dumps(value)
            tests += [NEVER] if '"inv": true' in inner else [MAYBE] if '"limit"' in inner or name != "set" else []
        elif name not in _GOES_ON:
            tests.append(MAYBE)
    yield Rule(text, tuple(tests), handle=handle)


def _statement(one: Any) -> tuple[str, Any]:
    return next(iter(one.items())) if isinstance(one, dict) and one else ("", None)


def _branches(
    value: Mapping[str, Any], tests: list[Test], text: str, handle: int, table: tuple[str, str], sets: Sets
) -> Iterator[Rule]:
    data = value.get("data")
    entries = sets.get((*table, data[1:])) if isinstance(data, str) else _listed(data)
    if entries is None:
        yield Rule(text, (*tests, MAYBE), "unsure", handle=handle)
        return
    for entry in entries[:_ELEMENTS_MAX]:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], dict) and entry[1]):
            yield Rule(text, (*tests, MAYBE), "unsure", handle=handle)
            continue
        (name, given), *_more = entry[1].items()
        one = _match({"op": "==", "left": value.get("key"), "right": entry[0]}, table, sets)
        target = str(given.get("target", "")) if isinstance(given, dict) else ""
        verdict = "drop" if name == "reject" else name
        known = verdict in ("accept", "drop", "jump", "goto", "return", "continue")
        if verdict != "continue":
            yield Rule(text, (*tests, one), verdict if known else "unsure", target, handle)


# --- conditions ---


def _match(given: Mapping[str, Any], table: tuple[str, str], sets: Sets) -> Test:
    left, operator = given.get("left"), given.get("op", "==")
    if not isinstance(left, dict) or operator not in ("==", "!=", "in"):
        return MAYBE
    negated = operator == "!="
    if "&" in left or _names(left) == ("payload", "tcp", "flags"):
        return _flags(left, operator, given.get("right"))
    kind = _kind(left)
    if kind in ("never", "maybe"):
        return Test(kind)
    values = _values(given.get("right"), table, sets)
    return MAYBE if values is None else Test(kind, tuple(values), negated)


def _names(left: Mapping[str, Any]) -> tuple[str, str, str]:
    name, value = next(iter(left.items())) if left else ("", {})
    value = value if isinstance(value, dict) else {}
    return name, str(value.get("protocol") or ""), str(value.get("field") or value.get("key") or "")


def _kind(left: Mapping[str, Any]) -> str:
    name, protocol, field = _names(left)
    if name == "meta":
        names = {"iifname": "iif", "iif": "iif", "oifname": "oif", "oif": "oif", "l4proto": "proto"}
        return {**names, "nfproto": "nfproto", "protocol": "nfproto", "pkttype": "daddrtype"}.get(field, "maybe")
    if name == "ct":
        return "state" if field == "state" else "maybe"
    if name == "fib":
        given = left["fib"] if isinstance(left["fib"], dict) else {}
        flags = given.get("flags") or []
        flags = [flags] if isinstance(flags, str) else flags
        local = given.get("result") == "type" and "daddr" in flags
        return "daddrtype" if local else "maybe"
    if name != "payload":
        return "maybe"
    if protocol in ("tcp", "th") and field in ("dport", "sport"):
        return field
    if protocol in ("ip", "ip6"):
        kinds = {"saddr": "saddr", "daddr": "daddr", "protocol": "proto", "nexthdr": "proto"}
        return kinds.get(field, "maybe")
    return "never" if protocol in ("udp", "icmp", "icmpv6", "igmp", "sctp", "dccp", "esp", "ah", "arp") else "maybe"


def _flags(left: Mapping[str, Any], operator: str, right: Any) -> Test:
    mask: int | None = 255
    if "&" in left:
        if not (isinstance(left["&"], list) and len(left["&"]) == 2):
            return MAYBE
        inner, given = left["&"]
        if not isinstance(inner, dict) or _names(inner) != ("payload", "tcp", "flags"):
            return MAYBE
        mask = _bits(given)
    wanted = _bits(right)
    if mask is None or wanted is None:
        return MAYBE
    if operator == "in":  # one of them at least
        return Test("flags", (str(wanted), "0"), True)
    return Test("flags", (str(mask), str(wanted)), operator == "!=")


def _bits(given: Any) -> int | None:
    if isinstance(given, int):
        return given
    if isinstance(given, str):
        return int(given, 0) if re.fullmatch(r"0x[0-9a-f]+", given) else _TCP.get(given)
    if isinstance(given, dict) and "|" in given:
        given = given["|"]
    if not isinstance(given, list):
        return None
    bits = [_bits(one) for one in given]
    return None if None in bits else sum({bit for bit in bits if bit is not None})


def _values(right: Any, table: tuple[str, str], sets: Sets) -> list[str] | None:
    """Return the alternatives of the right side as text; None where one of them is of no known kind."""
    if isinstance(right, bool) or right is None:
        return None
    if isinstance(right, str) and right.startswith("@"):
        right = sets.get((*table, right[1:]))
        if right is None:
            return None
    if isinstance(right, (str, int)):
        return [str(right)]
    if isinstance(right, list):
        found: list[str] = []
        for one in right[:_ELEMENTS_MAX]:
            inner = _values(one, table, sets)
            if inner is None:
                return None
            found += inner
        return found
    if not isinstance(right, dict):
        return None
    if "set" in right:
        return _values(_listed(right["set"]), table, sets)
    if "elem" in right:
        return _values(right["elem"].get("val"), table, sets)
    if "prefix" in right:
        return [f"{right['prefix'].get('addr')}/{right['prefix'].get('len')}"]
    if "range" in right and isinstance(right["range"], list) and len(right["range"]) == 2:
        return ["-".join(map(str, right["range"]))]
    return None


def _listed(given: Any) -> list[Any]:
    if isinstance(given, dict) and "set" in given:
        return _listed(given["set"])
    return given if isinstance(given, list) else [] if given is None else [given]
