"""Django's settings, errors and slow pages: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand_uwsgi
import doctor_logs
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import django_look
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_logs import NginxLine
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from doctor_evidence import DUMP, NOW, Case, answer, by_hand, check, evidence, faults_of, process, put

LATE = 'x: upstream timed out (110: Connection timed out) while reading response header, request: "GET /slow HTTP/1.1"'
RAISED = (
    "Traceback (most recent call last):\nKeyError: 1\n"
    "Traceback (most recent call last):\n  x\nshop.models.Cart.DoesNotExist: no cart\n"
)


def limit(site, text):
    """Add a read_timeout to the site's location."""
    site.chain[-1].block.append(dump.Directive(*text))


def settings(site, **values):
    put(site.inside["settings"], **values)


def silent(site, **more):
    put(site.probes[0], answer=None, failure="no complete answer within 2 s", **more)


def secure(site, *names):
    put(site.inside, facts={"secure": list(names)}, cookies={"trusted": False})
    # nginx does not pass the scheme on.
    put(site.chain[-1], block=[given for given in site.chain[-1].block if "HTTPS" not in given.args])


def locale(site, media="/srv/media", **environment):
    put(site.uwsgi, environment=environment, master=process(20, "uwsgi --ini x.ini"))
    put(site.inside["files"], media_root=media)
    put(site.uwsgi.unit, Id="shop.service")


def mail(site, kind, failure):
    put(site.inside, mail={"host": "mail.example", "port": 587, "kind": kind, "failure": failure})


W009 = {"id": "security.W009", "level": "warning", "text": "Your SECRET_KEY has less than 50 characters"}
SECURE = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
ASCII = "file names with non-ASCII characters cause UnicodeEncodeError"

