"""Small Django projects: what `django-admin startproject mysite .` makes with one template, and what a shape changes.

    python tests/projects/project.py FOLDER [SHAPE...]    writes them, to be looked at

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

DJANGO = "Django>=5.2,<5.3"  # the newest for every Python of the platforms
BASE = Path(__file__).with_name("mysite")
SETTINGS, URLS = "mysite/settings.py", "mysite/urls.py"
# For `urls`: the start page is a redirect, so that nobody sees what is behind it who does not follow.
REDIRECTS = """
    urlpatterns = [
        path("", lambda request: redirect("/app/")), path("app/", start), path("about/", about, name="about"),
    ]
"""


@dataclass(frozen=True)
class Shape:
    """A project, its site, and what is right for it. `name` is the site's name.

    `settings` and `urls` are added to those two modules, `apps` to INSTALLED_APPS, `requires` to the requirements.
    `files` take the place of those of startproject; None leaves one out. `below`: the directory of the source in which
    all of it lies. `tables` become db.sqlite3: names, each with the text of its one row. `locked`: it gets a uv.lock.

    `keys` are those of the site; {folder} in their texts is where the project lies on this machine. `before` is a
    script for the host. `told` is what the start page says, `pages` what others say, `notes` what the run has to say
    about the site, `django` which Django it is. `start` is the start page, `language` the visitor's, `login` an
    administrator's name and password.

    One with an `error` or `causes` is refused: the first line about the site begins with the former, and has all of the
    latter in it.
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
        """Write the project into a directory that is not there yet."""
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
        """Return both as one project; of `other` alone come the requirements by way of the site's `packages`."""
        both = {
            field.name: _joined(getattr(other, field.name), getattr(self, field.name), field.default)
            for field in fields(self)
        }
        more = {"packages": list(other.requires)} if other.requires else {}
        both |= {"name": f"{self.name}-{other.name}", "requires": self.requires, "keys": {**both["keys"], **more}}
        return Shape(**both)

    def site(self, folder: Path) -> dict[str, Any]:
        """The site of the inventory, with the project in `folder`."""
        base = {
            "name": self.name,
            "domains": [self.domain],
            "source": {"directory": str(folder)},
            "uwsgi": {"processes": 1},
        }
        return {**base, **filled(dict(self.keys), folder)}


def _joined(first: Any, second: Any, default: Any) -> Any:
    """Return what two shapes say of the same, where at most one of two texts differs from the default."""
    if isinstance(first, Mapping):
        return {**first, **second}
    if isinstance(first, tuple) and isinstance(second, tuple) and default == ():
        return first + second
    return second if first == default else first


def filled(value: Any, folder: Path) -> Any:
    """`value` with the project's directory in its texts."""
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
