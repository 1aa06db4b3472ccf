# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The outer hops: client, name, firewalld, host, nginx, location. Each looks at the evidence and names its faults."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...doctor import look_host as doctor_host
from ...doctor import look_site as doctor_look
from ...doctor.fault import BROKEN, DEGRADED, UNKNOWN, Fault, good
from ...doctor.look_host import Host
from ...doctor.look_site import Entrance, Site
from ...nginx import dump as nginx_dump


def judge_client(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for one in site.entrances:
        asked = f"GET {one.url}{site.path} at {one.address}"
        if one.answer:
            said = f"{asked} -> {one.answer.status} {one.answer.reason} in {one.answer.seconds:.2f} s"
            if good(one.answer.status, site):
                seen.append(said)
                continue
            meaning = {
                400: "a client gets 400 Bad Request",
                404: "a client gets 404 Not Found",
                413: "a client gets 413: its request is too large",
                500: "a client gets 500: the application failed",
                502: "a client gets 502: nginx got no usable answer from behind",
                503: "a client gets 503: what is behind says that it cannot serve now",
                504: "a client gets 504: nginx waited in vain for what is behind it",
            }.get(one.answer.status, f"a client gets {one.answer.status}")
            yield Fault("client.status", BROKEN, meaning, "see the hop that it follows from", [said])
        elif one.errno and "within" not in one.failure:
            cause = f"nobody accepts connections at {one.address}:{one.port}"
            yield Fault("client.no-connection", BROKEN, cause, "see nginx", [f"{asked}: {one.failure}"])
        else:
            cause = "a client gets no answer"
            yield Fault(
                "client.no-answer", BROKEN, cause, "see the hop that it follows from", [f"{asked}: {one.failure}"]
            )


def judge_name(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    config = host.nginx.config
    for domain in site.domains:
        if config and not any(one.matches(domain) for one in config.servers):
            answers = next((one.server for one in site.entrances if one.domain == domain and one.server), None)
            names = sorted({name for one in config.servers for name in one.names if name not in ("", "_")})
            yield Fault(
                "name.no-server",
                BROKEN,
                f"no server of nginx has the name {domain}"
                + (f"; the one in {answers.place} answers in its place" if answers else ""),
                f"web_sites[].domains of {site.name}, then playbooks/site.yml; by hand: server_name {domain};",
                [f"server_name: {' '.join(names[:8]) or 'none'}"],
            )
        resolved = site.resolved.get(domain)
        if doctor_look.reserved(domain):
            seen.append(f"{domain} is a reserved name, which no public DNS knows")
        elif resolved and set(resolved.split()) & {*host.addresses, "127.0.0.1", "::1"}:
            seen.append(f"{domain} -> {resolved}")
        else:
            what = f"is {resolved}, which is no address of this host" if resolved else "is not known to its resolver"
            yield Fault(
                "name.elsewhere",
                UNKNOWN,
                f"seen from this host {domain} {what}: fine behind a balancer or NAT, wrong without one",
                f"compare the DNS record of {domain} with {', '.join(host.addresses)}",
                [f"getent ahosts {domain}: {resolved or 'nothing'}"],
            )
    for one in site.entrances:
        if one.wanted and one.server and one.server not in one.wanted:
            yield Fault(
                "name.other-server",
                BROKEN,
                f"another server answers for {one.host}: the one in {one.server.place} listens on "
                f"{', '.join(map(str, one.server.listens))}, which nginx prefers to {one.wanted[0].place}",
                f"remove that server, or let both listen on the same address ({one.server.place})",
                [f"listen {one.server.listens[0]} in {one.server.place}"],
            )
        elif len(one.wanted) > 1 and one.server and not _passes(one.server, site) and _passing(one, site):
            yield Fault(
                "name.other-server",
                BROKEN,
                f"another server with the name {one.domain} answers: the one in {one.server.place} is read before "
                f"{_passing(one, site)}",
                f"remove the name from one of the two, or the file {one.server.place.rpartition(':')[0]}",
                [f"server_name {' '.join(one.server.names)}; in {one.server.place}"],
            )


def judge_firewalld(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    wall = host.firewall
    if not wall.installed:
        seen.append("firewalld is not installed: it filters nothing")
        return
    if not wall.answered:
        cause = "firewall-cmd does not answer: nobody can say what firewalld lets in"
        yield Fault(
            "firewalld.silent", UNKNOWN, cause, "systemctl status firewalld", [wall.error or "no answer in time"]
        )
        return
    if not wall.running:
        if not wall.enabled:
            seen.append("firewalld is installed but not enabled: it filters nothing")
            return
        yield Fault(
            "firewalld.stopped",
            DEGRADED,
            "firewalld is enabled but not running: the site is reachable, and so is everything else on this host",
            "systemctl start firewalld",
            [wall.error or "firewall-cmd --state: not running"],
        )
        return
    opened = [*wall.ports, *(port for one in wall.services for port in doctor_host.service_ports(one))]
    for port in sorted({one.port for one in site.entrances}):
        if wall.target == "ACCEPT" or any(_port_in(port, one) for one in opened):
            seen.append(f"zone {wall.zone} lets {port}/tcp in")
        elif any(f'port="{port}"' in rule or "service" in rule for rule in wall.rules):
            seen.append(f"zone {wall.zone} has a rich rule for {port}/tcp")
        else:
            service = {80: "--add-service=http", 443: "--add-service=https"}.get(port, f"--add-port={port}/tcp")
            yield Fault(
                "firewalld.closed",
                BROKEN,
                f"firewalld does not let {port}/tcp in: zone {wall.zone} is closed for it",
                f"firewall-cmd {service} && firewall-cmd --permanent {service} "
                f"(firewalld_ports, or web_sites[].nginx.listen with playbooks/site.yml)",
                [f"zone {wall.zone}: services {' '.join(wall.services)}; ports {' '.join(wall.ports) or 'none'}"],
            )


def judge_host(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    for full in site.full:
        place = full.partition(":")[0]
        yield Fault(
            "host.disk-full",
            BROKEN,
            f"the disk is full: the file system of {place} has no room left",
            f"free room: du -xh {place} | sort -h | tail; journalctl --vacuum-size=200M",
            [full],
        )
    off = host.now - host.controller_time if host.controller_time else 0.0
    # A minute is what sessions and one-time codes bear; a module call takes seconds.
    if abs(off) > 60:
        yield Fault(
            "host.clock",
            BROKEN,
            f"the clock is wrong: it is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the controller's; "
            "sessions, certificates and tokens end too early or are not valid yet",
            "timedatectl set-ntp true, then chronyc makestep",
            [f"host {host.now:.0f}, controller {host.controller_time:.0f}, synchronized: {host.synchronized or '?'}"],
        )
    if not site.full:
        seen.append("room on every file system of the site" + ("; the clock is right" if abs(off) <= 60 else ""))


def judge_nginx(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    nginx = host.nginx
    if not nginx.installed:
        yield Fault(
            "nginx.missing", BROKEN, "nginx is not installed", "playbooks/site.yml, or install the package nginx"
        )
        return
    message = _nginx_message(nginx.tested.err)
    works = f"the one from before still runs as process {nginx.master.pid}" if nginx.master else "nginx does not run"
    said = message if nginx.tested.status else "\n".join(nginx.log.splitlines()[-15:])
    reason = re.search(r"(?:bind|listen)\(\) to (\S+) failed \(98: [^)]*\)", said)
    no_ipv6 = re.search(r"socket\(\) (\[\S+) failed \(97: [^)]*\)", said)
    key = re.search(r'SSL_CTX_use_PrivateKey\("?([^")]+)"?\) failed .*key values mismatch', said)
    status = DEGRADED if nginx.master else BROKEN
    if no_ipv6:
        yield Fault(
            "nginx.ipv6",
            status,
            f"nginx shall listen on {no_ipv6[1]}, and this host has no IPv6; {works}",
            "nginx_ipv6: auto (or false); by hand: remove the listen [::] lines",
            [no_ipv6[0], f"/proc/net/if_inet6 {'has addresses' if host.ipv6 else 'is empty or missing'}"],
        )
    if key:
        yield Fault(
            "nginx.key",
            status,
            f"the private key {key[1]} does not belong to its certificate; {works}",
            "put the key beside the certificate that was made for it, then nginx -t && systemctl reload nginx",
            [key[0]],
        )
    if nginx.tested.status and not no_ipv6 and not key:
        yield Fault(
            "nginx.config",
            status,
            f"the configuration of nginx is broken; {works}" + (", and the next start fails" if nginx.master else ""),
            "mend the line that nginx names, then nginx -t && systemctl reload nginx",
            [message or "nginx -t failed"],
        )
    if not nginx.master:
        taken = sorted({one.port for one in site.entrances} & {one.port for one in host.listeners})
        if reason or taken:
            port = reason[1] if reason else str(taken[0])
            number = int(port.rpartition(":")[2])
            pids = [pid for one in host.listeners if one.port == number for pid in one.pids]
            who = next((str(host.table[pid]) for pid in pids if pid in host.table), "another program")
            yield Fault(
                "nginx.port-taken",
                BROKEN,
                f"port {number} is taken by {who}: nginx cannot listen there",
                f"stop that program (ss -ltnp 'sport = :{number}'), then systemctl start nginx",
                [reason[0] if reason else f"{port}: a listening socket of {who}"],
            )
        state = f"{nginx.unit.get('ActiveState', 'no unit')}/{nginx.unit.get('SubState', '')}"
        cause = "nginx is stopped" if nginx.unit.get("ActiveState") != "failed" else "nginx failed to start"
        yield Fault("nginx.stopped", BROKEN, cause, "systemctl start nginx", [f"nginx.service: {state}"])
        return
    for one in site.entrances:
        if one.certificate:
            yield _certificate(one)
        held = [listener for listener in host.listeners if listener.port == one.port]
        if not held and one.server:
            yield Fault(
                "nginx.not-listening",
                BROKEN,
                f"nginx runs, but does not listen on port {one.port}: it was not reloaded, or the reload failed",
                "systemctl reload nginx, then look into its error log",
                [f"listen {one.port} in {one.server.place}; no socket there"],
            )
    if nginx.tested.status is None:
        yield Fault(
            "nginx.untested", UNKNOWN, "nginx -T does not end: its configuration was read from the files", "nginx -t"
        )
    if nginx.changed and nginx.tested.status == 0:
        yield Fault(
            "nginx.not-reloaded",
            DEGRADED,
            f"{nginx.changed[0]} was changed after nginx read it: what runs is older than what is written",
            "nginx -t && systemctl reload nginx",
            [f"newer than the workers: {', '.join(nginx.changed[:3])}"],
        )
    seen.append(f"process {nginx.master.pid} with {len(nginx.workers)} workers as {nginx.worker.name}; nginx -t is ok")


def judge_location(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    if not host.nginx.config or not any(one.wanted for one in site.entrances):
        return
    if not site.handler or not site.handler.name.endswith("_pass"):
        what = f"has `{site.handler}`" if site.handler else "serves files"
        place = site.chain[-1].place if site.chain else "?"
        yield Fault(
            "location.no-pass",
            BROKEN,
            f"nginx does not hand {site.path} to an application: its location in {place} {what}",
            "web_sites with playbooks/site.yml; by hand: uwsgi_pass in location /",
            [f"{site.chain[-1]} in {place}" if site.chain else ""],
        )
        return
    seen.append(f"{site.path} -> {site.handler} in {site.handler.place}")
    large = [one for one in site.nginx_events if "client intended to send too large body" in one]
    if large:
        limit = nginx_dump.inherited(site.chain, "client_max_body_size")
        size = re.search(r"too large body: (\d+)", large[-1])
        yield Fault(
            "location.body-size",
            DEGRADED,
            f"an upload of {size[1] if size else '?'} bytes was refused with 413: client_max_body_size is "
            f"{limit.args[0] if limit else '1m (the default)'}",
            "web_sites[].nginx.client_max_body_size; by hand: client_max_body_size in the server",
            [large[-1]],
        )


def _certificate(one: Entrance) -> Fault:
    reason = one.certificate
    place = f" ({one.certificate_place})" if one.certificate_place else ""
    if "expired" in reason:
        cause, name = f"the certificate of {one.domain} has expired{place}", "nginx.certificate-expired"
        mend = "renew it (certbot renew, or a new file), then systemctl reload nginx; check the clock, too"
    elif "not yet valid" in reason:
        cause, name = f"the certificate of {one.domain} is not valid yet{place}", "nginx.certificate-expired"
        mend = "check the clock (timedatectl), or wait"
    elif "ismatch" in reason:
        cause, name = f"the certificate{place} is for another name than {one.domain}", "nginx.certificate-name"
        mend = f"a certificate that names {one.domain}, as ssl_certificate of this server"
    else:
        cause, name = f"the certificate of {one.domain} is not right{place}: {reason}", "nginx.certificate"
        mend = "another certificate as ssl_certificate of this server"
    return Fault(name, BROKEN, cause, mend, [f"TLS to {one.where} for {one.domain}: {reason}"])


def _passes(server: nginx_dump.Server, site: Site) -> bool:
    handler = nginx_dump.handler(nginx_dump.locate(server, site.path))
    return handler is not None and (handler.name.endswith("_pass") or handler.args[:1] in (["301"], ["302"], ["308"]))


def _passing(one: Entrance, site: Site) -> str:
    """The place of another server of that name and port which hands over to an application."""
    return next(
        (
            server.place
            for server in one.wanted
            if server is not one.server and _passes(server, site) and one.port in [item.port for item in server.listens]
        ),
        "",
    )


def _port_in(port: int, opened: str) -> bool:
    low, _dash, high = opened.partition("/")[0].partition("-")
    return opened.endswith("/tcp") and low.isdigit() and int(low) <= port <= int(high or low)


def _nginx_message(text: str) -> str:
    lines = [line for line in text.splitlines() if re.search(r"\[(emerg|crit|alert|error)\]|invalid", line)]
    return re.sub(r"^nginx: |^\S+ \S+ \[", lambda one: "[" if one[0].endswith("[") else "", lines[0]) if lines else ""
