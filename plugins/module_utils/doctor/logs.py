# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What uWSGI's log says of why it ended and of what Django raised. Pure functions of the log's text."""

from __future__ import annotations

import re

from ..host.shell import cause


def reason(log: str) -> str:
    """Return why uWSGI ended, in its own words."""
    for pattern in (
        r"\[strict-mode\] unknown config directive: \S+",
        r"(?m)^chdir\(\): .*$",
        r"(?m)^.*Python Home is not a directory.*$",
        r"(?m)^(?:ModuleNotFoundError|ImportError|SyntaxError|\w+Error): .*$",
        r"(?m)^.*probably another instance of uWSGI is running on the same address.*$",
        r"(?m)^bind\(\): .*$",
        r"(?m)^.*no python application found, check your startup logs.*$",
    ):
        found = re.findall(pattern, log)
        if found:
            return str(found[-1]).strip()
    return cause(log) or "it says nothing"


def traceback(log: str) -> str:
    """Return the last line of the last traceback, '' where there is none."""
    part = log.rpartition("Traceback (most recent call last)")[2] if "Traceback" in log else ""
    found = re.findall(r"(?m)^[A-Za-z_][\w.]*(?:Error|Exception|DoesNotExist|Configured|Exit)(?::.*)?$", part)
    return str(found[-1]) if found else ""


def last_lines(log: str) -> list[str]:
    """Return the last five lines that the program itself wrote."""
    return [line for line in log.splitlines() if line.strip() and "systemd" not in line][-5:]
