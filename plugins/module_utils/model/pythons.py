# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose a site's interpreter on a host by its Django, and the packages that its build needs."""

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
    """Set the `interpreter` of each site: the newest that its Django and its requires-python allow.

    A site that lets uv install its Python gets one of uv's if no other is suitable, or in any case, as it sets. The
    build, which has every source, may choose again.

    `platform` are the interpreters in the platform's packages, `found` those on a host (version -> path), `offered` the
    packages in the host's repositories (None: all). Raises `InventoryError` if a host can provide none, with Django's
    requirement, what there is, and which package would be suitable.
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
    """Return the packages that building these sites needs: a compiler and git only if one of them does.

    `platform` has the lists `git` and `compiler`, under `installer` one for uv and one for pip, and under `programs`
    one for each program that a step may start with. `choose_pythons` must have processed the sites.
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
    """Return the known Django minors that a version specifier such as '>=5.2,<5.3' allows; all of them for ''."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(specifier)

    def admits(major: int, minor: int) -> bool:
        return any(wanted.contains(f"{major}.{minor}.{patch}") for patch in range(40))

    known = [minor for minor in DJANGO_PYTHONS if admits(*minor)]
    newest = max(DJANGO_PYTHONS)
    later = [(major, minor) for major in range(6, 20) for minor in range(3) if (major, minor) > newest]
    if not known and any(admits(*minor) for minor in later):
        return [newest]  # a newer Django: it needs at least what the newest known one needs
    return known


def interpreter(version: str = "", path: str = "") -> Interpreter:
    """Return an interpreter that needs no package; without arguments, that of a site which has none yet."""
    return {"version": version, "path": path, "packages": [], "headers": []}


def _managed(site: Site) -> list[Interpreter]:
    """Return the interpreters that uv may install for a site, the newest first."""
    wanted = site["python"]
    versions = MANAGED if wanted == "auto" else (wanted,)
    return [{**interpreter(version), "managed": True} for version in versions]


def _fits(site: Site, minors: list[tuple[int, int]], python: Interpreter) -> bool:
    """Return whether the site allows an interpreter that one of these Djangos supports."""
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
        managed = ", or set python: {managed: fallback} to let uv install one"
    else:
        managed = ""
    # If another Python would be suitable, Django's own requirements do not matter.
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
        + "change python or the Django in packages or requirements"
        + managed
    )


def _supports(minor: tuple[int, int], version: str) -> bool:
    low, high = DJANGO_PYTHONS[minor]
    return low <= dotted(version)[:2] <= high


def _range(minor: tuple[int, int]) -> str:
    (a, b), (c, d) = DJANGO_PYTHONS[minor]
    return f"{a}.{b} to {c}.{d}"
