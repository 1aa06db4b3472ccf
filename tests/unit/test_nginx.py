"""nginx's files for given sites: which files there are, and every template against its golden file.

`UPDATE_GOLDEN=1 pytest tests/unit/test_nginx.py` rewrites the golden files; read the diff before you commit it.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import comment
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import render as nginx
from nginx_hosts import conf, host

HERE = Path(__file__).parent
ROLE = HERE.parents[1] / "roles/nginx"
GOLDEN = HERE / "golden/nginx"
PLATFORMS = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__nginx_platforms"]
DEBIAN, REDHAT = PLATFORMS["Debian"], PLATFORMS["RedHat"]

SHOP = {"name": "shop", "domains": ["shop.example.com", "www.shop.example.com"], "source": {"path": "/srv/shop"}}


def shop(**nginx_keys):
    return {**SHOP, "nginx": nginx_keys}


def acme(**more):
    return {"acme": {"email": "web@example.com", **more}}


# The administrator's configuration: its server is the default of port 80, and it sets gzip.
THEIRS = conf(
    main="http {\n    gzip off;\n    types {\n    }\n    include conf.d/*.conf;\n}",
    other="server {\n    listen 80;\n    server_name other;\n}",
)
# Its server also serves https, under another name and with another certificate.
THEIRS_TLS = conf(
    main="http {\n    include mime.types;\n    ssl_protocols TLSv1 TLSv1.2;\n    include conf.d/*.conf;\n}",
    other="server {\n    listen 443 ssl;\n    server_name other;\n}",
)
SCENARIOS = {
    "plain": ([SHOP], DEBIAN, {}),
    "ipv6_off": ([SHOP], DEBIAN, {"ipv6": "off"}),
    "el": ([SHOP], REDHAT, {}),
    "port_8080": ([shop(listen=[8080, "127.0.0.1:8081", "localhost:8082", "[::1]:8083"])], REDHAT, {}),
    "tcp_two_ports": (
        [
            {**SHOP, "uwsgi": {"socket": ["127.0.0.1:8001", {"address": "10.0.0.2:8002", "public": True}]}},
            {"name": "old", "state": "absent"},
        ],
        DEBIAN,
        {},
    ),
    "default_d": ([SHOP], REDHAT, {"layout": "default_d"}),
    "options_and_locations": (
        [
            shop(
                client_max_body_size="1g",
                charset="koi8-r",
                read_timeout=300,
                static={"url": "/assets.v1/", "path": "/srv/assets"},
                options={"add_header": ["X-A 1", "X-Content-Type-Options nosniff"], "uwsgi_param": "LANG de"},
                locations={"= /robots.txt": {"return": "200 'User-agent: *'"}, "~ ^/(a|b)$": {"deny": "all"}},
            )
        ],
        DEBIAN,
        {"options": {"gzip": False, "map_hash_max_size": 4096}, "worker_connections": "4096", "catch_all": False},
    ),
    "beside": (
        [shop(listen=[80, 8080])],
        REDHAT,
        {"host": host(THEIRS), "options": {"gzip": True, "gzip_comp_level": 5, "add_header": ["X-A 1", "X-B 2"]}},
    ),
    "prefix": ([{**SHOP, "prefix": "/shop.v1"}], DEBIAN, {}),
    "prefix_default_d": ([{**SHOP, "prefix": "/shop"}], REDHAT, {"layout": "default_d"}),
    "one_name": (
        [
            {**SHOP, "name": "cart", "prefix": "/cart", "nginx": {"static": False, "client_max_body_size": "1g"}},
            SHOP,
            {**SHOP, "name": "blog", "prefix": "/blog"},
        ],
        DEBIAN,
        {},
    ),
    "one_name_with_nothing_above": (
        [{**SHOP, "name": name, "prefix": f"/{name}", "nginx": {"media": False}} for name in ("cart", "blog")],
        REDHAT,
        {},
    ),
    "no_static_no_media": ([shop(static=False, media=False)], DEBIAN, {}),
    "selfsigned_1_22": (
        [{**shop(hsts=604800, locations={"/a": {"add_header": "X-A 1", "return": "204"}}), "tls": "selfsigned"}],
        DEBIAN,
        {"version": "1.22.1", "options": {"add_header": "X-B 2"}},
    ),
    "selfsigned_1_26": ([{**SHOP, "tls": "selfsigned"}], DEBIAN, {"version": "1.26.3"}),
    "acme": (
        [{**shop(listen_tls=[8443]), "domains": ["shop.example.com"], "tls": acme()}],
        REDHAT,
        {"version": "1.26.3"},
    ),
    "acme_without_redirect": (
        [
            {
                **shop(redirect=False),
                "canonical": "shop.example.com",
                "tls": acme(),
            }
        ],
        REDHAT,
        {"version": "1.22.1", "catch_all": False, "options": {"ssl_protocols": "TLSv1.3"}},
    ),
    "canonical": (
        [
            {
                **shop(hsts=300),
                "domains": ["*.example.com", "shop.example.com", "example.com"],
                "canonical": "shop.example.com",
                "tls": acme(challenge={"dns": {"command": ["/usr/local/bin/txt"]}}),
            }
        ],
        DEBIAN,
        {"version": "1.22.1"},
    ),
    "canonical_without_tls": (
        [{**shop(listen=[8080]), "canonical": "shop.example.com"}],
        DEBIAN,
        {"version": "1.22.1"},
    ),
    "prefix_pair_tls": (
        [{**SHOP, "name": name, "prefix": f"/{name}", "tls": acme()} for name in ("cart", "blog")],
        REDHAT,
        {"version": "1.26.3"},
    ),
    "default_d_tls": ([{**SHOP, "tls": "selfsigned"}], REDHAT, {"layout": "default_d", "version": "1.22.1"}),
    "trusted_proxies": (
        [
            {
                **shop(trusted_proxies=["10.0.0.0/8", "2001:db8::7"], hsts=300, listen_tls=[8443]),
                "name": "my-shop",
                "tls": acme(),
            }
        ],
        DEBIAN,
        {"version": "1.22.1"},
    ),
    "trusted_proxies_without_tls": (
        [{**shop(trusted_proxies=["10.0.0.0/8"], listen=[8080]), "canonical": "shop.example.com"}],
        DEBIAN,
        {"version": "1.22.1"},
    ),
    "proxy_protocol": (
        [{**shop(trusted_proxies=["10.0.0.0/8"], proxy_protocol=True), "tls": acme()}],
        DEBIAN,
        {"version": "1.26.3"},
    ),
    "beside_tls": ([{**SHOP, "tls": "selfsigned"}], REDHAT, {"host": host(THEIRS_TLS), "version": "1.22.1"}),
    "ip_address": (
        [{**SHOP, "tls": "selfsigned"}, {**SHOP, "name": "ip", "domains": ["192.0.2.1"], "tls": "selfsigned"}],
        REDHAT,
        {"version": "1.22.1", "ipv6": False},
    ),
    "without_ssl_reject_handshake": ([{**SHOP, "tls": "selfsigned"}], REDHAT, {"version": "1.18.0"}),
}


def files(sites, platform, options):
    return nginx.files(complete(sites), platform, **options)


@functools.cache
def environment():
    """Ansible's template lookup as far as necessary: it trims blocks and keeps the last newline."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is not HTML
    )
    made.filters["comment"] = comment
    return made


