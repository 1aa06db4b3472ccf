"""What nginx does with a request. What the doctor says of each fault, word by word."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from doctor_evidence import Case, check, put

LARGE = "2027/01/15 08:00:00 [error] 7#7: *1 client intended to send too large body: 4096 bytes, client: 192.0.2.9"


def block(text):
    return dump.parse(f"# configuration file /n:\nhttp {{ server {{ {text} }} }}\n")


def answer_with(site, text):
    [server] = match.servers(block(text))
    put(site, chain=match.locate(server, "/"), handler=match.handler(match.locate(server, "/")))


CASES = [
    Case(
        "a return",
        lambda site, host: answer_with(site, "location / { return 204; }"),
        "location.no-pass",
        "broken",
        "nginx does not hand / to an application: its location in /n:1 has `return 204;`",
        "web_sites with playbooks/site.yml; by hand: uwsgi_pass in location /",
        ("location / { in /n:1",),
    ),
    Case(
        "files",
        lambda site, host: answer_with(site, "location / { root /srv; }"),
        "location.no-pass",
        "broken",
        "nginx does not hand / to an application: its location in /n:1 serves files",
        "web_sites with playbooks/site.yml; by hand: uwsgi_pass in location /",
        ("location / { in /n:1",),
    ),
    Case(
        "no server",
        lambda site, host: put(site, chain=[], handler=None),
        "location.no-pass",
        "broken",
        "nginx does not hand / to an application: its location in ? serves files",
        "web_sites with playbooks/site.yml; by hand: uwsgi_pass in location /",
        (),
    ),
    Case(
        "an upload over the default",
        lambda site, host: put(site, nginx_events=["x", LARGE]),
        "location.body-size",
        "degraded",
        "an upload of 4096 bytes was refused with 413: client_max_body_size is 1m (the default)",
        "web_sites[].nginx.client_max_body_size; by hand: client_max_body_size in the server",
        (
            (
                "2027/01/15 08:00:00 [error] 7#7: *1 client intended to send too large body: 4096 bytes, "
                "client: 192.0.2.9"
            ),
        ),
    ),
    Case(
        "an upload over a limit",
        lambda site, host: (
            answer_with(site, "client_max_body_size 1k; location / { uwsgi_pass a; }"),
            put(site, nginx_events=["client intended to send too large body"]),
        ),
        "location.body-size",
        "degraded",
        "an upload of ? bytes was refused with 413: client_max_body_size is 1k",
        "web_sites[].nginx.client_max_body_size; by hand: client_max_body_size in the server",
        ("client intended to send too large body",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_location_is_named(case):
    check(case)
