"""Where nginx sends a request: phase by phase, through locations, try_files and error pages."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import course, dump, match

FILES = {"/srv/a.css", "/srv/in/index.html", "/html/index.html"}
FOLDERS = {"/srv", "/srv/in", "/srv/empty"}
DISK = course.Disk(FILES.__contains__, FOLDERS.__contains__)

# nginx's message for an internal redirection cycle.
ROUND = ("/x", "status", 500, "")


def server(text):
    [found] = match.servers(dump.parse(f"# configuration file /n:\nhttp {{ server {{ {text} }} }}\n"))
    return found


@pytest.mark.parametrize(
    ("text", "uri", "ends", "status", "file"),
    [
        ("location / { uwsgi_pass a; }", "/x", "pass", 0, ""),
        ("return 301 https://a$request_uri; location / { uwsgi_pass a; }", "/", "return", 301, ""),
        ("location / { return 204; }", "/", "return", 204, ""),
        ("root /srv; location / { }", "/a.css", "file", 200, "/srv/a.css"),
        ("root /srv; location / { }", "/none.css", "status", 404, "/srv/none.css"),
        ("root /srv;", "/in/", "file", 200, "/srv/in/index.html"),
        ("root /srv;", "/empty/", "status", 403, "/srv/empty/"),
        ("root /srv; autoindex on;", "/empty/", "file", 200, "/srv/empty/"),
        ("root /srv;", "/in", "return", 301, "/srv/in"),
        # try_files: files, directories if the argument ends in a slash, then the last argument.
        ("root /srv; location / { try_files $uri =404; uwsgi_pass a; }", "/x", "status", 404, ""),
        ("root /srv; location / { try_files $uri =404; uwsgi_pass a; }", "/a.css", "pass", 0, ""),
        ("root /srv; location / { try_files $uri $uri/ =404; uwsgi_pass a; }", "/", "pass", 0, ""),
        ("root /srv; location / { try_files $uri =404; uwsgi_pass a; }", "/", "status", 404, ""),
        ("root /srv; location / { try_files $uri @a; } location @a { uwsgi_pass a; }", "/", "pass", 0, ""),
        ("root /srv; location / { try_files $uri @none; }", "/x", "status", 500, ""),
        ("root /srv; location / { try_files $uri /in/index.html; }", "/x", "file", 200, "/srv/in/index.html"),
        ("root /srv; location / { try_files $uri /round; }", "/x", "status", 500, ""),
        ("root /srv; location / { try_files $uri /app/$uri; } location /app/ { uwsgi_pass a; }", "/x", "pass", 0, ""),
        ("location / { try_files /$cookie_a =404; }", "/x", "unknown", 0, ""),
        ("location / { try_files /x @a; } location @a { try_files /x @b; } location @b { try_files /x @a; }", *ROUND),
        # error pages
        ("root /srv; location / { error_page 404 = @a; } location @a { uwsgi_pass a; }", "/x", "pass", 0, ""),
        ("root /srv; location / { error_page 404 @a; } location @a { uwsgi_pass a; }", "/x", "pass", 404, ""),
        ("root /srv; error_page 404 /404.html;", "/x", "status", 404, "/srv/x"),
        ("root /srv; error_page 404 = /in/index.html;", "/x", "file", 200, "/srv/in/index.html"),
        # rewrites
        ("rewrite ^/old/(.*) /new/$1; location /new/ { uwsgi_pass a; }", "/old/x", "pass", 0, ""),
        (
            "location /old { rewrite ^/old/(.*) /new/$1 last; } location /new/ { return 204; }",
            "/old/x",
            "return",
            204,
            "",
        ),
        ("location / { rewrite ^ /x break; uwsgi_pass a; }", "/y", "pass", 0, ""),
        ("location / { rewrite ^ https://a.de permanent; }", "/", "return", 301, ""),
        ("location / { rewrite ^ /x$cookie_a; }", "/", "unknown", 0, ""),
        # The variable or nginx's own directory is unknown.
        ("root /srv/$host;", "/", "unknown", 0, ""),
        ("location / { }", "/", "unknown", 0, ""),
    ],
)
def test_a_request_ends_where_nginx_ends_it(text, uri, ends, status, file):
    found = course.follow(server(text), uri, DISK)
    assert (found.ends, found.status, found.file) == (ends, status, file)


def test_without_a_root_nginx_uses_its_own_directory():
    disk = course.Disk({"/usr/nginx/html/index.html"}.__contains__, lambda _path: True, "/usr/nginx")
    assert course.follow(server("location /api/ { uwsgi_pass a; }"), "/", disk).file == "/usr/nginx/html/index.html"


def test_the_shortest_location_that_passes_requests_on_comes_first():
    text = "location /api/ { uwsgi_pass a; } location ~ ^/b { location ~ c { uwsgi_pass b; } }"
    text += " location /a { uwsgi_pass c; }"
    assert [chain[-1].args[-1] for chain in course.hand_overs(server(text))] == ["c", "/a", "/api/"]


@pytest.mark.parametrize(
    ("location", "uri"),
    [("/api/", "/api/"), ("= /x", "/x"), ("^~ /y/", "/y/"), (r"~ ^/z/", "/z"), ("@a", ""), ("~ [0-9]", "")],
)
def test_an_example_uri_of_a_location(location, uri):
    [chain] = course.hand_overs(server(f"location {location} {{ uwsgi_pass a; }}"))
    assert course.sample(chain) == uri


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("/x.css", r"\.css$"),  # A nested prefix does not end the search: the outer regular expression is used.
        ("/a/b/x.css", r"\.css$"),
        ("/a/b/x.png", r"\.png$"),  # a nested regular expression does
        ("/a/b/x", "/a/b/"),
        ("/raw/x.css", "/raw/"),
        ("/glued/x.css", "/glued/"),
        ("/exact.css", "/exact.css"),
        ("/%65xact.css", "/exact.css"),
    ],
)
def test_the_location_is_the_one_that_nginx_uses(uri, place):
    found = server(
        r"location ~ \.css$ { return 1; } location /a/ { location /a/b/ { location ~ \.png$ { return 2; } } }"
        " location ^~ /raw/ { return 3; } location ^~/glued/ { return 4; } location =/exact.css { return 5; }"
    )
    assert match.name_of(match.locate(found, uri)[-1])[1] == place


def test_a_variable_has_one_value_if_it_is_set_once_and_unconditionally():
    found = server("set $a unix:/a; set $b x; if ($c) { set $b y; } location / { set $d z; uwsgi_pass $a; }")
    assert match.constants(match.locate(found, "/")) == {"a": "unix:/a", "d": "z"}


def test_backup_servers_come_last_and_servers_that_are_down_are_left_out():
    text = (
        "# configuration file /n:\nhttp { upstream a { server unix:/b backup; server unix:/d down; server unix:/c; } }"
    )
    config = dump.parse(text)
    assert match.upstream(config, "a") == ["unix:/c", "unix:/b"]
    assert [(one.address, one.backup, one.down) for one in match.backends(config, "a")] == [
        ("unix:/b", True, False),
        ("unix:/d", False, True),
        ("unix:/c", False, False),
    ]


@pytest.mark.parametrize(
    ("passed", "name", "uri"),
    [
        ("http://a/b/", "a", "/b/"),
        ("http://a", "a", ""),
        ("http://unix:/run/a.sock:/b", "unix:/run/a.sock:/b", "/b"),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", "/"),
    ],
)
def test_upstream_and_uri_of_a_proxy_pass(passed, name, uri):
    directive = dump.Directive("proxy_pass", [passed], "/n", 1)
    assert (match.upstream_name(directive), match.uri_of(directive)) == (name, uri)
