"""nginx's configuration as text: words, quotes, includes, and line numbers."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match

MAIN = "# configuration file /etc/nginx/nginx.conf:\n"


def words(text: str) -> list[list[str]]:
    return [[one.name, *one.args] for one in dump.parse(MAIN + text).tree]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a b c;", [["a", "b", "c"]]),
        ("a 'b c' \"d;{}\" '';", [["a", "b c", "d;{}", ""]]),
        (r"""a "it\"s" 'it\'s' "a\\b" "a\n";""", [["a", 'it"s', "it's", "a\\b", "a\n"]]),
        ("a it's b\"c;", [["a", "it's", 'b"c']]),
        ("a ${b}c ${d};", [["a", "${b}c", "${d}"]]),
        ("a # b;\nc;", [["a", "c"]]),
        ("a b#c;", [["a", "b#c"]]),
        (r"a \;b;", [["a", r"\;b"]]),
        ("a ';';b;", [["a", ";"], ["b"]]),
        ("'a' b;", [["a", "b"]]),
    ],
)
def test_words_are_split_as_by_nginx(text, wanted):
    assert words(text) == wanted


def test_the_place_of_a_directive_is_its_first_line():
    config = dump.parse(MAIN + 'a\n  b\n  c;\n\nd "x\ny" {\n  e;\n}\n')
    a, d = config.tree
    assert [a.place, d.place, d.block[0].place] == [f"/etc/nginx/nginx.conf:{line}" for line in (1, 5, 7)]
    assert [str(a), str(d)] == ["a b c;", "d x\ny {"]
    assert a.block is None
    assert a.all("e") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a {\n b {\n }\n", "/etc/nginx/nginx.conf: the block that begins in /etc/nginx/nginx.conf:1 has no end"),
        ("a {\n b\n}", "/etc/nginx/nginx.conf:3: unexpected '}'"),
        ("a {\n{", "/etc/nginx/nginx.conf:2: unexpected '{'"),
        ("a {}\n\nb\n c", "/etc/nginx/nginx.conf:3: 'b' is not ended by ';'"),
        ("a\n\n'b", "/etc/nginx/nginx.conf:3: a quote that is not closed"),
    ],
)
def test_a_fault_is_reported_with_its_line(text, said):
    assert dump.parse(MAIN + text).unread == [said]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("conf.d/*.conf", ["a", "b"]),
        ("/etc/nginx/conf.d/b.conf", ["b"]),
        ("./conf.d/../conf.d/b.conf", ["b"]),
        ("conf.d/*", ["a", "b", "text"]),
        ("conf.d/.*", ["hidden"]),
        ("*/*.conf", ["a", "b"]),
        ("*.d", []),
        ("conf.d/[!a].conf", ["b"]),
    ],
)
def test_files_that_an_include_matches(pattern, found):
    """They are sorted by name, whatever their order in the dump."""
    text = MAIN + f"first; include {pattern}; last;\n"
    for name, word in (
        *(("conf.d/b.conf", "b"), ("conf.d/a.conf", "a"), ("conf.d/text", "text")),
        *(("conf.d/.hidden.conf", "hidden"), ("conf.d/deep/er.conf", "deep")),
    ):
        text += f"# configuration file /etc/nginx/{name}:\n{word};\n"
    assert [one.name for one in dump.parse(text).tree] == ["first", *found, "last"]


def test_an_include_in_an_included_file_is_relative_to_the_main_file():
    text = MAIN + "http { include conf.d/a.conf; }\n"
    text += "# configuration file /etc/nginx/conf.d/a.conf:\nserver { include snippets/b; }\n"
    text += "# configuration file /etc/nginx/snippets/b:\nserver_name b.example;\n"
    config = dump.parse(text)
    assert [server.names for server in match.servers(config)] == [["b.example"]]
    assert config.files == ["/etc/nginx/nginx.conf", "/etc/nginx/conf.d/a.conf", "/etc/nginx/snippets/b"]


def test_files_that_include_each_other_are_read_to_a_limit():
    text = MAIN + "a; include b.conf;\n# configuration file /etc/nginx/b.conf:\nb; include b.conf;\n"
    names = [one.name for one in dump.parse(text).tree]
    assert names[:2] == ["a", "b"]
    assert names.count("b") == 20


def test_files_are_collected_in_the_order_of_the_includes(tmp_path):
    (tmp_path / "sites").mkdir()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "nginx.conf").write_text(
        "http {\n include 'sites/*';\n  # include conf.d/commented.conf;\n if { include \"conf.d/a.conf\"; }\n}\n"
    )
    (tmp_path / "sites/one").write_text("include conf.d/b.conf; one;")
    (tmp_path / "sites/folder").mkdir()
    (tmp_path / "conf.d/a.conf").write_text("a;")
    (tmp_path / "conf.d/b.conf").write_bytes(b"b \xff;")
    (tmp_path / "conf.d/commented.conf").write_text("commented;")
    config = dump.read_files(str(tmp_path / "nginx.conf"))
    assert config.files == [
        f"{tmp_path}/{name}" for name in ("nginx.conf", "sites/one", "conf.d/b.conf", "conf.d/a.conf")
    ]
    [http] = config.tree
    assert [one.name for one in http.block] == ["b", "one", "if"]
    assert config.unread == []


def test_a_directive_has_its_text_its_column_and_its_end():
    text = "a {\n  b 'c\n d';e;\n}\nf {}"
    a, f = dump.parse(MAIN + text).tree
    b, e = a.block
    assert [(found.line, found.column, found.text) for found in (a, b, e, f)] == [
        (1, 0, "a {"),
        (2, 2, "b 'c\n d';"),
        (3, 4, "e;"),
        (5, 0, "f {"),
    ]
    assert (a.end, f.end) == ((4, 0), (5, 3))


def test_directives_are_in_reading_order():
    one, other = (
        "# configuration file /etc/nginx/conf.d/a.conf:\nx a;\n",
        "# configuration file /etc/nginx/conf.d/b.conf:\nx b;\n",
    )
    config = dump.parse(MAIN + "http {\n x 1;\n include conf.d/*.conf;\n x 2;\n}\n" + other + one)
    found = config.tree[0].all("x")
    assert [directive.args[0] for directive in found] == ["1", "a", "b", "2"]
    assert sorted(found, key=lambda directive: directive.order) == found
    [include] = config.includes
    assert (include.pattern, include.blocks) == ("/etc/nginx/conf.d/*.conf", ("http",))
    assert include.takes("/etc/nginx/conf.d/new.conf")
    assert not include.takes("/etc/nginx/conf.d/new.txt")


def test_lua_blocks_are_skipped():
    lua = 'http {\n content_by_lua_block {\n  -- it\'s }\n  if x { } then say("}") end\n }\n gzip on;\n}\n'
    config = dump.parse(MAIN + lua + "# a_by_lua_block {\nz;")
    assert config.unread == []
    http, last = config.tree
    assert [(found.name, found.line) for found in http.block] == [("content_by_lua_block", 2), ("gzip", 6)]
    assert last.name == "z"


def test_an_unreadable_file_is_reported(tmp_path, monkeypatch):
    main, other = tmp_path / "nginx.conf", tmp_path / "b.conf"
    main.write_text("include a.conf; include b.conf; # include c.conf;\nx;")
    (tmp_path / "a.conf").write_text("a;")
    (tmp_path / "c.conf").write_text("c;")
    other.write_text("b;")
    real = open

    def refuse(path, *rest, **named):
        if str(path) == str(other):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **named)

    monkeypatch.setattr("builtins.open", refuse)
    config = dump.read_files(str(main))
    assert [found.name for found in config.tree] == ["a", "x"]
    assert config.unread == [f"{other}: Permission denied"]
