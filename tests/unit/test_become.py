"""Errors when a module does not run as root: what Ansible and sudo print, and the collection's message."""

from __future__ import annotations

import gc

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.pyweb.stack.plugins.module_utils.host import identity
from ansible_collections.pyweb.stack.plugins.modules import (
    django_build,
    host_facts,
    site_doctor,
    uwsgi_release,
    uwsgi_rollback,
)
from ansible_collections.pyweb.stack.plugins.plugin_utils.become import execute, fault

FAULTS = [
    ("Missing sudo password", "-K (--ask-become-pass)"),
    ("sudo: a password is required", "-K (--ask-become-pass)"),
    ("sudo: a terminal is required to read the password\nsudo: a password is required", "needs a password"),
    ("Incorrect sudo password", "is wrong"),
    ("Sorry, try again.\nsudo: 1 incorrect password attempt", "is wrong"),
    ("deploy is not in the sudoers file.", "may not become root"),
    ("Sorry, user deploy is not allowed to execute '/bin/sh' as root on web1.", "may not become root"),
    ("/bin/sh: 1: sudo: not found", "install sudo"),
    ("/bin/sh: line 1: sudo: command not found", "install sudo"),
]


class Action:
    """An action whose module call ends as given."""

    def __init__(self, ending):
        self.ending = ending

    def _execute_module(self, **_given):
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


@pytest.mark.parametrize(("said", "words"), FAULTS)
def test_sudo_errors_are_explained(said, words):
    assert words in fault(said)
    for ending in (AnsibleError(said), {"failed": True, "module_stderr": said, "msg": "MODULE FAILURE"}):
        result = execute(Action(ending), "m", {}, {})
        assert (result["failed"], result["msg"]) == (True, fault(said))


@pytest.mark.parametrize("said", ["", "MODULE FAILURE", "ImportError: no module named x", "python3: not found"])
def test_other_failures_are_unchanged(said):
    result = {"failed": True, "module_stderr": said, "msg": "as it was"}
    assert execute(Action(result), "m", {}, {}) == result
    with pytest.raises(AnsibleError, match="as it was"):
        execute(Action(AnsibleError("as it was")), "m", {}, {})


def test_results_of_a_module_are_unchanged():
    good = {"changed": True, "stdout": "a password is required"}
    bad = {"failed": True, "msg": "sudo: a password is required"}
    assert execute(Action(good), "m", {}, {}) == good
    assert execute(Action(bad), "m", {}, {}) == bad


@pytest.mark.parametrize("ending", [{"changed": True}, AnsibleError("lost")], ids=["answers", "fails"])
@pytest.mark.parametrize("before", [True, False], ids=["on", "off"])
def test_garbage_collector_is_paused_while_a_module_is_packed(monkeypatch, ending, before):
    action, seen = Action(ending), []
    monkeypatch.setattr(
        action, "_execute_module", lambda **given: seen.append(gc.isenabled()) or Action(ending)._execute_module()
    )
    (gc.enable if before else gc.disable)()
    try:
        if isinstance(ending, AnsibleError):
            with pytest.raises(AnsibleError, match="lost"):
                execute(action, "m", {}, {})
        else:
            execute(action, "m", {}, {})
        assert (seen, gc.isenabled()) == ([False], before)
    finally:
        gc.enable()


def test_an_unreachable_host_stays_unreachable():
    with pytest.raises(AnsibleConnectionFailure):
        execute(Action(AnsibleConnectionFailure("Missing sudo password")), "m", {}, {})


# --- without become ---


def test_a_module_that_does_not_run_as_root_says_what_to_set(monkeypatch):
    monkeypatch.setattr(identity.os, "geteuid", lambda: 4711)
    assert identity.why_not_root() == (
        "the run needs root, but runs as 4711 on this host; set `become: true` for it (in the inventory "
        "ansible_become: true), or run ansible-playbook with -b"
    )
    monkeypatch.setattr(identity.os, "geteuid", lambda: 0)
    assert identity.why_not_root() == ""


@pytest.mark.parametrize("module", [host_facts, django_build, uwsgi_release, uwsgi_rollback, site_doctor])
def test_every_module_that_may_be_the_first_checks_for_root_before_anything_else(monkeypatch, module):
    class Fake:
        def __init__(self, **_given):
            self.params = None  # Nothing is read.

        def fail_json(self, msg):
            raise SystemExit(msg)

    monkeypatch.setattr(module, "AnsibleModule", Fake)
    monkeypatch.setattr(module, "why_not_root", lambda: "no root")
    with pytest.raises(SystemExit, match="no root"):
        module.main()
