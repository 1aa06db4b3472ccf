# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Examine what renews certificates on a host, whether anything starts it, and its recent results."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence

from ..host.files import names, read_or_empty
from ..host.processes import Process
from ..model.layout import LETSENCRYPT
from ..tls.openssl import day
from . import ask
from .evidence import Entrance, Host, Site
from .evidence_tls import Failures, Renewal, Trigger
from .look_host import UNIT_FOLDERS
from .look_starts import parsed_units

CERTBOT, ACME_SH = "certbot", "acme.sh"
# The timers of the packages, with their services.
TIMERS = ("certbot", "certbot-renew", "snap.certbot.renew", "acme.sh", "acme_sh")
CRON_FOLDERS = ("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
CRON_FILES = ("/etc/crontab", "/etc/anacrontab", "/var/spool/cron/root", "/var/spool/cron/crontabs/root")
CRON_PROGRAMS = {"cron", "crond", "fcron", "busybox"}
SYSTEMD_RUNS = "/run/systemd/system"
LOGS = "/var/log/letsencrypt"
ACME_SH_HOMES = ("/root/.acme.sh", "/etc/acme.sh", "/home/*/.acme.sh")
# certbot keeps up to a thousand logs, one of each run: twice a day, so this is a month. And so much of each, in bytes.
_LOGS_MAX, _LOG_MAX = 60, 1 << 18
# Days: acme.sh is started once a day, and may have been refused once.
_OVERDUE = 2 * 86400
_STARTS = {
    CERTBOT: re.compile(r"\bcertbot(-auto)?\b[^#\n]*\brenew\b"),
    ACME_SH: re.compile(r"\bacme\.sh\b[^#\n]*--cron\b"),
}
_RUN = re.compile(r"(?m)^(?=\S+ \S+:DEBUG:certbot\S*main:certbot version: )")
_TIME = re.compile(r"(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_PROBLEM = re.compile(r"(?m)^ +Domain: *(\S+) *\n +Type: *(.+)\n +Detail: *(.+)$")


# --- what starts a renewal, on the host ---


def look_at_triggers(table: Mapping[int, Process]) -> list[Trigger]:
    """Return what starts certbot or acme.sh now and then, or would if it ran."""
    cron = any(process.name in CRON_PROGRAMS for process in table.values())
    return [*_timers(), *_cron(cron), *_loops(table)]


def _loops(table: Mapping[int, Process]) -> list[Trigger]:
    """Return the processes that start a renewal over and over, as a container of certbot does."""
    commands = {process.pid: " ".join(process.command) for process in table.values()}
    return [
        Trigger(_started(command), f"process {pid}", True)
        for pid, command in sorted(commands.items())
        if _started(command) and re.search(r"\b(while|until|sleep|watch)\b", command)
    ]


def _timers() -> list[Trigger]:
    own = [
        name[: -len(".timer")]
        for folder in UNIT_FOLDERS
        for name in names(folder)
        if name.endswith(".timer") and _started(read_or_empty(f"{folder}/{name[: -len('.timer')]}.service"))
    ]
    stems = list(dict.fromkeys([*TIMERS, *own]))
    properties = "Id,LoadState,UnitFileState,ActiveState,Result,InactiveEnterTimestamp,ExecStart"
    shown = ask.run(
        ["systemctl", "show", f"--property={properties}"]
        + [f"{stem}.{kind}" for stem in stems for kind in ("timer", "service")]
    )
    return triggers_of(parsed_units(shown.out))


def triggers_of(units: Sequence[Mapping[str, str]]) -> list[Trigger]:
    """Return the timers among the units of `systemctl show` that are there, as triggers."""
    known = {unit["Id"]: unit for unit in units}
    found = []
    for name, unit in known.items():
        stem, _dot, kind = name.rpartition(".")
        if kind != "timer" or unit.get("LoadState") in ("not-found", "", None):
            continue
        service = known.get(f"{stem}.service", {})
        program = ACME_SH if "acme" in stem + service.get("ExecStart", "") else CERTBOT
        runs, enabled = unit.get("ActiveState") == "active", unit.get("UnitFileState") not in ("disabled", "masked")
        why = "" if enabled else f"it is {unit['UnitFileState']}: it does not start at the next boot"
        if not runs:
            why = f"{unit.get('UnitFileState') or 'not enabled'}, {unit.get('ActiveState') or 'not active'}"
        unmask = f"systemctl unmask {name} && " if unit.get("UnitFileState") == "masked" else ""
        found.append(Trigger(program, name, runs, why, f"{unmask}systemctl enable --now {name}", _ended(service)))
    return found


def _ended(service: Mapping[str, str]) -> str:
    """Return how the last run of a service failed; '' where it did not."""
    if service.get("Result", "success") in ("success", ""):
        return ""
    return f"{service['Id']}: {service['Result']}, {service.get('InactiveEnterTimestamp', '')}".rstrip(", ")


def _cron(runs: bool) -> list[Trigger]:
    paths = [*CRON_FILES, *(f"{folder}/{name}" for folder in CRON_FOLDERS for name in names(folder))]
    found = []
    for path in paths:
        found += cron_triggers(path, read_or_empty(path), runs, os.path.isdir(SYSTEMD_RUNS))
    return found


def cron_triggers(path: str, text: str, runs: bool, systemd: bool) -> list[Trigger]:
    """Return what a file of cron's starts. `runs` says whether cron does, `systemd` whether that is the init."""
    found = []
    for line in text.splitlines():
        program = "" if line.lstrip().startswith("#") else _started(line)
        if not program:
            continue
        if systemd and re.search(rf"! -d {SYSTEMD_RUNS}", line):  # Debian's line, which leaves it to the timer
            found.append(Trigger(program, path, False, "its line does nothing on a host with systemd"))
        elif runs:
            found.append(Trigger(program, path, True))
        else:
            why, fix = "cron does not run", "systemctl enable --now cron (crond on EL)"
            found.append(Trigger(program, path, False, why, fix))
    return found


def _started(text: str) -> str:
    """Return the program whose renewal a command starts, or ''."""
    return next((program for program, pattern in _STARTS.items() if pattern.search(text)), "")


# --- the certificate of a site ---


def look_at_renewal(site: Site, host: Host) -> Renewal:
    """Return who renews the certificate of a site. Its entrances have been looked at."""
    files = [entrance.file for entrance in site.entrances if entrance.file]
    paths = {path for file in files for path in (file.path, file.real) if path}
    renewal = Renewal()
    lineage = site.layout.lineage if site.https.kind == "acme" else lineage_of(paths)
    if lineage:
        renewal = certbot_renewal(lineage, LETSENCRYPT)
        renewal.failures = failures(_logs(LOGS), lineage)
        if _renewed_since(site.entrances, renewal.failures.last):
            renewal.failures = Failures()
    elif paths:
        renewal = acme_sh_renewal(paths, _acme_sh_files(), host.now)
    if host.triggers is None:
        host.triggers = look_at_triggers(host.table)
    renewal.triggers = [trigger for trigger in host.triggers if trigger.program == renewal.program]
    return renewal


def lineage_of(paths: Iterable[str], folder: str = LETSENCRYPT) -> str:
    """Return the name of the certificate of certbot that one of these files is of, or ''."""
    for path in sorted(paths):
        found = re.match(rf"{re.escape(folder)}/(?:live|archive)/([^/]+)/", path)
        if found:
            return found[1]
    return ""


def certbot_renewal(name: str, folder: str) -> Renewal:
    """Return what certbot's own files say of the renewal of a certificate."""
    path = f"{folder}/renewal/{name}.conf"
    text, off = read_or_empty(path), ""
    if not text:
        off = f"certbot has no {path}, so it does not know the certificate {name}"
    elif re.search(r"(?mi)^\s*autorenew\s*=\s*false\s*$", text):
        off = f"{path} says autorenew = False"
    return Renewal(CERTBOT, name, path, off)


def acme_sh_renewal(paths: Iterable[str], files: Iterable[str], now: float) -> Renewal:
    """Return what the file of acme.sh says that has one of these paths, or lies beside one."""
    for path in files:
        text = read_or_empty(path)
        installed = set(re.findall(r"(?m)^Le_Real\w+Path='([^']+)'", text))
        if not any(one in installed or os.path.dirname(one) == os.path.dirname(path) for one in paths):
            continue
        found = Renewal(ACME_SH, os.path.basename(path)[: -len(".conf")], path)
        due = re.search(r"(?m)^Le_NextRenewTime='?(\d{1,12})", text)
        if due and int(due[1]) + _OVERDUE < now:
            since = day(int(due[1]))
            found.failures = Failures(since, since, "its next renewal was due then")
        return found
    return Renewal()


def _acme_sh_files() -> list[str]:
    found = [path for home in ACME_SH_HOMES for path in sorted(glob.glob(f"{home}/*/*.conf"))]
    return [path for path in found if not path.endswith((".csr.conf", "account.conf"))][:200]


# --- what came of it ---


def failures(logs: Iterable[str], name: str) -> Failures:
    """Return the failed runs for a certificate up to now. `logs` are texts of certbot's log, the newest first."""
    found = Failures()
    for text in logs:
        for run in reversed(_RUN.split(text)):
            said = _outcome(run, name)
            if said is None:
                continue
            if not said:
                return found
            when = _TIME.search(run)
            found.since = when[1] if when else found.since
            if not found.said:
                found.last, found.said = found.since, said
    return found


def _outcome(run: str, name: str) -> str | None:
    """Return why a run failed for a certificate, '' where it did not, None where it was not about that one."""
    given = re.search(r"(?m)^\S+ \S+:DEBUG:certbot\S*main:Arguments: (\[.*\])$", run)
    words = re.findall(r"'([^']*)'", given[1]) if given else []
    if "--dry-run" in words:
        return None
    own = re.escape(name)
    failed = re.search(rf"Failed to renew certificate {own} with error: (.*)", run)
    unread = re.search(rf"\(cert: {own}\) produced an unexpected error: (.*?)\.? Skipping", run)
    issuing = name in words and "certonly" in words
    ended = re.search(r"(?m)^\S+ \S+:ERROR:certbot\S*log:(.*)$", run) if issuing else None
    reason = failed or unread or ended
    if reason:
        problems = [] if unread else _PROBLEM.findall(run)
        said = f"{problems[0][0]}: {problems[0][2]} ({problems[0][1]})" if problems else reason[1]
        return " ".join(said.split())[:300]
    return "" if "renew" in words or issuing else None


def _logs(folder: str) -> Iterable[str]:
    """Yield the ends of certbot's logs, the newest first."""
    numbered = [(int(name.rpartition(".")[2]), name) for name in names(folder) if re.fullmatch(r".+\.log\.\d+", name)]
    for name in ["letsencrypt.log", *(name for _number, name in sorted(numbered))][:_LOGS_MAX]:
        yield ask.tail(f"{folder}/{name}", _LOG_MAX)


def _renewed_since(entrances: Sequence[Entrance], failed: str) -> bool:
    """Return whether the certificate was made after a run failed: by hand, or by a run whose log is gone."""
    leaves = [entrance.file.leaf for entrance in entrances if entrance.file and entrance.file.leaf]
    with contextlib.suppress(ValueError):
        when = time.mktime(time.strptime(failed, "%Y-%m-%d %H:%M:%S"))
        return any(leaf.begins > when for leaf in leaves)
    return False
