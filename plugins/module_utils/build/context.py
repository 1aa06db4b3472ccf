# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every step of a build needs: the site, its secrets, its paths, a shell, and how to download and install."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from subprocess import CompletedProcess

from ..host import builder, nofollow, sandbox
from ..host.causes import cause
from ..host.shell import STEP_TIMEOUT, Shell, StepError
from ..host.site_group import site_gid
from ..model.layout import Layout
from ..model.secrets import hidden_values, own_names
from ..model.types import Secrets, Site
from ..model.urls import public

# Download a URL into a file: (url, path) -> None. Raises OSError.
Fetch = Callable[[str, str], None]


@dataclass(frozen=True)
class Context:
    """One site on this host, and the means to make its build.

    `user` is the account that downloads and builds. It is the site's own user only if that user owns the code anyway.
    `environment` is the environment of every step that installs or downloads, `installer` is uv or pip, and `scratch`
    is a directory for downloads that is removed at the end of the run.
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
    # Returns what the project's code sees in place of the site's data: (a directory of root, the host's directory). See
    # `data_view`. If it is None, the code sees the data themselves.
    view: Callable[[], tuple[tuple[str, str], ...]] | None = field(default=None, compare=False)
    # The version of each interpreter: a build needs it three times, and each call takes 50 ms.
    versions: dict[str, str] = field(default_factory=dict, compare=False)
    # Messages about this site for the report of the run.
    notes: list[str] = field(default_factory=list, compare=False)
    # Lines for known_hosts that were seen for the first time, see `host_keys`.
    host_keys: list[str] = field(default_factory=list, compare=False)

    @classmethod
    def of(
        cls, site: Site, secrets: Secrets, environment: Mapping[str, str], installer: str, fetch: Fetch, scratch: str
    ) -> Context:
        """Return the context of a completed site. Its shell hides the site's secrets."""
        shell = Shell(site["name"], environment, hidden_values(secrets, environment, own_names(site)))
        user = builder.of_site(site)
        return cls(site, secrets, Layout.of(site), shell, environment, installer, fetch, scratch, user)

    @property
    def inside(self) -> Shell:
        """Return the shell for commands that run code of the project or its packages, in the sandbox of a build."""
        return self.shell.within(sandbox.of_build(self.site, self.environment))

    @property
    def account(self) -> pwd.struct_passwd:
        """Return the account that builds, as this host knows it."""
        return pwd.getpwnam(self.user)

    @property
    def group(self) -> int:
        """Return the ID of the group that may read the site's code and data."""
        return site_gid(self.layout, self.site["user"], self.site["managed_user"])

    def error(self, step: str, cause: str, output: str = "") -> StepError:
        """Return an error for a step of this site."""
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
        """Run the project's own code, like `Shell.run`; discard what it writes among the site's data."""
        shell = self.inside
        if self.view is not None:
            places = self.view()
            self._refuse_links(target for _source, target in places)
            shell = self.shell.within(sandbox.in_place_of(shell.sandbox, places))
        return shell.run(step, argv, self.user, folder, environment, stdin, timeout, check)

    def _refuse_links(self, paths: Iterable[str]) -> None:
        """Refuse a link in the place of a data directory: systemd would mount over its target."""
        for path in paths:
            try:
                with nofollow.folder(path):
                    pass
            except OSError as error:
                raise self.error("data", f"{error.filename} {error.strerror}") from None

    def end_processes(self) -> None:
        """Kill processes that the build's commands left running, before root works on their files.

        Other processes of the site's user are not killed.
        """
        if self.user == self.layout.builder:
            builder.end_processes(self.layout)

    def make_directory(self, path: str) -> None:
        """Make a directory that belongs to the account that builds."""
        account = self.account
        os.mkdir(path, 0o755)
        os.chown(path, account.pw_uid, account.pw_gid)

    def fetch_into(self, step: str, url: str, path: str) -> None:
        """Download a URL into a file; a failure becomes the step's error and shows no token."""
        try:
            self.fetch(url, path)
        except OSError as error:
            raise self.error(step, self.shell.mask(cause(f"{public(url)}: {error}"))) from None

    def python_version(self) -> str:
        """Return the version of the site's Python, such as 3.12; if uv will install it, the requested version."""
        python, virtualenv = self.site["interpreter"]["path"], self.site["virtualenv"]
        if not python and self.site["interpreter"].get("managed"):
            return self.site["interpreter"]["version"]
        if virtualenv == "none":
            python = "/usr/bin/python3"
        elif virtualenv and os.path.exists(f"{virtualenv}/bin/python"):
            python = f"{virtualenv}/bin/python"
        if python not in self.versions:
            code = "import sys; print('%d.%d' % sys.version_info[:2])"
            # A virtualenv may contain code that runs at every start.
            shell = self.inside if virtualenv and python.startswith(f"{virtualenv}/") else self.shell
            self.versions[python] = shell.run("python", [python, "-c", code], self.user).stdout.strip()
        return self.versions[python]
