"""Which ports SELinux allows nginx by default, which paths are labelled, and how the module is loaded and removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from ansible_collections.pyweb.stack.plugins.module_utils.selinux import policy

SHOP = {"name": "shop", "domains": ["shop.example.com"], "source": {"path": "/srv/shop"}}
BIND = "(allow httpd_t port_type (tcp_socket (name_bind)))"


def listening(*ports):
    return BIND in policy(complete([{**SHOP, "nginx": {"listen": list(ports)}}]))["text"].splitlines()


# http_port_t and http_cache_port_t of Fedora's policy (corenetwork.te.in).
@pytest.mark.parametrize("port", [80, 81, 443, 488, 8008, 8009, 8080, 8118, 8123, 8443, 9000, 10001, 10010])
def test_a_web_port_needs_no_rule(port):
    assert not listening(port)


@pytest.mark.parametrize("port", [82, 442, 8000, 8081, 8444, 9001, 10000, 10011])
def test_other_ports_need_a_rule(port):
    assert listening(port)
    assert listening(80, port)
    assert listening(port, 80)


def labels(**nginx):
    found = policy(complete([{**SHOP, "nginx": nginx}]))
    lines = [line for line in found["text"].splitlines() if line.startswith("(filecon")]
    assert [line.split('"')[1].removesuffix("(/.*)?").replace("\\", "") for line in lines] == found["paths"]
    return {path: line.split("object_r ")[1].split()[0] for path, line in zip(found["paths"], lines)}


@pytest.mark.parametrize(
    ("nginx", "wanted"),
    [
        ({}, {"/var/lib/sites/shop/media"}),
        ({"media": False}, set()),
        ({"media": {"path": "/data/m"}}, {"/data/m"}),
        ({"static": {"path": "/data/s"}, "media": False}, {"/data/s"}),
        ({"static": {"path": "/data/s"}, "media": {"path": "/data/m"}}, {"/data/m", "/data/s"}),
        # The policy allows all domains to read below these two.
        ({"static": {"path": "/opt/s"}, "media": {"path": "/usr/m"}}, set()),
        ({"static": {"path": "/optional"}, "media": {"path": "/usrm"}}, {"/optional", "/usrm"}),
    ],
)
def test_files_that_nginx_serves_get_a_readable_label(nginx, wanted):
    found = labels(**nginx)
    assert found.pop("/run/sites/shop") == "httpd_var_run_t"
    assert found == dict.fromkeys(wanted, "httpd_sys_content_t")


def test_one_module_has_the_rules_of_all_sites():
    tcp = {"name": "blog", "domains": ["b"], "source": {"path": "/srv/b"}, "uwsgi": {"socket": "127.0.0.1:8001"}}
    gone = {"name": "old", "state": "absent"}
    sites = complete([SHOP, {**tcp, "nginx": {"listen": [5555]}}, gone])
    found = policy(sites)
    assert [line for line in found["text"].splitlines() if line.lstrip().startswith("(allow httpd_t")] == [
        "  (allow httpd_t unconfined_service_t (unix_stream_socket (connectto))))",
        "(allow httpd_t port_type (tcp_socket (name_connect)))",
        BIND,
    ]
    assert found["paths"] == [
        "/run/sites/blog",
        "/run/sites/shop",
        "/var/lib/sites/blog/media",
        "/var/lib/sites/shop/media",
    ]
    # Independent of the order of the sites, or a second run would change something.
    assert policy(list(reversed(sites))) == found


# --- rules for other programs ---


def test_firewalld_may_answer_root_if_the_policy_has_its_type():
    lines = policy(complete([SHOP]))["text"].splitlines()
    start = lines.index("(optional pyweb_firewalld")
    assert lines[start + 1] == "  (allow firewalld_t unconfined_t (dbus (send_msg))))"


@pytest.mark.parametrize("status", [0, 1])
def test_a_module_without_its_file_is_removed_if_it_is_loaded(tmp_path, status):
    program = tmp_path / "semodule"
    program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\nexit {status}\n')
    program.chmod(0o755)
    script = (Path(__file__).resolve().parents[2] / "roles/nginx/files/selinux.sh").read_text()
    words = ["sh", "-c", script, "semodule", str(tmp_path / "gone.cil")]
    done = subprocess.run(words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert done.returncode == 0
    assert (tmp_path / "asked").read_text() == "--remove=pyweb_stack\n"
