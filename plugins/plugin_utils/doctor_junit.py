# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's findings as JUnit XML, which pipelines show: a suite for each site of a host, a test for each hop.

ansible-core has a writer of its own, which is private to it; the standard library has all that this takes.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

# What `doctor_fail` may be, and the statuses of a site that fail a run then.
FAILING = {"false": (), "true": ("broken",), "broken": ("broken",), "degraded": ("broken", "degraded")}
_NO_XML = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
WANTED = "true, false, broken or degraded"


def failing(given: Any) -> tuple[str, ...]:
    """Return the statuses that fail a run. Raises ValueError for what `doctor_fail` may not be."""
    words = {"yes": "true", "no": "false", "": "false"}
    word = str(given).strip().lower()
    word = words.get(word, word)
    if word not in FAILING:
        raise ValueError(f"doctor_fail is {word[:40]!r}; expected {WANTED}")
    return FAILING[word]


def failed(hosts: list[dict[str, Any]], statuses: tuple[str, ...]) -> list[str]:
    """Return what fails a run: sites as host/site, and hosts that were not looked at."""
    if not statuses:
        return []
    found = [host["host"] for host in hosts if host["error"]]
    return found + [
        f"{host['host']}/{site['name']}" for host in hosts for site in host["sites"] if site["status"] in statuses
    ]


def junit(hosts: list[dict[str, Any]], when: datetime.datetime, statuses: tuple[str, ...]) -> str:
    """Return the document. A hop with one of the statuses fails, one of which nothing is known is skipped."""
    root = ElementTree.Element("testsuites", name="pyweb.stack doctor")
    for host in hosts:
        if host["error"]:
            suite = _suite(root, host["host"], when, 1)
            case = ElementTree.SubElement(suite, "testcase", classname=_text(host["host"]), name="host")
            ElementTree.SubElement(case, "error", message=_text(host["error"]))
        for site in host["sites"]:
            suite = _suite(root, f"{host['host']}/{site['name']}", when, len(site["hops"]), site.get("seconds", 0))
            for hop in site["hops"]:
                _case(suite, f"{host['host']}.{site['name']}", hop, statuses)
    suites = list(root)
    for suite in suites:
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(
    root: ElementTree.Element, name: str, when: datetime.datetime, tests: int, seconds: float = 0
) -> ElementTree.Element:
    stamp = when.strftime("%Y-%m-%dT%H:%M:%S")
    return ElementTree.SubElement(
        root, "testsuite", name=_text(name), tests=str(tests), time=f"{seconds:.2f}", timestamp=stamp
    )


def _case(suite: ElementTree.Element, of: str, hop: Mapping[str, Any], statuses: tuple[str, ...]) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=_text(of), name=hop["hop"], time="0")
    faults = [fault for fault in hop["faults"] if fault["status"] in ("broken", "degraded", "unknown")]
    told = _text("\n".join(_lines(fault) for fault in faults) or "\n".join(hop["evidence"]))
    if hop["status"] in (statuses or ("broken",)):
        code = faults[0]["fault"] if faults else hop["hop"]
        failure = ElementTree.SubElement(case, "failure", message=_text(hop["cause"]), type=code)
        failure.text = told
    elif hop["status"] == "unknown":
        ElementTree.SubElement(case, "skipped", message=_text(hop["cause"] or "it was not examined"))
    elif told:
        ElementTree.SubElement(case, "system-out").text = told


def _lines(fault: Mapping[str, Any]) -> str:
    follows = f" (follows from {fault['follows']})" if fault["follows"] else ""
    evidence = [f"  {line}" for line in fault["evidence"]]
    return "\n".join([f"{fault['fault']}: {fault['cause']}{follows}", f"fix: {fault['fix']}", *evidence])


def _text(text: str) -> str:
    """Return a text without the characters that XML 1.0 has no way to write (section 2.2)."""
    return _NO_XML.sub("?", text)
