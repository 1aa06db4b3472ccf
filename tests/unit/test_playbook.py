"""playbooks/site.yml with a wrong inventory: all faults at once, in the first seconds, and no host is asked."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def play(tmp_path, web_sites):
    """Run the playbook against two hosts that do not exist: whoever connects to one is told so."""
    inventory = tmp_path / "hosts.json"
    # `false` is no shell: any connection fails, and Ansible then says UNREACHABLE or that a module failed.
    host = {"ansible_connection": "local", "ansible_shell_executable": "/bin/false", "web_sites": web_sites}
    good = [{"name": "good", "domains": ["good.example"]}]
    inventory.write_text(json.dumps({"web": {"hosts": {"bad1": host, "good1": {**host, "web_sites": good}}}}))
    return subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "playbooks/site.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        check=False,
    )


def test_every_fault_of_every_site_is_told_before_a_host_is_touched(tmp_path):
    done = play(
        tmp_path,
        [
            {"name": "shop", "domain": "shop.example.com", "domains": ["shop.example.com;"]},
            {"name": "blog", "domains": ["blog.example"], "uwsgi": {"processes": "ten"}},
        ],
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "web_sites[0] 'shop': unknown key 'domain'; did you mean 'domains'?" in said
    assert "web_sites[0] 'shop': domains is ['shop.example.com;']; wanted host names" in said
    assert "web_sites[1] 'blog': uwsgi.processes is 'ten'; wanted auto, or a whole number" in said
    # Neither the host with the faults nor the one without was asked anything.
    assert "Serve the sites" not in said
    assert "unreachable=1" not in said


def test_secrets_of_a_wrong_inventory_are_not_told(tmp_path):
    done = play(
        tmp_path,
        [{"name": "shop", "domains": ["a b"], "env": {"TOKEN": "hush-1"}, "database": "hush-2", "superuser": "hush-3"}],
    )
    assert done.returncode != 0
    assert "web_sites[0] 'shop': domains is ['a b']" in done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_right_inventory_gets_as_far_as_the_host(tmp_path):
    """So that the tests above cannot pass because the playbook never gets anywhere."""
    done = play(tmp_path, [{"name": "shop", "domains": ["shop.example.com"]}])
    assert "Serve the sites" in done.stdout
    assert done.returncode != 0


def test_no_list_is_made_with_a_filter_that_forgets_the_order():
    """Since ansible-core 2.19 `union` and its like return the members of a Python set, in another order each run."""
    forgetful = re.compile(r"\|\s*(union|difference|intersect|symmetric_difference)\b(?!.*\|\s*length\b)")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("playbooks", "roles")
        for path in sorted((ROOT / folder).rglob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if forgetful.search(line)
    ]
    assert found == []
