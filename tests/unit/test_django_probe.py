"""Deploy checks only report. Django's registry is a fake: the tests do not install Django."""

from __future__ import annotations

import sys
import types

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.build import django_probe


class Message:
    def __init__(self, msg, level=30, id=None):
        self.msg, self.level, self.id = msg, level, id


@pytest.fixture
def registry(monkeypatch):
    found = types.SimpleNamespace(registered_checks={len}, deployment_checks=set())
    checks = types.ModuleType("django.core.checks")
    checks.ERROR, checks.WARNING, checks.Warning = 40, 30, Message
    module = types.ModuleType("django.core.checks.registry")
    module.registry = found
    for name in ("django", "django.core"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "django.core.checks", checks)
    monkeypatch.setitem(sys.modules, "django.core.checks.registry", module)
    return found


def needs_a_table(app_configs, **_options):
    raise LookupError("no such table: shop_setting")


def ends(app_configs, **_options):
    raise SystemExit(1)


def refuses(app_configs, **_options):
    return [
        Message("a critical one", 50),
        Message("an error", 40),
        Message("a warning", 30),
        Message("information", 20),
    ]


def says_nothing(app_configs, **_options):
    return None


def run(registry, check, tags=("security",)):
    check.tags = tags
    registry.deployment_checks.add(check)
    django_probe.only_report_deploy_checks()
    [wrapped] = registry.deployment_checks
    assert wrapped.tags == tags  # Django selects checks by these.
    return [(message.level, message.msg) for message in wrapped(app_configs=None, databases=["default"])]


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (needs_a_table, "needs_a_table failed: LookupError: no such table: shop_setting"),
        (ends, "ends failed: SystemExit: 1"),
    ],
)
def test_a_deploy_check_that_raises_is_a_warning(registry, check, words):
    [(level, text)] = run(registry, check)
    assert (level, text.endswith(words)) == (30, True)


def test_errors_of_a_deploy_check_are_warnings(registry):
    assert run(registry, refuses) == [
        (30, "a critical one"),
        (30, "an error"),
        (30, "a warning"),
        (20, "information"),
    ]


def test_messages_of_other_checks_are_unchanged(registry):
    run(registry, says_nothing)
    assert registry.registered_checks == {len}
