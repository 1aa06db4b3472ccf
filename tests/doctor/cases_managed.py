"""What administrators and time bring to a host of this collection: units, drop-ins, mounts, firewall rules."""

from __future__ import annotations

from cases import Case

TEMPLATE = "/etc/systemd/system/uwsgi-mysite@.service"
RULE = 'rule port port="80" protocol="tcp" reject'

MANAGED_CASES = [
    Case(
        "nginx masked",
        "nginx.stopped",
        ["nginx.service is masked", "systemctl unmask nginx && systemctl start nginx"],
        "systemctl stop nginx; systemctl mask nginx",
        "systemctl unmask nginx; systemctl start nginx",
    ),
    Case(
        "nginx disabled",
        "nginx.not-enabled",
        ["nothing starts it at the next boot", "systemctl enable nginx"],
        "systemctl disable nginx",
        "systemctl enable nginx",
        status="degraded",
    ),
    Case(
        "a site that does not start at boot",
        "uwsgi.not-enabled",
        ["uwsgi-mysite.service is disabled", "systemctl enable uwsgi-mysite.service"],
        "systemctl disable uwsgi-mysite.service",
        "systemctl enable uwsgi-mysite.service",
        status="degraded",
    ),
    Case(
        "a drop-in with a command that fails",
        "uwsgi.unit",
        ["/bin/false failed", f"correct or remove {TEMPLATE}.d/pre.conf"],
        f"mkdir {TEMPLATE}.d; printf '[Service]\\nExecStartPre=/bin/false\\n' > {TEMPLATE}.d/pre.conf\n"
        "systemctl daemon-reload; crash",
        f"rm -r {TEMPLATE}.d; systemctl daemon-reload; restart",
    ),
    Case(
        "the file of the unit is gone",
        "uwsgi.not-enabled",
        ["the file of its unit", "pyweb.stack.site writes it again"],
        f"keep {TEMPLATE}; rm {TEMPLATE}; systemctl daemon-reload",
        f"back {TEMPLATE}; systemctl daemon-reload",
        status="degraded",
    ),
    Case(
        "a typing error in a file of a run's, not reloaded",
        "nginx.config",
        ["with the previous configuration", "pyweb.stack.site writes /etc/nginx/"],
        "edit $conf '0,/uwsgi_pass/s/uwsgi_pass/uwsgi_pas/'",
        "back $conf",
        status="degraded",
    ),
    Case(
        "data on a file system that is read-only",
        "host.read-only",
        ["/var/lib/sites/mysite is mounted read-only", "mount -o remount,rw"],
        "mount --bind $state $state; mount -o remount,ro,bind $state",
        "umount $state",
    ),
    Case(
        "releases on a file system without execution",
        "uwsgi.unit",
        ["the file system /opt/sites is mounted with noexec", "mount -o remount,exec /opt/sites"],
        "mount --bind /opt/sites /opt/sites; mount -o remount,noexec,bind /opt/sites; crash",
        "umount /opt/sites; restart",
    ),
    Case(
        "a rich rule of firewalld refuses the port",
        "firewalld.closed",
        ["a rich rule that refuses it", "firewall-cmd --remove-rich-rule="],
        f"firewall-cmd -q --add-rich-rule='{RULE}'",
        f"firewall-cmd -q --remove-rich-rule='{RULE}'",
    ),
    Case(
        "firewalld in panic mode",
        "firewalld.dropped",
        ["panic mode", "firewall-cmd --panic-off"],
        "firewall-cmd -q --panic-on",
        "firewall-cmd -q --panic-off",
    ),
]
