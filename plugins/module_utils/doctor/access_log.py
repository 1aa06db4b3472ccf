# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the lines of access logs: nginx's in any format that can be understood, and uWSGI's own. Pure functions."""

from __future__ import annotations

import calendar
import contextlib
import re
import time
from collections.abc import Sequence

from .evidence_logs import Visit

# nginx doc, ngx_http_log_module.
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
# What this doctor calls itself: `uwsgi.protocol`, and its timer.
_OWN = "pyweb"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_REQUEST = re.compile(r"([A-Z]{3,10}) (\S+)")
# How much of a log line is read: the client decides how long it is.
_LINE_MAX, _PATH_MAX = 4000, 200
# uWSGI doc, "log-format": what it writes about a request by default.
_UWSGI = re.compile(
    r"\[pid: \d+\|app: [^|]{1,20}\|req: [^\]]{1,40}\] \S+ \([^)]{0,200}\) \{[^}]{0,80}\} \[([^\]]{24})\] "
    r"([A-Z]{3,10}) (\S+) => generated [^(]{1,80} \([^ ()]{1,12} (\d{3})\)"
)
# uvicorn, daphne, granian and gunicorn, whatever precedes the request.
_SERVER = re.compile(r'"([A-Z]{3,10}) (\S+) HTTP/[0-9.]{1,3}" (\d{3})(?: |$)')


def visits(text: str, log_format: str = COMBINED, names: Sequence[str] = ()) -> list[Visit]:
    """Return the visits in the lines of a log; if the format contains the host, only those of these hosts."""
    pattern, fields = _pattern(log_format)
    if pattern is None:
        return []
    found = []
    for line in text.splitlines():
        match = pattern.match(line[:_LINE_MAX])
        if match:
            values = dict(zip(fields, match.groups()))
            visit = _visit(values)
            host = values.get("host") or values.get("server_name") or values.get("http_host") or ""
            if visit and (not names or not host or host.partition(":")[0] in names):
                found.append(visit)
    return found


def names_hosts(log_format: str) -> bool:
    """Return whether the lines of a format tell which host was asked."""
    return bool({"host", "server_name", "http_host"} & {one or two for one, two in _VARIABLE.findall(log_format)})


def own_visits(log: str, since: float) -> list[Visit]:
    """Return the visits that a server itself wrote into its log since it was started at `since`.

    Visits without a time of their own have only this one.
    """
    found = uwsgi_visits(log)
    if found:
        return found
    matches = [match for line in log.splitlines() if (match := _SERVER.search(line[:_LINE_MAX]))]
    return [Visit(since, match[1], plain(match[2]), int(match[3])) for match in matches]


def uwsgi_visits(log: str) -> list[Visit]:
    """Return the visits that uWSGI itself wrote into its log."""
    found = []
    for line in log.splitlines():
        match = _UWSGI.search(line[:_LINE_MAX])
        if match:
            when = 0.0
            with contextlib.suppress(ValueError):
                when = time.mktime(time.strptime(match[1], "%a %b %d %H:%M:%S %Y"))
            found.append(Visit(when, match[2], plain(match[3]), int(match[4])))
    return found


def plain(target: str) -> str:
    """Return the path of a request's target, without what comes after `?`."""
    path = target.partition("?")[0].partition("#")[0]
    if path.startswith(("http://", "https://")):
        path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
    return path[:_PATH_MAX]


def _pattern(log_format: str) -> tuple[re.Pattern[str] | None, list[str]]:
    """Return what matches a line as far as it has to be read; None for a format without a status or a time.

    Each variable ends where the text that follows it in the format begins, so no line is searched twice.
    """
    parts = _VARIABLE.split(log_format)
    fields, text = [], re.escape(parts[0])
    for number in range(1, len(parts), 3):
        name, after = parts[number] or parts[number + 1], parts[number + 2]
        fields.append(name)
        last = number + 3 >= len(parts)
        # Two adjacent variables cannot be told apart.
        if not after and not last:
            return None, []
        text += (rf"([^{re.escape(after[0])}]*)" if after else "(.*)") + re.escape(after)
    has_time = {"time_local", "time_iso8601", "msec"} & set(fields)
    has_request = "request" in fields or {"request_uri", "uri", "document_uri"} & set(fields)
    if not (has_time and has_request and "status" in fields):
        return None, []
    # What was appended to a format by a later configuration, or is not there yet, does not matter.
    return re.compile(text), fields


def _visit(values: dict[str, str]) -> Visit | None:
    when = _when(values)
    status = values.get("status", "")
    request = _REQUEST.match(values.get("request", ""))
    method = request[1] if request else values.get("request_method") or "GET"
    target = request[2] if request else values.get("request_uri") or values.get("uri") or values.get("document_uri")
    if when is None or not re.fullmatch(r"\d{3}", status) or not target or not target.startswith(("/", "http")):
        return None
    return Visit(when, method, plain(target), int(status), values.get("http_user_agent", "").startswith(_OWN))


def _when(values: dict[str, str]) -> float | None:
    with contextlib.suppress(ValueError, OverflowError):
        if values.get("msec"):
            return float(values["msec"])
        if values.get("time_local"):
            return local_time(values["time_local"])
        if values.get("time_iso8601"):
            return _iso(values["time_iso8601"])
    return None


_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split(" "), 1)}


def local_time(text: str) -> float:
    """Return the seconds of a time such as 27/Nov/2026:03:12:10 +0100. Raises ValueError."""
    match = re.fullmatch(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", text)
    if not match or match[2] not in _MONTHS:
        raise ValueError(text)
    parts = (int(match[3]), _MONTHS[match[2]], int(match[1]), int(match[4]), int(match[5]), int(match[6]))
    return calendar.timegm((*parts, 0, 0, 0)) - _offset(match[7], match[8], match[9])


def _iso(text: str) -> float:
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([+-])(\d\d):(\d\d)", text)
    if not match:
        raise ValueError(text)
    return calendar.timegm((*map(int, match.groups()[:6]), 0, 0, 0)) - _offset(match[7], match[8], match[9])


def _offset(sign: str, hours: str, minutes: str) -> int:
    return (int(hours) * 60 + int(minutes)) * (60 if sign == "+" else -60)
