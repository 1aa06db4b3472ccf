"""All shapes, by what comes of them."""

from __future__ import annotations

from shapes_commands import BACKGROUND, COMMANDS
from shapes_dependencies import DEPENDENCIES
from shapes_refused import REFUSED, REFUSED_AT_ONCE
from shapes_settings import LAYOUTS, SETTINGS

SERVED = [*COMMANDS, *BACKGROUND, *DEPENDENCIES, *SETTINGS, *LAYOUTS]

ALL = [*SERVED, *REFUSED, *REFUSED_AT_ONCE]

__all__ = ["ALL", "REFUSED", "REFUSED_AT_ONCE", "SERVED"]
