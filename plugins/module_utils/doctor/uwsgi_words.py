# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a uWSGI ends while it starts, in its own words or in systemd's, and what to do about that. Judgement only."""

from __future__ import annotations

import re

from ..uwsgi.failures import own_words
from .evidence import Site
from .fixes import ini, restart

# What systemd writes into the journal of a unit.
_SYSTEMD = re.compile(
    r"^(?:[\w@:.\\-]+\.service: |(?:Started|Starting|Stopped|Stopping|Reloaded|Reloading) |Failed to (?:attach|start) "
    r"|Consumed |Triggering )"
)
# How uWSGI marks what the kernel refused; to remove what is not there is no failure.
_REFUSED = re.compile(r"^(?!unlink\(\)|error removing )\S.*\[\w+/\w+\.c line \d+\]$")
_PLAIN = re.compile(
    r"(?i)\b(?:unknown|unable to|cannot|could not|invalid|error|failed|not found|not permitted|denied|missing)\b"
)
# (uWSGI's words, the fix); {ini}, {user} and {unit} are those of the site. The first that fits is the cause.
_KNOWN = (
    (r"(?m)^user (\S+) not found\.?$", r"uid = a user that the host has, in {ini} (\1 is none)"),
    (r"(?m)^group (\S+) not found\.?$", r"gid = a group that the host has, in {ini} (\1 is none)"),
    (
        r"The -s/--socket option is missing and stdin is not a socket\.?",
        "socket = PATH below a section that is called [uwsgi], in lower case, in {ini}",
    ),
    (
        r"Listen queue size is greater than the system max net\.core\.somaxconn \((\d+)\)\.?",
        r"listen = \1 or less in {ini}, or a larger sysctl net.core.somaxconn",
    ),
    (
        r'open\("(/[^"]+)/([^"/]+)"\): Permission denied[^\n]*',
        r"a directory that {user} may write for \2 in {ini}: LogsDirectory= or RuntimeDirectory= in {unit} makes one",
    ),
    (r'open\("(/[^"]+)"\): ([^\n]*)', r"correct the path \1 in {ini}"),
    (
        r"error removing unix socket, unlink\(\): Read-only[^\n]*|(?m:^bind\(\): Read-only[^\n]*)",
        "the file system of the socket is read-only: mount -o remount,rw; or ReadWritePaths= in {unit}",
    ),
    (r"realpath\(\) of (\S+) failed: ([^\n]*)", r"let {user} read \1 (namei -l \1)"),
    (
        r"(?m)^bind\(\): Cannot assign requested address[^\n]*",
        "socket = an address of this host (ip addr) in {ini}",
    ),
    (
        r"(?m)^bind\(\): Permission denied[^\n]*",
        "socket in a directory that {user} may write (RuntimeDirectory= in {unit}), or a port from 1024 on, in {ini}",
    ),
    (
        r"(?m)^set(?:gid|uid|groups)\(\): [^\n]*",
        "uid and gid in {ini} need a start as root: remove them, or User= in {unit}",
    ),
    (r"(?m)^chown\(\): [^\n]*", "chown-socket in {ini} needs a start as root: remove it, or User= in {unit}"),
    (r"Too many open files[^\n]*", "LimitNOFILE=65536 below [Service] in {unit}"),
    (r"fork\(\): [^\n]*", "TasksMax= and LimitNPROC= in {unit}: more processes than it may have"),
    (r"killed by the OOM killer|Failed with result 'oom-kill'", "MemoryMax= in {unit}, or fewer processes in {ini}"),
    (r"status=31/SYS", "SystemCallFilter= in {unit} forbids what it needs"),
)


def why(site: Site) -> str:
    """Return why the site's server ended, in a line; as `logs.reason`, without what systemd says of any end."""
    text = own_lines(site.uwsgi.log)
    if forked := forks_away(site):
        return forked
    for pattern, _fix in _KNOWN:
        if found := re.search(pattern, site.uwsgi.log):
            return found[0].strip() + _hidden_by(site, found[0])
    known = own_words(text)
    lines = [line.strip() for line in text.splitlines() if "request block size" not in line]
    if known and not (known in lines and known == lines[-1]):
        return known
    for fits in (_REFUSED, _PLAIN):
        if found_lines := [line for line in lines if fits.search(line)]:
            return found_lines[-1]
    return known or "it says nothing"


def fix(site: Site) -> str:
    """Return what to do about the end of a server, '' where nobody knows."""
    unit = site.uwsgi.unit.get("Id", "") or "its unit"
    again = f"; then {'systemctl daemon-reload && ' if unit != 'its unit' else ''}{restart(site)}"
    if forks_away(site):
        return f"remove daemonize from {ini(site)} (logto = writes the same log){again}"
    for pattern, what in _KNOWN:
        if found := re.search(pattern, site.uwsgi.log):
            given = {"{ini}": ini(site), "{user}": site.uwsgi.user or "its user", "{unit}": unit}
            text = found.expand(what)
            if _hidden_by(site, found[0]):
                text = "remove ProtectHome= from {unit} (read-only lets it read), or put the project outside of /home"
            for name, value in given.items():
                text = text.replace(name, value)
            return f"{text}{again}"
    return ""


def _hidden_by(site: Site, words: str) -> str:
    """Say that the unit hides the homes, where a path in one is refused."""
    given = site.uwsgi.unit.get("ProtectHome", "no")
    if given in ("", "no", "read-only") or not re.search(r"[\s\"'](?:/home|/root)/", words):
        return ""
    return f"; ProtectHome={given} in {site.uwsgi.unit.get('Id', 'its unit')} hides the homes from it"


def forks_away(site: Site) -> str:
    """Say that a unit takes the end of the process that it started for the end of uWSGI, which has forked."""
    log = site.uwsgi.options.last("daemonize")
    unit = site.uwsgi.unit
    if site.server.kind != "uwsgi" or not log or not unit.get("Id") or unit.get("Type", "simple") == "forking":
        return ""
    return f"daemonize = {log} in {ini(site)}: uWSGI goes into the background, and systemd takes that for its end"


def complaint(log: str) -> str:
    """Return the last line of a journal in which a program says what is wrong; '' where none does."""
    lines = [line.strip() for line in own_lines(log).splitlines() if _PLAIN.search(line)]
    return lines[-1] if lines else ""


def own_lines(log: str) -> str:
    """Return a journal without what systemd says of the unit."""
    return "\n".join(line for line in log.splitlines() if line.strip() and not _SYSTEMD.match(line))
