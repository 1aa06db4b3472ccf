"""nginx's configuration is parsed as nginx itself parses it."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from nginx_example import DUMP


@pytest.fixture
def config():
    return dump.parse(DUMP)


def test_files_are_joined_by_their_includes(config):
    assert [server.place for server in match.servers(config)] == [
        f"/etc/nginx/sites-enabled/mysite:{line}" for line in (1, 24, 29)
    ]
    assert config.value("user") == "www-data"
    assert config.unread == []
    assert config.files[0] == "/etc/nginx/nginx.conf"


def test_quotes_comments_and_lines_are_parsed_as_by_nginx(config):
    [http] = [block for block in config.tree if block.name == "http"]
    [log_format] = http.all("log_format")
    assert log_format.args == ["main", '$remote_addr "$request" {not a block;']
    assert log_format.place == "/etc/nginx/nginx.conf:4"
    braces = dump.parse("# configuration file /n:\nmap $a ${b}c { default 'it\\'s'; }\n").tree[0]
    assert braces.args == ["$a", "${b}c"]
    assert braces.block[0].args == ["it's"]


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
def test_an_invalid_file_is_left_out_and_named(text, said):
    assert dump.parse(f"# configuration file /n:\n{text}").unread == [said]


def test_empty_output_is_no_configuration():
    with pytest.raises(dump.DumpError, match="no configuration"):
        dump.parse("nginx: [emerg] open() failed")


def test_files_are_read_if_nginx_refuses_to_dump(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "nginx.conf").write_text("http {\n include conf.d/*.conf;\n}\n")
    (tmp_path / "conf.d/good.conf").write_text("server { listen 8080; server_name good.example; }")
    (tmp_path / "conf.d/bad.conf").write_text("server { listen 80;")
    config = dump.read_files(str(tmp_path / "nginx.conf"))
    assert [server.names for server in match.servers(config)] == [["good.example"]]
    assert config.unread == [
        f"{tmp_path}/conf.d/bad.conf: the block that begins in {tmp_path}/conf.d/bad.conf:1 has no end"
    ]
    with pytest.raises(dump.DumpError, match="cannot be read"):
        dump.read_files(str(tmp_path / "none.conf"))


def test_recursive_includes_are_followed_to_a_limit():
    text = "# configuration file /n.conf:\ninclude /n.conf;\na;\n"
    config = dump.parse(text)
    assert [found.name for found in config.tree].count("a") == 21


def test_a_pattern_matches_no_other_directory_and_no_hidden_file():
    files = ("/etc/nginx/a.conf", "/etc/nginx/d/b.conf", "/etc/nginx/d/.c.conf", "/etc/nginx/d/e/f.conf")
    text = "".join(f"# configuration file {name}:\nin_{number};\n" for number, name in enumerate(files))
    config = dump.parse(f"# configuration file /etc/nginx/nginx.conf:\ninclude d/*;\n{text}")
    assert [found.name for found in config.tree] == ["in_1"]
    config = dump.parse(f"# configuration file /etc/nginx/nginx.conf:\ninclude d/.*;\n{text}")
    assert [found.name for found in config.tree] == ["in_2"]


def test_a_directive_is_shown_as_it_is_written(config):
    [http] = [block for block in config.tree if block.name == "http"]
    assert str(http) == "http {"
    assert str(http.all("client_max_body_size")[0]) == "client_max_body_size 5m;"
    assert config.value("error_log") == "/var/log/nginx/error.log"
    assert config.value("pid", "/run/nginx.pid") == "/run/nginx.pid"
