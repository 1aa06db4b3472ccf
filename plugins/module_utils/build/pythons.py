# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose the Python of a build, from the host or from uv, and check it against the source's requirements.

The controller chooses from the files that it can read. Only the host has every source and its resolved requirements.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import re
from typing import NamedTuple

from ..host import files, managed_pythons
from ..host.causes import cause
from ..host.shell import StepError
from ..model.dependency_files import requires_python
from ..model.python_versions import admits, django_specifier, newest_managed
from ..model.pythons import interpreter
from ..model.texts import Unreadable
from ..model.types import Interpreter
from . import unfinished, virtualenv
from .context import Context
from .installer import Installer, uv_environment

NO_WHEEL = "(no wheel for a newer one)"
FALLBACK = "set python: {managed: fallback}, and uv installs one that fits"
# Messages of uv and pip about a package that does not support this Python: its name, version and requirement.
_NEEDS = r"(?P<needs>[<>=!~][\w.,<>=!~*]*)"
REFUSED = (
    re.compile(rf"(?<![\w.-])(?P<name>\w[\w.-]*?)(?P<version>[=<>!~][\w.,<>=!~*]*)? depends? on Python{_NEEDS}"),
    re.compile(
        r"(?P<name>\w[\w.-]*?)-(?P<version>\d[\w.]*)'? requires a different Python: \S+ not in '(?P<needs>[^']+)'"
    ),
    re.compile(rf"(?P<version>\d[\w.]*) Requires-Python {_NEEDS}(?=[^;]*\nERROR: Could not find)"),
)


class Misfit(NamedTuple):
    """Why a Python cannot be used: `what` needs a Python that matches `specifier`."""

    what: str
    specifier: str


def provide(context: Context, root: str) -> tuple[Context, str]:
    """Make or find the virtualenv of the build in `root`, with a suitable Python; return its context and path.

    Raises `StepError` that names the Python if none is suitable.
    """
    site = context.site
    if site["virtualenv"] and not _is_fresh(site["virtualenv"]):
        home = virtualenv.provide(context, root)
        _mark(context, root, home)
        return context, home
    known: list[Misfit] = []
    asked = _required(context, f"{root}/src")
    if asked and site["interpreter"]["version"] and not admits([asked], site["interpreter"]["version"]):
        known.append(Misfit("the project (requires-python)", asked))
        context = _another(context, known)
    while True:
        context = _bring(context, root)
        try:
            home = virtualenv.provide(context, root)
            misfit = _unsupported(context, home)
        except StepError as error:
            misfit = refused(str(error)) or _without_wheel(context, error, known)
            if misfit is None or admits([misfit.specifier], context.python_version()):
                raise
            known.append(misfit)
            context = _another(context, known, error)
        else:
            if misfit is None:
                _mark(context, root, home)
                return context, home
            known.append(misfit)
            context = _another(context, known)
        # made with the unsuitable Python
        if site["virtualenv"]:
            unfinished.again(context.layout, site["virtualenv"])
        else:
            files.remove(f"{root}/venv")


def refused(output: str) -> Misfit | None:
    """Return the package that an installer refused because of its Python, and its requirement, or None."""
    for pattern in REFUSED:
        match = pattern.search(output)
        if match:
            name = match.groupdict().get("name") or _wanted(output)
            version = (match["version"] or "").replace("==", "").strip(",")
            what = f"{name} {version}" if version[:1].isdigit() else f"{name}{version}"
            return Misfit(what, match["needs"].strip(",."))
    return None


def _without_wheel(context: Context, error: StepError, known: list[Misfit]) -> Misfit | None:
    """Return that a pinned package has no wheel for this Python, if an older Python may have one.

    If other versions of the package have wheels, see `compilers`, this one is older than the Python. One older Python
    is tried. Raises `StepError` if uv may not install one.
    """
    match = re.search(r"(\S+) has no wheel for Python (3\.[0-9]+).*, which has a wheel", error.cause)
    if not match or any(misfit.what.endswith(NO_WHEEL) for misfit in known) or context.site["python"] != "auto":
        return None
    if context.site["managed"] == "never":
        raise context.error(error.step, f"{error.cause}; or set python: {{managed: fallback}}, for an older Python")
    return Misfit(f"{match[1]} {NO_WHEEL}", f"<{match[2]}")


def _wanted(output: str) -> str:
    match = re.search(r"No matching distribution found for (\S+)", output)
    return match[1] if match else "a requirement"


def _is_fresh(home: str) -> bool:
    return home != "none" and not os.path.exists(f"{home}/bin/python")


def _required(context: Context, code: str) -> str:
    """Return the specifier of the Pythons that the source supports, or ''."""
    site = context.site
    try:
        return requires_python(code, site["manage"], (site["requirements"] or [""])[0])
    except Unreadable as error:
        raise context.error("requirements", str(error)) from None


