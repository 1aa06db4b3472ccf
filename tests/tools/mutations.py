"""List small changes of a Python source, to check whether its tests notice them.

Comparisons, `and`, `or`, `not`, `+` and `-` are swapped, conditions negated, numbers and strings changed, results,
calls and errors dropped. Names, annotations, docstrings and the text of messages are not changed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

# A string with more spaces than this is prose, and tests do not compare every word of a message.
PROSE_SPACES = 1

SWAPPED: dict[type[ast.AST], list[type[ast.AST]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Add],
    ast.BitOr: [ast.BitAnd],
    ast.BitAnd: [ast.BitOr],
}


@dataclass(frozen=True)
class Change:
    """Other text for a part of a source. Offsets count bytes."""

    line: int
    statement: int
    start: int
    end: int
    old: str
    new: str
    at_import: bool

    def made_in(self, source: str) -> str:
        text = source.encode()
        return (text[: self.start] + self.new.encode() + text[self.end :]).decode()

    def __str__(self) -> str:
        return " -> ".join(" ".join(text.split())[:70] for text in (self.old, self.new))


def changes_of(source: str) -> list[Change]:
    """All changes of a source, each by itself."""
    lines = source.encode().splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    found = []
    tree = ast.parse(source)
    conditions = _conditions(tree)
    for node, statement, at_import in _nodes(tree):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[node.end_lineno - 1] + node.end_col_offset
        old = source.encode()[start:end].decode()
        for new in _others(node, node in conditions):
            found.append(Change(node.lineno, statement.lineno, start, end, old, new, at_import))
    return found


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, ast.stmt, bool]]:
    """The nodes that may be changed, each with its statement and whether it runs when its module is imported."""

    def below(node: ast.AST, statement: ast.stmt | None, at_import: bool) -> Iterator[tuple]:
        if isinstance(node, ast.stmt):
            statement = node
        if isinstance(node, (ast.expr, ast.stmt)):
            yield node, statement, at_import
        # In an f-string positions are not known before Python 3.12, and what an error says is prose.
        if isinstance(node, (ast.JoinedStr, ast.Raise)):
            return
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            inside = isinstance(node, (ast.FunctionDef, ast.Lambda)) and name == "body"
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_docstring(child):
                    yield from below(child, statement, at_import and not inside)

    return below(tree, None, True)


def _conditions(tree: ast.AST) -> set[ast.expr]:
    """The expressions that are taken as true or false."""
    found: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.If, ast.While)):
            found.add(node.test)
        elif isinstance(node, ast.comprehension):
            found.update(node.ifs)
    for node in ast.walk(tree):  # from the outside in
        if isinstance(node, ast.BoolOp) and node in found:
            found.update(node.values)
    return found


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _others(node: ast.expr | ast.stmt, condition: bool) -> Iterator[str]:
    """What may stand in place of a node."""
    if isinstance(node, ast.expr):
        for new in _other_expressions(node):
            yield f"({ast.unparse(new)})"
        if condition and isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.NamedExpr)):
            yield f"(not ({ast.unparse(node)}))"
        return
    if isinstance(node, ast.Return) and node.value and not _is_none(node.value):
        yield "return None"
    elif isinstance(node, ast.Expr) and isinstance(node.value, (ast.Yield, ast.YieldFrom)):
        yield "yield from ()"
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "pass"
    elif isinstance(node, ast.Break):
        yield "continue"
    elif isinstance(node, ast.Continue):
        yield "break"
    elif isinstance(node, ast.AugAssign):
        yield from (ast.unparse(_with(node, op=kind())) for kind in SWAPPED.get(type(node.op), []))


def _other_expressions(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            for kind in SWAPPED[type(operator)]:
                yield _with(node, ops=[*node.ops[:number], kind(), *node.ops[number + 1 :]])
    elif isinstance(node, (ast.BoolOp, ast.BinOp)):
        for kind in SWAPPED.get(type(node.op), []):
            yield _with(node, op=kind())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield _with(node, body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.JoinedStr):
        yield from _other_templates(node)
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _other_values(node.value))


def _other_values(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    elif isinstance(value, str) and value.count(" ") <= PROSE_SPACES:
        yield "" if value else "x"
        yield from _with_other_letter(value)


def _other_templates(node: ast.JoinedStr) -> Iterator[ast.JoinedStr]:
    """Of an f-string that is no prose: another letter in one of its fixed parts."""
    fixed = [part for part in node.values if isinstance(part, ast.Constant)]
    if sum(part.value.count(" ") for part in fixed) > PROSE_SPACES:
        return
    for number, part in enumerate(node.values):
        if isinstance(part, ast.Constant):
            for text in _with_other_letter(part.value):
                values = [*node.values[:number], ast.Constant(text), *node.values[number + 1 :]]
                yield ast.JoinedStr(values)


def _with_other_letter(text: str) -> Iterator[str]:
    for number, letter in enumerate(text):
        if letter.isalnum():
            yield text[:number] + ("x" if letter != "x" else "y") + text[number + 1 :]
            return


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """A copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
