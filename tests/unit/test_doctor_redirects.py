"""How the doctor follows redirects, finds out what makes them, and recognizes a proxy in front of nginx."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor import look_proxies, look_redirects
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence import Entrance
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.evidence_tls import InFront
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.ways import to_another_entrance
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, match
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer, ProtocolError
from doctor_evidence import NOW, evidence, put

CONFIG = """\
# configuration file /n:
http {
    server { listen 80; server_name shop.example; return 301 https://$host$request_uri; }
    server { listen 443 ssl; server_name shop.example; location / { uwsgi_pass unix:/a; } }
    server { listen 443 ssl; server_name www.shop.example; return 301 https://shop.example$request_uri; }
    server { listen 8443 ssl proxy_protocol; server_name other.example; location / { uwsgi_pass unix:/b; } }
}
"""
HTTP, HTTPS, WWW = "http://shop.example/", "https://shop.example/", "https://www.shop.example/"


@pytest.fixture
def web(monkeypatch):
    """A site of CONFIG, its host, and the answers: URL to a location, or to a function of the request's headers."""
    site, host = evidence()
    config = dump.parse(CONFIG)
    put(host.nginx, config=config)
    wanted = [server for server in match.servers(config) if server.matches("shop.example")]
    site.entrances = [
        Entrance("shop.example", "192.0.2.1", port, tls, server, wanted)
        for port, tls, server in ((80, False, wanted[0]), (443, True, wanted[1]))
    ]
    answers, asked = {}, []

    def get(entrance, path, timeout, headers):
        url = f"{entrance.url}{path}"
        asked.append((url, dict(headers)))
        found = answers.get(url, 200)
        found = found(headers) if callable(found) else found
        if found is None:
            raise ProtocolError(entrance.where, "refused")
        if isinstance(found, int):
            return Answer(found, "", 0.1)
        location, *cookies = [found] if isinstance(found, str) else found
        return Answer(301, "", 0.1, {"location": location}, cookies=cookies)

    monkeypatch.setattr(look_redirects, "get", get)
    return site, host, answers, asked


def walks(web):
    site, host, _answers, _asked = web
    return look_redirects.look_at_redirects(site, host)


def test_a_site_without_redirects_has_no_walks(web):
    assert walks(web) == []


def test_a_redirect_from_http_to_https_ends(web):
    web[2][HTTP] = HTTPS
    [walk] = walks(web)
    assert (walk.start, walk.loops_at, walk.leaves) == (HTTP, "", "")
    [redirect] = walk.redirects
    assert (redirect.status, redirect.location, redirect.by_application) == (301, HTTPS, False)
    assert redirect.maker == "return 301 https://$host$request_uri in /n:2"


@pytest.mark.parametrize("location", [HTTPS, "/", "https://shop.example:443/#top", "//SHOP.example"])
def test_an_application_that_redirects_to_itself_is_a_loop(web, location):
    web[2].update({HTTP: HTTPS, HTTPS: location})
    first, second = walks(web)
    for walk in (first, second):
        assert walk.loops_at == HTTPS
        assert (walk.redirects[-1].url, walk.redirects[-1].by_application) == (HTTPS, True)
    assert (len(first.redirects), len(second.redirects)) == (2, 1)


def test_a_loop_through_a_name_that_only_nginx_knows_is_found(web):
    web[2].update({HTTPS: WWW, WWW: HTTPS})
    [walk] = walks(web)
    assert walk.loops_at == HTTPS
    assert [redirect.maker for redirect in walk.redirects] == [
        "",
        "return 301 https://shop.example$request_uri in /n:4",
    ]


def test_a_redirect_that_sets_a_cookie_is_not_a_loop(web):
    web[2][HTTPS] = lambda headers: 200 if headers.get("Cookie") == "seen=1" else (HTTPS, "seen=1; Path=/")
    [walk] = walks(web)
    assert walk.loops_at == ""


def test_redirects_without_an_end_are_a_loop(web):
    site, _host, answers, asked = web
    for number in range(20):
        answers[f"{HTTPS}{number}"] = f"/{number + 1}"
    answers[HTTPS] = "/0"
    site.entrances = site.entrances[1:]
    [walk] = walks(web)
    assert len(walk.redirects) == look_redirects.REDIRECTS_MAX
    assert walk.loops_at == f"{HTTPS}9"
    assert len(asked) == look_redirects.REDIRECTS_MAX


def test_a_redirect_to_another_host_is_not_followed(web):
    web[2][HTTPS] = "https://login.example.org/x?next=/"
    [walk] = walks(web)
    assert (walk.leaves, walk.unserved, walk.loops_at) == ("https://login.example.org/x?next=/", False, "")
    assert [url for url, _headers in web[3]] == [HTTP, HTTPS]


@pytest.mark.parametrize("location", ["https://[", "https://shop.example:no/", f"/{'x' * 2048}"])
def test_an_invalid_location_is_not_followed(web, location):
    web[2][HTTPS] = location
    assert walks(web) == []


def test_a_cookie_with_line_breaks_is_not_sent_back(web):
    web[2][HTTPS] = lambda headers: (HTTPS, "a=b\nX-Evil: 1")
    assert [walk.loops_at for walk in walks(web)] == [HTTPS]
    assert all("Cookie" not in headers for _url, headers in web[3])


@pytest.mark.parametrize(
    ("inside", "unserved"),
    [
        ("server_name _; ssl_certificate /a; return 204;", False),
        ("server_name _; ssl_reject_handshake on;", True),
        ("server_name _; return 444;", True),
    ],
)
def test_https_may_be_served_by_the_default_server(web, inside, unserved):
    _site, host, answers, _asked = web
    without_https(web)
    text = f"server {{ listen 443 ssl default_server; {inside} }}"
    put(
        host.nginx,
        config=dump.parse(
            CONFIG.replace(
                "server { listen 443 ssl; server_name shop.example", text + " server { listen 444; server_name x"
            )
        ),
    )
    answers[HTTP] = HTTPS
    [walk] = walks(web)
    assert walk.unserved is unserved
    assert walk.loops_at == ""


def without_https(web):
    site, host, _answers, _asked = web
    text = CONFIG.replace("listen 443 ssl; server_name shop.example", "listen 443 ssl; server_name no.example")
    put(host.nginx, config=dump.parse(text))
    site.entrances = site.entrances[:1]


@pytest.mark.parametrize(("heeds", "heeded"), [(False, False), (True, True)])
def test_missing_https_is_requested_with_the_headers_of_a_proxy(web, heeds, heeded):
    without_https(web)
    web[2][HTTP] = lambda headers: 200 if heeds and headers.get("X-Forwarded-Proto") == "https" else HTTPS
    [walk] = walks(web)
    assert (walk.leaves, walk.unserved, walk.heeded) == (HTTPS, True, heeded)
    assert [headers for _url, headers in web[3]] == [{}, {"X-Forwarded-Proto": "https"}]


def test_a_header_of_a_proxy_that_nginx_trusts_cannot_be_tested(web):
    site, _host, answers, _asked = web
    without_https(web)
    [server] = match.servers(
        dump.parse(
            "# configuration file /n:\nhttp { server { set_real_ip_from 10.0.0.0/8; location / { uwsgi_pass a; } } }"
        )
    )
    put(site.entrances[0], server=server)
    answers[HTTP] = HTTPS
    [walk] = walks(web)
    assert (walk.unserved, walk.heeded) == (True, True)


def test_no_request_is_made_after_the_time_limit(web):
    site, host, answers, asked = web
    answers[HTTP] = HTTPS
    walker = look_redirects._Walker(site, host, time.monotonic() - 1)
    assert walker.walk(site.entrances[0]).redirects == []
    assert asked == []


def test_the_walk_ends_if_there_is_no_answer(web):
    web[2].update({HTTP: HTTPS, HTTPS: None})
    [walk] = walks(web)
    assert (len(walk.redirects), walk.loops_at, walk.leaves) == (1, "", "")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (HTTPS, ("shop.example", 443, False)),
        ("https://other.example:8443/", ("other.example", 8443, True)),
        ("https://other.example/", None),
        ("http://nobody.example/", None),
        ("ftp://shop.example/", None),
        ("https://shop.example:no/", None),
    ],
)
def test_the_server_of_a_url_is_the_one_with_its_name_and_port(web, url, wanted):
    found = look_redirects.entrance_of(url, web[0], web[1])
    assert (found and (found.domain, found.port, found.greets)) == wanted


