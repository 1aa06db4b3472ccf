"""The forms of uWSGI options: short, long, with =, in ini files with placeholders."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import options


def given(text, cwd="/srv"):
    return options.read(text.split(), cwd)


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        ("-H /v", "home", "/v"),
        ("--virtualenv /v", "home", "/v"),
        ("--venv=/v", "home", "/v"),
        ("--pyhome /v", "home", "/v"),
        ("-w a.wsgi", "module", "a.wsgi"),
        ("--wsgi a.wsgi", "module", "a.wsgi"),
        ("--pp /lib", "pythonpath", "/lib"),
        ("--python-path /lib", "pythonpath", "/lib"),
        ("-p 4", "processes", "4"),
        ("--workers 4", "processes", "4"),
        ("-b 8192", "buffer-size", "8192"),
        ("-t 30", "harakiri", "30"),
        ("-l 128", "listen", "128"),
        ("-M", "master", "true"),
        ("-C 660", "chmod-socket", "660"),
        ("--chmod=660", "chmod-socket", "660"),
        ("-d /log", "daemonize", "/log"),
        ("--logto2 /log", "logto", "/log"),
        ("--stats-server /s", "stats", "/s"),
        ("--file /a.py", "wsgi-file", "/a.py"),
        ("--wsgi-file /a.py", "wsgi-file", "/a.py"),
        ("-s /s", "socket", "/s"),
        ("--uwsgi-socket /s", "socket", "/s"),
        ("--unknown", "unknown", "true"),
        ("--unknown=a=b", "unknown", "a=b"),
    ],
)
def test_every_name_of_an_option(form, name, value):
    assert given(f"uwsgi {form}").values == {name: [value]}
    assert given(f"uwsgi {form} --vacuum").values == {name: [value], "vacuum": ["true"]}


@pytest.mark.parametrize(
    "flag",
    ["master", "vacuum", "need-app", "strict", "enable-threads", "die-on-term", "single-interpreter"],
)
def test_a_flag_does_not_consume_the_next_word(flag):
    found = given(f"uwsgi --{flag} /run/a.sock")
    assert found.binds == [("unix:/run/a.sock", "uwsgi")]
    assert found.flag(flag)


@pytest.mark.parametrize(
    ("value", "on"),
    [("true", True), ("1", True), ("yes", True), ("On", True), ("false", False), ("0", False), ("no", False)],
)
def test_a_flag_can_be_switched_off(value, on):
    assert given(f"uwsgi --master={value}").flag("master") is on


def test_the_last_of_several_values_is_used_and_numbers_must_be_valid():
    found = given("uwsgi --processes=2 -p 3 --listen=many")
    assert found.number("processes", 1) == 3
    assert found.number("listen", 100) == 100
    assert found.last("none") == ""
    assert found.last("none", "x") == "x"


@pytest.mark.parametrize(
    ("text", "chdir", "home", "path"),
    [
        ("--chdir app --home venv --pythonpath lib", "/srv/app", "/srv/venv", "/srv/app/lib"),
        ("--home venv --pythonpath lib --chdir app", "/srv/app", "/srv/venv", "/srv/lib"),
        ("--chdir /a/../b --home ./venv --pythonpath ../lib", "/a/../b", "/srv/venv", "/lib"),
    ],
)
def test_paths_are_relative_to_uwsgis_current_directory(text, chdir, home, path):
    found = given(f"uwsgi {text}")
    assert (found.last("chdir"), found.last("home"), found.last("pythonpath")) == (chdir, home, path)


def test_sockets_are_relative_to_chdir():
    assert given("uwsgi --socket a.sock --chdir /app").binds == [("unix:/app/a.sock", "uwsgi")]
    assert given("uwsgi --https :443,cert,key").binds == [("0.0.0.0:443", "https router")]
    assert given("uwsgi :8000").binds == [("0.0.0.0:8000", "uwsgi")]
    assert given("uwsgi --socket /a:b").binds == [("unix:/a:b", "uwsgi")]


INI = """\
# a comment
  ; another
stray = before any section
[uwsgi]
  spaced   =   a b
