# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The user who runs the playbook, for the audit log of a site."""

from __future__ import annotations

import getpass
import socket


def who() -> str:
    """Return USER@CONTROLLER, as far as the controller knows them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
