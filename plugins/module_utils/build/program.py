# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs for the project's own Python: the text of one or more files, as it is sent to an interpreter; its answer."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

from ..host import answers
from ..host.shell import StepError

# It may stand at the beginning of a text only.
_FUTURE = re.compile(r"^from __future__ import annotations\n", re.MULTILINE)


def program_text(*parts: ModuleType) -> str:
    """Return the text of a program that is made of these files, the last one being what runs."""
    return "from __future__ import annotations\n" + "".join(_FUTURE.sub("", inspect.getsource(part)) for part in parts)


def answer(site: str, step: str, said: str, shape: Any) -> Any:
    """Return what a program's last line says, as JSON. Raises `StepError` where that is nothing of this shape."""
    lines = said.strip().splitlines()
    try:
        return answers.parsed(lines[-1] if lines else "", shape)
    except ValueError as error:
        raise StepError(site, step, f"nobody can read what the project's Python answered: {error}") from None