empty =
bare
# commented = 1
file = %p %s %n %e %d %c %%d
again = %(spaced)/%(workers)/%(none)
workers = 4
later = %(workers) %(processes)
variable = $(HERE)-$(NOWHERE)-
[ other ]
never = 1
"""


def test_an_ini_file_is_parsed_as_by_uwsgi(tmp_path):
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "my.site.ini").write_text(INI)
    found = options.read(["uwsgi", "conf/my.site.ini"], str(tmp_path), {"HERE": "x"})
    path = str(folder / "my.site.ini")
    assert found.values == {
        "spaced": ["a b"],
        "empty": ["true"],
        "bare": ["true"],
        "wsgi-file": [f"{path} my.site.ini my.site ini {folder}/ conf %d"],
        "again": ["a b/%(workers)/%(none)"],
        "processes": ["4"],
        "later": ["4 4"],
        "variable": ["x--"],
    }
    assert found.files == [path]
    assert found.missing == []


def test_an_ini_file_that_includes_itself_ends(tmp_path):
    (tmp_path / "a.ini").write_text("[uwsgi]\nini = a.ini\nmaster = 1\n")
    found = options.read(["uwsgi", "--ini", "a.ini"], str(tmp_path))
    assert found.files == [f"{tmp_path}/a.ini"] * 10
    assert found.flag("master")


@pytest.mark.parametrize("kind", ["xml", "yaml", "json"])
def test_other_formats_are_recognized_by_their_extension(kind):
    assert given(f"uwsgi /nowhere/conf.{kind}").missing == [f"/nowhere/conf.{kind}"]


FORMS = {
    "a.xml": "<uwsgi><chdir>/srv/a</chdir><master/><socket>:9000</socket><env>A=1</env></uwsgi>",
    "a.yaml": "uwsgi: # all\n  chdir: '/srv/a'\n  master: true\n  socket: :9000\n  env:\n  - A=1\nb:\n  chdir: /b\n",
    "a.yml": 'uwsgi:\n  chdir: /srv/a\n  master: true\n  socket: ":9000"\n  env: A=1\n',
    "a.json": '{"uwsgi": {"chdir": "/srv/a", "master": true, "socket": ":9000", "env": ["A=1"]}, "b": {"chdir": "/b"}}',
    "a.ini": "[uwsgi]\nini = :rest\nmaster = true\n[rest]\nchdir = /srv/a\nsocket = :9000\nenv = A=1\n[b]\nchdir = /\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_gives_the_same_options(name, tmp_path):
    (tmp_path / name).write_text(FORMS[name])
    found = options.read(["uwsgi", name], str(tmp_path))
    assert found.values == {"chdir": ["/srv/a"], "master": ["true"], "socket": [":9000"], "env": ["A=1"]}
    assert set(found.files) == {f"{tmp_path}/{name}"}


def test_an_entity_in_xml_is_not_read(tmp_path):
    (tmp_path / "a.xml").write_text('<!DOCTYPE uwsgi [<!ENTITY a "b">]><uwsgi><chdir>&a;</chdir></uwsgi>')
    assert options.read(["uwsgi", "a.xml"], str(tmp_path)).values == {}


@pytest.mark.parametrize(
    ("name", "text"), [("a.xml", "<uwsgi"), ("a.json", "[" * 100000), ("a.json", "[]"), ("a.yaml", "- a")]
)
def test_an_invalid_file_of_a_format_is_ignored(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert options.read(["uwsgi", name], str(tmp_path)).values == {}


def test_placeholders_and_included_files(tmp_path):
    (tmp_path / "more.yaml").write_text("uwsgi:\n  home: /venv\n")
    (tmp_path / "a.ini").write_text("[uwsgi]\nset-ph = name=shop\nchdir = /srv/%(name)\ninclude = more.yaml\n")
    found = options.read(["uwsgi", "--ini", "a.ini"], str(tmp_path))
    assert (found.last("chdir"), found.last("home")) == ("/srv/shop", "/venv")


def test_the_interpreter_before_the_program_is_not_an_option():
    assert given("/v/bin/python3 /v/bin/uwsgi --ini /none.ini").missing == ["/none.ini"]
    assert given("uwsgi").values == {}
    assert given("").values == {}


def test_the_environment_is_that_of_the_env_options():
    found = given("uwsgi --env A=1 --env B=x=y --env broken --env A=2")
    assert found.environment == {"A": "2", "B": "x=y"}
