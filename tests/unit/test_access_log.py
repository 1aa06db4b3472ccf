"""The format of a site's access log: what is appended to `combined`, and how a line is read."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_proxies
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import access_log
from ansible_collections.pyweb.stack.plugins.module_utils.nginx.access_log import Request, parsed

HEAD = '192.0.2.1 - - [27/Nov/2026:04:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl"'


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (f"{HEAD} 0.120 0.110", Request(200, "curl", 0.12, 0.11)),
        (f"{HEAD} 0.120 -", Request(200, "curl", 0.12, None)),
        # Two servers were asked, then one behind a redirect inside nginx.
        (f"{HEAD} 0.500 0.100, 0.200 : 0.150", Request(200, "curl", 0.5, pytest.approx(0.45))),
        # A log of a release before, or of an access_log of the user's own.
        (HEAD, Request(200, "curl")),
        (HEAD.replace("- -", "- a[b]c", 1) + " 1.000 -", Request(200, "curl", 1.0)),
        # A client writes what it likes; nginx escapes the quotes.
        (HEAD.replace("curl", "x\\x22 499 9.999 9.999") + " 0.001 -", Request(200, "x\\x22 499 9.999 9.999", 0.001)),
        ("", None),
        ('{"status": 200}', None),
        (HEAD.replace(" 200 ", " abc "), None),
    ],
)
def test_a_line(line, wanted):
    assert parsed(line) == wanted


def test_what_we_ask_ourselves_is_no_visitor():
    assert Request(200, "pyweb.stack").own
    assert Request(200, "pyweb.stack-watch").own
    assert not Request(200, "Mozilla pyweb.stack").own


def test_a_long_line_takes_no_long_time():
    started = time.monotonic()
    assert parsed('a "' * 20000) is None
    assert parsed(HEAD + " 0.1 " + "0.1, " * 20000 + "x") is None
    assert time.monotonic() - started < 1


def test_its_beginning_is_combined_as_the_doctor_knows_it():
    assert access_log.FORMAT.startswith(f"{look_proxies.COMBINED} ")
