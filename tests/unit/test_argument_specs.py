"""In every role, argument_specs and defaults have the same values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
# The types of options that are not named after their class.
TYPES = {"path": "str"}


def options(role):
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    return spec["argument_specs"]["main"]["options"]


def defaults(role):
    return yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))


def described(option, default):
    """Return the default of a list or mapping that is an expression, if the description names its variable.

    Such a default does not have the option's type, so antsibull-docs and Galaxy refuse it in a specification.
    """
    if option["type"] in ("list", "dict") and "{{" in str(default):
        variable = re.search(r"\b(?:web|django)_\w+", default)[0]
        if re.search(rf"The default is (the variable )?C\({variable}\),", str(option["description"])):
            return default
    return "missing in the spec"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_specs_equal_defaults(role):
    wanted = defaults(role)
    spec = {name: option.get("default", described(option, wanted.get(name))) for name, option in options(role).items()}
    assert spec == wanted


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_have_the_type_and_are_among_the_choices(role):
    for name, option in options(role).items():
        default = option.get("default", "{{ described }}")
        template = isinstance(default, str) and "{{" in default
        wanted = TYPES.get(option["type"], option["type"])
        assert template or wanted == "raw" or type(default).__name__ == wanted, name
        if template and option["type"] in ("list", "dict"):
            assert "default" not in option, f"{name}: antsibull-docs refuses an expression here"
        assert default in option.get("choices", [default]), name
        assert option["type"] != "list" or "elements" in option, name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_described(role):
    assert [name for name, option in options(role).items() if not option.get("description")] == []


def test_a_variable_that_may_contain_a_private_key_is_not_logged():
    specs = [option for role in ROLES for name, option in options(role).items() if name.endswith("_tls")]
    assert [option.get("no_log") for option in specs] == [True] * 4


@pytest.mark.parametrize("suffix", ["_sites", "_roots", "_tls", "_web_group", "_environment"])
def test_variables_of_several_roles_are_the_same_in_each(suffix):
    """Each role has its own variable, and all take their default from the same collection-wide one."""
    shapes = [
        {key: value for key, value in option.items() if key != "description"}
        for role in ROLES
        for name, option in options(role).items()
        if name == role.name + suffix
    ]
    assert shapes[0].get("default", "{{ web_").startswith("{{ web_")
    assert all(shape == shapes[0] for shape in shapes)
