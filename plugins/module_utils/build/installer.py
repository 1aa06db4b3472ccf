# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The installers for virtualenvs: uv, which is installed if it is missing, or pip if the inventory selects it."""

from __future__ import annotations

import glob
import os
import pwd
import re
import subprocess
from collections.abc import Mapping

from ..build import downloads
from ..build.compilers import explained
from ..build.context import Context
from ..build.requirements import Requirements, export_words
from ..host import files, nofollow
from ..host.shell import StepError
from ..model.pins import batches

# pip's names for variables that uv reads under another name.
UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE": "SSL_CERT_FILE",
}
# If one of these is set, all packages come from there, and not from the index in a uv.lock.
MIRRORS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NO_INDEX", "UV_FIND_LINKS")
# A complete requirement: NAME==VERSION, with or without a marker.
PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[^]]*\])?==\S+( ; .*)?")


class Installer:
    """uv or pip, run on virtualenvs as their owner. `root` is the build's directory.

    `home` is the owner's directory for downloads; the default is the site's cache.
    """

    def __init__(self, context: Context, owner: str, root: str, home: str = "") -> None:
        self.context, self.owner, self.root = context, owner, root
        self.uv = f"{context.layout.tools}/bin/uv" if context.installer == "uv" else ""
        cache = home or context.layout.cache
        self.environment = {"HOME": cache, "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": ""}
        if self.uv:
            self.environment.update(uv_environment(context.environment))
            downloads.bring_uv(context, self.uv)

    def virtualenv(self, home: str, python: str) -> None:
        """Make an empty virtualenv that belongs to the owner."""
        account = pwd.getpwnam(self.owner)
        try:
            nofollow.ensure(home, 0o755, account.pw_uid, account.pw_gid)
        except nofollow.Unsafe as error:
            raise self.context.error("virtualenv", f"{error.filename} {error.strerror}; set its target") from None
        words = [self.uv, "venv", "--quiet", "--allow-existing", "--python", python, home]
        if not self.uv:
            words = [python, "-m", "venv", home]
        self._run("virtualenv", words)

    def resolve(self, wanted: Requirements) -> str:
        """Return the requirements as they resolve today, as lines NAME==VERSION; '' if these lines are not complete.

        A path or a repository among them may contain other code tomorrow, and pip resolves only while it installs. The
        pins of a lock apply; the other requirements are resolved to agree with them.
        """
        if not self.uv:
            return ""
        python = self.context.site["interpreter"]["path"]
        words = [self.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python]
        given = "".join(f"{name}\n" for name in wanted.names)
        more = [*wanted.words, *self._constraints(wanted), *self._checked(wanted), *self._left_out(wanted)]
        text = self._run("requirements", [*words, *more, *wanted.listed, "-"], wanted.folder, given)
        complete = all(PINNED.fullmatch(line) for line in text.splitlines())
        if not complete or any(pin.local for pin in wanted.pins):
            return ""
        return "".join(f"{batch.index}\n{batch.text}" for batch in batches(wanted.pins)) + text

    def install(self, step: str, home: str, wanted: Requirements, resolved: str = "") -> None:
        """Install requirements given by name and by file, resolved together; `resolved` is the result, if known."""
        listed = [word for path in wanted.listed for word in ("-r", path)]
        if not self.uv and any("--hash=" in files.read_or_empty(path) for path in wanted.listed):
            # With hashes, pip requires them for everything that it installs in the same call.
            self._run(step, [*self._pip_install(home), *listed], wanted.folder)
            listed = []
        arguments = [*wanted.names, *listed]
        if not arguments:
            return
        more = [*(wanted.words if listed else []), *self._checked(wanted), *self._left_out(wanted)]
        if wanted.checked and not self.uv:
            words = [
                *self._pip_install(home),
                "--require-hashes",
                "--no-deps",
                "-r",
                _checked(self.root, wanted.checked),
            ]
            self._run(step, words)
        if resolved and not wanted.pins:
            more += ["--constraint", "-"]
        else:
            more += self._constraints(wanted)
            resolved = ""
        self._run(step, [*self._pip_install(home), *more, *arguments], wanted.folder, resolved)

    def install_pins(self, home: str, wanted: Requirements) -> None:
        """Install exactly what a lock contains, each package from the index that the lock names."""
        given = {**self.context.environment, **self.environment}
        if wanted.uv_lock and not any(name in given for name in MIRRORS):
            folder = os.path.dirname(wanted.uv_lock)
            words = [self.uv, "sync", "--frozen", "--inexact", "--quiet", "--compile-bytecode", "--no-install-project"]
            words += ["--no-editable", "--python", f"{home}/bin/python", *export_words(self.context.site)]
            words += [word for name in wanted.left_out for word in ("--no-install-package", name)]
            self._run("requirements", [*words, "--project", folder], environment={"UV_PROJECT_ENVIRONMENT": home})
            return
        for number, batch in enumerate(batches(wanted.pins)):
            path = f"{self.root}/locked-{number}.txt"
            files.write(path, batch.text)
            folder = os.path.dirname(wanted.uv_lock) or "/"
            index = ["--default-index" if self.uv else "--index-url", batch.index] if batch.index else []
            if index and "://" not in batch.index:  # a directory of wheels in the source
                index = ["--no-index", "--find-links", os.path.join(folder, batch.index)]
            self._run("requirements", [*self._pip_install(home), "--no-deps", *index, "-r", path], folder)

    def install_project(self, home: str, folder: str) -> None:
        """Install the project itself, whose dependencies are installed already; its code stays where it is."""
        self._run("requirements", [*self._pip_install(home), "--no-deps", "--editable", folder])

    def export(self, lock: str) -> str:
        """Return a uv.lock as requirements with hashes, for the extras and groups of the site."""
        words = [self.uv, "export", "--frozen", "--quiet", "--no-header", "--no-annotate", "--no-emit-project"]
        words += ["--no-editable", *export_words(self.context.site), "--project", os.path.dirname(lock)]
        return self._run("requirements", words)

    def without_building(self, requirements: list[str], names: list[str]) -> str:
        """Return uv's output for an installation of these requirements, with these packages only as wheels."""
        python = self.context.site["interpreter"]["path"]
        words = [self.uv, "pip", "compile", "--quiet", "--no-deps", "--python", python]
        words += [word for name in names for word in ("--only-binary", name)]
        given = "".join(f"{requirement}\n" for requirement in requirements)
        done = self._try([*words, "-"], given)
        return done.stderr if done.returncode else ""

    def newest_wheel(self, name: str) -> str:
        """Return the newest version of a package that has a wheel for the site's Python; '' if none is found."""
        if not self.uv:
            return ""
        python = self.context.site["interpreter"]["path"]
        words = [self.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-deps", "--python", python]
        done = self._try([*words, "--only-binary", name, "-"], f"{name}\n")
        found = re.search(r"==(\S+)", done.stdout)
        return found[1] if found and not done.returncode else ""

    def sdist(self, home: str, requirement: str, folder: str, checked: str = "") -> str:
        """Download the source distribution of a requirement into `folder`; return its path.

        `checked` is a line of a requirements file that pins it by its hashes; it then replaces the requirement.
        """
        # uv cannot download, and a virtualenv made by uv contains no pip.
        pip = (
            [f"{home}/bin/python", "-m", "pip"] if not self.uv else ["/usr/bin/python3", f"{downloads.pip_wheel()}/pip"]
        )
        words = [*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        named = ["--require-hashes", "-r", _checked(self.root, checked)] if checked else [requirement]
        environment = downloads.pip_environment({**self.context.environment, **self.environment})
        self._run("uwsgi", [*words, "--dest", folder, *named], environment=environment)
        found = glob.glob(f"{folder}/*.tar.gz")
        if not found:
            raise self.context.error("uwsgi", f"the package index has no source of {requirement}")
        return found[0]

    def _pip_install(self, home: str) -> list[str]:
        if self.uv:
            return [self.uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", f"{home}/bin/python"]
        return [f"{home}/bin/python", "-m", "pip", "install", "--quiet", "--no-input"]

    def _constraints(self, wanted: Requirements) -> list[str]:
        """Return the option that applies the pins of a lock to everything; pip does not accept a URL there."""
        if not wanted.pins:
            return []
        path = f"{self.root}/locked.txt"
        lines = [pin.line for pin in wanted.pins if self.uv or " @ " not in pin.requirement]
        files.write(path, "".join(re.sub(r"^([\w.-]+)\[[^]]*\]", r"\1", line) + "\n" for line in lines))
        return ["--constraint", path]

    def _checked(self, wanted: Requirements) -> list[str]:
        """Return uv's option that verifies the site's uWSGI by hashes; pip would require hashes for everything."""
        return ["--constraint", _checked(self.root, wanted.checked)] if wanted.checked and self.uv else []

    def _left_out(self, wanted: Requirements) -> list[str]:
        """Return the option that leaves packages out; for pip, the requirements were written without them."""
        if not wanted.left_out or not self.uv:
            return []
        path = f"{self.root}/left-out.txt"
        files.write(path, "".join(f"{name} ; sys_platform == 'never'\n" for name in wanted.left_out))
        return ["--override", path]

    def _run(
        self, step: str, words: list[str], cwd: str = "/", stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> str:
        shell, env = self.context.inside, {**self.environment, **(environment or {})}
        try:
            return shell.run(step, words, self.owner, cwd, environment=env, stdin=stdin).stdout
        except StepError as error:
            raise explained(self.context, self, error) from None

    def _try(self, words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
        shell = self.context.inside
        return shell.run("wheels", words, self.owner, environment=self.environment, stdin=stdin, check=False)


def _checked(root: str, line: str) -> str:
    """Write the line that pins uWSGI into the build's directory; return the path of the file."""
    path = f"{root}/checked.txt"
    files.write(path, line)
    return path


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return uv's settings, and pip's settings in `environment` under uv's names."""
    translated = {UV_NAMES[name]: value for name, value in environment.items() if name in UV_NAMES}
    # Copies, not hard links: the build is handed over to root, and the cache must not be.
    return {**translated, "UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1"}