@pytest.mark.parametrize(
    ("inside", "target", "made"),
    [
        ("return 301 https://$host$request_uri;", "https://shop.example/a?b=c", True),
        ("return https://$server_name;", "https://shop.example/", True),
        ("return 308 https://${host}$pyweb_port$uri;", "https://shop.example:8443/a", True),
        ("return 404;", "https://shop.example/", False),
        ("return 301 https://else.example/;", "https://shop.example/", False),
        ("return 301 /b/;", "http://shop.example/b/", True),
        ("if ($scheme = http) { return 301 https://$host$request_uri; }", "https://shop.example/a?b=c", True),
        ("rewrite ^/(.*)$ https://shop.example/$1 permanent;", "https://shop.example/a", True),
        ("rewrite ^/(.*)$ /x/$1 redirect;", "http://shop.example/x/a", True),
        ("rewrite ^/b https://shop.example/ permanent;", "https://shop.example/", False),
        ("rewrite ^/(.*)$ /x/$1 last;", "https://shop.example/x/a", False),
        ("location /a { return 302 https://shop.example/b/; }", "https://shop.example/b/", True),
    ],
)
def test_the_directive_that_makes_a_redirect_is_found(inside, target, made):
    text = f"# configuration file /n:\nhttp {{ server {{ server_name shop.example; {inside} }} }}"
    [server] = match.servers(dump.parse(text))
    way = Entrance("shop.example", "192.0.2.1", 80, False, server, [server])
    directive = re.search(r"(return|rewrite)[^;]*", inside)[0]
    maker = f"{directive} in /n:1" if made else ""
    assert look_redirects.maker_of(way, "http://shop.example/a?b=c", target) == maker


