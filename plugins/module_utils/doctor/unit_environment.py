# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The environment of a uWSGI: what its unit gives it, or what /proc shows of it.

A compiled uWSGI with `auto-procname` writes its new name over its command line and on, over the environment that
/proc/PID/environ shows. So what a unit says is read first.
"""

from __future__ import annotations

import contextlib
import pwd
import re
import shlex
from collections.abc import Mapping

from ..host import processes
from ..host.files import read_or_empty
from ..model.layout import Layout

# What systemd gives a service beside its own variables (systemd.exec(5), "Environment variables in spawned processes").
# Other names may have been cut.
SYSTEMD = re.compile(
    r"PATH|LANG|LC_[A-Z]+|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|SYSTEMD_EXEC_PID|LISTEN_[A-Z]+|MEMORY_PRESSURE_\w+"
)
# A line of an environment file; a value in quotes may go over several lines.
_LINE = re.compile(
    r"""^[ \t]*(?P<name>[A-Za-z_]\w*)="""
    r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"[ \t]*$|'(?P<single>[^']*)'[ \t]*$|(?P<bare>[^\n]*))""",
    re.MULTILINE | re.DOTALL,
)


def running_environment(master: processes.Process, unit: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """Return the environment of a master that runs, from its unit where that can be relied on.

    The file of a release of ours never changes. Another unit's files may have changed since it started; they are read
    where the process's own environment is overwritten.
    """
    release = layout.release_of(unit.get("Id", ""))
    if release:
        files = {"EnvironmentFiles": f"{layout.env(release)} (ignore_errors=no)", **unit}
        by_systemd = {name: value for name, value in master.environment.items() if SYSTEMD.fullmatch(name)}
        return {**by_systemd, **_account(unit.get("User", "")), **unit_environment(files)}
    if is_renamed(master):
        return {**master.environment, **unit_environment(unit)}
    return dict(master.environment)


def is_renamed(process: processes.Process) -> bool:
    """Return whether auto-procname wrote over the command line of a process, and perhaps over its environment."""
    return bool(process.command) and process.command[0].startswith("uWSGI ")


def unit_environment(unit: Mapping[str, str]) -> dict[str, str]:
    """Return what systemd would give a unit: Environment=, then its files, as systemd.exec(5) reads them."""
    found: dict[str, str] = {}
    with contextlib.suppress(ValueError):  # a quote that is not closed
        for word in shlex.split(unit.get("Environment", "")):
            name, equals, value = word.partition("=")
            found.update({name: value} if equals else {})
    # Each as systemctl shows it: `/path/to/env (ignore_errors=no)`.
    for path in re.findall(r"(/\S+) \(ignore_errors=\w+\)", unit.get("EnvironmentFiles", "")):
        for line in _LINE.finditer(read_or_empty(path)):
            double, single, bare = line["double"], line["single"], line["bare"]
            if double is not None:
                found[line["name"]] = re.sub(r'\\([\\"$`])', r"\1", double)
            else:
                found[line["name"]] = single if single is not None else bare.strip()
    return found


def _account(user: str) -> dict[str, str]:
    """Return the variables that systemd sets for a service with User=."""
    with contextlib.suppress(KeyError):
        account = pwd.getpwnam(user)
        own = {"USER": user, "LOGNAME": user, "HOME": account.pw_dir, "SHELL": account.pw_shell}
        return {name: value for name, value in own.items() if value}
    return {}