CASES = [
    Case(
        "URLs that cannot be imported",
        lambda site, host: (
            put(site.inside, **{"failed urls": {"error": "NameError: name 'x'", "where": "/srv/code/shop/urls.py:3"}}),
            put(site.entrances[0], answer=None, failure="closed", errno=0),
            put(site.probes[0], answer=None, failure="closed"),
        ),
        "django.urls",
        "broken",
        "the URLs of the project cannot be imported: NameError: name 'x': every page fails",
        "correct /srv/code/shop/urls.py:3, then restart uWSGI",
        ("NameError: name 'x'",),
    ),
    Case(
        "URLs that could be imported at the start, but not now",
        lambda site, host: put(site.inside, **{"failed urls": {"error": "NameError: name 'x'", "where": ""}}),
        "django.urls",
        "degraded",
        "the URLs of the project cannot be imported: NameError: name 'x'; the running processes were started before "
        "that",
        "correct ROOT_URLCONF, then restart uWSGI",
    ),
    Case(
        "URLs that some processes loaded earlier",
        lambda site, host: (
            put(site.inside, **{"failed urls": {"error": "NameError: name 'x'", "where": ""}}),
            put(site.entrances[0], answer=answer(502)),
        ),
        "django.urls",
        "broken",
        "the URLs of the project cannot be imported: NameError: name 'x'; processes that loaded them earlier still "
        "answer, others fail",
        "correct ROOT_URLCONF, then restart uWSGI",
    ),
    Case(
        "secure cookies without https",
        lambda site, host: (secure(site, *SECURE), by_hand(site)),
        "django.cookies",
        "degraded",
        "SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE are true, and the site is served over http: every form answers "
        "403",
        "serve the site over https; until then, change SESSION_COOKIE_SECURE in /srv/code/shop/settings.py; "
        "CSRF_COOKIE_SECURE in /srv/code/shop/settings.py, line 12",
        ("CSRF_COOKIE_SECURE in /srv/code/shop/settings.py, line 12", "port 80: no TLS"),
    ),
    Case(
        "a session cookie for https only",
        lambda site, host: secure(site, "SESSION_COOKIE_SECURE"),
        "django.cookies",
        "degraded",
        "SESSION_COOKIE_SECURE is true, and the site is served over http: nobody can stay logged in",
        "set tls: {acme: {}} of the site, or settings: {SESSION_COOKIE_SECURE: false} as long as it has no tls; if a "
        "server in front of this host terminates TLS, set nginx: {trusted_proxies: [ADDRESS]}",
    ),
    Case(
        "uWSGI in the locale C, by hand",
        lambda site, host: (locale(site, LANG="C"), by_hand(site)),
        "django.locale",
        "degraded",
        f"uWSGI runs with LANG=C: {ASCII}",
        "Environment=LANG=C.UTF-8 in the [Service] of shop.service, or env = LANG=C.UTF-8 in /srv/uwsgi.ini; then "
        "restart",
        ("LANG=C in the environment of pid 20",),
    ),
    Case(
        "a missing locale",
        lambda site, host: (locale(site, LC_ALL="de_DE.UTF-8"), put(site.inside, locale={"there": False})),
        "django.locale",
        "degraded",
        f"uWSGI runs with LC_ALL=de_DE.UTF-8, which this host does not have: {ASCII}",
        "web_sites[].env: {LANG: C.UTF-8}",
    ),
    Case(
        "the locale C, of a site without uploads",
        lambda site, host: locale(site, media="", LC_CTYPE="POSIX", LANG="C.UTF-8"),
        "django.locale",
        "advice",
        f"uWSGI runs with LC_CTYPE=POSIX: {ASCII}",
        "web_sites[].env: {LANG: C.UTF-8}",
    ),
    Case(
        "no locale at all",
        lambda site, host: locale(site, PATH="/bin"),
        "django.locale",
        "advice",
        f"uWSGI runs with no LANG: {ASCII}",
        "web_sites[].env: {LANG: C.UTF-8}",
    ),
    Case(
        "a mail server that refuses connections",
        lambda site, host: mail(site, "refused", "Connection refused"),
        "django.mail",
        "degraded",
        "mail goes to mail.example:587, which refuses connections: Connection refused",
        "correct web_sites[].settings.EMAIL_HOST, or start that mail server",
        ("connect to mail.example:587: Connection refused",),
    ),
    Case(
        "a slow mail server",
        lambda site, host: mail(site, "silent", "timed out"),
        "django.mail",
        "advice",
        "mail goes to mail.example:587, which did not answer in time: timed out",
        "correct web_sites[].settings.EMAIL_HOST, or start that mail server",
    ),
    Case(
        "a warning of Django",
        lambda site, host: put(site.inside, checks={"found": [W009, {"id": "security.W004", "level": "warning"}]}),
        "django.checks",
        "advice",
        "Django's check --deploy reports warnings: security.W009",
        "/home/x/shop/manage check --deploy",
        ("security.W009: Your SECRET_KEY has less than 50 characters",),
    ),
    Case(
        "an error of the project's own check",
        lambda site, host: put(site.inside, checks={"found": [W009, {"id": "shop.E1", "level": "error", "text": ""}]}),
        "django.checks",
        "advice",
        "Django's check --deploy reports errors, which make migrate and collectstatic fail: shop.E1",
        "/home/x/shop/manage check --deploy",
        ("shop.E1: a check of the project or of a package",),
    ),
    Case(
        "a look that failed",
        lambda site, host: put(site.inside, **{"failed files": {"error": "KeyError: secret", "kind": "KeyError"}}),
        "django.unexamined",
        "unknown",
        "the check of files in Django ended with KeyError",
        "the rest of the report is not affected",
    ),
    Case(
        "a refused host",
        lambda site, host: (
            settings(site, refused=["a.example", "b.example"], allowed_hosts=["x"]),
            put(site.uwsgi, log="Invalid HTTP_HOST header: 1\n  Invalid HTTP_HOST header: 2"),
        ),
        "django.allowed-hosts",
        "broken",
        "ALLOWED_HOSTS does not contain a.example, b.example: Django answers 400",
        (
            "set web_sites[].domains, then run pyweb.stack.site; by hand: set ALLOWED_HOSTS = ['a.example', "
            "'b.example', 'x'] in /srv/code/shop/settings.py, then restart uWSGI"
        ),
        (
            "ALLOWED_HOSTS = ['x']",
            "Invalid HTTP_HOST header: 2",
        ),
    ),
    Case(
        "a refused origin",
        lambda site, host: settings(site, origins=[{"origin": "https://shop.example", "sees": "http://shop.example"}]),
        "django.csrf",
        "degraded",
        (
            "forms sent from https://shop.example get 403: Django sees http://shop.example and does not"
            " trust that origin"
        ),
        (
            "web_sites[].nginx.listen and domains determine CSRF_TRUSTED_ORIGINS; by hand: set CSRF_TRUSTED_ORIGINS = "
            "['https://shop.example'] in /srv/code/shop/settings.py, or uwsgi_param HTTP_HOST $http_host and "
            "SECURE_PROXY_SSL_HEADER"
        ),
        ("Origin: https://shop.example; CsrfViewMiddleware refuses it",),
    ),
    Case(
        "DEBUG in the settings",
        lambda site, host: settings(site, debug=True),
        "django.debug",
        "degraded",
        "DEBUG is on: error pages show settings and code to everyone, and memory usage grows",
        (
            "DEBUG = False in the settings (the overlay sets it); pyweb.stack.site; by hand: set DEBUG = False in "
            "/srv/code/shop/settings.py, then restart uWSGI"
        ),
        ("settings.DEBUG is True",),
    ),
    Case(
        "a debug page",
        lambda site, host: put(site, debug_page=True),
        "django.debug",
        "degraded",
        "DEBUG is on: error pages show settings and code to everyone, and memory usage grows",
        (
            "DEBUG = False in the settings (the overlay sets it); pyweb.stack.site; by hand: set DEBUG = False in "
            "/srv/code/shop/settings.py, then restart uWSGI"
        ),
        ("Django answers a missing page with its debug page",),
    ),
    Case(
        "settings that raise",
        lambda site, host: put(site.inside, **{"failed settings": {"error": "ImproperlyConfigured: no"}}),
        "django.settings",
        "broken",
        "the settings cannot be used: ImproperlyConfigured: no",
        (
            "correct the settings, then run pyweb.stack.deploy; by hand: correct /srv/code/shop/settings.py, then "
            "restart uWSGI"
        ),
        ("ImproperlyConfigured: no",),
    ),
    Case(
        "a database in memory",
        lambda site, host: put(site.inside, facts={"memory": ["default"]}),
        "django.memory",
        "broken",
        "the database is SQLite in memory: each process has its own, and it is empty after every start",
        (
            "set database: of the site, for example sqlite:////var/lib/sites/NAME/db.sqlite3 or postgres://...; by "
            "hand: set DATABASES['default']['NAME'] = a file in a permanent directory, or a database server, in "
            "/srv/code/shop/settings.py, then restart uWSGI"
        ),
        ("DATABASES['default']",),
    ),
    Case(
        "lines that use the development settings",
        lambda site, host: put(site.inside, facts={"debug_lines": ["shop/settings.py:9: if DEBUG:"]}),
        "django.development",
        "degraded",
        (
            "DEBUG is true while the settings are imported, so these lines used their development branch: "
            "shop/settings.py:9 (if DEBUG:)"
        ),
        (
            'read DEBUG from the environment, as in DEBUG = os.environ.get("DEBUG") == '
            "\"True\"; by hand: set DEBUG = os.environ.get('DEBUG') == 'True' before the lines that use it, in "
            "/srv/code/shop/settings.py, then restart uWSGI"
        ),
        ("shop.settings",),
    ),
    Case(
        "sessions in the memory of one process",
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
            "sessions are in the memory of one process (LocMemCache), and the site has 4: visitors are "
            "logged out at random"
        ),
        (
            "set settings: {SESSION_ENGINE: django.contrib.sessions.backends.db}, or a cache that all processes share; "
            "by hand: set SESSION_ENGINE = 'django.contrib.sessions.backends.db', or a cache that all processes share, "
            "in /srv/code/shop/settings.py, then restart uWSGI"
        ),
        ("shop.settings",),
    ),
    Case(
        "a database cache without its table",
        lambda site, host: put(site.inside, facts={"cache_tables": ["shop_cache"]}),
        "django.cache-table",
        "degraded",
        "a cache is kept in the table shop_cache, which does not exist",
        (
            "add `- manage: createcachetable` to release:, after migrate; on the host: manage createcachetable; by "
            "hand: python manage.py createcachetable, which creates the table that CACHES names in "
            "/srv/code/shop/settings.py, then restart uWSGI"
        ),
        ("shop.settings",),
    ),
    Case(
        "mail without recipients",
        lambda site, host: put(site.inside, facts={"mail": {"port": 25, "wanted": True, "served": False}}),
        "django.mail",
        "degraded",
        "mail goes to port 25 of this host, where no mail server listens",
        (
            "set settings: {EMAIL_HOST: ...}, or install a mail server; by hand: set EMAIL_BACKEND = "
            "'django.core.mail.backends.smtp.EmailBackend' and EMAIL_HOST in /srv/code/shop/settings.py, then restart "
            "uWSGI"
        ),
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
        "the site is not allowed to write there: set `writable: [uploads]` of the site",
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
        "500 without a traceback",
        lambda site, host: put(site.entrances[0], answer=answer(500)),
        "django.error",
        "broken",
        "Django answers 500",
        "the exception is not logged: run the doctor with doctor_deep=true, or add a handler to LOGGING in the "
        "settings that writes to stderr for 'django.request'",
        ("status 500",),
    ),
    Case(
        "a slow page",
        lambda site, host: silent(site),
        "django.slow",
        "broken",
        (
            "the application is slow: no answer to / within 2 s while workers are free; nginx waits 60s and then "
            "answers 504"
        ),
        (
            "make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, or set "
            "uwsgi_read_timeout 300s; at /etc/nginx/nginx.conf:5, then nginx -t && systemctl reload nginx"
        ),
        ("no complete answer within 2 s",),
    ),
    Case(
        "a slow page with its own timeout",
        lambda site, host: (silent(site), limit(site, ("uwsgi_read_timeout", ["9s"], "n", 1))),
        "django.slow",
        "broken",
        (
            "the application is slow: no answer to / within 2 s while workers are free; nginx waits 9s and then "
            "answers 504"
        ),
        (
            "make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, or set "
            "uwsgi_read_timeout 300s; at n:1, then nginx -t && systemctl reload nginx"
        ),
        ("no complete answer within 2 s",),
    ),
    Case(
        "a slow page over http",
        lambda site, host: (
            silent(site, speaks="http"),
            put(site, speaks="http"),
            limit(site, ("proxy_read_timeout", ["7s"], "n", 1)),
        ),
        "django.slow",
        "broken",
        (
            "the application is slow: no answer to / within 2 s while workers are free; nginx waits 7s and then "
            "answers 504"
        ),
        (
            "make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, or set "
            "proxy_read_timeout 300s; at n:1, then nginx -t && systemctl reload nginx"
        ),
        ("no complete answer within 2 s",),
    ),
    Case(
        "one request that took too long",
        lambda site, host: put(site, nginx_events=["upstream timed out while connecting", LATE]),
        "django.timeouts",
        "degraded",
        "1 request got 504 recently (GET /slow): the application is slower than uwsgi_read_timeout (60s)",
        (
            "make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, or set "
            "uwsgi_read_timeout 300s; at /etc/nginx/nginx.conf:5, then nginx -t && systemctl reload nginx"
        ),
        (
            (
                "x: upstream timed out (110: Connection timed out) while reading response header, request: "
                '"GET /slow HTTP/1.1"'
            ),
        ),
    ),
    Case(
        "two requests that took too long",
        lambda site, host: put(site, nginx_events=[LATE, "upstream timed out while reading response"]),
        "django.timeouts",
        "degraded",
        "2 requests got 504 recently (?): the application is slower than uwsgi_read_timeout (60s)",
        (
            "make it faster, or increase web_sites[].nginx.read_timeout; by hand: make it faster, or set "
            "uwsgi_read_timeout 300s; at /etc/nginx/nginx.conf:5, then nginx -t && systemctl reload nginx"
        ),
        ("upstream timed out while reading response",),
    ),
]
CASES += doctor_logs.DJANGO


