"""Rows of what goes wrong on hosts that somebody set up by hand: nginx's and uWSGI's own words, files nobody reads.

Each test_doctor_HOP.py adds those of its hop to its table.
"""

from __future__ import annotations

import dataclasses
import errno

from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Fetched, Ran
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_directives import Unread
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_tls import Redirect, Walk
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import course, dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer
from doctor_evidence import DUMP, Case, answer, denied, process, put

RELOAD = "nginx -t && systemctl reload nginx"
# nginx's own page of an error ends like this.
OWN_PAGE = b"<hr><center>nginx/1.22.1</center>\n</body>\n</html>\n"


def served(site, host, change):
    """Write nginx's configuration anew, and follow the first page through it."""
    put(host.nginx, config=dump.parse(change(DUMP)))
    [server] = match.servers(host.nginx.config)
    put(site.entrances[0], server=server, wanted=[server])
    disk = course.Disk(lambda _path: False, lambda _path: False)
    put(site.directives, root=course.follow(server, "/", disk))
    put(site, chain=match.locate(server, "/"))
    put(site, handler=match.handler(site.chain))


def by_nginx(site, status):
    put(site.entrances[0], answer=Answer(status, "", 0.1, body=OWN_PAGE))


def in_location(text):
    return lambda config: config.replace("location / {", f"location / {{\n{text}")


def in_server(text):
    return lambda config: config.replace("server_name", f"{text}\nserver_name")


