"""Test cases of faults behind nginx on hosts set up by hand: messages of uWSGI, units, projects.

Each test_doctor_HOP.py adds the cases of its hop to its table.
"""

from __future__ import annotations

from doctor_evidence import Case, denied, process, put


def ended(site, log, **options):
    """Let systemd start the site's uWSGI again and again, as its unit says."""
    unit = {"Id": "shop.service", "ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "4"}
    put(site, managed=False)
    put(site.uwsgi, master=None, unit={**unit, **options.pop("unit", {})}, log=log)
    put(site.uwsgi.options, files=["/srv/uwsgi.ini"])
    site.uwsgi.options.values.update({name: [value] for name, value in options.items()})
    put(site.probes[0], answer=None, connect_error="ENOENT", exists=False)
    put(site.entrances[0].answer, status=502, reason="Bad Gateway")


CRASH = "uWSGI keeps exiting and restarting: "
AGAIN = "; then systemctl daemon-reload && systemctl restart shop.service"
ENDED = (
    "shop.service: Main process exited, code=exited, status=1/FAILURE\n"
    "shop.service: Failed with result 'exit-code'.\nStopped shop.service - x."
)


DJANGO = [
    Case(
        "cookies of another domain",
        lambda site, host: put(site.inside, cookies={"trusted": True, "foreign": ["SESSION_COOKIE_DOMAIN"]}),
        "django.cookies",
        "degraded",
        "SESSION_COOKIE_DOMAIN is for another domain than shop.example: browsers reject the cookie, forms get 403 and "
        "nobody can log in",
        "remove web_sites[].settings.SESSION_COOKIE_DOMAIN, or set it to the domain of the site",
        ("SESSION_COOKIE_DOMAIN",),
    ),
]


def _uwsgi(title, log, words, fix, **options):
    return Case(title, lambda site, host: ended(site, log, **options), "uwsgi.crashing", "broken", CRASH + words, fix)


UWSGI = [
    _uwsgi(
        "a file that it cannot write",
        'writing pidfile to /run/a.pid\nopen("/run/a.pid"): Permission denied [core/utils.c line 3624]\n'
        f"unlink(): No such file or directory [core/uwsgi.c line 1617]\n{ENDED}",
        'open("/run/a.pid"): Permission denied [core/utils.c line 3624]',
        "a directory that shop may write to for a.pid in /srv/uwsgi.ini: LogsDirectory= or RuntimeDirectory= in "
        f"shop.service creates one{AGAIN}",
    ),
    _uwsgi(
        "a user that is not there",
        f"user deploy not found.\n{ENDED}",
        "user deploy not found.",
        f"uid = an existing user in /srv/uwsgi.ini (deploy does not exist){AGAIN}",
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
        "shop.service hides the home directories from it",
        "remove ProtectHome= from shop.service (read-only lets it read), or put the project outside of /home" + AGAIN,
        unit={"ProtectHome": "yes"},
    ),
    _uwsgi(
        "daemonize in a unit",
        "Set PythonHome to /srv/venv\nshop.service: Deactivated successfully.",
        "daemonize = /srv/a.log in /srv/uwsgi.ini: uWSGI goes into the background, and systemd treats that as its exit",
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
        "systemd cannot start shop.service: systemd rejects its file, ExecStart= in /etc/systemd/system/shop.service: "
        "./uwsgi is not an absolute path",
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
        "Type=notify in shop.service (or Type=simple), instead of forking; then systemctl daemon-reload && systemctl "
        "restart shop.service",
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
        "a unit that is not enabled",
        lambda site, host: (
            put(site, managed=False),
            put(site.uwsgi, unit={"Id": "shop.service", "UnitFileState": "disabled", "FragmentPath": "/s"}),
        ),
        "uwsgi.not-enabled",
        "advice",
        "shop.service is not enabled: it runs now, but nothing starts it at the next boot",
        "systemctl enable shop.service",
        ("UnitFileState=disabled, /s",),
    ),
    Case(
        "a changed unit that systemd has not read",
        lambda site, host: (
            put(site, managed=False),
            put(site.uwsgi, unit={"Id": "shop.service", "NeedDaemonReload": "yes", "FragmentPath": "/s"}),
        ),
        "uwsgi.unit-changed",
        "advice",
        "the file of shop.service was changed, but systemd has not read it again: a restart uses the old one",
        "systemctl daemon-reload && systemctl restart shop.service",
        ("/s",),
    ),
]
UWSGI += [
    Case(
        "a failing command before uWSGI, with its reason",
        lambda site, host: ended(
            site,
            "Unknown command: 'migrat'. Did you mean migrate?\nType 'manage.py help' for usage.\n"
            f"shop.service: Control process exited, code=exited, status=1/FAILURE\n{ENDED}",
            unit={"ExecStartPre": "{ path=/m ; argv[]=/m migrat ; ignore_errors=no ; code=exited ; status=1 }"},
        ),
        "uwsgi.unit",
        "broken",
        "systemd cannot start shop.service: /m migrat failed, which must succeed before it starts (ExecStartPre=): "
        "Unknown command: 'migrat'. Did you mean migrate?",
        "correct it in shop.service, or what it runs, then systemctl daemon-reload && systemctl restart shop.service",
    ),
    Case(
        "stopped by a signal",
        lambda site, host: put(site.server, halted=[20, 21]),
        "uwsgi.stopped",
        "broken",
        "uWSGI is halted by a signal (SIGSTOP): 2 of its processes do nothing until they are resumed",
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
        "set the variable SHOP_DOMAIN for the process, with EnvironmentFile= or Environment= below [Service] in "
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
        "allow shop to write to /var/log/a.log: chown shop /var/log/a.log, or install -d -o shop /var/log/a.log for a "
        "directory",
    ),
    _app("a setting", "ValueError: Incorrect timezone setting: X", "correct TIME_ZONE in /srv/code/shop/settings.py"),
    _app(
        "a module of the project itself",
        "ModuleNotFoundError: No module named 'shop.local'",
        "the project has no shop.local: add it, or correct what names it",
        missing="shop.local",
    ),
    Case(
        "a package that the site's user cannot read",
        lambda site, host: (
            unloadable(site, "ModuleNotFoundError: No module named 'shop'", missing="shop"),
            put(site.places, closed=denied("/srv/code", 0o750, True)),
        ),
        "app.chdir",
        "broken",
        "shop, the user of the site, cannot enter the directory /srv/code (0750): the application cannot be loaded",
        "fix of /srv/code; then systemctl restart shop.service",
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
        "the virtualenv /srv/venv was created for python3.9, but uWSGI uses Python 3.12: it does not find the packages",
        "set web_sites[].virtualenv, then run pyweb.stack.site; by hand: create it again: python3.12 -m venv --clear "
        "/srv/venv && /srv/venv/bin/pip install -r the project's requirements, then systemctl restart shop.service",
        ("/srv/venv/lib/python3.9", "ModuleNotFoundError: No module named 'django'"),
    ),
]


def written(site, **options):
    """Write these values to the ini; the site does not answer."""
    ended(site, "", **options)
    put(site.uwsgi, unit={"Id": "shop.service"}, master=site.uwsgi.master)


APP += [
    Case(
        "a comment after a value",
        lambda site, host: written(site, socket="/run/shop.sock # here"),
        "app.ini",
        "broken",
        "`socket = /run/shop.sock # here` in /srv/uwsgi.ini: uWSGI treats a comment behind a value as part of it",
        "socket = /run/shop.sock in /srv/uwsgi.ini; then systemctl restart shop.service",
    ),
    Case(
        "quotes around a value",
        lambda site, host: written(site, module='"shop.wsgi"'),
        "app.ini",
        "broken",
        '`module = "shop.wsgi"` in /srv/uwsgi.ini: uWSGI treats quotes around a value as part of it',
        "module = shop.wsgi in /srv/uwsgi.ini; then systemctl restart shop.service",
    ),
    Case(
        "an unknown option",
        lambda site, host: (
            written(site, modul="shop.wsgi"),
            site.uwsgi.options.values.pop("module"),
            put(site.uwsgi, master=process(20, "uwsgi --ini x.ini"), log="--- no python application found, check"),
            site.inside.pop("app"),
        ),
        "app.module",
        "broken",
        "/srv/uwsgi.ini names no application: it has neither module nor wsgi-file; `modul` is not an option of uWSGI",
        "module instead of modul in /srv/uwsgi.ini; then systemctl restart shop.service",
    ),
]
SOCKET = [
    Case(
        "a group that nginx is not a member of",
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
        "www-data cannot write to the socket /run/shop.sock: its mode is 0660, and it belongs to shop:staff, a group "
        "that www-data is not in",
        "Group=www-data in the unit (or chown-socket = shop:www-data in /srv/uwsgi.ini if root starts uWSGI); for now: "
        "chgrp www-data /run/shop.sock",
    ),
]
SOCKET += [
    Case(
        "a leftover socket, uWSGI listens on a port",
        lambda site, host: (
            put(site, managed=False),
            put(site.probes[0], answer=None, connect_error="ECONNREFUSED", described="srwxr-xr-x"),
            put(site.uwsgi, listens=["127.0.0.1:81"]),
            put(site.entrances[0].answer, status=502, reason="Bad Gateway"),
        ),
        "socket.stale",
        "broken",
        "unix:/run/shop.sock is a stale socket: uWSGI listens on 127.0.0.1:81 instead",
        "use the same address in both: set uwsgi_pass 127.0.0.1:81; at /etc/nginx/nginx.conf:5 or in its upstream, "
        "then nginx -t && systemctl reload nginx; or socket = /run/shop.sock in /srv/uwsgi.ini, then restart uWSGI",
        ("connect(unix:/run/shop.sock): ECONNREFUSED",),
    ),
]
