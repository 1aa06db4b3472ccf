"""The ignore files of `ansible-test sanity`: one for each ansible-core, and each entry with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import plan
import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "tests/sanity").glob("ignore-*.txt"))
ENTRY = re.compile(r"(?P<path>\S+) (?P<test>[a-z0-9-]+(:[A-Za-z0-9-]+)?) # (?P<reason>.+)")


def entries(file):
    return [ENTRY.fullmatch(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_there_is_a_file_for_each_core_that_runs():
    assert {f"ignore-{core}.txt" for core in plan.CORES} < {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_entries_have_a_file_a_reason_and_a_row_of_the_table(file):
    table = (ROOT / "tests/sanity/README.md").read_text(encoding="utf-8")
    found = entries(file)
    assert all(found)
    assert [entry["path"] for entry in found if not (ROOT / entry["path"]).is_file()] == []
    assert [entry["test"] for entry in found if f"`{entry['test']}`" not in table] == []


def test_the_files_are_equal():
    assert len({file.read_bytes() for file in FILES}) == 1
