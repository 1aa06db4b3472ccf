# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The environment that a project's settings are imported in: the contents of the build's module `pyweb_environment`.

The overlay imports this module before the project's settings, so every process has the same environment: uWSGI, the
release's programs, `manage`, workers. Variables of the inventory are already set, and override those of the module.
"""

from __future__ import annotations

import ast
import os
import pprint
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..host import files
from ..model.layout import Layout
from ..model.types import Site
from .layouts import UNPARSABLE

MODULE = "pyweb_environment"
# Common names of the variable for the secret key.
SECRET_KEYS = ("SECRET_KEY", "DJANGO_SECRET_KEY")
# The functions that read a .env file: those of python-dotenv, django-dotenv, django-environ and environs.
LOADERS = ("load_dotenv", "read_dotenv", "read_env")
# Calls that read a file for the project's own loop, which puts its lines into os.environ.
READERS = ("open", "read_text", "dotenv_values")
# What starts Django in a manage.py or wsgi.py. It must not run while the environment is prepared.
STARTS = ("execute_from_command_line", "get_wsgi_application", "get_asgi_application")

TEXT = '''\
"""The environment that the settings of the site {name} are imported in. Written by pyweb.stack."""

import os
from pathlib import Path

PROJECT = {project}
DEBUG_TRIED = {tried}
_build = Path(__file__).resolve().parent.parent
_key = os.environ.get("DJANGO_SECRET_KEY") or Path({secret_key}).read_text(encoding="utf-8").strip()
for _name in {secret_keys}:
    os.environ.setdefault(_name, _key)
for _name, _value in {exported}.items():
    os.environ.setdefault(_name, _value)
'''

DOTENV = """
import __main__

# What the project's {entry} does before it imports the settings.
_entry = str(_build / "src" / {path})
# python-dotenv takes a process without a file for an interactive one, and looks elsewhere.
_interactive = not hasattr(__main__, "__file__")
if _interactive:
    __main__.__file__ = _entry
try:
    exec(compile({statements}, _entry, "exec"), {{"__file__": _entry, "__name__": {module}}})
finally:
    if _interactive:
        del __main__.__file__
"""


def text(site: Site, settings_module: str, exported: Mapping[str, str], tried: bool, entry: tuple[str, str]) -> str:
    """Return the text of the module.

    `exported` are variables that make DEBUG false, `tried` tells whether they were searched for. `entry` is the file,
    relative to the source, that reads a .env file, and the statements that do it; '' for both if there is none.
    """
    path, statements = entry
    written = TEXT.format(
        name=site["name"],
        project=repr(settings_module),
        tried=tried,
        secret_key=repr(Layout.of(site).secret_key),
        secret_keys=repr(SECRET_KEYS),
        exported=pprint.pformat(dict(exported), width=110),
    )
    if statements:
        written += DOTENV.format(
            entry=os.path.basename(path), path=repr(path), statements=repr(statements), module=repr("pyweb_entry")
        )
    return written


def dotenv_entry(code: str, chdir: str, entry: str, roots: Sequence[str] = ("",)) -> tuple[str, str]:
    """Return the file of the project that reads a .env file when a server or manage.py starts, and its statements.

    The file is that of `entry` (module:callable of wsgi.py or asgi.py), else manage.py, as a path relative to `code`.
    `roots` are the directories that modules are imported from, relative to `chdir`. Returns ('', '') if neither reads
    one.
    """
    module = f"{entry.partition(':')[0].replace('.', '/')}.py"
    for name in [*(os.path.join(root, module) for root in roots), "manage.py"]:
        path = os.path.normpath(f"{chdir}/{name}")
        # The source may contain a link to a file outside of it, and root reads this.
        inside = os.path.realpath(f"{code}/{path}").startswith(f"{os.path.realpath(code)}/")
        found = loading(files.read_or_empty(f"{code}/{path}")) if inside else ""
        if found:
            return path, found
    return "", ""


def loading(source: str) -> str:
    """Return the statements of a manage.py or wsgi.py that read a .env file, with those that they depend on; or ''."""
    try:
        return _loading(list(_flat(ast.parse(source).body)))
    except UNPARSABLE:
        return ""


def _loading(statements: Sequence[ast.stmt]) -> str:
    loaders = {*LOADERS, *_called_otherwise(statements), *_own_loaders(statements)}
    kept = {number for number, statement in enumerate(statements) if _loads(statement, loaders)}
    needed = {name for number in kept for name in _names(statements[number], ast.Load)}
    for number in range(max(kept, default=-1), -1, -1):
        statement = statements[number]
        if number not in kept and needed & {*_bound(statement)}:
            kept.add(number)
            needed |= {*_names(statement, ast.Load)}
    return "\n".join(ast.unparse(statements[number]) for number in sorted(kept))


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when the file is started: those of the module, and of its function main.

    A block that starts Django is split into its statements, so that this one can be left out.
    """
    for statement in body:
        if (isinstance(statement, ast.FunctionDef) and statement.name == "main") or (
            isinstance(statement, (ast.If, ast.Try, ast.With)) and (_asks_for_main(statement) or _starts(statement))
        ):
            yield from _flat(statement.body)
        else:
            yield statement


def _asks_for_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in _names(statement.test, ast.Load)


def _starts(statement: ast.stmt) -> bool:
    return bool(set(STARTS) & {*_calls(statement)})


def _called_otherwise(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that loaders are imported as."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.ImportFrom):
                yield from (alias.asname for alias in node.names if alias.name in LOADERS and alias.asname)


def _own_loaders(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the functions of the file that read a file into the environment."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef) and _fills_environment(statement):
            yield statement.name


def _loads(statement: ast.stmt, loaders: Collection[str]) -> bool:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    calls = {*_calls(statement)}
    return not calls & {*STARTS} and (bool(calls & {*loaders}) or _fills_environment(statement) or _updates(statement))


def _fills_environment(node: ast.AST) -> bool:
    """Return whether a statement reads a file and uses the environment."""
    named = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)} | {*_names(node, ast.Load)}
    return "environ" in named and bool({*_calls(node)} & {*READERS})


def _updates(statement: ast.stmt) -> bool:
    """Return whether a statement is `os.environ.update(VARIABLES)`, with variables that were read before."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return (
        isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("os.environ.update", "environ.update")
        and not any(isinstance(node, ast.Dict) for node in ast.walk(call))
        and not call.keywords
    )


def _calls(node: ast.AST) -> Iterator[str]:
    """Yield the names of the functions that a statement calls."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, (ast.Attribute, ast.Name)):
            yield inner.func.attr if isinstance(inner.func, ast.Attribute) else inner.func.id


def _names(node: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, context):
            yield inner.id


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement assigns to."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
        return
    yield from _names(statement, ast.Store)
    for node in ast.walk(statement):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