@pytest.mark.parametrize(
    ("origin", "sees", "follows"),
    [
        ("https://shop.example", "http://shop.example", "nginx"),
        ("https://shop.example", "https://shop.example:81", ""),
        ("http://shop.example:81", "http://shop.example", ""),
    ],
)
def test_a_missing_scheme_from_nginx_is_the_cause_of_a_refused_origin(origin, sees, follows):
    site, host = evidence()
    settings(site, origins=[{"origin": origin, "sees": sees}])
    text = DUMP.replace("uwsgi_param HTTPS $https if_not_empty;", "").replace("listen 80", "listen 443 ssl")
    [server] = match.servers(dump.parse(text))
    put(site.entrances[0], tls=True, server=server, wanted=[server])
    found = faults_of(verdict(site, host))
    assert found["nginx.scheme-untold"]["status"] == "degraded"
    assert found["django.csrf"]["follows"] == follows


CASES += doctor_by_hand_uwsgi.DJANGO


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_django_is_named(case):
    check(case)


@pytest.mark.parametrize(
    ("error", "missing"),
    [(ModuleNotFoundError("no", name="celery"), "celery"), (NameError("x"), ""), (SystemExit(1), "")],
)
def test_only_an_import_can_report_a_missing_module(error, missing):
    if isinstance(error, NameError):
        error.name = "x"  # As Python 3.10 and newer print it.
    assert django_look.missing_module(error) == missing


