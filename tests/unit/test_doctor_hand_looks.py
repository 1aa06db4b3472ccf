"""What the doctor finds on a host set up by hand: stopped processes, refused units, cookies, exceptions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import (
    django_advice,
    django_look,
    look_servers,
    look_starts,
)
from doctor_evidence import evidence, process, put


def test_a_process_stopped_by_a_signal_is_found():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as sleeping:
        try:
            assert look_servers.halted([process(sleeping.pid, "x")]) == []
            os.kill(sleeping.pid, signal.SIGSTOP)
            deadline = time.monotonic() + 5
            while not look_servers.halted([process(sleeping.pid, "x")]) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert look_servers.halted([process(sleeping.pid, "x")]) == [sleeping.pid]
        finally:
            sleeping.kill()
    assert look_servers.halted([process(2**22 + 1, "gone")]) == []


def test_the_command_of_a_unit_that_systemd_refuses_is_read_from_its_file(tmp_path, monkeypatch):
    path = tmp_path / "shop.service"
    path.write_text("[Service]\nUser=shop\nExecStart=-./uwsgi --ini a.ini\nWorkingDirectory=/srv\n")
    unit = {"Id": "shop.service", "LoadState": "bad-setting", "FragmentPath": str(path), "ExecStart": ""}
    look_starts._read_refused(unit)
    assert look_starts.exec_start(unit) == ["./uwsgi", "--ini", "a.ini"]
    assert (unit["User"], unit["WorkingDirectory"]) == ("shop", "/srv")


def test_a_masked_unit_is_found_by_the_name_of_the_sites_directory():
    site, _host = evidence()
    put(site.uwsgi.options, files=["/srv/nosuchsite/uwsgi.ini"])
    assert look_servers._masked(site) == ""


@pytest.mark.parametrize(
    ("session", "csrf", "found"),
    [
        (None, None, []),
        ("shop.example", ".shop.example", []),
        (".example", None, []),
        ("other.example", None, ["SESSION_COOKIE_DOMAIN"]),
        (None, "op.example", ["CSRF_COOKIE_DOMAIN"]),
    ],
)
def test_cookies_for_another_domain(session, csrf, found):
    settings = SimpleNamespace(SESSION_COOKIE_DOMAIN=session, CSRF_COOKIE_DOMAIN=csrf)
    assert django_advice.foreign_cookies(settings, ["shop.example"]) == found


def test_an_exception_in_logging_is_shown_with_its_original_one():
    error = ValueError("Unable to configure handler 'f'")
    error.__cause__ = PermissionError(13, "Permission denied", "/var/log/a.log")
    told = (
        "ValueError: Unable to configure handler 'f': PermissionError: [Errno 13] Permission denied: '/var/log/a.log'"
    )
    assert django_look.with_cause(error) == told
    assert django_look.with_cause(KeyError("A")) == "KeyError: 'A'"


def test_the_place_of_a_syntax_error_is_the_line_with_the_error():
    assert django_look.where(SyntaxError("no", ("/srv/shop/settings.py", 7, 1, "="))) == "/srv/shop/settings.py:7"
