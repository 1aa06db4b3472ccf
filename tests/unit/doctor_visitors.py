"""Test cases of sites that visitors cannot reach, for the hops client, nginx and location."""

from __future__ import annotations

import dataclasses

from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_tls import Redirect, Walk
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_visitors import PasswordFile, Visit
from ansible_collections.pyweb.stack.plugins.module_utils.host.processes import Listener
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from doctor_evidence import PARAMS, Case, answer, put

CONFIG = """\
# configuration file /n:
http {
    server {
        listen LISTEN;
        server_name shop.example;
        location / {
            RULES
            uwsgi_pass unix:/run/shop.sock; uwsgi_param HTTPS $https if_not_empty; PARAMS
        }
    }
}
"""


def configured(site, host, rules="", listen="80", status=0, more=""):
    """Put these lines into the site's location, and let nginx answer with this status."""
    config = dump.parse(CONFIG.replace("PARAMS", PARAMS).replace("RULES", rules).replace("LISTEN", listen) + more)
    server = match.servers(config)[0]
    put(host.nginx, config=config)
    chain = match.locate(server, "/")
    put(site, chain=chain, handler=match.handler(chain))
    address = listen.rpartition(":")[0] or "192.0.2.1"
    [entrance] = site.entrances
    given = answer(status, "Said") if status else entrance.answer
    site.entrances = [dataclasses.replace(entrance, server=server, wanted=[server], address=address, answer=given)]


def silent(site, host, rules):
    configured(site, host, rules)
    put(site.entrances[0], answer=None, failure="the connection was closed without an answer")


def to_https(site, port=443, maker="", settings=None, **walk):
    target = "https://shop.example/" if port == 443 else f"http://shop.example:{port}/"
    made = [Redirect("http://shop.example/", 301, target, maker, not maker)]
    site.walks = [Walk("http://shop.example/", made, leaves=target, dead=port, **walk)]
    put(site.entrances[0], answer=answer(301, "Moved"))
    site.inside["settings"].update(settings or {})


def visited(status=0, **more):
    def change(site, host):
        site.visitors.visits = [Visit("shop.example", "192.0.2.1", 80, False, status, **more)]

    return change


BY_DJANGO = {"ssl_redirect": True}
DEAD = "http://shop.example/ is redirected to https://shop.example/, but nothing listens on port 443 of this host"

