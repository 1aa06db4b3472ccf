"""What comes first where several things are wrong, and faults whose fix depends on who made the host."""

from __future__ import annotations

from cases import Case

BY_HAND_CASES = [
    Case(
        "import error, and home 0700",
        "socket.denied",
        ["the home directory /home/huatai is closed (0700)", "chmod o+x /home/huatai"],
        "edit $project/mysite/wsgi.py '$ a raise RuntimeError(\"not today\")'; chmod 700 /home/huatai; restart_broken",
        "back $project/mysite/wsgi.py; chmod 755 /home/huatai; restart",
        extra=frozenset({"static.not-readable", "media.not-readable", "app.import"}),
    ),
    Case(
        "an ini that is not there",
        "app.ini",
        ["/home/huatai/works/mysite/uwsgi.ini", "not there"],
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
]
