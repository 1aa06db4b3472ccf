# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what `iptables-save` and `ip6tables-save` print, of ufw's chains too. What is not understood becomes `maybe`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from .evidence_filter import Chain, Rule, Test

# Where the built-in chains are hooked, and in which order the tables come (include/uapi/linux/netfilter_ipv4.h).
_HOOKS = {"PREROUTING": "prerouting", "INPUT": "input", "OUTPUT": "output", "POSTROUTING": "postrouting"}
_PRIORITY = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return", "DNAT": "away"}
_VERDICTS |= {"TARPIT": "drop", "STEAL": "drop", "CHAOS": "drop"}
_UNSURE = {"QUEUE", "NFQUEUE", "TPROXY", "SYNPROXY"}
_GOES_ON = {
    *("LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "AUDIT", "TRACE", "NOTRACK", "CT", "TCPMSS", "SET", "CLASSIFY"),
    *("CHECKSUM", "TOS", "DSCP", "TTL", "HL", "SNAT", "MASQUERADE", "CONNSECMARK", "SECMARK", "RATEEST", "TEE"),
}
_TCP = {"FIN": 1, "SYN": 2, "RST": 4, "ACK": 16, "PSH": 8, "URG": 32, "ALL": 63, "NONE": 0}
_KINDS = {
    "-i": "iif",
    "--in-interface": "iif",
    "-o": "oif",
    "--out-interface": "oif",
    "-p": "proto",
    "-s": "saddr",
    "--source": "saddr",
    "-d": "daddr",
    "--destination": "daddr",
    "--protocol": "proto",
    "--dport": "dport",
    "--dports": "dport",
    "--destination-port": "dport",
    "--destination-ports": "dport",
    "--sport": "sport",
    "--sports": "sport",
    "--source-port": "sport",
    "--source-ports": "sport",
    "--ctstate": "state",
    "--state": "state",
    "--src-range": "saddr",
    "--dst-range": "daddr",
    "--dst-type": "daddrtype",
    "--src-type": "saddrtype",
    "--pkt-type": "daddrtype",
}
# Options that take a word and decide nothing: a visitor comes seldom, and what is logged goes on.
_IGNORED = {
    *("-m", "--match", "--comment", "--limit", "--limit-burst", "--hashlimit-upto", "--hashlimit-burst"),
    *("--hashlimit-mode", "--hashlimit-name", "--hashlimit-htable-expire", "--hashlimit-htable-size"),
    *("--hashlimit-htable-max", "--hashlimit-htable-gcinterval", "--hashlimit-srcmask", "--hashlimit-dstmask"),
    *("--connlimit-upto", "--connlimit-mask", "-c", "--set-counters"),
}
_SOME = {"--mac-source", "--src-cc", "--source-country"}
_NEVER = {"--hashlimit-above", "--connlimit-above", "--icmp-type", "--icmpv6-type"}
_ALONE = {"--syn", "--connlimit-saddr", "--connlimit-daddr", "--rttl", "--invert", "--limit-iface-in", "--validmark"}


def chains(text: str, tool: str) -> list[Chain]:
    """Return the chains. `tool` is iptables or ip6tables, with what it is beside that, as 'iptables-legacy'."""
    family = "ip6" if tool.startswith("ip6") else "ip"
    found: dict[tuple[str, str], Chain] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, policy = [*line[1:].split(), "-", "-"][:2]
            hook = _HOOKS.get(name, "") if policy != "-" else ""
            made = Chain(tool, family, table, name, hook, _PRIORITY.get(table, 0), policy.lower())
            found[(table, name)] = made
        elif line.startswith(("-A ", "[")):
            rule = re.sub(r"^\[\d+:\d+\] ", "", line)
            words = _words(rule)
            chain = found.get((table, words[1])) if len(words) > 1 else None
            if chain:
                chain.rules.append(_rule(rule, words[2:]))
    return list(found.values())


def _words(rule: str) -> list[str]:
    try:
        return shlex.split(rule)
    except ValueError:  # a quotation that does not end
        return rule.split()


def _rule(text: str, words: list[str]) -> Rule:
    tests = list(_tests(words))
    verdict = target = ""
    for number, word in enumerate(words[:-1]):
        if word in ("-j", "--jump", "-g", "--goto"):
            name, rest = words[number + 1], words[number + 2 :]
            verdict, target = _verdict(name, rest)
            verdict = "goto" if verdict == "jump" and word in ("-g", "--goto") else verdict
            break
    return Rule(text, tuple(tests), verdict, target)


def _verdict(name: str, rest: list[str]) -> tuple[str, str]:
    if name in _VERDICTS:
        return _VERDICTS[name], ""
    if name == "REDIRECT":
        port = rest[rest.index("--to-ports") + 1] if "--to-ports" in rest[:-1] else ""
        return ("redirect", port) if port.isdigit() or not port else ("unsure", "")
    if name in _UNSURE:
        return "unsure", ""
    return ("", "") if name in _GOES_ON else ("jump", name)


def _tests(words: list[str]) -> Iterator[Test]:
    """Yield the conditions in front of the target."""
    negated, number = False, 0
    while number < len(words):
        word, value = words[number], words[number + 1] if number + 1 < len(words) else ""
        number += 2
        if word in ("-j", "--jump", "-g", "--goto"):
            return
        if word == "!":
            negated, number = True, number - 1
            continue
        if word in _KINDS:
            yield Test(_KINDS[word], _values(_KINDS[word], value), negated)
        elif word == "--tcp-flags":
            wanted = words[number] if number < len(words) else ""
            number += 1
            yield Test("flags", (_bits(value), _bits(wanted)), negated)
        elif word == "--syn":
            number -= 1
            yield Test("flags", (str(2 + 16 + 4 + 1), "2"), negated)
        elif word == "--match-set":
            direction = words[number] if number < len(words) else ""
            number += 1
            # Its members are not known here: a few.
            yield Test("some" if direction == "src" else "maybe", (value,), negated)
        elif word in _SOME:
            yield Test("some", (value,), negated)
        elif word in _NEVER:
            yield Test("always" if negated else "never")
        elif word in _ALONE:
            number -= 1
            # rpfilter's: it means the packets that come a way where they do not belong.
            yield from [Test("never")] if word == "--invert" else []
        elif word not in _IGNORED:
            number -= 1
            while number < len(words) and not words[number].startswith("-") and words[number] != "!":
                number += 1
            yield Test("maybe")
        negated = False


def _values(kind: str, text: str) -> tuple[str, ...]:
    if kind in ("dport", "sport"):
        return tuple(_range(one) for one in text.split(","))
    if kind in ("iif", "oif"):
        return (re.sub(r"\+$", "*", text),)
    return tuple(one.lower() for one in text.split(","))


def _range(text: str) -> str:
    """Return a port or a range as nft has it: ':1023' begins at 0, '1024:' ends at the last one."""
    low, colon, high = text.partition(":")
    return f"{low or '0'}-{high or '65535'}" if colon else text


def _bits(text: str) -> str:
    return str(sum(_TCP.get(name, 0) for name in set(text.upper().split(","))))
