# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the files of a source that contain its dependencies, and the Python that they require.

The folder of manage.py is searched first, then the root of the source. In each, the first existing kind is used: locks,
requirements files, manifests. Of requirements files, production names come first, and those in `requirements/` last.
"""

from __future__ import annotations

import glob
import os
import re

from .constraints import specifier
from .texts import Unreadable, json_text, table, text_of, toml

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml")
# Requirements files of a folder.
REQUIREMENTS = (
    *("requirements-production.txt", "requirements-prod.txt", "requirements_production.txt", "requirements_prod.txt"),
    *("requirements.production.txt", "requirements.prod.txt", "requirements.txt"),
    *("requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"),
)
MANIFESTS = ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg")
# Parts of names of requirements files for development.
DEVELOPMENT = re.compile(r"dev|test|local|doc|lint|debug|build|(?<![a-z])ci(?![a-z])")


def find(root: str, manage: str = "") -> str:
    """Return the dependency file to use, relative to the source `root`; '' if there is none.

    `manage` is the relative path of manage.py; if it is '', the topmost one is used. Raises `Unreadable`.
    """
    for folder in dict.fromkeys([manage_folder(root, manage), ""]):
        for kind in (*LOCKS, *REQUIREMENTS, *MANIFESTS, *_single(root, folder)):
            name = os.path.join(folder, kind)
            if os.path.isfile(os.path.join(root, name)) and _counts(root, name):
                return name
    return ""


def _single(root: str, folder: str) -> list[str]:
    """Return the only requirements file of a folder with another name that is not for development; or []."""
    found = glob.glob(os.path.join(glob.escape(os.path.join(root, folder)), "requirements*.txt"))
    names = [name for path in found if not DEVELOPMENT.search(name := os.path.basename(path))]
    return names if len(names) == 1 else []


def others(root: str) -> list[str]:
    """Return requirements files that are not found by name, such as those for development; relative, sorted."""
    patterns = ("*requirements*.txt", "requirements/*.txt", "*/*requirements*.txt", "*/requirements/*.txt")
    found = {path for pattern in patterns for path in glob.glob(os.path.join(glob.escape(root), pattern))}
    return sorted(os.path.relpath(path, root) for path in found)


def manage_folder(root: str, manage: str = "") -> str:
    """Return the folder of manage.py relative to the source; '' at its root, and if there is none."""
    if manage:
        return os.path.dirname(manage)
    found = [
        os.path.relpath(path, root)
        for depth in ("", "*/", "*/*/")
        for path in sorted(glob.glob(f"{glob.escape(root)}/{depth}manage.py"))
    ]
    return os.path.dirname(found[0]) if found else ""


def requires_python(root: str, manage: str = "", named: str = "") -> str:
    """Return the specifier of the Pythons that a project requires, such as '>=3.12'; '' if it requires none.

    `named` is the dependency file that the site names. The `requires-python` of a lock comes first, then that of the
    pyproject.toml beside it, beside manage.py, or at the root, or `python_requires` of setup.cfg or setup.py there. The
    Python of a Pipfile is ignored, because pipenv only warns about it. Raises `Unreadable`.
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
    """Return the Python that pyproject.toml, setup.cfg or setup.py of a folder requires, or ''."""
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
    # In setup.py, only a literal is read.
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
    """Return whether a folder has a dependency file beside pyproject.toml: its groups may then be for tools only."""
    return any(os.path.isfile(os.path.join(root, folder, kind)) for kind in MANIFESTS[1:])


def _counts(root: str, name: str) -> bool:
    """Return whether a file declares the project's dependencies: many contain only settings of tools."""
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
