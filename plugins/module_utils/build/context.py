# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every step of a build needs: the site, its secrets, its paths, a shell, and how to fetch and install."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..host.causes import cause
from ..host.shell import Shell, StepError
from ..host.site_group import site_group
from ..model.layout import Layout
from ..model.secrets import hidden_values, own_names
from ..model.types import Secrets, Site

# Fetch a URL into a file: (url, path) -> None. Raises OSError.
Fetch = Callable[[str, str], None]


@dataclass(frozen=True)
class Context:
    """One site on this host, and the means to make its build.

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
        return cls(site, secrets, Layout.of(site), shell, environment, installer, fetch, scratch)

    @property
    def user(self) -> str:
        return self.site["user"]

    @property
    def account(self) -> pwd.struct_passwd:
        """The site's user as this host knows it."""
        return pwd.getpwnam(self.user)

    @property
    def group(self) -> int:
        """The group that may read the site's code and data, as a number."""
        site = self.site
        return grp.getgrnam(site_group(self.layout, site["user"], site["managed_user"])).gr_gid

    def error(self, step: str, cause: str, output: str = "") -> StepError:
        """Return the failure of a step of this site."""
        return StepError(self.site["name"], step, cause, output)

    def make_directory(self, path: str) -> None:
        """Make a directory that belongs to the site's user."""
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
