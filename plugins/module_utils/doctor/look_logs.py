# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the ends of the logs of a site: nginx's two, what uWSGI and the application wrote wherever they write it.

Whoever runs the site writes into them what he likes: so much is read, of regular files, and no link of his is followed.
"""

from __future__ import annotations

import contextlib
import glob
import os
import posixpath
import re
import stat
import time

from ..host import path_walk
from ..host.files import read_or_empty
from ..host.identity import Identity
from ..host.processes import Process
from ..nginx import match
from ..nginx.dump import Config, Directive
from . import ask
from .access_log import COMBINED, names_hosts, own_visits, plain, visits
from .evidence import Host, Site
from .evidence_logs import NginxLine

# Bytes of the end of a log: some five thousand lines of an access log.
ACCESS_TAIL, ERROR_TAIL, APP_TAIL = 1 << 20, 1 << 18, 1 << 17
ACCESS_DEFAULT, ERROR_DEFAULT = "/var/log/nginx/access.log", "/var/log/nginx/error.log"
_LINE_MAX, _LINES_MAX, _FILES_MAX = 2000, 300, 8
_STAMP = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(alert|crit|error|emerg)\] (.*)")
_DENIED = re.compile(r'(?:open|stat|lstat)\(\) "(/[^"\n]{1,1000})" failed \(13: Permission denied\)')
_REQUEST = re.compile(r', request: "([A-Z]{3,10}) (\S+)')
# uWSGI ends its workers by itself for these: they are not as old as what they have loaded.
_REPLACED = re.compile(r"(?m)^DAMN ! worker|^worker \d+ lifetime reached|^The work of process|Respawned uWSGI worker")
_SUPERVISOR = ("/etc/supervisor/supervisord.conf", "/etc/supervisord.conf")
_SUPERVISOR_PARTS = ("/etc/supervisor/conf.d/*.conf", "/etc/supervisord.d/*.ini", "/etc/supervisord.d/*.conf")


def look_at_logs(site: Site, host: Host) -> None:
    """Fill in what the logs say. Pages and processes are looked at by others."""
    logs = site.logs
    logs.nginx_since = host.nginx.workers[-1].started if host.nginx.workers else 0.0
    logs.app_log, logs.app_source = app_log(site)
    logs.app_since = _loaded(site)
    _read_visits(site, host.nginx.config)
    _read_errors(site, host)
    if re.search(r"killed by signal 9\b", site.uwsgi.log + logs.app_log):
        logs.kernel = _killed_for_memory(host.now)
    _look_for_absent(site)


def _loaded(site: Site) -> float:
    """Return when the application was loaded that answers now, 0 where that is not known.

    A reload does not restart the master, but restarts all workers.
    """
    master, workers = site.uwsgi.master, site.uwsgi.workers
    if not master:
        return 0.0
    first = min((worker.started for worker in workers), default=master.started)
    return master.started if _REPLACED.search(site.uwsgi.log) else max(first, master.started)


# --- the access log ---


def _read_visits(site: Site, config: Config | None) -> None:
    logs = site.logs
    since = max(logs.app_since, logs.nginx_since)
    own = own_visits(site.uwsgi.log, since) or own_visits(logs.app_log, since)
    names = _names(site)
    for path, log_format in _access_logs(site, config) if config else []:
        if not names_hosts(log_format) and _others_write_there(site, config, path):
            continue
        found = visits(tail(path, ACCESS_TAIL), log_format, names)
        if found:
            logs.source, logs.visits = path, found
            return
    if own:
        logs.source, logs.visits = logs.app_source or "the log of its server", own


def _names(site: Site) -> list[str]:
    names = [name for entrance in site.entrances for server in entrance.wanted for name in server.names]
    return list(dict.fromkeys([*site.domains, *names]))


def _access_logs(site: Site, config: Config) -> list[tuple[str, str]]:
    """Return (path, format) of the access logs in force where the site is handed over to its application."""
    level = next((block for block in reversed(site.chain) if block.all("access_log")), None)
    directives = level.all("access_log") if level else []
    if any(directive.args[:1] == ["off"] for directive in directives):
        return []
    formats = _formats(config)
    found = [
        (_absolute(directive.args[0]), formats.get(_format_name(directive), COMBINED))
        for directive in directives
        if directive.args and not _elsewhere(directive)
    ]
    return found if directives else [(ACCESS_DEFAULT, COMBINED)]


def _format_name(directive: Directive) -> str:
    names = [word for word in directive.args[1:] if "=" not in word and word != "gzip"]
    return names[0] if names else "combined"


def _formats(config: Config) -> dict[str, str]:
    blocks = [directive for http in config.tree if http.name == "http" for directive in http.all("log_format")]
    return {
        block.args[0]: "".join(word for word in block.args[1:] if not word.startswith("escape="))
        for block in blocks
        if len(block.args) > 1
    }


def _elsewhere(directive: Directive) -> bool:
    """Return whether the lines cannot be read here: syslog, compressed, a file name with variables."""
    packed = any(word == "gzip" or word.startswith("gzip=") for word in directive.args[1:])
    return packed or directive.args[0].startswith(("syslog:", "memory:")) or "$" in directive.args[0]


def _absolute(path: str) -> str:
    return path if path.startswith("/") else posixpath.join("/usr/share/nginx", path)


def _others_write_there(site: Site, config: Config | None, path: str) -> bool:
    """Return whether a server of another site passes to an application and writes to the same access log."""
    for server in match.servers(config):
        if any(server.matches(domain) for domain in site.domains):
            continue
        level = next((block for block in reversed(server.chain) if block.all("access_log")), None)
        logs = [_absolute(one.args[0]) for one in level.all("access_log") if one.args] if level else [ACCESS_DEFAULT]
        handler = match.handler(match.locate(server, "/"))
        if path in logs and handler and match.passes(handler):
            return True
    return False


# --- nginx's error log ---


def _read_errors(site: Site, host: Host) -> None:
    config = host.nginx.config
    log = match.inherited(site.chain, "error_log") if site.chain else None
    path = log.args[0] if log else config.value("error_log", ERROR_DEFAULT) if config else ERROR_DEFAULT
    main = config.value("error_log", ERROR_DEFAULT) if config else ERROR_DEFAULT
    names = set(_names(site))
    site.logs.nginx_log = path
    for source in dict.fromkeys([path, main]):
        if source.startswith("/"):
            found = nginx_lines(tail(source, ERROR_TAIL), names, site.logs.nginx_since)
            site.logs.nginx_lines += still_true(found, host.nginx.worker)


def nginx_lines(text: str, names: set[str], since: float) -> list[NginxLine]:
    """Return the errors since a time about servers of these names, or about no server; none of the doctor's own."""
    found = []
    for line in text.splitlines()[-_LINES_MAX * 10 :]:
        stamp = _STAMP.match(line[:_LINE_MAX])
        if not stamp or "pyweb-doctor" in line:
            continue
        server = re.search(r", server: ([^,]*),", stamp[3])
        if server and server[1] and server[1] not in names:
            continue
        with contextlib.suppress(ValueError, OverflowError):
            when = time.mktime(time.strptime(stamp[1], "%Y/%m/%d %H:%M:%S"))
            if when + 1 >= since:
                request = _REQUEST.search(stamp[3])
                asked = f"{request[1]} {plain(request[2])}" if request else ""
                found.append(NginxLine(when, stamp[2], without_queries(line[:_LINE_MAX]), asked))
    return found[-_LINES_MAX:]


