# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The virtualenv of a build: found where the same requirements made one before, else made anew."""

from __future__ import annotations

import glob
import os
import pwd
import re
import shutil
import tempfile

from ..build import seal, source
from ..build.context import Context
from ..build.installer import Installer
from ..build.project import interpreter
from ..host import files
from ..model.layout import content_id
from ..model.types import Site

# Part of every id: raise it when the same inputs have to give another virtualenv than before.
FORMAT = 1
# What requirements are looked for in, in this order.
DISCOVERED = ("uv.lock", "requirements.txt", "pyproject.toml")


def provide(context: Context, root: str) -> str:
    """Make or find the virtualenv for the build in `root` and install into it; its path, or '' for the system's Python.

    A build's own virtualenv is linked as `venv` in the build.
    """
    wanted = context.site["virtualenv"]
    if wanted == "none":
        return ""
    names, listed = requirements(context, f"{root}/src")
    if wanted:
        return _given(context, root, names, listed)
    return _own(context, root, names, listed)


def requirements(context: Context, code: str) -> tuple[list[str], list[str]]:
    """Return (requirements by name, files of requirements) for the code in a directory."""
    site = context.site
    names = list(site["packages"])
    if _is_package(site):
        names.append(_uwsgi_requirement(site))
    if site["database"]:
        names.append("dj-database-url")
    listed = _discovered(code) if site["requirements"] is None else [f"{code}/{name}" for name in site["requirements"]]
    for path in listed:
        if not os.path.isfile(path):
            missing = path[len(code) + 1 :]
            raise context.error("requirements", f"requirements names {missing!r}; the source has no such file")
    has_django = any(re.match(r"django\b(?![-_.])", name, re.IGNORECASE) for name in names)
    if not listed and not has_django:
        names.append("Django")
    return names, listed


def _discovered(code: str) -> list[str]:
    """Return the one file of requirements that counts, as a list, or none."""
    found = [f"{code}/{name}" for name in DISCOVERED if os.path.isfile(f"{code}/{name}")][:1]
    if (
        found
        and found[0].endswith("pyproject.toml")
        and not re.search(r"^\s*\[project\]", files.read(found[0]), re.MULTILINE)
    ):
        return []  # only the settings of some tool
    return found


def _given(context: Context, root: str, names: list[str], listed: list[str]) -> str:
    """Provide the virtualenv that the site names; an existing one gets only what the site asks for."""
    site = context.site
    home = site["virtualenv"]
    # An existing virtualenv is its owner's; a new one goes to whom the code beside it belongs to.
    fresh = not os.path.exists(f"{home}/bin/python")
    owner = pwd.getpwuid(os.stat(site["source"]["path"] if fresh else home).st_uid).pw_name
    tool = Installer(context, owner, root)
    if fresh:
        tool.virtualenv(home, site["interpreter"]["path"])
    if fresh or site["packages"] or site["requirements"] is not None:
        tool.install("requirements", home, names, listed)
    elif _is_package(site) and (not os.path.exists(f"{home}/bin/uwsgi") or site["uwsgi"]["version"]):
        tool.install("uwsgi", home, [_uwsgi_requirement(site)], [])
    _finish(context, tool, home, listed)
    return home


def _own(context: Context, root: str, names: list[str], listed: list[str]) -> str:
    """Provide the virtualenv that these requirements resolve to today: an earlier build's, or a new one.

    A change of code leaves it as it is, and a new version of a dependency makes another one. `requirements.txt` in it
    is written last; without it, it is what a killed run left.
    """
    tool = Installer(context, context.user, root)
    resolved = tool.resolve(names, listed)
    if not resolved:
        home = f"{root}/venv"
        _make(context, tool, home, names, listed)
        return home
    uwsgi = context.site["uwsgi"]
    inputs = [FORMAT, context.python_version(), context.user, resolved]
    inputs += [uwsgi["install"], uwsgi["version"], uwsgi["tarball"], uwsgi["checksum"]]
    if context.site["interpreter"].get("managed"):
        inputs.append(context.site["interpreter"]["path"])
    home = context.layout.virtualenv(content_id(inputs))
    if files.read(f"{home}/requirements.txt") != resolved:
        files.remove(home)
        try:
            _make(context, tool, home, names, listed, resolved)
            seal.seal_tree(home, 0, seal.PUBLIC)
        except BaseException:
            files.remove(home)
            raise
        files.write(f"{home}/requirements.txt", resolved)
    os.symlink(os.path.relpath(home, root), f"{root}/venv")
    return home


