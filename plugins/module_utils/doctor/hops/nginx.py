# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether nginx runs, its configuration, its ports, certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import certificates, judge_nginx_log, judge_reach, judge_unit, nginx_refusals, ways
from ..evidence import Host, Site
from ..fault import ADVICE, BROKEN, DEGRADED, UNKNOWN, Fault, Faults
from ..fixes import BY_HAND, is_masked, start
from ..judge_serving import temporaries, unresolved

FAULTS = Faults(
    "nginx",
    {
        "nginx.missing": [],
        "nginx.ipv6": [],
        "nginx.key": [],
        "nginx.upstream-name": [],
        "nginx.config": ["nginx.ipv6", "nginx.key", "host.disk-full"],
        "nginx.port-taken": [],
        "nginx.stopped": [
            *("nginx.config", "nginx.upstream-name", "nginx.port-taken", "nginx.ipv6", "nginx.key", "host.disk-full"),
        ],
        "nginx.renewal-off": [],
        "nginx.renewal-failing": ["firewalld.closed"],
        "nginx.certificate-placeholder": ["firewalld.closed"],
        "nginx.certificate-not-reloaded": ["nginx.config", "nginx.key", "nginx.ipv6", "name.other-server"],
        "nginx.certificate": ["nginx.certificate-not-reloaded", "nginx.certificate-placeholder"],
        "nginx.certificate-expired": [
            *("nginx.certificate-not-reloaded", "nginx.certificate-placeholder", "nginx.renewal-off"),
            *("nginx.renewal-failing", "host.clock"),
        ],
        "nginx.certificate-not-yet-valid": ["host.clock"],
        "nginx.certificate-name": [
            *("nginx.certificate-not-reloaded", "nginx.certificate-placeholder", "name.other-server"),
        ],
        "nginx.certificate-expires": [
            *("nginx.certificate-not-reloaded", "nginx.renewal-off", "nginx.renewal-failing"),
        ],
        "nginx.certificate-chain": ["nginx.certificate-not-reloaded"],
        "nginx.certificate-untrusted": ["nginx.certificate-not-reloaded"],
        "nginx.maintenance": [],
        "nginx.scheme-untold": [],
        "nginx.untrusted-proxy": [],
        "nginx.redirect-loop": ["nginx.scheme-untold", "nginx.untrusted-proxy"],
        "nginx.redirect-dead": [],
        "nginx.loopback-only": [],
        "nginx.no-ssl": [],
        "nginx.temp-path": [],
        "nginx.unexamined": [],
        "nginx.not-listening": [],
        "nginx.untested": [],
        "nginx.outside-systemd": [],
        "nginx.not-reloaded": [],
        "nginx.not-enabled": [],
        "nginx.errors": [
            *("location", "socket", "uwsgi", "app", "django", "database", "static", "media", "host", "name"),
            *("nginx.config", "nginx.not-reloaded", "nginx.not-listening"),
        ],
    },
)


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    nginx = host.nginx
    if not nginx.installed:
        fix = "run pyweb.stack.site; by hand: install the package nginx"
        yield FAULTS.fault("nginx.missing", BROKEN, "nginx is not installed", fix)
        return
    yield from _configuration(host)
    if not nginx.master:
        yield from _stopped(site, host)
        return
    for entrance in site.entrances:
        if entrance.server and not any(listener.port == entrance.port for listener in host.listeners):
            yield FAULTS.fault(
                "nginx.not-listening",
                BROKEN,
                f"nginx runs, but does not listen on port {entrance.port}: it was not reloaded, or the reload failed",
                "systemctl reload nginx, then read its error log",
                [f"listen {entrance.port} in {entrance.server.place}; no socket there"],
            )
    yield from certificates.judge(FAULTS, site, host, seen)
    yield from ways.judge(FAULTS, site, seen)
    yield from judge_reach.judge(FAULTS, site, host)
    yield from judge_nginx_log.judge(FAULTS, site)
    yield from temporaries(FAULTS, site, host)
    for what in site.unexamined:
        cause = f"{what}: this check failed; this is a bug in pyweb.stack, please report it"
        yield FAULTS.fault("nginx.unexamined", UNKNOWN, cause, "the rest of the report is not affected")
    if nginx.tested.status is None:
        cause = "nginx -T did not finish: the configuration was read from the files"
        yield FAULTS.fault("nginx.untested", UNKNOWN, cause, "nginx -t")
    if nginx.unit.get("ActiveState") == "failed" and nginx.master.unit != "nginx.service":
        yield FAULTS.fault(
            "nginx.outside-systemd",
            DEGRADED,
            f"nginx runs as process {nginx.master.pid}, which systemd did not start: nginx.service has failed, and "
            "systemctl cannot reload or restart the running process",
            f"kill -QUIT {nginx.master.pid}; systemctl reset-failed nginx; systemctl start nginx",
            [f"nginx.service: failed/{nginx.unit.get('SubState', '')}", f"{nginx.master}"],
        )
    if nginx.changed and nginx.tested.status == 0:
        yield FAULTS.fault(
            "nginx.not-reloaded",
            DEGRADED,
            f"{nginx.changed[0]} was changed after nginx read it: the running nginx still uses the older configuration",
            "nginx -t && systemctl reload nginx",
            [f"newer than the workers: {', '.join(nginx.changed[:3])}"],
        )
    unit = nginx.unit
    if unit.get("UnitFileState") == "disabled" and nginx.master.unit == unit.get("Id") == "nginx.service":
        yield FAULTS.fault(
            "nginx.not-enabled",
            DEGRADED if site.managed else ADVICE,
            "nginx runs, but nginx.service is disabled: nothing starts it at the next boot",
            "systemctl enable nginx",
            ["nginx.service: disabled"],
        )
    seen.append(f"process {nginx.master.pid} with {len(nginx.workers)} workers as {nginx.worker_name}; nginx -t is ok")


