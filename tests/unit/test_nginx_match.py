"""The doctor evaluates nginx's configuration as nginx itself does."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from nginx_example import DUMP


@pytest.fixture
def config():
    return dump.parse(DUMP)


def server(config, host="example.com"):
    return match.select(config, host, "192.0.2.1", 80)


@pytest.mark.parametrize(
    ("host", "address", "line"),
    [
        ("example.com", "192.0.2.1", 1),
        ("EXAMPLE.com.", "192.0.2.1", 1),
        ("www.example.com", "192.0.2.1", 1),
        ("a.dotted.example", "192.0.2.1", 1),
        ("dotted.example", "192.0.2.1", 1),
        ("v12.regex", "192.0.2.1", 1),
        ("stranger.example", "192.0.2.1", 1),  # the default server
        ("example.com", "192.0.2.7", 24),  # the more specific address has precedence over the better name
    ],
)
def test_server_is_chosen_by_address_then_name_then_default(config, host, address, line):
    assert match.select(config, host, address, 80).place.endswith(f":{line}")


def test_no_server_listens_on_another_port(config):
    assert match.select(config, "example.com", "192.0.2.1", 81) is None


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("/", "uwsgi_pass django;"),
        ("/exact", "return 204;"),
        ("/exactly", "uwsgi_pass django;"),
        ("/outer/inner/x", "proxy_pass http://unix:/run/inner.sock:/x;"),
        ("/outer/x", "None"),
        ("/try/x", "proxy_pass http://web/;"),
    ],
)
def test_location_is_the_one_that_nginx_selects(config, uri, said):
    assert str(match.handler(match.locate(server(config), uri))) == said


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("/static/a.css?v=1", "/srv/static/a.css"),
        ("/static/admin/a.css", "/srv/admin/static/admin/a.css"),
        ("/static/a.png", "/srv/pictures/static/a.png"),  # a regular expression has precedence over a prefix
        ("/raw/a.png", "/srv/raw/a.png"),  # but not over ^~
        ("/files/a/b.txt", "/srv/texts/a/b"),
    ],
)
def test_file_is_found_by_alias_and_root(config, uri, file):
    assert match.file_of(match.locate(server(config), uri), uri) == file


@pytest.mark.parametrize(
    ("uri", "speaks", "addresses"),
    [
        ("/", "uwsgi", ["unix:/run/mysite.sock", "127.0.0.1:8001"]),
        ("/outer/inner/", "http", ["unix:/run/inner.sock"]),
        ("/try/", "http", ["app.example:80"]),
        ("/variable/", "http", []),
    ],
)
def test_targets_are_the_addresses_of_a_pass(config, uri, speaks, addresses):
    passed = match.handler(match.locate(server(config), uri))
    assert match.targets(config, passed) == (speaks, addresses)


def test_values_are_inherited_and_the_last_parameter_is_used(config):
    chain = match.locate(server(config), "/")
    assert match.inherited(chain, "client_max_body_size").args == ["1k"]
    assert match.inherited(match.locate(server(config), "/static/x"), "client_max_body_size").args == ["5m"]
    assert match.parameters(chain, "uwsgi_param") == {"HTTP_HOST": "$http_host"}


@pytest.mark.parametrize(
    ("names", "host", "fit"),
    [
        ("example.com", "example.com", 4),
        ("Example.COM", "example.com", 4),
        ("example.com", "www.example.com", 0),
        ("*.example.com", "www.example.com", 3),
        ("*.example.com", "a.b.example.com", 3),
        ("*.example.com", "example.com", 0),
        ("*.example.com", "badexample.com", 0),
        (".example.com", "example.com", 4),
        (".example.com", "www.example.com", 3),
        (".example.com", "badexample.com", 0),
        ("www.*", "www.example.com", 2),
        ("www.*", "www", 0),
        ("www.*", "wwwx.example", 0),
        ("~^www\\d\\.", "www7.example.com", 1),
        ("~^www\\d\\.", "www.example.com", 0),
        ("~(", "www.example.com", 0),
        ("_", "example.com", 0),
        ("~x *.com example.com", "example.com", 4),  # the best match counts
        ("~m *.com", "example.com", 3),
    ],
)
def test_a_name_matches_as_nginx_documents_it(names, host, fit):
    [server] = servers_of(f"server {{ server_name {names}; }}")
    assert server.matches(host) == fit


def servers_of(text):
    return match.servers(dump.parse(f"# configuration file /n:\nhttp {{ {text} }}\n"))


def test_a_server_that_passes_requests_to_another_one_of_the_same_nginx():
    text = (
        "server { listen 80; server_name a.de; location / { proxy_pass http://127.0.0.1:8080; } }\n"
        "server { listen 127.0.0.1:8080; location / { proxy_pass http://127.0.0.1:8000; } }"
    )
    config = dump.parse(f"# configuration file /n:\nhttp {{ {text} }}\n")
    outer, inner = match.servers(config)
    assert match.inner_server(config, outer, ["127.0.0.1:8080"], "a.de").place == inner.place
    assert match.inner_server(config, outer, ["127.0.0.1:8000"], "a.de") is None
    assert match.inner_server(config, inner, ["127.0.0.1:8080"], "a.de") is None
    assert match.inner_server(config, outer, ["unix:/run/a.sock"], "a.de") is None


@pytest.mark.parametrize(
    ("listen", "shown", "ssl", "default"),
    [
        ("80", "*:80", False, False),
        ("0.0.0.0:81 default_server", "*:81", False, True),
        ("localhost:82 ssl", "127.0.0.1:82", True, False),
        ("[::]:83", "[::]:83", False, False),
        ("[::1]", "[::1]:80", False, False),
        ("192.0.2.1 default", "192.0.2.1:80", False, True),
        ("unix:/run/n.sock ssl", "unix:/run/n.sock", True, False),
    ],
)
def test_an_address_is_parsed_as_by_nginx(listen, shown, ssl, default):
    [server] = servers_of(f"server {{ listen {listen}; }}")
    [found] = server.listens
    assert (str(found), found.ssl, found.default) == (shown, ssl, default)
    assert found.port == int(re.sub(r"^unix:.*$", "0", shown).rpartition(":")[2])


def test_ssl_on_applies_to_every_address():
    [server] = servers_of("server { ssl on; listen 443; listen 444; }")
    assert [found.ssl for found in server.listens] == [True, True]
    [server] = servers_of("server { ssl off; }")
    assert [(str(found), found.ssl) for found in server.listens] == [("*:80", False)]


def test_of_servers_with_equal_matches_the_first_one_answers_and_defaults_are_last():
    text = "server { server_name a.de b.de; set $x 1; } server { listen 80 default_server; server_name *.de a.de; }"
    config = dump.parse(f"# configuration file /n:\nhttp {{ {text} }}\n")
    first, second = match.servers(config)
    assert match.select(config, "a.de", "192.0.2.1", 80).chain == first.chain
    assert match.select(config, "x.de", "192.0.2.1", 80).chain == second.chain
    assert match.select(config, "x.org", "192.0.2.1", 80).chain == second.chain
    assert match.select(config, "x.org", "::1", 80) is None
    assert match.servers(None) == []


@pytest.mark.parametrize(
    ("inside", "says", "hands_over"),
    [
        ("location / { uwsgi_pass a; }", "uwsgi_pass a;", True),
        ("location / { fastcgi_pass a; }", "fastcgi_pass a;", True),
        ("return 301 x; location / { uwsgi_pass a; }", "return 301 x;", False),
        ("location / { return 204; }", "return 204;", False),
        ("location / { root /srv; }", "None", False),
        ("location / { try_files $uri =404; }", "None", False),
        ("location / { if (!-f $request_filename) { proxy_pass http://a; break; } }", "proxy_pass http://a;", True),
        ("location / { if ($http_user_agent ~ x) { proxy_pass http://a; } }", "None", False),
        ("location ~ ( { return 204; } location / { uwsgi_pass a; }", "uwsgi_pass a;", True),
        ("location ~ A { return 204; } location / { uwsgi_pass a; }", "uwsgi_pass a;", True),
        ("location ~ a { return 204; } location / { uwsgi_pass a; }", "return 204;", False),
        ("location / { uwsgi_pass a; } location /apple { return 204; }", "return 204;", False),
    ],
)
def test_the_handler_is_a_return_or_a_pass(inside, says, hands_over):
    [server] = servers_of(f"server {{ {inside} }}")
    handler = match.handler(match.locate(server, "/apple?x=/y"))
    assert (str(handler), match.passes(handler)) == (says, hands_over)


@pytest.mark.parametrize(
    ("inside", "file"),
    [
        ("root /srv/;", "/srv/a/b.css"),
        ("root /srv/$host;", ""),
        ("location /a { alias /x; }", "/x/b.css"),
        ("location /a/ { alias $home/; }", ""),
        ("location ~ ^/(.)/(.*)$ { alias /x/$2/$1; }", "/x/b.css/a"),
        ("location ~* ^/A/(.*)$ { alias /x/$1; }", "/x/b.css"),
        ("location ~ ^/a { alias /x/$1; }", "/x/"),
        ("location /a { uwsgi_pass u; }", ""),
    ],
)
def test_a_file_is_in_the_directory_of_alias_or_root(inside, file):
    [server] = servers_of(f"server {{ {inside} }}")
    assert match.file_of(match.locate(server, "/a/b.css?v=1"), "/a/b.css?v=1") == file


def test_an_address_of_an_upstream_is_completed():
    text = "upstream u { server localhost; server unix:run/x.sock; server 192.0.2.1:9 down; server back:8; }"
    config = dump.parse(f"# configuration file /n:\nhttp {{ {text} }}\n")
    assert match.upstream(config, "u") == ["127.0.0.1", "unix:/run/x.sock", "back:8"]
    assert match.upstream(config, "localhost:80") == ["127.0.0.1:80"]

    def of(name, target):
        return match.targets(config, dump.Directive(name, [target], "/n", 1))

    assert of("proxy_pass", "https://u/x") == ("http", ["127.0.0.1:443", "unix:/run/x.sock", "back:8"])
    assert of("proxy_pass", "http://other") == ("http", ["other:80"])
    assert of("uwsgi_pass", "unix:///run/y.sock") == ("uwsgi", ["unix:/run/y.sock"])
    assert of("grpc_pass", "u") == ("grpc", ["127.0.0.1", "unix:/run/x.sock", "back:8"])
    assert of("uwsgi_pass", "$u") == ("uwsgi", [])
