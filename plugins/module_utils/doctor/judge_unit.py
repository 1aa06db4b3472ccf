# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why systemd could not start a unit, in its own words: those of the last start."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from .evidence import Site
from .fault import BROKEN, Fault, Faults

# systemd.exec(5), "Process exit codes".
_STEP = re.compile(r"status=(2\d\d)/([A-Z_]+)")
_NUMBERS = {"CHDIR": "200", "EXEC": "203", "GROUP": "216", "USER": "217"}
_AT_STEP = re.compile(r"[^\n]*Failed at step ([A-Z_]+) spawning [^\n]*")
_ENVIRONMENT = re.compile(r"[^\n]*Failed to load environment files: [^\n]*")
_LIMIT = re.compile(r"[^\n]*Start request repeated too quickly[^\n]*")
_TIMEOUT = re.compile(r"[^\n]*start operation timed out[^\n]*")
_RESULT = re.compile(r"[^\n]*Failed with result '([a-z-]+)'[^\n]*")
_BIND = re.compile(r"(?m)^bind\(\): No such file or directory[^\n]*|^error removing unix socket, unlink\(\)[^\n]*")


def judge(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a unit that does not run, and a directory that its socket needs."""
    found = reason(site)
    unit = site.uwsgi.unit.get("Id", "")
    if found:
        cause, fix, words = found
        yield faults.fault("uwsgi.unit", BROKEN, f"systemd cannot start {unit}: {cause}", fix, words)
    elif folder := missing_folder(site):
        yield faults.fault("uwsgi.directory", BROKEN, *_directory(site, folder))


def missing_folder(site: Site) -> str:
    """Return the directory that uWSGI shall make its socket in, where that is not there and it fails for that."""
    folder = site.logs.absent.get("socket", "")
    serves = any(probe.answer for probe in site.probes)
    return folder if folder and not serves and _BIND.search(site.uwsgi.log) else ""


def reason(site: Site) -> tuple[str, str, list[str]] | None:
    """Return (cause, fix, systemd's words) of a start that failed before the program ran; None for any other."""
    unit, log, absent = site.uwsgi.unit, site.uwsgi.log, site.logs.absent
    name = unit.get("Id", "")
    if name and unit.get("LoadState") == "bad-setting":
        return _bad_setting(site)
    if name and unit.get("Type") == "forking" and (late := _waited_for(site)):
        return late
    # Where a start fails over and over, systemd calls the unit active for a moment.
    if not name or unit.get("ActiveState") == "inactive" or any(probe.answer for probe in site.probes):
        return None
    again = f"then systemctl daemon-reload && systemctl restart {name}"
    environment, step, at = _last(_ENVIRONMENT, log), _last(_STEP, log), _last(_AT_STEP, log)
    words = [match[0].strip() for match in (environment, at, step, _last(_RESULT, log)) if match]
    if environment:
        path = absent.get("EnvironmentFile", "")
        what = f"{path} is missing (EnvironmentFile=)" if path else environment[0].partition("environment files: ")[2]
        path = path or "the file of EnvironmentFile="
        return what, f"put {path} back, or write EnvironmentFile=-{path} where it may be missing; {again}", words
    kind = step[2] if step else at[1] if at else ""
    if kind:
        cause, fix = _of_step(site, kind, step[1] if step else "")
        return cause, f"{fix}, {again}", words
    timeout = _last(_TIMEOUT, log)
    if timeout and "notify" in unit.get("Type", "notify"):
        cause = "the start timed out: nothing told systemd within TimeoutStartSec that it is ready"
        return (
            cause,
            f"Type=notify needs a uWSGI that speaks to systemd and loads the application in time; {again}",
            [timeout[0].strip()],
        )
    return None


def _waited_for(site: Site) -> tuple[str, str, list[str]] | None:
    """Say that systemd waits for a fork that does not come, while what it started serves until it is killed."""
    unit, log = site.uwsgi.unit, site.uwsgi.log
    timeout, result = _last(_TIMEOUT, log), _last(_RESULT, log)
    timeout = timeout or (result if result and result[1] == "timeout" else None)
    if not timeout or unit.get("ActiveState") not in ("activating", "failed"):
        return None
    name = unit.get("Id", "")
    return (
        "the start timed out: Type=forking waits until uWSGI goes into the background, which it does not do",
        f"Type=notify in {name} (or Type=simple), in the place of forking; then systemctl daemon-reload && systemctl "
        f"restart {name}",
        [timeout[0].strip()],
    )


def _bad_setting(site: Site) -> tuple[str, str, list[str]]:
    """Say which line of a unit file systemd refuses."""
    unit, log = site.uwsgi.unit, site.uwsgi.log
    path = unit.get("FragmentPath", "") or unit.get("Id", "")
    lines = re.findall(rf"{re.escape(path)}:(\d+): ([^\n]+)", log)
    said = [
        text for text in (re.sub(r"^\S+ \"?|\"$", "", unit.get("LoadError", "")), *(text for _n, text in lines)) if text
    ]
    program = re.search(r"path=(\S+)", unit.get("ExecStart", ""))
    if lines:
        where, what = f"{path}, line {lines[-1][0]}", lines[-1][1].rstrip(".")
    elif program and "/" in program[1] and not program[1].startswith("/"):
        where, what = f"ExecStart= in {path}", f"{program[1]} is no absolute path"
    else:
        where, what = path, said[0].rstrip(".") if said else "a setting is not valid"
    fix = f"correct {where} (systemd-analyze verify {unit.get('Id', '')} names it), then systemctl daemon-reload && "
    return f"its file is refused, {where}: {what}", f"{fix}systemctl restart {unit.get('Id', '')}", said[:3]


def words(site: Site) -> str:
    """Return systemd's own words on a start that failed, for a sentence; '' where the program itself says more."""
    found = reason(site)
    return found[0] if found else ""


def limited(log: str) -> str:
    """Return systemd's line on a unit that it starts no more, '' where it does."""
    found = _last(_LIMIT, log)
    return found[0].strip() if found else ""


def _of_step(site: Site, kind: str, number: str) -> tuple[str, str]:
    unit, log, absent = site.uwsgi.unit, site.uwsgi.log, site.logs.absent
    number = number or _NUMBERS.get(kind, "")
    code = f"{number}/{kind}" if number else kind
    name = unit.get("Id", "")
    denied = re.search(r"(?:Unable to locate|Failed to locate) executable '?([^\s':]+)'?: ([^\n]+)", log)
    if kind == "USER":
        return f"there is no user {unit.get('User', '')} ({code})", f"User= in {name} names a user that exists"
    if kind == "GROUP":
        return f"there is no group {unit.get('Group', '') or 'of that name'} ({code})", f"Group= in {name} names one"
    if kind == "CHDIR":
        folder = unit.get("WorkingDirectory", "")
        why = "does not exist" if absent.get("WorkingDirectory") else "cannot be entered by its user"
        return f"the directory {folder} {why} ({code}, WorkingDirectory=)", f"WorkingDirectory= in {name}"
    if kind == "EXEC":
        found = re.search(r"path=(/\S+)", unit.get("ExecStart", ""))
        program = absent.get("ExecStart") or (denied[1] if denied else found[1] if found else "its program")
        spawned = re.search(r"Failed at step EXEC spawning [^:\n]+: ([^\n]+)", log)
        why = "does not exist" if absent.get("ExecStart") else spawned[1] if spawned else "cannot be executed"
        if why == "Permission denied" and program.startswith("/"):
            user = unit.get("User") or "root"
            what = f"{program} cannot be executed: {why} ({code}, ExecStart=)"
            return what, f"chmod +x {program}, and let {user} enter its directories (namei -l {program})"
        return f"{program} {why} ({code}, ExecStart=)", f"the path of the program in ExecStart= of {name}"
    found_at = re.findall(r"Failed (?:to set up [^\n]+|at step \w+ spawning [^\n]+)", log)
    what = found_at[0] if found_at else f"it fails at {kind}"
    return f"{what} ({code})", f"correct what systemd names in {name}"


def _directory(site: Site, folder: str) -> tuple[str, str, list[str]]:
    unit = site.uwsgi.unit.get("Id", "")
    found = _BIND.search(site.uwsgi.log)
    evidence = [found[0] if found else "", f"there is no directory {folder}"]
    cause = f"{folder}, where uWSGI makes its socket, is missing"
    user = site.uwsgi.user or "root"
    if not folder.startswith("/run/"):
        fix = f"install -d -o {user} {folder}"
        return cause, fix + (f" && systemctl restart {unit}" if unit else ""), evidence
    cause += ": /run is empty after each boot"
    name = posixpath.relpath(folder, "/run")
    if site.managed:
        return cause, f"systemd-tmpfiles --create && systemctl restart {unit}", evidence
    fix = f"RuntimeDirectory={name} below [Service] in {unit or 'its unit'}: systemd makes it at each start"
    return cause, f"{fix}; systemctl daemon-reload && systemctl restart {unit or 'UNIT'}", evidence


def _last(pattern: re.Pattern[str], log: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(log):
        found = match
    return found
