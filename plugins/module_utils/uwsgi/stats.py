# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""uWSGI's statistics from its stats socket, as far as they are used here."""

from __future__ import annotations

from typing import Any

from ..host import answers
from . import protocol

SHAPE = {"sockets": [{"name": str}], "workers": [{"status": str, "cores": [{"vars": [str]}]}]}


def read(address: str, timeout: float = 5.0) -> dict[str, Any]:
    """Return the document of a stats socket. Raises `ProtocolError` if it cannot be read."""
    try:
        found: dict[str, Any] = answers.parsed(protocol.stats(address, timeout), SHAPE)
    except ValueError as error:
        raise protocol.ProtocolError(address, f"these are not statistics of uWSGI: {error}") from None
    return found


def are_there(address: str) -> bool:
    """Return whether a stats socket answers."""
    try:
        read(address)
    except protocol.ProtocolError:
        return False
    return True


def workers(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the document's data of the workers, one by one."""
    return list(found.get("workers") or [])
