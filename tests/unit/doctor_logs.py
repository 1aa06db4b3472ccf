"""Test cases about logs, and about pages other than the first one."""

from __future__ import annotations

from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_logs import NginxLine, Page, Raised, Visit
from doctor_evidence import NOW, UNIT, Case, answer, put

LOG = "/var/log/nginx/access.log"
START = NOW - 1000
TRACEBACK = """\
Internal Server Error: /db/
Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/django/db/utils.py", line 1, in execute
  File "/srv/code/shop/views.py", line 7, in db
    rows()
django.db.utils.OperationalError: no such table: shop_item
"""
DAMN = "DAMN ! worker {} (pid: {}) died, killed by signal 9 :( trying respawn ..."
BIG = '2027/01/15 08:00:00 [error] 9#9: *1 upstream sent too big header while reading response header from upstream, client: 192.0.2.7, server: shop.example, request: "GET /big/ HTTP/1.1", upstream: "uwsgi://unix:/run/shop.sock:"'  # noqa: E501
CLOSED = BIG.replace("sent too big header", "prematurely closed connection")
CYCLE = '2027/01/15 08:00:00 [error] 9#9: *1 rewrite or internal redirection cycle while internally redirecting to "/a", client: 192.0.2.7, server: shop.example, request: "GET /a HTTP/1.1"'  # noqa: E501
FAILED = {"Id": UNIT, "ActiveState": "failed", "SubState": "failed", "NRestarts": "0"}


def visited(site, *lines, source=LOG):
    """Add lines `STATUS PATH` to the access log, one second apart; `old` lines are from before the last start."""
    site.logs.source, site.logs.app_since, site.logs.nginx_since = source, START, START
    for number, line in enumerate(lines):
        when, _space, rest = line.partition(" ") if line.startswith(("old ", "own ")) else ("", "", line)
        status, path = rest.split()
        base = START - 500 if when == "old" else START + 100
        site.logs.visits.append(Visit(base + number, "GET", path, int(status), when == "own"))


def down(site, log, unit=None, **absent):
    put(site.uwsgi, master=None, workers=[], unit={**FAILED, **(unit or {})}, log=log)
    put(site.probes[0], answer=None, connect_error="ECONNREFUSED")
    site.logs.absent.update(absent)


def nginx_said(site, text, level="error", request=""):
    site.logs.nginx_log = "/var/log/nginx/error.log"
    site.logs.nginx_lines.append(NginxLine(NOW, level, text, request))


