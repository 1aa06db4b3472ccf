"""DNS as the host resolves it, and which server answers: the doctor's exact messages for each fault."""

from __future__ import annotations

import doctor_by_hand
import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_directives import Conflict, Fallback
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.verdict import verdict
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from doctor_evidence import Case, check, evidence, faults_of, put, roots

OTHER = match.Server(
    [dump.Directive("server", [], "/etc/nginx/conf.d/a.conf", 3, [])], ["_", "other"], [match.Listen("192.0.2.1", 80)]
)
TAKES = match.Server(
    [dump.Directive("server", [], "/etc/nginx/conf.d/b.conf", 7, [dump.Directive("return", ["200"], "b", 8)])],
    ["shop.example"],
    [match.Listen("*", 80)],
)


def rename(host, name):
    match.servers(host.nginx.config)[0].chain[-1].all("server_name")[0].args[:] = [name]


def read_before(site):
    """Let another server with the same name, which nginx reads first, answer."""
    put(site.entrances[0], server=TAKES, wanted=[TAKES, *site.entrances[0].wanted])


CASES = [
    Case(
        "no server has the name",
        lambda site, host: rename(host, "elsewhere.example"),
        "name.no-server",
        "broken",
        "no server of nginx has the name shop.example; the one in /etc/nginx/nginx.conf:2 answers instead",
        (
            "pyweb.stack.site writes it if web_sites[].domains of shop contains that name; by hand: set server_name "
            "shop.example; in the server of the site, where /etc/nginx/nginx.conf:2 has elsewhere.example, then nginx "
            "-t && systemctl reload nginx"
        ),
        ("server_name: elsewhere.example",),
    ),
    Case(
        "no server has the name, and none answers",
        lambda site, host: (rename(host, "_"), put(site.entrances[0], server=None)),
        "name.no-server",
        "broken",
        "no server of nginx has the name shop.example",
        (
            "pyweb.stack.site writes it if web_sites[].domains of shop contains that name; by hand: set server_name "
            "shop.example; in the server of the site, where /etc/nginx/nginx.conf:2 has _, then nginx -t && systemctl "
            "reload nginx"
        ),
        ("server_name: none",),
    ),
    Case(
        "a more specific address has precedence",
        lambda site, host: put(site.entrances[0], server=OTHER),
        "name.other-server",
        "broken",
        (
            "another server answers for shop.example: the one in /etc/nginx/conf.d/a.conf:3 listens on "
            "192.0.2.1:80, which nginx prefers to /etc/nginx/nginx.conf:2"
        ),
        (
            "remove that server, or make both listen on the same address (/etc/nginx/conf.d/a.conf:3), then nginx -t "
            "&& systemctl reload nginx"
        ),
        ("listen 192.0.2.1:80 in /etc/nginx/conf.d/a.conf:3",),
    ),
    Case(
        "a server of the same name is read first",
        lambda site, host: read_before(site),
        "name.other-server",
        "broken",
        (
            "another server with the name shop.example answers: the one in /etc/nginx/conf.d/b.conf:7 "
            "is read before /etc/nginx/nginx.conf:2"
        ),
        (
            "remove the name from one of the two, or the file /etc/nginx/conf.d/b.conf, then nginx -t"
            " && systemctl reload nginx"
        ),
        ("server_name shop.example; in /etc/nginx/conf.d/b.conf:7",),
    ),
    Case(
        "an address of another host",
        lambda site, host: (
            rename(host, "shop.com"),
            put(site, domains=["shop.com"], resolved={"shop.com": "198.51.100.1"}),
        ),
        "name.elsewhere",
        "unknown",
        (
            "on this host shop.com resolves to 198.51.100.1, which is not an address of this host: this is correct "
            "behind a load balancer or NAT, and wrong otherwise"
        ),
        "compare the DNS record of shop.com with 192.0.2.1",
        ("getent ahosts shop.com: 198.51.100.1",),
    ),
    Case(
        "a name that cannot be resolved",
        lambda site, host: (rename(host, "shop.com"), put(site, domains=["shop.com"], resolved={"shop.com": ""})),
        "name.elsewhere",
        "unknown",
        "on this host shop.com does not resolve: this is correct behind a load balancer or NAT, and wrong otherwise",
        "compare the DNS record of shop.com with 192.0.2.1",
        ("getent ahosts shop.com: nothing",),
    ),
    Case(
        "the site is ignored",
        lambda site, host: put(
            site.directives,
            conflicts=[Conflict("shop.example", "*:80", "/a.conf:1", "/b.conf:2", True, True, True, "[warn] x")],
        ),
        "name.other-server",
        "broken",
        (
            "conflicting server name shop.example on *:80: another server with the name answers, the one in /a.conf:1, "
            "which nginx reads first; the site's server, in /b.conf:2, is ignored"
        ),
        "remove the name from one of the two, or the file /a.conf; then nginx -t && systemctl reload nginx",
        ("[warn] x", "nginx reads /a.conf:1 first, and ignores the name in /b.conf:2"),
    ),
    Case(
        "another application is ignored",
        lambda site, host: put(
            site.directives, conflicts=[Conflict("shop.example", "*:80", "/a.conf:1", "/b.conf:2", True, False, True)]
        ),
        "name.conflict",
        "degraded",
        (
            "conflicting server name shop.example on *:80: nginx takes the server in /a.conf:1, and ignores "
            "the one in /b.conf:2, though its application runs"
        ),
        "remove the name from /b.conf:2, or the file; then nginx -t && systemctl reload nginx",
        ("server_name shop.example on *:80, twice", "nginx reads /a.conf:1 first, and ignores the name in /b.conf:2"),
    ),
    Case(
        "a copy is ignored",
        lambda site, host: put(site.directives, conflicts=[Conflict("shop.example", "*:80", "/a.conf:1", "/b.conf:2")]),
        "name.conflict",
        "advice",
        (
            "conflicting server name shop.example on *:80: nginx takes the server in /a.conf:1, and ignores "
            "the one in /b.conf:2"
        ),
        "remove the name from /b.conf:2, or the file; then nginx -t && systemctl reload nginx",
        ("server_name shop.example on *:80, twice", "nginx reads /a.conf:1 first, and ignores the name in /b.conf:2"),
    ),
    Case(
        "the only server answers",
        lambda site, host: put(site.directives, fallbacks={"shop.example": Fallback("/a.conf:1", False)}),
        "name.no-server",
        "advice",
        "no server of nginx has the name shop.example; the one in /a.conf:1 answers because it is the only one there",
        "set server_name shop.example; in /a.conf:1, then nginx -t && systemctl reload nginx",
        ("no other server of its address than /a.conf:1 has an application",),
    ),
]
CASES += doctor_by_hand.NAME


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fault_of_name_is_named(case):
    check(case)


