# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The version of the collection that last released sites on this host, in a file with one line."""

from __future__ import annotations

import os

from ..model import layout as layouts
from . import files


def converge(version: str, stays: bool, check_mode: bool) -> dict[str, str]:
    """Write the version, or remove it if no site `stays`. Return the diff for Ansible, {} if nothing changes.

    An unknown version ('') changes nothing.
    """
    path, before, after = layouts.VERSION, read(), version if stays else ""
    if not version or before == after:
        return {}
    if not check_mode:
        if after:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            files.write(path, f"{after}\n", 0o644, os.geteuid(), os.getegid())
        else:
            files.forget(path)
    shown = {"before": before, "after": after}
    return {
        **{key: f"{text}\n" if text else "" for key, text in shown.items()},
        "before_header": path,
        "after_header": path,
    }


def read() -> str:
    """Return the recorded version, '' if there is none: no site is on the host, or version 0.1.0 ran last."""
    return files.read_or_empty(layouts.VERSION).strip()
