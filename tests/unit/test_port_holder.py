"""Which process uses a port, with real processes."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import port_holder
from ansible_collections.pyweb.stack.plugins.module_utils.host.identity import user_name

NGINX = "[emerg] bind() to 0.0.0.0:{} failed (98: Address already in use)"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()[1]


def test_holder_is_named_with_its_id_and_its_user(listener):
    found = port_holder.holder(listener)
    assert found.endswith(f"(pid {os.getpid()}, {user_name(os.geteuid())})")


def test_a_free_port_has_no_holder():
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    assert port_holder.holder(port) == ""


@pytest.mark.parametrize(
    "line",
    [NGINX, "nginx: [emerg] bind() to [::]:{} failed (98: Unknown error)", "bind: 0.0.0.0:{}: Address already in use"],
)
def test_a_port_in_use_is_explained(listener, line):
    found = port_holder.explained(line.format(listener))
    assert found.startswith(f"{line.format(listener)}: port {listener} is taken by ")
    assert f"(pid {os.getpid()}, " in found
    assert found.endswith(
        f"; stop that process (ss -ltnp 'sport = :{listener}'), or let one of the two use another port"
    )


def test_a_holder_that_is_not_visible_is_another_process(monkeypatch):
    monkeypatch.setattr(port_holder, "holder", lambda _port: "")
    assert "in use): another process has port 80; stop" in port_holder.explained(NGINX.format(80))


def test_a_port_that_selinux_forbids():
    line = "[emerg] bind() to 0.0.0.0:8099 failed (13: Permission denied)"
    wanted = f"{line}; where SELinux is on: semanage port -a -t http_port_t -p tcp 8099"
    assert port_holder.explained(line) == wanted


@pytest.mark.parametrize("line", ["", "[emerg] unknown directive", "open() /x:80 failed (2: No such file)"])
def test_other_lines_are_unchanged(line):
    assert port_holder.explained(line) == line
