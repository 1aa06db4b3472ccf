# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check whether a host can run the workers and timers of a release, before anything changes."""

from __future__ import annotations

import os
import shutil

from ..host.causes import cause
from ..host.shell import BASE_ENVIRONMENT, Shell, StepError
from ..model.layout import Layout
from . import worker_units
from .release import Release


def check(shell: Shell, release: Release) -> None:
    """Refuse a program that does not exist, and a time that systemd cannot parse. Raises `StepError`."""
    _programs(release)
    for unit, times in worker_units.times(release.background).items():
        for at in times:
            done = shell.run("timers", ["systemd-analyze", "calendar", at], check=False)
            if done.returncode:
                reason = cause(done.stderr) or "systemd cannot parse it"
                raise StepError(
                    release.name,
                    "timers",
                    f"timers.{release.layout.timer_of(unit)}.at is {at!r}; expected a time that `systemd-analyze "
                    f"calendar` accepts on this host: {reason}",
                )


def shown(layout: Layout, unit: str) -> str:
    """Return a description of a unit: its worker, with its number if there are several, or its timer."""
    _release, worker, number = layout.worker_of(unit)
    if worker:
        return f"worker {worker}" if number in (worker_units.ONLY, "1") else f"worker {worker} ({number})"
    return f"timer {layout.timer_of(unit)}"


def _programs(release: Release) -> None:
    manifest = release.manifest
    home = f"{manifest['home']}/bin" if manifest["home"] else ""
    folder = os.path.normpath(os.path.join(manifest["src"], manifest["chdir"]))
    path = ":".join(filter(None, [home, release.environment.get("PATH") or BASE_ENVIRONMENT["PATH"]]))
    for unit, program in worker_units.programs(release.background).items():
        # The virtualenv of a management command is the release's, which does not exist yet.
        if not program.startswith(f"{release.folder}/") and not _is_there(program, folder, path):
            told = f"{shown(release.layout, unit)} runs {program}"
            wrong = f"{told}, which is neither in {home or 'a virtualenv'} nor on the PATH; add its package to packages"
            if "/" in program:
                wrong = f"{told}; {os.path.join(folder, program)} is not a program; correct the path or its mode"
            raise StepError(release.name, "workers", wrong)


def _is_there(program: str, folder: str, path: str) -> bool:
    """Return whether a program exists: below `folder` if it contains a slash, else in a directory of `path`."""
    if "/" in program:
        whole = os.path.join(folder, program)
        return os.path.isfile(whole) and os.access(whole, os.X_OK)
    return shutil.which(program, path=path) is not None
