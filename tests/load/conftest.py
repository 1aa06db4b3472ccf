"""The fixtures have a module of their own, because the tests under fault use them too."""

from fixtures import *  # noqa: F403
