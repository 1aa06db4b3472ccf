"""The action plugins: what they pass to the modules, and which values they keep secret."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.pyweb.stack.plugins.action import django_build, uwsgi_release, uwsgi_rollback
from ansible_collections.pyweb.stack.plugins.module_utils.build import tree
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete
from test_run_hosts import HostVars

ROOT = Path(__file__).resolve().parents[2]
SECRET = "correct-horse-battery"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"
SHOP = {
    "name": "shop",
    "domains": ["shop.example.com"],
    "env": {"TOKEN": SECRET},
    "database": f"postgres://shop:{SECRET}@db/shop",
    "superuser": {"username": "admin", "password": SECRET},
    "source": {"git": f"https://token:{SECRET}@git.example.com/shop.git", "key": KEY},
}


def action(module, monkeypatch, arguments, answers):
    """Return an action plugin whose module returns `answers`, one per call; `.calls` has the arguments."""
    task = MagicMock(args=arguments, async_val=0, action="x", environment=None)
    connection = MagicMock()
    connection._shell.tmpdir = "/remote/tmp"
    connection._shell.join_path = lambda *parts: "/".join(parts)
    one = module.ActionModule(task, connection, MagicMock(check_mode=False), MagicMock(), MagicMock(), MagicMock())
    one.calls, one.brought = [], {}

    def execute(module_name, module_args, task_vars):
        assert module_name == "pyweb.stack." + module.__name__.rpartition(".")[2]
        one.calls.append(dict(module_args))
        return dict(answers.pop(0))

    def transfer(local, remote):
        with tarfile.open(local) as tar:
            one.brought[remote] = sorted(tar.getnames())
        return remote

    monkeypatch.setattr(one, "_execute_module", execute)
    monkeypatch.setattr(one, "_transfer_file", transfer)
    monkeypatch.setattr(one, "_remove_tmp_path", lambda path: None)
    return one


@pytest.mark.parametrize("module", [django_build, uwsgi_release])
def test_secrets_are_passed_only_in_the_no_log_parameter(monkeypatch, module):
    arguments = {"sites": complete([SHOP]), "web_group": "nginx"}
    if module is django_build:
        arguments["environment"] = {"https_proxy": f"http://u:{SECRET}@proxy:3128"}
    one = action(module, monkeypatch, arguments, [{"changed": False}])
    assert one.run(task_vars={})["changed"] is False
    [given] = one.calls
    secrets = json.loads(given.pop("secrets"))
    assert SECRET not in json.dumps(given)
    assert given["web_group"] == "nginx"
    assert given["sites"][0]["name"] == "shop"
    assert secrets["sites"]["shop"]["env"] == {"TOKEN": SECRET}
    assert secrets["sites"]["shop"]["key"] == KEY + "\n"
    if module is django_build:
        assert secrets["environment"] == {"https_proxy": f"http://u:{SECRET}@proxy:3128"}


@pytest.mark.parametrize(
    ("once", "found"), [(True, {"shop": False}), (False, None)], ids=["with a step for one host", "without such a step"]
)
def test_the_module_is_told_which_host_runs_the_steps_of_one_host(monkeypatch, once, found):
    """Variables of other hosts are read only if a site has such a step: reading them renders the host's templates."""
    steps = ["migrate", {"manage": "rebuild_index", "once": once}]
    one = action(uwsgi_release, monkeypatch, {"sites": complete([{**SHOP, "release": steps}])}, [{"changed": False}])
    hostvars = HostVars({host: {"web_sites": '=[{"name": "shop"}]'} for host in ("web1", "web2")})
    if not once:
        monkeypatch.setattr(hostvars, "raw_get", lambda host: pytest.fail(f"{host} was read"))
    one.run(task_vars={"inventory_hostname": "web2", "groups": {"all": ["web1", "web2"]}, "hostvars": hostvars})
    assert one.calls[0].get("first") == found


