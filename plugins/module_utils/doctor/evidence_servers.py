# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence about the server of a site, and about everything that the host would start: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

# How a server is started.
SYSTEMD, SUPERVISOR, VASSAL, DEBIAN, FILE = "systemd", "supervisor", "vassal", "debian", "file"


@dataclass
class Start:
    """One thing that a host would start: a unit, a program of supervisor, a vassal, an app of Debian's, a mere file.

    `kind` is a key of `server_commands.LABELS`, `way` how it is started, `name` its name there and `file` what says so.
    `addresses` are where it would listen. `enabled` is false for what lies beside those that are started.
    """

    kind: str
    way: str
    name: str
    file: str = ""
    command: list[str] = field(default_factory=list)
    cwd: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    addresses: list[str] = field(default_factory=list)
    unit: dict[str, str] = field(default_factory=dict)
    socket: dict[str, str] = field(default_factory=dict)  # the socket unit that starts it
    log: str = ""  # a file
    enabled: bool = True
    manager: str = ""  # the emperor's directory, or the unit of supervisor
    program: str = ""  # what it executes, where that is a script that starts the server in its end
    group: str = ""  # what supervisorctl calls a program of several processes


@dataclass
class Starts:
    """Everything that a host would start, and what manages it.

    `emperors` are the patterns that emperors watch, with the unit that runs each; `supervisor` is what `supervisorctl
    status` says of each program.
    """

    found: list[Start] = field(default_factory=list)
    emperors: dict[str, str] = field(default_factory=dict)
    emperor_logs: dict[str, str] = field(default_factory=dict)
    supervisor: dict[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass
class Serving:
    """The server of a site, in addition to `Uwsgi`.

    `start` is how it would be started, None where nothing on the host names the site's address. `state` are the words
    of its manager, `stranger` a program that holds the address and is no server that the doctor knows. `left_over` runs
    on the address that `start` failed to take; `twins` are other masters of the same configuration.
    """

    kind: str = "uwsgi"
    label: str = "uWSGI"
    start: Start | None = None
    state: str = ""
    stranger: str = ""
    left_over: str = ""
    left_over_pid: int = 0
    left_over_log: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    vassals: str = ""  # the emperor's directory that has none for this site
    vassals_log: list[str] = field(default_factory=list)
    vassal_link: str = ""  # one of its links that leads to nothing
    vassal_target: str = ""
    manager_stopped: str = ""  # the unit of the emperor or of supervisor that does not run
    halted: list[int] = field(default_factory=list)  # processes that a signal keeps from running
    masked: str = ""  # a unit of the site's name that is a link to /dev/null
    disabled: str = ""  # a file beside those that are started, which names the address
    elsewhere: str = ""  # an address of another host
