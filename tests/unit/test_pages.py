"""Every block of a page says how it is tested, and examples are valid where this can be checked."""

from __future__ import annotations

import re
from pathlib import Path

import page as pages
import pytest
import yaml
from ansible_collections.pyweb.stack.plugins.module_utils.model import site as model
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError

ROOT = pages.ROOT
# CHANGELOG.md is written by antsibull-changelog.
ALL = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/plugins/*.md", "roles/*/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
OTHERS = [path for path in ALL if path not in pages.GUIDES]
# Pages that need files which only the reader has.
READERS_FILES = re.compile(r"there is none|relative paths start|text of a private key|as PEM text|ssh-keyscan prints")


@pytest.mark.parametrize("path", pages.GUIDES, ids=lambda path: path.stem)
def test_every_block_of_a_guide_is_run_or_is_an_example(path):
    assert pages.checked(path)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_blocks_of_other_pages_are_examples(path):
    assert [block.place for block in pages.blocks(path) if not block.example] == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_yaml_is_valid_and_its_sites_are_accepted(path, tmp_path):
    for block in pages.blocks(path):
        if block.language == "yaml":
            text = re.sub(r"\{\{ lookup.*?\}\}", "-----BEGIN-----", block.text)
            for sites in found(list(yaml.safe_load_all(re.sub(r"\{\{.*?\}\}", "correct-horse-battery", text)))):
                assert faults(sites, tmp_path) == [], block.place


def faults(sites, folder):
    """Return the model's faults of sites, except those about the reader's own files."""
    try:
        model.complete(sites, base=str(folder), example=str(folder))
    except InventoryError as error:
        return [fault for fault in error.faults if not READERS_FILES.search(fault)]
    return []


def found(data):
    """Return all `web_sites` in an inventory, a playbook or variables."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from [value] if key == "web_sites" else found(value)
    elif isinstance(data, list):
        for value in data:
            yield from found(value)


# --- the notation ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Text\n\n    ls\n", "page.md:3: an indented block"),
        ("```\nls\n```\n", "page.md:1: the block has no language"),
        ("```bash sometimes\nls\n```\n", "unknown word 'sometimes'"),
        ("```yaml\na: 1\n```\n", "a block of yaml that no test runs"),
        ("```text output\nx\n```\n", "an output with no commands before it"),
        ("1. Item\n\n   ```yaml\n   a: 1\n   ```\n", "page.md:3: a block of yaml"),
    ],
)
def test_a_block_that_is_not_tested_is_refused(text, message, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(pages.PageError, match=re.escape(message)):
        pages.checked(page)


def test_words_after_the_language(tmp_path):
    page = tmp_path / "page.md"
    words = ["bash on=web1 fails", "text output", "ini file=a/b.cfg append", "sql example"]
    page.write_text("".join(f"```{word}\nls\n```\n" for word in words), encoding="utf-8")
    run, output, file, example = pages.checked(page)
    assert (run.runs, run.on, run.fails, run.text, run.place) == (True, "web1", True, "ls\n", "page.md:1")
    assert (output.runs, output.output) == (False, True)
    assert (file.runs, file.file, file.append) == (False, "a/b.cfg", True)
    assert (example.runs, example.example) == (False, True)


def test_an_output_matches_if_its_lines_occur_in_order():
    output = "PLAY\nok: 1\n\n  a   b\nlast\n"
    assert pages.missing("ok: 1\n...\na b\n", output, {}) == ""
    assert pages.missing("ok: ...\nlast\n", output, {}) == ""
    assert pages.missing("last\na b\n", output, {}) == "a b"
    assert pages.missing("ok\n", output, {}) == "ok"


def test_an_id_stands_for_the_same_one_on_the_whole_page():
    ids = {}
    assert pages.missing("release 3d63b742de72; 4.8 s\n", "release aaaa00000001; 12 s\n", ids) == ""
    assert ids == {"3d63b742de72": "aaaa00000001"}
    assert pages.missing("release 686ad42d25c1\n", "release aaaa00000002\n", ids) == ""
    assert pages.missing("release 3d63b742de72\n", "release aaaa00000002\n", ids) == "release 3d63b742de72"
    assert pages.missing("2026-11-27 10:21:40\n", "2027-01-02 03:04:05\n", ids) == ""


def test_every_guide_has_a_page():
    """A module of a bed without a page would prepare nothing."""
    stems = {path.stem.replace("-", "_") for path in pages.GUIDES}
    assert {path.stem for path in Path(pages.ROOT / "tests/guides/beds").glob("*.py")} <= stems
