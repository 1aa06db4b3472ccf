"""The SELinux module for given sites. Its effect is tested on a host with a real policy."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.selinux import BUS, policy

SHOP = {"name": "shop", "domains": ["shop.example.com"], "source": {"path": "/srv/shop"}}
SOCKET = "  (allow httpd_t unconfined_service_t (unix_stream_socket (connectto))))"
CONNECT = "(allow httpd_t port_type (tcp_socket (name_connect)))"
BIND = "(allow httpd_t port_type (tcp_socket (name_bind)))"
CONTEXT = "any (system_u object_r {} ((s0) (s0))))"


def told(**keys):
    return policy(complete([{**SHOP, **keys}]))


def test_a_site_with_a_unix_socket():
    found = told()
    assert found["text"].splitlines()[1 : -len(BUS)] == [
        '(filecon "/run/sites/shop(/.*)?" ' + CONTEXT.format("httpd_var_run_t"),
        '(filecon "/var/lib/sites/shop/media(/.*)?" ' + CONTEXT.format("httpd_sys_content_t"),
        "; No web server may talk by itself to a service that the policy has no rules for.",
        "(optional pyweb_service",
        SOCKET,
    ]
    assert found["paths"] == ["/run/sites/shop", "/var/lib/sites/shop/media"]


@pytest.mark.parametrize(
    ("keys", "rules"),
    [
        ({"uwsgi": {"socket": "127.0.0.1:8001"}}, {CONNECT}),
        ({"nginx": {"listen": [80, 8443]}}, {SOCKET}),
        ({"nginx": {"listen": [81, 5555]}}, {SOCKET, BIND}),
        ({"tls": "selfsigned"}, {SOCKET}),
        ({"tls": "selfsigned", "nginx": {"listen_tls": [5555]}}, {SOCKET, BIND}),
        ({"nginx": {"upstream": ["unix:/run/x.sock", "10.0.0.1:9000"]}}, {SOCKET, CONNECT}),
    ],
)
def test_only_what_a_site_needs_is_allowed(keys, rules):
    lines = told(**keys)["text"].splitlines()
    assert {line for line in lines if line.lstrip().startswith("(allow httpd_t")} == rules


def test_special_characters_of_a_path_are_escaped():
    text = told(nginx={"media": {"path": "/srv/a.b+c"}, "static": False})["text"]
    assert r'(filecon "/srv/a\.b\+c(/.*)?" ' in text


def test_an_absent_site_has_no_rules():
    found = policy(complete([{"name": "shop", "state": "absent"}]))
    assert found == {"text": "; Written by pyweb.stack: change the inventory instead.\n", "paths": []}


def test_nginx_can_read_the_answers_to_the_challenge_of_a_ca():
    asked = told(tls={"acme": {}})
    assert "/var/lib/pyweb-acme" in asked["paths"]
    label = CONTEXT.format("httpd_sys_content_t")
    assert f'(filecon "{re.escape("/var/lib/pyweb-acme")}(/.*)?" {label}' in asked["text"]
    assert "/var/lib/pyweb-acme" not in told(tls="selfsigned")["paths"]
    assert "/var/lib/pyweb-acme" not in told(tls={"acme": {"challenge": {"dns": {"command": ["/bin/x"]}}}})["paths"]


def test_the_rule_names_the_domain_that_the_policy_has():
    assert "(allow httpd_t initrc_t (unix_stream_socket" in policy(complete([SHOP]), "initrc_t")["text"]
    # A host without SELinux that is prepared for it has no policy to read.
    assert SOCKET in policy(complete([SHOP]), "")["text"].splitlines()


def test_types_that_a_policy_may_lack_are_optional():
    """An optional block is a list, so its parentheses are balanced; anything outside is a separate rule."""
    text = told(uwsgi={"socket": "127.0.0.1:8001"})["text"]
    for line in text.splitlines():
        if "unconfined_t" in line or "initrc_t" in line or "unconfined_service_t" in line:
            assert line.startswith("  ")
    code = re.sub(r'"[^"]*"|;.*', "", text)
    assert code.count("(") == code.count(")")


@pytest.mark.parametrize("root", ["/srv/sites", "/home/huatai/works"])
def test_builds_in_another_root_get_the_labels_of_opt(root):
    text = policy(complete([SHOP], {"sites": root}))["text"]
    labels = {line.split('"')[1]: line.split("object_r ")[1].split()[0] for line in text.splitlines() if '"' in line}
    place = re.escape(root)
    assert labels[f"{place}(/.*)?"] == "usr_t"
    assert labels[f"{place}/(.*/)?bin(/.*)?"] == "bin_t"
    assert labels[rf"{place}/.*\.so(\.[^/]*)*"] == "lib_t"


@pytest.mark.parametrize("root", ["/opt/sites", "/opt", "/usr/local/sites"])
def test_paths_below_opt_and_usr_have_labels_in_the_policy(root):
    assert "bin_t" not in policy(complete([SHOP], {"sites": root}))["text"]
