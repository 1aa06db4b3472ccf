"""nginx's configuration is read and answered from as nginx itself does it."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump as nginx_dump

DUMP = """\
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
# configuration file /etc/nginx/nginx.conf:
user www-data; # a comment with { and ;
error_log /var/log/nginx/error.log;
http {
    log_format main '$remote_addr "$request" {not a block;';
    client_max_body_size 5m;
    include conf.d/*.conf;
    include "/etc/nginx/sites-enabled/*";
}

# configuration file /etc/nginx/conf.d/upstream.conf:
upstream django {
    server unix:///run/mysite.sock max_fails=0;
    server 127.0.0.1:8001;
    server 127.0.0.1:8002 down;
}
upstream web { server app.example; }

# configuration file /etc/nginx/sites-enabled/mysite:
server {
    listen 80 default_server;
    listen [::]:443 ssl;
    server_name example.com *.example.com .dotted.example ~^v[0-9]+\\.regex$;
    location / {
        uwsgi_pass django;
        uwsgi_param HTTP_HOST $host;
        uwsgi_param HTTP_HOST $http_host;
        client_max_body_size 1k;
    }
    location /static { alias /srv/static; }
    location /static/admin/ { root /srv/admin; }
    location ^~ /raw/ { root /srv; }
    location = /exact { return 204; }
    location ~* \\.PNG$ { root /srv/pictures; }
    location ~ ^/files/(.+)\\.txt$ { alias /srv/texts/$1; }
    location /try/ { try_files $uri @django; }
    location @django { proxy_pass http://web/; }
    location /outer/ {
        location /outer/inner/ { proxy_pass http://unix:/run/inner.sock:/x; }
    }
    location /variable/ { proxy_pass http://$where; }
}
server {
    listen 192.0.2.7:80;
    server_name _;
    return 444;
}
server {
    server_name example.com;
    return 301 https://$host$request_uri;
}
"""


@pytest.fixture
def config():
    return nginx_dump.parse(DUMP)


def server(config, host="example.com"):
    return config.select(host, "192.0.2.1", 80)


def test_files_are_put_together_by_their_includes(config):
    assert [one.place for one in config.servers] == [f"/etc/nginx/sites-enabled/mysite:{line}" for line in (1, 24, 29)]
    assert config.value("user") == "www-data"
    assert config.unread == []
    assert config.files[0] == "/etc/nginx/nginx.conf"


def test_quotes_comments_and_lines_are_read_as_nginx_reads_them(config):
    [http] = [one for one in config.tree if one.name == "http"]
    [log_format] = http.all("log_format")
    assert log_format.args == ["main", '$remote_addr "$request" {not a block;']
    assert log_format.place == "/etc/nginx/nginx.conf:4"
    braces = nginx_dump.parse("# configuration file /n:\nmap $a ${b}c { default 'it\\'s'; }\n").tree[0]
    assert braces.args == ["$a", "${b}c"]
    assert braces.block[0].args == ["it's"]


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
        ("example.com", "192.0.2.7", 24),  # the more specific address wins over the better name
    ],
)
def test_server_is_chosen_by_address_then_name_then_default(config, host, address, line):
    assert config.select(host, address, 80).place.endswith(f":{line}")


def test_no_server_listens_on_another_port(config):
    assert config.select("example.com", "192.0.2.1", 81) is None


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
def test_location_is_the_one_that_nginx_takes(config, uri, said):
    assert str(nginx_dump.handler(nginx_dump.locate(server(config), uri))) == said


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("/static/a.css?v=1", "/srv/static/a.css"),
        ("/static/admin/a.css", "/srv/admin/static/admin/a.css"),
        ("/static/a.png", "/srv/pictures/static/a.png"),  # a regular expression beats a prefix
        ("/raw/a.png", "/srv/raw/a.png"),  # but not ^~
        ("/files/a/b.txt", "/srv/texts/a/b"),
    ],
)
def test_file_is_found_by_alias_and_root(config, uri, file):
    assert nginx_dump.file_of(nginx_dump.locate(server(config), uri), uri) == file


@pytest.mark.parametrize(
    ("uri", "speaks", "addresses"),
    [
        ("/", "uwsgi", ["unix:/run/mysite.sock", "127.0.0.1:8001"]),
        ("/outer/inner/", "http", ["unix:/run/inner.sock"]),
        ("/try/", "http", ["app.example:80"]),
        ("/variable/", "http", []),
    ],
)
def test_targets_are_what_a_pass_connects_to(config, uri, speaks, addresses):
    handler = nginx_dump.handler(nginx_dump.locate(server(config), uri))
    assert nginx_dump.targets(config, handler) == (speaks, addresses)


def test_values_are_inherited_and_the_last_parameter_wins(config):
    chain = nginx_dump.locate(server(config), "/")
    assert nginx_dump.inherited(chain, "client_max_body_size").args == ["1k"]
    assert nginx_dump.inherited(nginx_dump.locate(server(config), "/static/x"), "client_max_body_size").args == ["5m"]
    assert nginx_dump.parameters(chain, "uwsgi_param") == {"HTTP_HOST": "$http_host"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http {", "/n: the block that begins in /n:1 has no end"),
        ("http { }\n}", "/n:2: unexpected '}'"),
        ("listen 80", "/n:1: 'listen' is not ended by ';'"),
        ("a;\nb 'c", "/n:2: a quote that is not closed"),
        (";", "/n:1: unexpected ';'"),
    ],
)
def test_a_broken_file_is_left_out_and_named(text, said):
    assert nginx_dump.parse(f"# configuration file /n:\n{text}").unread == [said]


def test_nothing_is_no_configuration():
    with pytest.raises(nginx_dump.DumpError, match="no configuration"):
        nginx_dump.parse("nginx: [emerg] open() failed")


def test_files_are_read_where_nginx_refuses_to_dump(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "nginx.conf").write_text("http {\n include conf.d/*.conf;\n}\n")
    (tmp_path / "conf.d/good.conf").write_text("server { listen 8080; server_name good.example; }")
    (tmp_path / "conf.d/bad.conf").write_text("server { listen 80;")
    config = nginx_dump.read_files(str(tmp_path / "nginx.conf"))
    assert [one.names for one in config.servers] == [["good.example"]]
    assert config.unread == [
        f"{tmp_path}/conf.d/bad.conf: the block that begins in {tmp_path}/conf.d/bad.conf:1 has no end"
    ]
    with pytest.raises(nginx_dump.DumpError, match="cannot be read"):
        nginx_dump.read_files(str(tmp_path / "none.conf"))
