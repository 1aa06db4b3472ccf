# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of a unit in the journal, up to this moment."""

from __future__ import annotations

from ..host.shell import Shell

# How many lines of a failure are read: the longest report of an exception, and a whole one before it.
LINES = 2000


def read(shell: Shell, unit: str, since: float, *words: str) -> str:
    """Return journalctl's output for a unit; `since` is in seconds since the epoch, `words` are more options."""
    # journald first writes its queue: on a busy host, this may be seconds of lines, or half of a long text.
    shell.run("journal", ["journalctl", "--sync"], check=False)
    asked = ["journalctl", "--no-pager", *words, f"--since=@{int(since)}", f"--unit={unit}"]
    return shell.run("journal", asked, check=False).stdout


def last_lines(shell: Shell, unit: str, since: float) -> str:
    """Return the last `LINES` lines of a unit's log; `since` is in seconds since the epoch."""
    # Backwards, because --lines with --since returns the first lines (systemd 252).
    told = read(shell, unit, since, "--output=cat", "--reverse", f"--lines={LINES}")
    return "".join(f"{line}\n" for line in reversed(told.splitlines()))
