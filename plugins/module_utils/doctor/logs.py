# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What uWSGI's log says of why it ended and of what Django raised. Pure functions of the log's text."""

from __future__ import annotations

import re

from ..uwsgi import tracebacks
from ..uwsgi.failures import own_words

_REQUEST = re.compile(r"\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /").search


def reason(log: str) -> str:
    """Return why uWSGI ended, in its own words."""
    return own_words(log) or "it printed nothing"


def traceback(log: str) -> str:
    """Return the exception of the last traceback, '' where there is none."""
    raised = tracebacks.root(tracebacks.last(log)).rpartition(tracebacks.START)[2].splitlines()[1:]
    return next((line.strip() for line in raised if line.strip() and not line.startswith(" ")), "")


def last_lines(log: str) -> list[str]:
    """Return the last five lines that the program itself wrote, without those on requests: these have query strings."""
    return [line for line in log.splitlines() if line.strip() and "systemd" not in line and not _REQUEST(line)][-5:]
