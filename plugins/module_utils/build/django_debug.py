# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# A program of its own, not part of a module: it prints its result.
# pylint: disable=ansible-bad-function
"""Find the variables that make a project's DEBUG false, in the site's own interpreter.

The text of this file and of `settings_facts` is sent to the interpreter's standard input, so it needs only Python. Each
import of the settings runs in a new process, because Python imports a module only once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings_facts import debug_modules  # the text of that file is sent before this one

# How projects write false: for boolean parsers, for int(), and for bool().
FALSE = ("False", "0", "")


def main(overlay_module: str, names: str) -> None:
    """Print one line of JSON: which of the variables `names` (JSON) make DEBUG false, and with which value; or {}."""
    wanted = [name for name in json.loads(names) if name not in os.environ]
    for value in FALSE if wanted else ():
        together = dict.fromkeys(wanted, value)
        if is_off(overlay_module, together):
            alone = ({name: value} for name in wanted)
            print(json.dumps(next((one for one in alone if is_off(overlay_module, one)), together)))
            return
    print("{}")


def is_off(overlay_module: str, environment: dict[str, str]) -> bool:
    """Import the settings with these variables; return whether the project's DEBUG is then false."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(2, 1)  # the project's own output is not part of the answer
            os.environ.update(environment)
            importlib.import_module(overlay_module)
            project = sys.modules[sys.modules["pyweb_environment"].PROJECT]
            status = 1 if debug_modules(project) else 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
