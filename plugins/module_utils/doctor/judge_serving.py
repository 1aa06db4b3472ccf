# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge what nginx's directives say of names, files, temporary files and the servers of an upstream."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .evidence import Host, Probe, Site
from .evidence_directives import Conflict
from .fault import ADVICE, BROKEN, DEGRADED, Fault, Faults
from .questions import good

_RELOAD = "nginx -t && systemctl reload nginx"


def conflicts(faults: Faults, site: Site) -> Iterator[Fault]:
    """Yield the names that two servers have: nginx warns, and ignores the second."""
    for conflict in site.directives.conflicts:
        evidence = [
            conflict.warning or f"server_name {conflict.name} on {conflict.listen}, twice",
            f"nginx reads {conflict.serving} first, and ignores the name in {conflict.ignored}",
        ]
        if conflict.ours:
            yield faults.fault(
                "name.other-server",
                BROKEN,
                f"conflicting server name {conflict.name} on {conflict.listen}: another server with the name answers, "
                f"the one in {conflict.serving}, which nginx reads first; the site's server, in {conflict.ignored}, is "
                "ignored",
                f"remove the name from one of the two, or the file {_file(conflict.serving)}; then {_RELOAD}",
                evidence,
            )
        else:
            yield _harmless(faults, conflict, evidence)


def _harmless(faults: Faults, conflict: Conflict, evidence: Sequence[str]) -> Fault:
    lost = conflict.differs and conflict.live
    return faults.fault(
        "name.conflict",
        DEGRADED if lost else ADVICE,
        f"conflicting server name {conflict.name} on {conflict.listen}: nginx takes the server in {conflict.serving}, "
        f"and ignores the one in {conflict.ignored}" + (", though its application runs" if lost else ""),
        f"remove the name from {conflict.ignored}, or the file; then {_RELOAD}",
        evidence,
    )


def has_fallback(faults: Faults, site: Site, domain: str, seen: list[str]) -> Iterator[Fault]:
    """Judge a domain that no server has the name of, and that another one answers for."""
    fallback = site.directives.fallbacks[domain]
    if fallback.explicit:
        seen.append(f"no server has the name {domain}: the default server in {fallback.place} answers")
        return
    yield faults.fault(
        "name.no-server",
        ADVICE,
        f"no server of nginx has the name {domain}; the one in {fallback.place} answers because it is the only one "
        "there",
        f"set server_name {domain}; in {fallback.place}, then {_RELOAD}",
        [f"no other server of its address than {fallback.place} has an application"],
    )


def taken(faults: Faults, site: Site) -> Iterator[Fault]:
    """Yield the files that are handled by another location than the one for their prefix."""
    for found in site.directives.taken:
        if found.kind != faults.hop:
            continue
        does = f"passes it on: {found.passed}" if found.passed else f"looks for {found.file or 'a file of variables'}"
        prefix = found.meant.split()[-1]
        yield faults.fault(
            f"{faults.hop}.location-taken",
            BROKEN if faults.hop == "static" else DEGRADED,
            f"{found.location} in {found.place} takes {found.uri} from {found.meant} in "
            f"{found.meant_place}, and {does}",
            f"location ^~ {prefix} in {found.meant_place}: then no regular expression is tried; {_RELOAD}",
            [f"{found.location} in {found.place}", f"{found.meant} in {found.meant_place}"],
        )


def temporaries(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Yield the directories of temporary files that nginx's worker cannot use."""
    for found in site.directives.temporaries:
        large = "requests with more than 16k (uploads, forms) get 500"
        if not found.directive.startswith("client"):
            large = "answers larger than nginx's buffers are cut off"
        words = [event for event in site.nginx_events if found.path in event]
        yield faults.fault(
            "nginx.temp-path",
            DEGRADED,
            f"{host.nginx.worker_name} cannot use {found.path}, where nginx stores what is too large for its buffers "
            f"({found.directive}{f' in {found.place}' if found.place else ''}): {large}",
            f"{found.fix}; then systemctl restart nginx, which creates missing directories with the right owner",
            [found.why, *words[-1:]],
        )


def unresolved(faults: Faults, host: Host, said: str, works: str) -> Iterator[Fault]:
    """Yield a name that nginx could not resolve when it read its configuration."""
    found = re.search(r'host not found in (?:upstream )?"?([^"\s]+)"?.*? in (\S+:\d+)', said)
    if found:
        yield faults.fault(
            "nginx.upstream-name",
            DEGRADED if host.nginx.master else BROKEN,
            f"nginx cannot resolve {found[1]}, which {found[2]} names; {works}",
            f"correct the name in {found[2]}, or make this host resolve it (getent hosts "
            f"{found[1].partition(':')[0]}); then systemctl restart nginx",
            [found[0]],
        )


def with_others(fault: Fault, probe: Probe, site: Site) -> Fault:
    """Return a fault of one server of an upstream as it is where nginx falls back to another one."""
    if fault.status != BROKEN:
        return fault
    others = [other.address for other in site.probes if other is not probe and _works(other, site)]
    if not others:
        return fault
    if probe.address in site.directives.backups:
        fault.status, words = ADVICE, f"it is a backup: nginx uses {others[0]}"
    else:
        backup = others[0] in site.directives.backups
        fault.status, words = DEGRADED, f"nginx falls back to {'the backup ' if backup else ''}{others[0]}"
    fault.cause = f"{fault.cause}; {words}"
    return fault


def _works(probe: Probe, site: Site) -> bool:
    return not probe.connect_error and probe.answer is not None and good(probe.answer.status, site.wanted_status)


def _file(place: str) -> str:
    return place.rpartition(":")[0]
