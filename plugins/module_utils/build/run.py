# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the missing builds of several sites. A failure of one site does not stop the others."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ..build import host_keys
from ..build.build import Build
from ..build.context import Context, Fetch
from ..host import accounts, builder, files, mounts
from ..host.shell import Shell, StepError, own_fault
from ..model.layout import Layout
from ..model.secrets import hidden_values
from ..model.steps import commands, described
from ..model.types import Manifest, Secrets, Site


@dataclass
class Results:
    """The state and the changes of a run.

    `uploads_wanted` are the sites whose source must be uploaded before the run continues, `faulty` those that failed.
    """

    builds: dict[str, Manifest] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    uploads_wanted: list[str] = field(default_factory=list)
    faulty: list[str] = field(default_factory=list)

    def failed(self, site_name: str, error: StepError) -> None:
        """Note that a site has no build, and remove the announced changes that were not made."""
        self.faults.append(str(error))
        self.faulty.append(site_name)
        self.builds.pop(site_name, None)
        announced = (f"{site_name}: build ", f"{site_name}: command: ")
        self.made = [text for text in self.made if not text.startswith(announced)]

    def answer(self) -> dict[str, Any]:
        """Return the module's result if nothing failed."""
        answer = {"changed": bool(self.made), "builds": self.builds, "made": self.made, "diff": self.diff}
        return {**answer, "uploads_wanted": self.uploads_wanted} if self.uploads_wanted else answer


@dataclass(frozen=True)
class Run:
    """One run on this host, for all its sites.

    `uploads` are files on this host and `inline` base64 texts: the packed sources from the controller (site name ->
    file or text). The other parameters are those of `Context`.
    """

    secrets: Mapping[str, Secrets]
    environment: Mapping[str, str]
    installer: str
    fetch: Fetch
    scratch: str
    web_group: str
    uploads: Mapping[str, str]
    inline: Mapping[str, str]
    check_mode: bool
    # Site name -> why the controller could not pack its source.
    unpacked: Mapping[str, str] = field(default_factory=dict)

    def all(self, sites: Iterable[Site]) -> Results:
        """Make the missing builds; in check mode, only report them.

        If a source must be uploaded first, no build is made: the run with the sources makes all of them.
        """
        results, missing = Results(), []
        for site in sites:
            if site["state"] == "present":
                try:
                    with self._own_fault(site["name"]):
                        missing += self._look(site, results)
                except StepError as error:
                    results.failed(site["name"], error)
        if self.check_mode:
            return results
        results.uploads_wanted += self._wanted(missing, results)
        for build in [] if results.uploads_wanted else missing:
            name = build.context.site["name"]
            if name in results.faulty:
                continue
            try:
                with self._own_fault(name):
                    results.builds[name] = _make(build)
                    results.made += [f"{name}: host key of {server}" for server in self._remember(build.context)]
            except StepError as error:
                results.failed(name, error)
        return results

    def _wanted(self, missing: Iterable[Build], results: Results) -> list[str]:
        """Return the sites whose source must be uploaded."""
        wanted = []
        for build in missing:
            name = build.context.site["name"]
            try:
                with self._own_fault(name):
                    wanted += [name] if build.needs_upload() else []
            except StepError as error:
                results.failed(name, error)
        return wanted

    def _look(self, site: Site, results: Results) -> list[Build]:
        """Create the site's user and directories, and find its build; return the build if it is missing."""
        name = site["name"]
        if name in self.unpacked:
            raise StepError(name, "source", self.unpacked[name])
        changes = self._ensure_account(site)
        results.made += [f"{name}: {change}" for change in changes]
        if self.check_mode and changes:
            # Nothing can run without the site's user; if something is missing here, there is no build yet.
            results.builds[name] = {"id": "", "predicted": True}
            results.made.append(f"{name}: a build")
            return []
        context = Context.of(
            site, self.secrets[name], self.environment, self.installer, self.fetch, scratch=self.scratch
        )
        # One of two concurrent runs ends the processes of the account that builds: this must not hit the other run's
        # git.
        with builder.held(context.layout):
            if not self.check_mode:
                _tidy(context)
            build = Build.identify(context, self._upload(name))
        results.made += [f"{name}: host key of {server}" for server in self._remember(context)]
        results.builds[name] = build.present()
        if results.builds[name]:
            return []
        results.builds[name] = {"id": build.id, "predicted": True}
        results.made.append(f"{name}: build {build.id}, {built_with(site)}")
        own = [f"command: {context.shell.mask(described(step))}" for step in commands(site["build"])]
        results.made += [f"{name}: {text}" for text in own]
        after = "".join(f"{line}\n" for line in [f"build {build.id}", *own])
        results.diff.append({"before": "", "after": after, "before_header": name, "after_header": name})
        return [build]

    def _remember(self, context: Context) -> list[str]:
        """Store the keys of servers that were seen for the first time; return the servers."""
        if not self.check_mode:
            return host_keys.remember(context)
        return list(dict.fromkeys(line.partition(" ")[0] for line in context.host_keys))

    def _own_fault(self, name: str) -> AbstractContextManager[None]:
        return own_fault(name, Shell(name, {}, hidden_values(self.secrets[name], self.environment)).mask)

    def _ensure_account(self, site: Site) -> list[str]:
        shell = Shell(site["name"], self.environment)
        group = accounts.web_group(self.web_group)
        account = Layout.of(site), site["user"], site["managed_user"]
        builds = builder.of_site(site)
        return accounts.ensure(*account, group, shell, self.check_mode, site["user_shared"], builds)

    def _upload(self, name: str) -> str:
        """Return the file with the source from the controller; '' if there is none."""
        if name in self.uploads or name not in self.inline or self.check_mode:
            return self.uploads.get(name, "")
        path = os.path.join(self.scratch, f"{name}.archive")
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(self.inline[name]))
        return path


def built_with(site: Site) -> str:
    """Report the chosen Python, for sites with `auto`."""
    if site["virtualenv"]:
        return "the system's Python" if site["virtualenv"] == "none" else f"the virtualenv {site['virtualenv']}"
    chosen = site["interpreter"]
    if chosen.get("managed"):
        return f"Python {chosen['version']} of uv"
    return f"Python {chosen['version']}" if chosen["version"] else chosen["path"]


def _tidy(context: Context) -> None:
    """Remove what a killed run left: mounts and, before git gets the key, processes of its build."""
    if os.path.lexists(context.layout.view):
        mounts.remove(context.layout.view)
    if context.site["source"]["kind"] == "git":
        context.end_processes()


def _make(build: Build) -> Manifest:
    with files.locked(build.context.site["name"]), builder.held(build.context.layout):
        # another run may have made it while this one waited
        return build.present() or build.make()