def test_a_port_uses_the_proxy_protocol_if_any_server_does():
    config = dump.parse(CONFIG)
    assert [look_redirects.greets(config, port) for port in (80, 443, 8443)] == [False, False, True]
    assert look_redirects.greets(None, 80) is False


@pytest.mark.parametrize(
    ("status", "location", "wanted"),
    [
        (308, "https://shop.example/healthz", True),
        (301, "https://shop.example:443/healthz?x=y", True),
        (301, "https://shop.example/login", False),
        (301, "http://shop.example/healthz", False),  # to itself
        (301, "https://shop.example:8443/healthz", False),
        (301, "https://else.example/healthz", False),
        (200, "https://shop.example/healthz", False),
        (301, "", False),
        (301, "https://shop.example:no/healthz", False),
    ],
)
def test_a_redirect_to_the_same_page_of_another_entrance_is_expected(web, status, location, wanted):
    site = web[0]
    site.path = "/healthz"
    site.entrances[0].answer = Answer(status, "", 0.1, {"location": location})
    assert to_another_entrance(site.entrances[0], site) is wanted


# --- proxies in front ---

MAIN = '$remote_addr - $remote_user [$time_local] "$request" $status "$http_user_agent" "$http_x_forwarded_for"'
WHEN = time.strftime("%d/Jan/%Y:%H:%M:%S +0000", time.gmtime(NOW))


def line(sender="10.0.0.7", client="203.0.113.9", agent="Mozilla", request="GET / HTTP/1.1", when=WHEN):
    return f'{sender} - - [{when}] "{request}" 200 "{agent}" "{client}"'


def seen(*lines, layout=MAIN, since=NOW - 9):
    found = InFront()
    look_proxies._read(found, look_proxies._lines("\n".join(lines), layout, since))
    return found


def test_requests_with_another_address_in_a_header_come_from_a_proxy():
    found = seen(*[line()] * 5, *[line(client="-")] * 5)
    assert found.addresses == ["10.0.0.7"]
    assert found.lines == ["a request of 10.0.0.7 with X-Forwarded-For: 203.0.113.9"]


