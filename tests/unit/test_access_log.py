"""The format of a site's access log: the fields appended to `combined`, and how a line is parsed."""

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
        # Two upstream servers were tried, then one after an internal redirect of nginx.
        (f"{HEAD} 0.500 0.100, 0.200 : 0.150", Request(200, "curl", 0.5, pytest.approx(0.45))),
        # A log of an earlier release, or of an access_log of the user.
        (HEAD, Request(200, "curl")),
        (HEAD.replace("- -", "- a[b]c", 1) + " 1.000 -", Request(200, "curl", 1.0)),
        # Clients send any text; nginx escapes the quotes.
        (HEAD.replace("curl", "x\\x22 499 9.999 9.999") + " 0.001 -", Request(200, "x\\x22 499 9.999 9.999", 0.001)),
        ("", None),
        ('{"status": 200}', None),
        (HEAD.replace(" 200 ", " abc "), None),
    ],
)
def test_line_is_parsed(line, wanted):
    assert parsed(line) == wanted


def test_own_probes_do_not_count_as_visitors():
    assert Request(200, "pyweb.stack").own
    assert Request(200, "pyweb.stack-watch").own
    assert not Request(200, "Mozilla pyweb.stack").own


def test_long_line_is_parsed_quickly():
    started = time.monotonic()
    assert parsed('a "' * 20000) is None
    assert parsed(HEAD + " 0.1 " + "0.1, " * 20000 + "x") is None
    assert time.monotonic() - started < 1


def test_format_begins_with_the_combined_format_that_the_doctor_reads():
    assert access_log.FORMAT.startswith(f"{look_proxies.COMBINED} ")
