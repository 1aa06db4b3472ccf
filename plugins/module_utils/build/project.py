# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Django project: where manage.py is, its settings and its WSGI entry."""

from __future__ import annotations

import glob
import os
import re
from typing import TypedDict

from ..build import layouts
from ..host import files
from ..host.shell import StepError
from ..model.types import Site

# Directory names that never need quotes.
PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")


class Discovered(TypedDict):
    """A project. `chdir` is the directory that it runs in (that of manage.py), relative to the source.

    `wsgi` is module:callable, '' if the project has none. `asgi` is the ASGI entry that it has instead. `paths` are the
    directories to add to sys.path beside `chdir`, relative to it. `configurations` tells whether the settings are
    classes, `configuration` which class is used, or ''. `notes` contains messages about what was chosen.
    """

    chdir: str
    settings_module: str
    wsgi: str
    asgi: str
    paths: list[str]
    configurations: bool
    configuration: str
    notes: list[str]


def discover(code: str, site: Site) -> Discovered:
    """Find the project in the directory `code`; values that the site sets are not searched for. Raises `StepError`."""
    manage = _manage(code, site)
    folder = os.path.dirname(manage) or code
    script = files.read_or_empty(manage) if manage else ""
    source = layouts.Source.of(folder, script)
    entry = site["wsgi"] or source.entry("wsgi", site["settings_module"] or named_settings(script))
    other = "" if entry else source.entry("asgi", "")
    texts = [source.text(entry.partition(":")[0]), script, source.text(other.partition(":")[0])]
    notes: list[str] = []
    module = site["settings_module"] or _settings_module(source, texts, site["name"], notes)
    classes = layouts.uses_configurations([*texts, source.text(module)])
    chosen = layouts.configuration(texts, source.text(module)) if classes else ""
    if chosen:
        notes.append(f"settings are those of the class {chosen} of {module}, unless env has DJANGO_CONFIGURATION")
    if not entry:
        notes.append(
            f"the project has {other.partition(':')[0]} and no wsgi.py: it is served by a generated WSGI entry, "
            "which answers HTTP but no websockets"
            if other
            else "the project has no wsgi.py: it is served by a generated WSGI entry"
        )
    chdir = os.path.relpath(folder, code)
    for path in (chdir, *source.paths(script, [module, (entry or other).partition(":")[0]])):
        _refuse_odd(site["name"], path)
    return {
        "chdir": chdir,
        "settings_module": module,
        "wsgi": entry,
        "asgi": other,
        "paths": source.paths(script, [module, (entry or other).partition(":")[0]]),
        "configurations": classes,
        "configuration": chosen,
        "notes": notes,
    }


def _refuse_odd(site_name: str, path: str) -> None:
    """Refuse directory names that units, ini files and scripts would have to quote; other paths are not limited."""
    odd = next((name for name in path.split("/") if not PLAIN.fullmatch(name)), "")
    if odd:
        raise StepError(
            site_name,
            "discovery",
            f"the directory {odd!r} is in the path of manage.py, wsgi.py or the settings; expected ASCII letters, "
            "digits and any of . _ + - in such names; rename it",
        )


def named_settings(text: str) -> str:
    """Return the settings module that a manage.py or wsgi.py names, or ''."""
    return layouts.named("DJANGO_SETTINGS_MODULE", text)


def _manage(code: str, site: Site) -> str:
    """Return the path of manage.py: the one that the site sets, or the topmost one of the source.

    '' if there is none and the site sets what it would contain.
    """
    if site["manage"]:
        found = [f"{code}/{site['manage']}"]
    else:
        found = sorted(
            (path for depth in ("", "*/", "*/*/") for path in glob.glob(f"{code}/{depth}manage.py")),
            key=lambda path: (path.count("/"), path),
        )
    if found and os.path.isfile(found[0]):
        return found[0]
    if site["settings_module"] and not site["manage"]:
        return ""
    wanted = site["manage"] or "manage.py"
    advice = "" if site["manage"] else "; a project without one needs settings_module, and wsgi if it has a WSGI entry"
    raise StepError(
        site["name"], "discovery", f"the source has no {wanted}; set manage to its path, relative to the source{advice}"
    )


def _settings_module(source: layouts.Source, texts: list[str], site_name: str, notes: list[str]) -> str:
    """Return the settings that wsgi.py, manage.py or asgi.py names; production ones instead of development ones.

    If others are used instead, this is added to `notes`.
    """
    for text in texts:
        module = named_settings(text)
        if module:
            chosen = _for_production(source, module)
            if chosen != module:
                notes.append(f"settings are those of {chosen} and not of {module}, which is for development")
            return chosen
    raise StepError(
        site_name, "discovery", "neither wsgi.py nor manage.py names DJANGO_SETTINGS_MODULE; set settings_module"
    )


def _for_production(source: layouts.Source, module: str) -> str:
    package, _dot, last = module.rpartition(".")
    if last in layouts.DEVELOPMENT:
        for name in layouts.PRODUCTION:
            if source.file(f"{package}.{name}".lstrip(".")):
                return f"{package}.{name}".lstrip(".")
    return module
