# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The layouts of Django projects: where their entry points are, what manage.py sets, and which settings class is used.

Nothing of the project is executed: its files are parsed. Every path is relative to `folder`, the directory that the
project runs in.
"""

from __future__ import annotations

import ast
import contextlib
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..host import files

# Settings for development, and those that are preferred if they are in the same package.
DEVELOPMENT = ("dev", "development", "local")
PRODUCTION = ("production", "prod")
# What Python raises for text that it cannot parse; the last two for expressions that are nested too deeply.
UNPARSABLE = (SyntaxError, ValueError, MemoryError, RecursionError)
# How many directories below a directory an entry point is searched for.
_NEAR, _FAR = ("*/", ""), ("*/*/",)
# No \s before a word: with many blank lines, each would start a search through all the others.
_CONFIGURATIONS = re.compile(r"^[ \t]*(?:from|import)\s+configurations\b|\bDJANGO_CONFIGURATION\b", re.MULTILINE)
_WSGI_APPLICATION = re.compile(r"^[ \t]*WSGI_APPLICATION\s*=\s*['\"]([\w.]+)\.(\w+)['\"]", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """The code of a project. `roots` are the directories that its modules are imported from, '' for `folder` itself."""

    folder: str
    roots: tuple[str, ...]

    @classmethod
    def of(cls, folder: str, script: str) -> Source:
        """Return the source in `folder` whose manage.py has the text `script`.

        A `src` without an __init__.py is also a root: this is the layout of installable packages.
        """
        roots = ["", *_added_to_path(folder, script)]
        if os.path.isdir(f"{folder}/src") and not os.path.exists(f"{folder}/src/__init__.py"):
            roots.append("src")
        return cls(folder, tuple(dict.fromkeys(roots)))

    def file(self, module: str) -> str:
        """Return the file of a module, or '' if it is not in the source."""
        return self._found(module)[1]

    def text(self, module: str) -> str:
        return files.read_or_empty(self.file(module)) if module else ""

    def paths(self, script: str, modules: list[str]) -> list[str]:
        """Return the directories to add to sys.path beside `folder`: those of manage.py, and those of the modules."""
        found = [*_added_to_path(self.folder, script), *(self._found(module)[0] for module in modules if module)]
        return list(dict.fromkeys(filter(None, found)))

    def entry(self, name: str, settings_module: str) -> str:
        """Return the module NAME.py (`wsgi` or `asgi`) of the project; '' if it has none.

        WSGI_APPLICATION in the settings decides. Otherwise it is the first one that is one level below, beside
        manage.py, or two levels below.
        """
        if name == "wsgi":
            match = _WSGI_APPLICATION.search(self._all_settings(settings_module))
            if match and self.file(match[1]):
                return f"{match[1]}:{match[2]}"
        near = next(self._modules(name, _NEAR), "")
        # A deeper file may be an example or a test. The entry point of a project with an asgi.py is beside that file.
        far = name == "asgi" or not next(self._modules("asgi", _NEAR), "")
        found = near or (next(self._modules(name, _FAR), "") if far else "")
        return f"{found}:application" if found else ""

    def _found(self, module: str) -> tuple[str, str]:
        """Return the root that a module is imported from, and its file."""
        for root in self.roots:
            path = os.path.join(self.folder, root, module.replace(".", "/"))
            for file in (f"{path}.py", f"{path}/__init__.py"):
                if os.path.isfile(file):
                    return root, file
        return "", ""

    def _modules(self, name: str, depths: tuple[str, ...]) -> Iterator[str]:
        for depth in depths:
            for root in self.roots:
                base = os.path.join(self.folder, root)
                for path in sorted(glob.glob(f"{glob.escape(base)}/{depth}{name}.py")):
                    words = os.path.relpath(path, base)[: -len(".py")].split("/")
                    first = os.path.join(root, words[0])
                    # A module in another root is named relative to that root.
                    other = first in self.roots and not os.path.exists(f"{self.folder}/{first}/__init__.py")
                    if all(word.isidentifier() for word in words) and not other:
                        yield ".".join(words)

    def _all_settings(self, module: str) -> str:
        """Return the text of the settings and of their package, because settings modules import one another."""
        file = self.file(module) if module else ""
        if not file:
            return ""
        folder = os.path.dirname(file)
        others = sorted(glob.glob(f"{glob.escape(folder)}/*.py")) if "settings" in os.path.basename(folder) else []
        return "\n".join(files.read_or_empty(path) for path in dict.fromkeys([file, *others]))


def named(variable: str, text: str) -> str:
    """Return the value that a manage.py or wsgi.py assigns to an environment variable, or ''.

    Both `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x")` and `os.environ["DJANGO_SETTINGS_MODULE"] = "x"` count.
    Comments do not.
    """
    text = re.sub(r"(?m)^[ \t]*#.*$", "", text)
    match = re.search(rf"{variable}['\"]\s*(?:,|(?:\]\s*)?=)\s*['\"]([\w.]+)['\"]", text)
    return match[1] if match else ""


def uses_configurations(texts: list[str]) -> bool:
    """Return whether the settings of a project are classes, as with django-configurations."""
    return any(_CONFIGURATIONS.search(text) for text in texts)


def configuration(texts: list[str], settings: str) -> str:
    """Return the settings class to use: the one that the project names, or its production counterpart if there is one.

    `texts` are those of wsgi.py, manage.py and asgi.py, `settings` is that of the settings. Returns '' if none names a
    class.
    """
    given = next(filter(None, (named("DJANGO_CONFIGURATION", text) for text in texts)), "")
    if given and given.lower() not in DEVELOPMENT:
        return given
    classes = _names(settings)
    preferred = [name for word in PRODUCTION for name in classes if name.lower() == word]
    return preferred[0] if preferred else given


def _names(text: str) -> list[str]:
    """Return the classes that a module defines or imports."""
    found = []
    with contextlib.suppress(*UNPARSABLE):
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                found.append(node.name)
            elif isinstance(node, ast.ImportFrom):
                found += [alias.asname or alias.name for alias in node.names]
    return found


def _added_to_path(folder: str, script: str) -> list[str]:
    """Return the directories below `folder` that a manage.py adds to sys.path.

    The words of the expression are joined: `str(BASE_DIR / "apps")` and `os.path.join(HERE, "apps")` mean the same.
    """
    with contextlib.suppress(*UNPARSABLE):
        return _added_by(folder, ast.parse(script))
    return []


def _added_by(folder: str, tree: ast.Module) -> list[str]:
    values = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and re.fullmatch(r"(sys\.)?path\.(append|insert|extend)", _dotted(node.func)):
            words = [word for argument in node.args for word in _texts(argument, values, 3)]
            path = os.path.normpath(os.path.join(*words)) if words else "."
            inside = path != "." and not path.startswith(("..", "/"))
            if inside and os.path.isdir(os.path.join(folder, path)):
                found.append(path)
    return list(dict.fromkeys(found))


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _texts(node: ast.AST, values: dict[str, ast.expr], depth: int) -> Iterator[str]:
    """Yield the strings in an expression from left to right, and those of variables, up to `depth` levels deep."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name):
        if depth and node.id in values:
            yield from _texts(values[node.id], values, depth - 1)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child, values, depth)
