"""Faults of hosts that somebody set up by hand: the words of nginx, uWSGI and systemd, on the host of the tutorial."""

from __future__ import annotations

from cases import Case

UNIT = "/etc/systemd/system/mysite.service"
BACK = "back $conf; reload"
BACK_INI = "back $ini; restart"


def conf(edit: str) -> str:
    return f"edit $conf '{edit}'; reload"


BY_HAND_CASES = [
    Case(
        "a site file that no link leads to",
        "name.no-server",
        ["nginx does not read /etc/nginx/sites-available/mysite", "ln -s /etc/nginx/sites-available/mysite"],
        "mkdir -p /etc/nginx/sites-available; mv $conf /etc/nginx/sites-available/mysite; reload",
        "mv /etc/nginx/sites-available/mysite $conf; reload",
    ),
    Case(
        "a scheme in server_name",
        "name.no-server",
        ["server_name http://example.com/ in /etc/nginx/conf.d/mysite.conf", "contains a scheme"],
        "echo 'server { listen 80 default_server; return 404; }' > /etc/nginx/conf.d/a.conf\n"
        + conf("s,server_name example.com,server_name http://example.com/,"),
        "rm /etc/nginx/conf.d/a.conf; " + BACK,
    ),
    Case(
        "internal in the location of the site",
        "location.refused",
        ["`internal` in /etc/nginx/conf.d/mysite.conf", "nginx answers 404"],
        conf("s,uwsgi_pass django;,internal; &,"),
        BACK,
    ),
    Case(
        "a rewrite that was meant for a front end",
        "location.refused",
        ["rewrite ^/(.*)$ /index.html break;", "before the application is asked"],
        conf("s,charset utf-8;,& rewrite ^/(.*)$ /index.html break;,"),
        BACK,
    ),
    Case(
        "style sheets without a type",
        "static.content-type",
        ["as text/plain", "include /etc/nginx/mime.types;"],
        conf("s,location /static {,& types { } default_type text/plain;,"),
        BACK,
    ),
    Case(
        "port 443 without ssl",
        "nginx.no-ssl",
        ["nginx speaks plain http on port 443", "listen 443 ssl;"],
        conf("s,listen 80;,& listen 443;,"),
        "back $conf; systemctl restart nginx",
        extra=frozenset({"django.csrf"}),
    ),
    Case(
        "nginx was started by hand",
        "nginx.outside-systemd",
        ["which systemd did not start", "systemctl reset-failed nginx"],
        "systemctl stop nginx; nginx; systemctl start nginx || true",
        "kill -QUIT $(pgrep -o -x nginx); sleep 1; systemctl reset-failed nginx; systemctl start nginx",
        status="degraded",
    ),
    Case(
        "a pid file that the user cannot write",
        "uwsgi.crashing",
        ['open("/run/mysite.pid"): Permission denied', "RuntimeDirectory="],
        "edit $ini '$ a pidfile = /run/mysite.pid'; restart_broken",
        BACK_INI,
    ),
    Case(
        "a user in the ini that is not there",
        "uwsgi.crashing",
        ["user deploy not found", "uid = an existing user"],
        f"edit $ini '$ a uid = deploy'; edit {UNIT} '/^User=\\|^Group=/d'; systemctl daemon-reload; restart_broken",
        f"back $ini {UNIT}; systemctl daemon-reload; restart",
    ),
    Case(
        "a unit whose program is not an absolute path",
        "uwsgi.unit",
        ["systemd rejects its file", "./uwsgi is not an absolute path"],
        f"edit {UNIT} 's,^ExecStart=.*,ExecStart=./uwsgi --ini /home/huatai/works/mysite/uwsgi.ini,'\n"
        "systemctl daemon-reload; end mysite",
        f"back {UNIT}; systemctl daemon-reload; restart",
    ),
    Case(
        "a unit that was changed, and systemd not told",
        "uwsgi.unit-changed",
        ["systemd has not read it again", "systemctl daemon-reload"],
        f"edit {UNIT} 's/KillSignal=SIGQUIT/KillSignal=SIGINT/'",
        f"back {UNIT}; systemctl daemon-reload",
        status="advice",
    ),
    Case(
        "a virtualenv of another Python",
        "app.virtualenv",
        ["was created for python3.5", "venv --clear /home/huatai/venv"],
        "cd /home/huatai/venv/lib; ls -d python3.* > /var/tmp/lib; mv python3.* python3.5; restart_broken",
        "cd /home/huatai/venv/lib; mv python3.5 $(cat /var/tmp/lib); restart",
    ),
]
