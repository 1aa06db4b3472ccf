# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take everything of the collection off a host, and put back what was there before the first run.

Each step finds for itself what is left to do, so that a run that was killed or failed is made good by the next one.
What was noted goes last.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..host import command_file, file_set, files, found, held_units, memory
from ..host.shell import StepError
from ..model import layout as layouts
from ..nginx.names import DEFAULT_LINK, DEFAULT_LINKED
from ..release import doctor_timer
from . import firewall, nginx, packages, selinux, services, sites
from .report import Fault, Report


@dataclass
class Uninstall:
    """One uninstall of this host. `roots` are the inventory's `web_roots`; `run` executes commands.

    `installed` returns the names of the installed packages; `original` is a script that gets the packaged nginx.conf.
    """

    run: file_set.Run
    installed: Callable[[], Iterable[str]]
    roots: Mapping[str, str]
    original: str = ""
    purge: bool = False
    packages: bool = False
    check_mode: bool = False
    report: Report = field(default_factory=Report)

    def do(self) -> Report:
        """Do all that can be done; a fault of one step does not keep the others from it, unless they build on it."""
        # After an earlier uninstall, the record contains what is ours, but no longer the services.
        before, left = memory.before(), files.read_json(layouts.LEFT)
        if not before and memory.anything_of_ours():
            self._say_what_is_unknown()
        self._try(self._background)
        self._try(self._timer)
        self._try(lambda: self._nginx(before))
        if self.report.faults:  # it serves the sites as before, so they are kept
            return self.report
        there = found.sites(self.roots)
        steps: list[Callable[[], None]] = [lambda: self._firewall(before)]
        steps += [self._site(site, before) for site in there]
        steps += [
            lambda: sites.tools(there, self.report, self.check_mode),
            lambda: selinux.give_back(self.run, self.report, self.check_mode),
            self._command,
        ]
        for step in steps:
            self._try(step)
        if not self.report.faults:
            self._try(lambda: self._packages(before, left))
        if not self.report.faults:
            self._try(lambda: self._forget(before, left))
        return self.report

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (Fault, StepError) as error:
            self.report.faults.append(str(error))
        except OSError as error:
            self.report.faults.append(f"{error.filename or 'a file'}: {error.strerror or error}")

    def _background(self) -> None:
        """Wait for installations of a failed run; unmask and configure what a killed one left.

        A package that is only unpacked cannot be removed, and apt-get would start it when it removes another one.
        """
        if self.check_mode or not (os.path.exists(held_units.HELD) or held_units.begun()):
            return

        def busy(process: str) -> Fault:
            return Fault(f"packages are being installed by process {process}; wait until it has ended")

        with files.hold(held_units.LOCK, files.LOCK_TIMEOUT, busy):
            held_units.release(self.run)
            held_units.hold_unfinished(self.run)
            if os.path.exists(held_units.HELD):
                self.run(["env", "DEBIAN_FRONTEND=noninteractive", *held_units.CONFIGURE])
                held_units.release(self.run)

    def _timer(self) -> None:
        """First of all, so that it reports no fault of this uninstall."""
        self.report.removed += doctor_timer.remove(self.run, self.check_mode)

    def _nginx(self, before: Mapping[str, Any]) -> None:
        others = nginx.others(before)
        if before and (services.was_active(before, "nginx") or not others):
            services.put_back(self.run, "nginx", before, self.report, self.check_mode)
        elif before and services.is_active(self.run, "nginx"):
            self.report.kept.append(f"nginx.service keeps running, because of {', '.join(others)}")
        nginx.give_back(self.run, before, self.original, self.report, self.check_mode)

    def _firewall(self, before: Mapping[str, Any]) -> None:
        if before:
            services.put_back(self.run, "firewalld", before, self.report, self.check_mode)
        firewall.give_back(self.run, before, self.report, self.check_mode)

    def _command(self) -> None:
        """Remove `pyweb`, which has no sites any more."""
        self.report.removed += command_file.remove(self.check_mode)

    def _site(self, site: found.FoundSite, before: Mapping[str, Any]) -> Callable[[], None]:
        return lambda: sites.remove(site, self.purge, before, self.report, self.check_mode)

    def _packages(self, before: Mapping[str, Any], left: Mapping[str, Any]) -> None:
        ours = memory.brought()
        if not self.packages:
            if ours:
                self.report.kept.append(
                    f"{len(ours)} packages that runs installed; uninstall_packages=true removes those that no other "
                    "package needs"
                )
            return
        others = nginx.others(before)
        needed = {name: f"{', '.join(others)} needs it" for name in ours if name.startswith("nginx") and others}
        known = before or left
        remaining = packages.remove(self.run, self.installed(), needed, known, self.report, self.check_mode)
        if self.purge and not remaining:
            packages.forget(self.run, known, self.report, self.check_mode)
        if not self.check_mode:
            memory.leave_packages(remaining)

    def _say_what_is_unknown(self) -> None:
        self.report.unknown += [
            "which packages were installed before an earlier version set up this host: none is removed",
            "whether nginx and firewalld ran before, and which ports were open: both are not changed, and only "
            "openings of the "
            "collection are closed",
        ]
        if os.path.lexists(DEFAULT_LINKED) and not os.path.lexists(DEFAULT_LINK):
            self.report.unknown.append(
                f"whether {DEFAULT_LINK} was there, the packages' own site; to enable it: "
                f"ln -s {DEFAULT_LINKED} {DEFAULT_LINK}"
            )

    def _forget(self, before: Mapping[str, Any], left: Mapping[str, Any]) -> None:
        """Remove empty directories and the records; what is kept stays recorded for a later uninstall."""
        known = {*before.get("folders", ()), *left.get("folders", ())}
        if before or left:
            empty = [path for path in memory.FOLDERS if path not in known and not packages.owners(self.run, path)]
            sites.empty_folders(empty, self.report, self.check_mode)
        if self.check_mode:
            if os.path.exists(layouts.BEFORE):
                self.report.removed.append(layouts.BEFORE)
            return
        data, ours, copies = memory.sites(), memory.brought(), nginx.kept()
        if os.path.exists(layouts.BEFORE):
            self.report.removed.append(layouts.BEFORE)
            files.forget(layouts.BEFORE)
        if data or ours or copies:
            memory.leave(before or left)
        elif files.remove(layouts.MEMORY) and layouts.BEFORE not in self.report.removed:
            self.report.removed.append(layouts.MEMORY)
        for path in (layouts.VERSION, layouts.LOCKS, *glob.glob(memory.PRESETS)):
            files.remove(path)
