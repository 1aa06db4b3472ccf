"""docs/security.md names the test of each promise; all of these tests exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = sorted(
    set(re.findall(r"`((?:tests/)?[\w/]+?(?:\.py)?)(?:::(\w+))?`", PAGE.partition("## What is not promised")[0]))
)
TESTS = [(name, test) for name, test in NAMED if name.startswith(("test_", "tests/"))]


def test_the_page_names_tests():
    assert len(TESTS) > 30
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    assert all(re.search("`(test_|tests/|make )", row[-1]) for row in rows if row[0] != "promise")


@pytest.mark.parametrize(("name", "test"), TESTS)
def test_a_test_that_the_page_names_exists(name, test):
    places = (
        [ROOT / name]
        if name.startswith("tests/")
        else [ROOT / f"tests/{folder}/{name}" for folder in ("hostile", "unit")]
    )
    found = [path for path in places if path.exists()]
    assert found, f"there is no {name}"
    assert not test or any(f"def {test}(" in path.read_text(encoding="utf-8") for path in found)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/hostile").glob("test_*.py")), ids=lambda path: path.name)
def test_every_attack_test_belongs_to_a_promise(path):
    assert f"`{path.name}" in PAGE
