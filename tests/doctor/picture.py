"""The pictures of the docs: the doctor's terminal as SVG, its page as a browser shows it.

Both are made of a report of a test run, without what differs from run to run. They are written where that has changed.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "docs/pictures"
TERMINAL, PAGE = FOLDER / "doctor-terminal.svg", FOLDER / "doctor-page.png"
PAGE_SIZE = "1100,1000"
COMMAND = "$ ansible-playbook -i inventory pyweb.stack.doctor"
# In pixels, of a font whose letters are 0.6 times as wide as high.
HIGH, WIDE, LINE, EDGE = 14, 8.43, 20, 16
# As a dark terminal shows Ansible's colours.
INK = {
    "green": "#6fd597",
    "red": "#ff8f87",
    "yellow": "#f2c14e",
    "cyan": "#7fd4e0",
    "dark gray": "#9aa4b0",
    "normal": "#e8ebef",
}


def steady(hosts: Sequence[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    """Return a report without ids, process numbers, addresses and times of one run; `names` are other words to put."""
    text = json.dumps(hosts)
    for name, instead in names.items():
        text = text.replace(name, instead)
    text = re.sub(r"\b[0-9a-f]{12}\b", "0123456789ab", text)
    text = re.sub(r"\b172\.\d+\.\d+\.\d+\b", "192.0.2.10", text)
    text = re.sub(r"\b(process|pid) \d+", r"\1 1234", text)
    text = re.sub(r"\b\d+\.\d+ s\b", "0.01 s", text)
    text = re.sub(r"\b[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+", "Wed 2030-01-02 00:00:00 UTC", text)
    found: list[dict[str, Any]] = json.loads(text)
    return found


def svg(lines: Sequence[tuple[str, str]]) -> str:
    """Return a picture of a terminal with lines of (text, colour)."""
    rows = [(COMMAND, "normal"), ("", "normal"), *lines]
    width = max(len(text) for text, _colour in rows) * WIDE + 2 * EDGE
    height = len(rows) * LINE + 2 * EDGE
    shown = [
        f'<text x="{EDGE}" y="{EDGE + number * LINE + HIGH}" fill="{INK[colour]}">{html.escape(text, quote=False)}'
        "</text>"
        for number, (text, colour) in enumerate(rows)
        if text
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
            f'viewBox="0 0 {width:.0f} {height}" role="img" aria-label="The doctor on a terminal">',
            '<rect width="100%" height="100%" rx="8" fill="#14171b"/>',
            f'<g xml:space="preserve" font-size="{HIGH}" '
            'font-family="ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono, monospace">',
            *shown,
            "</g>",
            "</svg>",
            "",
        ]
    )


def draw(lines: Sequence[tuple[str, str]], shoot: Callable[[Path], object]) -> bool:
    """Write both pictures where the words have changed, and say whether they had. `shoot` makes that of the page."""
    drawn = svg(lines)
    if PAGE.exists() and TERMINAL.exists() and TERMINAL.read_text(encoding="utf-8") == drawn:
        return False
    FOLDER.mkdir(exist_ok=True)
    shoot(PAGE)
    TERMINAL.write_text(drawn, encoding="utf-8")
    return True
