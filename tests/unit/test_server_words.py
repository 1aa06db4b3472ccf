"""Errors of servers that do not start, as opposed to exceptions of an application."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.server_words import (
    interface,
    of_supervisor,
    of_the_server,
)

CLASS = """\
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/gunicorn/util.py", line 99, in load_class
    mod = importlib.import_module('.'.join(components))
ModuleNotFoundError: No module named 'uvicorn_worker'

class uri 'uvicorn_worker.UvicornWorker' invalid or not found:
"""


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            CLASS,
            "its worker class uvicorn_worker.UvicornWorker cannot be loaded: ModuleNotFoundError: No module named "
            "'uvicorn_worker'",
        ),
        (
            "Failed to read config file: /srv/gunicorn.conf.py\n",
            "its configuration /srv/gunicorn.conf.py cannot be read",
        ),
        ("gunicorn: error: unrecognized arguments: --worker 3\n", "it does not know --worker 3"),
        ("Error: No such option: --hosts Did you mean --host?\n", "it has no option --hosts"),
        (
            "[ERROR] connection to /run/x/g.sock failed: [Errno 1] Operation not permitted: '/run/x/g.sock'\n",
            "it cannot give the socket /run/x/g.sock to the configured group",
        ),
        (
            "[ERROR] connection to /run/x/g.sock failed: [Errno 13] Permission denied: '/run/x/g.sock'\n",
            "its user cannot create the socket /run/x/g.sock",
        ),
        (
            "[ERROR] connection to ('127.0.0.1', 8001) failed: [Errno 98] Address already in use\n",
            "its address ('127.0.0.1', 8001) is in use by another process",
        ),
        (
            "[ERROR] Connection in use: ('127.0.0.1', 8001)\n",
            "its address ('127.0.0.1', 8001) is in use by another process",
        ),
        (
            "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8004): address in use\n",
            "its address ('127.0.0.1', 8004) is in use by another process",
        ),
        (
            "CRITICAL Listen failure: Couldn't listen on 127.0.0.1:8005: [Errno 98] Address already in use.\n",
            "its address 127.0.0.1:8005 is in use by another process",
        ),
        (
            "CRITICAL Listen failure: Couldn't listen on any:/run/d/a.sock: [Errno 2] No such file or directory.\n",
            "the directory of its socket /run/d/a.sock is missing",
        ),
    ],
)
def test_an_error_of_a_server(log, cause):
    assert of_the_server(log).cause == cause


def test_only_the_last_start_counts():
    said = "CRITICAL Listen failure: [Errno 2] No such file or directory: '9' -> b'/run/d/0.sock.lock'\n"
    assert of_the_server(said).cause == "the directory of its socket /run/d/0.sock is missing"
    assert of_the_server(f"{said}Traceback (most recent call last):\nKeyError: 'x'\n") is None


def test_an_exception_of_the_application_is_not_an_error_of_the_server():
    assert of_the_server("Traceback (most recent call last):\nModuleNotFoundError: No module named 'shop'\n") is None


def test_a_program_that_supervisor_could_not_execute():
    found = of_supervisor("hello  FATAL  command at '/srv/gunicorn_start' is not executable")
    assert (found.cause, found.fix) == ("/srv/gunicorn_start is not executable", "chmod +x /srv/gunicorn_start")
    assert of_supervisor("hello  FATAL  can't find command '/srv/start'").cause == "there is no /srv/start"
    assert of_supervisor("hello  RUNNING   pid 5, uptime 0:00:23") is None


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("TypeError: WSGIHandler.__call__() takes 3 positional arguments but 4 were given", "the server speaks ASGI"),
        ("TypeError: ASGIHandler.__call__() missing 1 required positional argument: 'send'", "the server speaks WSGI"),
        ("TypeError: home() takes 3 positional arguments but 4 were given", ""),
    ],
)
def test_a_server_and_an_application_with_different_interfaces(error, says):
    assert interface(error)[0].startswith(says)
    assert bool(interface(error)[0]) is bool(says)
