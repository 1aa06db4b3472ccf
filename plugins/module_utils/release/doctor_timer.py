# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's timer on a host: two units and its memory. There is one for all sites, as long as there is a site."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from ..host import files, memory
from ..host.services import ServiceError, start
from ..host.shell import NICENESS
from ..model.layout import DOCTOR_SERVICE, DOCTOR_TIMER, PYWEB_COMMAND, SITES, WATCHED, Layout
from ..model.types import DoctorTimer

Run = Callable[[Sequence[str]], tuple[int, str, str]]
# Seconds after the start of the timer, at boot or now: the sites of the same deploy are served by then.
FIRST = 120
# A run takes some seconds; one that hangs is ended.
TIMEOUT = 120
# The directory that systemd creates below /var/lib.
STATE = os.path.relpath(WATCHED, "/var/lib")
MARK = "# Written by pyweb.stack; changes are overwritten.\n"
SERVICE = """\
[Unit]
Description=Look at the sites of this host (pyweb.stack)
ConditionFileIsExecutable={command}

[Service]
Type=oneshot
ExecStart={command} watch
Environment=PYWEB_METRICS={metrics}
TimeoutStartSec={timeout}
Nice={niceness}
IOSchedulingClass=idle
CPUWeight=10
MemoryMax=256M
TasksMax=128
UMask=0077
StateDirectory={state}
StateDirectoryMode=0700

# It is root's, because it reads what is root's alone. What it does not need of that it does not have: it connects as
# nginx's user (SETUID, SETGID), looks at processes (SYS_PTRACE), and asks nginx and the packet filter what they have.
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_SETUID CAP_SETGID CAP_SYS_PTRACE CAP_KILL
CapabilityBoundingSet=CAP_CHOWN CAP_FOWNER CAP_NET_ADMIN CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
# Not strict, and /home and /tmp as they are: nginx -t opens its logs, wherever they lie, and sockets may lie there too.
ProtectSystem=full
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
TIMER = """\
[Unit]
Description=Look at the sites of this host every {every} s (pyweb.stack)

[Timer]
OnActiveSec={first}s
OnUnitActiveSec={every}s
AccuracySec=10s

[Install]
WantedBy=timers.target
"""


@dataclass
class Outcome:
    """What was, or in check mode would be, done to the timer, and what is wrong with it."""

    made: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    warning: str = ""
    fault: str = ""


def converge(settings: DoctorTimer | None, any_live: bool, gone: Collection[str], run: Run, dry: bool) -> Outcome:
    """Install the timer if the host has a site and `settings`; remove it otherwise.

    `any_live` tells whether one of the sites of this run is live; of the other sites of the host, those in `gone` do
    not count.
    """
    before = {path: files.read_or_empty(path) for path in (DOCTOR_SERVICE, DOCTOR_TIMER)}
    after = dict.fromkeys(before, "")
    outcome = Outcome()
    try:
        strange = next((path for path in before if os.path.lexists(path) and not memory.is_marked(path)), "")
        if settings and strange:
            outcome.warning = (
                f"{strange} was not written by pyweb.stack, so the doctor's timer is not installed; to install it, "
                "move that file away"
            )
            return outcome
        if settings and (any_live or sites_left(gone)):
            after = wanted(settings)
            outcome.made = ensure(settings, run, dry)
            if settings["metrics"] and not os.path.isdir(settings["metrics"]):
                outcome.warning = (
                    f"doctor_timer.metrics: the directory {settings['metrics']} does not exist; "
                    "no metrics are written until it does"
                )
        else:
            outcome.made = remove(run, dry)
    except ServiceError as error:
        outcome.fault = f"the doctor's timer: {error}"
    except OSError as error:
        outcome.fault = f"the doctor's timer: {error.filename or 'a file'}: {error.strerror or error}"
    if not outcome.fault:
        outcome.diff = [
            {"before_header": path, "after_header": path, "before": before[path], "after": after[path]}
            for path in before
            if before[path] != after[path]
        ]
    return outcome


def wanted(settings: DoctorTimer) -> dict[str, str]:
    """Return the units, path to text."""
    service = SERVICE.format(
        command=PYWEB_COMMAND,
        metrics=settings["metrics"],
        timeout=TIMEOUT,
        niceness=max(NICENESS, 15),
        state=STATE,
    )
    timer = TIMER.format(every=settings["every"], first=min(FIRST, settings["every"]))
    return {DOCTOR_SERVICE: MARK + service, DOCTOR_TIMER: MARK + timer}


def ensure(settings: DoctorTimer, run: Run, dry: bool) -> list[str]:
    """Start the timer, now and at boot; return what was, or would be, done. Raises `ServiceError`, OSError."""
    texts = wanted(settings)
    changed = [path for path, text in texts.items() if files.read_or_empty(path) != text]
    before = _metrics_of(files.read_or_empty(DOCTOR_SERVICE))
    if not dry:
        for path in changed:
            files.write(path, texts[path], 0o644, os.geteuid(), os.getegid())
        if changed:
            run(["systemctl", "daemon-reload"])
        if DOCTOR_TIMER in changed:  # a running timer keeps its old times
            run(["systemctl", "try-restart", _name(DOCTOR_TIMER)])
        if before and before != settings["metrics"]:
            _forget_metrics(before)
    new = dry and DOCTOR_TIMER in changed and not os.path.exists(DOCTOR_TIMER)
    steps = ["start", "enable"] if new else start(_name(DOCTOR_TIMER), run, dry)
    return [*changed, *(f"{step} {_name(DOCTOR_TIMER)}" for step in steps)]


def remove(run: Run, dry: bool) -> list[str]:
    """Remove the timer, its metrics and its memory; return what was, or would be, removed."""
    units = [path for path in (DOCTOR_TIMER, DOCTOR_SERVICE) if memory.is_marked(path)]
    metrics = _metrics_of(files.read_or_empty(DOCTOR_SERVICE))
    removed = [*units, *([WATCHED] if os.path.isdir(WATCHED) else [])]
    if removed and not dry:
        if units:
            run(["systemctl", "disable", "--quiet", "--now", _name(DOCTOR_TIMER)])
            run(["systemctl", "stop", _name(DOCTOR_SERVICE)])
        for path in removed:
            files.remove(path)
        _forget_metrics(metrics)
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "reset-failed", _name(DOCTOR_SERVICE), _name(DOCTOR_TIMER)])
    return removed


def sites_left(gone: Collection[str]) -> bool:
    """Return whether this host has a live site other than those."""
    for path in glob.glob(f"{SITES}/*.json"):
        record = files.read_json(path)
        name = os.path.basename(path)[: -len(".json")]
        if record.get("paths") and name not in gone and os.path.islink(Layout(name, record["paths"]).current):
            return True
    return False


def _metrics_of(service: str) -> str:
    """Return the directory that our unit writes metrics to, or ''."""
    lines = [line.partition("PYWEB_METRICS=")[2] for line in service.splitlines() if line.startswith("Environment=")]
    return lines[0] if lines and service.startswith(MARK) else ""


def _forget_metrics(folder: str) -> None:
    """Remove our file from a directory of metrics: outdated metrics would be scraped forever."""
    if folder:
        files.remove(f"{folder}/pyweb.prom")


def _name(path: str) -> str:
    return os.path.basename(path)
