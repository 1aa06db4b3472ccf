# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs for the project's own Python: their text, made of one or more files, and their answer."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

from ..host import answers
from ..host.shell import StepError

# Python allows it only at the beginning of a file.
_FUTURE = re.compile(r"^from __future__ import annotations\n", re.MULTILINE)


def program_text(*parts: ModuleType) -> str:
    """Return the text of a program made of these files; the last file is the one that runs."""
    return "from __future__ import annotations\n" + "".join(_FUTURE.sub("", inspect.getsource(part)) for part in parts)


def answer(site: str, step: str, said: str, shape: Any) -> Any:
    """Return the last line of a program's output, parsed as JSON. Raises `StepError` if it has another shape."""
    lines = said.strip().splitlines()
    try:
        return answers.parsed(lines[-1] if lines else "", shape)
    except ValueError as error:
        raise StepError(site, step, f"cannot read the answer of the project's Python: {error}") from None