@pytest.mark.parametrize(
    "change",
    [
        lambda site, host: put(site.entrances[0], tls=True),
        lambda site, host: put(site.entrances[0], greets=True),
        lambda site, host: put(site.inside["cookies"], trusted=True),
        lambda site, host: put(site.inside["facts"], https_header=True),
        lambda site, host: put(site.in_front, addresses=["192.0.2.7"]),
        lambda site, host: put(site.chain[-1], block=[dump.Directive("uwsgi_param", ["HTTPS", "on"], "/n", 1)]),
        lambda site, host: put(site.chain[-1], block=[dump.Directive("set_real_ip_from", ["192.0.2.0/24"], "/n", 1)]),
        lambda site, host: host.listeners.append(Listener("0.0.0.0:443", 9, 0, [77])),
        lambda site, host: put(site, domains=["shop.localhost"]),
        lambda site, host: put(site.inside["facts"], secure=["SECURE_SSL_REDIRECT", "CSRF_COOKIE_SECURE"]),
    ],
    ids=[
        *("TLS", "PROXY protocol", "an https origin is trusted", "a header is trusted", "a proxy is in front"),
        *("HTTPS from nginx", "nginx trusts a proxy", "another program at 443", "localhost", "a worse fault"),
    ],
)
def test_secure_cookies_are_no_fault_if_anything_indicates_https(change):
    site, host = evidence()
    secure(site, *SECURE)
    change(site, host)
    assert "django.cookies" not in faults_of(verdict(site, host))


