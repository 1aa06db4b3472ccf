"""Requests to a site with TLS, and to one behind a load balancer: addresses, schemes and headers."""

from __future__ import annotations

import dataclasses
import errno

import pytest
import test_nginx
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import match
from ansible_collections.pyweb.stack.plugins.module_utils.release import front as fronts
from ansible_collections.pyweb.stack.plugins.module_utils.release import proxies
from ansible_collections.pyweb.stack.plugins.module_utils.release.front import Front, Look
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer, ProtocolError
from releases import FakeShell

HERE = "192.0.2.7"
SITE = {"name": "shop", "domains": ["shop.example", "www.shop.example"], "source": {"startproject": "x"}}
CERTIFICATE = "/etc/sites/shop/tls/live/fullchain.pem"
HTTPS = f"listen 443 ssl; ssl_certificate {CERTIFICATE};"
REDIRECT = "server {{ {listen} server_name {names}; return 308 https://$host{port}$request_uri; }}\n"
SERVER = "server {{ {listen} server_name {names}; {more} location / {{ uwsgi_pass uwsgi_shop; }} }}\n"
STATIC = b"<link rel=stylesheet href=/static/a.css>"


@pytest.fixture
def nginx(tmp_path, monkeypatch):
    """nginx's files and answers, (scheme, host, path) -> answer; `asked` has URLs, `greetings` what arrived."""

    class Nginx(dict):
        def write(self, *servers, others=""):
            (tmp_path / "other.conf").write_text(others)
            (tmp_path / "shop.conf").write_text("# pyweb.stack.nginx: site shop.\n" + "\n".join(servers))
            (tmp_path / "nginx.conf").write_text("events {}\nhttp { include shop.conf; include other.conf; }\n")

        def look(self, site=None):
            made = Front.of(FakeShell(), site or complete([{**SITE, "tls": "selfsigned"}])[0], {"https_header": []})
            return dataclasses.replace(made, conf=str(tmp_path / "nginx.conf")).look(attempts=1)

    made = Nginx()
    made.asked, made.greetings, made.closed = [], [], set()

    def request(address, host, path, timeout, headers=None, tls=None, greeting=b""):
        scheme = "https" if tls else "http"
        if scheme in made.closed:
            raise ProtocolError(address, "nothing listens", errno.ECONNREFUSED)
        made.asked.append(f"{scheme}://{host}{path} at {address}")
        made.greetings.append(greeting)
        made.claimed = (headers or {}).get("X-Forwarded-Proto", "")
        found = made.get((scheme, host, path)) or made.get((scheme, path)) or Answer(200, "", 0.1)
        return dataclasses.replace(found, headers=dict(found.headers))

    monkeypatch.setattr(fronts, "http_request", request)
    monkeypatch.setattr(fronts, "own_addresses", lambda: [HERE, "10.1.2.3"])
    return made


def to(location, status=308):
    return Answer(status, "", 0.1, {"location": location})


def html(body=b""):
    return Answer(200, "", 0.1, {"content-type": "text/html"}, body)


def with_redirect(nginx, listen="listen 80;", tls=HTTPS, port="", names="shop.example"):
    nginx.write(REDIRECT.format(listen=listen, names=names, port=port), SERVER.format(listen=tls, names=names, more=""))


def test_the_redirect_leads_to_https_which_answers(nginx):
    """Both ports are requested, and the page's static file over https."""
    with_redirect(nginx)
    nginx["http", "/"] = to("https://shop.example/")
    nginx["https", "/"] = html(STATIC)
    assert nginx.look() == Look("", "https://shop.example/")
    assert nginx.asked == [
        f"http://shop.example/ at {HERE}:80",
        f"https://shop.example/ at {HERE}:443",
        f"https://shop.example/static/a.css at {HERE}:443",
    ]
    assert nginx.claimed == ""


def test_a_failed_answer_over_https_is_reported(nginx):
    with_redirect(nginx)
    nginx["http", "/"] = to("https://shop.example/")
    nginx["https", "/"] = Answer(502, "", 0.1)
    assert nginx.look().wrong.startswith("/ as shop.example redirects to https://shop.example/, which answered 502")


def test_without_a_redirect_both_ports_are_requested(nginx):
    nginx.write(SERVER.format(listen=f"listen 80; {HTTPS}", names="shop.example", more=""))
    assert nginx.look() == Look("", "https://shop.example/")
    assert nginx.asked == [f"http://shop.example/ at {HERE}:80", f"https://shop.example/ at {HERE}:443"]
    nginx["https", "/"] = Answer(500, "", 0.1)
    assert "answered 500; expected a status below 500 (through nginx at 192.0.2.7:443)" in nginx.look().wrong
    nginx["http", "/"] = Answer(503, "", 0.1)
    assert "answered 503; expected a status below 500 (through nginx at 192.0.2.7:80)" in nginx.look().wrong


