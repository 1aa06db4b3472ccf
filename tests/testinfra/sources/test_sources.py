"""Sites with every source of code, Python and uWSGI answer."""

from __future__ import annotations

import re

import pytest

PAGES = {
    "tutorial": "/admin/login/",
    "plain": "/admin/login/",
    "archived": "/",
    "private": "/",
    "filed": "/",
    "started": "/admin/login/",
}


@pytest.mark.parametrize("name", PAGES)
def test_page_and_its_static_files_are_served(http, name):
    page = http(f"{name}.example", PAGES[name])
    assert page.status == 200
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.body)
    assert linked
    for path in linked:
        assert http(f"{name}.example", path).status == 200, path


def test_tutorial_runs_in_place_as_its_author(host):
    assert host.run("readlink -f /opt/sites/tutorial/current/src").stdout.strip() == "/home/huatai/works/mysite"
    assert host.run("readlink -f /opt/sites/tutorial/current/venv").stdout.strip() == "/home/huatai/venv"
    # A master and two workers.
    assert len(host.process.filter(user="huatai", comm="uwsgi")) == 3
    assert host.file("/home/huatai").mode == 0o700
    assert host.file("/home/huatai/venv/bin/uwsgi").user == "huatai"


def test_tutorial_has_a_compiled_uwsgi_of_the_configured_version(host):
    assert host.run("/home/huatai/venv/bin/uwsgi --version").stdout.strip() == "2.0.31"
    # An ELF binary, not the wheel's Python script.
    assert host.run("head -c 4 /home/huatai/venv/bin/uwsgi | tail -c 3").stdout == "ELF"


def test_tutorial_socket_has_the_configured_mode(host):
    socket = host.run("readlink -f /opt/sites/tutorial/current/uwsgi.sock").stdout.strip()
    assert host.file(socket).mode == 0o664


def test_plain_uses_the_system_python_and_uwsgi(host):
    assert host.run("readlink -f /opt/sites/plain/current/uwsgi").stdout.startswith(("/usr/bin/", "/usr/sbin/"))
    assert not host.file("/opt/sites/plain/current/venv").exists
    assert "\nhome" not in host.file("/opt/sites/plain/current/uwsgi.ini").content_string


def test_archived_has_uwsgi_from_the_tarball_in_its_virtualenv(host):
    binary = host.run("readlink -f /opt/sites/archived/current/uwsgi").stdout.strip()
    assert binary.startswith("/opt/sites/archived/virtualenvs/")
    assert host.run(f"{binary} --version").stdout.strip() == "2.0.31"
    assert host.run(f"head -c 4 {binary} | tail -c 3").stdout == "ELF"


def test_deploy_key_is_not_stored_on_the_host(host):
    key = host.file("/srv/deploy_key").content_string.splitlines()[2]
    found = host.run(f"grep -rlF {key} /opt /etc /var/lib /var/cache /var/log /home/huatai /root /run")
    assert found.stdout == ""


def test_git_history_is_not_deployed(host):
    assert host.file("/opt/sites/private/current/src/manage.py").exists
    assert not host.file("/opt/sites/private/current/src/.git").exists
