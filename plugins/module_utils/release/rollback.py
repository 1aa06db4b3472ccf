# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make an earlier release live again, under one lock, for pyweb.stack.rollback and `pyweb rollback`."""

from __future__ import annotations

import re

from ..host import files
from ..host.shell import StepError
from ..model.layout import Layout
from .release import stored
from .shelf import Shelf
from .switch import Change, Switch


def wrong_id(text: str) -> str:
    """Return the fault of a release's ID; '' for a valid one. An empty ID means the previous release."""
    if re.fullmatch(r"[0-9a-f]*", text):
        return ""
    return f"{text!r}; expected the ID of a release, or nothing for the previous one"


def roll_back(
    layout: Layout, to: str, who: str, ignore_migrations: bool = False, check_mode: bool = False
) -> tuple[Change, StepError | None]:
    """Make the chosen release live; return what changed, and why it does not answer then. Raises `StepError`."""
    with files.locked(layout.name):
        release = stored(layout, to or Shelf(layout).previous)
        switch = Switch.on_this_host(release, who, check_mode)
        return switch.roll_back(ignore_migrations), switch.unanswered()
