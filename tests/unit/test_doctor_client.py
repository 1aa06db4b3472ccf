"""What a client gets: the doctor's exact messages for each fault."""

from __future__ import annotations

import dataclasses

import doctor_logs
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer
from doctor_evidence import Case, answer, check, evidence, faults_of, put
from doctor_visitors import CLIENT as CLIENT_OF_VISITORS

CASES = [
    Case(
        "another program instead of nginx",
        lambda site, host: (put(host.nginx, master=None), put(host, holders={80: "python3 (pid 7, root)"})),
        "client.other-program",
        "broken",
        "python3 (pid 7, root) answers at 192.0.2.1:80 instead of nginx",
        "see the hop that it follows from",
        ("GET http://shop.example/ at 192.0.2.1 -> 200 OK",),
        ("nginx.port-taken",),
    ),
    Case(
        "400",
        lambda site, host: put(site.entrances[0], answer=answer(400, "Bad Request")),
        "client.status",
        "broken",
        "a client gets 400 Bad Request",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1 -> 400 Bad Request in 0.10 s",),
    ),
    Case(
        "404",
        lambda site, host: (put(site.entrances[0], answer=answer(404, "Not Found")), put(site, wanted_status=[200])),
        "client.status",
        "broken",
        "a client gets 404 Not Found",
        (
            "web_sites[].health sets the request and the expected status; tail -n 50 /var/log/nginx/error.log; by "
            "hand: tail -n 50 /var/log/nginx/error.log"
        ),
        ("GET http://shop.example/ at 192.0.2.1 -> 404 Not Found in 0.10 s",),
    ),
    Case(
        "413",
        lambda site, host: (put(site.entrances[0], answer=answer(413, "Too Large")), put(site, wanted_status=[200])),
        "client.status",
        "broken",
        "a client gets 413: its request is too large",
        (
            "web_sites[].health sets the request and the expected status; tail -n 50 /var/log/nginx/error.log; by "
            "hand: tail -n 50 /var/log/nginx/error.log"
        ),
        ("GET http://shop.example/ at 192.0.2.1 -> 413 Too Large in 0.10 s",),
    ),
    Case(
        "500",
        lambda site, host: put(site.entrances[0], answer=answer(500, "Error")),
        "client.status",
        "broken",
        "a client gets 500: the application failed",
        "see the hop that it follows from",
        ("GET http://shop.example/ at 192.0.2.1 -> 500 Error in 0.10 s",),
        ("django.error",),
    ),
    Case(
        "502",
        lambda site, host: put(site.entrances[0], answer=answer(502, "Bad Gateway")),
        "client.status",
        "broken",
        "a client gets 502: nginx got no usable answer from the server behind it",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1 -> 502 Bad Gateway in 0.10 s",),
    ),
    Case(
        "503",
        lambda site, host: put(site.entrances[0], answer=answer(503, "Unavailable")),
        "client.status",
        "broken",
        "a client gets 503: the server behind nginx reports that it is unavailable",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1 -> 503 Unavailable in 0.10 s",),
    ),
    Case(
        "504",
        lambda site, host: put(site.entrances[0], answer=answer(504, "Timeout")),
        "client.status",
        "broken",
        "a client gets 504: nginx waited too long for the server behind it",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1 -> 504 Timeout in 0.10 s",),
    ),
    Case(
        "507",
        lambda site, host: put(site.entrances[0], answer=answer(507, "Full")),
        "client.status",
        "broken",
        "a client gets 507",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1 -> 507 Full in 0.10 s",),
    ),
    Case(
        "an unusual port",
        lambda site, host: put(site.entrances[0], port=8080, answer=answer(502, "Bad Gateway")),
        "client.status",
        "broken",
        "a client gets 502: nginx got no usable answer from the server behind it",
        "see the hop that it follows from",
        ("GET http://shop.example:8080/ at 192.0.2.1 -> 502 Bad Gateway in 0.10 s",),
        ("firewalld.closed", "nginx.not-listening"),
    ),
    Case(
        "TLS at its default port",
        lambda site, host: put(site.entrances[0], port=443, tls=True, answer=answer(502, "Bad Gateway")),
        "client.status",
        "broken",
        "a client gets 502: nginx got no usable answer from the server behind it",
        "see the hop that it follows from",
        ("GET https://shop.example/ at 192.0.2.1 -> 502 Bad Gateway in 0.10 s",),
        ("firewalld.closed", "nginx.not-listening"),
    ),
    Case(
        "nothing listens",
        lambda site, host: put(site.entrances[0], answer=None, failure="Connection refused", errno=111),
        "client.no-connection",
        "broken",
        "nothing accepts connections at 192.0.2.1:80",
        "systemctl status nginx; ss -ltnp 'sport = :80' shows what listens",
        ("GET http://shop.example/ at 192.0.2.1: Connection refused",),
    ),
    Case(
        "no answer in time",
        lambda site, host: put(site.entrances[0], answer=None, failure="no complete answer within 2 s", errno=110),
        "client.no-answer",
        "broken",
        "a client gets no answer",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1: no complete answer within 2 s",),
    ),
    Case(
        "the connection is closed",
        lambda site, host: put(site.entrances[0], answer=None, failure="the end came before an answer"),
        "client.no-answer",
        "broken",
        "a client gets no answer",
        "tail -n 50 /var/log/nginx/error.log",
        ("GET http://shop.example/ at 192.0.2.1: the end came before an answer",),
    ),
]
CASES += CLIENT_OF_VISITORS
CASES += doctor_logs.CLIENT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_client_is_named(case):
    check(case)


def missing_database(site):
    file = {"vendor": "sqlite", "file": "/srv/a.sqlite3", "exists": False, "folder_writable": True}
    put(site, inside={**site.inside, "database": file, "failed database": {"error": "there is no file"}})


@pytest.mark.parametrize(
    ("status", "database", "follows"),
    [
        # A database that the page does not need is not the cause of its status.
        (200, "degraded", None),
        (404, "degraded", ""),
        (413, "degraded", ""),
        (502, "broken", ""),
        (500, "broken", "database"),
        (503, "broken", "database"),
    ],
)
def test_a_database_fault_is_only_the_cause_of_application_errors(status, database, follows):
    site, host = evidence()
    missing_database(site)
    put(site.entrances[0], answer=answer(status))
    put(site, wanted_status=[200])
    found = faults_of(verdict(site, host))
    assert found["database.missing"]["status"] == database
    assert found.get("client.status", {}).get("follows") == follows


@pytest.mark.parametrize(
    ("location", "right"), [("https://shop.example/", True), ("https://shop.example/login", False)]
)
def test_a_redirect_of_the_page_to_https_is_an_expected_answer(location, right):
    site, host = evidence()
    put(site, wanted_status=[200])
    [plain] = site.entrances
    site.entrances.append(dataclasses.replace(plain, port=443, tls=True))
    put(plain, answer=Answer(308, "Permanent Redirect", 0.1, {"location": location}))
    found = faults_of(verdict(site, host))
    assert ("client.status" not in found) is right
