"""docs/doctor-codes.md and docs/symptoms.md: what each code of the doctor means, and which codes a symptom leads to.

The fixes come from the rows of the unit tests, which hold every word that the doctor says, for both kinds of hosts.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODES_PAGE, SYMPTOMS_PAGE = ROOT / "docs/doctor-codes.md", ROOT / "docs/symptoms.md"
NOTE = (
    "<!-- Written by tests/tools/docs.py from tests/doctor/codes.py and means.py: change these, then `make docs`. -->\n"
)

for folder in ("tests/unit", "tests/hosts", "tests/tools"):
    sys.path.insert(0, str(ROOT / folder))
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS, REGISTER  # noqa: E402 - where to look
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.fixes import INVENTORY, fix_for  # noqa: E402 - likewise
from means import MEANS, SYMPTOMS  # noqa: E402 - likewise

# Of a code that has many rows, so many fixes are shown.
MOST = 3
CODES_INTRODUCTION = """\
# The codes of the doctor

Every fault that the doctor names has a code, `hop.what`. Codes do not change; the words beside them may. The terminal
shows the code of the first fault in brackets, the page and `doctor.json` (`fault`) those of all.

The words, paths and names below are those of an example, the site `shop` with `/srv/uwsgi.ini`; the doctor says those
of your host. **By hand** is what it says on a host that was not made by this collection, **managed** on one that was.
[What you see, and where to look](symptoms.md) leads from a symptom to these codes.

| status | means |
|---|---|
| broken | visitors do not get the site, or not all of it |
| degraded | it hurts somebody now, or will at the next restart |
| unknown | nobody could look |
| advice | it could be better and hurts nobody; the site is ok |
"""
SYMPTOMS_INTRODUCTION = """\
# What you see, and where to look

`ansible-playbook -i inventory pyweb.stack.doctor` asks for the site as a visitor does, and names the cause. This page
is the way by hand: from what a browser shows to what it may come of, the outer hop first. Each code leads to what it
means and how it is fixed.
"""


def rows() -> dict[str, list]:
    """Return the rows of the unit tests of each code, in order."""
    found: dict[str, list] = {}
    for hop in HOPS:
        for case in importlib.import_module(f"test_doctor_{hop}").CASES:
            found.setdefault(case.fault, []).append(case)
    return found


def means(code: str, known: dict[str, list]) -> str:
    """Return what a code means, or an example of what is said with it."""
    return MEANS.get(code) or f"For instance: {_plain(known[code][0].cause)}."


def codes_page() -> str:
    """Return the text of docs/doctor-codes.md: a section for each hop, an anchor for each code."""
    known, lines = rows(), [NOTE + CODES_INTRODUCTION]
    for hop in HOPS:
        codes = [code for code in REGISTER if code.startswith(f"{hop}.")]
        lines += [f"## {hop}\n", ", ".join(f"[{code}](#{code})" for code in codes) + "\n"]
        for code in codes:
            lines += section(code, known)
    return "\n".join(lines)


def section(code: str, known: dict[str, list]) -> list[str]:
    cases = known[code]
    statuses = ", ".join(dict.fromkeys(case.status for case in cases))
    lines = [f'<a id="{code}"></a>', f"### `{code}`\n", f"{means(code, known)}\n"]
    lines += [f"- {statuses}: *{_plain(cases[0].cause)}*"]
    for title, managed in (("by hand", False), ("managed", True)):
        fixes = dict.fromkeys(fix_for(case.fix, managed) for case in cases)
        # A row may be about a managed host alone.
        told = [fix for fix in fixes if managed or not INVENTORY.search(fix)][:MOST]
        shown = [f"`{fix}`" if "`" not in fix else fix for fix in told] or ["this is said of a managed host only"]
        lines += [f"- {title}: {'; or '.join(shown)}"]
    if REGISTER[code]:
        sources = ", ".join(f"[{name}](#{name})" for name in REGISTER[code])
        lines += [f"- may follow from: {sources}"]
    return [*lines, ""]


def symptoms_page() -> str:
    """Return the text of docs/symptoms.md."""
    known, lines = rows(), [NOTE + SYMPTOMS_INTRODUCTION]
    for title, text, codes in SYMPTOMS:
        lines += [f"## {title}\n", f"{text}\n", "| code | means |", "|---|---|"]
        lines += [
            f"| [{code}](doctor-codes.md#{code}) | {means(code, known).replace('|', chr(92) + '|')} |"
            for code in codes
            if code in REGISTER
        ]
        lines += [""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return a text as Markdown shows it unchanged: underscores and stars are no emphasis, angles no markup."""
    for mark in "*_<>":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
