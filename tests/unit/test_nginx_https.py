"""Which server answers over https and over http, and the default servers in front of a site's own."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import dump, https, match, render
from nginx_hosts import conf, host
from test_nginx import REDHAT, rendered

SHOP = {"name": "shop", "domains": ["shop.example", "www.shop.example"], "source": {"path": "/srv/shop"}}
ACME = {"acme": {"directory": "https://ca.example/dir"}}
CHALLENGE = "/.well-known/acme-challenge/token"


def shop(tls="selfsigned", **keys):
    own = {key: keys.pop(key) for key in ("name", "domains", "canonical", "prefix") if key in keys}
    return {**SHOP, **own, "tls": tls, "nginx": keys}


def config(*sites, **options):
    """Return what nginx reads for sites."""
    texts = rendered(list(sites), REDHAT, {"version": "1.26.3", "ipv6": False, **options})
    return dump.parse("".join(f"# configuration file {path}:\n{text}\n" for path, text in texts.items()))


def view(*sites, **options):
    files = render.files(complete(list(sites)), REDHAT, **{"version": "1.26.3", "ipv6": False, **options})
    [found] = [file["vars"]["site"] for file in files if file["path"] == "/etc/nginx/conf.d/shop.conf"]
    return found


def answer(found, name, port, uri="/x"):
    """Return what a request gets: a handler, or the file."""
    server = match.select(found, name, "192.0.2.1", port)
    chain = match.locate(server, uri)
    return str(match.handler(chain) or match.file_of(chain, uri))


def mapped(made, source):
    """Return what a map of nginx makes of a value: an exact row, the first matching expression, or the default."""
    rows = dict(made["rows"])
    if source in rows:
        return rows[source]
    for key, value in made["rows"]:
        flags, text = (re.IGNORECASE, key[3:-1]) if key.startswith('"~*') else (0, key[2:-1])
        if key.startswith('"~') and (fits := re.search(text, source, flags)):
            return fits[1] if value == "$1" else value
    return rows["default"]


def faults(*sites, **options):
    with pytest.raises(InventoryError) as error:
        view(*sites, **options)
    return error.value.faults


# --- https, and redirects to it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "listen", "directive", "rejects"),
    [
        ("", "443 ssl http2", False, True),  # not installed yet
        ("1.18.0", "443 ssl http2", False, False),
        ("1.19.4", "443 ssl http2", False, True),
        ("1.22.1", "443 ssl http2", False, True),
        ("1.25.0", "443 ssl http2", False, True),
        ("1.25.1", "443 ssl", True, True),
        ("1.26.3", "443 ssl", True, True),
        ("1.29", "443 ssl", True, True),
    ],
)
def test_each_version_of_nginx_gets_the_spelling_that_it_supports(version, listen, directive, rejects):
    found = view(shop(), version=version)
    assert found["listen"] == [listen]
    assert ("http2" in found["server"]) is directive
    [closed] = [edge for edge in found["edges"] if edge["server_name"] == "shop.catch-all.invalid"]
    assert closed["listen"] == [listen]
    assert ("ssl_reject_handshake" in closed["server"]) is rejects
    assert ("ssl_certificate" in closed["server"]) is not rejects


def test_http_redirects_to_https_and_keeps_the_name():
    found = config(shop())
    assert answer(found, "shop.example", 80) == "return 308 https://$host$request_uri;"
    assert answer(found, "shop.example", 443) == "uwsgi_pass uwsgi_shop;"
    assert answer(found, "evil.example", 80) == answer(found, "evil.example", 443) == "return 444;"


def test_http_redirects_to_the_port_of_https():
    found = config(shop(domains=["shop.example"], listen_tls=[8443], listen=[8080]))
    assert answer(found, "shop.example", 8080) == "return 308 https://shop.example:8443$request_uri;"


def test_without_redirect_both_serve_the_site():
    found = config(shop(redirect=False))
    assert answer(found, "shop.example", 80) == answer(found, "shop.example", 443) == "uwsgi_pass uwsgi_shop;"


def test_without_a_catch_all_redirects_only_lead_to_names_of_the_site():
    found = view(shop(domains=["*.shop.example", "shop.example"]), catch_all=False)
    assert found["edges"][0]["answer"] == "308 https://$pyweb_name_shop$request_uri"
    [names] = found["maps"]
    assert names["source"] == "$host"
    assert [mapped(names, name) for name in ("shop.example", "a.b.shop.example")] == ["$host", "$host"]
    assert [mapped(names, name) for name in ("evil.example", "xshop.example")] == ["shop.example", "shop.example"]


def test_a_request_for_an_ip_address_gets_its_certificate():
    """A client that requests an IP address sends no name, so the port's first server needs the certificate."""
    address = {**SHOP, "name": "ip", "domains": ["192.0.2.1"], "tls": "selfsigned"}
    closed = view(shop(), address)["edges"][0]["server"]
    assert closed["ssl_certificate"] == ["/etc/sites/ip/tls/live/fullchain.pem"]
    assert "ssl_reject_handshake" not in closed
    elsewhere = view(shop(), {**address, "nginx": {"listen_tls": [8443]}})["edges"][0]["server"]
    assert elsewhere["ssl_reject_handshake"] == ["on"]


