# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The virtualenv of a build: that of an earlier build with the same requirements, else a new one."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import re
import shutil

from ..build import downloads, seal, source, unfinished
from ..build.compilers import refuse_without_compiler
from ..build.context import Context
from ..build.installer import Installer
from ..build.requirements import (
    NEEDS_UV,
    Requirements,
    flatten,
    gather,
    is_package,
    leave_out,
    no_django,
    uwsgi_requirement,
)
from ..build.runtime import has_routing, interpreter
from ..host import files, scratch
from ..model import layout as layouts
from ..model.dependencies import of_uv_export
from ..model.layout import content_id
from ..model.pins import without
from ..model.texts import Unreadable
from ..model.types import Site

# Part of every ID. Increase it when the same inputs must give a different virtualenv.
FORMAT = 1
# Values of `uwsgi.install` that are compiled here. With the headers of PCRE, uWSGI gets routing, which the guards of
# its sockets need (`has_routing`).
COMPILED = ("uwsgi", "tarball")


def provide(context: Context, root: str) -> str:
    """Make or find the virtualenv for the build in `root` and install into it; its path, or '' for the system's Python.

    A build's own virtualenv is linked as `venv` in the build.
    """
    wanted = context.site["virtualenv"]
    if wanted == "none":
        return ""
    if wanted and os.path.exists(f"{wanted}/bin/python") and not _asks(context.site):
        return _given(context, root, Requirements())
    found = gather(context, f"{root}/src")
    if context.installer == "pip" and found.left_out and found.listed:
        flatten(found, f"{root}/src", f"{root}/requirements.txt")
    if wanted:
        return _given(context, root, found)
    return _own(context, root, found)


def _asks(site: Site) -> bool:
    """Return whether a site requires packages in an existing virtualenv."""
    return bool(site["packages"]) or site["requirements"] is not None


def _given(context: Context, root: str, found: Requirements) -> str:
    """Provide the virtualenv that the site names; into an existing one, install only what the site requires."""
    site = context.site
    home = site["virtualenv"]
    # An existing virtualenv belongs to its owner; a new one to the owner of the code beside it.
    fresh = not os.path.exists(f"{home}/bin/python")
    owner = pwd.getpwuid(os.stat(site["source"]["path"] if fresh else home).st_uid).pw_name
    with _downloads_of(context, owner) as downloaded:
        tool = Installer(context, owner, root, downloaded)
        if fresh:
            tool.virtualenv(home, site["interpreter"]["path"])
            unfinished.made(context.layout, home)
        if fresh or _asks(site):
            _read_lock(context, tool, root, found)
            _install(context, tool, home, root, found)
        elif is_package(site) and (not os.path.exists(f"{home}/bin/uwsgi") or site["uwsgi"]["version"]):
            line = downloads.of_uwsgi(site)
            tool.install("uwsgi", home, Requirements(names=[uwsgi_requirement(site)], checked=line))
        _finish(context, tool, home, root, found)
    return home


def _downloads_of(context: Context, owner: str) -> contextlib.AbstractContextManager[str]:
    """Yield a directory for downloads for the owner of an existing virtualenv, which is removed after the step.

    '' for the site's own user, who has the site's cache.
    """
    if owner == context.user:
        return contextlib.nullcontext("")
    account = pwd.getpwnam(owner)
    return scratch.directory(layouts.MEMORY, account.pw_uid, account.pw_gid)


def _own(context: Context, root: str, found: Requirements) -> str:
    """Provide the virtualenv that these requirements resolve to today: an earlier build's, or a new one.

    A change of code keeps the virtualenv; a new version of a dependency gives another one. `requirements.txt` in it is
    written last; a directory without it was left by a killed run.
    """
    tool = Installer(context, context.user, root)
    _read_lock(context, tool, root, found)
    resolved = tool.resolve(found)
    if leave_out(context, found, resolved):
        resolved = tool.resolve(found)
    if resolved and not re.search(r"(?m)^django==", resolved, re.IGNORECASE):
        raise no_django(context, f"{root}/src", found)
    # the project itself changes with the next commit
    if not resolved or context.site["install_project"]:
        home = f"{root}/venv"
        _make(context, tool, home, root, found, resolved)
        return home
    uwsgi = context.site["uwsgi"]
    inputs = [FORMAT, context.python_version(), context.site["user"], resolved]
    inputs += [uwsgi["install"], uwsgi["version"], context.secrets["tarball"], uwsgi["checksum"]]
    if context.user == context.site["user"]:
        # The site's user could change a virtualenv that it makes; builds of the other account must not use it.
        inputs.append("made by the site's user")
    if context.site["interpreter"].get("managed"):
        inputs.append(context.site["interpreter"]["path"])
    inputs += ["routing"] if uwsgi["install"] in COMPILED else []
    home = context.layout.virtualenv(content_id(inputs))
    if files.read(f"{home}/requirements.txt") != resolved:
        files.remove(home)
        try:
            _make(context, tool, home, root, found, resolved)
            context.end_processes()
            seal.seal_tree(home, 0, seal.PUBLIC)
        except BaseException:
            files.remove(home)
            raise
        files.write(f"{home}/requirements.txt", resolved)
    os.symlink(os.path.relpath(home, root), f"{root}/venv")
    return home