CLIENT = [
    Case(
        "502 on one page",
        lambda site, host: (visited(site, "200 /", "502 /big/"), nginx_said(site, CLOSED, "error", "GET /big/")),
        "client.pages",
        "degraded",
        "visitors get 502 instead of a page: /big/ (1 x 502)",
        "check what uWSGI logged about the worker that answered it",
    ),
    Case(
        "pages are missing",
        lambda site, host: visited(site, "old 200 /a/", "old 200 /b/", "200 /", "404 /a/", "404 /b/"),
        "client.page-gone",
        "degraded",
        "pages that were answered with 200 before the last start are answered with 404 now: /a/ (1 x 404), "
        "/b/ (1 x 404)",
        "compare the locations of nginx (try_files, root) and the project's urls.py with their earlier state",
    ),
    Case(
        "one page is missing, others exist",
        lambda site, host: visited(site, "old 200 /a/", "200 /b/", "404 /a/"),
        "client.page-gone",
        "advice",
        "pages that were answered with 200 before the last start are answered with 404 now: /a/ (1 x 404)",
        "compare the locations of nginx (try_files, root) and the project's urls.py with their earlier state",
    ),
    Case(
        "clients closed the connection",
        lambda site, host: visited(site, "499 /slow/", "200 /slow/", "499 /slow/", "499 /slow/"),
        "client.gave-up",
        "degraded",
        "visitors do not wait for the answer: /slow/ (3 x 499) (499: the client closed the connection)",
        "find out what takes so long there",
    ),
    Case(
        "a redirect to a missing page",
        lambda site, host: put(site.logs, pages=[Page("/", 404, "/accounts/login/")]),
        "client.dead-end",
        "degraded",
        "/ redirects to /accounts/login/, which is answered with 404",
        "LOGIN_URL in the settings, or the URL that the view redirects to",
        ("GET / -> /accounts/login/ -> 404",),
    ),
]
DJANGO = [
    Case(
        "500 on other pages, without a reason",
        lambda site, host: visited(site, "200 /", *["500 /boom/"] * 5, "500 /x/"),
        "django.pages",
        "degraded",
        "Django answers 500 on /boom/ (5 x 500), /x/ (1 x 500)",
        "the exception is not logged: run the doctor with doctor_deep=true, or add a handler to LOGGING in the "
        "settings that writes to stderr for 'django.request'",
    ),
    Case(
        "500 on another page, with its traceback",
        lambda site, host: (
            visited(site, "500 /db/"),
            put(site.uwsgi, log=TRACEBACK, stats={"workers": [{"status": "idle", "exceptions": 2}]}),
            put(site, managed=False),
        ),
        "django.pages",
        "degraded",
        "Django answers 500 on /db/ (1 x 500): django.db.utils.OperationalError: no such table: shop_item "
        "(/srv/code/shop/views.py:7)",
        "the table shop_item is missing. cd /srv/code && /srv/venv/bin/python3 manage.py migrate creates it; if "
        "showmigrations says that this was done, restore the table from a backup, or migrate APP zero --fake and "
        "migrate APP",
        ("uWSGI counts 2 unhandled exceptions of the application",),
    ),
    Case(
        "500 on the admin's login page, requested again",
        lambda site, host: put(
            site.logs,
            pages=[Page("/admin/login/", 500, "/admin/login/")],
            again=[Raised("/admin/login/", "KeyError: 'x'", "/srv/code/shop/a.py:3", 500)],
        ),
        "django.pages",
        "degraded",
        "Django answers 500 on /admin/login/ (1 x 500): KeyError: 'x' (/srv/code/shop/a.py:3)",
        "fix /srv/code/shop/a.py:3, then deploy it with pyweb.stack.deploy",
        ("/admin/login/",),
    ),
    Case(
        "500 on the first page, requested again",
        lambda site, host: (
            put(site.entrances[0], answer=answer(500)),
            put(site, managed=False),
            put(site.uwsgi, unit={"Id": "shop.service"}),
            put(site.logs, again=[Raised("/", "KeyError: 'x'", "/srv/code/shop/a.py:3", 500)]),
        ),
        "django.error",
        "broken",
        "Django answers 500: KeyError: 'x' (/srv/code/shop/a.py:3)",
        "fix /srv/code/shop/a.py:3, then systemctl restart shop.service",
    ),
]
NGINX = [
    Case(
        "nginx redirects internally in a loop",
        lambda site, host: nginx_said(site, CYCLE),
        "nginx.errors",
        "degraded",
        "nginx redirects internally in a loop (once since it was started or reloaded): rewrite or internal redirection "
        "cycle "
        'while internally redirecting to "/a"',
        "correct try_files, error_page or rewrite: the last parameter must be an existing file, a location, or =404",
        (CYCLE, "in /var/log/nginx/error.log"),
    ),
    Case(
        "a temporary directory",
        lambda site, host: nginx_said(
            site, '2027/01/15 08:00:00 [crit] 9#9: *1 open() "/var/lib/nginx/body/1" failed (13: Permission denied)'
        ),
        "nginx.errors",
        "degraded",
        'nginx cannot use a file (once since it was started or reloaded): open() "/var/lib/nginx/body/1" failed '
        "(13: Permission denied)",
        "namei -l /var/lib/nginx/body/1 shows which directory or file nginx's user cannot access",
    ),
    Case(
        "another serious error",
        lambda site, host: [nginx_said(site, "2027/01/15 08:00:00 [crit] 9#9: out of ideas", "crit")] * 2,
        "nginx.errors",
        "degraded",
        "nginx has a serious error (once since it was started or reloaded): out of ideas",
        "see the line",
    ),
]
UWSGI = [
    Case(
        "workers are killed",
        lambda site, host: (
            put(site.uwsgi, log="\n".join([DAMN.format(1, 7), DAMN.format(2, 8)])),
            put(site.logs, kernel=["Out of memory: Killed process 8 (uwsgi) total-vm:1kB"]),
        ),
        "uwsgi.killed",
        "degraded",
        "2 x `DAMN ! worker died, killed by signal 9`: workers of uWSGI were killed while they handled requests, by "
        "the kernel because memory was short; their visitors got 502",
        "journalctl --dmesg --grep 'Out of memory'; to use less memory: web_sites[].uwsgi.processes and options",
        (DAMN.format(2, 8), "Out of memory: Killed process 8 (uwsgi) total-vm:1kB"),
    ),
    Case(
        "one worker was killed",
        lambda site, host: (put(site.uwsgi, log=DAMN.format(1, 7), unit={"Id": UNIT}), put(site, managed=False)),
        "uwsgi.killed",
        "advice",
        "1 x `DAMN ! worker died, killed by signal 9`: workers of uWSGI were killed while they handled requests, as "
        "the kernel does when memory is short; their visitors got 502",
        f"systemctl show --property=MemoryMax {UNIT}; journalctl --dmesg --grep 'Out of memory'; to use less memory: "
        "processes and reload-on-rss in the ini",
    ),
    Case(
        "a worker crashes",
        lambda site, host: put(site.uwsgi, log=DAMN.format(1, 7).replace("signal 9", "signal 11")),
        "uwsgi.worker-crashed",
        "degraded",
        "workers of uWSGI crash (1 x SIGSEGV): compiled code that a page uses fails; its visitors get 502",
        "find the page in the access log; update the package of the compiled module that it uses (coredumpctl info)",
    ),
    Case(
        "no plugin",
        lambda site, host: (
            put(site.uwsgi, log="-- unavailable modifier requested: 0 --"),
            put(site.probes[0], answer=None, failure="the connection was closed without an answer"),
        ),
        "uwsgi.plugin",
        "broken",
        "uWSGI runs without its Python plugin and cannot answer (unavailable modifier requested: 0): plugins is not "
        "set in /srv/uwsgi.ini",
        "set plugins = python3 in /srv/uwsgi.ini (the package uwsgi-plugin-python3), then restart it",
        ("-- unavailable modifier requested: 0 --",),
    ),
    Case(
        "no environment file",
        lambda site, host: down(
            site,
            "x.service: Failed to load environment files: No such file or directory\n"
            "x.service: Failed with result 'resources'.",
            EnvironmentFile="/etc/shop.env",
        ),
        "uwsgi.unit",
        "broken",
        f"systemd cannot start {UNIT}: /etc/shop.env is missing (EnvironmentFile=)",
        "pyweb.stack.site writes /etc/shop.env again; by hand: restore /etc/shop.env, or write "
        "EnvironmentFile=-/etc/shop.env if it may be missing, then systemctl daemon-reload && systemctl restart "
        f"{UNIT}",
        ("x.service: Failed to load environment files: No such file or directory",),
    ),
    *(
        Case(
            kind,
            lambda site, host, log=log, unit=unit, absent=absent: down(site, log, unit, **absent),
            "uwsgi.unit",
            "broken",
            f"systemd cannot start {UNIT}: {cause}",
            f"{fix}, then systemctl daemon-reload && systemctl restart {UNIT}",
        )
        for kind, log, unit, absent, cause, fix in (
            (
                "no user",
                "x: Main process exited, code=exited, status=217/USER",
                {"User": "nosuch"},
                {"User": "nosuch"},
                "there is no user nosuch (217/USER)",
                f"pyweb.stack.site creates the user again; by hand: set User= in {UNIT} to a user that exists",
            ),
            (
                "no group",
                "x: Main process exited, code=exited, status=216/GROUP",
                {},
                {},
                "there is no group of that name (216/GROUP)",
                f"set Group= in {UNIT} to a group that exists",
            ),
            (
                "no directory",
                "x: Main process exited, code=exited, status=200/CHDIR",
                {"WorkingDirectory": "/srv/gone"},
                {"WorkingDirectory": "/srv/gone"},
                "the directory /srv/gone does not exist (200/CHDIR, WorkingDirectory=)",
                f"correct WorkingDirectory= in {UNIT}",
            ),
            (
                "a program that may not be run",
                "x: Failed at step EXEC spawning /srv/uwsgi: Permission denied\nx: exited, status=203/EXEC",
                {"ExecStart": "{ path=/srv/uwsgi ; argv[]=/srv/uwsgi ; }"},
                {},
                "/srv/uwsgi cannot be executed: Permission denied (203/EXEC, ExecStart=)",
                "pyweb.stack.site builds it again; by hand: chmod +x /srv/uwsgi, and let root enter its directories "
                "(namei -l /srv/uwsgi)",
            ),
            (
                "a limit",
                "x: Failed at step LIMITS spawning /srv/uwsgi: Operation not permitted\nx: exited, status=205/LIMITS",
                {},
                {},
                "Failed at step LIMITS spawning /srv/uwsgi: Operation not permitted (205/LIMITS)",
                f"correct what systemd names in {UNIT}",
            ),
        )
    ),
    Case(
        "a start that takes too long",
        lambda site, host: down(site, "x.service: start operation timed out. Terminating."),
        "uwsgi.unit",
        "broken",
        f"systemd cannot start {UNIT}: the start timed out: nothing told systemd within TimeoutStartSec that it is "
        "ready",
        "Type=notify needs a program that notifies systemd and loads the application in time, then systemctl "
        f"daemon-reload && systemctl restart {UNIT}",
    ),
    Case(
        "a failing command before the start, from a drop-in",
        lambda site, host: down(
            site,
            "x.service: Control process exited, code=exited, status=1/FAILURE\n"
            "x.service: Failed with result 'exit-code'.",
            {
                "ExecStartPre": "{ path=/bin/false ; argv[]=/bin/false a ; ignore_errors=no ; code=exited ; status=1 }",
                "DropInPaths": "/usr/lib/systemd/system/service.d/10.conf /etc/systemd/system/x.d/pyweb.conf "
                "/etc/systemd/system/x.d/pre.conf",
            },
        ),
        "uwsgi.unit",
        "broken",
        f"systemd cannot start {UNIT}: /bin/false a failed, which must succeed before it starts (ExecStartPre=); "
        "/etc/systemd/system/x.d/pre.conf changes this unit",
        f"correct or remove /etc/systemd/system/x.d/pre.conf, then systemctl daemon-reload && systemctl restart {UNIT}",
        ("drop-in: /etc/systemd/system/x.d/pre.conf",),
    ),
    Case(
        "a command before the start fails",
        lambda site, host: down(
            site,
            "x.service: Control process exited, code=exited, status=1/FAILURE",
            {"ExecStartPre": "{ path=/bin/false ; argv[]=/bin/false ; ignore_errors=no ; code=exited ; status=1 }"},
        ),
        "uwsgi.unit",
        "broken",
        f"systemd cannot start {UNIT}: /bin/false failed, which must succeed before it starts (ExecStartPre=)",
        f"correct it in {UNIT}, or what it runs, then systemctl daemon-reload && systemctl restart {UNIT}",
        ("x.service: Control process exited, code=exited, status=1/FAILURE",),
    ),
    Case(
        "a file system with noexec",
        lambda site, host: down(
            site,
            "x.service: Failed at step EXEC spawning /srv/uwsgi: Permission denied\nx: status=203/EXEC",
            {"ExecStart": "{ path=/srv/uwsgi ; argv[]=/srv/uwsgi ; }"},
            exec="/srv",
        ),
        "uwsgi.unit",
        "broken",
        f"systemd cannot start {UNIT}: /srv/uwsgi cannot be executed: the file system /srv is mounted with noexec "
        "(203/EXEC, ExecStart=)",
        "mount -o remount,exec /srv, and no noexec for it in /etc/fstab, then systemctl daemon-reload && systemctl "
        f"restart {UNIT}",
    ),
    Case(
        "the directory of the socket",
        lambda site, host: (
            down(site, "bind(): No such file or directory [core/socket.c line 230]", socket="/run/shop"),
            put(site, managed=False),
        ),
        "uwsgi.directory",
        "broken",
        "/run/shop, where uWSGI creates its socket, is missing: /run is empty after each boot",
        f"RuntimeDirectory=shop below [Service] in {UNIT}: systemd creates it at each start; systemctl daemon-reload "
        f"&& systemctl restart {UNIT}",
        ("bind(): No such file or directory [core/socket.c line 230]", "there is no directory /run/shop"),
    ),
    Case(
        "the directory of the socket in another place",
        lambda site, host: down(site, "bind(): No such file or directory", socket="/srv/sockets"),
        "uwsgi.directory",
        "broken",
        "/srv/sockets, where uWSGI creates its socket, is missing",
        f"install -d -o shop /srv/sockets && systemctl restart {UNIT}",
    ),
    Case(
        "the directory of a managed socket",
        lambda site, host: down(site, "bind(): No such file or directory", socket="/run/sites/shop"),
        "uwsgi.directory",
        "broken",
        "/run/sites/shop, where uWSGI creates its socket, is missing: /run is empty after each boot",
        f"systemd-tmpfiles --create && systemctl restart {UNIT}",
    ),
]
STATIC = [
    Case(
        "a file that a page references",
        lambda site, host: (
            put(site, managed=False),
            put(site.logs, pages=[Page("/", 200, "/"), Page("/static/b.css", 404, named_by="/")]),
        ),
        "static.page-file",
        "degraded",
        "the page / names files that are not served: /static/b.css (404)",
        "cd /srv/code && /srv/venv/bin/python3 manage.py collectstatic; then compare the location of these files in "
        "nginx",
        ("GET /static/b.css -> 404, named by /",),
    )
]
