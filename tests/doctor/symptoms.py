"""The symptoms in docs/symptoms.md: what a visitor sees, and the codes that may be the cause. Used by codes.py.

The tests that cause faults on hosts also request each site as a visitor does (seen.py). What they see must be one of
the `sights` of a symptom that lists the fault.
"""

from __future__ import annotations

from dataclasses import dataclass

# What a visitor sees if the site works, or if the fault has another effect.
WELL = "200"


@dataclass(frozen=True)
class Symptom:
    """What a visitor may see. The codes begin with the outermost hop.

    `sights` are words of seen.py, none if a single request does not show the symptom.
    """

    title: str
    sights: tuple[str, ...]
    text: str
    codes: tuple[str, ...]


def unlisted(code: str, sight: str) -> str:
    """Return an error if docs/symptoms.md does not list a fault that visitors see as `sight`; '' otherwise."""
    if sight == WELL or any(sight in symptom.sights and code in symptom.codes for symptom in SYMPTOMS):
        return ""
    titles = [symptom.title for symptom in SYMPTOMS if sight in symptom.sights]
    return f"visitors see '{sight}', but {code} is not listed below {' or '.join(titles) or 'any symptom of that kind'}"


_START = (
    "uwsgi.missing",
    "uwsgi.supervisor",
    "uwsgi.vassal",
    "uwsgi.not-enabled",
    "uwsgi.stopped",
    "uwsgi.crashing",
    "uwsgi.unit",
    "uwsgi.plugin",
    "uwsgi.directory",
)
_LOAD = ("app.ini", "app.chdir", "app.virtualenv", "app.module", "app.import", "app.sandbox")
_FILES = ("not-readable", "no-location", "alias", "location-taken", "selinux", "status")
_STATIC = tuple(f"static.{what}" for what in _FILES)
_MEDIA = tuple(f"media.{what}" for what in _FILES)

