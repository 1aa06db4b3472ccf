"""The module host_facts: the facts, and on demand what the repositories offer."""

from __future__ import annotations

import json
from unittest.mock import MagicMock

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pyweb.stack.plugins.action import host_facts as action
from ansible_collections.pyweb.stack.plugins.modules import host_facts


@pytest.mark.parametrize(
    ("arguments", "more"),
    [({}, {}), ({"offered": ["a", "b"]}, {"pyweb_offered": ["b"]}), ({"offered": []}, {"pyweb_offered": []})],
)
def test_only_who_asks_waits_for_the_repositories(monkeypatch, capsys, arguments, more):
    asked = []

    def offered(_module, names):
        asked.append(names)
        return names[1:]

    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
    monkeypatch.setattr(host_facts, "facts", lambda _module: {"os_family": "Debian", "pyweb": {}})
    monkeypatch.setattr(host_facts.state, "look", lambda _module: {"main": "absent"})
    monkeypatch.setattr(host_facts.packages, "offered", offered)
    with patch_module_args({"_ansible_check_mode": True, **arguments}), pytest.raises(SystemExit):
        host_facts.main()
    result = json.loads(capsys.readouterr().out)
    assert (result["changed"], result["ansible_facts"]) == (
        False,
        {
            "os_family": "Debian",
            "pyweb": {"nginx": {"main": "absent"}},
            **more,
        },
    )
    assert asked == ([arguments["offered"]] if more else [])


@pytest.mark.parametrize(
    ("arguments", "family", "uid", "noted"),
    [
        ({"remember": "before"}, "Debian", 0, ["before git"]),
        ({"remember": "packages"}, "RedHat", 0, ["packages git"]),
        ({}, "Debian", 0, []),
        ({"remember": "before", "_ansible_check_mode": True}, "Debian", 0, []),
        ({"remember": "before"}, "Suse", 0, []),  # no role changes anything there
        ({"remember": "before"}, "Debian", 1000, []),  # what follows says that it needs root
    ],
)
def test_what_is_noted(monkeypatch, capsys, arguments, family, uid, noted):
    told = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
    monkeypatch.setattr(host_facts, "facts", lambda _module: {"os_family": family, "pyweb": {"packages": ["git"]}})
    monkeypatch.setattr(host_facts.os, "geteuid", lambda: uid)
    monkeypatch.setattr(host_facts.memory, "remember", lambda _run, names: told.append(f"before {' '.join(names)}"))
    monkeypatch.setattr(host_facts.memory, "note_packages", lambda names: told.append(f"packages {' '.join(names)}"))
    with patch_module_args(arguments), pytest.raises(SystemExit):
        host_facts.main()
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert told == noted


FACTS = {
    "os_family": "Debian",
    "distribution": "Debian",
    "distribution_version": "12.5",
    "distribution_major_version": "12",
}
PLATFORMS = {"Debian-12": "Debian 12", "RedHat-9": "CentOS Stream 9"}


def on_the_controller(monkeypatch, arguments, answer):
    """Return what the action makes of a module's answer, and what it handed the module."""
    task = MagicMock(args=arguments, async_val=0, action="x", environment=None)
    plugin = action.ActionModule(task, MagicMock(), MagicMock(check_mode=False), MagicMock(), MagicMock(), MagicMock())
    calls = []
    monkeypatch.setattr(plugin, "_execute_module", lambda **given: calls.append(given["module_args"]) or dict(answer))
    return plugin.run(task_vars={"inventory_hostname": "web1"}), calls


@pytest.mark.parametrize(
    ("platforms", "facts", "refused"),
    [
        (PLATFORMS, {}, ""),
        ({}, {"distribution_major_version": "7"}, ""),
        (
            PLATFORMS,
            {"distribution_version": "11.9", "distribution_major_version": "11"},
            "web1 is Debian 11.9; this collection knows Debian 12, CentOS Stream 9",
        ),
        (PLATFORMS, {"os_family": "RedHat", "distribution": "Fedora"}, "web1 is Fedora 12.5; this collection knows"),
    ],
)
def test_a_platform_that_nobody_knows_is_refused(monkeypatch, platforms, facts, refused):
    answer = {"changed": False, "ansible_facts": {**FACTS, **facts}}
    result, calls = on_the_controller(monkeypatch, {"platforms": platforms, "remember": "before"}, answer)
    assert calls == [{"remember": "before"}]
    assert result.get("failed", False) == bool(refused)
    assert result.get("msg", "").startswith(refused)
    # A failure shows all that is in it, and there are hundreds of packages.
    assert ("ansible_facts" in result) == (not refused)


def test_a_host_that_cannot_be_looked_at_says_why(monkeypatch):
    answer = {"failed": True, "msg": "it needs root"}
    assert on_the_controller(monkeypatch, {"platforms": PLATFORMS}, answer)[0] == answer
