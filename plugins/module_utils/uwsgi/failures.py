# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a uWSGI did not start or ended, from its own log."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..host.causes import cause, reason


@dataclass(frozen=True)
class Failure:
    """A line that uWSGI, Python or systemd logs on a failure.

    `meaning` explains it in terms of the inventory; '' if no inventory can cause it. `own` tells whether the line
    itself explains to a reader of any uWSGI's log what happened.
    """

    pattern: str
    meaning: str = ""
    own: bool = True


# The line itself, with the place in the project and the fix.
WORDS = r"\g<0>"
# In the order in which they explain: an earlier one causes the later ones in the same log.
FAILURES = (
    Failure(r"\[strict-mode\] unknown config directive: (\S+)", r"uwsgi.options has \1, which uWSGI does not know"),
    Failure(r"(?m)^chdir\(\): .*$"),
    Failure(r"(?m)^.*(?:unrecognized|invalid|ambiguous) option(?: -- )?.*$"),
    Failure(r"(?m)^.*Python Home is not a directory.*$"),
    Failure(r"(?m)^(?:ModuleNotFoundError|ImportError): .*$", WORDS, own=False),
    Failure(r"(?m)^(?:ModuleNotFoundError|ImportError|SyntaxError|\w+Error): .*$"),
    Failure(r"(?m)^callable '(\S+)' not found in file (\S+)", r"wsgi names \1, which \2 does not have", own=False),
    Failure(
        r"(?m)^Listen queue size is greater than.*$",
        r"\g<0> lower uwsgi.options.listen or raise the sysctl",
        own=False,
    ),
    Failure(
        r"(?m)^.*probably another instance of uWSGI is running on the same address \((\S+)\).*$",
        r"\1 is taken by another program",
    ),
    Failure(r"(?m)^.*probably another instance of uWSGI is running on the same address.*$"),
    Failure(r"(?m)^bind\(\): .*$"),
    Failure(r"(?m)^.*no python application found, check your startup logs.*$"),
    Failure(
        r"(?m)^.*: start operation timed out\b.*$",
        "it was not ready within {timeout} s; increase health.timeout if it needs longer",
        own=False,
    ),
)


def why_not_started(journal: str, timeout: int) -> str:
    """Return why a release did not start, in one sentence; `timeout` is what it had, in seconds."""
    for failure in FAILURES:
        match = re.search(failure.pattern, journal)
        if match and failure.meaning == WORDS:
            return cause(journal[: match.end()])
        if match and failure.meaning:
            return match.expand(failure.meaning.replace("{timeout}", str(timeout)))
    return cause(journal) or f"uWSGI logged nothing within {timeout} s"


def own_words(log: str) -> str:
    """Return the line in which any uWSGI gives the reason why it ended; '' if it gives none."""
    for failure in FAILURES:
        matches = list(re.finditer(failure.pattern, log))
        if matches and failure.own:
            return matches[-1][0].strip()
    return reason(log)
