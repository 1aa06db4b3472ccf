"""Which server and location nginx selects for a request, in configurations as people write them by hand."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match


def parsed(*servers: str, http: str = "", **files: str) -> dump.Config:
    """Return a configuration of these servers; line 2 is that of the first one, and each has one line."""
    text = "# configuration file /etc/nginx/nginx.conf:\nhttp { " + http + "\n" + "\n".join(servers) + "\n}\n"
    for name, content in files.items():
        text += f"# configuration file /etc/nginx/{name}:\n{content}\n"
    return dump.parse(text)


def answering(config: dump.Config, host: str, address: str = "192.0.2.1", port: int = 80) -> int:
    """Return the line of the server that answers, or 0."""
    server = match.select(config, host, address, port)
    return server.chain[-1].line if server else 0


def location(text: str, uri: str) -> str:
    """Return what `uri` gets in a server with these locations: the handler or the file."""
    config = parsed("server { " + text + " }")
    [server] = match.servers(config)
    chain = match.locate(server, uri)
    return str(match.handler(chain) or match.file_of(chain, uri))


@pytest.mark.parametrize(
    ("name", "host", "fit"),
    [
        ("example.com", "example.com", 4),
        ("Example.COM", "eXample.com", 4),
        ("example.com", "example.com.", 4),
        ("example.com", "www.example.com", 0),
        ("*.example.com", "www.example.com", 3),
        ("*.example.com", "a.b.example.com", 3),
        ("*.example.com", "example.com", 0),
        ("*.example.com", "badexample.com", 0),
        (".example.com", "example.com", 4),
        (".example.com", "www.example.com", 3),
        (".example.com", "badexample.com", 0),
        ("www.*", "www.example.com", 2),
        ("www.*", "wwwx.example.com", 0),
        ("www.*", "a.www.example.com", 0),
        ("www", "www.example.com", 0),
        (r"~^v[0-9]+\.", "v12.example.com", 1),
        (r"~^v[0-9]+\.", "x12.example.com", 0),
        ("~(", "example.com", 0),
        ("~(", "(", 0),
        ("_", "example.com", 0),
    ],
)
def test_how_well_a_name_matches_a_host(name, host, fit):
    [server] = match.servers(parsed(f'server {{ server_name "{name}"; }}'))
    assert server.matches(host) == fit


def test_the_best_matching_name_is_used_in_any_order():
    config = parsed(
        r"server { server_name ~example; }",
        "server { server_name www.*; }",
        "server { server_name *.example.com; }",
        "server { server_name www.example.com; }",
        "server { server_name www.example.com; }",
    )
    assert answering(config, "www.example.com") == 5  # the first one of equal matches
    assert answering(config, "a.example.com") == 4
    assert answering(config, "www.example.net") == 3
    assert answering(config, "example.net") == 2


def test_a_server_without_a_name_answers_unknown_names():
    config = parsed("server { server_name a.example; }", "server { listen 80 default_server; }")
    assert [answering(config, host) for host in ("a.example", "b.example", "")] == [2, 3, 3]
    assert match.servers(config)[1].names == [""]


@pytest.mark.parametrize(
    ("listen", "wanted", "shown"),
    [
        ("", ("*", 80, False, False), "*:80"),
        ("listen 8080;", ("*", 8080, False, False), "*:8080"),
        ("listen *:8080;", ("*", 8080, False, False), "*:8080"),
        ("listen 0.0.0.0:81 default_server;", ("*", 81, False, True), "*:81"),
        ("listen 192.0.2.1 default;", ("192.0.2.1", 80, False, True), "192.0.2.1:80"),
        ("listen localhost:82;", ("127.0.0.1", 82, False, False), "127.0.0.1:82"),
        ("listen [::]:443 ssl;", ("::", 443, True, False), "[::]:443"),
        ("listen 443; ssl on;", ("*", 443, True, False), "*:443"),
        ("listen 443; ssl off;", ("*", 443, False, False), "*:443"),
        ("listen unix:/run/nginx.sock ssl;", ("unix:/run/nginx.sock", 0, True, False), "unix:/run/nginx.sock"),
    ],
)
def test_which_addresses_a_server_listens_on(listen, wanted, shown):
    [found] = match.servers(parsed(f"server {{ {listen} }}"))[0].listens
    assert (found.address, found.port, found.ssl, found.default) == wanted
    assert str(found) == shown


def test_the_address_has_precedence_over_the_name():
    config = parsed(
        "server { listen 80; server_name a.example; }",
        "server { listen [::]:80; server_name b.example; }",
        "server { listen 192.0.2.7:80; server_name c.example; }",
        "server { listen 192.0.2.7:80 default_server; server_name d.example; }",
        "server { listen 81; server_name a.example; }",
    )
    assert answering(config, "a.example", "192.0.2.1") == 2
    assert answering(config, "a.example", "2001:db8::1") == 3
    assert answering(config, "a.example", "192.0.2.7") == 5
    assert answering(config, "c.example", "192.0.2.7") == 4
    assert answering(config, "b.example", "192.0.2.1", 81) == 6
    assert answering(config, "a.example", "192.0.2.1", 82) == 0


@pytest.mark.parametrize(
    ("text", "uri", "wanted"),
    [
        # The longest prefix, in any order.
        ("location /a/b { return 2; } location /a { return 1; }", "/a/bc", "return 2;"),
        ("location /a { return 1; } location /a/b { return 2; }", "/a/bc", "return 2;"),
        ("location /a { return 1; }", "/a?x=/b", "return 1;"),
        ("location = /a { return 1; } location / { return 2; }", "/a?b", "return 1;"),
        ("location = /a { return 1; } location / { return 2; }", "/a/", "return 2;"),
        # Regular expressions override a prefix, the first match is used, and they are case-sensitive without a star.
        (r"location / { return 1; } location ~ x$ { return 2; } location ~ ax$ { return 3; }", "/ax", "return 2;"),
        (r"location / { return 1; } location ~ X$ { return 2; } location ~* X$ { return 3; }", "/ax", "return 3;"),
        (r"location ^~ /a { return 1; } location ~ . { return 2; }", "/a", "return 1;"),
        (r"location ~ ( { return 1; } location / { return 2; }", "/a", "return 2;"),
        # Inside of the longest prefix, before the regular expressions next to it.
        (r"location /a { location ~ b$ { return 1; } return 2; } location ~ b$ { return 3; }", "/ab", "return 1;"),
        (r"location ~ ^/a { return 200; location ~ b$ { proxy_pass http://b; } }", "/ab", "proxy_pass http://b;"),
        ("return 301 /; location / { uwsgi_pass a; }", "/", "return 301 /;"),
        # Named locations are only used by try_files.
        ("location @app { uwsgi_pass a; } root /srv;", "@app", "/srv@app"),
        ("location / { try_files $uri @app; } location @app { uwsgi_pass a; }", "/x", "uwsgi_pass a;"),
        ("location / { try_files $uri =404; } location @app { uwsgi_pass a; } root /srv;", "/x", "/srv/x"),
        (
            "location / { try_files $uri @app; proxy_pass http://b; } location @app { return 1; }",
            "/x",
            "return 1;",
        ),
        ("location / { grpc_pass grpc://b; }", "/x", "grpc_pass grpc://b;"),
    ],
)
def test_which_location_answers(text, uri, wanted):
    assert location(text, uri) == wanted


@pytest.mark.parametrize(
    ("text", "uri", "file"),
    [
        ("root /srv/; location / { }", "/a?b=c", "/srv/a"),
        ("root /srv; location /a/ { root /other; }", "/a/b", "/other/a/b"),
        ("root /srv; location /a/ { alias /other/; }", "/a/b", "/other/b"),
        # An alias without a slash also serves siblings, and leads out of its directory.
        ("location /media { alias /p/media; }", "/media-private/x", "/p/media-private/x"),
        ("location /media { alias /p/media/; }", "/media../x", "/p/media/../x"),
        ("root $where; location / { }", "/a", ""),
        ("location / { alias $where/; }", "/a", ""),
        (r"location ~ ^/(a)?b/(.*)$ { alias /p/$1/$2; }", "/b/c", "/p//c"),
        (r"location ~* ^/A/(.*)$ { alias /p/$1; }", "/a/c", "/p/c"),
        (r"location ~ ^/a/(.*)$ { alias /p/$1$7; }", "/a/c", "/p/c"),
        ("location / { }", "/a", ""),
    ],
)
def test_which_file_is_served(text, uri, file):
    [server] = match.servers(parsed("server { " + text + " }"))
    assert match.file_of(match.locate(server, uri), uri) == file


@pytest.mark.parametrize(
    ("passed", "speaks", "addresses"),
    [
        ("uwsgi_pass 127.0.0.1:3031;", "uwsgi", ["127.0.0.1:3031"]),
        ("uwsgi_pass localhost:3031;", "uwsgi", ["127.0.0.1:3031"]),
        ("uwsgi_pass unix:///run/a.sock;", "uwsgi", ["unix:/run/a.sock"]),
        ("uwsgi_pass uwsgi://app.example:3031;", "uwsgi", ["app.example:3031"]),
        ("uwsgi_pass $app;", "uwsgi", []),
        ("proxy_pass http://app.example;", "http", ["app.example:80"]),
        ("proxy_pass https://app.example/x;", "http", ["app.example:443"]),
        ("proxy_pass http://app.example:8000/x/y;", "http", ["app.example:8000"]),
        ("proxy_pass http://unix:/run/a.sock:/x;", "http", ["unix:/run/a.sock"]),
        ("proxy_pass http://django;", "http", ["unix:/run/d.sock", "127.0.0.1:8001", "app.example:80"]),
        ("fastcgi_pass 127.0.0.1:9000;", "fastcgi", ["127.0.0.1:9000"]),
    ],
)
def test_protocol_and_addresses_of_a_pass(passed, speaks, addresses):
    upstream = "upstream django { server unix:/run/d.sock; server *:8001 weight=2; server app.example; server b down; }"
    config = parsed("server { location / { " + passed + " } }", http=upstream + " upstream other { server c; }")
    [server] = match.servers(config)
    assert match.targets(config, match.handler(match.locate(server, "/"))) == (speaks, addresses)


def test_a_level_that_sets_a_parameter_inherits_none():
    outer = "uwsgi_param A outer; uwsgi_param B outer; charset utf-8;"
    config = parsed("server { location /a { uwsgi_param A inner; charset a; charset b; } location /b { } }", http=outer)
    [server] = match.servers(config)
    inside, beside = match.locate(server, "/a"), match.locate(server, "/b")
    assert match.parameters(inside, "uwsgi_param") == {"A": "inner"}
    assert match.parameters(beside, "uwsgi_param") == {"A": "outer", "B": "outer"}
    assert match.parameters(beside, "proxy_set_header") == {}
    assert match.inherited(inside, "charset").args == ["b"]
    assert match.inherited(beside, "charset").args == ["utf-8"]
    assert match.inherited(beside, "root") is None


def test_values_of_the_main_context_have_a_default():
    config = dump.parse("# configuration file /n:\nuser www-data;\npid;\nhttp { user other; }\n")
    assert [config.value("user"), config.value("pid", "/run/p"), config.value("none", "x"), config.value("none")] == [
        *("www-data", "/run/p", "x", ""),
    ]
