"""All shapes, by their expected result. PYWEB_SHAPES limits the tests to the shapes that it names."""

from __future__ import annotations

import os
from collections.abc import Iterable

from project import Shape
from shapes_commands import BACKGROUND, COMMANDS
from shapes_dependencies import DEPENDENCIES
from shapes_refused import AT_ONCE, DEPENDENCIES_REFUSED, SETTINGS_REFUSED, UNHEALTHY
from shapes_settings import LAYOUTS, SETTINGS


def wanted(shapes: Iterable[Shape]) -> list[Shape]:
    names = os.environ.get("PYWEB_SHAPES", "").split()
    return [shape for shape in shapes if not names or shape.name in names]


# Shapes that do not conflict share a site, because a build and a release take longer than all visits.
TOGETHER = {
    "poetry": "asgi",
    "poetrylock": "seeded",
    "uvlock": "besidewsgi",
    "pipfile": "asked",
    "setuppy": "packaged",
    "production": "classes",
    "backend": "prefix",
    "ownuwsgi": "dotenv",
}
OTHERS = {shape.name: shape for shape in [*SETTINGS, *LAYOUTS]}
SERVED = wanted(
    [
        *COMMANDS,
        *BACKGROUND,
        *(shape.beside(OTHERS[TOGETHER[shape.name]]) for shape in DEPENDENCIES),
        *(shape for shape in OTHERS.values() if shape.name not in TOGETHER.values()),
    ]
)
# A run in which a build fails does not reach later steps, so each kind has a separate run.
NOT_BUILT = wanted([*SETTINGS_REFUSED, *DEPENDENCIES_REFUSED])
NOT_RELEASED = wanted(UNHEALTHY)
REFUSED_AT_ONCE = wanted(AT_ONCE)
REFUSED = [*NOT_BUILT, *NOT_RELEASED]
ALL = [*SERVED, *REFUSED, *REFUSED_AT_ONCE]
