"""Managed files with the administrator's nginx.conf: where they are, which of its files change, and default servers."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.nginx import render
from nginx_hosts import MAIN, conf, host

HTTP = "user web;\nevents { worker_connections 4321; }\nhttp {\n    include mime.types;\n%s\n}\n"
BOTH = HTTP % "    include conf.d/*.conf;\n    include /etc/nginx/sites-enabled/*;"
CONF_D = HTTP % "    include /etc/nginx/conf.d/*.conf;"
ENABLED = HTTP % "    include sites-enabled/*;"
NEITHER = HTTP % "    gzip on;"
OTHER = "server {\n    listen 80;\n    server_name other;\n}\n"
SHOP = {"name": "shop", "domains": ["shop.example"], "source": {"path": "/srv/shop"}}
DEBIAN = {"user": "www-data", "layout": "sites_available", "modules": "/m/*.conf"}
REDHAT = {**DEBIAN, "user": "nginx", "layout": "conf_d"}


def files(facts, sites=(SHOP,), platform=None, **options):
    found = render.files(complete(list(sites)), platform or DEBIAN, host=facts, **options)
    paths = [file["path"] for file in found]
    assert len(paths) == len(set(paths))
    return {file["path"].removeprefix("/etc/nginx/"): file for file in found}


def there(found):
    return {path for path, file in found.items() if file.get("state", "present") == "present" and "edits" not in file}


def faults(facts, **options):
    with pytest.raises(InventoryError) as error:
        files(facts, **options)
    return error.value.faults


def site_of(found, path="conf.d/shop.conf"):
    return found[path]["vars"]["site"]


def edits(found, path="nginx.conf"):
    return [(edit["line"], edit["old"], edit["new"]) for edit in found[path]["edits"]] if path in found else []


# --- which nginx.conf is used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "ours"),
    [
        ({"main": "absent"}, True),
        ({"main": "ours", "foreign_files": ["/etc/nginx/conf.d/a.conf"]}, True),
        ({"main": "packaged"}, True),
        ({"main": "packaged", "foreign_files": ["/etc/nginx/conf.d/a.conf"]}, False),
        ({"main": "packaged", "beside": True}, False),
        ({"main": "foreign"}, False),
    ],
)
def test_nginx_conf_is_only_written_if_nothing_else_uses_it(facts, ours):
    found = files({**host(conf(main=BOTH)), "foreign_files": [], **facts})
    assert ("nginx.conf" in found) == ours
    if ours:
        assert found["nginx.conf"]["keep"]
        assert found["nginx.conf"]["marked"] == "pyweb.stack.nginx"
        assert bool(found["nginx.conf"].get("note")) == (facts["main"] == "packaged")


def test_user_is_that_of_the_existing_nginx_conf():
    assert files({"main": "packaged", "user": "nginx"})["nginx.conf"]["vars"]["nginx"]["user"] == "nginx"
    assert files({"main": "absent"})["nginx.conf"]["vars"]["nginx"]["user"] == "www-data"


@pytest.mark.parametrize(
    ("main", "platform", "layout", "wanted"),
    [
        (BOTH, DEBIAN, "auto", {"sites-available/shop.conf", "sites-enabled/shop.conf", "conf.d/pyweb_http.conf"}),
        (BOTH, REDHAT, "auto", {"conf.d/shop.conf", "conf.d/pyweb_http.conf"}),
        (BOTH, DEBIAN, "conf_d", {"conf.d/shop.conf", "conf.d/pyweb_http.conf"}),
        (CONF_D, DEBIAN, "auto", {"conf.d/shop.conf", "conf.d/pyweb_http.conf"}),
        (
            ENABLED,
            REDHAT,
            "auto",
            {"sites-available/shop.conf", "sites-enabled/shop.conf", "sites-enabled/pyweb_http.conf"},
        ),
    ],
)
def test_files_are_put_where_the_existing_nginx_conf_includes_them(main, platform, layout, wanted):
    found = files(host(conf(main=main)), platform=platform, layout=layout)
    assert there(found) == wanted | {"pyweb_uwsgi_params", render.DROP_IN}
    assert not any("edits" in file for file in found.values())
    assert (f"{MAIN} was not written by pyweb.stack and is not changed") in " ".join(
        file.get("note", "") for file in found.values()
    )


@pytest.mark.parametrize(
    ("facts", "descriptors"),
    [
        ({}, 65536),
        ({"worker_connections": "768"}, 65536),
        ({"worker_connections": "100000"}, 201024),
        ({"worker_connections": "1000000"}, 1048576),
        # A unit or drop-in of the administrator that sets a number has its reasons.
        ({"limit_nofile": True}, 0),
    ],
)
def test_nginx_gets_descriptors_for_the_connections_of_its_own_configuration(facts, descriptors):
    found = files({**host(conf(main=BOTH)), **facts})
    assert found[render.DROP_IN]["vars"] == {"descriptors": descriptors}


def test_nginx_gets_descriptors_for_the_connections_of_the_inventory():
    [drop_in] = [
        file
        for file in render.files(complete([SHOP]), DEBIAN, worker_connections=50000)
        if file["path"] == render.DROP_IN
    ]
    assert drop_in["vars"] == {"descriptors": 101024}


@pytest.mark.parametrize(
    ("platform", "layout", "idle", "include"),
    [
        (REDHAT, "auto", [], "include /etc/nginx/conf.d/*.conf;"),
        (DEBIAN, "auto", [], "include /etc/nginx/sites-enabled/*;"),
        (DEBIAN, "conf_d", [], "include /etc/nginx/conf.d/*.conf;"),
        # A file of the administrator that is not included stays so.
        (REDHAT, "auto", ["/etc/nginx/conf.d/old.conf"], "include /etc/nginx/sites-enabled/*;"),
    ],
)
def test_a_missing_include_is_added_at_the_end_of_the_http_block(platform, layout, idle, include):
    found = files(host(conf(main=NEITHER), idle_files=idle), platform=platform, layout=layout)
    assert edits(found) == [(6, "}", f"    {include}\n}}")]
    assert found["nginx.conf"]["keep"]
    assert (
        f"{include[:-1]} is added to the http block; before: /var/lib/pyweb.stack/kept{MAIN}"
        in found["nginx.conf"]["note"]
    )


def test_no_include_is_added_that_would_activate_unused_files():
    idle = ["/etc/nginx/conf.d/old.conf", "/etc/nginx/sites-enabled/older"]
    [fault] = faults(host(conf(main=NEITHER), idle_files=idle))
    assert "includes neither /etc/nginx/sites-enabled/* nor /etc/nginx/conf.d/*.conf in its http block" in fault
    assert "/etc/nginx/conf.d/old.conf, /etc/nginx/sites-enabled/older" in fault


WITHIN = HTTP % "    server {\n        include conf.d/*.conf;\n    }"


def test_managed_files_are_not_put_where_a_server_block_includes_them():
    """They would then be inside of that server."""
    found = files(host(conf(main=WITHIN)), platform=REDHAT)
    assert {"sites-available/shop.conf", "sites-enabled/shop.conf", "sites-enabled/pyweb_http.conf"} <= there(found)
    assert edits(found)[0][2] == "    include /etc/nginx/sites-enabled/*;\n}"


def test_nothing_is_added_if_every_directory_has_another_purpose():
    [fault] = faults(host(conf(main=WITHIN), idle_files=["/etc/nginx/sites-enabled/older"]))
    assert "these directories are used for something else: /etc/nginx/sites-enabled/older" in fault


def test_an_unreadable_nginx_conf_is_named_with_the_reason():
    [fault] = faults(host(conf(main="http {\n  gzip on\n}")))
    assert fault == f"{MAIN}, which pyweb.stack did not write, has no http block: {MAIN}:3: unexpected '}}'"


def test_a_pattern_that_does_not_match_every_site_does_not_count_as_an_include():
    main = HTTP % "    include conf.d/site-*.conf;\n    include conf.d/pyweb*.conf;"
    assert len(edits(files(host(conf(main=main)), platform=REDHAT))) == 1


def test_the_layout_inside_a_server_needs_a_managed_nginx_conf():
    [fault] = faults(host(conf(main=BOTH)), layout="default_d")
    assert "nginx_layout is default_d, which needs the /etc/nginx/nginx.conf" in fault


def test_without_debians_directories_the_sites_are_in_conf_d():
    found = files({"main": "packaged", "sites_enabled": False})
    assert "conf.d/shop.conf" in there(found)
    assert "sites-enabled/shop.conf" in there(files({"main": "absent", "sites_enabled": False}))


# --- the http level ---------------------------------------------------------------------------------------------------


def test_managed_defaults_only_apply_to_managed_servers_and_existing_values_are_kept():
    main = HTTP % "    gzip off;\n    keepalive_timeout 5;\n    include conf.d/*.conf;"
    found = files(host(conf(main=main)), platform=REDHAT)
    server = site_of(found)["server"]
    assert not {"gzip", "keepalive_timeout"} & set(server)
    assert server["server_tokens"] == ["off"]
    assert server["uwsgi_buffer_size"] == ["32k"]
    assert set(found["conf.d/pyweb_http.conf"]["vars"]["http"]) == {
        "server_names_hash_max_size",
        "server_names_hash_bucket_size",
    }


@pytest.mark.parametrize(
    ("theirs", "asked", "says"),
    [
        ("", {}, ["off"]),
        ("    server_tokens on;\n", {}, None),  # the existing value is inherited
        ("", {"server_tokens": True}, None),  # so is that of the inventory, at the http level
        ("    server_tokens on;\n", {"server_tokens": False}, ["off"]),
    ],
)
def test_the_server_for_unknown_names_does_not_show_the_version(theirs, asked, says):
    main = HTTP % f"{theirs}    include conf.d/*.conf;"
    site = {**SHOP, "tls": "selfsigned", "nginx": {"options": {"server_tokens": "build"}}}
    view = site_of(files(host(conf(main=main)), sites=[site], platform=REDHAT, options=asked))
    assert view["catch_all_server"].get("server_tokens") == says
    assert view["edges"][0]["server"].get("server_tokens") == says


def test_mime_types_are_included_if_the_existing_configuration_has_none():
    with_types = CONF_D.replace("include mime.types;", "types { text/css css; }")
    assert "include" not in site_of(files(host(conf(main=with_types)), platform=REDHAT))["server"]
    server = site_of(files(host(conf(main=CONF_D)), platform=REDHAT))["server"]
    assert server["include"] == ["/etc/nginx/mime.types"]


def test_options_of_the_inventory_are_put_where_nginx_allows_them():
    main = (
        HTTP
        % "    ssl_protocols TLSv1.3;\n    map_hash_max_size 4096;\n    add_header X-A 1;\n    include conf.d/*.conf;"
    )
    asked = {"ssl_protocols": "TLSv1.2", "gzip_comp_level": 5, "map_hash_max_size": 4096, "add_header": "X-B 2"}
    found = files(host(conf(main=main)), platform=REDHAT, options=asked)
    http = found["conf.d/pyweb_http.conf"]["vars"]["http"]
    assert (http["gzip_comp_level"], http["add_header"]) == (["5"], ["X-B 2"])
    assert "map_hash_max_size" not in http  # the existing configuration has the same value
    assert site_of(found)["server"]["ssl_protocols"] == ["TLSv1.2"]


def test_options_that_cannot_be_set_are_refused_and_named():
    main = HTTP % "    map_hash_max_size 2048;\n    include conf.d/*.conf;"
    [fault] = faults(host(conf(main=main)), options={"map_hash_max_size": 4096})
    assert fault.startswith(
        "nginx_options has map_hash_max_size, which /etc/nginx/nginx.conf:5 has too; nginx allows it once"
    )
    main = HTTP % "    map $a $b { default 1; }\n    include conf.d/*.conf;"
    [fault] = faults(host(conf(main=main)), options={"map_hash_bucket_size": 128})
    assert "only before the first map, which is in /etc/nginx/nginx.conf:5" in fault


@pytest.mark.parametrize(
    ("given", "fault"), [(1024, ""), (4321, ""), (2048, "was not written by pyweb.stack and says 4321; set it there")]
)
def test_worker_connections_are_those_of_the_existing_configuration(given, fault):
    if fault:
        assert fault in faults(host(conf(main=BOTH)), worker_connections=given)[0]
    else:
        files(host(conf(main=BOTH)), worker_connections=given)


# --- the default server -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "name", "catch_all", "edit"),
    [
        ("", "shop", True, None),
        (OTHER.replace("80", "81"), "shop", True, None),
        (OTHER, "shop", False, None),  # read before the managed files
        (OTHER, "alpha", False, (2, "listen 80;", "listen 80 default_server;")),  # read after the managed files
        (OTHER.replace("80;", "80 default_server;"), "alpha", False, None),
        (OTHER.replace("80;", "*:80 default;"), "alpha", False, None),
        (
            OTHER.replace("    listen 80;\n", ""),
            "alpha",
            False,
            (1, "server {", "server {\n    listen 80 default_server;"),
        ),
        (OTHER.replace("80", "[::]:80"), "alpha", True, None),
    ],
)
def test_a_port_with_an_existing_default_server_gets_no_catch_all(other, name, catch_all, edit):
    facts = host(conf(main=CONF_D, other=other))
    site = {**SHOP, "name": name}
    found = files(facts, [site], REDHAT, ipv6=False)
    assert site_of(found, f"conf.d/{name}.conf")["catch_all"] == (["80"] if catch_all else [])
    assert edits(found, "conf.d/other.conf") == ([edit] if edit else [])


def test_a_managed_default_server_is_kept():
    mine = "# pyweb.stack.nginx: site shop.\nserver { listen 80; server_name shop.example; }\n"
    facts = host(conf(main=CONF_D, shop=mine, zeta=OTHER), main="ours")
    found = files(facts, platform=REDHAT, ipv6=False)
    assert site_of(found)["catch_all"] == ["80"]
    assert edits(found, "conf.d/zeta.conf") == []
    # A new site that nginx reads even earlier does not change existing files.
    assert edits(files(facts, [SHOP, {**SHOP, "name": "a", "domains": ["a"]}], REDHAT), "conf.d/zeta.conf") == []


def test_the_server_of_els_nginx_conf_stays_the_default_although_it_is_read_last():
    main = HTTP % f"    include conf.d/*.conf;\n{OTHER}"
    found = files(host(conf(main=main)), platform=REDHAT, ipv6=False)
    assert edits(found) == [(7, "listen 80;", "listen 80 default_server;")]
    assert site_of(found)["catch_all"] == []


def test_removing_the_packages_site_leaves_no_other_default_server():
    default = "server { listen 80 default_server; server_name _; }\n"
    path = "/etc/nginx/conf.d/default.conf"
    facts = host(conf(main=CONF_D, default=default), defaults=[path], packaged_defaults=[path])
    found = files(facts, platform=REDHAT, ipv6=False)
    assert site_of(found)["catch_all"] == ["80"]
    assert found["conf.d/default.conf"] == {
        "path": path,
        "state": "absent",
        "keep": True,
        "note": f"{path}, the packages' default site, is disabled",
    }


def test_a_site_also_listens_on_the_addresses_of_existing_servers():
    other = OTHER.replace("80;", "192.0.2.7:80;").replace(
        "}", "    listen 127.0.0.1:81;\n    listen [2001:db8::1]:80;\n}"
    )
    found = files(host(conf(main=CONF_D, other=other)), platform=REDHAT, ipv6=True)
    assert site_of(found)["listen"] == ["80", "192.0.2.7:80", "[::]:80", "[2001:db8::1]:80"]
    assert site_of(found)["catch_all"] == ["80", "[::]:80"]


def test_a_port_with_one_existing_socket_for_both_families_is_shared():
    other = OTHER.replace("80;", "[::]:80 ipv6only=off;")
    for ipv6 in (True, False):
        found = files(host(conf(main=CONF_D, other=other)), platform=REDHAT, ipv6=ipv6)
        assert site_of(found)["listen"] == ["[::]:80"]


# --- a host without IPv6 ----------------------------------------------------------------------------------------------

EL = HTTP % "    include conf.d/*.conf;\nserver {\n    listen 80 default_server;\n    listen [::]:80 default_server;\n}"


@pytest.mark.parametrize(("kernel", "live", "edited"), [(False, [], True), (False, [80], False), (True, [], False)])
def test_ipv6_is_disabled_if_nginx_could_not_start_with_it(kernel, live, edited):
    found = files(host(conf(main=EL), live_ipv6=live), platform=REDHAT, kernel_ipv6=kernel)
    wanted = (8, "listen [::]:80 default_server;", "# listen [::]:80 default_server;\n")
    assert edits(found) == ([wanted] if edited else [])
    assert ("because this host has no IPv6" in found.get("nginx.conf", {}).get("note", "")) == edited


def test_a_server_with_only_ipv6_is_refused():
    main = EL.replace("    listen 80 default_server;\n", "")
    [fault] = faults(host(conf(main=main)), kernel_ipv6=False)
    assert fault.startswith("/etc/nginx/nginx.conf:6 listens on IPv6 only, and this host has none")


# --- removal of the last site -----------------------------------------------------------------------------------------

GONE = {**SHOP, "state": "absent"}


def test_the_last_site_removes_everything_and_restores_previous_files():
    kept = [MAIN, "/etc/nginx/sites-enabled/default"]
    found = files({"main": "ours", "kept": kept, "sites": ["shop"]}, [GONE])
    assert {path for path, file in found.items() if file["state"] == "kept"} == {"nginx.conf", "sites-enabled/default"}
    assert found["nginx.conf"]["marked"] == "pyweb.stack.nginx"
    absent = {path for path, file in found.items() if file["state"] == "absent"}
    assert absent >= {"pyweb_uwsgi_params", "conf.d/pyweb_http.conf", "sites-enabled/pyweb_http.conf", render.DROP_IN}
    assert {"conf.d/shop.conf", "sites-available/shop.conf", "sites-enabled/shop.conf"} <= absent
    assert all(file["marked"] for path, file in found.items() if path in absent)


@pytest.mark.parametrize(
    ("facts", "sites", "leaves"),
    [
        ({"main": "ours", "sites": ["shop"]}, [GONE], True),
        ({"main": "foreign", "sites": []}, [GONE], True),
        ({"main": "ours", "sites": ["shop", "another"]}, [GONE], False),
        ({"main": "ours", "sites": ["shop"]}, [GONE, {**SHOP, "name": "b", "domains": ["b"]}], False),
        ({"main": "ours", "sites": []}, [], False),
        ({}, [GONE], False),
    ],
)
def test_managed_files_are_removed_when_no_site_is_left(facts, sites, leaves):
    assert render.leaves(complete(sites), facts) == leaves


@pytest.mark.parametrize(("options", "back"), [("default_server", False), ("", True)])
def test_the_packages_site_stays_disabled_if_another_default_server_exists_now(options, back):
    link = "/etc/nginx/sites-enabled/default"
    other = OTHER.replace("listen 80", f"listen 80 {options}")
    facts = host(conf(main=BOTH, other=other), main="ours", sites=["shop"], kept=[MAIN, link])
    found = files(facts, [GONE])
    assert found["nginx.conf"]["state"] == "kept"
    assert ("sites-enabled/default" in found) is back


# --- conflicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "listen", "said"),
    [
        (
            "shop.example",
            "80",
            "shop.example on *:80 is served by /etc/nginx/conf.d/other.conf:1, which pyweb.stack did not write",
        ),
        ("x SHOP.example", "[::]:80", "shop.example on [::]:80 is served by"),
        (".example", "80", ""),
        (".shop.example", "80", "shop.example on *:80"),
        ("*.example", "80", ""),
        ("~^shop", "80", ""),
        ("shop.example", "81", ""),
        ("shop.example", "192.0.2.7:80", "shop.example on 192.0.2.7:80"),
        ("_", "80", ""),
    ],
)
def test_a_name_of_an_existing_server_is_refused(names, listen, said):
    other = OTHER.replace("80", listen).replace("server_name other", f"server_name {names}")
    facts = host(conf(main=CONF_D, other=other))
    if said:
        assert f"site 'shop': {said}" in faults(facts, platform=REDHAT)[0]
    else:
        files(facts, platform=REDHAT)


ALL = "0.0.0.0"  # noqa: S104 - an address in /proc


@pytest.mark.parametrize(
    ("holder", "listen", "said"),
    [
        (
            (ALL, "apache2", "apache2.service"),
            80,
            "nginx cannot listen on *:80, because apache2 (pid 7, apache2.service) does",
        ),
        (("::", "java", ""), 80, "nginx cannot listen on *:80, because java (pid 7) does"),
        (("127.0.0.1", "", ""), 80, "nginx cannot listen on *:80, because a process that /proc does not show does"),
        (("127.0.0.1", "x", ""), "192.0.2.7:80", ""),
        (("::1", "x", ""), "127.0.0.1:80", ""),
        ((ALL, "x", ""), 81, ""),
    ],
)
def test_a_port_of_another_process_is_refused_once(holder, listen, said):
    address, name, unit = holder
    taken = [{"address": address, "port": 80, "name": name, "pid": 7, "unit": unit}]
    facts = {"main": "absent", "taken": taken}
    site = {**SHOP, "nginx": {"listen": [listen]}}
    if said:
        found = faults(facts, sites=[site])
        assert len(found) == 1
        assert found[0] == f"site 'shop': {said}; stop that, or give the site another port with nginx.listen"
    else:
        files(facts, [site])


def test_the_link_that_the_packages_will_create_is_removed_but_not_an_existing_one():
    assert files({"main": "absent"})["sites-enabled/default"] == {
        "path": "/etc/nginx/sites-enabled/default",
        "state": "absent",
        "keep": True,
    }
    assert "sites-enabled/default" not in files({"main": "absent", "default_link": True})
    assert "sites-enabled/default" not in files({"main": "ours", "default_link": True})
