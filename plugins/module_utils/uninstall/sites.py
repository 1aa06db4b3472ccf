# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove one site from a host: its instances, units, code and accounts, and with `purge` its data."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..host import accounts, files, memory
from ..host.found import FoundSite
from ..host.shell import Shell
from ..model import layout as layouts
from ..model.layout import ID_PATTERN, Layout
from ..release import units
from ..release.background_units import BackgroundUnits
from ..tls import acme_leave, leave
from .report import Report

# What a site has below its root. Other files there are not ours.
ENTRIES = ("builds", "virtualenvs", "releases", "current", "previous", "history", "manage", "list", "unfinished.json")
LEFTOVERS = re.compile(r"\.pyweb-[0-9]+|\.(current|previous)\.new")


def remove(site: FoundSite, purge: bool, before: Mapping[str, Any], report: Report, check_mode: bool) -> None:
    """Remove the site. What is missing already is ignored. Raises `StepError`, which names the site."""
    layout = site.layout
    shell = Shell(site.name, {})
    with _lock(site.name, check_mode):
        _units(layout, shell, report, check_mode)
        _https(layout, shell, purge, report, check_mode)
        _code(layout, report, check_mode)
        _environments(layout, report, check_mode)
        managed = site.managed and site.user not in before.get("users", ())
        gone = accounts.forget(layout, site.user, managed, purge, shell, check_mode, served=False)
        told = [path if path.startswith("/") else f"the user {path}" for path in gone]
        report.removed += [path for path in told if path not in report.removed]
        if purge:
            _logs(layout, report, check_mode)
        empty_folders(site.made, report, check_mode)
        if not check_mode:
            _note(site)
    _say_what_stays(site, managed, purge, report)


def tools(sites: Iterable[FoundSite], report: Report, check_mode: bool) -> None:
    """Remove uv and its Pythons, which the sites of one root share, and empty default roots."""
    found = [*(site.layout for site in sites), Layout.under("any")]
    for path in sorted({path for layout in found for path in (layout.tools, layout.new_tools)}):
        if os.path.exists(f"{path}/pyvenv.cfg"):
            _remove([path], report, check_mode)
    for path in sorted({layout.pythons for layout in found}):
        if os.path.isdir(path):
            _remove([path], report, check_mode)
    roots = {os.path.dirname(layout.tools) for layout in found}
    empty_folders(sorted({*layouts.ROOTS.values(), *roots}), report, check_mode)


def empty_folders(paths: Iterable[str], report: Report, check_mode: bool) -> None:
    """Remove those directories that are empty, or in check mode will be."""
    for path in sorted(paths, reverse=True):
        if path in report.removed or os.path.islink(path) or not os.path.isdir(path):
            continue
        if check_mode:
            inside = [f"{path}/{name}" for name in files.names(path)]
            if all(entry in report.removed for entry in inside):
                report.removed.append(path)
            continue
        with contextlib.suppress(OSError):
            os.rmdir(path)
            report.removed.append(path)


def _lock(name: str, check_mode: bool) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if check_mode else files.locked(name)


def _units(layout: Layout, shell: Shell, report: Report, check_mode: bool) -> None:
    present, background = (
        [name for name in found if memory.is_marked(f"{layouts.SYSTEMD}/{name}")]
        for found in (layout.units_present(layouts.SYSTEMD), layout.background_present(layouts.SYSTEMD))
    )
    report.removed += [f"{layouts.SYSTEMD}/{name}" for name in background]
    if background and not check_mode:
        BackgroundUnits(shell, layout, layouts.SYSTEMD).withdraw(background)
    report.removed += [f"{layouts.SYSTEMD}/{name}" for name in present]
    if check_mode or not present:
        return
    plain = [name for name in present if not units.is_template(name)]
    instances = [layout.unit("*"), layout.probe_unit("*")]
    if plain:
        shell.run("units", ["systemctl", "disable", "--quiet", "--now", *plain], check=False)
    shell.run("units", ["systemctl", "stop", *instances])
    for name in present:
        files.remove(f"{layouts.SYSTEMD}/{name}")
    shell.run("units", ["systemctl", "daemon-reload"])
    shell.run("units", ["systemctl", "reset-failed", *instances, *plain], check=False)


def _https(layout: Layout, shell: Shell, purge: bool, report: Report, check_mode: bool) -> None:
    """End the renewal of the site's certificate, and with `purge` remove its pairs and certbot's files of it."""

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        done = shell.run("certificate", argv, check=False)
        return done.returncode, done.stdout, done.stderr

    report.removed += acme_leave.end(layout, purge, run, check_mode)
    gone = leave.leave(layout, shell, purge, check_mode, layouts.SYSTEMD)
    report.removed += [path for path in gone if path not in report.removed]
    issued = [path for path in acme_leave.issued(layout) if os.path.lexists(path)]
    if issued and not purge:
        what = f"the certificate of the site {layout.name} in {' and '.join(issued)}"
        report.kept.append(f"{what}; uninstall_purge=true removes it")


def _code(layout: Layout, report: Report, check_mode: bool) -> None:
    """Remove what is ours below the site's root, and the root if it is then empty."""
    if os.path.islink(layout.root) or not os.path.isdir(layout.root):
        return
    inside = files.names(layout.root)
    own = [name for name in inside if name in ENTRIES or LEFTOVERS.fullmatch(name)]
    others = [name for name in inside if name not in own]
    if others:
        _remove([f"{layout.root}/{name}" for name in own], report, check_mode)
        report.kept.append(f"{layout.root}, because of files that the collection did not create: {', '.join(others)}")
    else:
        _remove([layout.root], report, check_mode)


def _environments(layout: Layout, report: Report, check_mode: bool) -> None:
    """Remove the environments of releases, which are no data but contain secrets, and the records beside them."""
    pattern = re.compile(rf"{ID_PATTERN}\.env")
    names = [name for name in files.names(layout.config) if pattern.fullmatch(name)]
    noted = [path for path in (layout.sizing, layout.doctor_request) if os.path.exists(path)]
    _remove([*(f"{layout.config}/{name}" for name in names), *noted], report, check_mode)


def _logs(layout: Layout, report: Report, check_mode: bool) -> None:
    """Remove nginx's logs of the site, including rotated ones."""
    found = [path for log in (layout.access_log, layout.error_log) for path in glob.glob(f"{log}*")]
    pattern = re.compile(r".*\.log([.-][0-9]+)*(\.gz)?")
    _remove(sorted(path for path in found if pattern.fullmatch(path)), report, check_mode)


def _note(site: FoundSite) -> None:
    """Record whose data are kept, or remove the site's record if none are."""
    layout = site.layout
    if os.path.lexists(layout.state) or os.path.lexists(layout.config):
        memory.note_site(layout, site.user, site.managed, site.made)
    else:
        files.forget(layout.memory)


def _say_what_stays(site: FoundSite, managed: bool, purge: bool, report: Report) -> None:
    layout = site.layout
    if not purge:
        data = [path for path in (layout.state, layout.config) if os.path.lexists(path)]
        if data:
            account = f" and the user {site.user}" if managed else ""
            report.kept.append(
                f"the data of the site {site.name} in {' and '.join(data)}{account}; uninstall_purge=true removes them"
            )
    if not layout.media.startswith(f"{layout.state}/") and os.path.lexists(layout.media):
        report.kept.append(f"{layout.media}, the media of the site {site.name}: the inventory sets its path")


def _remove(paths: Iterable[str], report: Report, check_mode: bool) -> None:
    for path in paths:
        if not check_mode:
            files.remove(path)
        report.removed.append(path)
