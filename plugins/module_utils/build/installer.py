# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What installs into virtualenvs: uv, which is brought along where it is missing, or pip where it is asked for."""

from __future__ import annotations

import glob
import os
import pwd
import re
import tempfile
import zipfile
from collections.abc import Mapping

from ..build.context import Context
from ..host import files
from ..host.shell import StepError

NEEDS_UV = "{} needs uv; set django_installer: uv, or name a requirements.txt in requirements"
# pip's names for what uv reads under another one.
UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE": "SSL_CERT_FILE",
}
# Where the system's Python keeps the wheel of pip for its virtualenvs; Debian has it apart.
PIP_WHEELS = ("/usr/share/python-wheels/pip-*.whl", "/usr/lib*/python3*/ensurepip/_bundled/pip-*.whl")
# A requirement that says all there is to say: NAME==VERSION, perhaps with a marker.
PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[^]]*\])?==\S+( ; .*)?")


class Installer:
    """uv or pip, working on virtualenvs as their owner. `root` is the build's directory."""

    def __init__(self, context: Context, owner: str, root: str) -> None:
        self.context, self.owner, self.root = context, owner, root
        self.uv = f"{context.layout.tools}/bin/uv" if context.installer == "uv" else ""
        cache = context.layout.cache if owner == context.user else tempfile.gettempdir() + f"/pyweb-{owner}"
        self.environment = {"HOME": cache, "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": ""}
        if self.uv:
            self.environment.update(uv_environment(context.environment))
            self._bootstrap()

    def virtualenv(self, home: str, python: str) -> None:
        """Make an empty virtualenv that belongs to the owner."""
        account = pwd.getpwnam(self.owner)
        os.makedirs(home, mode=0o755, exist_ok=True)
        os.chown(home, account.pw_uid, account.pw_gid)
        words = [self.uv, "venv", "--quiet", "--allow-existing", "--python", python, home]
        if not self.uv:
            words = [python, "-m", "venv", home]
        self._run("virtualenv", words)

    def resolve(self, names: list[str], listed: list[str]) -> str:
        """Return the requirements as they resolve today, NAME==VERSION a line; '' where that does not say all.

        A path or a repository among them may hold other code tomorrow, and pip resolves while it installs.
        """
        if not self.uv:
            return ""
        python = self.context.site["interpreter"]["path"]
        words = [self.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python]
        given = "".join(f"{name}\n" for name in names)
        text = self._run("requirements", [*words, *self._readable(listed), "-"], _folder(listed), given)
        return text if all(PINNED.fullmatch(line) for line in text.splitlines()) else ""

    def install(self, step: str, home: str, names: list[str], listed: list[str], resolved: str = "") -> None:
        """Install requirements given by name and by file, with one resolution for all of them: `resolved`, if any."""
        arguments = [*names, *(word for path in self._readable(listed) for word in ("-r", path))]
        if self.uv:
            words = [self.uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", f"{home}/bin/python"]
        else:
            words = [f"{home}/bin/python", "-m", "pip", "install", "--quiet", "--no-input"]
        if resolved:
            words += ["--constraint", "-"]
        self._run(step, [*words, *arguments], _folder(listed), resolved)

    def sdist(self, home: str, requirement: str, folder: str) -> str:
        """Download the source distribution of a requirement into `folder`; its path."""
        # uv cannot download, and a virtualenv of uv's has no pip.
        pip = [f"{home}/bin/python", "-m", "pip"] if not self.uv else ["/usr/bin/python3", f"{_pip_wheel()}/pip"]
        words = [*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        self._run("uwsgi", [*words, "--dest", folder, requirement])
        found = glob.glob(f"{folder}/*.tar.gz")
        if not found:
            raise self.context.error("uwsgi", f"the package index has no source of {requirement}")
        return found[0]

    def _readable(self, listed: list[str]) -> list[str]:
        """Return files of requirements as the installer can read them."""
        paths = []
        for path in listed:
            if path.endswith(("uv.lock", "pyproject.toml")) and not self.uv:
                raise self.context.error("requirements", NEEDS_UV.format(os.path.basename(path)))
            paths.append(self._export(path) if path.endswith("uv.lock") else path)
        return paths

    def _export(self, lock: str) -> str:
        """Write a lock file as requirements with hashes; the path of those."""
        folder = os.path.dirname(lock)
        words = [self.uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--project", folder]
        path = f"{self.root}/uv-requirements.txt"
        files.write(path, self._run("requirements", words))
        return path

    def _run(self, step: str, words: list[str], cwd: str = "/", stdin: str = "") -> str:
        shell = self.context.shell
        return shell.run(step, words, self.owner, cwd, environment=self.environment, stdin=stdin).stdout

    def _bootstrap(self) -> None:
        """Install uv for all sites of the host, in a virtualenv of its own, once."""
        tools = self.context.layout.tools
        if os.path.exists(self.uv):
            return
        with files.locked(os.path.basename(tools)):
            if os.path.exists(self.uv):
                return  # another run installed it while this one waited
            files.remove(tools)
            try:
                run = self.context.shell.run
                run("installer", ["/usr/bin/python3", "-m", "venv", "--without-pip", tools])
                # What ensurepip does takes longer than all of this: it compiles pip, which is used here once.
                with zipfile.ZipFile(_pip_wheel()) as wheel:
                    wheel.extractall(glob.glob(f"{tools}/lib/python3*/site-packages")[0])
                pip = [f"{tools}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                run("installer", [*pip, "--no-compile", "--no-cache-dir", "uv"])
            except BaseException:
                files.remove(tools)
                raise


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return uv's own settings, and what `environment` says to pip, in uv's words."""
    translated = {UV_NAMES[name]: value for name, value in environment.items() if name in UV_NAMES}
    # Copies, not hard links: the build is handed to root, and the cache must not go with it.
    return {**translated, "UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1"}


def _folder(listed: list[str]) -> str:
    """Return where to install from: a requirement file may name others beside it."""
    return os.path.dirname(listed[0]) if listed else "/"


def _pip_wheel() -> str:
    """Return the wheel of pip that the system's Python carries for its virtualenvs."""
    for pattern in PIP_WHEELS:
        found = sorted(glob.glob(pattern))
        if found:
            return found[-1]
    raise StepError("", "installer", "the system's Python has no ensurepip; install its venv package")
