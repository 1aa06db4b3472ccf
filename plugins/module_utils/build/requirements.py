# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The contents of a build's virtualenv: the source's requirements, those of the inventory, and its uWSGI."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..build import downloads
from ..build.context import Context
from ..host import files
from ..host.shell import StepError
from ..model import dependencies, manifests
from ..model.pins import Pin, canonical, without
from ..model.texts import Unreadable, table, toml
from ..model.types import Site

NEEDS_UV = "{} needs uv; set django_installer: uv, or name a requirements.txt in requirements"


@dataclass
class Requirements:
    """Everything that is installed.

    `names` are requirements by name, `listed` files that the installer reads, `words` its options for them. `pins` are
    the pins of a lock, `uv_lock` is a lock that uv reads itself. Paths are absolute, except for `read`, the files that
    were used. `left_out` are packages that are not installed although something requires them. `checked` is a line that
    pins the site's uWSGI by its hashes, '' if the inventory or the project names another version.
    """

    names: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    uv_lock: str = ""
    read: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    checked: str = ""

    @property
    def folder(self) -> str:
        """The options for package indexes: a requirements file may name others."""
        return os.path.dirname(self.listed[0]) if self.listed else "/"


def gather(context: Context, code: str) -> Requirements:
    """Return what the site in the directory `code` needs. Raises `StepError` that names the faulty file."""
    try:
        return _gather(context, code)
    except Unreadable as wrong:
        raise context.error("requirements", str(wrong)) from None


def is_package(site: Site) -> bool:
    """Return whether the site's uWSGI is a Python package."""
    return site["uwsgi"]["install"] in ("pyuwsgi", "uwsgi")


def uwsgi_requirement(site: Site) -> str:
    uwsgi = site["uwsgi"]
    return f"{uwsgi['install']}=={uwsgi['version']}" if uwsgi["version"] else uwsgi["install"]


def _gather(context: Context, code: str) -> Requirements:
    site = context.site
    wanted = dependencies.wanted(site, code)
    names = [*site["packages"], *([uwsgi_requirement(site)] if is_package(site) else [])]
    names += ["dj-database-url"] if site["database"] else []
    asked = [*wanted.names, *_lines_of_files(site, wanted, code)]
    install = site["uwsgi"]["install"]
    pinned = [pin.requirement for pin in wanted.pins]
    locked = dependencies.locked_by_uv(code, wanted.uv_lock) if wanted.uv_lock else []
    left_out = dependencies.competing([*site["packages"], *asked, *pinned, *locked], install)
    _say(context, wanted.files, left_out)
    found = Requirements(
        names=[*names, *wanted.names],
        listed=[f"{code}/{name}" for name in wanted.listed],
        pins=without(wanted.pins, left_out),
        uv_lock=f"{code}/{wanted.uv_lock}" if wanted.uv_lock else "",
        read=wanted.files,
        left_out=left_out,
        checked=_checked(site, [*site["packages"], *asked, *pinned, *locked, *dependencies.constraints(asked, code)]),
    )
    if left_out:
        found.names = [name for name in found.names if not dependencies.competing([name], install)]
    if site["source"]["kind"] == "startproject" and not dependencies.names_django(found.names):
        found.names.append("Django")  # of a new project, for which nothing sets the version
    for name in wanted.listed:
        _for_installer(context, found, code, name)
    if site["source"]["kind"] != "startproject" and not dependencies.may_bring_django(
        wanted, [*site["packages"], *asked, *pinned, *locked, *dependencies.constraints(asked, code)]
    ):
        raise no_django(context, code, found)
    return found


def no_django(context: Context, code: str, found: Requirements) -> StepError:
    """Return the failure of a project that does not name Django."""
    given = context.site["requirements"] is not None
    return context.error("requirements", dependencies.no_django(found.read, code, context.python_version(), given))


def leave_out(context: Context, found: Requirements, resolved: str) -> bool:
    """Leave out another uWSGI among the resolved packages, and return whether there is one: both install bin/uwsgi."""
    other = dependencies.competing(resolved.splitlines(), context.site["uwsgi"]["install"])
    found.left_out += other
    _say(context, found.read, other)
    return bool(other)


def export_words(site: Site) -> list[str]:
    """Return uv's options for the extras and groups of a project; development groups only if they are requested."""
    words = [word for extra in site["extras"] for word in ("--extra", extra)]
    words += [word for group in site["groups"] for word in ("--group", group)]
    return words if "dev" in map(canonical, site["groups"]) else [*words, "--no-dev"]


def _checked(site: Site, asked: list[str]) -> str:
    return downloads.of_uwsgi(site, dependencies.competing(asked, "")) if is_package(site) else ""


def _lines_of_files(site: Site, wanted: dependencies.Wanted, code: str) -> list[str]:
    """Return the lines of requirements files and of those that they include."""
    texts = [name for name in wanted.listed if name.endswith(".txt")]
    lines = [line for name in texts for line in manifests.requirement_lines(code, name)]
    projects = [name for name in wanted.listed if name.endswith("pyproject.toml")]
    return lines + [line for name in projects for line in manifests.project(code, name, site["extras"], site["groups"])]


def _for_installer(context: Context, found: Requirements, code: str, name: str) -> None:
    """Convert a dependency file in another format for the installer. Raises `StepError`."""
    site, path = context.site, f"{code}/{name}"
    kind = os.path.basename(name)
    if kind not in ("pyproject.toml", "setup.py", "setup.cfg"):
        return
    if context.installer == "uv":
        found.words += [word for extra in site["extras"] for word in ("--extra", extra)]
        found.words += [word for group in site["groups"] for word in ("--group", f"{path}:{group}")]
        return
    data = toml(code, name) if kind == "pyproject.toml" else {}
    if kind != "pyproject.toml" or table(data, "tool", "uv", "sources") or "dynamic" in table(data, "project"):
        raise context.error("requirements", NEEDS_UV.format(name))
    found.listed.remove(path)
    found.names += manifests.project(code, name, site["extras"], site["groups"])


def flatten(found: Requirements, code: str, path: str) -> None:
    """Write the requirements files as one at `path`, without the packages to leave out: pip has no option for that."""
    lines = []
    for listed in found.listed:
        for line in manifests.requirement_lines(code, os.path.relpath(listed, code)):
            words = line.split()
            if words[0] in ("-c", "--constraint") and len(words) == 2 and "://" not in words[1]:
                line = f"{words[0]} {os.path.join(code, words[1])}"
            if not set(dependencies.competing([line], "")) & set(found.left_out):
                lines.append(line)
    files.write(path, "".join(f"{line}\n" for line in lines))
    found.listed = [path]


def _say(context: Context, read: list[str], left_out: list[str]) -> None:
    """Note for the report which packages are not installed."""
    install = context.site["uwsgi"]["install"]
    for name in left_out:
        what = {"pyuwsgi": "the wheel pyuwsgi, the same server", "uwsgi": "the source distribution uwsgi"}.get(
            install, f"uwsgi.install: {install}"
        )
        files_named = ", ".join(read) or "packages"
        more = "; to compile it set uwsgi: {install: uwsgi}" if install == "pyuwsgi" else ""
        context.notes.append(f"{name} of {files_named} is not installed, because the site's uWSGI is {what}{more}")
