# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say on the terminal what a long step does, and how long it usually takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible import constants
from ansible_collections.pyweb.stack.plugins.plugin_utils import output

# Seconds until a step counts as long. A step that has nothing to do ends earlier, so a second run shows no line.
LONG = 2.0
# Seconds between two lines. Ansible shows nothing until the module ends.
AGAIN = 15.0
# So many names are shown.
SHOWN = 3


@contextmanager
def told(doing: str, usual: str, variables: Mapping[str, Any] | None) -> Iterator[None]:
    """Show a line if the body takes longer than LONG seconds, and another one every AGAIN seconds.

    `doing` says what happens, for example `building shop`; `usual` says how long that takes.
    """
    if not doing:
        yield
        return
    host = str((variables or {}).get("inventory_hostname") or "")
    done = threading.Event()
    thread = threading.Thread(target=_tell, args=(f"{host}: {doing}" if host else doing, usual, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        # The process of the task ends after this, so no line may be half written then.
        done.set()
        thread.join()


def _tell(doing: str, usual: str, done: threading.Event) -> None:
    if done.wait(LONG):
        return
    _show(f"{doing}; {usual}" if usual else doing)
    seconds = LONG
    while not done.wait(AGAIN):
        seconds += AGAIN
        _show(f"{doing}; {seconds:.0f} s so far")


def _show(text: str) -> None:
    output.show([(text, constants.COLOR_VERBOSE)])


def names(found: Any) -> str:
    """Return some names for a line: `shop, blog and 5 more`. `found` has names, or sites."""
    all_of = [str(name.get("name")) if isinstance(name, Mapping) else str(name) for name in found or []]
    if len(all_of) <= SHOWN + 1:
        return ", ".join(all_of)
    return f"{', '.join(all_of[:SHOWN])} and {len(all_of) - SHOWN} more"
