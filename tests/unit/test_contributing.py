"""Commands, files and links in CONTRIBUTING.md and similar pages exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", ".github/pull_request_template.md"]
# Examples: files that the reader would create.
OWN = {"build/site", "changelogs/fragments/123-listen.yml", "tests/unit/test_doctor_HOP.py"}
# The directories that a path on a page may be relative to.
FOLDERS = ("", "plugins/module_utils", "roles/host")


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_links_and_paths_exist(name):
    text = page(name)
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    paths = [path for path in re.findall(r"`([\w.*-]+/[\w./*-]*)(?::\d+)?`", text) if path not in OWN]
    missing = [path for path in links if not (ROOT / name).parent.joinpath(path).exists()]
    missing += [path for path in paths if not any([*(ROOT / folder).glob(path)] for folder in FOLDERS)]
    assert missing == []


def test_every_named_make_target_exists():
    targets = set(re.findall(r"(?m)^([a-z-]+(?: [a-z-]+)*):", page("Makefile")))
    known = {word for names in targets for word in names.split()}
    named = {word for text in map(page, PAGES) for word in re.findall(r"\bmake ([a-z-]+)\b", text) if word != "sure"}
    assert named
    assert named - known == set()


def test_the_first_command_runs_tests_that_exist():
    [first] = re.findall(r'(?m)^make unit ARGS="(\S+)"$', page("CONTRIBUTING.md"))
    assert (ROOT / first).exists()
    # A single file is fast only if pytest gets no other path.
    assert "pytest $(ARGS)\n" in page("Makefile")


def test_the_writing_guide_has_a_table_of_words():
    rows = re.findall(r"(?m)^\| ([^|]+) \| ([^|]+) \|$", page("CONTRIBUTING.md").partition("| write | not |")[2])
    written = {word for row in rows for word in row[0].split(", ")}
    assert {"fix", "deploy", "health check", "release", "lowercase letter", "must be", "overrides"} <= written
