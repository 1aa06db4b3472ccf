"""The register of faults, against what the hops make, what the unit tests show and what the tests on hosts break."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.doctor.chain import HOPS, REGISTER

ROOT = Path(__file__).resolve().parents[2]
DOCTOR = ROOT / "plugins/module_utils/doctor"
FILES = sorted((DOCTOR / "hops").glob("*.py"))
# What the hops share: it judges, too.
SHARED = ("fault", "questions", "certificates", "ways", "application", "names", "verdict")
JUDGING = [*FILES, *(DOCTOR / f"{name}.py" for name in SHARED)]
ASKING = {"os", "os.path", "pathlib", "glob", "shutil", "subprocess", "socket", "pwd", "grp", "time", "tempfile", "ssl"}
ASKING |= {"processes", "path_walk", "files", "shell", "ask", "ladder", "django_look", "protocol", "identity", "client"}


def shown():
    """The faults that the tables of the unit tests show, with the number of rows."""
    found = {}
    for hop in HOPS:
        for case in importlib.import_module(f"test_doctor_{hop}").CASES:
            assert case.fault.startswith(f"{hop}."), case
            found[case.fault] = found.get(case.fault, 0) + 1
    return found


def test_every_hop_has_a_file_and_a_place_in_the_chain():
    assert [path.stem for path in FILES] == sorted(HOPS)


def test_every_fault_of_the_register_is_shown_by_a_unit_test_and_no_other():
    assert set(shown()) == set(REGISTER)


def test_every_fault_that_is_broken_on_a_host_is_in_the_register():
    text = (ROOT / "tests/doctor/cases.py").read_text(encoding="utf-8")
    hops = "|".join(HOPS)
    broken = set(re.findall(rf'"((?:{hops})\.[a-z0-9-]+)"', text))
    assert len(broken) > 30
    assert broken <= set(REGISTER)


@pytest.mark.parametrize(("fault", "sources"), REGISTER.items(), ids=list(REGISTER))
def test_what_a_fault_follows_from_exists(fault, sources):
    hops_before = HOPS.index(fault.partition(".")[0])
    assert hops_before >= 0
    for source in sources:
        assert source in HOPS or source in REGISTER, source
        assert source != fault


def made(path):
    """The names in the calls of `FAULTS.fault`, as far as they are literal: conditional ones and variables, too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault":
            names |= {inner.value for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Constant)}
    return {name for name in names if re.fullmatch(r"[a-z]+\.[a-z0-9-]+", str(name))}


def test_the_hops_make_no_fault_that_is_not_declared():
    names = {name for path in FILES for name in made(path)}
    assert len(names) > 40
    assert names <= set(REGISTER)


@pytest.mark.parametrize("path", JUDGING, ids=lambda path: path.stem)
def test_judges_ask_nothing(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        words = []
        if isinstance(node, ast.Import):
            words = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            words = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        assert not set(words) & ASKING, ast.unparse(node)
        assert not any(word.startswith("look_") for word in words), ast.unparse(node)
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"), ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_fault_is_made_by_its_register_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault"
    ]
