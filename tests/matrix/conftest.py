"""The archive that every controller installs."""

from __future__ import annotations

from starting_point import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
