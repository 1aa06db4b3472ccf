"""Conflicts of https: between the keys of a site, between sites of a host, and between hosts."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model import tls_conflicts
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from models import EXAMPLE, SECRET, SHOP, completed, fault, faults

PATHS = {"certificate": "/etc/a.pem", "key": "/etc/a.key"}
PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nREVG\n-----END PRIVATE KEY-----\n"
COMMAND = {"command": "dns-record"}


def acme(**given):
    return {"acme": given}


def dns(**given):
    return acme(challenge={"dns": given})


@pytest.mark.parametrize(
    ("tls", "read"),
    [
        ("none", {"kind": "none"}),
        ("selfsigned", {"kind": "selfsigned"}),
        (PATHS, {"kind": "path", "certificate_path": "/etc/a.pem", "key_path": "/etc/a.key"}),
        (
            {"certificate": f"Bag Attributes\n  {PEM}{PEM}", "key": KEY.replace("\n", "\r\n")},
            {"kind": "certificate", "certificate": PEM + PEM, "key": KEY},
        ),
    ],
)
def test_normalized_form_of_tls(tls, read):
    assert completed(tls=tls)["tls"] == read


def test_normalized_form_of_acme():
    challenge = {"kind": "http"}
    nothing = {"email": "", "directory": "", "ca": "", "challenge": challenge, "profile": "", "key_type": "ecdsa"}
    for given in ({}, None, {"challenge": "http"}, {"challenge": None}):
        assert completed(tls={"acme": given})["tls"] == {"kind": "acme", "acme": nothing}
    found = completed(tls=dns(command="dns-record --quiet", cleanup=["x"], environment={"TOKEN": SECRET}))
    assert found["tls"]["acme"]["challenge"] == {
        "kind": "dns",
        "dns": {
            "command": ["dns-record", "--quiet"],
            "cleanup": ["x"],
            "environment": {"TOKEN": SECRET},
            "plugin": "",
            "credentials": "",
            "wait": 0,
        },
    }


# --- web_tls ---


def with_default(tls, *sites):
    return complete(list(sites) or [SHOP], example=str(EXAMPLE), tls=tls)


def test_a_site_without_the_key_uses_web_tls():
    blog = {"name": "blog", "domains": ["blog.example.com"], "tls": "none"}
    absent = {"name": "old", "state": "absent"}
    found = with_default("selfsigned", SHOP, {**blog, "name": "b"}, absent)
    assert [site["tls"] for site in found] == [{"kind": "selfsigned"}, {"kind": "none"}, {"kind": "none"}]
    assert with_default(None)[0]["tls"] == with_default("none")[0]["tls"] == {"kind": "none"}
    assert with_default(PATHS, {**SHOP, "tls": None})[0]["tls"]["kind"] == "path"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("https", "web_tls is 'https'; expected none, selfsigned, or a mapping with one of certificate, acme"),
        (acme(mail="a@b"), "unknown key 'web_tls.acme.mail'; did you mean 'email'?"),
        ({"key": SECRET}, "web_tls has key; expected none, selfsigned, or exactly one of certificate, acme"),
        ({"certificate": "/a.pem", "key": SECRET}, "web_tls.key is not usable; expected a private key as PEM text"),
        ({"acme": {"email": "\ud800"}}, "web_tls.acme.email is text with half of a character"),
        (dns(), "web_tls.acme.challenge.dns has neither command nor plugin"),
        (acme(ca="/etc/root.pem"), "web_tls.acme.ca is given without directory"),
        ({"certificate": "/etc/a.pem", "key": KEY}, "web_tls.certificate is a path on the host and key is text"),
    ],
)
def test_an_invalid_web_tls_is_reported_once(given, words):
    [found] = faults(SHOP, {"name": "blog", "domains": ["blog.example.com"]}, tls=given)
    assert found.startswith(words)
    assert SECRET not in found


def test_conflicts_with_web_tls_are_reported_for_the_site():
    [found] = faults(SHOP, {"name": "blog", "domains": ["*.example.com"]}, tls=acme())
    assert found.startswith("web_sites[1] 'blog': domains has '*.example.com', and tls.acme.challenge is http")


# --- between the keys of a site ---


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        # The names of an ACME certificate.
        (
            {"domains": ["a.example.com", "*.example.com"], "tls": acme()},
            "domains has '*.example.com', and tls.acme.challenge is http; CAs issue certificates for *. with a dns "
            "challenge only; set tls.acme.challenge: {dns: ...}",
        ),
        (
            {"domains": ["a.example.com", "192.0.2.1", "::1"], "tls": dns(**COMMAND)},
            "domains has 192.0.2.1, '[::1]', and tls.acme.challenge is dns; an IP address has no record for it",
        ),
        *[
            (
                {"domains": ["a.example.com", name], "tls": acme(directory=directory)},
                f"domains has {name}, for which no public CA issues certificates, and tls.acme.directory is Let's "
                "Encrypt's; use tls: selfsigned, or set the directory of your own CA",
            )
            for name, directory in [
                ("localhost", ""),
                ("shop.test", ""),
                ("a.shop.internal", ""),
                ("shop.local", "https://acme-v02.api.letsencrypt.org/directory"),
                ("shop.invalid", "https://acme-staging-v02.api.letsencrypt.org/directory"),
                ("nas.home.arpa", ""),
            ]
        ],
        ({"tls": acme(ca="/etc/root.pem")}, "tls.acme.ca is given without directory"),
        # The challenge.
        (
            {"tls": acme(), "nginx": {"listen": [8080, "127.0.0.1:80", "[::1]:80"]}},
            "nginx.listen is 8080, 127.0.0.1:80, [::1]:80, and tls.acme.challenge is http, for which the CA connects "
            "to port 80; add 80 to nginx.listen, or use a dns challenge",
        ),
        ({"tls": dns()}, "tls.acme.challenge.dns has neither command nor plugin; expected exactly one of them"),
        (
            {"tls": dns(command="x", plugin="cloudflare", credentials=SECRET)},
            "tls.acme.challenge.dns has command and plugin; expected exactly one of them",
        ),
        (
            {"tls": dns(command="x", credentials=SECRET)},
            "tls.acme.challenge.dns.credentials is given; it requires plugin, and command is set; remove it",
        ),
        ({"tls": dns(command="x", wait=60)}, "dns.wait is given; it requires plugin"),
        (
            {"tls": dns(plugin="rfc2136", credentials=SECRET, environment={"A": SECRET})},
            "dns.environment is given; it requires command, and plugin is set",
        ),
        ({"tls": dns(plugin="rfc2136", credentials=SECRET, cleanup="x")}, "dns.cleanup is given; it requires command"),
        ({"tls": dns(plugin="rfc2136")}, "dns.credentials is missing; it is required with plugin: the text of the"),
        ({"tls": dns(plugin="route53")}, "'route53', which reads no credentials file; use command and environment"),
        # The pair.
        (
            {"tls": {"certificate": "/etc/a.pem", "key": KEY}},
            "tls.certificate is a path on the host and key is text; expected both of the same kind",
        ),
        ({"tls": {"certificate": PEM, "key": "/etc/a.key"}}, "tls.key is a path on the host and certificate is"),
        # The name to redirect to.
        ({"canonical": "shop.example.org"}, "canonical is 'shop.example.org'; expected one of domains"),
        (
            {"domains": ["*.example.com"], "canonical": "*.example.com"},
            "canonical is '*.example.com'; expected one name to redirect to, without *",
        ),
        # Listeners.
        (
            {"tls": "selfsigned", "nginx": {"listen": [80, 443]}},
            "nginx.listen has 443, and so has nginx.listen_tls (default: 443); expected http and https on different "
            "ports; remove 443 from one of them",
        ),
        (
            {"tls": "selfsigned", "nginx": {"listen": "0.0.0.0:8443", "listen_tls": "[::]:8443"}},
            "nginx.listen has 0.0.0.0:8443, and so has nginx.listen_tls",
        ),
        (
            {"tls": "selfsigned", "nginx": {"hsts": 604800, "redirect": False}},
            "nginx.hsts is given and nginx.redirect is false",
        ),
        # Workarounds from before the key `tls`.
        *[
            ({"tls": "selfsigned", "nginx": {"options": {name: value}}}, f"nginx.options.{name} is {words}")
            for name, value, words in [
                ("listen", "443 ssl", "'443 ssl' beside tls, which listens for https itself; remove it; set ports"),
                ("listen", ["443 ssl http2", "[::]:443 ssl http2"], "'443 ssl http2, [::]:443 ssl http2' beside tls"),
                ("http2", True, "given beside tls, which writes that itself; remove it from nginx.options"),
                ("ssl_certificate", "/a.pem", "given beside tls, which writes that itself"),
                ("ssl_certificate_key", "/a.key", "given beside tls, which writes that itself"),
                ("ssl_protocols", "TLSv1.2", "given beside tls, which writes that itself"),
            ]
        ],
        (
            {"tls": "selfsigned", "nginx": {"options": {"return": "301 https://$host$request_uri"}}},
            "nginx.options.return redirects to https beside tls, which would redirect endlessly; remove it: "
            "nginx.redirect",
        ),
    ],
)
def test_conflicting_keys_are_refused(keys, words):
    found = fault(**keys)
    assert words in found
    assert found.startswith("web_sites[0] 'shop': ")
    assert SECRET not in found


def test_all_conflicts_are_reported_together():
    keys = {"domains": ["*.example.com", "localhost"], "canonical": "a.example.com"}
    nginx = {"listen": [443], "hsts": 1, "redirect": False, "proxy_protocol": True, "options": {"listen": "443 ssl"}}
    # canonical, proxy_protocol, a port twice, hsts, listen ssl, no public name, *., and port 80 is missing
    assert len(faults({**SHOP, **keys, "tls": acme(), "nginx": nginx})) == 8


@pytest.mark.parametrize(
    "keys",
    [
        {"domains": ["*.example.com", "a.example.com"], "tls": dns(**COMMAND)},
        {"tls": dns(plugin="rfc2136", credentials=SECRET, wait=60)},
        {"tls": dns(**COMMAND, cleanup="x", environment={"A": SECRET}), "nginx": {"listen": 8080}},
        {"domains": ["shop.internal"], "tls": acme(directory="https://ca.shop.internal/acme", ca="/etc/root.pem")},
        {"domains": ["localhost", "192.0.2.1"], "tls": "selfsigned"},
        {"domains": ["192.0.2.1"], "tls": PATHS},
        # A proxy in front forwards port 80.
        {"tls": acme(), "nginx": {"listen": 8080, "trusted_proxies": "10.0.0.1"}},
        {"tls": acme(), "nginx": {"listen": ["192.0.2.1:80", 8080]}},
        {"domains": ["a.example.com", "b.example.com"], "canonical": "B.example.com"},
        {"tls": "selfsigned", "nginx": {"listen": "127.0.0.1:443", "listen_tls": "192.0.2.1:443"}},
        {"tls": "selfsigned", "nginx": {"hsts": 63072000}},
        {"tls": "selfsigned", "nginx": {"redirect": False}},
        {"nginx": {"proxy_protocol": True, "trusted_proxies": "10.0.0.0/8"}},
        {"tls": "selfsigned", "nginx": {"options": {"ssl_verify_client": "on", "ssl_client_certificate": "/ca.pem"}}},
        {"tls": "selfsigned", "nginx": {"options": {"listen": "8080 default_server", "return": "204"}}},
        # Without tls all earlier configurations work as before.
        {"nginx": {"options": {"listen": "443 ssl", "ssl_certificate": "/a.pem", "http2": True}}},
        {"nginx": {"options": {"return": "301 https://$host$request_uri"}}},
        {"settings": {"SECURE_PROXY_SSL_HEADER": ["HTTP_X", "https"]}, "tls": "selfsigned"},
    ],
)
def test_keys_that_can_be_combined(keys):
    assert completed(**keys)


# --- between sites of a host ---

BLOG = {"name": "blog", "domains": ["blog.example.com"]}


def test_https_listens_on_443_by_default():
    assert completed(tls="selfsigned")["nginx"]["listen_tls"] == [{"address": "", "port": 443}]
    assert completed(tls="selfsigned", nginx={"listen_tls": 8443})["nginx"]["listen_tls"] == [
        {"address": "", "port": 8443}
    ]


def test_a_port_of_https_cannot_be_a_port_of_uwsgi():
    [found] = faults({**SHOP, "tls": "selfsigned", "nginx": {"listen_tls": 8443}}, {**BLOG, "uwsgi": {"socket": 8443}})
    assert found == "site 'blog': uwsgi.socket has port 8443, on which nginx listens; change one"


def test_a_port_of_https_cannot_be_an_http_port_of_another_site():
    tls = {**SHOP, "tls": "selfsigned"}
    wanted = "site 'shop': nginx.listen_tls has 443, on which site 'blog' listens for http; change one of the "
    assert faults(tls, {**BLOG, "nginx": {"listen": [80, 443]}}) == [wanted + "ports"]
    assert faults({**BLOG, "nginx": {"listen": [80, "[::]:443"]}}, tls) == [wanted + "ports"]
    assert len(complete([tls, {**BLOG, "nginx": {"listen": "192.0.2.1:443"}}], example=str(EXAMPLE))) == 2
    assert len(complete([tls, {**BLOG, "tls": "selfsigned"}], example=str(EXAMPLE))) == 2
    # The workaround of one site together with the `tls` of another: both are https.
    assert len(complete([tls, {**BLOG, "nginx": {"options": {"listen": "443 ssl"}}}], example=str(EXAMPLE))) == 2


def test_sites_on_one_port_must_agree_about_the_proxy_protocol():
    behind = {"proxy_protocol": True, "trusted_proxies": "10.0.0.0/8"}
    assert faults({**SHOP, "nginx": behind}, BLOG) == [
        "site 'blog': nginx.proxy_protocol differs from that of site 'shop', and both listen on 80; nginx sets it for "
        "a port; make it equal, or use different ports"
    ]
    [found] = faults({**SHOP, "tls": "selfsigned", "nginx": {**behind, "listen": 8080}}, {**BLOG, "tls": "selfsigned"})
    assert "both listen on 443" in found
    others = [{**BLOG, "nginx": behind}, {**BLOG, "nginx": {"listen": 8080}}]
    for other in others:
        assert len(complete([{**SHOP, "nginx": behind}, {**other}], example=str(EXAMPLE))) == 2


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"tls": "none"}, ["tls", "nginx.listen_tls"]),
        ({"tls": PATHS}, ["tls"]),
        ({"canonical": "shop.example.com"}, ["canonical"]),
        ({"nginx": {"listen_tls": 8443}}, ["nginx.listen_tls"]),
        ({"nginx": {"redirect": False}}, ["nginx.redirect"]),
        ({"nginx": {"hsts": 604800}}, ["nginx.hsts"]),
        ({"nginx": {"trusted_proxies": "10.0.0.0/8"}}, ["nginx.trusted_proxies"]),
        (
            {"nginx": {"trusted_proxies": "10.0.0.0/8", "proxy_protocol": True}},
            ["nginx.trusted_proxies", "nginx.proxy_protocol"],
        ),
    ],
)
def test_sites_with_one_name_must_agree_about_https(keys, named):
    first = {**SHOP, "tls": "selfsigned"}
    found = faults(first, {**first, "name": "blog", "prefix": "/blog", **keys})
    assert [text.partition(": ")[2].partition(" differs")[0] for text in found] == named
    assert all(
        "they are one" in text or ("sites with the same domains are one server of nginx") in text for text in found
    )


def test_sites_with_one_name_that_agree_are_accepted():
    first = {**SHOP, "tls": acme(), "canonical": "shop.example.com"}
    assert len(complete([first, {**first, "name": "blog", "prefix": "/blog"}], example=str(EXAMPLE))) == 2


# --- names ---


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("shop.example.com", True),
        ("*.example.com", True),
        ("shop", False),
        ("shop.test", False),
        ("example", False),
        ("contest", False),
        ("shop.contest", True),
        ("athome.arpa", True),
    ],
)
def test_names_that_a_public_ca_issues_certificates_for(name, public):
    assert tls_conflicts.is_public(name) is public


@pytest.mark.parametrize(
    ("directory", "theirs"),
    [
        ("", True),
        ("https://acme-v02.api.letsencrypt.org/directory", True),
        ("https://LetsEncrypt.org:443", True),
        ("https://notletsencrypt.org/directory", False),
        ("https://[::::]/", False),
        ("https://ca.example.com/letsencrypt.org/", False),
        ("https://letsencrypt.org.example.com/", False),
        ("https://ca.internal:9000/acme/acme/directory", False),
    ],
)
def test_directories_of_lets_encrypt(directory, theirs):
    assert tls_conflicts.is_lets_encrypt(directory) is theirs


# --- between hosts ---


def test_http_challenge_is_refused_for_a_name_of_several_hosts():
    shared = {"shop.example.com": ["web1", "web2"], "www.example.com": ["web2"]}
    sites = {**SHOP, "domains": ["shop.example.com", "www.example.com"]}
    [found] = faults({**sites, "tls": acme()}, shared_names=shared)
    assert found == (
        "web_sites[0] 'shop': domains has shop.example.com, which the hosts web1, web2 have, and tls.acme.challenge is "
        "http; the CA connects to any one of them; use a dns challenge, or issue on one host and give the "
        "certificate and its key to the others"
    )
    shared["www.example.com"] = ["web2", "web3"]
    [found] = faults({**sites, "tls": acme()}, shared_names=shared)
    assert "domains has shop.example.com, www.example.com, which the hosts web1, web2, web3 have, and" in found
    [found] = faults({**SHOP, "domains": "*.example.com", "tls": acme()}, shared_names={"*.example.com": ["a", "b"]})
    assert "CAs issue certificates for *. with a dns challenge only" in found
    for tls in ("selfsigned", PATHS, dns(**COMMAND), "none"):
        assert complete([{**sites, "tls": tls}], example=str(EXAMPLE), shared_names=shared)


@pytest.mark.parametrize("key", ["command", "cleanup"])
@pytest.mark.parametrize("words", [["/bin/txt", "--token", SECRET, None], f"/bin/txt --token '{SECRET}"])
def test_a_token_on_the_command_line_of_a_dns_challenge_is_not_quoted(key, words):
    found = fault(tls=dns(**{**COMMAND, key: words}))
    assert found.startswith(f"web_sites[0] 'shop': tls.acme.challenge.dns.{key} is not usable; expected ")
    assert SECRET not in found


def test_certificates_for_ip_addresses_depend_on_the_certbot_of_the_host():
    assert completed(domains=["192.0.2.1"], tls=acme())["domains"] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("count", "directory", "refused"), [(100, "", False), (101, "", True), (101, "https://ca.example.com/dir", False)]
)
def test_a_certificate_of_lets_encrypt_has_at_most_a_hundred_names(count, directory, refused):
    site = {"domains": [f"n{number}.example.com" for number in range(count)], "tls": acme(directory=directory)}
    if refused:
        assert "domains has 101 names, and tls.acme.directory is Let's Encrypt's" in fault(**site)
    else:
        assert len(completed(**site)["domains"]) == count