SYMPTOMS = [
    Symptom(
        "502 Bad Gateway",
        ("502",),
        "nginx runs, but the server behind it gave no usable answer. nginx's error log (`/var/log/nginx/error.log`, or "
        "`/var/log/nginx/SITE.error.log` of a site of this collection) shows the reason: `(2: No such file or "
        "directory)`, `(13: Permission denied)`, `(111: Connection refused)`, or *upstream prematurely closed "
        "connection*.",
        (
            *("client.pages", "name.other-server", "nginx.errors"),
            *("location.params", "location.upstream-name", "nginx.upstream-name", "location.upstream-down"),
            "location.variable",
            *("socket.missing", "socket.stale", "socket.refused", "socket.denied", "socket.hidden", "socket.selinux"),
            *("socket.protocol", "socket.queue-full", "socket.unreachable"),
            *_START,
            *("uwsgi.killed", "uwsgi.worker-crashed", "uwsgi.harakiri", "uwsgi.buffer-size"),
            *_LOAD,
            *("app.stale", "django.urls", "host.disk-full", "host.read-only"),
        ),
    ),
    Symptom(
        "503 Service Unavailable",
        ("503",),
        "nginx refuses the request on purpose: the site is closed for maintenance, or there are more requests than a "
        "limit allows. If the page is not nginx's own, the application answers 503.",
        ("nginx.maintenance", "location.limited"),
    ),
    Symptom(
        "504 Gateway Time-out",
        # "no answer" is what a client sees that gives up before nginx does, after a minute.
        ("504", "no answer"),
        "nginx waited for `uwsgi_read_timeout` or `proxy_read_timeout` (60 s) and got no answer. Check whether every "
        "page is affected, or only some pages at times.",
        (
            *("socket.protocol", "socket.silent", "socket.queue-full", "uwsgi.busy", "uwsgi.harakiri"),
            *("django.slow", "django.timeouts", "client.gave-up"),
            *("database.unreachable", "database.locked", "database.connections"),
        ),
    ),
    Symptom(
        "No answer",
        ("no connection", "no answer", "empty answer"),
        "The message of the browser or of `curl` narrows it down:\n\n"
        "- `ERR_NAME_NOT_RESOLVED`, *Could not resolve host*: the domain has no DNS record, or not yet everywhere\n"
        "- `ERR_CONNECTION_REFUSED`, `ERR_ADDRESS_UNREACHABLE`, *Failed to connect* within a second: nothing listens "
        "on the port, or a firewall, such as firewalld, rejects the connection\n"
        "- `ERR_CONNECTION_TIMED_OUT`, *Failed to connect* after a minute or more: a packet filter drops the "
        "connection, or the DNS record has the address of another host\n"
        "- a long wait, then 504: the connection is accepted, but every worker is busy\n"
        "- `ERR_EMPTY_RESPONSE`, *Empty reply from server*: nginx does not know the domain, and closes the "
        "connection\n\n"
        "On the host itself, `curl -sSI -H 'Host: example.com' http://127.0.0.1/` shows whether only visitors from "
        "outside get no answer. If so, the cause is a firewall, on the host or at the provider, or the DNS record.",
        (
            *("name.elsewhere", "name.no-server"),
            *("firewalld.closed", "firewalld.dropped", "firewalld.limited", "client.outside-silent"),
            *("nginx.loopback-only", "client.no-answer", "client.no-connection"),
            *("nginx.missing", "nginx.config", "nginx.ipv6", "nginx.upstream-name", "nginx.stopped"),
            "nginx.not-listening",
            *("nginx.port-taken", "client.other-program", "uwsgi.busy"),
        ),
    ),
    Symptom(
        "500 Internal Server Error",
        ("500",),
        "The application raised an exception, or could not be loaded: then uWSGI's log says "
        "`no python application found`. The traceback of an exception is in the server's log, where `LOGGING` keeps "
        "it; `-e doctor_deep=true` repeats the request inside Django to find one that was not logged.",
        (
            *("client.pages", "nginx.errors", *_LOAD, "app.stale"),
            *("django.error", "django.pages", "django.settings", "django.urls"),
            *("django.cache-table", "django.locale", "django.memory", "database.missing", "database.migrations"),
            *("database.tables", "database.unmade", "database.not-writable", "database.locked", "database.corrupt"),
            *("database.unreachable", "database.connections", "database.password", "database.unknown"),
            *("database.refused", "database.unusable", "static.uncollected", "static.manifest", "host.disk-full"),
        ),
    ),
    Symptom(
        "404 Not Found",
        ("404",),
        "nginx's own page shows `nginx` below a line, Django's page a plain heading. If nginx answers, the cause is a "
        "location; if Django answers, it is `urls.py` or the path that nginx passes on.",
        (
            *("name.no-server", "name.other-server", "name.conflict", "nginx.port-taken", "location.try-files"),
            *("location.no-pass", "location.front", "location.proxy-uri", "client.page-gone", "location.refused"),
            *("client.refused", "client.dead-end", *_STATIC, *_MEDIA),
        ),
    ),
    Symptom(
        "401 Unauthorized",
        ("401",),
        "nginx asks for a password (`auth_basic`), and accepts none.",
        ("location.auth-file",),
    ),
    Symptom(
        "403 Forbidden",
        ("403",),
        "If nginx answers: a `deny`, a directory without an index, or a file that its user cannot read. If Django "
        "answers after a form was sent: the CSRF check.",
        (
            *("client.refused", "location.denied", "location.auth-file", "location.refused", "location.no-pass"),
            *("location.try-files", "location.front"),
            *("static.not-readable", "media.not-readable", "static.selinux", "media.selinux", "static.status"),
            *("django.csrf", "django.cookies", "nginx.scheme-untold"),
        ),
    ),
    Symptom(
        "400 Bad Request",
        ("400",),
        "Django does not know the name (`DisallowedHost`), the request is too large for nginx's buffers, or the server "
        "does not understand what nginx sends.",
        (
            *("nginx.untrusted-proxy", "location.host", "location.header-buffers", "socket.protocol"),
            "django.allowed-hosts",
        ),
    ),
    Symptom(
        "413 Request Entity Too Large",
        ("413",),
        "An upload is larger than nginx allows.",
        ("location.body-size",),
    ),
    Symptom(
        "Redirected too many times, or to a page that does not open",
        ("redirect loop", "redirect to nowhere"),
        "`curl -sIL --max-redirs 5 http://example.com/ | grep -i '^location'` shows each redirect.",
        (
            *("nginx.redirect-loop", "nginx.scheme-untold", "nginx.untrusted-proxy", "nginx.redirect-dead"),
            "client.dead-end",
        ),
    ),
    Symptom(
        "The page has no styles, the admin no CSS",
        ("page without CSS",),
        "The page loads, but its CSS and JS do not. Request one of them: `curl -sI http://example.com/static/...`.",
        (
            *("static.uncollected", *_STATIC, "static.content-type", "static.stale", "static.manifest"),
            *("static.page-file", "django.debug"),
        ),
    ),
    Symptom(
        "Pictures and uploads do not show, or cannot be sent",
        (),
        "Uploaded files are in `MEDIA_ROOT`, which nginx serves and the site writes to.",
        (*_MEDIA, "media.not-writable", "location.body-size", "nginx.temp-path"),
    ),
    Symptom(
        "Users do not stay logged in, every form returns 403",
        (),
        "Browsers do not send the cookies back, or Django does not trust the origin of the request.",
        ("django.cookies", "django.csrf", "nginx.scheme-untold", "django.sessions", "host.clock"),
    ),
    Symptom(
        "The browser warns about the certificate",
        (),
        "`openssl s_client -connect example.com:443 -servername example.com </dev/null` shows which one is served.",
        (
            *("nginx.certificate-expired", "nginx.certificate-not-yet-valid", "nginx.certificate-name"),
            *("nginx.certificate-chain", "nginx.certificate-untrusted", "nginx.certificate-placeholder"),
            *("nginx.certificate-not-reloaded", "nginx.certificate-expires", "nginx.certificate"),
            *("nginx.renewal-off", "nginx.renewal-failing", "nginx.key", "nginx.no-ssl"),
        ),
    ),
    Symptom(
        "Another site, or nginx's own page, appears",
        ("nginx's own page",),
        "nginx chooses a server by address, then by name, then the default one.",
        (
            *("name.no-server", "name.other-server", "name.conflict", "name.elsewhere", "nginx.port-taken"),
            *("nginx.loopback-only", "client.other-program", "location.no-pass"),
        ),
    ),
    Symptom(
        "The old code is still there after a deploy",
        (),
        "The running processes were started before the change.",
        (
            *("uwsgi.left-over", "uwsgi.twice", "app.stale", "nginx.not-reloaded", "app.import"),
            *("background.other-release", "static.stale"),
        ),
    ),
    Symptom(
        "Workers, timers or mail do nothing",
        (),
        "`systemctl list-units 'pyweb-*'` shows the workers and timers of all sites, and "
        "`sudo pyweb logs SITE --errors` what they wrote.",
        (
            *("background.worker-stopped", "background.worker-restarting", "background.other-release"),
            *("background.timer-stopped", "background.timer-failed", "background.sandbox", "django.mail"),
        ),
    ),
    Symptom(
        "It works now and breaks at the next restart",
        (),
        "The running processes use an older configuration; a restart, a reboot or a renewal applies the new one.",
        (
            *("nginx.config", "nginx.key", "nginx.not-reloaded", "nginx.not-enabled", "app.import", "app.module"),
            *("nginx.outside-systemd", "nginx.renewal-off", "uwsgi.not-enabled", "uwsgi.unit-changed"),
        ),
    ),
]
