# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why systemd could not start a unit, in its own words: those of the last start."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from . import uwsgi_words
from .evidence import Site
from .fault import BROKEN, Fault, Faults
from .fixes import BY_HAND

# systemd.exec(5), "Process exit codes".
_STEP = re.compile(r"status=(2\d\d)/([A-Z_]+)")
_NUMBERS = {"CHDIR": "200", "EXEC": "203", "GROUP": "216", "USER": "217"}
_AT_STEP = re.compile(r"[^\n]*Failed at step ([A-Z_]+) spawning [^\n]*")
_ENVIRONMENT = re.compile(r"[^\n]*Failed to load environment files: [^\n]*")
_LIMIT = re.compile(r"[^\n]*Start request repeated too quickly[^\n]*")
_CONTROL = re.compile(r"[^\n]*Control process exited, [^\n]*")
_TIMEOUT = re.compile(r"[^\n]*start operation timed out[^\n]*")
_RESULT = re.compile(r"[^\n]*Failed with result '([a-z-]+)'[^\n]*")
_BIND = re.compile(r"(?m)^bind\(\): No such file or directory[^\n]*|^error removing unix socket, unlink\(\)[^\n]*")
# Where packages put what changes a unit, and what this collection calls its own.
_OF_PACKAGES = ("/usr/lib/", "/lib/")
_OURS = "pyweb.conf"


