# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every step of a build needs: the site, its secrets, its paths, a shell, and how to fetch and install."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from subprocess import CompletedProcess

from ..host import builder, namespaces
from ..host.causes import cause
from ..host.identity import identity_of
from ..host.shell import STEP_TIMEOUT, Shell, StepError
from ..model.layout import Layout
from ..model.secrets import hidden_values, own_names
from ..model.types import Secrets, Site

# Fetch a URL into a file: (url, path) -> None. Raises OSError.
Fetch = Callable[[str, str], None]


@dataclass(frozen=True)
class Context:
    """One site on this host, and the means to make its build.

    `user` is the account that fetches and builds: not the site's own, but where the code is that one's anyway.
    `environment` is that of every step that installs or fetches, `installer` is uv or pip, and `scratch` is a directory
    for downloads that goes away with the run.
    """

    site: Site
    secrets: Secrets
    layout: Layout
    shell: Shell
    environment: Mapping[str, str]
    installer: str
    fetch: Fetch
    scratch: str
    user: str
    # Returns what the project's code finds in place of the site's data: (a directory of root's, the host's). See
    # `data_view`; where it is None that code finds the data themselves.
    view: Callable[[], tuple[tuple[str, str], ...]] | None = field(default=None, compare=False)
    # What each interpreter said: a build needs to know it three times, and each answer takes 50 ms.
    versions: dict[str, str] = field(default_factory=dict, compare=False)
    # What the run has to say of this site, beside what it made.
    notes: list[str] = field(default_factory=list, compare=False)

    @classmethod
    def of(
        cls, site: Site, secrets: Secrets, environment: Mapping[str, str], installer: str, fetch: Fetch, scratch: str
    ) -> Context:
        """Return the context of a completed site. Its shell hides the site's secrets."""
        shell = Shell(site["name"], environment, hidden_values(secrets, environment, own_names(site)))
        user = builder.of_site(site)
        return cls(site, secrets, Layout.of(site), shell, environment, installer, fetch, scratch, user)

    @property
    def account(self) -> pwd.struct_passwd:
        """The account that builds as this host knows it."""
        return pwd.getpwnam(self.user)

    @property
    def group(self) -> int:
        """The group of the site's user: what is its to read has this group."""
        return pwd.getpwnam(self.site["user"]).pw_gid

    def error(self, step: str, cause: str, output: str = "") -> StepError:
        """Return the failure of a step of this site."""
        return StepError(self.site["name"], step, cause, output)

    def project(
        self,
        step: str,
        argv: Sequence[str],
        folder: str,
        environment: Mapping[str, str],
        stdin: str = "",
        timeout: float = STEP_TIMEOUT,
        check: bool = True,
    ) -> CompletedProcess[str]:
        """Run the project's own code; what it writes among the site's data is thrown away. As `Shell.run` does."""
        run = self.shell.run
        if self.view is None:
            return run(step, argv, self.user, folder, environment, stdin, timeout, check)
        own = {"HOME": "/nonexistent", **self.shell.environment, **environment}
        words, before = namespaces.command(identity_of(self.user), argv, folder, own, self.view())
        return run(step, words, stdin=before + stdin, timeout=timeout, check=check)

    def end_processes(self) -> None:
        """End what commands of the build left running, before root works on what they made.

        The site's user has other processes, which are not to be ended.
        """
        if self.user == self.layout.builder:
            builder.end_processes(self.layout)

    def make_directory(self, path: str) -> None:
        """Make a directory that belongs to the account that builds."""
        account = self.account
        os.mkdir(path, 0o755)
        os.chown(path, account.pw_uid, account.pw_gid)

    def fetch_into(self, step: str, url: str, path: str) -> None:
        """Fetch a URL into a file; a failure is the step's."""
        try:
            self.fetch(url, path)
        except OSError as error:
            raise self.error(step, cause(f"{url}: {error}")) from None

    def python_version(self) -> str:
        """Return the version of the site's Python, as in 3.12; of one that uv is to bring, as it was asked for."""
        python, virtualenv = self.site["interpreter"]["path"], self.site["virtualenv"]
        if not python and self.site["interpreter"].get("managed"):
            return self.site["interpreter"]["version"]
        if virtualenv == "none":
            python = "/usr/bin/python3"
        elif virtualenv and os.path.exists(f"{virtualenv}/bin/python"):
            python = f"{virtualenv}/bin/python"
        if python not in self.versions:
            code = "import sys; print('%d.%d' % sys.version_info[:2])"
            self.versions[python] = self.shell.run("python", [python, "-c", code], self.user).stdout.strip()
        return self.versions[python]
