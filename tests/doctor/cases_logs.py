"""Faults that only logs tell of, on the host of the tutorial: what visitors got, what uWSGI, nginx, systemd wrote."""

from __future__ import annotations

from cases import Case

# A view that fails, beside those of the tutorial; `ask_all` visits it, and the first page.
VIEWS = r"""
keep $project/mysite/urls.py
add() { sed -i "s|^urlpatterns = \[|&path(\"$1/\", $1), |" $project/mysite/urls.py; }
view() { sed -i "/^urlpatterns/i def $1(request):\n    $2\n\n" $project/mysite/urls.py; add $1; }
visits() { for _visit in $(seq $1); do ask http://127.0.0.1$2; done; ask http://127.0.0.1/; }
"""
BACK = "back $project/mysite/urls.py; restart"
UNIT = "/etc/systemd/system/mysite.service"
LOGGED = r"""
keep $project/mysite/settings.py
cat >> $project/mysite/settings.py <<'EOF'
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"]},
}
EOF
"""
BACK_LOGGED = "back $project/mysite/settings.py $project/mysite/urls.py; restart"


def unit(edit: str) -> str:
    """Return a script that changes the unit, and starts it until systemd has given up on a start."""
    return (
        f"keep {UNIT}; sed -i '{edit}' {UNIT}; systemctl daemon-reload; end mysite; systemctl start mysite || true\n"
        'until [ "$(systemctl show --property=NRestarts --value mysite)" -gt 1 ]; do sleep 0.1; done'
    )


UNIT_BACK = f"back {UNIT}; systemctl daemon-reload; systemctl reset-failed mysite || true; restart"

