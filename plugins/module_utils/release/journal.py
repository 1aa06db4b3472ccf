# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a unit wrote to the journal lately."""

from __future__ import annotations

from ..host.shell import Shell

# So many lines are read: more than the longest report of an exception.
JOURNAL_LINES = 2000


def journal_of(shell: Shell, unit: str, since: float) -> str:
    """Return the last lines of a unit's log; `since` is in seconds since the epoch."""
    # What was written a moment ago may still wait for journald, which reads a long text in pieces.
    shell.run("journal", ["journalctl", "--sync"], check=False)
    # Backwards, because --lines with --since means the first ones (systemd 252).
    words = ["--no-pager", "--output=cat", "--reverse", f"--lines={JOURNAL_LINES}", f"--since=@{int(since)}"]
    told = shell.run("journal", ["journalctl", *words, f"--unit={unit}"], check=False).stdout
    return "".join(f"{line}\n" for line in reversed(told.splitlines()))