def test_tls_settings_in_nginx_options_are_kept():
    found = view(shop(), options={"ssl_protocols": "TLSv1.3"})
    assert "ssl_protocols" not in found["server"]
    assert found["server"]["ssl_session_cache"] == ["shared:pyweb_tls:10m"]
    assert all("ssl_protocols" not in edge["server"] for edge in found["edges"])


def test_ciphers_are_those_of_mozillas_intermediate():
    assert https.CIPHERS == (
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    )


# --- the header -------------------------------------------------------------------------------------------------------

HSTS = "Strict-Transport-Security max-age=300 always"


def test_hsts_is_on_every_level_that_has_headers():
    found = view(shop(hsts=300, locations={"/a": {"add_header": "X-A 1"}, "/b": {"return": "204"}}))
    assert found["server"]["add_header"] == [HSTS]
    assert found["media"]["headers"][0] == HSTS
    assert found["locations"] == {"/a": {"add_header": ["X-A 1", HSTS]}, "/b": {"return": ["204"]}}
    # Headers of the http level apply as long as the server has none.
    assert view(shop(hsts=300), options={"add_header": "X-B 2"})["server"]["add_header"] == ["X-B 2", HSTS]
    own = view(shop(hsts=300, options={"add_header": "X-C 3"}), options={"add_header": "X-B 2"})
    assert own["server"]["add_header"] == ["X-C 3", HSTS]


def test_without_hsts_there_is_no_header():
    assert "add_header" not in view(shop(), options={"add_header": "X-B 2"})["server"]
    assert "add_header" not in view(shop(canonical="shop.example"))["edges"][-1]["server"]


def test_an_hsts_header_of_the_inventory_is_kept():
    given = "strict-transport-security max-age=1"
    assert view(shop(hsts=300, options={"add_header": given}))["server"]["add_header"] == [given]


# --- the challenge ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "site",
    [
        shop(ACME),
        shop(ACME, redirect=False),
        shop(ACME, canonical="www.shop.example"),
        shop(ACME, canonical="www.shop.example", redirect=False),
        shop(ACME, prefix="/shop"),
        shop(ACME, redirect=False, prefix="/shop", locations={"~ .": {"deny": "all"}}),
        shop(ACME, trusted_proxies=["10.0.0.0/8"]),
        shop(ACME, redirect=False, options={"deny": "all", "auth_basic": "x", "rewrite": "^/old/ /new/"}),
    ],
)
def test_a_ca_finds_the_answer_under_every_name(site):
    found = config(site)
    for name in site["domains"]:
        assert answer(found, name, 80, CHALLENGE) == f"/var/lib/pyweb-acme{CHALLENGE}"
    chain = match.locate(match.select(found, "shop.example", "192.0.2.1", 80), CHALLENGE)
    assert [str(chain[-1].all(name)[0]) for name in ("auth_basic", "allow")] == ["auth_basic off;", "allow all;"]


def test_the_answer_of_a_site_is_found_in_the_server_of_another():
    pair = [shop(ACME, name=name, prefix=f"/{name}", redirect=False) for name in ("shop", "blog")]
    assert answer(config(*pair), "shop.example", 80, CHALLENGE) == f"/var/lib/pyweb-acme{CHALLENGE}"


