"""The order of the directories below plugins/module_utils, and size limits of their code.

`host` imports only `model.layout` and `model.regular`; nginx, uwsgi, firewall and selinux import model and host; tls
also imports nginx; build imports these; release imports build; uninstall and the doctor may import all of them. Only
the command `pyweb` (cli) imports the doctor. Nothing imports uninstall or cli.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
COLLECTION = "ansible_collections.pyweb.stack.plugins.module_utils"
LANGUAGES = {"nginx", "uwsgi", "firewall", "selinux"}
# What each directory, or file outside of them, may import besides itself.
ALLOWED = {
    "model": set(),
    "host": {"model.layout", "model.regular"},
    **{name: {"model", "host"} for name in LANGUAGES},
    "firewall_change": {"model", "host", "firewall"},
    "tls": {"model", "host", "nginx"},
    "build": {"model", "host", "tls", *LANGUAGES},
    "release": {"model", "host", "tls", "build", *LANGUAGES},
    "uninstall": {"model", "host", "tls", "build", "release", *LANGUAGES},
    "doctor": {"model", "host", "tls", "build", "release", *LANGUAGES},
    "cli": {"model", "host", "tls", "build", "release", "doctor", *LANGUAGES},
}
FILES = sorted(UTILS.rglob("*.py"))
# A larger file, function or class gives its reason in a comment `# length: why` in its first lines or above it.
# About 400 lines, 60 lines and 15 methods, with a margin.
FILE_LINES, FUNCTION_LINES, CLASS_METHODS = 420, 65, 16


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return (dotted name below module_utils, whether relative) of the modules that a file imports."""
    package = path.relative_to(UTILS).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, False) for alias in node.names if alias.name.startswith("ansible_collections")]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = package[: len(package) - (node.level - 1)]
                stem = [*above, *(node.module.split(".") if node.module else [])]
                found += [(".".join([*stem, alias.name]), True) for alias in node.names]
            elif (node.module or "").startswith("ansible_collections"):
                found += [(f"{node.module}.{alias.name}", False) for alias in node.names]
    return found


def within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}.")


def owner(path: Path) -> str:
    """Return the directory that decides what a file may import, or the file's own name."""
    return path.relative_to(UTILS).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_imports_only_go_in_one_direction(path):
    assert owner(path) in ALLOWED, "add to ALLOWED what this directory may import"
    allowed = {owner(path), *ALLOWED[owner(path)]}
    wrong = [name for name, _relative in imports(path) if not any(within(name, folder) for folder in allowed)]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_imports_within_the_collection_are_relative(path):
    assert [name for name, relative in imports(path) if not relative] == []


def test_imports_are_found(tmp_path, monkeypatch):
    """Otherwise the tests above would pass because nothing is found."""
    monkeypatch.setitem(globals(), "UTILS", tmp_path)
    (tmp_path / "doctor/hops").mkdir(parents=True)
    path = tmp_path / "doctor/hops/a.py"
    path.write_text(
        "import os\nimport ansible_collections.x\nfrom ansible_collections.y import z\nfrom . import b\n"
        "from ..fault import Fault\n\n"
        "def f():\n    from ...host.shell import cause, Shell\n    from ... import selinux\n"
    )
    assert imports(path) == [
        ("ansible_collections.x", False),
        ("ansible_collections.y.z", False),
        ("doctor.hops.b", True),
        ("doctor.fault.Fault", True),
        ("host.shell.cause", True),
        ("host.shell.Shell", True),
        ("selinux", True),
    ]
    assert owner(path) == "doctor"
    assert not within("host.shell", "model")
    assert not within("model.layouts", "model.layout")


def sent_with(module: str) -> set[str]:
    """Return the dotted names of the collection's files that Ansible sends to a host with a module."""
    names = {
        f"{node.module}.{alias.name}".removeprefix(f"{COLLECTION}.")
        for node in ast.walk(ast.parse((PLUGINS / f"modules/{module}.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(COLLECTION)
        for alias in node.names
    }
    found: set[str] = set()
    while names:
        name = names.pop()
        path = UTILS.joinpath(*name.split(".")).with_suffix(".py")
        if not path.exists():  # A name in a file.
            name, path = name.rpartition(".")[0], path.parent.with_suffix(".py")
        if path.exists() and name not in found:
            found.add(name)
            names |= {inner for inner, _relative in imports(path)}
    return found


@pytest.mark.parametrize(
    ("module", "wanted", "unused"),
    [
        ("uwsgi_rollback", "release.switch", {"build.overlay", "build.project", "model.checks", "nginx.render"}),
        ("uwsgi_release", "release.switch", {"build.overlay", "build.additions", "model.checks", "nginx.render"}),
        ("django_build", "build.overlay", {"model.checks", "release.release"}),
        ("nginx_set", "release.front", {"model.checks", "nginx.render", "release.release"}),
    ],
)
def test_files_that_a_module_does_not_use_are_not_sent(module, wanted, unused):
    """Packing a file and reading it on the host takes about 3 ms, in every run and for every host."""
    sent = sent_with(module)
    assert wanted in sent
    assert not unused & sent
    assert all((UTILS / f"{name.replace('.', '/')}.py").exists() for name in unused)


def too_large(text: str) -> list[str]:
    """Return what is too large and gives no reason."""
    lines = text.splitlines()
    found = []
    if len(lines) > FILE_LINES and not any(line.startswith("# length: ") for line in lines[:40]):
        found.append(f"{len(lines)} lines")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            methods = sum(isinstance(child, ast.FunctionDef) for child in node.body)
            large = length > FUNCTION_LINES if isinstance(node, ast.FunctionDef) else methods > CLASS_METHODS
            first = min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]])
            if large and not lines[first - 2].lstrip().startswith("# length: "):
                found.append(f"{node.name}: {length} lines, {methods} methods")
    return found


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("module_utils", "modules", "action", "filter")
        for path in sorted((PLUGINS / folder).rglob("*.py"))
    ],
    ids=lambda path: str(path.relative_to(PLUGINS)),
)
def test_nothing_is_too_large_without_a_reason(path):
    assert too_large(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "large"),
    [
        ("x = 1\n" * 421, 1),
        ("# length: a table\n" + "x = 1\n" * 420, 0),
        ("def f():\n" + "    x = 1\n" * 65, 1),
        ("def f():\n" + "    x = 1\n" * 64, 0),
        ("\n# length: one story\n@a\n@b\ndef f():\n" + "    x = 1\n" * 65, 0),
        ("class C:\n" + "    def f(self): pass\n" * 17, 1),
        ("class C:\n" + "    def f(self): pass\n" * 16, 0),
    ],
)
def test_which_sizes_are_too_large(text, large):
    assert len(too_large(text)) == large
