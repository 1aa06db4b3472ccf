# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files of a source say what a project depends on, and which Python it asks for.

The order of places is the folder of manage.py, then the root of the source. In each the first kind that is there
counts: locks, requirement files, manifests; of requirement files, production names come first, and `requirements/`
after them.
"""

from __future__ import annotations

import glob
import os
import re

from .constraints import specifier
from .texts import Unreadable, json_text, table, text_of, toml

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml")
# Requirement files of a folder.
REQUIREMENTS = (
    *("requirements-production.txt", "requirements-prod.txt", "requirements_production.txt", "requirements_prod.txt"),
    *("requirements.production.txt", "requirements.prod.txt", "requirements.txt"),
    *("requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"),
)
MANIFESTS = ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg")
# What the names of requirement files for developers have in them.
DEVELOPMENT = re.compile(r"dev|test|local|doc|lint|debug|build|(?<![a-z])ci(?![a-z])")


def find(root: str, manage: str = "") -> str:
    """Return the dependency file that counts, relative to the source `root`; '' where there is none.

    `manage` is where manage.py lies, relative; the one that lies highest when it is ''. Raises `Unreadable`.
    """
    for folder in dict.fromkeys([manage_folder(root, manage), ""]):
        for kind in (*LOCKS, *REQUIREMENTS, *MANIFESTS, *_single(root, folder)):
            name = os.path.join(folder, kind)
            if os.path.isfile(os.path.join(root, name)) and _counts(root, name):
                return name
    return ""


def _single(root: str, folder: str) -> list[str]:
    """Return the one requirement file of a folder that has a name of its own and is not for development; or []."""
    found = glob.glob(os.path.join(glob.escape(os.path.join(root, folder)), "requirements*.txt"))
    names = [name for path in found if not DEVELOPMENT.search(name := os.path.basename(path))]
    return names if len(names) == 1 else []


def others(root: str) -> list[str]:
    """Return requirement files that are not looked for by name, such as those for development; relative, sorted."""
    patterns = ("*requirements*.txt", "requirements/*.txt", "*/*requirements*.txt", "*/requirements/*.txt")
    found = {path for pattern in patterns for path in glob.glob(os.path.join(glob.escape(root), pattern))}
    return sorted(os.path.relpath(path, root) for path in found)


def manage_folder(root: str, manage: str = "") -> str:
    """Return the folder of manage.py relative to the source; '' at its root, and where there is none."""
    if manage:
        return os.path.dirname(manage)
    found = [
        os.path.relpath(path, root)
        for depth in ("", "*/", "*/*/")
        for path in sorted(glob.glob(f"{glob.escape(root)}/{depth}manage.py"))
    ]
    return os.path.dirname(found[0]) if found else ""


def requires_python(root: str, manage: str = "", named: str = "") -> str:
    """Return the specifier of the Pythons that a project asks for, such as '>=3.12'; '' where it asks for none.

    `named` is the dependency file that the site names. Of a lock its own `requires-python` counts, then that of the
    pyproject.toml beside it, beside manage.py, or at the root, or `python_requires` of setup.cfg or setup.py there. The
    Python of a Pipfile does not count: pipenv warns only. Raises `Unreadable`.
    """
    found = named or find(root, manage)
    if os.path.basename(found) in ("uv.lock", "pylock.toml") and os.path.isfile(os.path.join(root, found)):
        asked = toml(root, found).get("requires-python")
        if isinstance(asked, str):
            return asked
    for folder in dict.fromkeys([os.path.dirname(found), manage_folder(root, manage), ""]):
        asked = _asked_in(root, folder)
        if asked:
            return asked
    return ""


def _asked_in(root: str, folder: str) -> str:
    """Return the Python that pyproject.toml, setup.cfg or setup.py of a folder asks for, or ''."""
    name = os.path.join(folder, "pyproject.toml")
    if os.path.isfile(os.path.join(root, name)):
        project = toml(root, name)
        asked = table(project, "project").get("requires-python")
        if isinstance(asked, str):
            return asked
        poetry = table(project, "tool", "poetry", "dependencies").get("python")
        if isinstance(poetry, str) and "|" not in poetry:
            try:
                return specifier(poetry)
            except ValueError as error:
                raise Unreadable(name, f"tool.poetry.dependencies.python: {error}") from None
    # In setup.py it counts where it is written out: what a program computes, only the program knows.
    for kind, pattern in (
        ("setup.cfg", r"(?m)^[ \t]*python_requires\s*=\s*(\S.*)$"),
        ("setup.py", r"(?m)^[^#\n]*\bpython_requires\s*=\s*['\"]([^'\"\n]+)['\"]"),
    ):
        name = os.path.join(folder, kind)
        match = re.search(pattern, text_of(root, name)) if os.path.isfile(os.path.join(root, name)) else None
        if match:
            return match[1].strip()
    return ""


def _has_manifest(root: str, folder: str) -> bool:
    """Say whether a folder has another file than pyproject.toml for the dependencies: then groups may be tools only."""
    return any(os.path.isfile(os.path.join(root, folder, kind)) for kind in MANIFESTS[1:])


def _counts(root: str, name: str) -> bool:
    """Say whether a file says what the project depends on: many are only the settings of some tool."""
    kind = os.path.basename(name)
    if kind == "pyproject.toml":
        data = toml(root, name)
        project, poetry = table(data, "project"), table(data, "tool", "poetry")
        dynamic = project.get("dynamic")
        return bool(
            project.get("dependencies")
            or (isinstance(dynamic, list) and "dependencies" in dynamic)
            or project.get("optional-dependencies")
            or poetry.get("dependencies")
            or (data.get("dependency-groups") and not _has_manifest(root, os.path.dirname(name)))
        )
    if kind == "setup.cfg":
        return re.search(r"(?m)^[ \t]*install_requires\s*=", text_of(root, name)) is not None
    if kind == "setup.py":
        return "setup(" in text_of(root, name)
    if kind == "Pipfile.lock":
        return bool(json_text(root, name))
    return True