def test_the_command_is_sent_only_to_a_host_that_lacks_it(monkeypatch):
    """The call also has what the doctor must know of each present site; none of it is secret."""
    given = [{**SHOP, "tls": "selfsigned"}, {"name": "gone", "state": "absent"}]
    for answers in ([{"changed": False}], [{"command_wanted": True}, {"changed": True, "command": "/usr/bin/pyweb"}]):
        one = action(uwsgi_release, monkeypatch, {"sites": complete(given)}, list(answers))
        result = one.run(task_vars={})
        assert (result["changed"], "command_wanted" in result) == (answers[-1]["changed"], False)
        assert len(one.calls) == len(answers)
        first, last = one.calls[0], one.calls[-1]
        assert "command_content" not in first
        assert list(first["doctor"]) == ["shop"]
        assert (first["doctor"]["shop"]["name"], first["doctor"]["shop"]["tls"]) == ("shop", "selfsigned")
        assert len(first["command_sources"]) == 64
        assert first["collection_version"] == yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
        assert SECRET not in json.dumps(first["doctor"])
    content = base64.b64decode(last["command_content"])
    assert content.startswith(b"#!/usr/bin/python3 -I\n")
    assert first["command_sources"].encode() in content
    assert "complete -F" in last["command_completion"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [({"every": "10m"}, {"every": 600, "metrics": ""}), (False, False), ({}, {"every": 300, "metrics": ""})],
)
def test_the_timer_is_passed_in_its_normalized_form(monkeypatch, given, wanted):
    arguments = {"sites": complete([SHOP]), "doctor_timer": given}
    one = action(uwsgi_release, monkeypatch, arguments, [{"changed": False}])
    one.run(task_vars={})
    assert one.calls[0]["doctor_timer"] == wanted


def test_an_invalid_timer_is_not_sent_to_a_host(monkeypatch):
    one = action(uwsgi_release, monkeypatch, {"sites": complete([SHOP]), "doctor_timer": {"every": "1s"}}, [])
    with pytest.raises(AnsibleActionFail, match=r"doctor_timer\.every is '1s'"):
        one.run(task_vars={})
    assert one.calls == []


def test_a_rollback_passes_no_secret_and_says_who_rolls_back(monkeypatch):
    monkeypatch.setattr(uwsgi_rollback, "who", lambda: "anna@desk")
    arguments = {"sites": complete([SHOP]), "site": "shop", "to": "0123456789ab", "ignore_migrations": True}
    plugin = action(uwsgi_rollback, monkeypatch, arguments, [{"changed": True, "release": "0123456789ab"}])
    assert plugin.run(task_vars={})["release"] == "0123456789ab"
    [given] = plugin.calls
    assert SECRET not in json.dumps(given)
    [site] = given.pop("sites")
    assert (site["name"], site["paths"]["root"]) == ("shop", "/opt/sites/shop")
    assert given == {"site": "shop", "to": "0123456789ab", "ignore_migrations": True, "who": "anna@desk"}


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ({}, None),
        ({"workers": {"a": {"run": "x"}}, "timers": {"b": {"run": "x", "at": "daily"}}}, None),
        ({"workers": {"a": {"run": "x", "singleton": True}}}, {"shop": False}),
        ({"timers": {"b": {"run": "x", "at": "daily", "hosts": "first"}}}, {"shop": False}),
    ],
)
def test_a_host_is_told_whether_it_is_the_first_only_if_it_matters(monkeypatch, keys, first):
    one = action(uwsgi_release, monkeypatch, {"sites": complete([{**SHOP, **keys}])}, [{"changed": False}])
    hostvars = MagicMock()
    hostvars.raw_get = lambda host: {"web_sites": [SHOP]}
    groups = {"all": ["web1", "web2"]}
    one.run(task_vars={"hostvars": hostvars, "groups": groups, "inventory_hostname": "web2"})
    assert one.calls[0].get("first") == first


@pytest.mark.parametrize("module", [django_build, uwsgi_release, uwsgi_rollback])
@pytest.mark.parametrize("arguments", [{}, {"sites": "shop"}])
def test_sites_must_be_a_list(monkeypatch, module, arguments):
    with pytest.raises(AnsibleActionFail, match=r"expected web_sites \| pyweb\.stack\.sites"):
        action(module, monkeypatch, arguments, []).run(task_vars={})


