"""The headings that a run prints: one for each action, and none for Ansible's internal steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(ROOT.glob("playbooks/*.yml"))
FILES = [*PLAYBOOKS, *sorted(ROOT.glob("playbooks/tasks/*.yml")), *sorted(ROOT.glob("roles/*/tasks/*.yml"))]
PARTS = ("block", "rescue", "always", "tasks")


def tasks(path):
    """Yield the tasks of a file, including those in blocks."""

    def inner(found):
        for task in found:
            for part in PARTS:
                yield from inner(task.get(part, []))
            if not any(part in task for part in PARTS):
                yield task

    yield from inner(yaml.safe_load(path.read_text(encoding="utf-8")))


def roles_of(path):
    """Yield (word, arguments, task) for each role that a file uses."""
    for task in tasks(path):
        for word in ("import_role", "include_role"):
            if f"ansible.builtin.{word}" in task:
                yield word, task[f"ansible.builtin.{word}"], task


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_always_run_are_imported(path):
    """An include prints a heading and `included:`, so it is only used for what some runs or hosts need."""
    for task in tasks(path):
        if any(word in task for word in ("ansible.builtin.include_role", "ansible.builtin.include_tasks")):
            assert "when" in task, task["name"]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_playbooks_use_the_entry_points_that_have_no_argument_spec(path):
    """For the entry point `main` Ansible prints "Validating arguments ..."; `check` has checked the same."""
    checked = {
        name for task in tasks(path) for name in (task.get("vars") or {}).get("validate_roles", []) if name != "host"
    }
    used = set()
    for _word, arguments, _task in roles_of(path):
        name = arguments["name"].rpartition(".")[2]
        spec = yaml.safe_load((ROOT / f"roles/{name}/meta/argument_specs.yml").read_text(encoding="utf-8"))
        assert arguments.get("tasks_from", "main") not in spec["argument_specs"], (path.name, arguments)
        used |= {name} - {"host"}
    # validate.yml checks what site.yml uses. maintenance.yml only uses nginx, and checks its own variables.
    others = {"validate.yml": {"django", "uwsgi", "nginx", "firewalld"}, "maintenance.yml": set()}
    assert checked == others.get(path.name, used)


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/tasks/*.yml")), ids=lambda path: str(path.relative_to(ROOT)))
def test_roles_use_no_entry_point_of_another_role_that_has_an_argument_spec(path):
    for _word, arguments, _task in roles_of(path):
        assert arguments["tasks_from"] != "main"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_say_what_happens(path):
    """Ansible prints the role before the name; readers of the terminal do not need the name of the file."""
    for task in tasks(path):
        assert task["name"][0].isupper(), task
        assert " | " not in task["name"]


def test_headings_are_not_delayed():
    """With display_skipped_hosts=False Ansible prints a heading only with the first result of its task."""
    for name in ("ansible.cfg", "molecule/config.yml"):
        assert "display_skipped" not in (ROOT / name).read_text(encoding="utf-8")