@pytest.mark.parametrize("tls", ["selfsigned", {"acme": {"challenge": {"dns": {"command": ["/usr/local/bin/txt"]}}}}])
def test_sites_without_an_http_challenge_do_not_serve_its_path(tls):
    found = config(shop(tls, domains=["shop.example.com"]))
    assert answer(found, "shop.example.com", 80, CHALLENGE) == "return 308 https://shop.example.com$request_uri;"


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"locations": {"/.well-known/acme-challenge/": {"root": "/x"}}}, "nginx.locations has /.well-known/acme-"),
        (
            {"locations": {"= /.well-known/acme-challenge/a": {"root": "/x"}}},
            "nginx.locations has = /.well-known/",
        ),
        (
            {"protected": {"/.well-known/acme-challenge/": "x"}},
            "nginx.protected has /.well-known/acme-challenge/, at the path",
        ),
        ({"locations": {"/.well-known/acme-challenge": {"root": "/x"}}}, "nginx.locations has /.well-known/acme-"),
        ({"options": {"return": "503"}}, "nginx.options has return 503, which the CA gets instead"),
        ({"options": {"rewrite": "^/.well-known/ /x"}}, "nginx.options has rewrite ^/.well-known/ /x, which"),
        ({"locations": {"/.well-known/": {"root": "/x"}}}, ""),
        ({"options": {"rewrite": "^/old/ /new/"}}, ""),
        ({"options": {"rewrite": "(?<old /new/"}}, ""),
    ],
)
def test_directives_that_would_hide_the_answer_are_refused(keys, fault):
    if fault:
        [found] = faults(shop(ACME, redirect=False, **keys))
        assert fault in found
    else:
        view(shop(ACME, redirect=False, **keys))
    # With a separate server for http no directive can.
    view(shop(ACME, **keys))


# --- the canonical name -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "port", "leads"),
    [
        ({}, 80, "https://www.shop.example"),
        ({}, 443, "https://www.shop.example"),
        ({"redirect": False}, 80, "http://www.shop.example"),
        ({"redirect": False}, 443, "https://www.shop.example"),
        ({"tls": "none", "listen": [8080]}, 8080, "http://www.shop.example:8080"),
    ],
)
def test_other_names_redirect_to_the_canonical_one_in_one_hop(keys, port, leads):
    domains = ["*.shop.example", "shop.example", "www.shop.example"]
    found = config(shop(**keys, domains=domains, canonical="www.shop.example"))
    for name in ("shop.example", "a.shop.example"):
        assert answer(found, name, port) == f"return 308 {leads}$request_uri;"
    if leads.startswith("https" if port == 443 else "http:"):
        assert answer(found, "www.shop.example", port) == "uwsgi_pass uwsgi_shop;"


# --- with existing servers --------------------------------------------------------------------------------------------

CONF_D = "http {\n    include /etc/nginx/conf.d/*.conf;\n}"


def beside(other, name="other"):
    return {"host": host(conf(main=CONF_D, **{name: other}))}


def test_an_existing_server_on_443_stays_the_default():
    theirs = "server {\n    listen 443 ssl;\n    server_name other;\n}\n"
    found = view(shop(), **beside(theirs))
    assert found["catch_all_tls"] == []
    assert not any("ssl_reject_handshake" in edge["server"] for edge in found["edges"])
    # If nginx reads it after the managed files, it is marked as the default server.
    files = render.files(complete([shop()]), REDHAT, ipv6=False, version="1.22.1", **beside(theirs, "zeta"))
    [edited] = [file for file in files if "edits" in file]
    assert [edit["new"] for edit in edited["edits"]] == ["listen 443 ssl default_server;"]


def test_a_site_also_listens_on_the_address_of_an_existing_server():
    theirs = "server {\n    listen 192.0.2.7:443 ssl;\n    server_name other;\n}\n"
    assert view(shop(), **beside(theirs))["listen"] == ["443 ssl", "192.0.2.7:443 ssl"]


@pytest.mark.parametrize(
    ("version", "theirs", "listen"),
    [
        ("1.22.1", "listen 443 ssl;", "443 ssl"),
        ("1.22.1", "listen 443 ssl http2;", "443 ssl http2"),
        ("1.22.1", "listen 444 ssl;", "443 ssl http2"),
        ("1.26.3", "listen 443 ssl;", "443 ssl"),
    ],
)
def test_http2_is_only_enabled_if_existing_servers_on_the_port_use_it(version, theirs, listen):
    found = view(shop(), version=version, **beside(f"server {{ {theirs} server_name other; }}"))
    assert found["listen"] == [listen]
    assert ("http2" in found["server"]) is (version == "1.26.3")


def test_tls_settings_of_existing_configuration_are_not_inherited():
    found = view(shop(), host=host(conf(main="http {\n    ssl_protocols TLSv1;\n    include conf.d/*.conf;\n}")))
    assert found["server"]["ssl_protocols"] == ["TLSv1.2 TLSv1.3"]


