"""What comes first where several things are wrong, and faults whose fix depends on who made the host."""

from __future__ import annotations

from cases import BRIEF, Case

BY_HAND_CASES = [
    Case(
        "import error, and home 0700",
        "socket.denied",
        ["the home directory /home/huatai is not accessible (0700)", "chmod o+x /home/huatai"],
        "edit $project/mysite/wsgi.py '$ a raise RuntimeError(\"not today\")'; chmod 700 /home/huatai; restart_broken",
        "back $project/mysite/wsgi.py; chmod 755 /home/huatai; restart",
        extra=frozenset({"static.not-readable", "media.not-readable", "app.import"}),
    ),
    Case(
        "an ini that is not there",
        "app.ini",
        ["/home/huatai/works/mysite/uwsgi.ini", "does not exist"],
        "mv $ini $ini.away; restart_broken",
        "mv $ini.away $ini; restart",
    ),
    Case(
        "a name in the settings that is not there",
        "app.import",
        ["NameError", "nosuch", "correct /home/huatai/works/mysite/mysite/settings.py:", "systemctl restart mysite"],
        "edit $project/mysite/settings.py '$ a DEBUG = nosuch'; restart_broken",
        "back $project/mysite/settings.py; restart",
    ),
    Case(
        "a socket of another name",
        "socket.missing",
        ["unix:/home/huatai/works/mysite/other.sock", "uWSGI listens on", "mysite.conf"],
        "edit $conf 's,mysite.sock,other.sock,'; reload",
        "back $conf; reload",
    ),
    Case(
        "closed for maintenance, by hand",
        "nginx.maintenance",
        ["return 503", "remove the condition at /etc/nginx/conf.d/mysite.conf:"],
        "edit $conf 's,location / {,location / { if (-f /etc/nginx/closed) { return 503; },'\n"
        "touch /etc/nginx/closed; reload",
        "rm /etc/nginx/closed; back $conf; reload",
        status="degraded",
    ),
    Case(
        "a program that takes connections and says nothing",
        "socket.silent",
        ["127.0.0.1:8001 accepts connections but does not answer", "python3", "stop that program"],
        "edit $conf 's,server unix.*,server 127.0.0.1:8001;,'; reload\n"
        "nohup python3 -c 'import socket, time; s = socket.create_server((\"127.0.0.1\", 8001)); time.sleep(90)'"
        " >/dev/null 2>&1 & echo $! > /var/tmp/mute\n"
        "until listens 8001; do sleep 0.1; done",
        "kill $(cat /var/tmp/mute); rm /var/tmp/mute; back $conf; reload",
        options={"patience": BRIEF},
    ),
    Case(
        "ALLOWED_HOSTS, and an alias of static files that is wrong",
        "django.allowed-hosts",
        [
            "ALLOWED_HOSTS = ['example.com'",
            "in /home/huatai/works/mysite/mysite/settings.py",
            "systemctl restart mysite",
        ],
        "edit $project/mysite/settings.py 's,^ALLOWED_HOSTS.*,ALLOWED_HOSTS = [\"other.example\"],'; restart_broken\n"
        "edit $conf 's,mysite/static;,mysite/statics;,'; reload",
        "back $conf $project/mysite/settings.py; restart; reload",
        extra=frozenset({"static.alias"}),
    ),
    Case(
        "nginx stopped, and uWSGI too",
        "nginx.stopped",
        ["nginx is stopped", "systemctl start nginx"],
        "systemctl stop nginx mysite",
        "systemctl start mysite nginx",
        extra=frozenset({"uwsgi.stopped"}),
    ),
    Case(
        "an upload that is too large, on a host without an inventory",
        "location.body-size",
        ["client_max_body_size is 1k", "client_max_body_size 75m; at /etc/nginx/conf.d/mysite.conf:", "reload nginx"],
        "edit $conf 's/client_max_body_size .*/client_max_body_size 1k;/'; reload; sleep 1\n"
        "head -c 4096 /dev/zero | ask --data-binary @- http://127.0.0.1/",
        "back $conf; reload; truncate -s 0 /var/log/nginx/error.log",
        status="degraded",
    ),
    Case(
        "static files never collected, on a host without an inventory",
        "static.uncollected",
        [
            "never collected",
            "sudo -u huatai /home/huatai/venv/bin/python3 /home/huatai/works/mysite/manage.py collectstatic",
        ],
        "mv $project/static $project/static.kept",
        "mv $project/static.kept $project/static",
    ),
]
