# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which directive of the sandbox refused what a program complains of, and the line that allows it. Pure functions."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from .sandbox import HOMES
from .visible import in_measure


@dataclass(frozen=True)
class Refusal:
    """What was refused: the directive that did, the value that allows it, and the words of the program."""

    directive: str
    value: str
    words: str

    @property
    def line(self) -> str:
        """The entry of `uwsgi.unit` that allows it."""
        value = f'"{self.value}"' if re.search(r"[^\w./-]", self.value) else self.value
        return f"{self.directive}: {value}"


# What a word of the failing line of code says of the system calls behind it (systemd-analyze syscall-filter).
_CALLS = (
    (r"\b[fl]?chmod\(|\bmode=0o[2-7]\d{3}\b", "RestrictSUIDSGID", "no"),
    (r"\bunshare\(|\bsetns\(", "RestrictNamespaces", "no"),
    (r"\bsched_setscheduler\(|\bsched_setparam\(", "RestrictRealtime", "no"),
    (r"chown", "SystemCallFilter", "@chown"),
    (r"set(?:re|res)?[ug]id\(|setgroups\(|initgroups\(", "SystemCallFilter", "@setuid"),
    (
        r"\bnice\(|setpriority\(|setrlimit\(|ionice\(|sched_setaffinity\(|cpu_affinity\(",
        "SystemCallFilter",
        "@resources",
    ),
    (r"\bu?mount\(", "SystemCallFilter", "@mount"),
)
# How systemd says at which of its own steps a unit's start failed (systemd.exec(5), "Process Exit Codes").
_STEPS = {
    "SECCOMP": "SystemCallFilter",
    "ADDRESS_FAMILIES": "RestrictAddressFamilies",
    "CAPABILITIES": "CapabilityBoundingSet",
}
_PATH = r"(?:: '(?P<path>/[^']*)')?"


def refusal(text: str, database: str = "") -> Refusal | None:
    """Return what the sandbox may have refused a program that wrote `text`; None where nothing looks like that.

    `database` is the site's SQLite file: SQLite does not name it.
    """
    text = in_measure(text)
    if found := re.search(r"(?m)^.*\b(?:Errno 30|EROFS)\b.*?Read-only file system" + _PATH + ".*$", text):
        return _read_only(found["path"] or "", found[0])
    if found := re.search(r"(?m)^.*(?:attempt to write a readonly database|unable to open database file).*$", text):
        return Refusal("ReadWritePaths", posixpath.dirname(database), found[0]) if database else None
    if found := re.search(r"(?m)^.*\bErrno 13\b.*?Permission denied" + _PATH + ".*$", text):
        hidden = any(f"{found['path'] or ''}/".startswith(f"{home}/") for home in HOMES)
        return Refusal("ProtectHome", "read-only", found[0]) if hidden else None
    if found := re.search(r"(?m)^.*(?:\bErrno 97\b|Address family not supported by protocol).*$", text):
        return Refusal("RestrictAddressFamilies", "AF_NETLINK AF_PACKET", found[0])
    if found := re.search(r"(?m)^.*\bErrno 2\b.*?No such file or directory: '/proc/(?P<name>[^']*)'.*$", text):
        return Refusal("ProcSubset", "all", found[0]) if not found["name"][:1].isdigit() else None
    if found := re.search(r"(?m)^.*\bErrno 2\b.*?No such file or directory: '/dev/(?!shm/)[^']*'.*$", text):
        return Refusal("PrivateDevices", "no", found[0])
    if found := re.search(
        r"(?mi)^.*(?:\"?no new privileges\"? flag|must be setuid root|effective uid is not 0).*$", text
    ):
        return Refusal("NoNewPrivileges", "no", found[0])
    if found := re.search(r"(?m)^.*(?:\bErrno 1\b.*?Operation not permitted|status=31/SYS).*$", text):
        return _call(text[: found.start()], found[0])
    return None


def failed_step(log: str) -> Refusal | None:
    """Return which directive kept systemd from starting a unit, as its own lines in the journal say; or None."""
    log = in_measure(log)
    step = re.search(r"Failed at step (\w+) spawning", log)
    if not step or step[1] not in ("NAMESPACE", *_STEPS):
        return None
    if step[1] != "NAMESPACE":
        return Refusal(_STEPS[step[1]], "", step[0])
    path = re.search(r"(?m)^.*Failed to set up mount namespacing: (?:/run/systemd/[\w.-]+)?(?P<path>/[^\s:]*).*$", log)
    named = path["path"] if path else ""
    return Refusal("ReadWritePaths", f"-{named}" if named else "", path[0] if path else step[0])


def _read_only(path: str, words: str) -> Refusal:
    if path.startswith(("/proc/", "/sys/fs/cgroup")):
        directive = "ProtectControlGroups" if "cgroup" in path else "ProtectKernelTunables"
        return Refusal(directive, "no", words)
    # Whoever may not make a file cannot write its directory.
    return Refusal("ReadWritePaths", posixpath.dirname(path) if path else "DIRECTORY", words)


def _call(before: str, words: str) -> Refusal:
    """Judge a refused system call by the line of code that the traceback ends with."""
    code = [line.strip() for line in before.splitlines() if line.startswith("    ") and line.strip(" ^~")][-2:]
    for pattern, directive, value in _CALLS:
        if re.search(pattern, " ".join([*code, words])):
            return Refusal(directive, value, words)
    return Refusal("SystemCallFilter", "@privileged @resources", words)
