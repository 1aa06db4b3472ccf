"""The host and the code that all tests here change."""

from fixtures import *  # noqa: F403 - pytest knows fixtures by the names in a conftest
