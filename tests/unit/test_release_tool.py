"""tests/tools/release.py: which tags can be released, and with which notes; and the actions that workflows use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import release as tool
import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTES = """\
# pyweb\\.stack Release Notes

<a id="v0-2-0"></a>
## v0\\.2\\.0

<a id="major-changes"></a>
### Major Changes

* HTTPS

<a id="v0-1-0"></a>
## v0\\.1\\.0

* The first one
"""


@pytest.fixture
def collection(tmp_path):
    (tmp_path / "changelogs/fragments").mkdir(parents=True)
    (tmp_path / "galaxy.yml").write_text("version: 0.2.0\n")
    (tmp_path / "changelogs/changelog.yaml").write_text("releases: {0.1.0: {}, 0.2.0: {}}\n")
    (tmp_path / "CHANGELOG.md").write_text(NOTES)
    return tmp_path


def test_the_notes_of_a_release_are_its_section_of_the_changelog(collection, capsys):
    assert tool.main(["v0.2.0"], collection) == 0
    assert capsys.readouterr().out == '<a id="major-changes"></a>\n### Major Changes\n\n* HTTPS\n'
    (collection / "galaxy.yml").write_text("version: 0.1.0\n")
    assert tool.main(["v0.1.0"], collection) == 0
    assert capsys.readouterr().out == "* The first one\n"


@pytest.mark.parametrize(
    ("tag", "file", "text", "fault"),
    [
        ("0.2.0", "", "", "the tag is '0.2.0'; expected v and a version, for example v0.2.0"),
        ("v0.2.0", "galaxy.yml", "version: 0.2.0-dev0\n", "galaxy.yml has version 0.2.0-dev0, but the tag is v0.2.0"),
        (
            "v0.2.0",
            "changelogs/changelog.yaml",
            "releases: {0.1.0: {}}\n",
            "changelogs/changelog.yaml has no release 0.2.0; run antsibull-changelog release --version 0.2.0",
        ),
        (
            "v0.2.0",
            "CHANGELOG.md",
            "# Notes\n",
            "CHANGELOG.md has no notes for 0.2.0; run antsibull-changelog generate",
        ),
        (
            "v0.2.0",
            "changelogs/fragments/more.yml",
            "---\n",
            "changelogs/fragments still has more.yml; run antsibull-changelog release --version 0.2.0",
        ),
    ],
)
def test_the_error_says_why_a_tag_cannot_be_released(collection, capsys, tag, file, text, fault):
    if file:
        (collection / file).write_text(text)
    assert tool.main([tag], collection) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"{fault}\n")


def test_the_changelog_of_this_tree_has_the_notes_of_every_release():
    known = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "0.1.0" in known
    assert [version for version in known if not tool.notes(version, text)] == []


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"(?m)^ *(?:- )?uses: *(.*)$", path.read_text(encoding="utf-8"))
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
