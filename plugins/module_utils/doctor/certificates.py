# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge the certificates of a site and their renewal, from the evidence. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..tls import watch
from ..tls.openssl import Certificate, day
from .evidence import Entrance, Host, Site
from .evidence_tls import CertificateFile, Renewal
from .fault import BROKEN, DEGRADED, Fault, Faults
from .names import reserved

# certbot renews a third of the lifetime before its end, and no later than this in days: it has tried for weeks by then.
_LATE, _DAY = 14, 86400
_RELOAD = "nginx -t && systemctl reload nginx"
_AGAIN = "pyweb.stack.site"


def judge(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    """Yield what is wrong with the certificates of a site, each thing once."""
    told: set[tuple[str, str]] = set()
    for fault in _all(faults, site, host, seen):
        if (fault.name, fault.cause) not in told:
            told.add((fault.name, fault.cause))
            yield fault


def _all(faults: Faults, site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    secure = [entrance for entrance in site.entrances if entrance.tls]
    for entrance in secure:
        if entrance.certificate:
            yield _refused(faults, entrance, site)
        if not site.https.placeholder:
            yield from _of_the_file(faults, entrance, site)
            yield from _late(faults, entrance, site, host)
            yield from _nobodys(faults, entrance, site)
        if entrance.shown.leaf:
            leaf = entrance.shown.leaf
            seen.append(f"the certificate of {entrance.domain} ends on {day(leaf.ends)}; {_issuer(leaf)}")
    if secure and site.https.placeholder:
        yield _placeholder(faults, site)
    elif secure:
        yield from _renewal(faults, site, host)


def _refused(faults: Faults, entrance: Entrance, site: Site) -> Fault:
    """Report wrong dates or names of a certificate, whoever issued it."""
    reason = entrance.certificate
    place = f" ({entrance.certificate_place})" if entrance.certificate_place else ""
    evidence = [f"TLS to {entrance.where} for {entrance.domain}: {reason}"]
    if "expired" in reason:
        cause, name = f"the certificate of {entrance.domain} has expired{place}", "nginx.certificate-expired"
        fix = "renew it (certbot renew, or install a new file), then systemctl reload nginx; also check the clock"
    elif "not yet valid" in reason:
        cause, name = f"the certificate of {entrance.domain} is not valid yet{place}", "nginx.certificate-not-yet-valid"
        fix = "check the clock (timedatectl); if it is right, wait, or use a certificate that is valid now"
    elif "ismatch" in reason:
        cause, name = f"the certificate{place} is for another name than {entrance.domain}", "nginx.certificate-name"
        fix = f"use a certificate that names {entrance.domain} as ssl_certificate of this server"
        if entrance.shown.leaf:
            evidence.append(f"it is for {', '.join(entrance.shown.leaf.names[:8]) or 'no name'}")
    else:
        cause, name = f"the certificate of {entrance.domain} is not valid{place}: {reason}", "nginx.certificate"
        fix = "use another certificate as ssl_certificate of this server"
    if site.https.kind in ("selfsigned", "acme") and name != "nginx.certificate-not-yet-valid":
        fix = f"run {_AGAIN}, which gets a new one; also check the clock"
    elif site.https.kind == "certificate" and name != "nginx.certificate-not-yet-valid":
        fix = f"set web_sites[].tls of {site.name} (certificate and key), then run {_AGAIN}"
    return faults.fault(name, BROKEN, cause, fix, evidence)


def _of_the_file(faults: Faults, entrance: Entrance, site: Site) -> Iterator[Fault]:
    """Compare the file with the certificate that is served, and check that the chain is complete."""
    file, leaf = entrance.file, entrance.shown.leaf
    if not file or not file.leaf:
        return
    if leaf and leaf.fingerprint != file.leaf.fingerprint:
        yield faults.fault(
            "nginx.certificate-not-reloaded",
            BROKEN if entrance.certificate else DEGRADED,
            f"nginx still serves a certificate for {entrance.domain} that ends on {day(leaf.ends)}; the one in "
            f"{file.path} ends on {day(file.leaf.ends)}: nginx has not been reloaded since that file was written",
            f"{_take(site)}{_RELOAD}; {_next_time(site)}",
            [
                f"served: from {day(leaf.begins)} to {day(leaf.ends)}, {leaf.fingerprint[:16]}",
                f"{file.path}: from {day(file.leaf.begins)} to {day(file.leaf.ends)}, {file.leaf.fingerprint[:16]}",
            ],
        )
    if file.missing and (file.beside or file.issuer_told):
        yield faults.fault(
            "nginx.certificate-chain",
            DEGRADED,
            f"{file.path} does not contain the certificate of {file.missing}, which issued that of {entrance.domain}: "
            "some browsers download it, but programs and phones refuse the connection",
            _whole(file, site),
            [f"TLS to {entrance.where}: {entrance.shown.distrust}" if entrance.shown.distrust else "", file.place],
        )


def _take(site: Site) -> str:
    """Return the command that copies a certificate which others renew, with its separator."""
    return f"systemctl start {watch.service_unit(site.layout)}; " if site.https.kind == "path" else ""


def _next_time(site: Site) -> str:
    """Say what reloads nginx when the certificate is renewed the next time."""
    renewal = site.renewal
    if site.https.kind == "path":
        return f"systemctl enable --now {watch.path_unit(site.layout)} does that whenever the file changes"
    if site.https.kind not in ("", "none"):
        return f"{_AGAIN} restores the unit that does that after a renewal"
    if renewal.program == "certbot":
        return f"for the next time: renew_hook = systemctl reload nginx, in [renewalparams] of {renewal.file}"
    if renewal.program == "acme.sh":
        return f"for the next time: acme.sh --install-cert -d {renewal.name} --reloadcmd 'systemctl reload nginx'"
    return "for the next time: make the program that renews the file do that"


def _whole(file: CertificateFile, site: Site) -> str:
    if site.https.kind == "certificate":
        return f"append the certificate of {file.missing} to `certificate` in web_sites[].tls, then run {_AGAIN}"
    if "fullchain" in file.beside.rpartition("/")[2]:
        return f"ssl_certificate {file.beside}; in {file.place}, then {_RELOAD}"
    source = file.beside or "the intermediate certificate of your CA"
    return f"append {source} to {file.path}, then {_RELOAD}"


def _late(faults: Faults, entrance: Entrance, site: Site, host: Host) -> Iterator[Fault]:
    """Report a certificate that expires soon and should have been renewed by now."""
    leaf = entrance.shown.leaf or (entrance.file.leaf if entrance.file else None)
    if not leaf:
        return
    left = leaf.ends - host.now
    if not 0 < left < min((leaf.ends - leaf.begins) / 3, _LATE * _DAY):
        return
    when = f"in {left / _DAY:.0f} days" if left >= 2 * _DAY else f"in {left / 3600:.0f} hours"
    known = site.renewal.program or site.https.kind in ("selfsigned", "acme")
    yield faults.fault(
        "nginx.certificate-expires",
        DEGRADED,
        f"the certificate of {entrance.domain} ends on {day(leaf.ends)}, {when}; "
        + ("it should have been renewed by now" if known else "no program on this host is known to renew it"),
        _renew(site, entrance),
        [f"from {day(leaf.begins)} to {day(leaf.ends)}; {_issuer(leaf)}"],
    )


def _renew(site: Site, entrance: Entrance) -> str:
    """Say what renews the certificate now."""
    if site.https.kind == "selfsigned":
        return f"{_AGAIN} creates a new one"
    if site.https.kind == "certificate":
        return f"set web_sites[].tls of {site.name} (certificate and key), then run {_AGAIN}"
    if site.renewal.program == "certbot":
        return f"certbot renew --cert-name {site.renewal.name}, which shows why it was not renewed"
    if site.renewal.program == "acme.sh":
        return f"acme.sh --renew -d {site.renewal.name}, which shows why it was not renewed"
    return f"a new certificate in {entrance.file.path if entrance.file else 'its file'}, then {_RELOAD}"


def _nobodys(faults: Faults, entrance: Entrance, site: Site) -> Iterator[Fault]:
    """Report a self-signed certificate for a public name, if the inventory does not ask for one."""
    leaf = entrance.shown.leaf
    if leaf and leaf.self_signed and site.https.kind in ("", "none") and not reserved(entrance.domain):
        place = f" ({entrance.certificate_place})" if entrance.certificate_place else ""
        yield faults.fault(
            "nginx.certificate-untrusted",
            DEGRADED,
            f"the certificate of {entrance.domain} is self-signed{place}: browsers warn every visitor",
            f"web_sites[].tls: {{acme: {{}}}}; by hand: certbot --nginx -d {entrance.domain}",
            [f"TLS to {entrance.where} for {entrance.domain}: {entrance.shown.distrust or 'self-signed'}"],
        )


def _placeholder(faults: Faults, site: Site) -> Fault:
    failures = site.renewal.failures
    said = f"; its last message was: {failures.said}" if failures.said else ""
    return faults.fault(
        "nginx.certificate-placeholder",
        BROKEN,
        f"the CA has issued no certificate for {site.domains[0]} yet, and nginx serves a temporary one{said}",
        f"run {_AGAIN}, which asks the CA again and reports what it needs",
        [f"{site.layout.tls_live}/placeholder", f"{failures.last}: {failures.said}" if failures.said else ""],
        _reached_by(failures.said),
    )


def _renewal(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    """Judge whether the certificate is renewed, by which program, and whether that succeeds."""
    renewal, managed = site.renewal, site.https.kind == "acme"
    if not renewal.program:
        return
    gone = any("expired" in entrance.certificate for entrance in site.entrances)
    status = BROKEN if gone else DEGRADED
    if renewal.off:
        fix = f"run {_AGAIN}" if managed else _revive(renewal)
        cause = f"the certificate {renewal.name} is not renewed: {renewal.off}"
        yield faults.fault("nginx.renewal-off", status, cause, fix, [renewal.file])
    elif not renewal.runs or all(trigger.why for trigger in renewal.triggers):
        yield _nothing_starts(faults, renewal, status, managed)
    if renewal.failures.said:
        failures = renewal.failures
        yield faults.fault(
            "nginx.renewal-failing",
            status,
            f"{renewal.program} has failed to renew the certificate {renewal.name} since {failures.since}: "
            f"{failures.said}",
            f"{_renew_by(renewal)} shows the same error, and whether a change helps; port 80 must be open and must "
            "lead to this host",
            [f"the last time: {failures.last}", *(trigger.ended for trigger in renewal.triggers if trigger.ended)],
            _reached_by(failures.said),
        )


def _nothing_starts(faults: Faults, renewal: Renewal, status: str, managed: bool) -> Fault:
    program = renewal.program
    fixes = [trigger.fix for trigger in renewal.triggers if trigger.fix]
    by_hand = {
        "certbot": "a line in /etc/cron.d: 17 3,15 * * * root certbot -q renew",
        "acme.sh": "acme.sh --install-cronjob",
    }.get(program, "")
    later = " after the next boot" if renewal.runs else ""
    named = [f"{trigger.name}: {trigger.why}" for trigger in renewal.triggers if trigger.why]
    cause = f"nothing starts {program}{later}, so the certificate {renewal.name} is not renewed"
    return faults.fault(
        "nginx.renewal-off",
        status,
        f"{cause}: {'; '.join(named)}" if named else f"{cause}: there is no timer and no cron job",
        fixes[0] if fixes else f"run {_AGAIN}" if managed else by_hand,
        named or [f"no timer or cron job that starts {program}"],
    )


def _revive(renewal: Renewal) -> str:
    if "autorenew" in renewal.off:
        return f"remove autorenew = False from {renewal.file}"
    return "get a new certificate with certbot (certbot --nginx), or use one that another program renews"


def _renew_by(renewal: Renewal) -> str:
    if renewal.program == "certbot":
        return f"certbot renew --dry-run --cert-name {renewal.name}"
    return f"acme.sh --renew -d {renewal.name}"


def _reached_by(said: str) -> tuple[str, ...]:
    """Return the possible cause of a failure: a closed port, if the CA could not reach the host."""
    return ("firewalld.closed",) if re.search(r"(?i)time[- ]?out|refused|connect|reach", said) else ()


def _issuer(leaf: Certificate) -> str:
    return "self-signed" if leaf.self_signed else f"issued by {leaf.issuer}"
