"""The controller's `.env` file: how its lines are parsed, and error messages of invalid ones."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.checks import Wrong
from ansible_collections.pyweb.stack.plugins.module_utils.model.environment_file import parse, read_file
from models import SECRET, completed, fault

GOOD = [
    ("A=1", {"A": "1"}),
    ("export A = 1 \n", {"A": "1"}),
    ("# comment\n\n  A=1\r\n", {"A": "1"}),
    ("A=", {"A": ""}),
    ("A=one two # three", {"A": "one two"}),
    ("A=one#two", {"A": "one#two"}),
    ("A=#x", {"A": ""}),
    ("A='x # $y \\n \"z\"' # c", {"A": 'x # $y \\n "z"'}),
    ('A="x\\n\\"y\\" \\$z \\q"', {"A": 'x\n"y" $z \\q'}),
    ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
    ("A='one\n# two'", {"A": "one\n# two"}),
    ("A=1\nB=${A}2\nC=\"${A}\"\nD='${A}'", {"A": "1", "B": "12", "C": "1", "D": "${A}"}),
    ("A=${B:-c}", {"A": "c"}),
    ("A=${B:-}", {"A": ""}),
    ("A=1\nA=2", {"A": "2"}),
    ("URL=postgres://u:p@h/d?a=b", {"URL": "postgres://u:p@h/d?a=b"}),
    ("A=$B", {"A": "$B"}),
]


@pytest.mark.parametrize(("text", "wanted"), GOOD)
def test_variables_of_a_file(text, wanted):
    assert parse(text) == wanted


BAD = [
    (f"A=1\n{SECRET}", "NAME=value in line 2"),
    (f"A-B={SECRET}", "NAME=value in line 1"),
    (f"A=1\n\nB='{SECRET}\nC=1", "a closing quote for B in line 3"),
    (f'A="{SECRET}\\"', "a closing quote for A in line 1"),
    (f"A='x' {SECRET}", "nothing behind the closing quote of A in line 1"),
    ("A=1\nB=${C}", "a variable of a previous line in line 2 (found ${C})"),
]


@pytest.mark.parametrize(("text", "wanted"), BAD)
def test_an_invalid_line_is_reported_with_its_number(text, wanted):
    with pytest.raises(Wrong) as caught:
        parse(text)
    assert caught.value.wanted == wanted


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "shop.env").write_text(text)
        return tmp_path

    return write


def test_its_variables_are_part_of_env_which_overrides_them(written):
    site = completed(base=written("A=file\nB=file\n"), env_file="shop.env", env={"B": "inventory"})
    assert site["env"] == {"A": "file", "B": "inventory"}


def test_a_relative_path_is_relative_to_the_same_directory_as_those_of_sources(written, tmp_path):
    base = written("A=1")
    assert completed(base=base, env_file="shop.env")["env_file"] == str(tmp_path / "shop.env")
    assert completed(env_file=str(tmp_path / "shop.env"))["env"] == {"A": "1"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"A=1\n{SECRET}\n", "expected NAME=value in line 2"),
        (f"UWSGI_HTTP={SECRET}\n", "expected no UWSGI_HTTP: uWSGI reads UWSGI_* as options; use uwsgi.options"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3065\n", "expected a file that is not encrypted; put its variables into env"),
    ],
)
def test_an_invalid_file_is_a_fault_of_the_site_without_any_value(written, text, wanted):
    said = fault(base=written(text), env_file="shop.env")
    assert said.startswith("web_sites[0] 'shop': env_file is '")
    assert wanted in said
    assert SECRET not in said


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "shop.env").write_bytes(b"A=\xff\xfe")
    assert "expected a file of text that can be read (UnicodeDecodeError)" in fault(base=tmp_path, env_file="shop.env")
    (tmp_path / "folder").mkdir()
    assert "expected a file of text that can be read (IsADirectoryError)" in fault(base=tmp_path, env_file="folder")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "shop.env").write_bytes(b"\xef\xbb\xbfA=1\r\nB=2\r\n")
    assert read_file(str(tmp_path / "shop.env")) == {"A": "1", "B": "2"}
