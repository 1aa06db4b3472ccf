"""Small Django projects ("shapes"): the result of `django-admin startproject mysite .`, a template, and changes.

    python tests/projects/project.py FOLDER [SHAPE...]    writes them into a directory

Nothing here needs Django.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

DJANGO = "Django>=5.2,<5.3"  # the newest that supports every Python of the platforms
BASE = Path(__file__).with_name("mysite")
SETTINGS, URLS = "mysite/settings.py", "mysite/urls.py"
# For `urls`: the start page is a redirect, so that the health check must follow it.
REDIRECTS = """
    urlpatterns = [
        path("", lambda request: redirect("/app/")), path("app/", start), path("about/", about, name="about"),
    ]
"""


@dataclass(frozen=True)
class Shape:
    """A project, its site, and the expected result. `name` is the site's name.

    `settings` and `urls` are added to those two modules, `apps` to INSTALLED_APPS, `requires` to the requirements.
    `files` replace those of startproject; None removes one. `below`: the directory of the source that contains the
    project. `tables` become db.sqlite3: names, each with the text of its single row. `locked`: it gets a uv.lock.

    `keys` are those of the site; {folder} in their texts is the directory of the project on this machine. `before` is
    a script for the host. `told` is a text of the start page, `pages` are texts of other pages, `notes` those of the
    run about the site, `django` is the version of Django. `start` is the path of the start page, `language` the
    visitor's, `login` an administrator's name and password.

    A shape with an `error` or `causes` is refused: the first line about the site begins with the former, and contains
    all of the latter.
    """

    name: str
    settings: str = ""
    urls: str = ""
    apps: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    below: str = ""
    locked: bool = False
    tables: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""
    told: str = ""
    django: str = "5.2."
    pages: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    start: str = "/"
    language: str = ""
    login: tuple[str, str] = ("", "")
    error: str = ""
    causes: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return f"{self.name}.example"

    @property
    def has_admin(self) -> bool:
        return "urlpatterns =" not in self.urls

    def write(self, folder: Path) -> None:
        """Write the project into a new directory."""
        root = folder / self.below
        texts: dict[str, str | bytes | None] = {
            str(path.relative_to(BASE)): path.read_text(encoding="utf-8") for path in BASE.rglob("*") if path.is_file()
        }
        texts["requirements.txt"] = "\n".join([DJANGO, *self.requires, ""])
        apps = f"\nINSTALLED_APPS += {list(self.apps)}\n" if self.apps else ""
        texts[SETTINGS] = f"{texts[SETTINGS]}{apps}{textwrap.dedent(self.settings)}"
        texts[URLS] = f"{texts[URLS]}{textwrap.dedent(self.urls)}"
        for name, text in {**texts, **self.files}.items():
            if text is not None:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        if self.tables:
            with sqlite3.connect(root / "db.sqlite3") as database:
                for table, row in self.tables.items():
                    database.execute(f"CREATE TABLE {table} (told TEXT)")
                    database.execute(f"INSERT INTO {table} VALUES (?)", [row])  # noqa: S608 - names of our own
            database.close()
        if "archive" in self.keys.get("source", {}):
            shutil.make_archive(str(folder), "gztar", folder)

    def beside(self, other: Shape) -> Shape:
        """Return both as one project; the requirements of `other` become the site's `packages`."""
        both = {
            field.name: _joined(getattr(other, field.name), getattr(self, field.name), field.default)
            for field in fields(self)
        }
        more = {"packages": list(other.requires)} if other.requires else {}
        both |= {"name": f"{self.name}-{other.name}", "requires": self.requires, "keys": {**both["keys"], **more}}
        return Shape(**both)

    def site(self, folder: Path) -> dict[str, Any]:
        """Return the site for the inventory, with the project in `folder`."""
        base = {
            "name": self.name,
            "domains": [self.domain],
            "source": {"directory": str(folder)},
            "uwsgi": {"processes": 1},
        }
        return {**base, **filled(dict(self.keys), folder)}


def _joined(first: Any, second: Any, default: Any) -> Any:
    """Return the values of a field of two shapes as one. At most one of two texts may differ from the default."""
    if isinstance(first, Mapping):
        return {**first, **second}
    if isinstance(first, tuple) and isinstance(second, tuple) and default == ():
        return first + second
    return second if first == default else first


def filled(value: Any, folder: Path) -> Any:
    """Return `value` with {folder} in its texts replaced by the project's directory."""
    if isinstance(value, Mapping):
        return {key: filled(item, folder) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(item, folder) for item in value]
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


if __name__ == "__main__":
    from shapes import ALL

    for shape in ALL:
        if shape.name in (sys.argv[2:] or [shape.name]):
            shape.write(Path(sys.argv[1]) / shape.name)