def ended(site, log, **options):
    """The site's uWSGI is started over and over, as its unit says."""
    unit = {"Id": "shop.service", "ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "4"}
    put(site, managed=False)
    put(site.uwsgi, master=None, unit={**unit, **options.pop("unit", {})}, log=log)
    put(site.uwsgi.options, files=["/srv/uwsgi.ini"])
    site.uwsgi.options.values.update({name: [value] for name, value in options.items()})
    put(site.probes[0], answer=None, connect_error="ENOENT", exists=False)
    put(site.entrances[0].answer, status=502, reason="Bad Gateway")


CRASH = "uWSGI ends and is started again, over and over: "
AGAIN = "; then systemctl daemon-reload && systemctl restart shop.service"
ENDED = (
    "shop.service: Main process exited, code=exited, status=1/FAILURE\n"
    "shop.service: Failed with result 'exit-code'.\nStopped shop.service - x."
)

NGINX = [
    Case(
        "a link that leads nowhere",
        lambda site, host: put(
            host.nginx,
            tested=Ran(
                1,
                err='nginx: [emerg] open() "/etc/nginx/sites-enabled/shop" failed (2: No such file or directory) in '
                "/etc/nginx/nginx.conf:60",
            ),
        ),
        "nginx.config",
        "degraded",
        'the configuration of nginx is broken: open() "/etc/nginx/sites-enabled/shop" failed (2: No such file or '
        "directory) in /etc/nginx/nginx.conf:60; the one from before still runs as process 10, and the next start "
        "fails",
        "remove the link /etc/nginx/sites-enabled/shop, or put back what it leads to (readlink "
        f"/etc/nginx/sites-enabled/shop); then {RELOAD}",
    ),
    Case(
        "nginx was started by hand",
        lambda site, host: put(host.nginx, unit={"Id": "nginx.service", "ActiveState": "failed", "SubState": "failed"}),
        "nginx.outside-systemd",
        "degraded",
        "nginx runs as process 10, which systemd did not start: nginx.service has failed, and systemctl neither "
        "reloads nor restarts what runs",
        "kill -QUIT 10; systemctl reset-failed nginx; systemctl start nginx",
        ("nginx.service: failed/failed",),
    ),
    Case(
        "nginx is masked",
        lambda site, host: (
            put(host.nginx, master=None, workers=[], unit={"ActiveState": "inactive", "LoadState": "masked"}),
            put(host, listeners=[]),
            put(site.entrances[0], answer=None, failure="refused", errno=errno.ECONNREFUSED),
        ),
        "nginx.stopped",
        "broken",
        "nginx is stopped, and its unit is masked: nothing can start it",
        "systemctl unmask nginx && systemctl start nginx",
    ),
    Case(
        "IPv6 alone",
        lambda site, host: (
            served(site, host, lambda config: config.replace("listen 80", "listen [::]:80")),
            put(host, listeners=[Listener("[::]:80", 1, 0, [10])]),
            put(site.entrances[0], server=None, answer=None, failure="refused", errno=errno.ECONNREFUSED),
        ),
        "nginx.not-listening",
        "broken",
        "nginx listens on port 80 over IPv6 alone (listen [::]:80 in /etc/nginx/nginx.conf:3): who comes over IPv4 is "
        "refused",
        "listen 80; beside it in /etc/nginx/nginx.conf:3, then systemctl restart nginx",
        ("a listening socket at [::]:80",),
    ),
    Case(
        "port 443 without ssl",
        lambda site, host: (
            served(site, host, lambda config: config.replace("listen 80", "listen 443")),
            put(site.entrances[0], port=443, answer=answer()),
            put(host, listeners=[Listener("0.0.0.0:443", 1, 0, [10])]),
            put(host.firewall, opened=["443/tcp"]),
        ),
        "nginx.no-ssl",
        "broken",
        "nginx speaks plain http on port 443: `listen 443;` in /etc/nginx/nginx.conf:3 has no ssl, and who comes by "
        "https gets an error of TLS",
        "listen 443 ssl; in /etc/nginx/nginx.conf:3, with ssl_certificate and ssl_certificate_key, or remove that "
        f"line; then {RELOAD}",
    ),
]
NGINX += [
    Case(
        "a redirect to a name that no server has",
        lambda site, host: put(
            site,
            walks=[
                Walk(
                    "http://shop.example/",
                    [Redirect("http://shop.example/", 301, "http://www.shop.example/", "", True)],
                    leaves="http://www.shop.example/",
                    nameless=400,
                )
            ],
        ),
        "nginx.redirect-dead",
        "broken",
        "http://shop.example/ is redirected to http://www.shop.example/, and no server of nginx has the name "
        "www.shop.example: this host answers 400 there. the application (PREPEND_WWW?) does that",
        "web_sites[].domains with www.shop.example, or end the redirect; by hand: 'www.shop.example' in ALLOWED_HOSTS, "
        "and www.shop.example beside the other names in server_name; or end the redirect (PREPEND_WWW = False)",
        ("GET http://www.shop.example/ -> 400",),
    ),
]
DJANGO = [
    Case(
        "cookies of another domain",
        lambda site, host: put(site.inside, cookies={"trusted": True, "foreign": ["SESSION_COOKIE_DOMAIN"]}),
        "django.cookies",
        "degraded",
        "SESSION_COOKIE_DOMAIN is of another domain than shop.example: browsers take no such cookie, forms get 403 and "
        "nobody can log in",
        "remove web_sites[].settings.SESSION_COOKIE_DOMAIN, or let it be the domain of the site",
        ("SESSION_COOKIE_DOMAIN",),
    ),
]
LOCATION = [
    Case(
        "internal",
        lambda site, host: (served(site, host, in_location("internal;")), by_nginx(site, 404)),
        "location.refused",
        "broken",
        "`internal` in /etc/nginx/nginx.conf:6 keeps everybody out of /: nginx answers 404",
        f"remove `internal;` in /etc/nginx/nginx.conf:6, then {RELOAD}",
        ("GET http://shop.example/ -> 404",),
    ),
    Case(
        "auth_request to what is not there",
        lambda site, host: (
            served(site, host, in_location("auth_request /auth;")),
            by_nginx(site, 500),
            put(site, nginx_events=["auth request unexpected status: 404 while sending to client"]),
        ),
        "location.refused",
        "broken",
        "nginx asks /auth first whether a client may pass (auth_request /auth in /etc/nginx/nginx.conf:6), and gets "
        "404: everybody gets 500",
        f"let /auth answer with 2xx, 401 or 403, or remove auth_request in /etc/nginx/nginx.conf:6; then {RELOAD}",
        ("GET http://shop.example/ -> 500",),
    ),
    Case(
        "a rewrite in front of the application",
        lambda site, host: (
            served(site, host, in_server("rewrite ^/(.*)$ /index.html break;")),
            put(site.entrances[0], answer=answer(404, "Not Found")),
        ),
        "location.refused",
        "broken",
        "rewrite ^/(.*)$ /index.html break; makes /index.html of / before the application is asked: it answers 404, "
        "and / with 200",
        f"remove or correct that line in /etc/nginx/nginx.conf:4, then {RELOAD}",
    ),
    Case(
        "limit_except without GET",
        lambda site, host: (
            served(site, host, in_location("limit_except POST { deny all; }")),
            by_nginx(site, 403),
        ),
        "location.denied",
        "broken",
        "nginx lets nobody in: deny all in /etc/nginx/nginx.conf:6",
        "remove that line, or allow those who shall visit the site above it: allow 192.0.2.0/24; in "
        "/etc/nginx/nginx.conf:6",
    ),
    Case(
        "a return that was left over",
        lambda site, host: (
            served(site, host, in_server("return 503;")),
            put(site.directives, unreached=["location / in /etc/nginx/nginx.conf:6"]),
            by_nginx(site, 503),
        ),
        "location.no-pass",
        "broken",
        "nginx answers / itself: `return 503;` in /etc/nginx/nginx.conf:4 comes before the application",
        f"remove `return 503;` in /etc/nginx/nginx.conf:4, then {RELOAD}",
    ),
]
NAME = [
    Case(
        "a file without its link",
        lambda site, host: (
            served(site, host, lambda config: config.replace("shop.example", "other.example")),
            put(
                site.directives,
                unread={"shop.example": Unread("/a/shop", "no link in sites-enabled leads to it", "ln -s /a/shop /e/")},
            ),
        ),
        "name.no-server",
        "broken",
        "nginx does not read /a/shop, which has the name shop.example: no link in sites-enabled leads to it; the "
        "server in /etc/nginx/nginx.conf:2 answers in its place",
        f"ln -s /a/shop /e/ && {RELOAD}",
        ("server_name: other.example",),
    ),
    Case(
        "a name with a scheme",
        lambda site, host: served(
            site, host, lambda config: config.replace("server_name shop", "server_name http://shop")
        ),
        "name.no-server",
        "broken",
        "no server of nginx has the name shop.example: server_name http://shop.example in /etc/nginx/nginx.conf:2 is "
        "no name, it has a scheme",
        f"server_name shop.example; in /etc/nginx/nginx.conf:2, then {RELOAD}",
    ),
]
STATIC = [
    Case(
        "a style sheet as plain text",
        lambda site, host: put(site, static=dataclasses.replace(site.static, kind="text/plain", place="/n:7")),
        "static.content-type",
        "broken",
        "nginx sends /static/a.css as text/plain: browsers use no style sheet and no module of that type",
        "include /etc/nginx/mime.types; in http of /etc/nginx/nginx.conf, and no `types { }` or default_type that "
        f"replaces it at /n:7; then {RELOAD}",
        ("GET /static/a.css -> 200, Content-Type: text/plain",),
    ),
    Case(
        "deny all",
        lambda site, host: put(
            site, static=Fetched("/static/a.css", 403, url="/static/", refused="`deny all;` in /n:8")
        ),
        "static.status",
        "broken",
        "static files are not served: nginx turns everybody away who asks for /static/, by `deny all;` in /n:8",
        f"remove that line, then {RELOAD}",
        ("GET /static/a.css -> 403",),
    ),
]
HOST = [
    Case(
        "no inode",
        lambda site, host: put(site, full=["/srv: 900 KiB of 12 MiB free, 0 of 3 inodes free"]),
        "host.disk-full",
        "broken",
        "the file system of /srv has no inode left: no file can be made, whatever room there is",
        "remove small files (sessions, caches): du --inodes -xd2 /srv | sort -n | tail",
    ),
]


def _uwsgi(title, log, words, fix, **options):
    return Case(title, lambda site, host: ended(site, log, **options), "uwsgi.crashing", "broken", CRASH + words, fix)


UWSGI = [
    _uwsgi(
        "a file that it may not write",
        'writing pidfile to /run/a.pid\nopen("/run/a.pid"): Permission denied [core/utils.c line 3624]\n'
        f"unlink(): No such file or directory [core/uwsgi.c line 1617]\n{ENDED}",
        'open("/run/a.pid"): Permission denied [core/utils.c line 3624]',
        "a directory that shop may write for a.pid in /srv/uwsgi.ini: LogsDirectory= or RuntimeDirectory= in "
        f"shop.service makes one{AGAIN}",
    ),
    _uwsgi(
        "a user that is not there",
        f"user deploy not found.\n{ENDED}",
        "user deploy not found.",
        f"uid = a user that the host has, in /srv/uwsgi.ini (deploy is none){AGAIN}",
    ),
    _uwsgi(
        "words that are not known",
        f"your memory page size is 4096 bytes\ninvalid cheaper value: must be lower than processes\n{ENDED}",
        "invalid cheaper value: must be lower than processes",
        "journalctl -u shop.service -n 50 says why; then systemctl restart shop.service",
    ),
    _uwsgi(
        "a home that is hidden",
        f"realpath() of /home/a/uwsgi.ini failed: Permission denied [core/utils.c line 3662]\n{ENDED}",
        "realpath() of /home/a/uwsgi.ini failed: Permission denied [core/utils.c line 3662]; ProtectHome=yes in "
        "shop.service hides the homes from it",
        "remove ProtectHome= from shop.service (read-only lets it read), or put the project outside of /home" + AGAIN,
        unit={"ProtectHome": "yes"},
    ),
    _uwsgi(
        "daemonize in a unit",
        "Set PythonHome to /srv/venv\nshop.service: Deactivated successfully.",
        "daemonize = /srv/a.log in /srv/uwsgi.ini: uWSGI goes into the background, and systemd takes that for its end",
        f"remove daemonize from /srv/uwsgi.ini (logto = writes the same log){AGAIN}",
        daemonize="/srv/a.log",
    ),
    Case(
        "a unit that systemd refuses",
        lambda site, host: ended(
            site,
            "",
            unit={
                "ActiveState": "inactive",
                "SubState": "dead",
                "LoadState": "bad-setting",
                "LoadError": 'org.x "Unit shop.service has a bad unit file setting."',
                "FragmentPath": "/etc/systemd/system/shop.service",
                "ExecStart": "{ path=./uwsgi ; argv[]=./uwsgi x ; }",
            },
        ),
        "uwsgi.unit",
        "broken",
        "systemd cannot start shop.service: its file is refused, ExecStart= in /etc/systemd/system/shop.service: "
        "./uwsgi is no absolute path",
        "correct ExecStart= in /etc/systemd/system/shop.service (systemd-analyze verify shop.service names it), then "
        "systemctl daemon-reload && systemctl restart shop.service",
        ("Unit shop.service has a bad unit file setting.",),
    ),
    Case(
        "Type=forking",
        lambda site, host: ended(site, "shop.service: Failed with result 'timeout'.", unit={"Type": "forking"}),
        "uwsgi.unit",
        "broken",
        "systemd cannot start shop.service: the start timed out: Type=forking waits until uWSGI goes into the "
        "background, which it does not do",
        "Type=notify in shop.service (or Type=simple), in the place of forking; then systemctl daemon-reload && "
        "systemctl restart shop.service",
    ),
    Case(
        "masked",
        lambda site, host: (
            ended(site, "", unit={"Id": "", "ActiveState": "", "SubState": ""}),
            put(site.server, masked="shop.service"),
        ),
        "uwsgi.stopped",
        "broken",
        "uWSGI is stopped: shop.service is masked, so nothing can start it",
        "systemctl unmask shop.service && systemctl start shop.service",
        ("shop.service is a link to /dev/null",),
    ),
    Case(
        "not enabled",
        lambda site, host: (
            put(site, managed=False),
            put(site.uwsgi, unit={"Id": "shop.service", "UnitFileState": "disabled", "FragmentPath": "/s"}),
        ),
        "uwsgi.not-enabled",
        "advice",
        "shop.service is not enabled: it runs now, and nothing starts it at the next boot",
        "systemctl enable shop.service",
        ("UnitFileState=disabled, /s",),
    ),
    Case(
        "a unit that was changed",
        lambda site, host: (
            put(site, managed=False),
            put(site.uwsgi, unit={"Id": "shop.service", "NeedDaemonReload": "yes", "FragmentPath": "/s"}),
        ),
        "uwsgi.unit-changed",
        "advice",
        "the file of shop.service was changed, and systemd has not read it again: a restart starts the old one",
        "systemctl daemon-reload && systemctl restart shop.service",
        ("/s",),
    ),
]
UWSGI += [
    _uwsgi(
        "a command before uWSGI fails",
        "Unknown command: 'migrat'. Did you mean migrate?\nType 'manage.py help' for usage.\n"
        f"shop.service: Control process exited, code=exited, status=1/FAILURE\n{ENDED}",
        "ExecStartPre= of shop.service fails: Unknown command: 'migrat'. Did you mean migrate?",
        f"correct ExecStartPre= in shop.service, or what it runs{AGAIN}",
    ),
    Case(
        "halted by a signal",
        lambda site, host: put(site.server, halted=[20, 21]),
        "uwsgi.stopped",
        "broken",
        "uWSGI is halted by a signal (SIGSTOP): 2 of its processes do nothing until somebody lets them go on",
        "kill -CONT 20 21",
        ("process 20: state T (stopped)",),
    ),
]


def unloadable(site, error, **failed):
    put(site, managed=False)
    put(site.uwsgi, unit={"Id": "shop.service"})
    put(site.uwsgi.options, values={"chdir": ["/srv/code"], "module": ["shop.wsgi"], "home": ["/srv/venv"]})
    put(site.probes[0].answer, status=500)
    put(site.entrances[0].answer, status=500)
    del site.inside["app"]
    put(site.inside, **{"failed app": {"error": error, "missing": "", "where": "/srv/code/shop/wsgi.py:16", **failed}})


def _app(title, error, fix, **failed):
    return Case(
        title,
        lambda site, host: unloadable(site, error, **failed),
        "app.import",
        "broken",
        f"the application cannot be imported: {error}",
        f"{fix}; then systemctl restart shop.service",
    )


APP = [
    _app(
        "a variable of the environment",
        "KeyError: 'SHOP_DOMAIN'",
        "give the process the variable SHOP_DOMAIN, by EnvironmentFile= or Environment= below [Service] in "
        "shop.service",
    ),
    _app(
        "a driver",
        "ImproperlyConfigured: Error loading MySQLdb module.",
        "/srv/venv/bin/pip install mysqlclient",
    ),
    _app(
        "a log that is closed",
        "ValueError: Unable to configure handler 'f': PermissionError: [Errno 13] Permission denied: '/var/log/a.log'",
        "let shop write /var/log/a.log: chown shop /var/log/a.log, or install -d -o shop /var/log/a.log for a "
        "directory",
    ),
    _app("a setting", "ValueError: Incorrect timezone setting: X", "correct TIME_ZONE in /srv/code/shop/settings.py"),
    _app(
        "a module of the project itself",
        "ModuleNotFoundError: No module named 'shop.local'",
        "the project has no shop.local: put it there, or correct what names it",
        missing="shop.local",
    ),
    Case(
        "a package that is closed to the site's user",
        lambda site, host: (
            unloadable(site, "ModuleNotFoundError: No module named 'shop'", missing="shop"),
            put(site.places, closed=denied("/srv/code", 0o750, True)),
        ),
        "app.chdir",
        "broken",
        "shop may not read the package shop: /srv/code is closed to it (0750)",
        "User= of shop.service, or fix of /srv/code; then systemctl restart shop.service",
        ("evidence of /srv/code",),
    ),
    Case(
        "a virtualenv of another Python",
        lambda site, host: (
            unloadable(site, ""),
            put(site.inside, **{"failed django": {"error": "ModuleNotFoundError: No module named 'django'"}}),
            put(site.places, pythons=["python3.9"]),
        ),
        "app.virtualenv",
        "broken",
        "the virtualenv /srv/venv was made for python3.9, and uWSGI has Python 3.12: its packages are not found",
        "web_sites[].virtualenv, then playbooks/site.yml; by hand: make it again: python3.12 -m venv --clear /srv/venv "
        "&& /srv/venv/bin/pip install -r the project's requirements, then systemctl restart shop.service",
        ("/srv/venv/lib/python3.9", "ModuleNotFoundError: No module named 'django'"),
    ),
]


def written(site, **options):
    """The ini has these values, and the site answers nothing."""
    ended(site, "", **options)
    put(site.uwsgi, unit={"Id": "shop.service"}, master=site.uwsgi.master)


APP += [
    Case(
        "a comment behind a value",
        lambda site, host: written(site, socket="/run/shop.sock # here"),
        "app.ini",
        "broken",
        "`socket = /run/shop.sock # here` in /srv/uwsgi.ini: uWSGI takes a comment behind a value for a part of it",
        "socket = /run/shop.sock in /srv/uwsgi.ini; then systemctl restart shop.service",
    ),
    Case(
        "quotes around a value",
        lambda site, host: written(site, module='"shop.wsgi"'),
        "app.ini",
        "broken",
        '`module = "shop.wsgi"` in /srv/uwsgi.ini: uWSGI takes quotes around a value for a part of it',
        "module = shop.wsgi in /srv/uwsgi.ini; then systemctl restart shop.service",
    ),
    Case(
        "a name that no option has",
        lambda site, host: (
            written(site, modul="shop.wsgi"),
            site.uwsgi.options.values.pop("module"),
            put(site.uwsgi, master=process(20, "uwsgi --ini x.ini"), log="--- no python application found, check"),
            site.inside.pop("app"),
        ),
        "app.module",
        "broken",
        "/srv/uwsgi.ini names no application: it has neither module nor wsgi-file; `modul` is no option of uWSGI",
        "module in the place of modul in /srv/uwsgi.ini; then systemctl restart shop.service",
    ),
]
SOCKET = [
    Case(
        "a group that nginx is not in",
        lambda site, host: (
            put(site, managed=False),
            put(
                site.probes[0],
                answer=None,
                connect_error="EACCES",
                obstacle=denied("/run/shop.sock", 0o660),
                described="srw-rw---- shop:staff /run/shop.sock",
            ),
            put(site.entrances[0].answer, status=502, reason="Bad Gateway"),
        ),
        "socket.denied",
        "broken",
        "www-data may not write to the socket /run/shop.sock: its mode is 0660, and it belongs to shop:staff, a group "
        "that www-data is not in",
        "Group=www-data in the unit (or chown-socket = shop:www-data in /srv/uwsgi.ini of a uWSGI that root starts); "
        "now: chgrp www-data /run/shop.sock",
    ),
]
