"""Faults of an inventory are reported once, by the filter's error or by the missing variable."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.plugin_utils.inventory_faults import said

ROOT = Path(__file__).resolve().parents[2]
SITES = "web_sites | pyweb.stack.sites is sequence"


def raised(outer, *causes):
    """Return an exception with its causes, the innermost last."""
    error = outer
    for inner in causes:
        error.__cause__ = inner
        error = inner
    return outer


def test_faults_of_the_inventory_are_found_anywhere_in_the_chain_of_causes():
    faults = InventoryError("nginx", ["a", "b"])
    chain = raised(AnsibleError("conditional"), AnsibleFilterError("filter: a\nb"), faults)
    assert said(chain) == "a\nb\nnginx has 2 faults"
    assert said(raised(AnsibleError("other"), ValueError("x"))) == ""


def test_a_circular_chain_of_causes_ends():
    first, second = AnsibleError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert said(first) == ""


def test_a_missing_variable_is_named():
    error = AnsibleError(
        "The conditional check failed. The error was: 'vault_secret' is undefined. 'vault_secret' is x"
    )
    assert said(error).startswith(
        "a variable that the inventory uses has no value: 'vault_secret' is undefined; define"
    )


@pytest.mark.parametrize(
    ("sites", "lines"),
    [
        (
            [{"name": "shop", "domains": ["a.example"], "domain": 1}],
            ["web_sites[0] 'shop': unknown key 'domain'; did you mean 'domains'?", "no host was touched"],
        ),
        (
            [{"name": "shop", "domains": ["a.example"], "env": {"SECRET": "{{ vault_secret }}"}}],
            [
                "a variable that the inventory uses has no value: 'vault_secret' is undefined; define it for this host "
                "(group_vars, host_vars, a vault file), or pass it with -e",
                "no host was touched",
            ],
        ),
    ],
)
def test_ansible_shows_them_once(tmp_path, sites, lines):
    check = {"that": SITES, "fail_msg": "no host was touched", "quiet": True}
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"web_sites": sites}}
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "tasks": [{"pyweb.stack.check": check}]}]))
    environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        ["ansible-playbook", str(tmp_path / "play.yml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment, "COLUMNS": "400"},
        check=False,
    )
    assert done.returncode == 2
    told = done.stdout + done.stderr
    assert "caused by" not in told
    shown = [line.strip() for line in done.stdout.partition("FAILED!")[2].splitlines()]
    assert [line for line in shown if line in lines] == lines, told
