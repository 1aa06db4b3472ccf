# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare a project's static files with what was collected, from the inside: files that are missing, older, unlisted.

The text of this file is sent to the site's interpreter in front of `django_look`, so it needs nothing but Python and
Django. It only reads, with a limit of files and time.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Any

# What browsers fetch: many projects exclude the sources of these files from STATIC_ROOT.
FETCHED = (".css", ".js", ".mjs", ".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".woff", ".woff2")
# Limits: files, bytes of a file, names that are reported, seconds.
ASSETS_MAX, COMPARED_MAX, TOLD_MAX, LOOKING = 20000, 1 << 20, 5, 0.8
TEMPLATES_MAX, TEMPLATE_BYTES = 500, 1 << 18
STATIC_TAG = re.compile(r"""\{%\s*static\s+["']([^"'{}]{1,200})["']""")


def assets(settings: Any) -> dict[str, Any]:
    """Return the static files that differ between STATIC_ROOT and the project; {} if that does not matter."""
    root = str(settings.STATIC_ROOT or "")
    if (
        "django.contrib.staticfiles" not in settings.INSTALLED_APPS
        or not os.path.isdir(root)
        or serves_sources(settings)
    ):
        return {}
    from django.contrib.staticfiles.storage import staticfiles_storage

    # The first access to an attribute sets up a lazy object.
    location = str(getattr(staticfiles_storage, "location", "") or "")
    if not location or os.path.realpath(location) != os.path.realpath(root):
        return {}
    deadline = time.monotonic() + LOOKING
    found: dict[str, Any] = {"missing": [], "older": []}
    names = []
    for name, source in sources(root, deadline):
        names.append(name)
        state = compared(source, os.path.join(root, name))
        if state:
            found[state].append(name)
    counts = {f"{state}_many": len(listed) for state, listed in list(found.items())}
    found = {state: sorted(listed)[:TOLD_MAX] for state, listed in found.items()}
    return {**found, **counts, "seen": len(names), **manifest(staticfiles_storage, root, names)}


def serves_sources(settings: Any) -> bool:
    """Return whether WhiteNoise serves the files where they are, collected or not."""
    if not any("whitenoise" in str(path).lower() for path in settings.MIDDLEWARE or []):
        return False
    debug = bool(settings.DEBUG)
    return bool(
        getattr(settings, "WHITENOISE_USE_FINDERS", debug) or getattr(settings, "WHITENOISE_AUTOREFRESH", debug)
    )


def sources(root: str, deadline: float) -> Iterator[tuple[str, str]]:
    """Yield (name, file) of what collectstatic would collect, the first of each name, as far as browsers fetch it."""
    from django.apps import apps
    from django.contrib.staticfiles.finders import get_finders

    patterns = list(getattr(apps.get_app_config("staticfiles"), "ignore_patterns", ["CVS", ".*", "*~"]))
    seen: set[str] = set()
    for finder in get_finders():
        for path, storage in finder.list(patterns):
            if time.monotonic() > deadline or len(seen) > ASSETS_MAX:
                return
            name = os.path.join(getattr(storage, "prefix", None) or "", path)
            if name in seen or not name.lower().endswith(FETCHED):
                continue
            seen.add(name)
            try:
                source = storage.path(path)
            except NotImplementedError:  # it is not on a disk
                continue
            if not os.path.realpath(source).startswith(f"{os.path.realpath(root)}/"):
                yield name, source


def compared(source: str, collected: str) -> str:
    """Return 'missing' or 'older' for a collected file that differs from its source; else ''."""
    try:
        new = os.stat(source)
    except OSError:
        return ""
    try:
        old = os.stat(collected)
    except PermissionError:
        return ""
    except OSError:
        return "missing"
    if new.st_mtime <= old.st_mtime + 1 or (new.st_dev, new.st_ino) == (old.st_dev, old.st_ino):
        return ""
    if new.st_size != old.st_size:
        return "older"
    if new.st_size > COMPARED_MAX:
        return ""
    try:
        with open(source, "rb") as one, open(collected, "rb") as other:
            return "" if one.read() == other.read() else "older"
    except OSError:
        return ""


# --- the manifest ---


def manifest(storage: Any, root: str, names: list[str]) -> dict[str, Any]:
    """Return what a storage with hashed names lacks: {} if it needs no manifest."""
    listed = getattr(storage, "hashed_files", None)
    file = str(getattr(storage, "manifest_name", "") or "")
    if listed is None or not file or not getattr(storage, "manifest_strict", False):
        return {}
    used = dict(in_templates())
    wanted = [f"{name} ({place})" for name, place in used.items() if name not in listed]
    unlisted = [name for name in names if name not in listed]
    gone = [name for name, hashed in listed.items() if not os.path.exists(os.path.join(root, hashed))]
    return {
        "manifest": os.path.join(root, file),
        "listed": len(listed),
        "wanted": sorted(wanted)[:TOLD_MAX],
        "unlisted": sorted(unlisted)[:TOLD_MAX],
        "gone": sorted(gone)[:TOLD_MAX],
    }


def in_templates() -> Iterator[tuple[str, str]]:
    """Yield (name, FILE:LINE) of the static files that the project's own templates name."""
    from django.template import engines

    folders = [str(folder) for engine in engines.all() for folder in getattr(engine, "template_dirs", ())]
    deadline, looked = time.monotonic() + LOOKING / 2, 0
    for folder in dict.fromkeys(folders):
        for base, inner, files in os.walk(folder) if "-packages/" not in f"{folder}/" else ():
            inner.sort()
            for file in sorted(files):
                looked += 1
                if looked > TEMPLATES_MAX or time.monotonic() > deadline:
                    return
                path = os.path.join(base, file)
                if os.path.isfile(path) and os.path.getsize(path) <= TEMPLATE_BYTES:
                    with open(path, encoding="utf-8", errors="replace") as stream:
                        for number, line in enumerate(stream, 1):
                            for match in STATIC_TAG.finditer(line):
                                yield match[1], f"{path}:{number}"
