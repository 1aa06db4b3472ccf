# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of the inventory that name something on the controller: a source's directory or archive, an `env_file`.

Relative ones start from the directory of the inventory. Versions up to 0.2 started from the directory of the playbook,
which is inside the installed collection for `ansible-playbook pyweb.stack.site`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class ControllerPaths:
    """`base` is the directory that relative paths start from, `former` that of earlier versions, '' for none."""

    base: str = "."
    former: str = ""

    def absolute(self, path: str) -> str:
        """Return an absolute path without `~` and `..`."""
        return os.path.normpath(os.path.join(os.path.abspath(self.base), os.path.expanduser(path)))

    def rule(self, path: str) -> str:
        """Return the rule for a path that does not exist: where it starts from, and where it would exist."""
        if os.path.isabs(os.path.expanduser(path)):
            return ""
        base = os.path.abspath(self.base)
        before = os.path.normpath(os.path.join(os.path.abspath(self.former), path)) if self.former else ""
        rule = f"; relative paths start from the directory of the inventory, {base}"
        if not before or before == self.absolute(path) or not os.path.exists(before):
            return rule
        now = os.path.relpath(before, base)
        return f"{rule}, and no longer from that of the playbook; to keep {before}, write {now}"