def _unsupported(context: Context, home: str) -> Misfit | None:
    """Return the Pythons that the Django of a virtualenv supports, if this one is not among them.

    An interpreter that the inventory sets by path is not checked.
    """
    if not home or context.site["python"].startswith("/"):
        return None
    found = glob.glob(f"{glob.escape(home)}/lib*/python3*/site-packages/[Dd]jango-[0-9]*.dist-info")
    django = os.path.basename(found[0])[len("django-") : -len(".dist-info")] if found else ""
    supported = django_specifier(django)
    if not supported or admits([supported], context.python_version()):
        return None
    return Misfit(f"Django {django}", supported)


def _another(context: Context, known: list[Misfit], error: StepError | None = None) -> Context:
    """Return the context with a Python that meets all known requirements. Raises `StepError` if there is none."""
    site, specifiers = context.site, [misfit.specifier for misfit in known]
    needs = "; ".join(f"{misfit.what} needs Python {misfit.specifier}" for misfit in known)
    offered = _on_this_host()
    has = f"the site's is {site['interpreter']['version'] or context.python_version()}"
    if offered:
        has += f", and this host has {', '.join(offered)}"
    fixed = site["python"] != "auto"
    if not fixed and site["managed"] != "always":
        fitting = [version for version in offered if admits(specifiers, version)]
        if fitting and site["interpreter"]["version"] != fitting[0]:
            return _with(context, interpreter(fitting[0], offered[fitting[0]]))
    version = newest_managed(specifiers)
    if fixed:
        fix = f"change python ({site['python']!r} in the inventory) or what the project requires"
    elif site["managed"] == "never" and version:
        fix = FALLBACK
    elif not version or site["interpreter"]["version"] == version:
        fix = "uv has none either; change what the project requires"
    else:
        return _with(context, {**interpreter(version), "managed": True})
    output = str(error).partition("\n")[2] if error else ""
    raise context.error("python", f"{needs}; {has}; {fix}", output)


def _with(context: Context, python: Interpreter) -> Context:
    return dataclasses.replace(context, site={**context.site, "interpreter": python})


def _on_this_host() -> dict[str, str]:
    """Return the interpreters of the host's packages, the newest first: version -> path."""
    found = {}
    for path in glob.glob("/usr/bin/python3.*"):
        match = re.fullmatch(r"python(3\.[0-9]+)", os.path.basename(path))
        if match and os.access(path, os.X_OK):
            found[match[1]] = path
    newest_first = sorted(found, key=lambda version: int(version.partition(".")[2]), reverse=True)
    return {version: found[version] for version in newest_first}


# --- uv's builds ---


def _bring(context: Context, root: str) -> Context:
    """Install the Python with uv if it is one of uv's; return the context with its path."""
    python = context.site["interpreter"]
    if not python.get("managed"):
        return context
    if context.installer != "uv":
        raise context.error("python", "python.managed needs uv; set django_installer: uv, or managed: never")
    layout, version = context.layout, python["version"]
    uv = Installer(context, context.user, root).uv
    environment = {
        **uv_environment(context.environment),
        "HOME": context.scratch,
        "UV_NO_CACHE": "1",
        "UV_PYTHON_INSTALL_DIR": layout.pythons,
        "UV_PYTHON_INSTALL_BIN": "0",
        "UV_PYTHON_DOWNLOADS": "manual",
    }
    with files.locked(managed_pythons.LOCK):
        os.makedirs(layout.pythons, mode=0o755, exist_ok=True)
        run = context.shell.run
        done = run("python", [uv, "python", "install", version], environment=environment, check=False)
        # uv's own lock could be held by any user
        if os.path.exists(f"{layout.pythons}/.lock"):
            os.chmod(f"{layout.pythons}/.lock", 0o644)
        if done.returncode:
            why = cause(done.stderr) or f"exit status {done.returncode}"
            raise context.error(
                "python",
                f"uv could not install Python {version}: {why}; set a mirror in web_environment "
                "(UV_PYTHON_INSTALL_MIRROR, or UV_PYTHON_DOWNLOADS_JSON_URL), or set managed: never",
                done.stderr,
            )
        words = [uv, "python", "find", "--managed-python", "--no-project", version]
        path = os.path.realpath(run("python", words, environment=environment).stdout.strip())
        _mark(context, root, path)
    return _with(context, {**python, "path": path})


def _mark(context: Context, root: str, python: str) -> None:
    """Link uv's Python that a build uses, so that it is kept; `python` is an interpreter, or a virtualenv."""
    path = f"{python}/bin/python" if os.path.isdir(python) else python
    used = managed_pythons.of_interpreter(context.layout, path) if python else ""
    if used:
        files.link(used, f"{root}/{managed_pythons.LINK}")
