"""What the module itself decides; builds are in test_release_units.py."""

from __future__ import annotations

import pytest
from ansible_collections.pyweb.stack.plugins.modules.django_build import built_with

CHOSEN = {"version": "3.11", "path": "/usr/bin/python3.11"}


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ({"virtualenv": "", "interpreter": CHOSEN}, "Python 3.11"),
        ({"virtualenv": "", "interpreter": {"version": "", "path": "/opt/python"}}, "/opt/python"),
        ({"virtualenv": "/home/huatai/venv", "interpreter": CHOSEN}, "the virtualenv /home/huatai/venv"),
        ({"virtualenv": "none", "interpreter": CHOSEN}, "the system's Python"),
    ],
)
def test_a_build_says_which_python_it_takes(site, words):
    assert built_with(site) == words
