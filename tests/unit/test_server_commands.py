"""Which server a command starts and with which options, for commands in units and process tables."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.look_servers import same_address
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.server_commands import (
    kind_of,
    options_of,
    script_command,
    scripted,
)

VENV = "/srv/venv/bin"


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("/usr/bin/uwsgi --ini /srv/a.ini", "uwsgi"),
        ("/usr/bin/uwsgi-core --ini a.ini", "uwsgi"),
        (f"{VENV}/python3 {VENV}/gunicorn shop.wsgi", "gunicorn"),
        (f"{VENV}/python3 -m uvicorn shop.asgi:application", "uvicorn"),
        (f"{VENV}/daphne shop.asgi:application", "daphne"),
        (f"{VENV}/granian --interface asgi shop.asgi:application", "granian"),
        ("/usr/bin/env gunicorn shop.wsgi", "gunicorn"),
        (f"{VENV}/waitress-serve shop.wsgi:application", "waitress"),
        (f"{VENV}/python manage.py runserver 0.0.0.0:8000", "runserver"),
        (f"{VENV}/python manage.py migrate", ""),
        ("nginx -c /etc/uwsgi", ""),
        ("vim /etc/gunicorn", ""),
        ("bash -c gunicorn", ""),
        ("", ""),
    ],
)
def test_a_server_is_recognized_by_its_command(command, kind):
    assert kind_of(command.split()) == kind


def test_a_process_is_recognized_by_its_title():
    assert kind_of(["uWSGI master"]) == "uwsgi"
    assert kind_of(["gunicorn: master [shop.wsgi]"]) == "gunicorn"
    assert kind_of([], "uwsgi") == "uwsgi"


@pytest.mark.parametrize(
    ("command", "module", "name", "binds"),
    [
        ("gunicorn shop.wsgi", "shop.wsgi", "application", [("127.0.0.1:8000", "http-socket")]),
        (
            "gunicorn -b unix:run.sock --reload shop.wsgi:app",
            "shop.wsgi",
            "app",
            [("unix:/srv/run.sock", "http-socket")],
        ),
        ("gunicorn -b:9000 -w4 shop:create()", "shop", "create", [("0.0.0.0:9000", "http-socket")]),
        ("gunicorn --bind=[::1]:80 --protocol uwsgi a.b", "a.b", "application", [("[::1]:80", "uwsgi")]),
        (
            "uvicorn --port 9001 --reload shop.asgi:application",
            "shop.asgi",
            "application",
            [("127.0.0.1:9001", "http-socket")],
        ),
        (
            "uvicorn shop.asgi:application --uds /run/a.sock",
            "shop.asgi",
            "application",
            [("unix:/run/a.sock", "http-socket")],
        ),
        ("uvicorn --fd 3 shop.asgi:application", "shop.asgi", "application", []),
        (
            "daphne -b 0.0.0.0 -p 8005 shop.asgi:application",
            "shop.asgi",
            "application",
            [("0.0.0.0:8005", "http-socket")],
        ),
        (
            "daphne -u /run/a.sock shop.asgi:application",
            "shop.asgi",
            "application",
            [("unix:/run/a.sock", "http-socket")],
        ),
        (
            "daphne -e tcp:port=81:interface=127.0.0.1 a.asgi:application",
            "a.asgi",
            "application",
            [("127.0.0.1:81", "http-socket")],
        ),
        (
            "granian --interface wsgi --host ::1 --port 82 a.wsgi:application",
            "a.wsgi",
            "application",
            [("::1:82", "http-socket")],
        ),
        ("waitress-serve --listen=*:8080 a.wsgi:application", "a.wsgi", "application", [("*:8080", "http-socket")]),
    ],
)
def test_the_options_of_a_command(command, module, name, binds):
    found = options_of(kind_of(command.split()), command.split(), "/srv", {})
    assert (found.last("module"), found.last("callable"), found.binds) == (module, name, binds)


def test_gunicorns_configuration_is_parsed_and_never_executed(tmp_path):
    (tmp_path / "gunicorn.conf.py").write_text(
        "import os\nos.abort()\nbind = ['127.0.0.1:9000', 'unix:/run/a.sock']  # two\nworkers = 3\n"
        "errorlog = 'log/errors'\nchdir = '/srv/shop'\nwsgi_app = \"shop.wsgi\"\ntimeout = f(3)\n"
    )
    found = options_of("gunicorn", ["gunicorn", "-w", "5"], str(tmp_path), {})
    assert [where for where, _speaks in found.binds] == ["127.0.0.1:9000", "unix:/run/a.sock"]
    assert (found.last("processes"), found.last("chdir"), found.last("module")) == ("5", "/srv/shop", "shop.wsgi")
    assert found.last("logto") == "/srv/shop/log/errors"
    assert "harakiri" not in found.values
    assert found.files == [f"{tmp_path}/gunicorn.conf.py"]


def test_a_configuration_that_does_not_exist_is_reported():
    assert options_of("gunicorn", ["gunicorn", "-c", "none.py", "a.wsgi"], "/srv", {}).missing == ["/srv/none.py"]


def test_variables_of_the_environment_are_used():
    assert options_of("gunicorn", ["gunicorn", "a.wsgi"], "/", {"PORT": "81"}).binds == [("0.0.0.0:81", "http-socket")]
    assert (
        options_of("gunicorn", ["gunicorn", "a.wsgi"], "/", {"GUNICORN_CMD_ARGS": "-b :82"}).last("http-socket")
        == ":82"
    )
    assert options_of("uvicorn", ["uvicorn", "a:b"], "/", {"UVICORN_PORT": "83"}).last("http-socket") == "127.0.0.1:83"


def test_a_script_that_starts_a_server(tmp_path):
    script = tmp_path / "gunicorn_start"
    script.write_text(
        f"#!/bin/bash\nNAME=shop\nDIR=/srv/$NAME  # there\nSOCK=${{DIR}}/run.sock\ncd $DIR\nsource {VENV}/activate\n"
        f"exec {VENV}/gunicorn ${{NAME}}.wsgi:application \\\n  --bind=unix:$SOCK\n"
    )
    command, folder = script_command(str(script))
    assert (command, folder) == (
        [f"{VENV}/gunicorn", "shop.wsgi:application", "--bind=unix:/srv/shop/run.sock"],
        "/srv/shop",
    )
    assert scripted(["/bin/bash", str(script)], "/") == (command, "/srv/shop")
    assert scripted(["/bin/true"], "/") == (["/bin/true"], "/")
    script.write_text(f"#!/bin/sh\ncd /srv\n. {VENV}/activate\nexec gunicorn x.wsgi\n")
    assert script_command(str(script)) == ([f"{VENV}/gunicorn", "x.wsgi"], "/srv")
    typed = ["/bin/bash", "-c", f"'source {VENV}/activate && exec gunicorn x.wsgi'"]
    assert scripted(typed, "/srv") == ([f"{VENV}/gunicorn", "x.wsgi"], "/srv")
    assert script_command("/nowhere") == ([], "")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1:80", "0.0.0.0:80", True),
        ("localhost:80", "[::1]:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("10.0.0.1:80", "127.0.0.1:80", False),
        ("unix:/run/./a.sock", "unix:/run/a.sock", True),
        ("unix:/run/a.sock", "127.0.0.1:80", False),
    ],
)
def test_equivalent_addresses(one, other, same):
    for first, second in ((one, other), (other, one)):
        assert same_address(first, second) is same
