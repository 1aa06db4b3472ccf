# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The interpreters that a Django supports, which one a site gets on a host, and the packages that its build needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .errors import InventoryError
from .steps import packages
from .types import Interpreter, Site

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


def choose_pythons(
    sites: list[Site],
    platform: list[Interpreter],
    found: Mapping[str, str],
    offered: list[str] | None = None,
) -> list[Site]:
    """Give each site its `interpreter`: the newest that the wanted Django supports.

    `platform` are the interpreters that the platform's packages provide, `found` those that a host has already
    (version -> path), `offered` the packages that the host's repositories have (None: all). Raises `InventoryError`
    when a host can offer none, saying what Django needs, what there is, and which package would do.
    """
    lacking = [
        python
        for python in platform
        if python["version"] not in found and offered is not None and not set(python["packages"]) <= set(offered)
    ]
    choices = {version: interpreter(version, path) for version, path in found.items()}
    choices.update({python["version"]: python for python in platform if python not in lacking})
    newest_first = sorted(choices.values(), key=lambda python: _dotted(python["version"]), reverse=True)
    faults = []
    chosen = []
    for site in sites:
        if site["python"].startswith("/"):
            python = interpreter("", site["python"])
        else:
            minors = django_minors(site["django"])
            fitting = [python for python in newest_first if _fits(site["python"], minors, python)]
            if not fitting and site["state"] != "absent":
                faults.append(_no_python(site, minors, newest_first, lacking))
            python = fitting[0] if fitting else interpreter()
        chosen.append(cast(Site, {**site, "interpreter": python}))
    if faults:
        raise InventoryError("web_sites", faults)
    return chosen


def build_packages(sites: list[Site], platform: Mapping[str, Any], installer: str = "uv") -> list[str]:
    """Return the packages that building these sites needs: no compiler and no git unless one of them does.

    `platform` has the lists `git` and `compiler`, under `installer` one for uv and one for pip, and under `programs`
    one for each program that a step may start with; the sites went through `choose_pythons`.
    """
    present = [site for site in sites if site["state"] == "present"]
    names = list(platform["installer"][installer]) if any(site["virtualenv"] != "none" for site in present) else []
    for site in present:
        names += site["interpreter"]["packages"] + site["system_packages"]
        names += packages([*site["build"], *site["release"]], platform["programs"])
        names += platform["git"] if site["source"]["kind"] == "git" else []
        if site["uwsgi"]["install"] in ("uwsgi", "tarball"):
            names += platform["compiler"] + site["interpreter"]["headers"]
    return list(dict.fromkeys(names))


def django_minors(specifier: str) -> list[tuple[int, int]]:
    """Return the known Django minors that a version specifier such as '>=5.2,<5.3' admits; all of them for ''."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(specifier)

    def admits(major: int, minor: int) -> bool:
        return any(wanted.contains(f"{major}.{minor}.{patch}") for patch in range(40))

    known = [minor for minor in DJANGO_PYTHONS if admits(*minor)]
    newest = max(DJANGO_PYTHONS)
    later = [(major, minor) for major in range(6, 20) for minor in range(3) if (major, minor) > newest]
    if not known and any(admits(*minor) for minor in later):
        return [newest]  # a Django of the future: it needs at least what the newest known one needs
    return known


def interpreter(version: str = "", path: str = "") -> Interpreter:
    """Return an interpreter that no package has to bring; without arguments, the one of a site that has none yet."""
    return {"version": version, "path": path, "packages": [], "headers": []}


def _fits(wanted: str, minors: list[tuple[int, int]], python: Interpreter) -> bool:
    """Say whether `wanted` (a version, or auto) admits an interpreter that one of these Djangos supports."""
    version = python["version"]
    return wanted in ("auto", version) and any(_supports(minor, version) for minor in minors)


def _no_python(site: Site, minors: list[tuple[int, int]], there: list[Interpreter], lacking: list[Interpreter]) -> str:
    needs = " or ".join(f"Django {a}.{b} needs Python {_range((a, b))}" for a, b in minors)
    offers = ", ".join(python["version"] for python in there) or "none"
    would_do = [name for python in lacking if _fits(site["python"], minors, python) for name in python["packages"]]
    known = ("auto", *(python["version"] for python in [*there, *lacking]))
    # Where another Python would do, Django's own needs are beside the point.
    if site["python"] not in known and any(_fits("auto", minors, python) for python in there):
        wrong = f"site '{site['name']}': python is {site['python']!r}; this host has or offers {offers}"
        return f"{wrong}; change python to one of these, or to auto"
    return (
        f"site '{site['name']}': python is {site['python']!r}; "
        f"{needs or 'no known Django fits ' + repr(site['django'])}; this host has or offers {offers}; "
        + (f"install {' or '.join(would_do)} from a repository that has it, or " if would_do else "")
        + "change python or the Django that packages or requirements ask for"
    )


def _dotted(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _supports(minor: tuple[int, int], version: str) -> bool:
    low, high = DJANGO_PYTHONS[minor]
    return low <= _dotted(version)[:2] <= high


def _range(minor: tuple[int, int]) -> str:
    (a, b), (c, d) = DJANGO_PYTHONS[minor]
    return f"{a}.{b} to {c}.{d}"
