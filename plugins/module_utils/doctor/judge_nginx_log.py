# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors in nginx's log since it was last started or reloaded that no other fault reports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .evidence import Site
from .evidence_logs import NginxLine
from .fault import BROKEN, DEGRADED, Fault, Faults

# What comes of visitors, and of faults that others judge: files that are not there, TLS of scanners, passwords, limits,
# large bodies, times-out, and an application that was away.
_OTHERS = re.compile(
    r"failed \(2: No such file|is not found \(2:|directory index of|forbidden by rule|SSL_(?:do_handshake|read|write)"
    r"|peer closed connection in SSL|no user/password|password mismatch|was not found in \"|limiting (?:requests|conn)"
    r"|too large body|upstream timed out|connect\(\) (?:to \S+ )?failed|no live upstreams|upstream prematurely closed"
    r"|Connection reset by peer|Broken pipe|client sent|client prematurely closed|while SSL handshaking|invalid host in"
    r"|rejected (?:by|SSL)|cache loader|gracefully|signal \d+ \(SIG|open socket #\d+ left|OCSP|could not build"
)
_CONNECTIONS = (
    "nginx_worker_connections: 4096, then run pyweb.stack.site; by hand: set worker_connections 4096; in events of "
    "nginx.conf, then nginx -t && systemctl reload nginx"
)
# (what nginx writes, what it means, what to do); whatever else is crit or alert is quoted as it is.
_KNOWN = (
    (
        re.compile(r"rewrite or internal redirection cycle"),
        "nginx redirects internally in a loop",
        "correct try_files, error_page or rewrite: the last parameter must be an existing file, a location, or =404",
    ),
    (
        re.compile(r"upstream sent too big header"),
        "the header of an answer is larger than nginx's buffer",
        "uwsgi_buffer_size 16k; uwsgi_buffers 8 16k; in the location (of proxy_pass: proxy_buffer_size, proxy_buffers)",
    ),
    (
        re.compile(r"upstream sent (?:invalid|no valid|unsupported|unexpected|duplicate)"),
        "nginx cannot read the response of the application",
        "compare the protocol of uwsgi_pass or proxy_pass with what listens there",
    ),
    (
        re.compile(r"could not be resolved|no resolver defined"),
        "nginx cannot resolve the name of what it passes to",
        "correct the name, or name a resolver",
    ),
    (
        re.compile(r"worker process \d+ exited on signal (?!9\b|15\b)\d+"),
        "workers of nginx crash",
        "update nginx and its modules; coredumpctl list nginx",
    ),
    (
        re.compile(r"failed \(13: Permission denied\)"),
        "nginx cannot use a file",
        "namei -l FILE shows which directory or file nginx's user cannot access",
    ),
    (re.compile(r"failed \(24: Too many open files\)"), "nginx has too many files open", "worker_rlimit_nofile 65536;"),
    (
        re.compile(r"failed \(28: No space left"),
        "nginx has no free disk space",
        "free space where FILE is (df -h and df -i say which file system is full)",
    ),
    (re.compile(r"worker_connections are not enough"), "nginx has no free connection", _CONNECTIONS),
)


def judge(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge the lines, one fault for each kind."""
    kinds: dict[tuple[str, str], list[NginxLine]] = {}
    for line in site.logs.nginx_lines:
        if line.level != "emerg" and not _OTHERS.search(line.text) and not _is_over(line, site):
            known = next(((what, fix) for pattern, what, fix in _KNOWN if pattern.search(line.text)), None)
            if known or line.level in ("crit", "alert"):
                kinds.setdefault(known or ("nginx has a serious error", "see the line"), []).append(line)
    for (what, fix), lines in list(kinds.items())[:3]:
        asked = [line for line in lines if line.request == f"GET {site.path}" and "worker_connections" in line.text]
        hurts = bool(asked) and any(answer.status == 500 for answer in site.answers)
        count = f"{len(lines)} times" if len(lines) > 1 else "once"
        words = _words(lines[-1].text)
        file = re.search(r'(?:open|write|writev|pwrite|mkdir)\(\) (?:to )?"(/[^"]+)"', words)
        yield faults.fault(
            "nginx.errors",
            BROKEN if hurts else DEGRADED,
            f"{what} ({count} since it was started or reloaded): {words}",
            fix.replace("FILE", file[1]) if file else fix,
            [lines[-1].text, f"in {site.logs.nginx_log}"],
        )


def _is_over(line: NginxLine, site: Site) -> bool:
    """Return whether the same page was answered well after a line."""
    if ", upstream: " in line.text and line.when + 1 <= site.logs.app_since:
        return True
    method, _space, path = line.request.partition(" ")
    if path == site.path and any(one.answer and one.answer.status < 400 for one in site.entrances):
        return True
    return bool(path) and any(
        visit.path == path and visit.when >= line.when and visit.status < 400 and visit.method in (method, "GET")
        for visit in site.logs.visits
    )


def _words(line: str) -> str:
    """Return what nginx says, without time, process and client."""
    text = re.sub(r"^\S+ \S+ \[\w+\] [\d#]+: (?:\*\d+ )?", "", line)
    return text.partition(", client: ")[0][:300]