@pytest.mark.parametrize(
    "lines",
    [
        [line()] * 4,
        [line()] * 5 + [line(client="-")] * 6,
        [line(client="-")] * 9,
        [line(client="")] * 9,
        [line(sender="203.0.113.9")] * 9,  # nginx has set the address from the header
        [line(sender="203.0.113.9", client="198.51.100.1, 203.0.113.9")] * 9,
        [line(agent="pyweb.stack")] * 9,
        [line(when="01/Jan/2027:00:00:00 +0000")] * 9,
        [line(when="when")] * 9,
        ["no line"] * 9,
    ],
    ids=[
        "few",
        "less than half",
        "none",
        "empty",
        "trusted",
        "trusted, with several addresses",
        "own",
        "old",
        "no time",
        "other",
    ],
)
def test_insufficient_evidence_of_a_proxy_is_ignored(lines):
    assert (seen(*lines).addresses, seen(*lines).lines) == ([], [])


def test_the_sender_that_nginx_adds_to_a_header_is_removed():
    layout = MAIN.replace("$http_x", "$proxy_add_x")
    assert seen(*[line(client="203.0.113.9, 10.0.0.7")] * 5, layout=layout).addresses == ["10.0.0.7"]
    assert seen(*[line(client="10.0.0.7")] * 5, layout=layout).addresses == []


def test_the_proxy_protocol_is_recognized_in_invalid_requests():
    request = "PROXY TCP4 203.0.113.9 10.0.0.1 40000 80"
    found = seen(*[line(client="-", request=request)] * 5)
    assert (found.greeted, found.addresses) == (True, ["10.0.0.7"])
    assert seen(*[line(client="-", request=request)] * 4).greeted is False


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"msec": "1800000000.5"}, NOW + 0.5),
        ({"time_iso8601": "2027-01-15T09:00:00+01:00"}, NOW),
        ({"time_local": "15/Jan/2027:08:00:00 +0000"}, NOW),
        ({"time_local": "15/Foo/2027:08:00:00 +0000"}, 0.0),
        ({}, 0.0),
    ],
)
def test_time_of_a_line(values, wanted):
    assert look_proxies.time_of(values) == wanted


def test_a_log_format_is_looked_up_by_name():
    config = dump.parse(
        "# configuration file /n:\nhttp { log_format main escape=json '$remote_addr ' '$http_x_forwarded_for'; }"
    )
    assert look_proxies.format_of(config, ["main"]) == "$remote_addr $http_x_forwarded_for"
    for names in ([], ["combined"], ["buffer=32k"], ["gone"]):
        assert look_proxies.format_of(config, names) == look_proxies.COMBINED
    assert look_proxies.format_of(None, ["main"]) == look_proxies.COMBINED


@pytest.mark.parametrize(
    ("inside", "greeted", "unset"),
    [
        ("listen 80;", False, ""),
        ("real_ip_header X-Real-IP;", False, "real_ip_header X-Real-IP in /n:1 without set_real_ip_from"),
        ("real_ip_header X-Real-IP; set_real_ip_from 10.0.0.7;", False, ""),
        (
            "listen 80 proxy_protocol;",
            True,
            "listen 80 proxy_protocol in /n:1 without set_real_ip_from and real_ip_header proxy_protocol",
        ),
        ("listen 80 proxy_protocol; real_ip_header proxy_protocol; set_real_ip_from 10.0.0.7;", True, ""),
    ],
)
def test_directives_without_effect_are_named(inside, greeted, unset):
    [server] = match.servers(dump.parse(f"# configuration file /n:\nhttp {{ server {{ {inside} }} }}"))
    assert look_proxies.without_effect(server.chain, greeted) == unset


def test_the_log_of_a_site_is_read_from_the_last_reload_of_nginx(web, tmp_path):
    site, host, _answers, _asked = web
    log = tmp_path / "access.log"
    log.write_text(f"{line()}\n" * 5)
    text = f"log_format main '{MAIN}'; server {{ access_log {log} main; location / {{ uwsgi_pass unix:/a; }} }}"
    config = dump.parse(f"# configuration file /n:\nhttp {{ {text} }}")
    put(host.nginx, config=config)
    [server] = match.servers(config)
    for entrance in site.entrances:
        put(entrance, server=server, wanted=[server])
    assert look_proxies.look_in_front(site, host).addresses == ["10.0.0.7"]
    host.nginx.workers[0].started = NOW + 0.9
    assert look_proxies.look_in_front(site, host).addresses == ["10.0.0.7"]
    host.nginx.workers[0].started = NOW + 60
    assert look_proxies.look_in_front(site, host).addresses == []
