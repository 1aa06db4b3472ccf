"""Options that a uWSGI was started with, from command lines and ini files as people write them."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi import options as uwsgi_options

INI = """\
; the tutorial's
[uwsgi]
project = mysite
base = /srv/%(project)
chdir = %(base)
home = %(base)/venv
module = %(project).wsgi
socket = %n.sock
http = :8000
env = DJANGO_SETTINGS_MODULE=mysite.%(project)
env = TOKEN=$(TOKEN)
pythonpath = lib
log-format = 100%%
master
ini = %dmore.ini

[other]
module = other
"""


@pytest.fixture
def ini(tmp_path):
    (tmp_path / "site.ini").write_text(INI)
    (tmp_path / "more.ini").write_text("[uwsgi]\nworkers = 4\nbuffer-size = 8192\n")
    return tmp_path / "site.ini"


def test_ini_is_read_with_its_placeholders(ini):
    found = uwsgi_options.read(["/usr/bin/uwsgi", "--ini", str(ini)], environment={"TOKEN": "t"})
    assert found.last("chdir") == "/srv/mysite"
    assert found.last("home") == "/srv/mysite/venv"
    assert found.last("module") == "mysite.wsgi"
    assert found.environment == {"DJANGO_SETTINGS_MODULE": "mysite.mysite", "TOKEN": "t"}
    assert found.values["pythonpath"] == ["/srv/mysite/lib"]
    assert found.last("log-format") == "100%"
    assert found.flag("master")
    assert not found.flag("vacuum")
    assert found.binds == [("unix:/srv/mysite/site.sock", "uwsgi"), ("0.0.0.0:8000", "http router")]


def test_included_ini_is_read_too(ini):
    found = uwsgi_options.read(["uwsgi", str(ini)])
    assert found.files == [str(ini), str(ini.parent / "more.ini")]
    assert found.number("processes", 1) == 4
    assert found.number("buffer-size", 4096) == 8192
    assert found.number("listen", 100) == 100


def test_section_of_an_ini_can_be_chosen(ini):
    assert uwsgi_options.read(["uwsgi", "--ini", f"{ini}:other"]).last("module") == "other"


@pytest.mark.parametrize(
    ("command", "binds", "module"),
    [
        ("uwsgi --http :8001 --module mysite.wsgi", [("0.0.0.0:8001", "http router")], "mysite.wsgi"),
        ("uwsgi --socket=mysite.sock -w mysite.wsgi -M", [("unix:/srv/mysite.sock", "uwsgi")], "mysite.wsgi"),
        ("/v/bin/python3 /v/bin/uwsgi --http-socket 127.0.0.1:80 --wsgi a:b", [("127.0.0.1:80", "http-socket")], "a:b"),
        ("uwsgi -s /run/a.sock,/x --master --vacuum", [("unix:/run/a.sock", "uwsgi")], ""),
    ],
)
def test_command_line_is_read(command, binds, module):
    found = uwsgi_options.read(command.split(), "/srv")
    assert found.binds == binds
    assert found.last("module") == module


def test_a_missing_ini_is_named(tmp_path):
    assert uwsgi_options.read(["uwsgi", "--ini", "none.ini"], str(tmp_path)).missing == [f"{tmp_path}/none.ini"]


def test_python_is_that_of_the_virtualenv(tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    options = uwsgi_options.read(["uwsgi", "--home", str(tmp_path)])
    assert uwsgi_options.python_of(options, ["/usr/bin/uwsgi"]) == str(python)
    assert uwsgi_options.python_of(uwsgi_options.read(["uwsgi"]), [str(python), "/x/uwsgi"]) == str(python)
    nowhere = uwsgi_options.read(["uwsgi", "--home", "/nowhere"])
    assert uwsgi_options.python_of(nowhere, ["/nowhere/uwsgi"]) == "/usr/bin/python3"


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("-s /a", "socket", "/a"),
        ("--uwsgi-socket /a", "socket", "/a"),
        ("-H /v", "home", "/v"),
        ("--virtualenv /v", "home", "/v"),
        ("--venv /v", "home", "/v"),
        ("--pyhome v", "home", "/srv/v"),
        ("-w a", "module", "a"),
        ("--wsgi a", "module", "a"),
        ("--pp lib", "pythonpath", "/srv/lib"),
        ("--python-path lib", "pythonpath", "/srv/lib"),
        ("-p 3", "processes", "3"),
        ("--workers 3", "processes", "3"),
        ("-b 8192", "buffer-size", "8192"),
        ("-t 9", "harakiri", "9"),
        ("-l 50", "listen", "50"),
        ("-M", "master", "true"),
        ("-C 660", "chmod-socket", "660"),
        ("--chmod=660", "chmod-socket", "660"),
        ("-d log", "daemonize", "log"),
        ("--logto2 log", "logto", "log"),
        ("--stats-server :9", "stats", ":9"),
        ("--file a.py", "wsgi-file", "/srv/a.py"),
        ("--wsgi-file ../a.py", "wsgi-file", "/a.py"),
        ("--chdir /x --wsgi-file a.py", "wsgi-file", "/x/a.py"),
        ("--chdir sub", "chdir", "/srv/sub"),
        ("--logger file:/a", "logger", "file:/a"),
        ("--need-app --strict x.sock", "strict", "true"),
        ("--enable-threads x.sock", "enable-threads", "true"),
        ("--die-on-term x.sock", "die-on-term", "true"),
        ("--single-interpreter x.sock", "single-interpreter", "true"),
        ("--vacuum x.sock", "vacuum", "true"),
        ("--need-app x.sock", "socket", "x.sock"),
    ],
)
def test_options_have_several_names(words, name, value):
    assert uwsgi_options.read(["uwsgi", *words.split()], "/srv").values[name] == [value]


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("1", True), ("Yes", True), ("on", True), ("0", False)])
def test_flags(text, flag):
    found = uwsgi_options.read(["uwsgi", f"--master={text}"])
    assert found.flag("master") is flag
    assert found.flag("lazy") is False
    assert uwsgi_options.Options(values={"master": [""]}).flag("master")


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("12k", 7), ("", 7), ("-1", 7)])
def test_numbers(text, number):
    assert uwsgi_options.Options(values={"listen": ["9", text]}).number("listen", 7) == number


@pytest.mark.parametrize(
    ("word", "kind"),
    [("a.xml", "file"), ("a.yaml", "file"), ("a.json", "file"), ("a.sock", "socket"), (":80", "socket")],
)
def test_a_word_without_a_dash_is_a_file_or_a_socket(word, kind):
    found = uwsgi_options.read(["uwsgi", "-M", "--vacuum", word], "/nowhere")
    assert found.missing == ([f"/nowhere/{word}"] if kind == "file" else [])
    assert found.values.get("socket", []) == ([word] if kind == "socket" else [])


def test_magic_variables_are_those_of_the_file(tmp_path):
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "my.site.ini").write_text(
        "[uwsgi]\na = %p %s %n %e %c %d %% %q %(none) %(b)\n  # c\nb = 1\nc = %(b)$(NO)\n"
    )
    found = uwsgi_options.read(["uwsgi", "--ini", "conf/my.site.ini"], str(tmp_path))
    path = f"{folder}/my.site.ini"
    assert found.values["a"] == [f"{path} my.site.ini my.site ini conf {folder}/ % %q %(none) %(b)"]
    assert found.values["c"] == ["1"]
    assert list(found.values) == ["a", "buffer-size", "c"]


def test_an_ini_that_includes_itself_ends(tmp_path):
    (tmp_path / "a.ini").write_text("[uwsgi]\nprocesses = 2\nini = %p\n")
    found = uwsgi_options.read(["uwsgi", "--ini", "a.ini"], str(tmp_path))
    assert found.values["processes"] == ["2"] * 10
    assert found.values["ini"] == [f"{tmp_path}/a.ini"]


def test_placeholders_find_other_names_of_an_option(tmp_path):
    (tmp_path / "a.ini").write_text("[uwsgi]\nvirtualenv = /v\nenv = V=%(venv)\nenv = broken\n")
    assert uwsgi_options.read(["uwsgi", str(tmp_path / "a.ini")]).environment == {"V": "/v"}


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("127.0.0.1:80", "127.0.0.1:80"),
        (":80", "0.0.0.0:80"),
        ("[::1]:80", "[::1]:80"),
        ("run/a.sock", "unix:/srv/run/a.sock"),
        ("/run/a:b.sock", "unix:/run/a:b.sock"),
        ("/run/a.sock,/run/b.sock", "unix:/run/a.sock"),
    ],
)
def test_addresses_are_normalized(value, address):
    assert uwsgi_options.address(value, "/srv") == address


def test_relative_sockets_are_relative_to_uwsgis_chdir():
    command = ["uwsgi", "--chdir", "/x", "--socket", "a.sock", "--https", ":443", "--http-socket", "1.2.3.4:5"]
    assert uwsgi_options.read(command, "/srv").binds == [
        ("unix:/x/a.sock", "uwsgi"),
        ("1.2.3.4:5", "http-socket"),
        ("0.0.0.0:443", "https router"),
    ]


def test_buffer_size_of_a_uwsgi_without_options():
    assert uwsgi_options.BUFFER_SIZE_DEFAULT == 4096


def test_python_is_found_next_to_the_target_of_the_programs_link(tmp_path):
    for name in ("real/uwsgi", "real/python3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "uwsgi").symlink_to("real/uwsgi")
    nothing = uwsgi_options.Options()
    assert uwsgi_options.python_of(nothing, [str(tmp_path / "uwsgi")]) == f"{tmp_path}/real/python3"
    assert uwsgi_options.python_of(nothing, []) == "/usr/bin/python3"


def test_comments_blank_lines_and_binary_bytes(tmp_path):
    (tmp_path / "a.ini").write_bytes(b"early = 1\n\n[uwsgi]\n;a = 1\n#b = 2\n\n  c = \xff  \nz =\n[uwsgi:x]\ne = 1\n")
    found = uwsgi_options.read(["uwsgi", "--ini", str(tmp_path / "a.ini")])
    assert found.values == {"c": ["\ufffd"], "z": ["true"]}