def test_https_at_an_unusual_port(nginx):
    """Also with a release from before TLS, whose record does not have the port."""
    tls = f"listen 8443 ssl; ssl_certificate {CERTIFICATE};"
    with_redirect(nginx, "listen 8080;", tls, ":8443")
    nginx["http", "/"] = to("https://shop.example:8443/")
    nginx["https", "/"] = to("https://shop.example:8443/in/", 302)
    [plain] = complete([{**SITE, "nginx": {"listen": [8080]}}])
    assert nginx.look(plain) == Look("", "https://shop.example:8443/")
    assert nginx.asked[1:] == [
        f"https://shop.example:8443/ at {HERE}:8443",
        f"https://shop.example:8443/in/ at {HERE}:8443",
    ]


def test_a_site_in_the_server_of_another_is_requested_over_https(nginx):
    """The certificate is that of the other site: both have the same names."""
    nginx.write(SERVER.format(listen=HTTPS.replace("/shop/", "/root/"), names="shop.example", more=""))
    nginx["https", "/shop/"] = html()
    assert nginx.look(complete([{**SITE, "prefix": "/shop"}])[0]) == Look("", "https://shop.example/shop/")


def test_a_certificate_in_nginx_options_is_no_tls_of_the_site(nginx):
    """This was the workaround before the key `tls`: such a site is requested as before."""
    more = "ssl_certificate /etc/ssl/shop.pem;"
    nginx.write(SERVER.format(listen="listen 80; listen 443 ssl;", names="shop.example", more=more))
    nginx["https", "/"] = Answer(500, "", 0.1)
    assert nginx.look(complete([SITE])[0]) == Look("", "http://shop.example/")


def test_the_other_domains_redirect_to_the_canonical_one(nginx):
    nginx.write(
        REDIRECT.format(listen="listen 80;", names="shop.example www.shop.example", port=""),
        f"server {{ {HTTPS} server_name shop.example; return 308 https://www.shop.example$request_uri; }}",
        SERVER.format(listen=HTTPS, names="www.shop.example", more=""),
    )
    nginx["http", "/"] = nginx["https", "shop.example", "/"] = to("https://www.shop.example/")
    assert not nginx.look(complete([{**SITE, "tls": "selfsigned", "canonical": "www.shop.example"}])[0]).wrong
    assert nginx.asked == [f"http://shop.example/ at {HERE}:80", f"https://www.shop.example/ at {HERE}:443"]


def test_the_old_domains_are_requested_until_nginx_has_the_new_ones(nginx):
    closed = "server { listen 443 ssl; server_name shop.catch-all.invalid; location / { return 444; } }"
    nginx.write(closed, SERVER.format(listen=HTTPS, names="old.example", more=""))
    assert nginx.look() == Look("", "https://old.example/")


def test_a_foreign_server_at_the_https_port_is_reported(nginx):
    nginx.write(
        REDIRECT.format(listen="listen 80;", names="shop.example", port=""),
        SERVER.format(listen=HTTPS, names="shop.example", more=""),
        others=f"server {{ listen {HERE}:443 ssl; server_name other.example; }}",
    )
    wrong = nginx.look().wrong
    assert f"another server answers for shop.example at {HERE}:443" in wrong
    assert wrong.endswith("or let the site listen there as well (nginx.listen_tls)")


# --- a proxy in front ---


def trusting(nginx, *networks, listen="listen 80;"):
    more = " ".join(f"set_real_ip_from {network};" for network in networks)
    nginx.write(SERVER.format(listen=listen, names="shop.example", more=more))


def plain(**nginx):
    return complete([{**SITE, "nginx": nginx}])[0]


@pytest.mark.parametrize(
    ("networks", "address"),
    [(["10.0.0.0/8", "unix:"], "10.1.2.3"), (["198.51.100.0/24"], HERE), (["127.0.0.1"], "127.0.0.1"), ([], HERE)],
)
def test_an_address_of_this_host_that_nginx_trusts_is_used_first(nginx, networks, address):
    trusting(nginx, *networks)
    assert not nginx.look(plain()).wrong
    assert nginx.asked == [f"http://shop.example/ at {address}:80"]
    assert nginx.greetings == [b""]


