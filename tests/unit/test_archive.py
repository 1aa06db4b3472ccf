"""The built archive contains all files that its texts link to or name, and no files that only a checkout needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Pages that name tests of the repository, as evidence or for developers. Nothing that a run prints may do so, and
# no page links to them. test_contributing.py checks CONTRIBUTING.md.
MAY_NAME_TESTS = re.compile(r"docs/[\w-]+\.md|COMPATIBILITY\.md")
PLACEHOLDERS = {".github/workflows/deploy.yml", "tests/images/centosRELEASE/Dockerfile"}
FIRST = r"(?:plugins|roles|playbooks|docs|examples|inventory\.example|meta|tests|molecule|changelogs|\.github)"
PATHS = re.compile(rf"(?<![\w/.@{{}}<>~-])({FIRST}/[\w./@-]*\w)(?=[`'\" \n,;:)]|\.\W|\.?$)")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Return the texts of the archive by path; None for a directory or a binary file."""
    folder = tmp_path_factory.mktemp("archive")
    # Not `-m ansible galaxy`: ansible-test has an ansible-core without the list of its programs.
    build = [sys.executable, "-m", "ansible.cli.galaxy", "collection", "build", "--output-path", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.tar.gz")
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            content = tar.extractfile(member).read() if member.isfile() else b"\0"
            found[member.name] = None if b"\0" in content else content.decode()
    return found


def resolved(page, target):
    """Return a path inside the archive, or '' for one outside of it."""
    parts = []
    for part in (PurePosixPath(page).parent / target).parts:
        if part == ".." and not parts:
            return ""
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def test_every_relative_link_leads_to_a_file_of_the_archive(archive):
    broken = []
    for page, text in archive.items():
        if not page.endswith(".md") or text is None:
            continue
        prose = re.sub(r"(?ms)^```.*?^```$", "", text)
        links = re.findall(r"\]\(([^)\s#]+)", prose) + re.findall(r'(?:src|href)="([^"#]+)"', prose)
        links += re.findall(r"(?m)^\[[^\]]+\]: (\S+)", prose)
        broken += [
            f"{page}: {link}"
            for link in links
            if not re.match(r"/|[\w+]+:", link) and resolved(page, link.rstrip("/")) not in archive
        ]
    assert broken == []


def texts(page, text):
    """Return the visible text of a file: pages without code blocks, strings of Python code."""
    if page.endswith(".md"):
        return [re.sub(r"(?s)<!--.*?-->|^```.*?^```$", "", text, flags=re.MULTILINE)]
    if page.endswith((".yml", ".yaml")):
        return [text]
    if not page.endswith(".py") or not page.startswith(
        ("plugins/modules/", "plugins/action/", "plugins/module_utils/")
    ):
        return []
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [value for value in constants if isinstance(value, str) and value not in docstrings]


def test_every_path_that_a_text_names_is_in_the_archive(archive):
    missing, seen = [], 0
    for page, content in archive.items():
        if content is None or page.startswith("changelogs/") or page == "CONTRIBUTING.md":
            continue
        folders = (PurePosixPath(), *PurePosixPath(page).parents)
        # The reader of a guide writes these files.
        written = set(re.findall(r"(?m)^ *```.* file=(\S+)", content))
        for path in [path for text in texts(page, content) for path in PATHS.findall(text)]:
            seen += 1
            named = [resolved(f"{folder}/x", path.rstrip("/")) for folder in folders]
            there = path in PLACEHOLDERS | written or any(name in archive for name in named)
            if not there and not (MAY_NAME_TESTS.fullmatch(page) and (ROOT / path).exists()):
                missing.append(f"{page}: {path}")
    assert seen > 50
    assert missing == []


def test_no_file_that_only_a_checkout_needs_is_in_the_archive(archive):
    first = {name.split("/")[0] for name in archive}
    assert "playbooks/site.yml" in archive
    assert not [name for name in archive if name.startswith(("playbooks/collections", "tests", "molecule"))]
    assert not first & {
        "Makefile",
        "ansible.cfg",
        "pyproject.toml",
        "requirements-dev.txt",
        ".github",
        ".venv",
        "build",
    }
