# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What settings come to on this host: cookies without https, locale, mail server, Django's checks. Judgement only."""

from __future__ import annotations

from collections.abc import Iterator

from ..build import settings_findings
from ..nginx import match
from .evidence import Host, Site
from .fault import ADVICE, BROKEN, DEGRADED, UNKNOWN, Fault, Faults
from .fixes import manage, restart, setting

# Of Django's deploy checks those that make no sense, or harm, without https: HSTS, the redirect, secure cookies.
_OF_HTTPS = {
    f"security.{code}" for code in ("W004", "W005", "W008", "W010", "W011", "W012", "W015", "W016", "W017", "W021")
}
# What another fault says: DEBUG, and ALLOWED_HOSTS that is empty.
_SAID = {"security.W018", "security.W020"}
# Looks without which something that is broken may not have been seen.
_NEEDED = ("files", "facts", "databases")
_LOOKS = (*_NEEDED, "lines", "locale", "cookies", "assets", "mail", "checks")


def judge_settings(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    yield from _urls(faults, site)
    yield from _foreign_cookies(faults, site)
    yield from _cookies(faults, site, host)
    yield from _locale(faults, site)
    yield from _mail(faults, site)
    yield from _checks(faults, site)
    yield from _unexamined(faults, site)


def _unexamined(faults: Faults, site: Site) -> Iterator[Fault]:
    """Report each failed check once. The text of their exceptions is not shown, because it may contain a secret."""
    ended = [
        (look, str(site.inside[f"failed {look}"].get("kind") or "an exception")[:80])
        for look in _LOOKS
        if f"failed {look}" in site.inside and not (look == "checks" and "failed urls" in site.inside)
    ]
    if ended:
        cause = ", ".join(f"the check of {look} in Django ended with {kind}" for look, kind in ended)
        status = UNKNOWN if any(look in _NEEDED for look, _kind in ended) else ADVICE
        yield faults.fault("django.unexamined", status, cause, "the rest of the report is not affected")


def _urls(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge a URLconf that cannot be imported: each request fails, but for those of processes that have it already."""
    failed = site.inside.get("failed urls")
    if not failed:
        return
    answered = any(answer.status < 500 for answer in site.answers)
    fails = any(answer.status >= 500 for answer in site.answers)
    if not answered:
        what = ": every page fails"
    elif fails:
        what = "; processes that loaded them earlier still answer, others fail"
    else:
        what = "; the running processes were started before that"
    place = str(failed.get("where", ""))[:300]
    yield faults.fault(
        "django.urls",
        BROKEN if fails or not answered else DEGRADED,
        f"the URLs of the project cannot be imported: {failed['error'][:250]}{what}",
        f"correct {place or 'ROOT_URLCONF'}, then {restart(site)}",
        [failed["error"][:300], place],
    )


# --- cookies ---


def _foreign_cookies(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge cookies that are for another domain: browsers reject them, so nobody can log in."""
    names = [str(name) for name in site.inside.get("cookies", {}).get("foreign") or []]
    if names:
        own = ", ".join(site.domains[:3])
        yield faults.fault(
            "django.cookies",
            DEGRADED,
            f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} for another domain than {own}: browsers reject "
            "the cookie, forms get 403 and nobody can log in",
            f"remove {', '.join(setting(site, name) for name in names)}, or set it to the domain of the site",
            names,
        )


def _cookies(faults: Faults, site: Site, host: Host) -> Iterator[Fault]:
    facts = site.inside.get("facts", {})
    secure = [str(name) for name in facts.get("secure") or []]
    if not secure or "SECURE_SSL_REDIRECT" in secure or facts.get("https_header") or has_https(site, host):
        return
    for finding in settings_findings.refused({"secure": secure}, {}, behind_tls=False):
        places = [setting(site, name) for name in secure]
        fix = finding.fix if site.managed else f"serve the site over https; until then, change {'; '.join(places)}"
        lines = [*places, *(f"port {entrance.port}: no TLS" for entrance in site.entrances[:1])]
        yield faults.fault("django.cookies", DEGRADED, finding.text, fix, lines)


def has_https(site: Site, host: Host) -> bool:
    """Return whether visitors use https, or may do so, also to a proxy in front of nginx."""
    if not site.entrances or any(entrance.tls or entrance.greets for entrance in site.entrances):
        return True
    in_front = site.in_front
    if (
        site.inside.get("cookies", {"trusted": True}).get("trusted")
        or in_front.addresses
        or in_front.greeted
        or in_front.lines
    ):
        return True
    if match.inherited(site.chain, "set_real_ip_from") or _told(site):
        return True
    # Browsers take this computer's own names for safe.
    if all(domain == "localhost" or domain.endswith(".localhost") for domain in site.domains):
        return True
    nginx = {process.pid for process in [host.nginx.master, *host.nginx.workers] if process}
    return any(listener.port == 443 and not nginx & set(listener.pids) for listener in host.listeners)


def _told(site: Site) -> bool:
    """Return whether nginx tells Django that a request came by https, or passes on what a proxy in front says."""
    names = ("HTTPS", "HTTP_X_FORWARDED_PROTO", "UWSGI_SCHEME", "wsgi.url_scheme", "X-Forwarded-Proto")
    for directive in ("uwsgi_param", "proxy_set_header"):
        passed = match.parameters(site.chain, directive)
        for name in names:
            value = passed.get(name, "").lower()
            if value in ("on", "https", "1") or value.startswith("$http_"):
                return True
    return False


# --- locale, mail, checks ---


def _locale(faults: Faults, site: Site) -> Iterator[Fault]:
    """Judge the locale of uWSGI, whose Python takes it for the encoding of file names."""
    master = site.uwsgi.master
    environment = {**site.uwsgi.environment, **site.uwsgi.options.environment}
    if not master or "uwsgi" not in master.name.lower() or environment.get("PYTHONUTF8") == "1":
        return
    name = next((key for key in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(key)), "")
    value = environment.get(name, "") if name else ""
    gone = bool(value) and site.inside.get("locale", {}).get("there") is False and name != "LC_CTYPE"
    # One whose environment was overwritten has no PATH either.
    if value not in ("C", "POSIX") and not gone and (value or "PATH" not in environment):
        return
    what = (f"{name}={value[:40]}" if value else "no LANG") + (", which this host does not have" if gone else "")
    uploads = bool(site.inside.get("files", {}).get("media_root"))
    fix = (
        "web_sites[].env: {LANG: C.UTF-8}"
        if site.managed
        else f"Environment=LANG=C.UTF-8 in the [Service] of {site.uwsgi.unit.get('Id') or 'its unit'}, or "
        f"env = LANG=C.UTF-8 in {(site.uwsgi.options.files or ['its ini'])[0]}; then restart"
    )
    yield faults.fault(
        "django.locale",
        DEGRADED if uploads and value else ADVICE,
        f"uWSGI runs with {what}: file names with non-ASCII characters cause UnicodeEncodeError",
        fix,
        [f"{what} in the environment of pid {master.pid}"],
    )


def _mail(faults: Faults, site: Site) -> Iterator[Fault]:
    found = site.inside.get("mail", {})
    failure, kind = str(found.get("failure", ""))[:200], found.get("kind")
    if not kind:
        return
    server = f"{str(found.get('host', ''))[:200]}:{found.get('port')}"
    why = {
        "name": "whose name this host cannot resolve",
        "refused": "which refuses connections",
        "silent": "which did not answer in time",
    }.get(str(kind), "")
    if not why:
        return
    status = ADVICE if kind == "silent" else DEGRADED
    yield faults.fault(
        "django.mail",
        status,
        f"mail goes to {server}, {why}: {failure}",
        f"correct {setting(site, 'EMAIL_HOST')}, or start that mail server",
        [f"connect to {server}: {failure}"],
    )


def _checks(faults: Faults, site: Site) -> Iterator[Fault]:
    found = site.inside.get("checks", {}).get("found") or []
    left_out = _SAID | (_OF_HTTPS if not any(entrance.tls for entrance in site.entrances) else set())
    said = [check for check in found if check.get("id") not in left_out]
    if not said or not site.places.home:
        return
    errors = [check for check in said if check.get("level") == "error"]
    names = ", ".join(str(check.get("id"))[:60] for check in (errors or said)[:4])
    what = "errors, which make migrate and collectstatic fail" if errors else "warnings"
    yield faults.fault(
        "django.checks",
        ADVICE,
        f"Django's check --deploy reports {what}: {names}",
        f"{manage(site)} check --deploy",
        [f"{check.get('id')}: {check.get('text') or 'a check of the project or of a package'}"[:300] for check in said],
    )