BY_HAND_CASES = [
    Case(
        "a page raises, nothing logs it",
        "django.pages",
        ["Django answers 500 on /boom/ (5 x 500)", "5 x 500 on GET /boom/", "access.log", "LOGGING"],
        VIEWS + "view boom '1 / 0'; restart; answers /; visits 5 /boom/",
        BACK,
        status="degraded",
        page="/boom/",
    ),
    Case(
        "a page raises, and a deep look asks why",
        "django.pages",
        ["/boom/ (1 x 500)", "ZeroDivisionError: division by zero", "urls.py:"],
        VIEWS + "view boom '1 / 0'; restart; answers /; visits 1 '/boom/?name=secret'",
        BACK,
        status="degraded",
        page="/boom/",
        options={"deep": True},
    ),
    Case(
        "a page raises, its traceback in the journal",
        "django.pages",
        ["/boom/ (2 x 500)", "ValueError: not this time", "fix /home/huatai/works/mysite/mysite/urls.py:"],
        VIEWS + LOGGED + "view boom 'raise ValueError(\"not this time\")'; restart; answers /; visits 2 /boom/",
        BACK_LOGGED,
        status="degraded",
        page="/boom/",
    ),
    Case(
        "a table of no model is gone",
        "django.pages",
        ["/db/ (1 x 500)", "no such table: nosuch", "the table nosuch is missing", "manage.py migrate"],
        f"{VIEWS}{LOGGED}"
        'view db \'from django.contrib.sessions.models import Session; Session._meta.db_table = "nosuch"; '
        "Session.objects.count()'\n"
        "restart; answers /; visits 1 /db/",
        BACK_LOGGED,
        status="degraded",
        page="/db/",
    ),
    Case(
        "the first page raises, nothing logs it",
        "django.error",
        ["Django answers 500", "RuntimeError: no home", "urls.py:"],
        "keep $project/mysite/urls.py\n"
        "sed -i '/return HttpResponse/i \\    raise RuntimeError(\"no home\")' $project/mysite/urls.py\n"
        "restart; sleep 1; ask http://127.0.0.1/",
        BACK,
    ),
    Case(
        "workers are killed",
        "uwsgi.killed",
        ["4 x `DAMN ! worker died, killed by signal 9`", "the kernel", "DAMN ! worker"],
        "for _time in 1 2 3 4; do\n"
        "    kill -9 $(pgrep -P $(systemctl show --property=MainPID --value mysite) | head -1)\n"
        "    sleep 1.2\ndone\nanswers /",
        "restart",
        status="degraded",
    ),
    Case(
        "a worker crashes",
        "uwsgi.worker-crashed",
        ["1 x SIGSEGV", "got Segmentation Fault"],
        VIEWS
        + "view crash 'import ctypes; ctypes.string_at(0)'; restart; answers /; visits 1 /crash/; sleep 1; answers /",
        BACK,
        status="degraded",
        page="/crash/",
    ),
    Case(
        "uWSGI without its Python plugin",
        "uwsgi.plugin",
        ["without its Python plugin", "unavailable modifier requested: 0", "set plugins = python3 in"],
        "edit $ini '/^plugins/d; /^home/d; /^module/d'; restart\n"
        "start=_SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value mysite)\n"
        "until journalctl $start -o cat | grep -q 'unavailable modifier requested: 0'; do\n"
        "    ask http://127.0.0.1/; sleep 0.2\ndone",
        "back $ini; restart",
    ),
    Case(
        "EnvironmentFile missing",
        "uwsgi.unit",
        ["/etc/mysite.env is missing (EnvironmentFile=)", "Failed to load environment files"],
        unit("/^User=/a EnvironmentFile=/etc/mysite.env"),
        UNIT_BACK,
    ),
    Case(
        "User= of nobody",
        "uwsgi.unit",
        ["there is no user nosuchuser (217/USER)", "status=217/USER"],
        unit("s/^User=.*/User=nosuchuser/"),
        UNIT_BACK,
    ),
    Case(
        "WorkingDirectory= missing",
        "uwsgi.unit",
        ["the directory /srv/nowhere does not exist (200/CHDIR, WorkingDirectory=)"],
        unit("/^User=/a WorkingDirectory=/srv/nowhere"),
        UNIT_BACK,
    ),
    Case(
        "ExecStart= missing",
        "uwsgi.unit",
        ["/usr/local/nowhere/uwsgi does not exist (203/EXEC, ExecStart=)"],
        unit("s,^ExecStart=[^ ]*,ExecStart=/usr/local/nowhere/uwsgi,"),
        UNIT_BACK,
    ),
    Case(
        "the directory of the socket is gone",
        "uwsgi.directory",
        ["/run/mysite, where uWSGI creates its socket, is missing", "RuntimeDirectory=mysite", "bind(): No such file"],
        "edit $ini 's,^socket = .*,socket = /run/mysite/mysite.sock,'\n"
        "edit $conf 's,server unix.*,server unix:/run/mysite/mysite.sock;,'; restart_broken; reload",
        "back $ini $conf; restart; reload",
    ),
    Case(
        "the first error is gone, there is a second one",
        "app.import",
        ["KeyError: 'SECOND'"],
        "keep $project/mysite/wsgi.py; echo 'import nosuchfirst' >> $project/mysite/wsgi.py; restart; sleep 1\n"
        "edit $ini 's/^master/need-app = true\\n&/'\n"
        "back $project/mysite/wsgi.py; keep $project/mysite/wsgi.py\n"
        "echo 'import os; os.environ[\"SECOND\"]' >> $project/mysite/wsgi.py; restart_broken",
        "back $ini $project/mysite/wsgi.py; restart",
    ),
    Case(
        "a style sheet that a page names is not there",
        "static.page-file",
        ["/admin/login/ names files that are not served", "/static/admin/css/base.css (404)"],
        "mv $project/static/admin/css/base.css /var/tmp/base.css",
        "mv /var/tmp/base.css $project/static/admin/css/base.css",
        status="degraded",
    ),
    Case(
        "the first page redirects to a page that is not there",
        "client.dead-end",
        ["/ redirects to /accounts/login/, which is answered with 404", "LOGIN_URL"],
        "keep $project/mysite/urls.py\n"
        'sed -i \'s|path("", home)|path("", __import__("django.contrib.auth.decorators", fromlist=["x"])'
        ".login_required(home))|' $project/mysite/urls.py; restart; sleep 1",
        BACK,
        status="degraded",
    ),
    Case(
        "pages are gone since nginx was reloaded",
        "client.page-gone",
        ["/more/", "404 now"],
        VIEWS + "view more 'return HttpResponse(\"more\")'; restart; answers /; answers /more/; sleep 1.5\n"
        "edit $conf 's|^    location / {|    location /more/ { return 404; }\\n&|'; reload; sleep 1; visits 2 /more/",
        "back $conf; " + BACK + "; reload",
        status="degraded",
        page="/more/",
    ),
    Case(
        "nginx redirects internally in a loop",
        "nginx.errors",
        ["nginx redirects internally in a loop", "rewrite or internal redirection cycle", "try_files"],
        "edit $conf 's|^    location / {|    location /app/ { try_files $uri /app/index.html; }\\n&|'; reload\n"
        "ask http://127.0.0.1/app/x",
        "back $conf; reload",
        status="degraded",
        page="/app/x",
    ),
    Case(
        "an answer has more headers than nginx takes",
        "nginx.errors",
        ["larger than nginx's buffer (2 times", "upstream sent too big header", "uwsgi_buffer_size"],
        VIEWS
        + 'view big \'return HttpResponse("x", headers={"X-Big": "y" * 9000})\'; restart; answers /; visits 2 /big/',
        BACK,
        status="degraded",
        page="/big/",
    ),
    Case(
        "a page ends the worker that answers it",
        "client.pages",
        ["visitors get 502 instead of a page: /quit/ (2 x 502)", "upstream prematurely closed connection"],
        VIEWS
        + "view quit '__import__(\"os\")._exit(1)'; restart; answers /; visits 1 /quit/; sleep 1.2; visits 1 /quit/\n"
        "sleep 1.2; answers /",
        BACK,
        status="degraded",
        page="/quit/",
    ),
    Case(
        "nobody waits for a page",
        "client.gave-up",
        ["visitors do not wait for the answer: /slow/ (3 x 499)"],
        VIEWS + "view slow 'time.sleep(1.5); return HttpResponse(\"late\")'; restart; answers /\n"
        "for _time in 1 2 3; do ask -m 0.3 http://127.0.0.1/slow/; sleep 1.5; done",
        BACK,
        status="degraded",
    ),
]
