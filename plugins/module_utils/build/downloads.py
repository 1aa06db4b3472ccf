# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions and hashes of what is downloaded if the inventory names no version, and the installation of uv.

They are in `pinned.py`. For a version from the inventory, the installers verify the hashes of the package index.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Collection, Mapping

from ..build.context import Context
from ..build.pinned import PINNED
from ..host import files
from ..host.shell import StepError
from ..model.texts import PIP_WHEELS
from ..model.types import Site

# uv's names for the variables that pip reads under another name: pip installs uv and downloads sources.
PIP_NAMES = {
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX": "PIP_INDEX_URL",
    "UV_FIND_LINKS": "PIP_FIND_LINKS",
    "SSL_CERT_FILE": "PIP_CERT",
}


def requirement(name: str) -> str:
    """Return the line of a requirements file that pins a package: version and hashes."""
    version, hashes = PINNED[name]
    return " ".join([f"{name}=={version}", *(f"--hash=sha256:{digest}" for digest in hashes)]) + "\n"


def of_uwsgi(site: Site, named: Collection[str] = ()) -> str:
    """Return the line for the site's uWSGI; '' if the inventory or the project names another version.

    `named` are the packages that the project's own requirements name; those requirements apply.
    """
    name = {"tarball": "uwsgi"}.get(site["uwsgi"]["install"], site["uwsgi"]["install"])
    if name not in PINNED or name in named or site["uwsgi"]["version"] not in ("", PINNED[name][0]):
        return ""
    return requirement(name)


def pip_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return uv's settings in an environment under pip's names."""
    found = {PIP_NAMES[name]: value for name, value in environment.items() if name in PIP_NAMES}
    return {name: value for name, value in found.items() if name not in environment}


def bring_uv(context: Context, uv: str) -> None:
    """Install uv for all sites of the host, once, in its own virtualenv; `uv` is the path of the program afterwards.

    It is made in another directory and renamed, so a killed run leaves nothing that the next one would take for uv.
    """
    if _is_there(uv):
        return
    tools, new = context.layout.tools, context.layout.new_tools
    with files.locked(os.path.basename(tools)):
        if _is_there(uv):
            return  # another run installed it while this one waited
        files.remove(new)
        try:
            run = context.shell.run
            run("installer", ["/usr/bin/python3", "-m", "venv", "--without-pip", new])
            # ensurepip takes longer than everything else here: it compiles pip, which is used only once.
            with zipfile.ZipFile(pip_wheel()) as wheel:
                wheel.extractall(glob.glob(f"{new}/lib/python3*/site-packages")[0])
            pip = [f"{new}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            files.write(f"{new}/uv.txt", requirement("uv"))
            pip += ["--no-compile", "--no-cache-dir", "--no-deps", "--require-hashes", "-r", f"{new}/uv.txt"]
            run("installer", pip, environment=pip_environment(context.environment))
            files.sync_file(f"{new}/bin/uv")
        except BaseException:
            files.remove(new)
            raise
        files.remove(tools)
        files.move(new, tools)


def _is_there(uv: str) -> bool:
    """Return whether uv is installed: an earlier version installed it in place, and pip makes it executable last."""
    return os.access(uv, os.X_OK)


def pip_wheel() -> str:
    """Return the wheel of pip that the system's Python contains for its virtualenvs."""
    for pattern in PIP_WHEELS:
        found = sorted(glob.glob(pattern))
        if found:
            return found[-1]
    raise StepError("", "installer", "the system's Python has no ensurepip; install its venv package")
