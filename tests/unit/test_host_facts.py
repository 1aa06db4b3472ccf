"""The module host_facts: its facts, and on request what the repositories offer."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible_collections.pyweb.stack.plugins.modules import host_facts
from module_args import patch_module_args


@pytest.mark.parametrize(
    ("arguments", "more"),
    [({}, {}), ({"offered": ["a", "b"]}, {"pyweb_offered": ["b"]}), ({"offered": []}, {"pyweb_offered": []})],
)
def test_repositories_are_only_read_on_request(monkeypatch, capsys, arguments, more):
    asked = []

    def offered(_module, names):
        asked.append(names)
        return names[1:]

    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_words, **_more: None)
    monkeypatch.setattr(host_facts, "facts", lambda _module: {"os_family": "Debian", "pyweb": {}})
    monkeypatch.setattr(host_facts.state, "look", lambda _module: {"main": "absent"})
    monkeypatch.setattr(host_facts.acme_found, "facts", lambda _run: {"certbot": "2.1.0"})
    monkeypatch.setattr(host_facts.packages, "offered", offered)
    with patch_module_args({"_ansible_check_mode": True, **arguments}), pytest.raises(SystemExit):
        host_facts.main()
    result = json.loads(capsys.readouterr().out)
    assert (result["changed"], result["ansible_facts"]) == (
        False,
        {
            "os_family": "Debian",
            "pyweb": {"nginx": {"main": "absent"}, "acme": {"certbot": "2.1.0"}},
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
        ({"remember": "before"}, "Debian", 1000, []),  # later tasks report that root is required
    ],
)
def test_state_before_the_first_run_is_recorded(monkeypatch, capsys, arguments, family, uid, noted):
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
