"""All shapes, by what comes of them."""

from __future__ import annotations

from shapes_commands import BACKGROUND, COMMANDS
from shapes_dependencies import DEPENDENCIES
from shapes_refused import REFUSED
from shapes_settings import LAYOUTS, SETTINGS

SERVED = [*COMMANDS, *BACKGROUND, *DEPENDENCIES, *SETTINGS, *LAYOUTS]

__all__ = ["REFUSED", "SERVED"]
