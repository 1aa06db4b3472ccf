"""What nginx does with a request: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_directives
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import course, dump, match
from doctor_evidence import PARAMS, Case, answer, check, denied, put
from doctor_visitors import LOCATION as LOCATION_OF_VISITORS

LARGE = "2027/01/15 08:00:00 [error] 7#7: *1 client intended to send too large body: 4096 bytes, client: 192.0.2.9"


def block(text):
    return dump.parse(f"# configuration file /n:\nhttp {{ server {{ {text} }} }}\n")


def answer_with(site, text):
    [server] = match.servers(block(text))
    put(site, chain=match.locate(server, "/"), handler=match.handler(match.locate(server, "/")))


def served(site, host, text, *files, outside=""):
    """Serve the site with this server; `files` are those on the disk, with a slash at the end of directories."""
    lines = f"# configuration file /n:\nhttp {{ {outside} server {{ server_name shop.example; {text} }} }}\n"
    put(host.nginx, config=dump.parse(lines))
    [server] = match.servers(host.nginx.config)
    disk = course.Disk(
        files.__contains__, [path.rstrip("/") for path in files if path.endswith("/")].__contains__, "/usr/nginx"
    )
    found = site.directives
    put(found, root=course.follow(server, "/", disk), other=course.follow(server, "/other", disk))
    chain = look_directives.application(site, server, disk) or found.root.chain
    put(site, chain=chain, handler=match.handler(chain))
    put(site.entrances[0], server=server, wanted=[server])


PASS = f"uwsgi_pass unix:/a; {PARAMS}"

CASES = [
    Case(
        "a return",
        lambda site, host: answer_with(site, "location / { return 204; }"),
        "location.no-pass",
        "broken",
        "nginx does not pass / to an application: its location in /n:1 has `return 204;`",
        "run pyweb.stack.site; by hand: set uwsgi_pass or proxy_pass at /n:1, then nginx -t && systemctl reload nginx",
        ("location / { in /n:1",),
    ),
    Case(
        "static files",
        lambda site, host: answer_with(site, "location / { root /srv; }"),
        "location.no-pass",
        "broken",
        "nginx does not pass / to an application: its location in /n:1 serves files",
        "run pyweb.stack.site; by hand: set uwsgi_pass or proxy_pass at /n:1, then nginx -t && systemctl reload nginx",
        ("location / { in /n:1",),
    ),
    Case(
        "no server",
        lambda site, host: put(site, chain=[], handler=None),
        "location.no-pass",
        "broken",
        "nginx does not pass / to an application: its location in ? serves files",
        "run pyweb.stack.site; by hand: set uwsgi_pass or proxy_pass at ?, then nginx -t && systemctl reload nginx",
        (),
    ),
    Case(
        "an upload above the default limit",
        lambda site, host: put(site, nginx_events=["x", LARGE]),
        "location.body-size",
        "degraded",
        "an upload of 4096 bytes was refused with 413: client_max_body_size is 1m (the default)",
        (
            "set web_sites[].nginx.client_max_body_size, then run pyweb.stack.site; by hand: set client_max_body_size "
            "75m; at /etc/nginx/nginx.conf:1, then nginx -t && systemctl reload nginx"
        ),
        (
            (
                "2027/01/15 08:00:00 [error] 7#7: *1 client intended to send too large body: 4096 bytes, "
                "client: 192.0.2.9"
            ),
        ),
    ),
    Case(
        "an upload above a configured limit",
        lambda site, host: (
            answer_with(site, "client_max_body_size 1k; location / { uwsgi_pass a; " + PARAMS + " }"),
            put(site, nginx_events=["client intended to send too large body"]),
        ),
        "location.body-size",
        "degraded",
        "an upload of ? bytes was refused with 413: client_max_body_size is 1k",
        (
            "set web_sites[].nginx.client_max_body_size, then run pyweb.stack.site; by hand: set client_max_body_size "
            "75m; at /n:1, then nginx -t && systemctl reload nginx"
        ),
        ("client intended to send too large body",),
    ),
    Case(
        "try_files that ends in 404",
        lambda site, host: served(
            site, host, f"location / {{ try_files $uri $uri/ =404; root /srv; {PASS} }}", "/srv/"
        ),
        "location.try-files",
        "broken",
        (
            "nginx answers every page except / with 404: try_files in /n:1 ends in =404, so requests that match no "
            "file never reach uwsgi_pass unix:/a;"
        ),
        (
            "remove `try_files $uri $uri/ =404;` from /n:1, or make it end in a named location with `uwsgi_pass "
            "unix:/a;`; then nginx -t && systemctl reload nginx"
        ),
        ("try_files $uri $uri/ =404; in /n:1", "uwsgi_pass unix:/a; in /n:1"),
    ),
    Case(
        "try_files that ends in 404 for the start page too",
        lambda site, host: served(site, host, f"location / {{ try_files $uri =404; root /srv; {PASS} }}", "/srv/"),
        "location.try-files",
        "broken",
        (
            "nginx answers every page with 404: try_files in /n:1 ends in =404, so requests that match no file never "
            "reach uwsgi_pass unix:/a;"
        ),
        (
            "remove `try_files $uri =404;` from /n:1, or make it end in a named location with `uwsgi_pass unix:/a;`; "
            "then nginx -t && systemctl reload nginx"
        ),
        ("try_files $uri =404; in /n:1",),
    ),
    Case(
        "try_files that finds a directory",
        lambda site, host: served(
            site, host, f"location / {{ root /srv; try_files $uri $uri/ @a; }} location @a {{ {PASS} }}", "/srv/"
        ),
        "location.try-files",
        "broken",
        (
            "nginx answers / itself, with 403: `$uri/` of try_files in /n:1 finds the directory /srv/, which has no "
            "index file"
        ),
        "remove `$uri/` from try_files $uri $uri/ @a; in /n:1, then nginx -t && systemctl reload nginx",
        ("/ -> 403 by location / in /n:1; / -> uwsgi_pass unix:/a; in /n:1",),
    ),
    Case(
        "only one path",
        lambda site, host: served(site, host, f"location = / {{ {PASS} }}"),
        "location.no-pass",
        "broken",
        "nginx passes / to an application, but no other page: location = / in /n:1 is for that path only",
        "location / without `=` in /n:1, then nginx -t && systemctl reload nginx",
        ("/other -> 404 by server in /n:1", "uwsgi_pass unix:/a; in /n:1"),
    ),
    Case(
        "a front end with a missing file",
        lambda site, host: served(site, host, f"root /srv; location /api/ {{ {PASS} }}", "/srv/"),
        "location.front",
        "broken",
        "nginx answers / itself, with 403: /srv/ has no index file",
        "deploy the front end there, or correct root in /n:1, then nginx -t && systemctl reload nginx",
        ("/ -> 403 by server in /n:1; /api/ -> uwsgi_pass unix:/a; in /n:1",),
    ),
    Case(
        "a front end that nginx cannot read",
        lambda site, host: (
            served(site, host, f"root /srv; location /api/ {{ {PASS} }}", "/srv/", "/srv/index.html"),
            put(site.directives, obstacle=denied("/srv", 0o700, True)),
        ),
        "location.front",
        "broken",
        "/ is the file /srv/index.html, and www-data cannot use /srv (0700)",
        "fix of /srv",
        ("/ -> the file /srv/index.html; /api/ -> uwsgi_pass unix:/a; in /n:1", "evidence of /srv"),
    ),
    Case(
        "only a path below the root",
        lambda site, host: served(site, host, f"location /app/ {{ {PASS} }}"),
        "location.no-pass",
        "broken",
        "nginx does not pass / to the application: only /app/ is passed to it, in /n:1; the application has a page at "
        "/",
        "add location / with the contents of /n:1; then nginx -t && systemctl reload nginx",
        ("/ -> 404 by server in /n:1; /app/ -> uwsgi_pass unix:/a; in /n:1",),
    ),
    Case(
        "no uwsgi_params",
        lambda site, host: served(site, host, "location / { uwsgi_pass unix:/a; }"),
        "location.params",
        "broken",
        (
            "`include uwsgi_params;` is missing at `uwsgi_pass unix:/a;` in /n:1: no uwsgi_param applies; the "
            "application understands no request"
        ),
        "add include uwsgi_params; beside uwsgi_pass unix:/a; in /n:1, then nginx -t && systemctl reload nginx",
        ("uwsgi_pass unix:/a; in /n:1",),
    ),
    Case(
        "a param that replaces all others",
        lambda site, host: served(site, host, f"{PARAMS} location / {{ uwsgi_pass unix:/a; uwsgi_param A b; }}"),
        "location.params",
        "broken",
        (
            "`include uwsgi_params;` is missing at `uwsgi_pass unix:/a;` in /n:1: REQUEST_METHOD, REQUEST_URI, "
            "PATH_INFO, QUERY_STRING, CONTENT_LENGTH, CONTENT_TYPE, SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL are not "
            "passed on; uwsgi_param A b; in /n:1 replaces all of /n; the application understands no request"
        ),
        "add include uwsgi_params; beside uwsgi_pass unix:/a; in /n:1, then nginx -t && systemctl reload nginx",
        ("uwsgi_pass unix:/a; in /n:1", "uwsgi_param A b; in /n:1"),
    ),
    Case(
        "params without the query string",
        lambda site, host: served(
            site, host, "location / { uwsgi_pass unix:/a; " + PARAMS.replace("QUERY_STRING", "OTHER") + " }"
        ),
        "location.params",
        "degraded",
        (
            "`include uwsgi_params;` is missing at `uwsgi_pass unix:/a;` in /n:1: QUERY_STRING is not passed on; the "
            "query string is lost"
        ),
        "add include uwsgi_params; beside uwsgi_pass unix:/a; in /n:1, then nginx -t && systemctl reload nginx",
        (
            "uwsgi_pass unix:/a; in /n:1",
            "uwsgi_param REQUEST_METHOD $request_method; in /n:1",
            "uwsgi_param REQUEST_URI $request_uri; in /n:1",
            "uwsgi_param PATH_INFO $path_info; in /n:1",
        ),
    ),
    Case(
        "a proxy_pass that does not pass the name",
        lambda site, host: (
            served(site, host, "location / { proxy_pass http://127.0.0.1:8000; }"),
            put(site.entrances[0], answer=answer(400)),
        ),
        "location.host",
        "broken",
        (
            "nginx tells the application that the request is for 127.0.0.1:8000 instead of shop.example: `proxy_pass "
            "http://127.0.0.1:8000;` has no proxy_set_header Host; Django answers 400, because ALLOWED_HOSTS does not "
            "contain that name"
        ),
        (
            "add proxy_set_header Host $http_host; beside proxy_pass http://127.0.0.1:8000; in /n:1, then nginx -t && "
            "systemctl reload nginx"
        ),
        ("proxy_pass http://127.0.0.1:8000; in /n:1", "Host: 127.0.0.1:8000"),
    ),
    Case(
        "a header that replaces Host",
        lambda site, host: served(
            site,
            host,
            "proxy_set_header Host $host; location / { proxy_set_header A b; proxy_pass http://127.0.0.1:8000; }",
        ),
        "location.host",
        "degraded",
        (
            "nginx tells the application that the request is for 127.0.0.1:8000 instead of shop.example: `proxy_pass "
            "http://127.0.0.1:8000;` has no proxy_set_header Host; proxy_set_header A b; in /n:1 replaces "
            "proxy_set_header Host $host; in /n:1; forms get 403 from Django"
        ),
        (
            "add proxy_set_header Host $http_host; beside proxy_pass http://127.0.0.1:8000; in /n:1, then nginx -t && "
            "systemctl reload nginx"
        ),
        ("proxy_pass http://127.0.0.1:8000; in /n:1", "Host: 127.0.0.1:8000"),
    ),
    Case(
        "a URI with a double slash",
        lambda site, host: served(
            site,
            host,
            (
                "location /api { proxy_set_header Host $host; proxy_pass http://127.0.0.1:8000/; } location / { "
                "return 204; }"
            ),
        ),
        "location.proxy-uri",
        "degraded",
        (
            "nginx requests //page from the application when a client requests /api/page: `proxy_pass "
            "http://127.0.0.1:8000/;` replaces /api by /"
        ),
        "without a URI, nginx passes on the requested path: proxy_pass http://127.0.0.1:8000; in /n:1",
        ("location /api in /n:1", "proxy_pass http://127.0.0.1:8000/; in /n:1"),
    ),
    Case(
        "a variable",
        lambda site, host: served(
            site, host, f"location / {{ {PARAMS} uwsgi_pass $to; }}", outside="map $host $to { default unix:/a; }"
        ),
        "location.variable",
        "unknown",
        "the address that nginx passes / to depends on the request: `uwsgi_pass $to;` in /n:1",
        "check what sets the variable; the server behind it was not examined",
        ("uwsgi_pass $to; in /n:1", "map $host $to in /n:1"),
    ),
    Case(
        "all servers down",
        lambda site, host: (
            served(
                site, host, f"location / {{ {PARAMS} uwsgi_pass a; }}", outside="upstream a { server unix:/a down; }"
            ),
            put(site.directives, down=["unix:/a in /n:2"]),
        ),
        "location.upstream-down",
        "broken",
        "every server of the upstream a is marked `down`: nginx answers 502",
        "remove `down` from one of unix:/a in /n:2; then nginx -t && systemctl reload nginx",
        ("server unix:/a in /n:2",),
    ),
    Case(
        "a name without a resolver",
        lambda site, host: put(
            site, nginx_events=["x", "app.example could not be resolved (3: Host not found), client"]
        ),
        "location.upstream-name",
        "broken",
        (
            "nginx cannot resolve the name that it passes requests to, and answers 502: app.example could not be "
            "resolved (3: Host not found)"
        ),
        "correct the name in /etc/nginx/nginx.conf:5, or `resolver` beside it",
        ("app.example could not be resolved (3: Host not found), client",),
    ),
    Case(
        "a tight rate",
        lambda site, host: (
            served(site, host, f"limit_req zone=a; location / {{ {PASS} }}"),
            put(site, nginx_events=["limiting requests, excess: 1.0"]),
        ),
        "location.limited",
        "degraded",
        "1 request got 503 recently: `limit_req zone=a;` in /n:1 is lower than what a browser needs for one page",
        "add burst=20 nodelay to limit_req zone=a; in /n:1",
        ("limiting requests, excess: 1.0",),
    ),
    Case(
        "a wide rate",
        lambda site, host: (
            served(site, host, f"limit_req zone=a burst=20; location / {{ {PASS} }}"),
            put(site, nginx_events=["limiting requests, excess: 1.0"] * 2),
        ),
        "location.limited",
        "advice",
        "2 requests got 503 recently: `limit_req zone=a burst=20;` in /n:1",
        "nothing if this limit is intended",
        ("limiting requests, excess: 1.0",),
    ),
    Case(
        "few connections",
        lambda site, host: (
            served(site, host, f"limit_conn a 2; limit_conn_status 429; location / {{ {PASS} }}"),
            put(site, nginx_events=['limiting connections by zone "a"']),
        ),
        "location.limited",
        "degraded",
        "1 request got 429 recently: `limit_conn a 2;` in /n:1 is lower than what a browser needs for one page",
        "set a larger number in limit_conn a 2; in /n:1",
        ('limiting connections by zone "a"',),
    ),
    Case(
        "small buffers for headers",
        lambda site, host: (
            served(site, host, f"large_client_header_buffers 4 1k; location / {{ {PASS} }}"),
            put(site.directives, large_header=400),
        ),
        "location.header-buffers",
        "degraded",
        (
            "a visitor with a large cookie, or a long URL, gets 400: `large_client_header_buffers 4 1k;` in "
            "/n:1; the default is 4 8k"
        ),
        "set large_client_header_buffers 4 8k; in /n:1, then nginx -t && systemctl reload nginx",
        ("a request with a cookie of 4096 bytes -> 400",),
    ),
]
CASES += LOCATION_OF_VISITORS
CASES += doctor_by_hand.LOCATION


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_location_is_named(case):
    check(case)
