"""Which versions of Python satisfy specifiers and are supported by a Django."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.python_versions import (
    admits,
    django_specifier,
    newest_managed,
)


@pytest.mark.parametrize(
    ("specifiers", "version", "wanted"),
    [
        ([], "3.13", True),
        ([""], "3.13", True),
        ([">=3.12"], "3.11", False),
        ([">=3.12", "<3.13"], "3.12", True),
        ([">=3.12", "<3.13"], "3.13", False),
        ([">=3.12,<4"], "3.13.2", True),
        (["~=3.12"], "3.14", True),
        (["==3.12.*"], "3.12.4", True),
        (["!=3.12.*"], "3.12", False),
    ],
)
def test_versions_that_satisfy_specifiers(specifiers, version, wanted):
    assert admits(specifiers, version) is wanted


@pytest.mark.parametrize(
    ("specifiers", "wanted"), [([], "3.14"), (["<3.13"], "3.12"), ([">=3.12", "<3.14"], "3.13"), ([">=3.15"], "")]
)
def test_newest_python_for_uv(specifiers, wanted):
    assert newest_managed(specifiers) == wanted


@pytest.mark.parametrize(
    ("django", "wanted"), [("4.2.19", ">=3.8,<3.13"), ("6.0", ">=3.12,<3.15"), ("6.0rc1", ">=3.12,<3.15"), ("9.1", "")]
)
def test_pythons_that_a_django_supports(django, wanted):
    assert django_specifier(django) == wanted
