# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ALLOWED_HOSTS, CSRF, DEBUG, errors, slowness."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...build import settings_findings
from ...host.advice import advice_on
from ...nginx import match
from .. import app_fixes, judge_pages, server_words
from ..evidence import Host, Site
from ..fault import BROKEN, DEGRADED, Fault, Faults
from ..fixes import RELOAD, restart, settings_file
from ..judge_servers import place_of
from ..judge_settings import judge_settings
from ..logs import traceback
from ..questions import all_busy, by_nginx, declared, last_match, of_uwsgi

FAULTS = Faults(
    "django",
    {
        "django.allowed-hosts": [],
        "django.csrf": ["nginx.scheme-untold", "nginx.untrusted-proxy", "location.host"],
        "django.debug": [],
        "django.settings": [],
        "django.urls": [],
        "django.error": ["app", "database", "host.disk-full", "static.uncollected", "static.manifest"],
        "django.pages": [
            *("app", "database", "host.disk-full", "static.uncollected", "static.manifest", "django.error"),
            "django.settings",
        ],
        "django.slow": ["uwsgi.busy", "database.unreachable", "socket.protocol"],
        "django.timeouts": ["uwsgi.busy", "django.slow", "database.unreachable", "uwsgi.harakiri"],
        "django.memory": [],
        "django.development": [],
        "django.sessions": [],
        "django.cache-table": ["database"],
        "django.mail": [],
        "django.cookies": [],
        "django.locale": [],
        "django.checks": [],
        "django.unexamined": [],
    },
)

# What `settings_findings` sets in the inventory, as lines of the settings.
BY_HAND = {
    "memory": "set DATABASES['default']['NAME'] = a file in a permanent directory, or a database server,",
    "debug": "set DEBUG = os.environ.get('DEBUG') == 'True' before the lines that use it,",
    "sessions": "set SESSION_ENGINE = 'django.contrib.sessions.backends.db', or a cache that all processes share,",
    "cache-table": "python manage.py createcachetable, which creates the table that CACHES names",
    "mail": "set EMAIL_BACKEND = 'django.core.mail.backends.smtp.EmailBackend' and EMAIL_HOST",
}


def judge(site: Site, host: Host, seen: list[str]) -> Iterator[Fault]:
    settings = site.inside.get("settings", {})
    yield from _settings(site)
    failed = any(answer.status == 500 and not by_nginx(answer.status, answer.body) for answer in site.answers)
    if failed and f"GET {site.path}" not in judge_pages.of_nginx(site):
        reason = traceback(site.uwsgi.log) or traceback(site.logs.app_log) or judge_pages.asked_again(site)
        cause = f"Django answers 500{': ' + reason if reason else ''}"
        evidence = [reason or "status 500"]
        known = "" if site.managed else app_fixes.fix(site, reason)
        advice = known or advice_on(reason, reason)
        mixed = server_words.interface(reason)
        if mixed[0]:
            cause, advice = f"{cause}: {mixed[0]}", f"{mixed[1]} ({place_of(site)}), then {restart(site)}"
        fix = advice or judge_pages.where_to_look(site, reason)
        yield FAULTS.fault("django.error", BROKEN, cause, fix, evidence)
    yield from judge_pages.judge(FAULTS, site)
    yield from _slowness(site)
    yield from _throw_away(site)
    yield from judge_settings(FAULTS, site, host)
    if settings:
        version = site.inside.get("django", {}).get("version", "?")
        seen.append(f"Django {version}, {settings.get('module', '')}, DEBUG off")


