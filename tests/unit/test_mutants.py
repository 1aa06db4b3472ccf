"""Which mutants the sampler (tests/tools/mutants.py) creates of a source, which ones it selects, and its report."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import mutants
import pytest
from mutants import Mutant, drawn, report
from mutations import Change, changes_of


def made(source: str) -> list[str]:
    """Return all sources that differ from this one in one place."""
    return [change.made_in(source) for change in changes_of(source)]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a == b", ["(a != b)"]),
        ("a < b", ["(a <= b)", "(a >= b)"]),
        ("a is not b", ["(a is b)"]),
        ("a in b", ["(a not in b)"]),
        ("a < b in c", ["(a <= b in c)", "(a >= b in c)", "(a < b not in c)"]),
        ("a and b", ["(a or b)"]),
        ("not a", ["(a)"]),
        ("a + b", ["(a - b)"]),
        ("a if b else c", ["(c if b else a)"]),
        ("a = True", ["a = (False)"]),
        ("a = 3", ["a = (4)"]),
        ("a = ''", ["a = ('x')"]),
        ("a = 'is there'", ["a = ('')", "a = ('xs there')"]),
        ("a = None", []),
        ("a = f'{b}/c'", ["a = (f'{b}/x')"]),
        ("a += b", ["a -= b"]),
        ("f()", ["pass"]),
        ("raise E", ["pass"]),
        ("def f(): return g", ["def f(): return None"]),
        ("def f(): return", []),
        ("def f(): return None", []),
        ("def f(a=1): b", ["def f(a=(2)): b"]),
        ("def f(): yield a", ["def f(): yield from ()"]),
        ("while a: break", ["while (not (a)): break", "while a: continue"]),
        ("if a and f(b): c", ["if (a or f(b)): c", "if (not (a)) and f(b): c", "if a and (not (f(b))): c"]),
        ("[a for a in b if a.c]", ["[a for a in b if (not (a.c))]"]),
    ],
)
def test_mutants_of_an_expression_or_a_statement(source: str, wanted: list[str]) -> None:
    assert sorted(made(source)) == sorted(wanted)


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "def f():\n    '''Do.'''",
        "a: Literal['b']",
        "def f(a: 'b') -> 'c': d",
        "a = 'this is a message'",
        "a = f'this is {b} message'",
    ],
)
def test_code_that_tests_cannot_observe_has_no_mutants(source: str) -> None:
    assert made(source) == []


def test_the_message_of_an_error_has_no_mutants_but_the_error_has() -> None:
    assert made("raise E('x', 1)") == ["pass"]


def test_only_one_place_changes_after_non_ascii_text() -> None:
    source = "a = 'ü'  # ü\nb = (\n    c ==\n    d\n)\n"
    assert "a = 'ü'  # ü\nb = (\n    (c != d)\n)\n" in made(source)


def test_every_mutant_is_valid_python() -> None:
    path = mutants.ROOT / mutants.UNDER / "host/shell.py"
    source = path.read_text(encoding="utf-8")
    changed = made(source)
    assert len(changed) > 50
    assert source not in changed
    for text in changed:
        compile(text, str(path), "exec")


def test_code_that_runs_at_import_is_distinguished_from_other_code() -> None:
    found = changes_of("A = 1\n@d(2)\ndef f(a=3):\n    b = 4\nclass C:\n    c = 5\n    def g(self): return lambda: 6\n")
    assert {change.old: change.at_import for change in found if change.old.isdigit()} == {
        **dict.fromkeys("1235", True),
        **dict.fromkeys("46", False),
    }


def mutant(line: int, *tests: str) -> Mutant:
    return Mutant("a.py", Change(line, line, 0, 1, "a", "b", False), tests)


def test_only_lines_that_tests_reach_are_selected_each_once() -> None:
    by_line = {("a.py", line): [mutant(line, "t"), mutant(line)] for line in range(8)}
    by_line |= {("a.py", line): [mutant(line)] for line in range(8, 20)}
    sample = drawn(by_line, 5, random.Random(1))
    assert len({one.change.line for one in sample}) == len(sample) == 5
    assert all(one.tests == ("t",) for one in sample)
    assert drawn(by_line, 5, random.Random(1)) == sample
    assert len(drawn(by_line, 100, random.Random(1))) == 8


def test_the_report_counts_killed_mutants_and_names_the_others() -> None:
    by_line = {("a.py", line): [mutant(line, *(["t"] if line < 4 else []))] for line in range(8)}
    outcomes = [
        (mutant(line, "t"), outcome) for line, outcome in enumerate(["killed", "time limit", "survived", "killed"])
    ]
    assert report(by_line, outcomes).split("\n") == [
        "",
        "killed 3 of 4 on reached lines (1 by the time limit): 75%",
        "tests reach 4 of 8 lines that can be changed, so of all lines about 38%",
        "survived: 1 in a.py",
        "  a.py:2: a -> b",
    ]


TOOL = Path(mutants.__file__)
SUM = """
STEP = 2


def more(a):
    return a + STEP


def loop(a):
    while a:
        a = 0
"""
TEST_OF_SUM = """
import importlib.util

spec = importlib.util.spec_from_file_location("sum", "plugins/module_utils/sum.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


def test_more():
    assert module.more(2) == 4


def test_loop():
    module.loop(1)
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mutants.Copy:
    """A copy of a small checkout with one module and its test."""
    root = tmp_path / "checkout"
    for name, text in {
        "plugins/module_utils/sum.py": SUM,
        "tests/unit/test_sum.py": TEST_OF_SUM,
        **{
            f"tests/tools/{tool.name}": tool.read_text(encoding="utf-8")
            for tool in (TOOL, TOOL.with_name("mutations.py"))
        },
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    monkeypatch.setattr(mutants, "ROOT", root)
    (tmp_path / "copy").mkdir()
    return mutants.Copy(tmp_path / "copy")


def test_a_mutant_is_run_in_the_copy_with_the_tests_that_reach_it(tree: mutants.Copy) -> None:
    module = mutants.ROOT / "plugins/module_utils/sum.py"
    before = module.read_text(encoding="utf-8")
    by_line = mutants.places(tree.reached())
    tests = {line: found[0].tests for (_path, line), found in by_line.items()}
    more, loop = "tests/unit/test_sum.py::test_more", "tests/unit/test_sum.py::test_loop"
    # The table is read by all tests of its file, the body of a function by the tests that call it.
    assert tests == {2: (loop, more), 6: (more,), 10: (loop,), 11: (loop,)}
    by_change = {str(one.change): one for found in by_line.values() for one in found}
    assert tree.attempt(by_change["a + STEP -> (a - STEP)"], 60) == "killed"
    assert tree.attempt(by_change["a -> (not (a))"], 60) == "survived"
    assert tree.attempt(by_change["0 -> (1)"], 1) == "time limit"
    assert module.read_text(encoding="utf-8") == before
    assert (tree.tree / "plugins/module_utils/sum.py").read_text(encoding="utf-8") == before


def test_a_test_that_fails_without_a_mutant_is_not_used(tree: mutants.Copy) -> None:
    path = tree.tree / "tests/unit/test_sum.py"
    path.write_text(TEST_OF_SUM + "\n\ndef test_broken():\n    assert module.more(2) == 5\n", encoding="utf-8")
    reached = tree.reached()
    assert tree.unfit == ["tests/unit/test_sum.py::test_broken"]
    assert reached["plugins/module_utils/sum.py"][6] == {"tests/unit/test_sum.py::test_more"}