def test_https_that_ends_at_a_load_balancer_is_not_reported_to_the_user(nginx):
    """The inventory names the load balancer; on this host nothing has its address."""
    trusting(nginx, "198.51.100.0/24")
    nginx["http", "/"] = to("https://shop.example/", 301)
    nginx.closed = {"https"}
    assert nginx.look(plain()) == Look("", "http://shop.example/")
    assert nginx.claimed == "https"


@pytest.mark.parametrize(("network", "address"), [("10.0.0.0/8", "10.1.2.3"), ("198.51.100.0/24", HERE)])
def test_the_proxy_protocol_is_used_if_nginx_expects_it(nginx, network, address):
    """nginx answers every client that uses it, and trusts the addresses in its list."""
    trusting(nginx, network, listen="listen 80 proxy_protocol;")
    assert nginx.look(plain()) == Look("", "http://shop.example/")
    assert nginx.greetings == [f"PROXY TCP4 {address} {address} 80 80\r\n".encode()]


def test_the_proxy_protocol_of_a_listener_applies_to_all_its_servers(nginx):
    nginx.write(
        "server { listen 80 proxy_protocol; server_name x; location / {} }",
        SERVER.format(listen="listen 80;", names="shop.example", more="set_real_ip_from 10.0.0.0/8;"),
    )
    assert not nginx.look(plain()).wrong
    assert nginx.greetings[0].startswith(b"PROXY TCP4 10.1.2.3 ")


def test_loopback_is_used_first_only_if_it_is_trusted():
    found = proxies.Proxies((proxies.ipaddress.ip_network("::1/128"),), frozenset())
    assert found.first([HERE, "2001:db8::7"]) == ["::1", HERE, "2001:db8::7"]
    assert proxies.Proxies((), frozenset()).first([HERE]) == [HERE]


# --- what the role nginx writes ---

WRITTEN = {
    "plain": ["http://shop.example.com/"],
    "selfsigned_1_22": ["http://shop.example.com/", "https://shop.example.com/"],
    "acme": ["http://shop.example.com/", "https://shop.example.com:8443/"],
    "acme_without_redirect": ["http://shop.example.com/", "https://shop.example.com/"],
    "canonical": ["http://shop.example.com/", "https://shop.example.com/"],
    "canonical_without_tls": ["http://shop.example.com:8080/"],
    "prefix_pair_tls": ["http://shop.example.com/cart/", "https://shop.example.com/cart/"],
    "trusted_proxies": ["http://shop.example.com/", "https://shop.example.com:8443/"],
    "trusted_proxies_without_tls": ["http://shop.example.com:8080/"],
    "proxy_protocol": ["http://shop.example.com/", "https://shop.example.com/"],
    "without_ssl_reject_handshake": ["http://shop.example.com/", "https://shop.example.com/"],
}


@pytest.mark.parametrize("scenario", WRITTEN)
def test_requests_reach_the_site_with_the_files_of_the_role(scenario, tmp_path, monkeypatch):
    """Over http and https, at the host's own addresses; nginx's own redirects are answered as nginx would."""
    sites, platform, options = test_nginx.SCENARIOS[scenario]
    site = complete(sites)[0]
    for path, text in test_nginx.rendered(sites, platform, options).items():
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("link to "):
            file.symlink_to(text.removeprefix("link to ").strip())
        else:
            file.write_text(text.replace(" /etc/nginx/", f" {tmp_path}/etc/nginx/"))
    made = dataclasses.replace(Front.of(FakeShell(), site, {}), conf=f"{tmp_path}/etc/nginx/nginx.conf")
    asked = []

    def request(address, host, path, timeout, headers=None, tls=None, greeting=b""):
        asked.append(f"{'https' if tls else 'http'}://{host}{path}")
        at, _colon, port = address.rpartition(":")
        server = match.select(made.config, host.partition(":")[0], at.strip("[]"), int(port))
        assert bool(greeting) == site["nginx"]["proxy_protocol"]
        handler = match.handler(match.locate(server, path))
        if handler.name != "return":
            return html()
        location = handler.args[-1].replace("$request_uri", path).replace("$host", host.partition(":")[0])
        return Answer(int(handler.args[0]), "", 0.1, {"location": location})

    monkeypatch.setattr(fronts, "http_request", request)
    monkeypatch.setattr(fronts, "own_addresses", lambda: [HERE, "10.1.2.3"])
    assert made.look(attempts=1).wrong == ""
    assert list(dict.fromkeys(asked)) == WRITTEN[scenario]
