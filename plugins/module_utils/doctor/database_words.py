# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The messages of databases that refuse a site, and their meanings. Pure functions of text."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The first that matches counts. PostgreSQL's words are those of its server and of libpq, MySQL's begin with a number.
_MEANINGS = (
    ("locked", r"database (?:table |schema )?is locked"),
    ("corrupt", r"file is not a database|disk image is malformed|file is encrypted"),
    (
        "connections",
        r"too many clients|too many connections|remaining connection slots|max_user_connections|\(1040,|\(1203,",
    ),
    (
        "password",
        r"password authentication failed|no password supplied|(?:Peer|Ident) authentication failed|\(1045,|\(1698,",
    ),
    ("unknown", r"(?:database|role) \"[^\"]{0,100}\" does not exist|\(1049,"),
    ("refused", r"\bFATAL:|pg_hba\.conf|server does not support SSL|permission denied for|\(1044,|\(1130,|\(1142,"),
)
# Exceptions about settings, not about the server. NotSupportedError is Django's for a server that is too old.
_UNUSABLE: tuple[str, ...] = (
    "ImproperlyConfigured",
    "NotSupportedError",
    "InvalidBackendError",
    "ModuleNotFoundError",
    "ImportError",
)
_UNUSABLE += ("TypeError", "ValueError", "KeyError", "AttributeError", "ConnectionDoesNotExist", "ProgrammingError")
NO_NAME = re.compile(
    r"could not translate host name|Name or service not known|name resolution|getaddrinfo|Unknown MySQL server host"
)
_NAMED = re.compile(r"(database|role) \"([^\"]{1,100})\" does not exist")


def meaning(kind: str, words: Sequence[str]) -> str:
    """Return the part of a fault's name behind 'database.' that an exception of this class, with these words, means."""
    text = "\n".join(words)
    for code, pattern in _MEANINGS:
        if re.search(pattern, text, re.IGNORECASE):
            return code
    return "unusable" if kind in _UNUSABLE else "unreachable"


def telling(words: Sequence[str]) -> str:
    """Return the line that says most: PostgreSQL's FATAL where there is one, without how it was connected to."""
    for line in words:
        fatal = re.search(r"FATAL:\s*(.{1,200})", line)
        if fatal:
            return f"FATAL: {fatal[1]}"
    return words[0][:200] if words else ""


def missing(words: Sequence[str]) -> tuple[str, str]:
    """Return ('database' or 'role', its name) of what a server does not have; ('', '') where it names nothing."""
    found = _NAMED.search("\n".join(words))
    return (found[1], found[2]) if found else ("", "")
