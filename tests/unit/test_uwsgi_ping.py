"""The module uwsgi_ping: its request, and how it uses the answer."""

from __future__ import annotations

import errno
import json

import pytest
from ansible.module_utils import basic
from ansible_collections.pyweb.stack.plugins.module_utils.uwsgi.protocol import Answer, ProtocolError
from ansible_collections.pyweb.stack.plugins.modules import uwsgi_ping
from module_args import patch_module_args

ADDRESS = "unix:/run/shop.sock"


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the module with a server that returns or raises `answer`; record the requests."""

    def run(answer, check=False, **arguments):
        asked = []

        def ask(*words):
            asked.append(words)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
        monkeypatch.setattr(uwsgi_ping.protocol, "ping", ask)
        monkeypatch.setattr(uwsgi_ping.protocol, "request", ask)
        monkeypatch.setattr(uwsgi_ping.protocol, "kind", lambda *words: asked.append(words) or "http")
        with (
            patch_module_args({"address": ADDRESS, "_ansible_check_mode": check, **arguments}),
            pytest.raises(SystemExit),
        ):
            uwsgi_ping.main()
        result = json.loads(capsys.readouterr().out)
        result.pop("invocation", None)
        return result, asked

    return run


@pytest.mark.parametrize("check", [True, False])
def test_without_a_host_a_ping_is_sent(call, check):
    result, asked = call(0.25, check)
    assert result == {"changed": False, "server": "uwsgi", "elapsed": 0.25}
    assert asked == [(ADDRESS, 10)]


@pytest.mark.parametrize(
    ("status", "wanted", "complaint"),
    [
        (200, [], ""),
        (499, [], ""),
        (500, [], "unix:/run/shop.sock answered 500 to a.example/x?y; expected below 500"),
        (404, [404, 410], ""),
        (200, [404, 410], "unix:/run/shop.sock answered 200 to a.example/x?y; expected 404 or 410"),
        (503, [503], ""),
    ],
)
def test_the_status_of_an_answer_decides(call, status, wanted, complaint):
    answer = Answer(status, "why", 1.5, {"x": "y"}, b"body")
    result, asked = call(answer, host="a.example", path="/x?y", status=wanted, timeout=3)
    assert asked == [(ADDRESS, "a.example", "/x?y", 3)]
    found = {"server": "uwsgi", "status": status, "headers": {"x": "y"}, "elapsed": 1.5}
    if complaint:
        assert result == {"failed": True, "msg": complaint, **found}
    else:
        assert result == {"changed": False, **found}


@pytest.mark.parametrize("host", [None, "a.example"])
def test_no_answer_is_reported_with_the_reason_and_the_process(call, host):
    result, asked = call(ProtocolError(ADDRESS, "nobody listens", errno.ECONNREFUSED), host=host, timeout=2)
    assert result == {"failed": True, "msg": "unix:/run/shop.sock: nobody listens", "server": "http"}
    assert asked[-1] == (ADDRESS, 2)
