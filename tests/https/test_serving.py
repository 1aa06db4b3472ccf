"""What visitors get over HTTPS and HTTP, and what Django sees of them."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from client import style_of, upload
from conftest import ODD_PORT, PASSWORD
from world import World, seen

SELF = "self.example"


def test_http_redirects_to_https_and_a_challenge_is_answered_over_http(served: World) -> None:
    answer = served.http("shop", "/slow?seconds=0")
    assert (answer.status, answer.headers["location"]) == (308, "https://shop.example/slow?seconds=0")
    answer = served.http("self", "/")
    assert (answer.status, answer.headers["location"]) == (308, f"https://{SELF}:{ODD_PORT}/")
    path = "/.well-known/acme-challenge/of-a-test"
    served.host.told(f"mkdir -p /var/lib/pyweb-acme{path.rpartition('/')[0]}")
    served.host.told(f"echo answered > /var/lib/pyweb-acme{path}")
    answer = served.http("shop", path)
    served.host.told(f"rm /var/lib/pyweb-acme{path}")
    assert (answer.status, answer.body) == (200, "answered\n")
    assert served.http("shop", path).status == 404, "the path was passed to Django or redirected"


@pytest.mark.same_everywhere
def test_other_domains_redirect_to_the_canonical_one(served: World) -> None:
    answer = served.visitor.ask("www.shop.example", "/?page=1")
    assert (answer.status, answer.headers["location"]) == (308, "https://shop.example/?page=1")
    answer = served.http("www.shop", "/?page=1")
    assert (answer.status, answer.headers["location"]) == (308, "https://shop.example/?page=1")
    assert served.visitor.ask("shop.example").status == 200


def test_hsts_http2_and_tls_1_3_are_on(served: World) -> None:
    assert served.visitor.ask("shop.example").headers["strict-transport-security"] == "max-age=63072000"
    assert "strict-transport-security" not in served.visitor.ask("blog.example").headers
    assert "strict-transport-security" not in served.http("shop").headers
    assert served.visitor.application("shop.example") == "h2"
    assert served.shown("shop").tls == "TLSv1.3"


def test_static_files_are_compressed_over_https_and_pages_are_not(served: World) -> None:
    gzip = {"Accept-Encoding": "gzip"}
    style = style_of(served.visitor.ask("shop.example"))
    assert served.visitor.ask("shop.example", style, headers=gzip).headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in served.visitor.ask("shop.example", headers=gzip).headers
    assert served.http("plain", headers=gzip).headers.get("content-encoding") == "gzip"


@pytest.mark.parametrize("port", [443, ODD_PORT])
def test_an_unknown_domain_is_refused_in_the_tls_handshake(served: World, port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name in ("unknown.example", None):
        with (
            socket.create_connection((served.host.address, port), 10) as plain,
            pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
        ):
            context.wrap_socket(plain, server_hostname=name)


@pytest.mark.same_everywhere
def test_a_login_and_an_upload_work_on_a_nonstandard_port(served: World) -> None:
    visitor = served.visitor_of("self", ODD_PORT)
    page = visitor.ask(SELF, "/admin/login/", ODD_PORT)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert found, page
    fields = {"csrfmiddlewaretoken": found[1], "username": "ada", "password": PASSWORD, "next": "/admin/"}
    answer = visitor.submit(SELF, "/admin/login/", ODD_PORT, fields)
    assert (answer.status, answer.headers.get("location")) == (302, "/admin/"), answer
    assert "Log out" in visitor.ask(SELF, "/admin/", ODD_PORT).body
    assert all("Secure" in said for said in visitor.attributes.values()), visitor.attributes
    assert {"csrftoken", "sessionid"} <= set(visitor.attributes)

    other = served.visitor_of("self", ODD_PORT)
    page = other.ask(SELF, "/", ODD_PORT)
    form = upload(f"{SELF}:{ODD_PORT}", page)
    headers = {**form["headers"], "Origin": f"https://{SELF}:{ODD_PORT}"}
    answer = other.ask(SELF, "/", ODD_PORT, headers, str(form["body"]).encode("latin-1"))
    assert answer.status == 302, answer
    foreign = {**headers, "Origin": "https://elsewhere.example"}
    assert other.ask(SELF, "/", ODD_PORT, foreign, str(form["body"]).encode("latin-1")).status == 403


@pytest.mark.same_everywhere
@pytest.mark.parametrize("name", ["shop", "self", "own"])
def test_djangos_deploy_check_reports_no_issues(served: World, name: str) -> None:
    done = served.host.run(f"/opt/sites/{name}/manage check --deploy 2>&1")
    assert done.returncode == 0, done.stdout
    assert "System check identified no issues" in done.stdout
    assert "WARNINGS" not in done.stdout


def test_a_certificate_that_is_replaced_on_the_host_is_served_without_a_run(served: World) -> None:
    assert seen(served.visitor_of("own").ask("own.example", "/seen"))["secure"]
    for certificate, key in (served.pair("own"), served.pair("own")):
        # Renewal programs write in this order; for a moment, certificate and key do not match.
        served.write("/srv/pair/certificate.pem", certificate)
        time.sleep(0.3)  # long enough for systemd to notice the first file
        served.write("/srv/pair/key.pem", key)
        visitor = served.visitor
        visitor.roots = certificate
        served.wait_for(
            lambda visitor=visitor: visitor.ask("own.example").status == 200, "nginx does not serve the new pair"
        )
    again = served.converge()
    assert again.changed == 0, again.changes


FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shown.example",
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Ssl": "on",
}


def from_the_proxy(world: World, path: str, headers: dict[str, str]) -> str:
    """Send a request from the trusted proxy, and return its response."""
    words = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
    return world.authority.run(
        f"curl --silent --show-error --max-time 10 --write-out '\\n%{{http_code}}' -H 'Host: plain.example' {words}"
        f" http://{world.host.address}{path}"
    )


def test_forwarded_headers_are_accepted_only_from_the_trusted_proxy(served: World) -> None:
    body, _newline, status = from_the_proxy(served, "/seen", FORWARDED).rpartition("\n")
    assert status == "200", body
    believed = json.loads(body)
    assert (believed["secure"], believed["host"], believed["address"]) == (True, "shown.example", "198.51.100.7")
    client = served.host.told("ip route show default").split()[2]
    for name, host in (("plain", "plain.example"), ("shop", "shop.example")):
        if name == "plain":
            found = seen(served.http(name, "/seen", FORWARDED))
        else:
            found = seen(served.visitor.ask(host, "/seen", headers={**FORWARDED, "X-Forwarded-Proto": "http"}))
        assert found["host"] == host
        assert found["address"] == client
        assert "198.51.100.7" not in found["forwarded"]
        assert found["secure"] == (name == "shop")


@contextmanager
def slow_uploads(world: World, number: int) -> Iterator[None]:
    """Start clients that send a large form and stop in the middle."""
    head = b"POST / HTTP/1.1\r\nHost: plain.example\r\nContent-Type: text/plain\r\nContent-Length: 9000000\r\n\r\n"
    with ExitStack() as stack:
        for _request in range(number):
            stream = stack.enter_context(socket.create_connection((world.host.address, 80), 10))
            stream.sendall(head + b"x" * 1000)
        time.sleep(1)  # until nginx has read these parts
        yield


@pytest.mark.same_everywhere
def test_many_slow_uploads_of_one_client_do_not_block_others(served: World) -> None:
    with slow_uploads(served, 60):
        assert served.http("plain", "/healthz").status == 429, "this client has too many connections"
        # Clients of the proxy are counted by their own address, not by the proxy's.
        for client in ("198.51.100.7", "198.51.100.8"):
            assert from_the_proxy(served, "/healthz", {"X-Forwarded-For": client}).endswith("\n200")
        assert served.visitor.ask("shop.example", "/healthz").status == 200
    served.wait_for(lambda: served.http("plain", "/healthz").status == 200, "the client is still blocked")


@pytest.mark.same_everywhere
def test_maintenance_answers_503_until_it_is_switched_off(served: World) -> None:
    def maintenance(on: str) -> None:
        words = ["-e", "maintenance_site=shop", "-e", f"maintenance={on}"]
        run = served.host.play(served.sites.sites, "maintenance.yml", *words)
        assert run.status == 0, run.error

    maintenance("true")
    answer = served.visitor.ask("shop.example")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert served.visitor.ask("blog.example").status == 200
    # The challenge of a renewal is still answered, not with 503.
    assert served.http("shop", "/.well-known/acme-challenge/x").status == 404
    maintenance("false")
    assert served.visitor.ask("shop.example").status == 200
