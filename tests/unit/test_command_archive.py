"""The file of the command `pyweb`: its contents, that equal sources make equal files, and that Python runs it."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host import command_file
from ansible_collections.pyweb.stack.plugins.plugin_utils import command_archive
from test_imports import UTILS, imports


@pytest.fixture(scope="module")
def sources():
    return command_archive.sources()


@pytest.fixture
def command(sources, tmp_path):
    path = tmp_path / "pyweb"
    path.write_bytes(command_archive.packed(sources))
    path.chmod(0o755)
    return path


def closure(entry):
    """Return the collection's modules that a module imports, found with Python's own parser."""
    ahead, found = [entry], set()
    while ahead:
        name = ahead.pop()
        path = UTILS.joinpath(*name.split(".")).with_suffix(".py")
        if not path.exists():  # A name in a file.
            name, path = name.rpartition(".")[0], path.parent.with_suffix(".py")
        if path.exists() and name not in found:
            found.add(name)
            ahead += [inner for inner, _relative in imports(path)]
    return found


def test_it_contains_exactly_the_modules_that_the_command_imports(sources):
    packed = {name.removeprefix("pyweb_stack/").removesuffix(".py").replace("/", ".") for name in sources}
    assert {name for name in packed if not name.endswith("__init__")} == {*closure("cli.main"), "__main__"}
    assert {"cli.main", "doctor.examine", "release.switch"} <= packed


def test_its_modules_import_only_the_standard_library(sources):
    strangers = set()
    for content in sources.values():
        for node in ast.walk(ast.parse(content)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            strangers |= {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    # Programs for the site's own Python, which are sent as text; and the package itself.
    assert strangers <= {"django", "pyweb_stack", "pyweb_settings"}


def test_equal_sources_make_equal_files(sources):
    again = command_archive.sources()
    assert command_archive.packed(again) == command_archive.packed(sources)
    assert command_archive.digest({**sources, "__main__.py": b"other"}) != command_archive.digest(sources)
    moved = dict(zip([*sources][::-1], sources.values()))
    assert command_archive.digest(moved) != command_archive.digest(sources)


def test_python_runs_it_without_ansible(command):
    done = subprocess.run(
        [sys.executable, "-I", str(command), "--help"], capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr
    assert "rollback" in done.stdout
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['ansible'] = None\n"
        "from pyweb_stack.cli import examination, logs, manage, releases, status\n"
        "import inspect; from pyweb_stack.release import list_releases\n"
        "assert '# --- list ---' in inspect.getsource(list_releases)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(command)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_its_head_names_the_collection_and_the_rest_is_an_archive(command, sources):
    first, mark, *_rest = command.read_bytes().split(b"\n")
    assert first == b"#!/usr/bin/python3 -I"
    assert b"Written by pyweb.stack" in mark
    with zipfile.ZipFile(io.BytesIO(command.read_bytes())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(sources)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from .. import selinux\n", ["", "selinux"]),
        ("from ..host import files, live as here  # why\n", ["host", "host.files", "host.live"]),
        ("from . import (\n    a,\n    b,\n)\n", ["doctor", "doctor.a", "doctor.b"]),
        ("def f():\n    from .fault import Fault\n", ["doctor.fault", "doctor.fault.Fault"]),
        ("import os\nfrom os import path\n# from . import x\n", []),
    ],
)
def test_imports_are_found(text, found):
    assert command_archive.imported("doctor.examine", text) == found


def test_the_head_is_recognized_by_command_file(sources, monkeypatch, tmp_path):
    monkeypatch.setattr(command_file.layouts, "PYWEB_COMMAND", str(tmp_path / "pyweb"))
    content = command_archive.packed(sources)
    digest = command_archive.digest(sources)
    (tmp_path / "pyweb").write_bytes(content)
    (tmp_path / "pyweb").chmod(0o755)
    assert command_file.is_current(digest)
    assert not command_file.is_current("0" * 64)
