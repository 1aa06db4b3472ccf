# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The format of a site's access log: `combined`, which every log tool reads, followed by two times."""

from __future__ import annotations

import re
from dataclasses import dataclass

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
# At the end, so that readers of `combined` still work.
FORMAT = f"{COMBINED} $request_time $upstream_response_time"
# nginx writes a quote inside a value as \x22, so a value ends at the first quote, and clients cannot forge others.
_LINE = re.compile(
    r'[^"]*"[^"]*" (?P<status>[0-9]{3}) [0-9]+ "[^"]*" "(?P<agent>[^"]*)"'
    r"(?: (?P<seconds>[0-9]+\.[0-9]+)(?: (?P<upstream>[-0-9., :]*))?)?$"
)
# User agents of this collection's own requests.
OWN_AGENT = "pyweb.stack"


@dataclass(frozen=True)
class Request:
    """A line of the log. Times are in seconds; `upstream` is None if the application was not asked."""

    status: int
    agent: str
    seconds: float | None = None
    upstream: float | None = None

    @property
    def own(self) -> bool:
        """Return whether this collection sent the request."""
        return self.agent.startswith(OWN_AGENT)


def format_name(site: str) -> str:
    """Return the name of a site's format. Each file has its own, because nginx requires it above its use."""
    return f"pyweb_{site}"


def parsed(line: str) -> Request | None:
    """Parse a line of `combined`, with our times or without; None if it is none."""
    match = _LINE.match(line)
    if not match:
        return None
    seconds = match["seconds"]
    return Request(int(match["status"]), match["agent"], float(seconds) if seconds else None, _total(match["upstream"]))


def _total(text: str | None) -> float | None:
    """Return the sum of the times of all upstream servers, as in '0.001, 0.020 : 0.003'."""
    found = [float(word) for word in re.findall(r"[0-9]+\.[0-9]+", text or "")]
    return sum(found) if found else None
