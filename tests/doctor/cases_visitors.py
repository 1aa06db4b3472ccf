"""What visitors get: faults of the host of the tutorial that a client on the host itself does not see."""

from __future__ import annotations

from cases import Case

# A host of the baked image has no iptables; nft's library is there, for firewalld.
_FILTER = """\
filter() {
    printf '%s\\n' 'table inet doctor {' 'chain input {' 'type filter hook input priority 0;' "$1" } } > /var/tmp/rules
    python3 -c 'import nftables
nft = nftables.Nftables()
status, _said, error = nft.cmd(open("/var/tmp/rules").read())
assert not status, error'
}
"""
_UNFILTER = """\
python3 -c 'import nftables
nftables.Nftables().cmd("delete table inet doctor")'
rm -f /var/tmp/rules
"""
_EDIT = "edit $conf 's,uwsgi_pass django;,{} &,'; reload"
_BACK = "back $conf; reload"

BY_HAND_CASES = [
    Case(
        "packet filter drops the port",
        "firewalld.dropped",
        [
            "a packet filter (nft) drops 80/tcp",
            "chain input in table inet doctor",
            "tcp dport 80 drop",
            "nft delete rule",
        ],
        _FILTER + "filter 'policy accept;\niif lo accept\ntcp dport 80 drop'",
        _UNFILTER,
    ),
    Case(
        "packet filter lets other ports in",
        "firewalld.dropped",
        ["by the policy drop of chain input", "nft insert rule inet doctor input tcp dport 80 accept"],
        _FILTER + "filter 'policy drop;\nct state established,related accept\niif lo accept\n"
        "tcp dport { 22, 443 } accept'",
        _UNFILTER,
    ),
    Case(
        "redirect to https that nobody serves",
        "nginx.redirect-dead",
        ["nothing listens on port 443", "SECURE_SSL_REDIRECT", "listen 443 ssl"],
        "edit $project/mysite/settings.py '$ a SECURE_SSL_REDIRECT = True'; restart",
        "back $project/mysite/settings.py; restart",
    ),
    Case(
        "redirect to a port where nobody listens",
        "nginx.redirect-dead",
        ["nothing listens on port 8080", "return 302 http://$host:8080/", "/etc/nginx/conf.d/mysite.conf:"],
        "edit $conf 's,charset utf-8;,location = / { return 302 http://$host:8080/; } &,'; reload",
        _BACK,
    ),
    Case(
        "nginx listens on loopback only",
        "nginx.loopback-only",
        ["listens on loopback only for example.com", "listen 80;", "/etc/nginx/conf.d/mysite.conf:6"],
        "edit $conf 's/listen 80;/listen 127.0.0.1:80;/'; systemctl restart nginx",
        "back $conf; systemctl restart nginx",
    ),
    Case(
        "deny all",
        "location.denied",
        ["nginx allows nobody", "deny all in /etc/nginx/conf.d/mysite.conf:"],
        _EDIT.format("deny all;"),
        _BACK,
    ),
    Case(
        "this host alone is allowed",
        "location.denied",
        ["only this host itself (127.0.0.1)", "allow 127.0.0.1;"],
        _EDIT.format("allow 127.0.0.1; deny all;"),
        _BACK,
    ),
    Case(
        "404 on a condition that holds for all",
        "location.refused",
        ["with 404 on a condition", "if ($host = example.com) {{ return 404; }}", "/etc/nginx/conf.d/mysite.conf:"],
        _EDIT.format("if ($host = example.com) { return 404; }"),
        _BACK,
    ),
    Case(
        "file of passwords is missing",
        "location.auth-file",
        ["no login can succeed", "/etc/nginx/no-users does not exist", "htpasswd"],
        _EDIT.format("auth_basic x; auth_basic_user_file /etc/nginx/no-users;"),
        _BACK,
    ),
]

# Private on purpose, or seen otherwise from here: none of these is a fault.
HEALTHY = [
    Case(
        "for an office alone",
        "",
        [],
        _EDIT.format("allow 198.51.100.0/24; deny all;"),
        _BACK,
        status="ok",
    ),
    Case(
        "behind a password",
        "",
        [],
        "echo 'anna:$apr1$x$y' > /etc/nginx/users; chmod 644 /etc/nginx/users\n"
        + _EDIT.format("auth_basic x; auth_basic_user_file /etc/nginx/users;"),
        "back $conf; reload; rm /etc/nginx/users",
        status="ok",
    ),
    Case(
        "turns programs away",
        "",
        [],
        _EDIT.format("if ($http_user_agent !~ Mozilla) { return 444; }"),
        _BACK,
        status="ok",
    ),
    Case(
        "no page at /, as of a project that is an API alone",
        "",
        [],
        "edit $project/mysite/urls.py 's,path(..\\, home),path(\"api/\"\\, home),'; restart\n"
        "sleep 1; : > /var/log/nginx/access.log",
        "back $project/mysite/urls.py; restart",
        status="ok",
    ),
    Case(
        "packet filter that lets the web in",
        "",
        [],
        _FILTER + "filter 'policy drop;\nct state vmap { established : accept, related : accept, invalid : drop }\n"
        "iif lo accept\nmeta l4proto { icmp, icmpv6 } accept\ntcp dport { 22, 80, 443 } accept\n"
        "reject with icmpx type admin-prohibited'",
        _UNFILTER,
        status="ok",
    ),
    Case(
        "packet filter that lets an office in",
        "",
        [],
        _FILTER + "filter 'policy drop;\nct state established,related accept\niif lo accept\n"
        "ip saddr 198.51.100.0/24 tcp dport { 80, 443 } accept'",
        _UNFILTER,
        status="ok",
    ),
]
