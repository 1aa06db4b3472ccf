"""Test cases of faults of nginx on hosts set up by hand.

Each test_doctor_HOP.py adds the cases of its hop to its table.
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
from doctor_evidence import DUMP, Case, answer, put

RELOAD = "nginx -t && systemctl reload nginx"
# The end of nginx's own error pages.
OWN_PAGE = b"<hr><center>nginx/1.22.1</center>\n</body>\n</html>\n"


def served(site, host, change):
    """Rewrite nginx's configuration, and follow a request of the first page through it."""
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


NGINX = [
    Case(
        "a broken link",
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
        "directory) in /etc/nginx/nginx.conf:60; nginx still runs as process 10 with the previous configuration, and "
        "its next start will fail",
        "remove the link /etc/nginx/sites-enabled/shop, or restore its target (readlink "
        f"/etc/nginx/sites-enabled/shop); then {RELOAD}",
    ),
    Case(
        "nginx was started by hand",
        lambda site, host: put(host.nginx, unit={"Id": "nginx.service", "ActiveState": "failed", "SubState": "failed"}),
        "nginx.outside-systemd",
        "degraded",
        "nginx runs as process 10, which systemd did not start: nginx.service has failed, and systemctl cannot reload "
        "or restart the running process",
        "kill -QUIT 10; systemctl reset-failed nginx; systemctl start nginx",
        ("nginx.service: failed/failed",),
    ),
    Case(
        "only IPv6",
        lambda site, host: (
            served(site, host, lambda config: config.replace("listen 80", "listen [::]:80")),
            put(host, listeners=[Listener("[::]:80", 1, 0, [10])]),
            put(site.entrances[0], server=None, answer=None, failure="refused", errno=errno.ECONNREFUSED),
        ),
        "nginx.not-listening",
        "broken",
        "nginx listens on port 80 over IPv6 only (listen [::]:80 in /etc/nginx/nginx.conf:3): IPv4 clients are refused",
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
        "nginx speaks plain http on port 443: `listen 443;` in /etc/nginx/nginx.conf:3 has no ssl, so https clients "
        "get a TLS error",
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
        "web_sites[].domains with www.shop.example, or remove the redirect; by hand: 'www.shop.example' in "
        "ALLOWED_HOSTS, and www.shop.example beside the other names in server_name; or remove the redirect "
        "(PREPEND_WWW = False)",
        ("GET http://www.shop.example/ -> 400",),
    ),
]
LOCATION = [
    Case(
        "internal",
        lambda site, host: (served(site, host, in_location("internal;")), by_nginx(site, 404)),
        "location.refused",
        "broken",
        "`internal` in /etc/nginx/nginx.conf:6 blocks every request for /: nginx answers 404",
        f"remove `internal;` in /etc/nginx/nginx.conf:6, then {RELOAD}",
        ("GET http://shop.example/ -> 404",),
    ),
    Case(
        "auth_request to a missing location",
        lambda site, host: (
            served(site, host, in_location("auth_request /auth;")),
            by_nginx(site, 500),
            put(site, nginx_events=["auth request unexpected status: 404 while sending to client"]),
        ),
        "location.refused",
        "broken",
        "nginx first asks /auth whether to allow a request (auth_request /auth in /etc/nginx/nginx.conf:6), and gets "
        "404: every request gets 500",
        f"make /auth answer with 2xx, 401 or 403, or remove auth_request in /etc/nginx/nginx.conf:6; then {RELOAD}",
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
        "nginx allows nobody: deny all in /etc/nginx/nginx.conf:6",
        "remove that line, or add a line for your visitors above it: allow 192.0.2.0/24; in /etc/nginx/nginx.conf:6",
    ),
    Case(
        "a forgotten return",
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
        "nginx does not read /a/shop, which contains the name shop.example: no link in sites-enabled leads to it; the "
        "server in /etc/nginx/nginx.conf:2 answers instead",
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
        "not a name: it contains a scheme",
        f"set server_name shop.example; in /etc/nginx/nginx.conf:2, then {RELOAD}",
    ),
]
STATIC = [
    Case(
        "a style sheet served as plain text",
        lambda site, host: put(site, static=dataclasses.replace(site.static, kind="text/plain", place="/n:7")),
        "static.content-type",
        "broken",
        "nginx sends /static/a.css as text/plain: browsers reject style sheets and modules of that type",
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
        "static files are not served: nginx refuses every request for /static/, by `deny all;` in /n:8",
        f"remove that line, then {RELOAD}",
        ("GET /static/a.css -> 403",),
    ),
]
HOST = [
    Case(
        "no free inodes",
        lambda site, host: put(site, full=["/srv: 900 KiB of 12 MiB free, 0 of 3 inodes free"]),
        "host.disk-full",
        "broken",
        "the disk is full: the file system of /srv has no free inodes",
        "remove files: du --inodes -x /srv | sort -n | tail shows which directory contains the most",
    ),
]
