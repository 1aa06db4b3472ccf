"""pyweb.stack.site with an invalid inventory: all faults together, in the first seconds, and no host is contacted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def played(*words):
    """Return the result of `ansible-playbook` with these arguments in the checkout."""
    return subprocess.run(
        ["ansible-playbook", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        check=False,
    )


def play(tmp_path, web_sites):
    """Run the playbook against two hosts that do not exist, so that any connection is reported."""
    inventory = tmp_path / "hosts.json"
    # `false` is not a shell: any connection fails, and Ansible then prints UNREACHABLE or that a module failed.
    host = {"ansible_connection": "local", "ansible_shell_executable": "/bin/false", "web_sites": web_sites}
    good = [{"name": "good", "domains": ["good.example"]}]
    inventory.write_text(json.dumps({"web": {"hosts": {"bad1": host, "good1": {**host, "web_sites": good}}}}))
    return played("-i", str(inventory), "pyweb.stack.site")


def test_every_fault_of_every_site_is_reported_before_a_host_is_contacted(tmp_path):
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
    assert "web_sites[0] 'shop': domains is ['shop.example.com;']; expected host names" in said
    assert "web_sites[1] 'blog': uwsgi.processes is 'ten'; expected auto, or a whole number" in said
    # Neither the host with the faults nor the other one was contacted.
    assert "Gather facts about the host" not in said
    assert "unreachable=1" not in said


def test_secrets_of_an_invalid_inventory_are_not_printed(tmp_path):
    done = play(
        tmp_path,
        [{"name": "shop", "domains": ["a b"], "env": {"TOKEN": "hush-1"}, "database": "hush-2", "superuser": "hush-3"}],
    )
    assert done.returncode != 0
    assert "web_sites[0] 'shop': domains is ['a b']" in done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_valid_inventory_reaches_the_host(tmp_path):
    """Otherwise the tests above would pass because the playbook always stops before that."""
    done = play(tmp_path, [{"name": "shop", "domains": ["shop.example.com"]}])
    assert "Gather facts about the host" in done.stdout
    assert done.returncode != 0


def test_no_filter_that_changes_the_order_makes_a_list():
    """Since ansible-core 2.19 `union` and similar filters return a Python set, in another order each run."""
    forgetful = re.compile(r"\|\s*(union|difference|intersect|symmetric_difference)\b(?!.*\|\s*length\b)")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("playbooks", "roles")
        for path in sorted((ROOT / folder).rglob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if forgetful.search(line)
    ]
    assert found == []


def test_no_template_joins_results_of_macros():
    """Since ansible-core 2.19 a macro without output returns None, which `~` converts to the text `None`."""
    joined = re.compile(r"\{\{[^}]*(\)\s*~|~\s*[\w.]+\()")
    templates = sorted((ROOT / "roles").rglob("*.j2"))
    assert templates
    assert [str(path) for path in templates if joined.search(path.read_text(encoding="utf-8"))] == []
    assert joined.search("{{ (https.maps(site) ~ parts.catch_all(site)) | trim }}")


OTHERS, NO_OTHERS = ({"faulty": ["blog"], "others": others} for others in (["shop"], []))
DONE = {"changed": False, "failed": False}
# The role, what its last task registers, and the key of that result with the sites.
GOES_ON = [
    ("django", "django_builds", "sites_after"),
    ("uwsgi", "uwsgi_releases", "sites_after"),
    ("nginx", "__nginx_configured", "set_after"),
]
RESULTS = [
    (None, False),
    (DONE, True),
    ({"changed": False, "failed": True, "msg": "no host for it"}, False),
    ({**DONE, "failed": True, "after": OTHERS}, True),
    ({**DONE, "failed": True, "after": NO_OTHERS}, False),
]


@pytest.mark.parametrize(("role", "register", "key"), GOES_ON)
def test_a_run_only_continues_if_there_is_a_site_to_continue_with(tmp_path, role, register, key):
    """Evaluated by Ansible itself, which knows what a result and its `failed` are."""
    tasks = []
    for number, (result, wanted) in enumerate([*RESULTS, ({**DONE, "skipped": True}, role == "django")]):
        given = (
            {} if result is None else {register: {key if name == "after" else name: result[name] for name in result}}
        )
        condition = f"{role}_goes_on == {wanted}"
        task = {"name": f"case {number}", "ansible.builtin.assert": {"that": condition, "quiet": True}, "vars": given}
        tasks.append(task)
    path = ROOT / f"roles/{role}/vars/main.yml"
    play = [{"hosts": "localhost", "gather_facts": False, "vars_files": [str(path)], "tasks": tasks}]
    (tmp_path / "play.json").write_text(json.dumps(play))
    done = played("-i", "localhost,", "-c", "local", str(tmp_path / "play.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok={len(tasks)} " in done.stdout


def blocks(tasks):
    """Return each block of a play with what always follows it: (names inside, names after)."""
    for task in tasks:
        for part in ("block", "always"):
            yield from blocks(task.get(part, []))
        if "block" in task and "always" in task:
            yield [inner["name"] for inner in task["block"]], [inner["name"] for inner in task["always"]]


@pytest.mark.parametrize("playbook", ["site.yml", "deploy.yml"])
def test_no_step_is_skipped_because_an_earlier_one_failed(playbook):
    """A step for all sites is in the `always` of the step before."""
    [*_others, play] = yaml.safe_load((ROOT / "playbooks" / playbook).read_text(encoding="utf-8"))
    told = {inside[-1]: after[0] for inside, after in blocks(play["tasks"])}
    assert told["Build the sites"].startswith("Release the sites")
    steps = ["Release the sites", *(["Serve the sites"] if playbook == "site.yml" else [])]
    assert set(steps) <= set(told)


def test_maintenance_contacts_no_host_that_lacks_the_site(tmp_path):
    inventory = tmp_path / "hosts.json"
    host = {"ansible_connection": "local", "ansible_shell_executable": "/bin/false"}
    sites = {name: [{"name": name, "domains": [f"{name}.example"]}] for name in ("shop", "blog")}
    hosts = {f"{name}1": {**host, "web_sites": given} for name, given in sites.items()}
    inventory.write_text(json.dumps({"web": {"hosts": hosts}}))
    done = played(
        *("-i", str(inventory), "pyweb.stack.maintenance", "-e", "maintenance_site=shop", "-e", "maintenance=true")
    )
    recap = dict(re.findall(r"(?m)^(\w+) +: (.*)$", done.stdout))
    assert done.returncode != 0
    assert re.search(r"unreachable=1|failed=1", recap["shop1"])
    # A step that did nothing has no line.
    assert re.search(r"unreachable=0 +failed=0", recap.get("blog1", "unreachable=0 failed=0"))
