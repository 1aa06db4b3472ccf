# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words and exit statuses of monitoring plugins: https://www.monitoring-plugins.org/doc/guidelines.html"""

from __future__ import annotations

from collections.abc import Iterable

OK, DEGRADED, BROKEN, UNKNOWN = "ok", "degraded", "broken", "unknown"
EXIT = {OK: 0, DEGRADED: 1, BROKEN: 2, UNKNOWN: 3}
WORDS = {OK: "OK", DEGRADED: "WARNING", BROKEN: "CRITICAL", UNKNOWN: "UNKNOWN"}
# Marks in addition to colours, which not everyone can distinguish.
MARKS = {OK: "✓", BROKEN: "✕", DEGRADED: "!", UNKNOWN: "?", "advice": "i"}
COLOURS = {OK: "32", BROKEN: "31", DEGRADED: "33", UNKNOWN: "90", "advice": "36"}
_WORST_FIRST = (BROKEN, DEGRADED, UNKNOWN, OK)


def worst(statuses: Iterable[str]) -> str:
    """Return the worst of some statuses; unknown if there is none."""
    found = {status if status in EXIT else UNKNOWN for status in statuses}
    return next((status for status in _WORST_FIRST if status in found), UNKNOWN)


def summary(sites: dict[str, str]) -> str:
    """Return the first line, the one that a monitoring system shows; `sites` is name to status."""
    total = worst(sites.values())
    told = [f"{name} is {status}" for name, status in sites.items() if status != OK]
    plural = "site" if len(sites) == 1 else "sites"
    rest = ", ".join(told) or (f"{len(sites)} {plural}" if sites else "no site on this host")
    return f"{WORDS[total]}: {rest}"
