"""Write docs/doctor-codes.md and docs/symptoms.md: the meaning of each code, and the codes for each symptom.

The fixes come from the rows of the unit tests, which contain every message of the doctor, for both kinds of hosts.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODES_PAGE, SYMPTOMS_PAGE = ROOT / "docs/doctor-codes.md", ROOT / "docs/symptoms.md"
NOTE = """\
<!-- Written by tests/tools/docs.py from codes.py, means.py and symptoms.py in tests/doctor: change these, then
     `make docs`. -->
"""

for folder in ("tests/unit", "tests/hosts", "tests/tools"):
    sys.path.insert(0, str(ROOT / folder))
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS, REGISTER  # noqa: E402 - where to look
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.fixes import INVENTORY, fix_for  # noqa: E402 - likewise
from means import MEANS  # noqa: E402 - likewise
from symptoms import SYMPTOMS  # noqa: E402 - likewise

# Of a code that has many rows, so many fixes are shown.
MOST = 3
CODES_INTRODUCTION = """\
# The codes of the doctor

Every fault that the doctor reports has a code, `hop.what`. The codes do not change; the messages may. The terminal
shows the code of the first fault in brackets, the page and `doctor.json` (`fault`) show the codes of all faults.

The messages, paths and names below are those of an example, the site `shop` with `/srv/uwsgi.ini`; the doctor shows
those of your host. **By hand** is the fix for a host that was not set up by this collection, **managed** for one that
was. [Symptoms and where to look](symptoms.md) leads from a symptom to these codes.

| status | meaning |
|---|---|
| broken | visitors do not get the site, or not all of it |
| degraded | it affects somebody now, or will at the next restart |
| unknown | it could not be checked |
| advice | it could be improved and affects nobody; the site is ok |
"""
SYMPTOMS_INTRODUCTION = """\
# Symptoms and where to look

[The doctor](troubleshooting.md) requests the site as a visitor does and reports the cause. Use this page to search by
hand: for each thing that a browser may show, it lists the possible causes, beginning with what is nearest to the
visitor. Each code links to its fix. The paths and names in the last column are examples; the doctor shows yours.
"""


def rows() -> dict[str, list]:
    """Return the rows of the unit tests of each code, in order."""
    found: dict[str, list] = {}
    for hop in HOPS:
        for case in importlib.import_module(f"test_doctor_{hop}").CASES:
            found.setdefault(case.fault, []).append(case)
    return found


def means(code: str, known: dict[str, list]) -> str:
    """Return the meaning of a code, or an example of its message."""
    return MEANS.get(code) or f"For example: {_plain(known[code][0].cause)}."


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
        shown = [f"`{fix}`" if "`" not in fix else fix for fix in told] or ["only on a managed host"]
        lines += [f"- {title}: {'; or '.join(shown)}"]
    if REGISTER[code]:
        sources = ", ".join(f"[{name}](#{name})" for name in REGISTER[code])
        lines += [f"- may be a consequence of: {sources}"]
    return [*lines, ""]


def symptoms_page() -> str:
    """Return the text of docs/symptoms.md."""
    known, lines = rows(), [NOTE + SYMPTOMS_INTRODUCTION]
    for symptom in SYMPTOMS:
        lines += [f"## {symptom.title}\n", f"{symptom.text}\n", "| code | meaning | the doctor says, for example |"]
        lines += ["|---|---|---|"]
        for code in symptom.codes:
            cells = [f"[{code}](doctor-codes.md#{code})", means(code, known), _plain(known[code][0].cause)]
            lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"]
        lines += [""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return a text as Markdown shows it unchanged: underscores and stars are no emphasis, angles no markup.

    Between backticks Markdown changes nothing, and would show a backslash.
    """
    parts = text.split("`")
    for place in range(0, len(parts), 2):
        parts[place] = re.sub(r"[*_<>]", r"\\\g<0>", parts[place])
    return " ".join("`".join(parts).split())
