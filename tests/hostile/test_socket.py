"""A uwsgi socket accepts only requests: who can connect to it cannot run commands."""

from __future__ import annotations

import json
import textwrap

import pytest
from conftest import LOCAL, World, connects

# What a local user sends: a packet for each variable with which uWSGI loads other code, and for each plugin.
SEND = """
import json, os, socket, struct, sys
BASE = dict(REQUEST_METHOD="GET", REQUEST_URI="/healthz", PATH_INFO="/healthz", QUERY_STRING="", SERVER_NAME="a",
            HTTP_HOST=sys.argv[2], SERVER_PROTOCOL="HTTP/1.1", SERVER_PORT="80", REMOTE_ADDR="127.0.0.1")
MARK = "/dev/shm/pwned"
RUN = "exec://id > " + MARK

def send(variables, modifier=0, base=BASE):
    pairs = [*base.items(), *variables]
    words = [word.encode() for pair in pairs for word in pair]
    body = b"".join(struct.pack("<H", len(word)) + word for word in words)
    where = sys.argv[1]
    unix = where.startswith("/")
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as link:
        link.settimeout(10)
        link.connect(where if unix else ("127.0.0.1", int(where)))
        link.sendall(struct.pack("<BHB", modifier, len(body), 0) + body)
        answer = b""
        try:
            while block := link.recv(65536):
                answer += block
        except OSError:
            pass
    ran = os.path.exists(MARK)
    if ran:
        os.unlink(MARK)
    return [answer.split(b"\\r\\n")[0].decode("latin-1"), ran]

names = ["FILE", "HOME", "APPID", "CHDIR", "SCRIPT", "MODULE", "PYHOME", "SETENV", "POSTFILE", "CALLABLE", "CACHE_GET",
         "TOUCH_RELOAD"]
found = {"plain": send([])}
for name in names:
    found[name] = send([("SCRIPT_NAME", "/" + name), ("UWSGI_" + name, RUN)])
found["twice"] = send([("SCRIPT_NAME", "/twice"), ("UWSGI_FILE", ""), ("UWSGI_FILE", RUN)])
found["last empty"] = send([("SCRIPT_NAME", "/last"), ("UWSGI_FILE", RUN), ("UWSGI_FILE", "")])
for modifier in range(1, 256):
    found[f"file by {modifier}"] = send([("SCRIPT_NAME", f"/{modifier}"), ("UWSGI_FILE", RUN)], modifier)
    found[f"plain by {modifier}"] = send([], modifier)
    found[f"empty by {modifier}"] = send([], modifier, {})
print(json.dumps(found))
"""


def sent(world: World, user: str, where: str, domain: str) -> dict[str, tuple[str, bool]]:
    world.host.told("cat > /usr/local/lib/send.py && chmod 644 /usr/local/lib/send.py", stdin=textwrap.dedent(SEND))
    done = world.run_as(user, f"/usr/bin/python3 /usr/local/lib/send.py {where} {domain}")
    assert done.returncode == 0, done.stderr
    return {name: (line, ran) for name, (line, ran) in json.loads(done.stdout).items()}


def nginx(world: World) -> str:
    return world.host.told("stat -c %G /run/sites/shop").strip()


@pytest.fixture(scope="module")
def unix_socket(world: World) -> str:
    return world.host.told("realpath /opt/sites/shop/current/uwsgi.sock").strip()


@pytest.fixture(scope="module")
def packets(world: World, unix_socket: str) -> dict[str, dict[str, tuple[str, bool]]]:
    """Return the responses to the packets of nginx's user, who may connect to both sockets."""
    user = nginx(world)
    return {"tcp": sent(world, user, "8001", "blog.example"), "unix": sent(world, user, unix_socket, "shop.example")}


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_no_packet_runs_a_command(packets: dict[str, dict[str, tuple[str, bool]]], kind: str) -> None:
    found = packets[kind]
    assert found["plain"] == ("HTTP/1.1 200 OK", False)
    assert [name for name, (_line, ran) in found.items() if ran] == []
    for name, (line, _ran) in found.items():
        if name.isupper() or name == "twice" or name.startswith("file by"):
            assert line == "HTTP/1.1 403 Forbidden", name


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_packet_for_any_plugin_is_a_request_or_rejected(
    packets: dict[str, dict[str, tuple[str, bool]]], kind: str
) -> None:
    found = packets[kind]
    assert {line for name, (line, _ran) in found.items() if name.startswith("plain by")} == {"HTTP/1.1 200 OK"}
    assert {line for name, (line, _ran) in found.items() if name.startswith("empty by")} == {"HTTP/1.0 400 No Request"}


def test_another_local_user_cannot_connect_to_a_unix_socket(world: World, unix_socket: str) -> None:
    done = world.run_as(LOCAL, f"/usr/bin/python3 /usr/local/lib/send.py {unix_socket} shop.example")
    assert done.returncode != 0
    assert "PermissionError" in done.stderr


def test_only_nginx_and_root_can_connect_to_a_tcp_port(world: World) -> None:
    """Even after a reload of the firewall, and after a reboot."""

    def limited() -> bool:
        assert connects(world, nginx(world))
        assert connects(world, "root")
        return not connects(world, LOCAL) and not connects(world, "site-shop")

    assert limited()
    world.host.told("firewall-cmd --reload && firewall-cmd --complete-reload")
    assert limited()
    world.host.restart()
    assert limited()


def test_a_request_with_200_headers_is_answered(world: World) -> None:
    headers = " ".join(f"-H 'X-Header-{number}: {number}'" for number in range(200))
    asked = f"curl -s -o /dev/null -w '%{{http_code}}' {headers} -H 'Host: shop.example' http://127.0.0.1/healthz"
    assert world.host.told(asked) == "200"


def test_an_environment_value_that_systemd_cannot_read_is_refused(world: World) -> None:
    """By the model or by the release."""
    before = world.host.told("readlink /opt/sites/shop/current")
    run = world.play(world.inventory.with_("shop", env={"GOOD": "1", "BROKEN": "a\ufffeb"}))
    assert run.status
    assert "'shop'" in run.error
    assert "BROKEN" in run.error
    assert world.host.told("readlink /opt/sites/shop/current") == before
