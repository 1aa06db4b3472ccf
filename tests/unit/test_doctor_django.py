"""Django's settings, errors and slowness. What the doctor says of each fault, word by word."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from doctor_evidence import DUMP, Case, answer, check, evidence, faults_of, put

LATE = 'x: upstream timed out (110: Connection timed out) while reading response header, request: "GET /slow HTTP/1.1"'
RAISED = (
    "Traceback (most recent call last):\nKeyError: 1\n"
    "Traceback (most recent call last):\n  x\nshop.models.Cart.DoesNotExist: no cart\n"
)


def limit(site, text):
    """A read_timeout in the location of the site."""
    site.chain[-1].block.append(dump.Directive(*text))


def settings(site, **values):
    put(site.inside["settings"], **values)


def silent(site, **more):
    put(site.probes[0], answer=None, failure="no complete answer within 2 s", **more)


CASES = [
    Case(
        "a host that is refused",
        lambda site, host: (
            settings(site, refused=["a.example", "b.example"], allowed_hosts=["x"]),
            put(site.uwsgi, log="Invalid HTTP_HOST header: 1\n  Invalid HTTP_HOST header: 2"),
        ),
        "django.allowed-hosts",
        "broken",
        "ALLOWED_HOSTS does not have a.example, b.example: Django answers 400",
        "web_sites[].domains; by hand: ALLOWED_HOSTS in the settings",
        (
            "ALLOWED_HOSTS = ['x']",
            "Invalid HTTP_HOST header: 2",
        ),
    ),
    Case(
        "an origin that is refused",
        lambda site, host: settings(site, origins=[{"origin": "https://shop.example", "sees": "http://shop.example"}]),
        "django.csrf",
        "degraded",
        (
            "forms sent from https://shop.example get 403: Django sees http://shop.example and does not"
            " trust that origin"
        ),
        (
            "web_sites[].nginx.listen and domains (they fill CSRF_TRUSTED_ORIGINS); by hand: "
            "CSRF_TRUSTED_ORIGINS = ['https://shop.example'], or uwsgi_param HTTP_HOST $http_host and "
            "SECURE_PROXY_SSL_HEADER"
        ),
        ("Origin: https://shop.example; CsrfViewMiddleware refuses it",),
    ),
    Case(
        "DEBUG in the settings",
        lambda site, host: settings(site, debug=True),
        "django.debug",
        "degraded",
        "DEBUG is on: everybody sees settings and code on an error page, and memory grows",
        "DEBUG = False in the settings (the overlay of this collection sets it)",
        ("settings.DEBUG is True",),
    ),
    Case(
        "a debug page",
        lambda site, host: put(site, debug_page=True),
        "django.debug",
        "degraded",
        "DEBUG is on: everybody sees settings and code on an error page, and memory grows",
        "DEBUG = False in the settings (the overlay of this collection sets it)",
        ("a page that is not there is answered by Django's debug page",),
    ),
    Case(
        "settings that raise",
        lambda site, host: put(site.inside, **{"failed settings": {"error": "ImproperlyConfigured: no"}}),
        "django.settings",
        "broken",
        "the settings cannot be used: ImproperlyConfigured: no",
        "mend the settings",
        ("ImproperlyConfigured: no",),
    ),
    Case(
        "a database in memory",
        lambda site, host: put(site.inside, facts={"memory": ["default"]}),
        "django.memory",
        "broken",
        "the database is SQLite in memory: each process has its own, and it is empty after every start",
        "set database: of the site, for instance sqlite:////var/lib/sites/NAME/db.sqlite3 or postgres://...",
        ("DATABASES['default']",),
    ),
    Case(
        "lines that took the development side",
        lambda site, host: put(site.inside, facts={"debug_lines": ["shop/settings.py:9: if DEBUG:"]}),
        "django.development",
        "degraded",
        (
            "DEBUG is true while the settings are imported, so these lines took the development side: "
            "shop/settings.py:9 (if DEBUG:)"
        ),
        'let the settings take it from the environment, as in DEBUG = os.environ.get("DEBUG") == "True"',
        ("shop.settings",),
    ),
    Case(
        "sessions in the memory of one of several processes",
        lambda site, host: (
            put(
                site.inside,
                facts={"sessions": {"engine": "django.contrib.sessions.backends.cache", "cache": "a.LocMemCache"}},
            ),
            put(site.uwsgi.options.values, processes=["4"]),
        ),
        "django.sessions",
        "degraded",
        (
            "sessions are in the memory of one process (LocMemCache), and the site has 4: it is chance "
            "whether a visitor stays logged in"
        ),
        "set settings: {SESSION_ENGINE: django.contrib.sessions.backends.db}, or a cache that all processes share",
        ("shop.settings",),
    ),
    Case(
        "a cache without its table",
        lambda site, host: put(site.inside, facts={"cache_tables": ["shop_cache"]}),
        "django.cache-table",
        "degraded",
        "a cache is kept in the table shop_cache, which is not there",
        "add `- manage: createcachetable` to release:, after migrate; on the host: manage createcachetable",
        ("shop.settings",),
    ),
    Case(
        "mail to nobody",
        lambda site, host: put(site.inside, facts={"mail": {"port": 25, "wanted": True, "served": False}}),
        "django.mail",
        "degraded",
        "mail goes to port 25 of this host, where no mail server listens",
        "set settings: {EMAIL_HOST: ...}, or install a mail server",
        ("shop.settings",),
    ),
    Case(
        "500 because the code is read-only",
        lambda site, host: (
            put(site.probes[0], answer=answer(500)),
            put(
                site.uwsgi,
                log="Traceback (most recent call last):\n  x\nPermissionError: [Errno 13] Permission denied: "
                "'/opt/sites/shop/builds/0123456789ab/src/uploads/a.txt'\n",
            ),
        ),
        "django.error",
        "broken",
        (
            "Django answers 500: PermissionError: [Errno 13] Permission denied: "
            "'/opt/sites/shop/builds/0123456789ab/src/uploads/a.txt'"
        ),
        "the site may not write there: set `writable: [uploads]` of the site",
        (),
    ),
    Case(
        "500 with a traceback",
        lambda site, host: (
            put(site.probes[0], answer=answer(500)),
            put(
                site.uwsgi,
                log=RAISED,
            ),
        ),
        "django.error",
        "broken",
        "Django answers 500: shop.models.Cart.DoesNotExist: no cart",
        "read the traceback in uWSGI's log",
        ("shop.models.Cart.DoesNotExist: no cart",),
    ),
    Case(
        "500 without one",
        lambda site, host: put(site.entrances[0], answer=answer(500)),
        "django.error",
        "broken",
        "Django answers 500",
        "read the traceback in uWSGI's log",
        ("status 500",),
    ),
    Case(
        "slow",
        lambda site, host: silent(site),
        "django.slow",
        "broken",
        (
            "the application is slow: no answer to / within 2 s while workers are free; nginx waits 60s"
            " and then says 504"
        ),
        "make it faster; web_sites[].nginx.read_timeout for more patience (uwsgi_read_timeout)",
        ("no complete answer within 2 s",),
    ),
    Case(
        "slow, with a time-out of its own",
        lambda site, host: (silent(site), limit(site, ("uwsgi_read_timeout", ["9s"], "n", 1))),
        "django.slow",
        "broken",
        ("the application is slow: no answer to / within 2 s while workers are free; nginx waits 9s and then says 504"),
        "make it faster; web_sites[].nginx.read_timeout for more patience (uwsgi_read_timeout)",
        ("no complete answer within 2 s",),
    ),
    Case(
        "slow over http",
        lambda site, host: (
            silent(site, speaks="http"),
            put(site, speaks="http"),
            limit(site, ("proxy_read_timeout", ["7s"], "n", 1)),
        ),
        "django.slow",
        "broken",
        ("the application is slow: no answer to / within 2 s while workers are free; nginx waits 7s and then says 504"),
        "make it faster; web_sites[].nginx.read_timeout for more patience (uwsgi_read_timeout)",
        ("no complete answer within 2 s",),
    ),
    Case(
        "a request took too long",
        lambda site, host: put(site, nginx_events=["upstream timed out while connecting", LATE]),
        "django.timeouts",
        "degraded",
        "1 request got 504 lately (GET /slow): the application is slower than uwsgi_read_timeout (60s)",
        "make it faster, or web_sites[].nginx.read_timeout",
        (
            (
                "x: upstream timed out (110: Connection timed out) while reading response header, request: "
                '"GET /slow HTTP/1.1"'
            ),
        ),
    ),
    Case(
        "two requests took too long",
        lambda site, host: put(site, nginx_events=[LATE, "upstream timed out while reading response"]),
        "django.timeouts",
        "degraded",
        "2 requests got 504 lately (?): the application is slower than uwsgi_read_timeout (60s)",
        "make it faster, or web_sites[].nginx.read_timeout",
        ("upstream timed out while reading response",),
    ),
]


@pytest.mark.parametrize(
    ("origin", "sees", "follows"),
    [
        ("https://shop.example", "http://shop.example", "nginx"),
        ("https://shop.example", "https://shop.example:81", ""),
        ("http://shop.example:81", "http://shop.example", ""),
    ],
)
def test_a_scheme_that_nginx_does_not_tell_is_why_an_origin_is_refused(origin, sees, follows):
    site, host = evidence()
    settings(site, origins=[{"origin": origin, "sees": sees}])
    text = DUMP.replace("uwsgi_param HTTPS $https if_not_empty;", "").replace("listen 80", "listen 443 ssl")
    [server] = match.servers(dump.parse(text))
    put(site.entrances[0], tls=True, server=server, wanted=[server])
    found = faults_of(verdict(site, host))
    assert found["nginx.scheme-untold"]["status"] == "degraded"
    assert found["django.csrf"]["follows"] == follows


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_django_is_named(case):
    check(case)