def still_true(lines: list[NginxLine], worker: Identity) -> list[NginxLine]:
    """Return lines without those on files that nginx could not access but can access now: that was fixed."""
    closed: dict[str, bool] = {}
    left = []
    for line in lines:
        denied = _DENIED.search(line.text)
        if denied and len(closed) < _FILES_MAX * 4 and denied[1] not in closed:
            found = path_walk.obstacle(denied[1], worker)
            closed[denied[1]] = found is not None and found.kind == "denied"
        if not denied or closed.get(denied[1], True):
            left.append(line)
    return left


def without_queries(line: str) -> str:
    """Return a line of nginx's error log without query strings: they hold what visitors typed."""
    return re.sub(r"(https?://[^\s?\"]+|\"[A-Z]{3,10} [^\s?\"]+|\"uwsgi://[^\s?\"]+)\?[^\s\"]*", r"\1", line)


# --- what the application wrote ---


def app_log(site: Site) -> tuple[str, str]:
    """Return (the end of the log files that uWSGI and what runs it write, since its last start; the first path)."""
    parts, source = [], ""
    for path in _log_files(site)[:_FILES_MAX]:
        text = tail(path, APP_TAIL)
        if text:
            source = source or path
            parts.append(text[max(text.rfind("*** Starting uWSGI"), 0) :])
    return "\n".join(parts), source