def rendered(sites, platform, options):
    """Return path to text, rendered as by Ansible's template lookup."""
    result = {}
    for one in files(sites, platform, options):
        if "template" in one:
            text = environment().get_template(one["template"]).render(ansible_managed="Ansible managed", **one["vars"])
            result[one["path"]] = text
        elif "link" in one:
            result[one["path"]] = f"link to {one['link']}\n"
    return result


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name):
    """A scenario's golden file has the differences from the plain scenario."""
    plain = {} if name == "plain" else rendered(*SCENARIOS["plain"])
    texts = {path: text for path, text in rendered(*SCENARIOS[name]).items() if plain.get(path) != text}
    found = "".join(f"==> {path} <==\n{text}\n" for path, text in texts.items())
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_every_template_has_a_golden_file():
    used = {one["template"] for scenario in SCENARIOS.values() for one in files(*scenario) if "template" in one}
    there = {str(path.relative_to(ROLE / "templates")) for path in (ROLE / "templates").rglob("*.j2")}
    macros = {"etc/nginx/site.j2", "etc/nginx/https.j2", "etc/nginx/extras.j2"}
    assert there - used == macros


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_file_has_the_mark_by_which_it_is_recognized_and_removed(name):
    for path, text in rendered(*SCENARIOS[name]).items():
        assert nginx.MARK in text or re.fullmatch(r"link to \.\./sites-available/[a-z-]+\.conf\n", text), path


