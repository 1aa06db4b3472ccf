# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Python versions a specifier such as '>=3.12,<4' allows. Also used on hosts, so it needs no library."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .constraints import python_fits

# The first and last Python of every Django minor (docs.djangoproject.com, "What Python version can I use with
# Django?").
DJANGO_PYTHONS = {
    (3, 2): ((3, 6), (3, 10)),
    (4, 0): ((3, 8), (3, 10)),
    (4, 1): ((3, 8), (3, 11)),
    (4, 2): ((3, 8), (3, 12)),
    (5, 0): ((3, 10), (3, 12)),
    (5, 1): ((3, 10), (3, 13)),
    (5, 2): ((3, 10), (3, 14)),
    (6, 0): ((3, 12), (3, 14)),
    (6, 1): ((3, 12), (3, 15)),
}
# The versions that uv may install, the newest first: those with a wheel of `pyuwsgi`.
MANAGED = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9")


def admits(specifiers: Iterable[str], version: str) -> bool:
    """Return whether a Python ('3.13', or '3.13.2') matches all specifiers; an invalid one matches every Python."""
    return all(python_fits(specifier, version) for specifier in specifiers)


def newest_managed(specifiers: Iterable[str]) -> str:
    """Return the newest Python of `MANAGED` that matches all specifiers, or ''."""
    wanted = list(specifiers)
    return next((version for version in MANAGED if admits(wanted, version)), "")


def django_specifier(django: str) -> str:
    """Return the specifier of the Pythons that a Django such as '5.2.1' supports; '' if it is not in the table."""
    major, minor = (*dotted(django), 0, 0)[:2]
    known = DJANGO_PYTHONS.get((major, minor))
    return f">={_text(known[0])},<{known[1][0]}.{known[1][1] + 1}" if known else ""


def dotted(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; what follows them (rc1, .dev0) is ignored."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