def judge(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a unit that does not run, and a directory that its socket needs."""
    found = reason(site)
    unit = site.uwsgi.unit.get("Id", "")
    if found:
        cause, fix, words = found
        # A program that is gone went with what it lies in.
        only = None if site.logs.absent.get("ExecStart") else ("app.sandbox",)
        yield faults.fault("uwsgi.unit", BROKEN, f"systemd cannot start {unit}: {cause}", fix, words, only)
    elif folder := missing_folder(site):
        yield faults.fault("uwsgi.directory", BROKEN, *_directory(site, folder))


def missing_folder(site: Site) -> str:
    """Return the directory that uWSGI shall make its socket in, where that is not there and it fails for that."""
    folder = site.logs.absent.get("socket", "")
    serves = any(probe.answer for probe in site.probes)
    return folder if folder and not serves and _BIND.search(site.uwsgi.log) else ""


def reason(site: Site) -> tuple[str, str, list[str]] | None:
    """Return (cause, fix, systemd's words) of a start that failed before the program ran; None for any other."""
    unit = site.uwsgi.unit
    name = unit.get("Id", "")
    if name and unit.get("LoadState") == "bad-setting":
        return _bad_setting(site)
    if name and unit.get("Type") == "forking" and (late := _waited_for(site)):
        return late
    # Where a start fails over and over, systemd calls the unit active for a moment.
    if unit.get("ActiveState") == "inactive" or any(probe.answer for probe in site.probes):
        return None
    return reason_of(unit, site.uwsgi.log, site.logs.absent)


def reason_of(unit: Mapping[str, str], log: str, absent: Mapping[str, str]) -> tuple[str, str, list[str]] | None:
    """Return (cause, fix, systemd's words) of any unit's start that failed before its program ran, else None.

    `log` is what the journal has of its last start, `absent` which path of which directive is not there.
    """
    name = unit.get("Id", "")
    if not name:
        return None
    again = f"then systemctl daemon-reload && systemctl restart {name}"
    environment, step, at = _last(_ENVIRONMENT, log), _last(_STEP, log), _last(_AT_STEP, log)
    words = [match[0].strip() for match in (environment, at, step, _last(_RESULT, log)) if match]
    found: tuple[str, str] | None = None
    kind = step[2] if step else at[1] if at else ""
    timeout, before = _last(_TIMEOUT, log), _before(unit, log)
    if environment:
        path = absent.get("EnvironmentFile", "")
        what = f"{path} is missing (EnvironmentFile=)" if path else environment[0].partition("environment files: ")[2]
        path = path or "the file of EnvironmentFile="
        by_hand = f"put {path} back, or write EnvironmentFile=-{path} where it may be missing"
        found = what, f"playbooks/site.yml writes {path} again{BY_HAND}{by_hand}"
    elif kind:
        found = _of_step(unit, log, absent, kind, step[1] if step else "")
    elif before:
        said = uwsgi_words.complaint(log)
        cause = f"{before} failed, which has to end well before it starts (ExecStartPre=)"
        found = f"{cause}: {said}" if said else cause, f"correct it in {name}, or what it runs"
        words = [match[0].strip() for match in (_last(_CONTROL, log), _last(_RESULT, log)) if match]
    elif timeout and "notify" in unit.get("Type", "notify"):
        found = (
            "the start timed out: nothing told systemd within TimeoutStartSec that it is ready",
            "Type=notify needs a program that speaks to systemd and loads the application in time",
        )
        words = [timeout[0].strip()]
    if not found:
        return None
    cause, fix = found
    if foreign := drop_ins(unit):
        cause += f"; {foreign[0]} changes this unit"
        fix = f"correct or remove {', '.join(foreign)}"
        words += [f"drop-in: {path}" for path in foreign]
    return cause, f"{fix}, {again}", words


def drop_ins(unit: Mapping[str, str]) -> list[str]:
    """Return the files that change a unit and that neither the distribution nor this collection wrote."""
    paths = unit.get("DropInPaths", "").split()
    return [path for path in paths if not path.startswith(_OF_PACKAGES) and posixpath.basename(path) != _OURS][:3]


def _before(unit: Mapping[str, str], log: str) -> str:
    """Return the command of ExecStartPre= that failed, or is tried again now; '' where none did."""
    if not _last(_CONTROL, log):
        return ""
    failed = re.search(
        r"argv\[\]=(.*?) ; .*?code=(?:exited ; status=[1-9]|killed|dumped|\(null\))", unit.get("ExecStartPre", "")
    )
    return failed[1] if failed else ""


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


def _of_step(unit: Mapping[str, str], log: str, absent: Mapping[str, str], kind: str, number: str) -> tuple[str, str]:
    number = number or _NUMBERS.get(kind, "")
    code = f"{number}/{kind}" if number else kind
    name = unit.get("Id", "")
    denied = re.search(r"(?:Unable to locate|Failed to locate) executable '?([^\s':]+)'?: ([^\n]+)", log)
    if kind == "USER":
        user = unit.get("User", "")
        fix = f"playbooks/site.yml makes the user again{BY_HAND}User= in {name} names a user that exists"
        return f"there is no user {user} ({code})", fix
    if kind == "GROUP":
        return f"there is no group {unit.get('Group', '') or 'of that name'} ({code})", f"Group= in {name} names one"
    if kind == "CHDIR":
        folder = unit.get("WorkingDirectory", "")
        if not absent.get("WorkingDirectory") and _hides_homes(unit, folder):
            return f"ProtectHome={unit['ProtectHome']} hides {folder} from it ({code})", _open_homes(name)
        why = "does not exist" if absent.get("WorkingDirectory") else "cannot be entered by its user"
        return f"the directory {folder} {why} ({code}, WorkingDirectory=)", f"WorkingDirectory= in {name}"
    if kind == "EXEC":
        found = re.search(r"path=(/\S+)", unit.get("ExecStart", ""))
        if found and not absent.get("ExecStart") and _hides_homes(unit, found[1]):
            return f"ProtectHome={unit['ProtectHome']} hides {found[1]} from it ({code}, ExecStart=)", _open_homes(name)
        program = absent.get("ExecStart") or (denied[1] if denied else found[1] if found else "its program")
        spawned = re.search(r"Failed at step EXEC spawning [^:\n]+: ([^\n]+)", log)
        why = "does not exist" if absent.get("ExecStart") else spawned[1] if spawned else "cannot be executed"
        if mount := absent.get("exec", ""):
            cause = f"{program} cannot be executed: the file system {mount} is mounted with noexec ({code}, ExecStart=)"
            return cause, f"mount -o remount,exec {mount}, and no noexec for it in /etc/fstab"
        if why == "Permission denied" and program.startswith("/"):
            user = unit.get("User") or "root"
            cause = f"{program} cannot be executed: {why} ({code}, ExecStart=)"
            by_hand = f"chmod +x {program}, and let {user} enter its directories (namei -l {program})"
            return cause, f"playbooks/site.yml builds it again{BY_HAND}{by_hand}"
        return f"{program} {why} ({code}, ExecStart=)", (
            f"playbooks/site.yml builds it again{BY_HAND}the path of the program in ExecStart= of {name}"
        )
    found_at = re.findall(r"Failed (?:to set up [^\n]+|at step \w+ spawning [^\n]+)", log)
    what = found_at[0] if found_at else f"it fails at {kind}"
    return f"{what} ({code})", f"correct what systemd names in {name}"


def _hides_homes(unit: Mapping[str, str], path: str) -> bool:
    return unit.get("ProtectHome") in ("yes", "tmpfs") and path.startswith(("/home/", "/root/", "/run/user/"))


def _open_homes(name: str) -> str:
    return f"ProtectHome=read-only in {name}, or the project and its virtualenv outside of the homes"


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
