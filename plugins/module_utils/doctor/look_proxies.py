# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look for a proxy in front of nginx that nginx does not believe: in its access log, and in its own directives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from ..nginx import match
from ..nginx.dump import Config, Directive
from . import ask
from .evidence import Host, Site
from .evidence_tls import InFront

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
# One request proves nothing: clients can write any header. And a proxy may have had another configuration a day ago.
REQUESTS_MIN = 5
DAY = 86400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The headers with the client's address, as variables of nginx.
_CLIENTS = ("http_x_forwarded_for", "proxy_add_x_forwarded_for", "http_x_real_ip", "http_cf_connecting_ip")
_OWN_AGENT = "pyweb.stack"


def look_in_front(site: Site, host: Host) -> InFront:
    """Return what says that requests come through a proxy that nginx does not believe."""
    chains = [entrance.server.chain for entrance in site.entrances if entrance.server and entrance.wanted]
    started = max((worker.started for worker in host.nginx.workers), default=0.0)
    found, read = InFront(), set()
    for chain in chains:
        found.unset = found.unset or without_effect(chain, any(entrance.greets for entrance in site.entrances))
        log = match.inherited(chain, "access_log")
        path = log.args[0] if log and log.args else "/var/log/nginx/access.log"
        if not path.startswith("/") or "$" in path or path in read:
            continue
        read.add(path)
        line = format_of(host.nginx.config, log.args[1:2] if log else [])
        _read(found, _lines(ask.tail(path), line, max(started, host.now - DAY)))
    return found


def without_effect(chain: Sequence[Directive], greeted: bool) -> str:
    """Return the directive without a trusted proxy: it names the source of the address, but no trusted address."""
    header = match.inherited(list(chain), "real_ip_header")
    trusted = match.inherited(list(chain), "set_real_ip_from")
    if header and not trusted:
        return f"{str(header).rstrip(';')} in {header.place} without set_real_ip_from"
    listen = next((given for given in chain[-1].all("listen") if "proxy_protocol" in given.args), None)
    if greeted and listen and not (trusted and header and header.args == ["proxy_protocol"]):
        return f"{str(listen).rstrip(';')} in {listen.place} without set_real_ip_from and real_ip_header proxy_protocol"
    return ""


def format_of(config: Config | None, names: Sequence[str]) -> str:
    """Return the format of an access log, as nginx's own directive has it."""
    name = names[0] if names and "=" not in names[0] else "combined"
    for http in config.tree if config else []:
        for given in http.all("log_format"):
            if given.args[:1] == [name]:
                return "".join(text for text in given.args[1:] if not text.startswith("escape="))
    return COMBINED


def _pattern(line: str) -> re.Pattern[str]:
    """Return what matches a line of this format. A value ends where the text behind it begins."""
    pieces = re.split(r"\$\{?(\w+)\}?", line)
    pattern, named = re.escape(pieces[0]), set()
    last = len(pieces) // 2 - 1
    for number, (variable, text) in enumerate(zip(pieces[1::2], pieces[2::2])):
        # Between two adjacent variables, the end of the first one is not known.
        value = f"[^{re.escape(text[0])}]*" if text else ".*" if number == last else ""
        pattern += f"({value})" if variable in named else f"(?P<{variable}>{value})"
        named.add(variable)
        pattern += re.escape(text)
    return re.compile(pattern)


def _lines(log: str, line: str, since: float) -> list[dict[str, str]]:
    """Return the values of the lines of a log since then, without those of the doctor's own requests."""
    pattern, found = _pattern(line), []
    for text in log.splitlines():
        fits = pattern.fullmatch(text[:4096])
        values = fits.groupdict() if fits else {}
        # The log has whole seconds.
        if values and time_of(values) + 1 >= since and _OWN_AGENT not in values.get("http_user_agent", ""):
            found.append(values)
    return found


def time_of(values: dict[str, str]) -> float:
    """Return when a line was written, in seconds since 1970; 0 where it does not say."""
    try:
        if "msec" in values:
            return float(values["msec"])
        if "time_iso8601" in values:
            return datetime.fromisoformat(values["time_iso8601"]).timestamp()
        # 26/Nov/2026:22:49:35 +0000: the names of the months do not depend on a locale.
        day, month, rest = values.get("time_local", "").split("/")
        return datetime.strptime(f"{day} {_MONTHS.index(month) + 1} {rest}", "%d %m %Y:%H:%M:%S %z").timestamp()
    except ValueError:
        return 0.0


def _read(found: InFront, lines: Sequence[dict[str, str]]) -> None:
    """Note the addresses that most requests come from together with another address, the client's."""
    strangers: Counter[str] = Counter()
    for values in lines:
        sender = values.get("realip_remote_addr") or values.get("remote_addr", "")
        for name in _CLIENTS:
            told = [address.strip() for address in values.get(name, "").split(",")][: _last(name)]
            # Whom nginx believes is told by the address that it has then taken from the header.
            if told and told[-1] not in ("", "-") and values.get("remote_addr", "") not in told:
                strangers[sender] += 1
                found.lines = [f"a request of {sender} with {_spelled(name)}: {', '.join(told)}"]
                break
    if sum(strangers.values()) < max(REQUESTS_MIN, len(lines) / 2):
        found.lines = []
    else:
        found.addresses += [address for address, _number in strangers.most_common(3)]
    greetings = [values for values in lines if values.get("request", "").startswith("PROXY TCP")]
    if len(greetings) >= REQUESTS_MIN:
        found.greeted = True
        found.addresses.append(greetings[-1].get("remote_addr", ""))
        found.lines.append(f"a request that begins with {greetings[-1]['request'][:40]}")


def _last(name: str) -> int | None:
    """`$proxy_add_x_forwarded_for` has the sender's own address added in the end."""
    return -1 if name == "proxy_add_x_forwarded_for" else None


def _spelled(name: str) -> str:
    words = re.sub(r"^(http|proxy_add)_", "", name).split("_")
    return "-".join(word.upper() if word in ("ip", "cf") else word.capitalize() for word in words)