@pytest.fixture
def code(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/manage.py").write_text("")
    return tmp_path / "code"


def test_a_small_directory_is_sent_with_the_call(monkeypatch, code):
    sites = complete([{**SHOP, "source": {"directory": str(code)}}])
    one = action(django_build, monkeypatch, {"sites": sites}, [{"changed": False, "made": []}])
    one.run(task_vars={})
    [given] = one.calls
    assert given["sites"][0]["source"]["digest"] == tree.digest(str(code))
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(given["inline"]["shop"]))) as tar:
        assert tar.getnames() == ["manage.py"]
    assert one.brought == {}


def test_a_source_that_cannot_be_packed_is_a_fault_of_its_site(monkeypatch, code):
    sites = complete(
        [{**SHOP, "source": {"directory": str(code)}}, {**SHOP, "name": "blog", "domains": ["blog.example"]}]
    )
    pack = MagicMock(side_effect=PermissionError(13, "Permission denied", "/code/x"))
    monkeypatch.setattr(tree, "pack", pack)
    one = action(django_build, monkeypatch, {"sites": sites}, [{"changed": False, "made": []}])
    one.run(task_vars={})
    [arguments] = one.calls
    assert list(arguments["unpacked"]) == ["shop"]
    assert arguments["unpacked"]["shop"] == "the controller cannot read the source: /code/x: Permission denied"


@pytest.fixture
def big(code):
    (code / "noise").write_bytes(os.urandom(django_build.INLINE))
    return code


def test_a_large_directory_is_known_by_its_digest_and_not_sent_if_the_build_exists(monkeypatch, big):
    sites = complete([{**SHOP, "source": {"directory": str(big)}}])
    one = action(django_build, monkeypatch, {"sites": sites}, [{"changed": False, "made": []}])
    one.run(task_vars={})
    assert one.calls[0]["sites"][0]["source"]["digest"] == tree.digest(str(big))
    assert one.calls[0]["inline"] == {}
    assert one.brought == {}


def test_a_large_directory_that_is_needed_is_sent_once(monkeypatch, big):
    sites = complete([{**SHOP, "source": {"directory": str(big)}}])
    answers = [
        {"changed": True, "made": ["shop: a user"], "uploads_wanted": ["shop"]},
        {"changed": True, "made": ["shop: build x"], "builds": {"shop": {"id": "x"}}},
    ]
    one = action(django_build, monkeypatch, {"sites": sites}, answers)
    result = one.run(task_vars={})
    there = f"/remote/tmp/shop-{tree.digest(str(big))}.tar.gz"
    assert one.brought == {there: ["manage.py", "noise"]}
    assert one.calls[1]["uploads"] == {"shop": there}
    assert result["made"] == ["shop: a user", "shop: build x"]
    assert result["changed"] is True
    assert result["builds"]["shop"]["id"] == "x"
    assert "uploads_wanted" not in result


@pytest.mark.parametrize("module", [django_build, uwsgi_release])
def test_a_module_that_crashes_shows_no_secret_in_any_form(monkeypatch, module):
    """Its output is then not a result of the module, and Ansible prints it."""
    password = "it's a/secret=ü"
    quoted = "it%27s%20a%2Fsecret%3D%C3%BC"
    source = {"archive": f"https://git.example.com/a.tgz?token={quoted}"}
    arguments = {"sites": complete([{**SHOP, "env": {"TOKEN": password}, "source": source}])}
    encoded = base64.b64encode(f"user:{password}".encode()).decode()
    died = {
        "failed": True,
        "msg": f"MODULE FAILURE {password}",
        "module_stderr": f"KeyError: {password!r} https://git.example.com/a.tgz?token={quoted}",
        "module_stdout": f"Authorization: Basic {encoded}",
        "exception": repr({"a": password}),
        "diff": [{"after": password}],
        "builds": {"shop": {"id": "a" * 12}},
    }
    result = action(module, monkeypatch, arguments, [died]).run(task_vars={})
    text = repr(result)
    for form in (password, password.replace("'", "\\'"), quoted, "a/secret", "secret", encoded[8:-4]):
        assert form not in text
    assert result["builds"] == {"shop": {"id": "a" * 12}}