NGINX = [
    Case(
        "Django redirects to https, nothing listens there",
        lambda site, host: to_https(site, unserved=True, heeded=True, settings=BY_DJANGO),
        "nginx.redirect-dead",
        "broken",
        f"{DEAD}. Django, by SECURE_SSL_REDIRECT = True does that",
        "web_sites[].tls, with pyweb.stack.site; without TLS: web_sites[].settings.SECURE_SSL_REDIRECT: false",
        (
            "GET http://shop.example/ -> 301, Location: https://shop.example/; Django, by SECURE_SSL_REDIRECT = True",
            "sockets that listen for other hosts: port 80",
        ),
    ),
    Case(
        "Django redirects to https, and a proxy may be in front",
        lambda site, host: to_https(
            site, unserved=True, heeded=True, settings={**BY_DJANGO, "proxy_header": ["HTTP_X_FORWARDED_PROTO"]}
        ),
        "nginx.redirect-dead",
        "unknown",
        f"{DEAD}: this is correct if a proxy in front has that port (SECURE_PROXY_SSL_HEADER is "
        "HTTP_X_FORWARDED_PROTO), otherwise nobody reaches the site. Django, by SECURE_SSL_REDIRECT = True does that",
        "web_sites[].tls, with pyweb.stack.site; without TLS: web_sites[].settings.SECURE_SSL_REDIRECT: false",
    ),
    Case(
        "nginx redirects to a port where nothing listens",
        lambda site, host: (to_https(site, 8080, "return 301 http://$host:8080/ in /n:4"), put(site, managed=False)),
        "nginx.redirect-dead",
        "broken",
        "http://shop.example/ is redirected to http://shop.example:8080/, but nothing listens on port 8080 of this "
        "host. return 301 http://$host:8080/ in /n:4 does that",
        "redirect to a port that nginx listens on, or add listen 8080; return 301 http://$host:8080/ in /n:4",
    ),
    Case(
        "only loopback",
        lambda site, host: (
            configured(site, host, listen="127.0.0.1:80"),
            put(host, listeners=[Listener("127.0.0.1:80", 1)]),
        ),
        "nginx.loopback-only",
        "broken",
        "nginx listens on loopback only for shop.example (127.0.0.1:80): only this host itself can connect",
        "listen 80; instead of listen 127.0.0.1:80 in /n:3, then systemctl restart nginx",
        ("listen 127.0.0.1:80 in /n:3", "a listening socket at 127.0.0.1:80"),
    ),
    Case(
        "only loopback from the next start on",
        lambda site, host: configured(site, host, listen="127.0.0.1:80"),
        "nginx.loopback-only",
        "degraded",
        "nginx will listen on loopback only for shop.example (127.0.0.1:80) from its next start on: only this host "
        "itself can connect",
        "listen 80; instead of listen 127.0.0.1:80 in /n:3, then systemctl restart nginx",
    ),
    Case(
        "the sockets of an older configuration",
        lambda site, host: put(host, listeners=[Listener("127.0.0.1:80", 1)]),
        "nginx.not-listening",
        "broken",
        "nginx runs, but listens on port 80 of loopback only, as an older configuration told it to",
        "systemctl restart nginx: a reload cannot bind an address whose port is in use",
        ("a listening socket at 127.0.0.1:80",),
    ),
]
LOCATION = [
    Case(
        "all clients are denied",
        lambda site, host: configured(site, host, "deny all;", status=403),
        "location.denied",
        "broken",
        "nginx allows nobody: deny all in /n:6",
        "remove that line, or add a line for your visitors above it: allow 192.0.2.0/24; in /n:6",
        ("deny all; in /n:6", "GET http://shop.example/ -> 403"),
    ),
    Case(
        "only this host is allowed",
        lambda site, host: configured(site, host, "allow 127.0.0.1; allow 192.0.2.1; deny all;", status=200),
        "location.denied",
        "broken",
        "nginx allows only this host itself (127.0.0.1, 192.0.2.1): deny all in /n:6",
        "remove that line, or add a line for your visitors above it: allow 192.0.2.0/24; in /n:6",
        ("allow 127.0.0.1; in /n:6",),
    ),
    Case(
        "a condition that is true for all clients",
        lambda site, host: configured(site, host, "if ($host = shop.example) { return 404; }", status=404),
        "location.refused",
        "broken",
        "nginx answers / with 404 on a condition: if ($host = shop.example) { return 404; } in /n:6",
        "correct the condition in /n:6, then nginx -t && systemctl reload nginx",
        ("GET http://shop.example/ -> 404",),
    ),
    Case(
        "a condition that may be true for the doctor only",
        lambda site, host: silent(site, host, "if ($http_user_agent ~ pyweb) { return 444; }"),
        "location.refused",
        "unknown",
        "nginx answers / with 444 on a condition: if ($http_user_agent ~ pyweb) { return 444; } in /n:6; the doctor "
        "cannot tell which visitors this applies to",
        "correct the condition in /n:6, then nginx -t && systemctl reload nginx",
    ),
    Case(
        "403 of nginx for an unknown reason",
        lambda site, host: configured(site, host, status=403),
        "location.refused",
        "unknown",
        "nginx answers / with 403 itself, but the application behind it with 200: its location is in /n:5",
        "check /n:5 and nginx's error log",
    ),
    Case(
        "the password file is missing",
        lambda site, host: put(site.visitors, password=PasswordFile("/etc/nginx/users", "/n:7", exists=False)),
        "location.auth-file",
        "broken",
        "nginx requires a password, but no login can succeed: /etc/nginx/users does not exist",
        "htpasswd -c /etc/nginx/users NAME, readable for www-data",
        ("auth_basic_user_file /etc/nginx/users in /n:7",),
    ),
    Case(
        "the password file is empty",
        lambda site, host: put(site.visitors, password=PasswordFile("/etc/nginx/users", "/n:7")),
        "location.auth-file",
        "broken",
        "nginx requires a password, but no login can succeed: /etc/nginx/users contains no users",
        "htpasswd /etc/nginx/users NAME",
    ),
]
CLIENT = [
    Case(
        "404 of the application",
        lambda site, host: (
            put(site.entrances[0], answer=answer(404, "Not Found")),
            put(site.probes[0], answer=answer(404)),
        ),
        "client.refused",
        "advice",
        "a client gets 404 at /: the application has no page there, nginx passes the request on",
        "web_sites[].health.path sets the path that the doctor requests",
        ("GET http://shop.example/ -> 404",),
    ),
    Case(
        "the controller gets no answer",
        visited(failure="no connection within 1.5 s"),
        "client.outside-silent",
        "unknown",
        "the controller gets no answer at 192.0.2.1:80 (no reply arrives), while the host itself gets 200: something "
        "in between drops it, such as the provider's firewall, a security group or a router",
        "allow 80/tcp there; nothing to do if the site is not meant to be reachable from the controller",
        ("the controller, GET http://shop.example/ at 192.0.2.1:80: no connection within 1.5 s",),
    ),
    Case(
        "the controller gets another answer",
        visited(502),
        "client.outside-differs",
        "degraded",
        "clients from outside get 502, the host itself gets 200: run the doctor again; the problem may be intermittent",
        "curl -v http://shop.example/ from elsewhere; allow and deny, geo and map of nginx, proxies on the way",
        ("the host itself, GET http://shop.example/: 200",),
    ),
    Case(
        "the controller is refused",
        visited(403),
        "client.outside-differs",
        "unknown",
        "clients from outside get 403, the host itself gets 200: something rejects requests from there",
        "curl -v http://shop.example/ from elsewhere; allow and deny, geo and map of nginx, proxies on the way",
    ),
]