@pytest.mark.parametrize(
    ("layout", "there"),
    [
        ("conf_d", {"conf.d/shop.conf"}),
        ("sites_available", {"sites-available/shop.conf", "sites-enabled/shop.conf"}),
        ("default_d", {"default.d/shop.conf", "conf.d/uwsgi_shop.conf"}),
    ],
)
def test_each_layout_has_its_files_and_removes_those_of_the_others(layout, there):
    found = files([SHOP], DEBIAN, {"layout": layout})
    mine = {one["path"][len("/etc/nginx/") :]: one for one in found if "shop" in one["path"]}
    assert {path for path, one in mine.items() if one.get("state") != "absent"} == there
    assert len(mine) == 6
    assert all(one["marked"] for one in mine.values() if one.get("state") == "absent")


def test_absent_site_leaves_no_files_and_changes_no_other():
    found = files([SHOP, {"name": "old", "state": "absent"}], DEBIAN, {})
    old = [one for one in found if "old" in one["path"]]
    assert len(old) == 6
    assert {one["state"] for one in old} == {"absent"}
    paths = [one["path"] for one in found]
    assert len(paths) == len(set(paths))


def test_nginx_does_not_listen_without_sites():
    found = rendered([], DEBIAN, {})
    assert not any("listen" in text for text in found.values())


def test_site_named_default_keeps_its_file():
    found = files([{**SHOP, "name": "default"}], DEBIAN, {})
    absent = [one["path"] for one in found if one.get("state") == "absent"]
    assert "/etc/nginx/sites-enabled/default.conf" not in absent
    assert "/etc/nginx/sites-enabled/default" in absent


@pytest.mark.parametrize(
    ("given", "kernel", "listens"),
    [("auto", True, True), ("auto", False, False), (True, False, True), ("on", False, True), ("off", True, False)],
)
def test_ipv6(given, kernel, listens):
    found = rendered([SHOP], REDHAT, {"ipv6": given, "kernel_ipv6": kernel})
    # Of the catch-all server and of the site.
    assert found["/etc/nginx/conf.d/shop.conf"].count("listen [::]:80;") == (2 if listens else 0)


def test_catch_all_comes_first_on_every_port_of_the_site():
    text = rendered([SHOP], REDHAT, {})["/etc/nginx/conf.d/shop.conf"]
    assert text.index("return 444;") < text.index("server_name shop.example.com")
    assert "return 444" not in rendered([SHOP], REDHAT, {"catch_all": False})["/etc/nginx/conf.d/shop.conf"]


@pytest.mark.parametrize(
    ("sites", "options", "fault"),
    [
        ([SHOP], {"ipv6": "maybe"}, "nginx_ipv6 is 'maybe'; expected auto, true or false"),
        ([SHOP], {"layout": "conf.d"}, "nginx_layout is 'conf.d'; did you mean 'conf_d'?"),
        ([SHOP, {**SHOP, "name": "b", "domains": ["b"]}], {"layout": "default_d"}, "nginx_sites has 2: shop, b"),
        ([shop(listen=["[::1]:80"])], {"ipv6": False}, "site 'shop': nginx.listen has [::1]:80, but IPv6 is off"),
        (
            [SHOP],
            {"options": {"gzip": "on; evil"}},
            "nginx_options is a mapping; expected arguments without ; { } # outside of quotes",
        ),
        ([SHOP], {"worker_connections": 0}, "nginx_worker_connections is 0; expected a whole number from 16"),
    ],
)
def test_fault(sites, options, fault):
    with pytest.raises(InventoryError) as error:
        files(sites, DEBIAN, options)
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


def test_all_faults_are_listed_together():
    with pytest.raises(InventoryError) as error:
        files([SHOP], DEBIAN, {"ipv6": "x", "layout": "y", "worker_connections": "z"})
    assert len(error.value.faults) == 3
