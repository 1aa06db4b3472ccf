"""The variables of the roles are validated before any host is changed, as Ansible does at the start of each role."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.action import check
from ansible_collections.pyweb.stack.plugins.plugin_utils import role_arguments

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parents[1].name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
SITES = [{"name": "shop", "domains": ["shop.example"]}]


def defaults():
    """Return the variables of all roles in a play that sets none: templates of `web_sites` and others."""
    found = {}
    for role in ROLES:
        found |= yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text()) or {}
    return found


def filled_in(value):
    """Return a default if no variable is set: its template ends in `default({})` or similar."""
    return {} if "{{" in str(value) else value


def faults(**given):
    return role_arguments.faults(ROLES, {**defaults(), **given}, filled_in)


def test_defaults_are_valid():
    assert faults() == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"django_installer": "conda"}, "role django: value of django_installer must be one of: uv, pip, got: conda"),
        ({"nginx_layout": "one"}, "role nginx: value of nginx_layout must be one of: "),
        ({"nginx_options": "gzip off"}, "role nginx: argument 'nginx_options' is of type "),
        ({"firewalld_services": {"http": 1}}, "role firewalld: argument 'firewalld_services' is of type "),
        ({"host_unknown_platform": "alow"}, "role host: value of host_unknown_platform must be one of: "),
        ({"uwsgi_last_check": "perhaps"}, "role uwsgi: argument 'uwsgi_last_check' is of type "),
        ({"nginx_sites": "shop"}, "role nginx: "),
    ],
)
def test_a_wrong_value_is_an_error(given, error):
    [found] = faults(**given)
    assert found.startswith(error)
    assert all(name in found for name in given)


def test_variables_derived_from_web_sites_are_not_reported_again():
    """`check` reports web_sites itself; the roles' own lists are derived from it."""
    assert role_arguments.faults(ROLES, defaults(), lambda _value: "no list") != []
    derived = {name: value for name, value in defaults().items() if "web_sites" in str(value)}
    assert sorted(derived) == ["django_sites", "firewalld_sites", "nginx_sites", "uwsgi_sites"]
    assert role_arguments.faults(ROLES, derived, lambda _value: "no list") == []


def checked(variables, **arguments):
    templar = MagicMock(template=lambda value: value)
    task = MagicMock(args=arguments, check_mode=False, async_val=0)
    plugin = check.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), templar, MagicMock())
    return plugin.run(task_vars={"web_sites": SITES, "playbook_dir": str(ROOT), **variables})


def test_mistakes_in_sites_and_in_variables_are_reported_together():
    given = {"web_sites": [{"name": "shop"}], "nginx_layout": "one", "django_installer": "conda"}
    result = checked(given, roles=["django", "nginx"], fail_msg="no host was changed")
    assert result["failed"] is True
    lines = result["msg"].splitlines()
    assert "domains" in lines[0]
    assert [line.partition(":")[0] for line in lines[-3:]] == ["role django", "role nginx", "no host was changed"]


def test_only_the_roles_that_run_are_checked():
    given = {"nginx_layout": "one"}
    assert "failed" not in checked(given, roles=["django", "uwsgi"])
    assert "failed" not in checked(given)
    assert checked(given, roles=["nginx"])["failed"] is True