@pytest.mark.parametrize(
    ("keys", "theirs", "fault"),
    [
        ({}, "listen 443 ssl; server_name other;", ""),
        ({}, "listen 443 ssl; server_name shop.example;", "shop.example on *:443 is served by /etc/nginx/conf.d/other"),
        (
            {},
            "listen 443; server_name other;",
            "nginx would have to speak https on *:443, and http for /etc/nginx/",
        ),
        (
            {},
            "listen 80 ssl; server_name other;",
            "nginx would have to speak http on *:80, and https for /etc/nginx/",
        ),
        (
            {"trusted_proxies": ["10.0.0.1"], "proxy_protocol": True},
            "listen 443 ssl; server_name other;",
            "nginx would have to speak https behind the PROXY protocol on *:443, and https for /etc/nginx/conf.d/other",
        ),
        (
            {"trusted_proxies": ["10.0.0.1"], "proxy_protocol": True},
            "listen 443 ssl proxy_protocol; server_name other;",
            "",
        ),
        ({"tls": "none"}, "listen 80 ssl; server_name other;", ""),  # unchanged
    ],
)
def test_conflicts_with_existing_servers_are_refused(keys, theirs, fault):
    options = beside(f"server {{ {theirs} }}\n")
    if fault:
        [found] = faults(shop(**keys), **options)
        assert fault in found
    else:
        view(shop(**keys), **options)


def test_conflicting_protocols_of_two_sites_are_refused():
    other = {**SHOP, "name": "blog", "domains": ["blog.example"], "nginx": {"listen": ["localhost:8443"]}}
    [found] = faults(shop(listen_tls=["127.0.0.1:8443"]), other)
    assert "site 'blog': nginx would have to speak http on 127.0.0.1:8443, and https for site 'shop'" in found


def test_a_process_on_the_port_of_https_is_reported_with_the_key():
    taken = [{"address": "0.0.0.0", "port": 443, "name": "caddy", "pid": 7, "unit": "caddy.service"}]  # noqa: S104 - as in the facts
    [found] = faults(shop(), host={"main": "absent", "taken": taken})
    assert "cannot listen on *:443, because caddy (pid 7, caddy.service) does" in found
    assert found.endswith("another port with nginx.listen_tls")


@pytest.mark.parametrize(
    ("server", "http2", "proxy_protocol"),
    [
        ("listen 443 ssl http2;", True, False),
        ("listen 443 ssl; http2 on;", True, False),
        ("listen 443 ssl proxy_protocol;", False, True),
        ("listen 443 ssl; http2 off;", False, False),
    ],
)
def test_flags_of_a_listen_are_read(server, http2, proxy_protocol):
    text = f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ server {{ {server} }} }}"
    [found] = match.servers(dump.parse(text))
    [listen] = found.listens
    assert (listen.ssl, listen.http2, listen.proxy_protocol) == (True, http2, proxy_protocol)


WAITING = {"waiting": ["shop"]}


def test_a_site_does_not_redirect_to_https_before_its_certificate_is_issued():
    found = config(shop(ACME, hsts=300), **WAITING)
    assert answer(found, "shop.example", 80) == "uwsgi_pass uwsgi_shop;"
    assert answer(found, "shop.example", 80, CHALLENGE) == f"/var/lib/pyweb-acme{CHALLENGE}"
    assert answer(found, "shop.example", 443) == "uwsgi_pass uwsgi_shop;"
    assert "Strict-Transport-Security" not in str(view(shop(ACME, hsts=300), **WAITING))
    assert answer(config(shop(ACME, hsts=300)), "shop.example", 80).startswith("return 308 https://")


def test_other_names_redirect_to_the_canonical_one_over_http_until_then():
    found = config(shop(ACME, canonical="shop.example"), **WAITING)
    assert answer(found, "www.shop.example", 80) == "return 308 http://shop.example$request_uri;"


def test_the_other_sites_of_a_server_also_wait_for_the_certificate():
    under = shop(ACME, name="blog", prefix="/blog")
    found = config(shop(ACME), under, waiting=["blog"])
    assert answer(found, "shop.example", 80) == "uwsgi_pass uwsgi_shop;"


def test_a_site_whose_server_would_hide_the_challenge_redirects_from_the_beginning():
    found = config(shop(ACME, options={"return": "410"}), **WAITING)
    assert answer(found, "shop.example", 80).startswith("return 308 https://")
    assert answer(found, "shop.example", 80, CHALLENGE) == f"/var/lib/pyweb-acme{CHALLENGE}"


def test_over_https_answers_of_the_application_are_not_compressed_but_files_are():
    def said(*sites, uri="/x", port=443, **options):
        server = match.select(config(*sites, **options), "shop.example", "192.0.2.1", port)
        return [line.args for line in match.locate(server, uri)[-1].all("gzip")]

    assert said(shop()) == [["off"]]
    assert said(shop(), uri="/static/app.css") == []
    assert said(shop("none"), port=80) == []
    assert said(shop(options={"gzip": True})) == []
    assert said(shop(), options={"gzip": True}) == []
    below = shop(name="blog", prefix="/blog")
    assert said(shop(), below, uri="/blog/x") == [["off"]]