def test_eight_names_of_nginx_are_shown():
    site, host = evidence()
    names = host.nginx.config.tree[0].block[0].all("server_name")[0].args
    names[:] = ["_", *"kihgfedcba"]
    fault = roots(verdict(site, host))["name.no-server"]
    assert fault["evidence"] == ["server_name: a b c d e f g h"]


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        ("return 301 https://shop.example;", True),
        ("return 302 https://shop.example;", True),
        ("return 308 https://shop.example;", True),
        ("return 200;", False),
        ("location / { uwsgi_pass a; }", True),
        ("root /srv;", False),
    ],
)
def test_a_server_that_redirects_clients_is_the_right_one(answers, right):
    site, host = evidence()
    text = f"http {{ server {{ server_name shop.example; {answers} }} }}"
    [server] = match.servers(dump.parse(f"# configuration file /n:\n{text}"))
    entrance = site.entrances[0]
    put(entrance, server=server, wanted=[server, *entrance.wanted])
    assert ("name.other-server" not in faults_of(verdict(site, host))) is right
    # If no other server redirects, the fault is not another server's.
    put(entrance, wanted=[server, server])
    assert "name.other-server" not in faults_of(verdict(site, host))


def test_a_missing_name_is_a_consequence_if_nginx_does_not_run():
    site, host = evidence()
    put(site, domains=["other.example"])
    put(host.nginx, master=None)
    found = faults_of(verdict(site, host))
    assert found["name.no-server"]["follows"] == "nginx"
    assert verdict(site, host)["first"]["hop"] == "nginx"
