"""The sites under test: the example project behind each kind of socket, from a copy that tests can change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from host import ROOT, Host

PLACE = "/srv/place"
BALANCED = ["127.0.0.1:8011", "127.0.0.1:8012"]
# A project's LOGGING that mails errors and logs nothing.
MAIL_ONLY = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"mail": {"class": "django.utils.log.AdminEmailHandler"}},
    "root": {"handlers": ["mail"], "level": "ERROR"},
    "loggers": {"django": {"handlers": ["mail"], "level": "ERROR", "propagate": False}},
}
"""


@dataclass(frozen=True)
class Inventory:
    """`web_sites` of a run. `with_()` returns a copy with other keys for every site, or for one."""

    sites: tuple[dict[str, Any], ...]

    @property
    def hosts(self) -> list[str]:
        return [str(site["domains"][0]) for site in self.sites]

    @property
    def names(self) -> list[str]:
        return [str(site["name"]) for site in self.sites]

    def with_(self, only: str = "", **keys: Any) -> Inventory:
        sites = (_merged(site, keys) if only in ("", site["name"]) else site for site in self.sites)
        return replace(self, sites=tuple(sites))


class Project:
    """A copy of the example on the controller; a change to it stands for a developer's commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reset()

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(ROOT / "examples/mysite", self.folder)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        changed = change(text)
        assert changed != text, f"the edit of {name} changed nothing; the example is not as this test expects"
        path.write_text(changed, encoding="utf-8")

    def version(self, number: int | str) -> None:
        """Make a new version of the code, with a different text on the page and a different style sheet."""
        self.edit(
            "mysite/settings.py",
            lambda text: "".join(
                f'MYSITE_VERSION = "{number}"\n' if line.startswith("MYSITE_VERSION") else line
                for line in text.splitlines(keepends=True)
            ),
        )
        self.edit("static/gallery/style.css", lambda text: text + f"\n/* {number} */\n")

    def lie_on(self, host: Host) -> None:
        """Copy the code to the directory that a site uses in place."""
        host.copy(self.folder, PLACE)


def site(name: str, project: Project | None, **keys: Any) -> dict[str, Any]:
    """Return a site with the project's code; without a project, with code that is on the host."""
    base = {
        "name": name,
        "domains": [f"{name}.example"],
        "source": {"directory": str(project.folder)} if project else {"path": PLACE},
        "health": {"path": "/healthz", "status": [200]},
        # Threads, so that requests of 5 s do not occupy all workers.
        "uwsgi": {"processes": 2, "threads": 6},
    }
    return _merged(base, keys)


def all_kinds(project: Project) -> Inventory:
    """Return a site for each kind of connection between nginx and uWSGI, and one whose code is used in place."""
    return Inventory(
        (
            site("unix", project),
            site("tcp", project, uwsgi={"socket": "127.0.0.1:8001"}),
            site("balanced", project, uwsgi={"socket": BALANCED}),
            site("place", None),
        )
    )


def _merged(base: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Return `base` overridden by `keys`; nested mappings are merged."""
    both = {
        key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in keys.items()
    }
    return {**base, **both}