def _read_lock(context: Context, tool: Installer, root: str, found: Requirements) -> None:
    """Export the lock that only uv can read."""
    if not found.uv_lock:
        return
    name = os.path.relpath(found.uv_lock, f"{root}/src")
    if not tool.uv:
        raise context.error("requirements", NEEDS_UV.format(name))
    try:
        pins = of_uv_export(tool.export(found.uv_lock), f"{root}/src", name)
    except Unreadable as wrong:
        raise context.error("requirements", str(wrong)) from None
    found.pins = without([*found.pins, *pins], found.left_out)


def _make(context: Context, tool: Installer, home: str, root: str, found: Requirements, resolved: str) -> None:
    os.makedirs(os.path.dirname(home), mode=0o755, exist_ok=True)
    tool.virtualenv(home, context.site["interpreter"]["path"])
    refuse_without_compiler(context, tool, resolved or "".join(f"{pin.line}\n" for pin in found.pins))
    _install(context, tool, home, root, found, resolved)
    _finish(context, tool, home, root, found)


def _install(context: Context, tool: Installer, home: str, root: str, found: Requirements, resolved: str = "") -> None:
    """Install the contents of a lock, then the rest, then the project itself if the site requires it."""
    if found.pins:
        tool.install_pins(home, found)
    tool.install("requirements", home, found, resolved)
    if context.site["install_project"]:
        folder = os.path.dirname(found.read[0]) if found.read else ""
        tool.install_project(home, os.path.join(root, "src", folder))


def _finish(context: Context, tool: Installer, home: str, root: str, found: Requirements) -> None:
    """Check that its Django, and its uWSGI if it is no package, are installed."""
    words = [interpreter(home), "-c", "import django"]
    if context.inside.run("requirements", words, context.user, check=False).returncode:
        raise no_django(context, f"{root}/src", found)
    install = context.site["uwsgi"]["install"]
    if install == "tarball" and not os.path.exists(f"{home}/bin/uwsgi"):
        _compile_uwsgi(context, tool, home)
    if install == "uwsgi" and not has_routing(context.shell, f"{home}/bin/uwsgi", tool.owner):
        _compile_again(context, tool, home)


# --- uWSGI ---


def _compile_again(context: Context, tool: Installer, home: str) -> None:
    """Compile uWSGI without the installer's cache, which may contain what a version before 0.2 compiled."""
    words = [f"{home}/bin/python", "-m", "pip", "install", "--force-reinstall", "--no-cache-dir"]
    if tool.uv:
        words = [tool.uv, "pip", "install", "--reinstall", "--no-cache", "--python", f"{home}/bin/python"]
    words += ["--quiet", "--no-deps", uwsgi_requirement(context.site)]
    context.shell.run("uwsgi", words, tool.owner, environment=tool.environment)


def _compile_uwsgi(context: Context, tool: Installer, home: str) -> None:
    """Build uWSGI from its tarball with its own uwsgiconfig.py and copy the binary into the virtualenv."""
    owner, run = pwd.getpwnam(tool.owner), context.shell.run
    with scratch.directory(layouts.MEMORY, owner.pw_uid, owner.pw_gid) as folder, contextlib.ExitStack() as stack:
        words = ["tar", "--extract", "--no-same-owner", "--directory", folder, "--file"]
        if context.secrets["tarball"]:
            archive = stack.enter_context(open(_tarball(context), "rb"))
            found, wanted = source.checksum_of(archive), context.site["uwsgi"]["checksum"]
            if wanted not in ("", found):
                raise context.error("uwsgi", f"uwsgi.checksum is {wanted}; the checksum of the tarball is {found}")
            archive.seek(0)
            run("uwsgi", [*words, "/dev/stdin"], tool.owner, stdin=archive)
        else:
            version = context.site["uwsgi"]["version"]
            named = f"uwsgi=={version}" if version else "uwsgi"
            run("uwsgi", [*words, tool.sdist(home, named, folder, downloads.of_uwsgi(context.site))], tool.owner)
        configs = glob.glob(f"{folder}/*/uwsgiconfig.py")
        if not configs:
            raise context.error("uwsgi", "the tarball contains no uwsgiconfig.py; it is not uWSGI's source")
        unpacked = os.path.dirname(configs[0])
        built = [f"{home}/bin/python", "uwsgiconfig.py", "--build"]
        context.inside.run("uwsgi", built, tool.owner, unpacked)
        # a killed run must not leave a part of it under its name
        new = f"{home}/bin/.uwsgi.new"
        run("uwsgi", ["install", "-m", "0755", f"{unpacked}/uwsgi", new], tool.owner)
        run("uwsgi", ["mv", "--force", "--no-target-directory", new, f"{home}/bin/uwsgi"], tool.owner)


def _tarball(context: Context) -> str:
    """Get uWSGI's tarball from this host or from a URL; return its path.

    Everyone can read the file, but nobody can reach it: the process that unpacks it gets it open.
    """
    tarball = context.secrets["tarball"]
    archive = f"{context.scratch}/uwsgi-{context.site['name']}.tar.gz"
    if not tarball.startswith("/"):
        context.fetch_into("uwsgi", tarball, archive)
    elif os.path.isfile(tarball):
        shutil.copyfile(tarball, archive)
    else:
        raise context.error("uwsgi", f"uwsgi.tarball is {tarball!r}; this host has no such file")
    os.chmod(archive, 0o644)
    return archive