@pytest.mark.parametrize(
    "environment",
    [{"LANG": "C.UTF-8"}, {"LANG": "C", "LC_ALL": "en_US.utf8"}, {"LANG": "C", "PYTHONUTF8": "1"}, {}],
    ids=["UTF-8", "LC_ALL overrides", "PYTHONUTF8", "unknown"],
)
def test_a_locale_with_utf_8_is_no_fault(environment):
    site, host = evidence()
    locale(site, **environment)
    assert "django.locale" not in faults_of(verdict(site, host))


def test_checks_about_https_only_matter_with_https():
    site, host = evidence()
    put(site.inside, checks={"found": [{"id": "security.W012", "level": "warning", "text": "x"}]})
    assert "django.checks" not in faults_of(verdict(site, host))
    put(site.entrances[0], tls=True)
    assert "django.checks" in faults_of(verdict(site, host))


def test_a_500_of_nginx_itself_is_not_reported_as_djangos():
    site, host = evidence()
    put(site.entrances[0], answer=answer(500))
    text = "2027/01/15 08:00:00 [alert] 9#9: *1 4 worker_connections are not enough while connecting to upstream"
    site.logs.nginx_lines.append(NginxLine(NOW, "alert", text, f"GET {site.path}"))
    report = verdict(site, host)
    assert "django.error" not in faults_of(report)
    assert (report["first"]["fault"], report["first"]["status"]) == ("nginx.errors", "broken")