def _make(
    context: Context, tool: Installer, home: str, names: list[str], listed: list[str], resolved: str = ""
) -> None:
    os.makedirs(os.path.dirname(home), mode=0o755, exist_ok=True)
    tool.virtualenv(home, context.site["interpreter"]["path"])
    tool.install("requirements", home, names, listed, resolved)
    _finish(context, tool, home, listed)


def _finish(context: Context, tool: Installer, home: str, listed: list[str]) -> None:
    """Be sure of its Django, and of its uWSGI where that is no package."""
    words = [interpreter(home), "-c", "import django"]
    if context.shell.run("requirements", words, context.user, check=False).returncode:
        brought = ", ".join(map(os.path.basename, listed)) or "packages"
        raise context.error(
            "requirements",
            f"{brought} brought no Django into {home}; add it to packages, for instance 'Django>=5.2,<5.3'",
        )
    if context.site["uwsgi"]["install"] == "tarball" and not os.path.exists(f"{home}/bin/uwsgi"):
        _compile_uwsgi(context, tool, home)


# --- uWSGI ---


def _is_package(site: Site) -> bool:
    """Whether the site's uWSGI is a Python package."""
    return site["uwsgi"]["install"] in ("pyuwsgi", "uwsgi")


def _uwsgi_requirement(site: Site) -> str:
    uwsgi = site["uwsgi"]
    return f"{uwsgi['install']}=={uwsgi['version']}" if uwsgi["version"] else uwsgi["install"]


def _compile_uwsgi(context: Context, tool: Installer, home: str) -> None:
    """Build uWSGI from its tarball with its own uwsgiconfig.py and copy the binary into the virtualenv."""
    owner = pwd.getpwnam(tool.owner)
    with tempfile.TemporaryDirectory(prefix="uwsgi-", dir=context.layout.cache) as folder:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        archive = _tarball(context, tool, home, folder)
        found, wanted = source.file_checksum(archive), context.site["uwsgi"]["checksum"]
        if wanted not in ("", found):
            raise context.error("uwsgi", f"uwsgi.checksum is {wanted}; the tarball has {found}")
        os.chmod(archive, 0o644)
        run = context.shell.run
        run("uwsgi", ["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", folder], tool.owner)
        configs = glob.glob(f"{folder}/*/uwsgiconfig.py")
        if not configs:
            raise context.error("uwsgi", "the tarball holds no uwsgiconfig.py; it is not uWSGI's source")
        unpacked = os.path.dirname(configs[0])
        run("uwsgi", [f"{home}/bin/python", "uwsgiconfig.py", "--build"], tool.owner, unpacked)
        run("uwsgi", ["install", "-m", "0755", f"{unpacked}/uwsgi", f"{home}/bin/uwsgi"], tool.owner)


def _tarball(context: Context, tool: Installer, home: str, folder: str) -> str:
    """Bring uWSGI's tarball into `folder`: from this host, from a URL, or from the package index; its path."""
    uwsgi, archive = context.site["uwsgi"], f"{folder}/uwsgi.tar.gz"
    tarball = uwsgi["tarball"]
    if not tarball:
        return tool.sdist(home, "uwsgi" + (f"=={uwsgi['version']}" if uwsgi["version"] else ""), folder)
    if not tarball.startswith("/"):
        context.fetch_into("uwsgi", tarball, archive)
    elif os.path.isfile(tarball):
        shutil.copyfile(tarball, archive)
    else:
        raise context.error("uwsgi", f"uwsgi.tarball is {tarball!r}; this host has no such file")
    return archive