def _log_files(site: Site) -> list[str]:
    options, name = site.uwsgi.options, site.name
    found = [options.last(option) for option in ("daemonize", "logto")]
    for option in ("logger", "req-logger"):
        found += [value.split("file:", 1)[1] for value in options.values.get(option, []) if "file:" in value]
    if site.uwsgi.master:
        found += _open_for_writing(site.uwsgi.master)
    inis = [os.path.splitext(os.path.basename(path))[0] for path in options.files]
    found += [f"/var/log/uwsgi/app/{ini}.log" for ini in [*inis, name]]
    found += _of_supervisor([*site.uwsgi.command, *options.files, name])
    base = options.last("chdir") or options.cwd
    paths = [os.path.normpath(os.path.join(base, path)) for path in found if path and not path.startswith("%")]
    return [path for path in dict.fromkeys(paths) if _is_log(path)]


def _open_for_writing(process: Process) -> list[str]:
    """Return the files that a process writes its words to: those behind stdout and stderr."""
    found = []
    for number in (1, 2):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{process.pid}/fd/{number}")
            found += [target] if target.startswith("/") and not target.startswith(("/dev/", "/proc/")) else []
    return found


def _of_supervisor(words: list[str]) -> list[str]:
    """Return the log files of supervisor's programs whose command names one of these."""
    texts = [read_or_empty(path) for path in _SUPERVISOR if os.path.isfile(path)]
    texts += [read_or_empty(path) for pattern in _SUPERVISOR_PARTS for path in sorted(glob.glob(pattern))[:50]]
    wanted = [word for word in words if len(word) > 2 and not word.startswith("-")]
    found: list[str] = []
    for block in re.split(r"(?m)^(?=\[)", "\n".join(texts)):
        program = re.match(r"\[program:([^\]\s]+)\]", block)
        command = re.search(r"(?m)^command\s*=\s*(.*)$", block)
        if not program or not command or not any(word in command[1] or word == program[1] for word in wanted):
            continue
        for kind in ("stdout", "stderr"):
            path = re.search(rf"(?m)^{kind}_logfile\s*=\s*(/\S+)", block)
            found += [path[1]] if path else sorted(glob.glob(f"/var/log/supervisor/{program[1]}-{kind}*"))
    return found


def _is_log(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


def tail(path: str, most: int) -> str:
    """Return the end of a log in which the first line is whole; '' for a link that is not root's, or no file."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) and found.st_uid:
            return ""
        text = ask.tail(path, most)
        return text.partition("\n")[2] if found.st_size > most else text
    return ""


def _killed_for_memory(now: float) -> list[str]:
    """Return the kernel's lines of the last day on processes that it killed for want of memory."""
    words = ["journalctl", "--dmesg", "--no-pager", "--output=cat", "--lines=2000", f"--since=@{int(now) - 86400}"]
    lines = ask.run(words, 1.5).out.splitlines()
    return [line.strip()[:300] for line in lines if re.search(r"[Oo]ut of memory: Killed|oom-kill:", line)][-5:]


# --- what a start needs, and is not there ---


def _look_for_absent(site: Site) -> None:
    unit, absent = site.uwsgi.unit, site.logs.absent
    for path in re.findall(r"(/\S+) \(ignore_errors=no\)", unit.get("EnvironmentFiles", "")):
        if not glob.has_magic(path) and not os.path.exists(path):
            absent.setdefault("EnvironmentFile", path)
    folder = unit.get("WorkingDirectory", "").lstrip("!-")
    if folder.startswith("/") and not os.path.isdir(folder):
        absent["WorkingDirectory"] = folder
    program = re.search(r"path=(/\S+)", unit.get("ExecStart", ""))
    if program and not os.path.exists(program[1]):
        absent["ExecStart"] = program[1]
    user = unit.get("User", "")
    if user and ask.account(user) is None:
        absent["User"] = user
    for address, _speaks in site.uwsgi.options.binds:
        if address.startswith("unix:/") and not os.path.isdir(os.path.dirname(address[5:])):
            absent["socket"] = os.path.dirname(address[5:])
