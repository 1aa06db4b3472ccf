"""What a uWSGI was started with, from command lines and ini files as people write them."""

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


def test_ini_of_an_ini_is_read_too(ini):
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


def test_an_ini_that_is_not_there_is_named(tmp_path):
    assert uwsgi_options.read(["uwsgi", "--ini", "none.ini"], str(tmp_path)).missing == [f"{tmp_path}/none.ini"]


def test_python_is_the_virtualenvs(tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    options = uwsgi_options.read(["uwsgi", "--home", str(tmp_path)])
    assert uwsgi_options.python_of(options, ["/usr/bin/uwsgi"]) == str(python)
    assert uwsgi_options.python_of(uwsgi_options.read(["uwsgi"]), [str(python), "/x/uwsgi"]) == str(python)
    nowhere = uwsgi_options.read(["uwsgi", "--home", "/nowhere"])
    assert uwsgi_options.python_of(nowhere, ["/nowhere/uwsgi"]) == "/usr/bin/python3"
