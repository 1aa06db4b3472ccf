# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check of the key `python`: a version, an interpreter, or a mapping that also controls uv's Pythons."""

from __future__ import annotations

import re
from typing import Any

from .checks import Check, Wrong, accepts, is_plain_path
from .errors import similar

# never: a Python of the host or its repositories. fallback: uv's if none of these is suitable. always: uv's.
KEYS = ("version", "managed")
PATCH = r"3\.[0-9]{1,2}\.[0-9]{1,2}"
POLICIES = ("never", "fallback", "always")


@accepts("auto, a version such as '3.12', or the absolute path of an interpreter")
def python_version(value: Any) -> str:
    if isinstance(value, float):
        if value == 3.1:
            raise Wrong(fix="quote it: YAML reads 3.10 as the number 3.1")
        value = str(value)
    if value == "auto" or is_plain_path(value) or (isinstance(value, str) and re.fullmatch(r"3\.[0-9]{1,2}", value)):
        return str(value)
    raise Wrong


def _python(value: Any) -> str | dict[str, str]:
    """A version or path as text; a mapping is kept if it allows uv to install the Python: {version, managed}."""
    if not isinstance(value, dict):
        try:
            return str(python_version(value))
        except Wrong as wrong:
            raise Wrong(fix=wrong.fix) from None
    unknown = [str(key) for key in value if key not in KEYS]
    if unknown:
        raise Wrong("a mapping of version and managed", f"found {unknown[0]!r}{similar(unknown[0], KEYS)}")
    # A key without a value means the default.
    value = {key: item for key, item in value.items() if item is not None}
    managed = value.get("managed", "never")
    if managed not in POLICIES:
        raise Wrong(f"one of {', '.join(POLICIES)} as managed", similar(managed, POLICIES).lstrip("; "))
    version = value.get("version", "auto")
    if managed == "always" and isinstance(version, str) and re.fullmatch(PATCH, version):
        return {"version": version, "managed": managed}
    try:
        version = str(python_version(version))
    except Wrong as wrong:
        patch = "a patch release requires managed: always" if re.fullmatch(PATCH, str(version)) else ""
        raise Wrong(f"{wrong.wanted}, as version", wrong.fix or patch) from None
    if managed == "never":
        return version
    if version.startswith("/"):
        raise Wrong("no path as version beside managed", "uv installs versions, such as '3.13'")
    return {"version": version, "managed": str(managed)}


python: Check = accepts(f"{python_version.wants}, or a mapping of version and managed")(_python)