def _settings(site: Site) -> Iterator[Fault]:
    settings = site.inside.get("settings", {})
    if settings.get("refused"):
        yield FAULTS.fault(
            "django.allowed-hosts",
            BROKEN,
            f"ALLOWED_HOSTS does not contain {', '.join(settings['refused'])}: Django answers 400",
            "set web_sites[].domains, then run pyweb.stack.site; by hand: set ALLOWED_HOSTS = "
            f"{sorted({*(settings.get('allowed_hosts') or []), *settings['refused']})} in "
            f"{settings_file(site, 'ALLOWED_HOSTS')}, then {restart(site)}",
            [
                f"ALLOWED_HOSTS = {settings.get('allowed_hosts')}",
                *last_match(site.uwsgi.log, r".*Invalid HTTP_HOST.*"),
            ],
        )
    for refused in settings.get("origins", []):
        yield FAULTS.fault(
            "django.csrf",
            DEGRADED,
            f"forms sent from {refused['origin']} get 403: Django sees {refused['sees']} and does not trust that "
            "origin",
            "web_sites[].nginx.listen and domains determine CSRF_TRUSTED_ORIGINS; by hand: set CSRF_TRUSTED_ORIGINS = "
            f"['{refused['origin']}'] in {settings_file(site, 'CSRF_TRUSTED_ORIGINS')}, or uwsgi_param HTTP_HOST "
            "$http_host and SECURE_PROXY_SSL_HEADER",
            [f"Origin: {refused['origin']}; CsrfViewMiddleware refuses it"],
            None
            if refused["origin"].startswith("https:") and refused["sees"].startswith("http:")
            else ("location.host",),
        )
    if site.debug_page or settings.get("debug"):
        page = "Django answers a missing page with its debug page"
        yield FAULTS.fault(
            "django.debug",
            DEGRADED,
            "DEBUG is on: error pages show settings and code to everyone, and memory usage grows",
            "DEBUG = False in the settings (the overlay sets it); pyweb.stack.site; by hand: set DEBUG = False in "
            f"{settings_file(site, 'DEBUG')}, then {restart(site)}",
            [page if site.debug_page else "settings.DEBUG is True"],
        )
    if "failed settings" in site.inside:
        error = site.inside["failed settings"]["error"]
        cause = f"the settings cannot be used: {error}"
        by_hand = f"correct {settings_file(site)}, then {restart(site)}"
        fix = f"correct the settings, then run pyweb.stack.deploy; by hand: {by_hand}"
        yield FAULTS.fault("django.settings", BROKEN, cause, fix, [error])


def _throw_away(site: Site) -> Iterator[Fault]:
    """Judge the settings as the run does when it builds the site."""
    facts = site.inside.get("facts", {})
    for finding in settings_findings.refused({"memory": facts.get("memory", [])}, {}, behind_tls=True):
        fix = f"{finding.fix}; by hand: {BY_HAND[finding.code]} in {settings_file(site)}, then {restart(site)}"
        yield FAULTS.fault("django.memory", BROKEN, finding.text, fix, ["DATABASES['default']"])
    processes = site.uwsgi.options.last("processes") or site.uwsgi.options.last("workers")
    workers = int(processes) if processes.isdigit() else len(site.uwsgi.workers)
    settings = site.inside.get("settings", {})
    if settings.get("debug"):  # which reports it
        facts = {**facts, "debug_lines": []}
    for finding in settings_findings.warned(facts, workers):
        name = {
            "debug": "django.development",
            "sessions": "django.sessions",
            "cache-table": "django.cache-table",
            "mail": "django.mail",
        }[finding.code]
        fix = f"{finding.fix}; by hand: {BY_HAND[finding.code]} in {settings_file(site)}, then {restart(site)}"
        yield FAULTS.fault(name, DEGRADED, finding.text, fix, [settings.get("module", "")])


def _patience(site: Site) -> str:
    """Return the line that makes nginx wait longer, and its place."""
    name = f"{'proxy' if site.speaks == 'http' else 'uwsgi'}_read_timeout"
    place = (match.inherited(site.chain, name) or site.chain[-1]).place if site.chain else "location /"
    return f"or set {name} 300s; at {place}, then {RELOAD}"


def _slowness(site: Site) -> Iterator[Fault]:
    limit = match.inherited(site.chain, f"{'proxy' if site.speaks == 'http' else 'uwsgi'}_read_timeout")
    patience = limit.args[0] if limit else "60s"
    late = [
        probe for probe in site.probes if probe.answer is None and "within" in probe.failure and not probe.connect_error
    ]
    late = [probe for probe in late if of_uwsgi(site, probe) and not site.server.stranger]
    if late and not all_busy(site) and not late[0].kind and not declared(site, late[0]):
        yield FAULTS.fault(
            "django.slow",
            BROKEN,
            f"the application is slow: no answer to {site.path} within {site.patience.answer:g} s while workers are "
            f"free; nginx waits {patience} and then answers 504",
            f"make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, {_patience(site)}",
            [late[0].failure],
        )
    events = [
        event for event in site.nginx_events if "upstream timed out" in event and "while reading response" in event
    ]
    if events:
        request = re.search(r'request: "(\S+ \S+)', events[-1])
        yield FAULTS.fault(
            "django.timeouts",
            DEGRADED,
            f"{len(events)} request{'s' if len(events) > 1 else ''} got 504 recently "
            f"({request[1] if request else '?'}): the application is slower than uwsgi_read_timeout ({patience})",
            f"make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, {_patience(site)}",
            [events[-1]],
        )