def _configuration(host: Host) -> Iterator[Fault]:
    """Judge the output of `nginx -T`, or if there is none the log of a failed start."""
    nginx = host.nginx
    status = DEGRADED if nginx.master else BROKEN
    works = (
        f"nginx still runs as process {nginx.master.pid} with the previous configuration"
        if nginx.master
        else "nginx does not run"
    )
    said = _said(host)
    no_ipv6 = re.search(r"socket\(\) (\[\S+) failed \(97: [^)]*\)", said)
    key = re.search(r'SSL_CTX_use_PrivateKey\("?([^")]+)"?\) failed .*key values mismatch', said)
    if no_ipv6:
        yield FAULTS.fault(
            "nginx.ipv6",
            status,
            f"nginx is configured to listen on {no_ipv6[1]}, but this host has no IPv6; {works}",
            "nginx_ipv6: auto (or false), then run pyweb.stack.site; by hand: remove the listen [::] lines (nginx -T "
            "2>/dev/null | grep -n 'listen .*\\[' shows them), then systemctl restart nginx",
            [no_ipv6[0], f"/proc/net/if_inet6 {'has addresses' if host.ipv6 else 'is empty or missing'}"],
        )
    if key:
        yield FAULTS.fault(
            "nginx.key",
            status,
            f"the private key {key[1]} does not belong to its certificate; {works}",
            "use the key that belongs to the certificate, then nginx -t && systemctl reload nginx",
            [key[0]],
        )
    names = list(unresolved(FAULTS, host, said, works))
    yield from names
    message = _message(nginx.tested.err)
    if nginx.tested.status and not no_ipv6 and not key and not names:
        yield FAULTS.fault(
            "nginx.config",
            status,
            f"the configuration of nginx is broken{': ' if message else ''}{nginx_refusals.words(message)}; {works}"
            + (", and its next start will fail" if nginx.master else ""),
            _correct(host, message),
            [message or "nginx -t failed"],
        )


def _correct(host: Host, message: str) -> str:
    """Return the fix of a configuration that nginx rejects: a run writes its own files again."""
    by_hand = nginx_refusals.fix(message, host.nginx.master is not None)
    return f"pyweb.stack.site writes {host.nginx.ours} again{BY_HAND}{by_hand}" if host.nginx.ours else by_hand


def _stopped(site: Site, host: Host) -> Iterator[Fault]:
    nginx = host.nginx
    refused = re.search(r"(?:bind|listen)\(\) to (\S+) failed \(98: [^)]*\)", _said(host))
    taken = sorted({entrance.port for entrance in site.entrances} & {listener.port for listener in host.listeners})
    if refused or taken:
        port = refused[1] if refused else str(taken[0])
        number = int(port.rpartition(":")[2])
        holder = host.holders.get(number, "another program")
        yield FAULTS.fault(
            "nginx.port-taken",
            BROKEN,
            f"port {number} is in use by {holder}: nginx cannot listen there",
            f"stop that program (ss -ltnp 'sport = :{number}'), then systemctl start nginx",
            [refused[0] if refused else f"{port}: a listening socket of {holder}"],
        )
    unit = nginx.unit
    state = f"{unit.get('ActiveState', 'no unit')}/{unit.get('SubState', '')}"
    failed = unit.get("ActiveState") == "failed" or unit.get("SubState") == "auto-restart"
    cause, fix, words = "nginx failed to start" if failed else "nginx is stopped", start("nginx"), []
    why = judge_unit.reason_of(unit, nginx.log, {}) if failed else None
    if why:
        cause, fix, words = f"{cause}: {why[0]}", why[1], why[2]
    elif is_masked(unit):
        cause = f"{cause}, and nginx.service is masked, so systemd cannot start it"
        fix = start("nginx", masked=True)
    yield FAULTS.fault("nginx.stopped", BROKEN, cause, fix, [f"nginx.service: {state}", *words])


def _said(host: Host) -> str:
    """Return nginx's error message: about a configuration that it rejects, else from its last start."""
    nginx = host.nginx
    return _message(nginx.tested.err) if nginx.tested.status else "\n".join(nginx.log.splitlines()[-15:])


def _message(text: str) -> str:
    """Return the first line that is an error, without nginx's name or the time before it."""
    lines = [line for line in text.splitlines() if re.search(r"\[(emerg|crit|alert|error)\]|invalid", line)]
    return (
        re.sub(r"^nginx: |^\S+ \S+ \[", lambda found: "[" if found[0].endswith("[") else "", lines[0]) if lines else ""
    )
