# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The interpreters that a Django supports, which one a site gets on a host, and the packages that its build needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .errors import InventoryError
from .python_versions import DJANGO_PYTHONS, MANAGED, admits, dotted
from .steps import packages
from .types import Interpreter, Site


def choose_pythons(
    sites: list[Site],
    platform: list[Interpreter],
    found: Mapping[str, str],
    offered: list[str] | None = None,
) -> list[Site]:
    """Give each site its `interpreter`: the newest that the wanted Django and the project's own requires-python allow.

    A site that lets uv bring its Python gets one of uv's where nothing else fits, or in any case, as it says. The
    build, which sees every source, may choose again.

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
    newest_first = sorted(choices.values(), key=lambda python: dotted(python["version"]), reverse=True)
    faults = []
    chosen = []
    for site in sites:
        if site["python"].startswith("/"):
            python = interpreter("", site["python"])
        else:
            minors = django_minors(site["django"])
            fitting = [python for python in newest_first if _fits(site, minors, python)]
            if site["managed"] == "always" or (site["managed"] == "fallback" and not fitting):
                fitting = [python for python in _managed(site) if _fits(site, minors, python)]
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


def _managed(site: Site) -> list[Interpreter]:
    """Return the interpreters that uv may bring to a site, the newest first."""
    wanted = site["python"]
    versions = MANAGED if wanted == "auto" else (wanted,)
    return [{**interpreter(version), "managed": True} for version in versions]


def _fits(site: Site, minors: list[tuple[int, int]], python: Interpreter) -> bool:
    """Say whether the site admits an interpreter that one of these Djangos supports."""
    version = python["version"]
    return (
        site["python"] in ("auto", version)
        and admits([site["requires_python"]], version)
        and any(_supports(minor, version) for minor in minors)
    )


def _no_python(site: Site, minors: list[tuple[int, int]], there: list[Interpreter], lacking: list[Interpreter]) -> str:
    needs = " or ".join(f"Django {a}.{b} needs Python {_range((a, b))}" for a, b in minors)
    offers = ", ".join(python["version"] for python in there) or "none"
    would_do = [name for python in lacking if _fits(site, minors, python) for name in python["packages"]]
    known = ("auto", *(python["version"] for python in [*there, *lacking]))
    any_python: Site = {**site, "python": "auto"}
    asked = site["requires_python"]
    if site["managed"] == "never" and any(_fits(any_python, minors, python) for python in _managed(any_python)):
        managed = ", or set python: {managed: fallback} and let uv bring one"
    else:
        managed = ""
    # Where another Python would do, Django's own needs are beside the point.
    if (
        site["managed"] == "never"
        and site["python"] not in known
        and any(_fits(any_python, minors, python) for python in there)
    ):
        wrong = f"site '{site['name']}': python is {site['python']!r}; this host has or offers {offers}"
        uvs = (
            f", or set python: {{version: '{site['python']}', managed: fallback}}" if site["python"] in MANAGED else ""
        )
        return f"{wrong}; change python to one of these, or to auto{uvs}"
    if asked and not any(admits([asked], python["version"]) for python in [*there, *lacking]):
        return (
            f"site '{site['name']}': the project requires Python {asked} (requires-python); this host has or offers "
            f"{offers}; " + (managed.removeprefix(", or ") or "change python or the project's requires-python")
        )
    return (
        f"site '{site['name']}': python is {site['python']!r}; "
        f"{needs or 'no known Django fits ' + repr(site['django'])}"
        + (f"; the project requires Python {asked}" if asked else "")
        + f"; this host has or offers {offers}; "
        + (f"install {' or '.join(would_do)} from a repository that has it, or " if would_do else "")
        + "change python or the Django that packages or requirements ask for"
        + managed
    )


def _supports(minor: tuple[int, int], version: str) -> bool:
    low, high = DJANGO_PYTHONS[minor]
    return low <= dotted(version)[:2] <= high


def _range(minor: tuple[int, int]) -> str:
    (a, b), (c, d) = DJANGO_PYTHONS[minor]
    return f"{a}.{b} to {c}.{d}"
