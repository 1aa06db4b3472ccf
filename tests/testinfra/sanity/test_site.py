"""One site on a bare host: it is served over HTTPS, runs as its own user, and the firewall allows its ports."""

from __future__ import annotations

import http.client as http_client
import re

import pytest


def test_page_is_served_with_its_static_files(https):
    page = https("mysite.example")
    assert page.status == 200
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.body)
    assert linked
    for path in linked:
        assert https("mysite.example", path).status == 200, path


def test_http_redirects_to_https(http):
    answer = http("mysite.example", "/healthz?a=b")
    assert (answer.status, answer.headers["location"]) == (308, "https://mysite.example/healthz?a=b")


def test_cookies_are_secure(https):
    cookies = https("mysite.example", "/admin/login/").headers["set-cookie"]
    assert "Secure" in [word.strip() for word in cookies.split(";")]


def test_djangos_deploy_check_finds_no_issues(host):
    done = host.run("/opt/sites/mysite/manage check --deploy --fail-level WARNING")
    assert done.rc == 0, done.stderr
    # W005 and W021 are about SECURE_HSTS_SECONDS, which is not set.
    assert "no issues (2 silenced)" in done.stdout + done.stderr


def test_unknown_host_gets_no_answer(http, https):
    # nginx closes the connection without a response (444).
    with pytest.raises((http_client.RemoteDisconnected, ConnectionResetError)):
        http("unknown.example")
    # Over TLS, it sends no certificate.
    with pytest.raises(OSError, match=r"(?i)unrecognized.name|reset by peer"):
        https("unknown.example")


def test_firewall_allows_http_https_and_ssh(host):
    assert host.run("firewall-cmd --state").stdout.strip() == "running"
    for suffix in ("", " --permanent"):
        services = re.search(r"services: (.*)", host.check_output(f"firewall-cmd --list-all{suffix}"))[1].split()
        assert {"http", "https", "ssh"} <= set(services)


def test_nginx_configuration_is_valid_without_warnings(host):
    done = host.run("nginx -t")
    assert done.rc == 0
    assert "warn" not in done.stderr


def test_site_runs_as_its_own_user(host):
    processes = [process for process in host.process.filter(user="site-mysite") if "uwsgi.ini" in process.args]
    assert processes
    assert all("/opt/sites/mysite/" in process.args for process in processes)


def test_services_are_enabled_at_boot(host):
    for name in ("nginx", "firewalld", "uwsgi-mysite"):
        assert host.service(name).is_enabled, name
