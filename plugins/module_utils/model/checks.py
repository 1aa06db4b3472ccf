# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of single values: numbers, paths, addresses, names.

Each takes a value and returns it in its normal form, or raises `Wrong`, and states what it accepts. The checks of
options for other programs are in `option_checks`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import shown, similar
from .urls import credentials, without_credentials

# The units of a duration in seconds, the longest first.
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
# Code points that are no characters: systemd treats text that contains one as invalid (utf8.c, unichar_is_valid), and
# ignores the line or the whole file.
NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_DURATION = r"(?P<plain>[0-9]{1,9})|" + "".join(rf"(?:(?P<{unit}>[0-9]{{1,7}}){unit})?" for unit in UNITS)


class Wrong(ValueError):
    """A value that a check refuses. `wanted` and `fix` are '' if those of the check are precise enough."""

    def __init__(self, wanted: str = "", fix: str = "") -> None:
        super().__init__(wanted)
        self.wanted, self.fix = wanted, fix


@dataclass(frozen=True)
class Check:
    """A check: `wants` describes what it accepts, for errors and documentation, `fix` what to do about other values."""

    wants: str
    accept: Callable[[Any], Any]
    fix: str = ""

    def __call__(self, value: Any) -> Any:
        """Return the value in its normal form. Raises `Wrong` with the description of what is accepted."""
        try:
            return self.accept(value)
        except Wrong as wrong:
            raise Wrong(wrong.wanted or self.wants, wrong.fix or self.fix) from None


def accepts(wants: str, fix: str = "") -> Callable[[Callable[[Any], Any]], Check]:
    """Make a check of a function that returns the accepted value or raises `Wrong`."""
    return lambda accept: Check(wants, accept, fix)


# --- makers of checks ---


def integer(low: int, high: int) -> Check:
    @accepts(f"a whole number from {low} to {high}")
    def check(value: Any) -> int:
        # On ansible-core 2.16 to 2.18, Jinja passes numbers as text.
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong
        return int(value)

    return check


def number_or_auto(low: int, high: int) -> Check:
    number = integer(low, high)

    @accepts(f"auto, or {number.wants}")
    def check(value: Any) -> int | str:
        if value == "auto":
            return "auto"
        try:
            return int(number(value))
        except Wrong:
            raise Wrong from None

    return check


def duration(low: int, high: int) -> Check:
    """Seconds, as a whole number or as text such as `90s`, `10m`, `1h` or `1h30m`; `low` and `high` are in seconds."""

    @accepts(f"seconds, or text such as 90s, 10m or 1h; from {written_duration(low)} to {written_duration(high)}")
    def check(value: Any) -> int:
        seconds = -1
        if isinstance(value, int) and not isinstance(value, bool):
            seconds = int(value)
        elif isinstance(value, str) and (parts := re.fullmatch(_DURATION, value)):
            given = parts.groupdict()
            if given["plain"]:
                seconds = int(given["plain"])
            elif any(given[unit] for unit in UNITS):
                seconds = sum(size * int(given[unit] or 0) for unit, size in UNITS.items())
        if not low <= seconds <= high:
            raise Wrong
        return seconds

    return check


def written_duration(seconds: int) -> str:
    """Return seconds as text that `duration` accepts: 5400 is 1h30m."""
    parts = []
    for unit, size in UNITS.items():
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def one_of(*words: str) -> Check:
    @accepts("one of " + ", ".join(words))
    def check(value: Any) -> str:
        if value not in words:
            raise Wrong(fix=similar(value, words).lstrip("; "))
        return str(value)

    return check


def pattern(regex: str, wants: str, fix: str = "") -> Check:
    @accepts(wants, fix)
    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(regex, value):
            raise Wrong
        return str(value)

    return check


def place(regex: str, wants: str) -> Check:
    """A URL or path that is shown and stored, so it must not contain a password."""
    matching = pattern(regex, wants)

    @accepts(wants)
    def check(value: Any) -> Any:
        if isinstance(value, str) and re.match(r"https?://", value) and credentials(value):
            raise Wrong("no password in a URL", "put it into ~/.netrc of root")
        return matching(value)

    return check


def list_of(check: Check, at_least: int = 0) -> Check:
    """A list; a single text or number means a list of it."""

    @accepts(f"a list: {check.wants}")
    def check_list(value: Any) -> list[Any]:
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list):
            raise Wrong("a list")
        if len(value) < at_least:
            raise Wrong(f"a list of at least {at_least}")
        result = []
        for item in value:
            try:
                result.append(check(item))
            except Wrong as wrong:
                raise Wrong(f"{wrong.wanted} (found {shown(item)} in the list)", wrong.fix) from None
        return result

    return check_list


# --- numbers, words, text ---


@accepts("true or false")
def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Wrong


@accepts("text on one line")
def line(value: Any) -> str:
    if not isinstance(value, str) or not value or any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise Wrong
    return str(value)


def refuse_noncharacters(text: str, what: str) -> None:
    """Raise `Wrong` if systemd would not accept a text; `what` follows the message, which never contains the text."""
    found = re.search(f"[{NONCHARACTERS}]", text)
    if found:
        fix = "it is not a character, and systemd refuses such text"
        raise Wrong(f"text without U+{ord(found[0]):04X} {what}", fix)


@accepts("a mode such as '0660'")
def octal(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise Wrong("a mode in quotes, such as '0660'", "YAML reads a bare 0660 as a number")
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
        raise Wrong
    return value[-3:]


@accepts("a lowercase letter, then lowercase letters, digits and -, at most 31")
def site_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", value):
        raise Wrong
    if value.endswith("-probe"):
        raise Wrong("a name that does not end in -probe", "a unit of another site may have this name")
    return str(value)


@accepts("the text of a private key", "for example from Ansible Vault, with a | behind key:")
def private_key(value: Any) -> str:
    if not isinstance(value, str) or "PRIVATE KEY-----" not in value or "\0" in value:
        raise Wrong
    return str(value).strip() + "\n"


@accepts("text, numbers, true, false, null, lists and mappings of these")
def data(value: Any) -> Any:
    """A value that JSON can represent, as plain Python: it becomes a literal in the settings overlay."""
    if isinstance(value, dict):
        return {data(key): data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [data(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, str)):
        return int(value) if isinstance(value, int) else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise Wrong


# --- paths ---


def is_plain_path(value: Any) -> bool:
    """Return whether a value is an absolute path without '..' that needs no quotes in ini, nginx, systemd or shell."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"/[A-Za-z0-9._/+-]*", value) is not None
        and ".." not in value.split("/")
    )


@accepts("an absolute path of letters, digits and ._+-/ without '..'")
def host_path(value: Any) -> str:
    if not is_plain_path(value):
        raise Wrong
    return str(value).rstrip("/") or "/"


@accepts("a path relative to the source, of letters, digits and ._+-/ without '..'")
def relative_path(value: Any) -> str:
    if not isinstance(value, str) or not value or not is_plain_path("/" + value) or value.startswith("/"):
        raise Wrong
    return str(value)


@accepts(f"none, or {host_path.wants}")
def virtualenv(value: Any) -> str:
    if value == "none":
        return "none"
    try:
        return str(host_path(value))
    except Wrong:
        raise Wrong from None


# --- addresses ---


@accepts("host names such as shop.example.com, *.example.com or an IP address")
def domain(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong
    name = value.lower()
    with contextlib.suppress(ValueError):
        return _ip_address(name)
    if not name.isascii():
        raise Wrong(fix=f"write it as {_punycode(name)}")
    label = r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?"
    if len(name) > 253 or not re.fullmatch(rf"(\*\.)?{label}(\.{label})*", name):
        raise Wrong
    return str(name)


ADDRESS = "a port from 1 to 65535, or address:port such as 127.0.0.1:8000 or [::1]:8000"


@accepts(ADDRESS)
def listen(value: Any) -> dict[str, Any]:
    """A port (80) or an address with a port ('127.0.0.1:8080', '[::1]:80')."""
    host, port = _address(value)
    return {"address": host, "port": port}


@accepts("addresses or networks such as 10.0.0.0/8 or 2001:db8::/32")
def network(value: Any) -> str:
    """An address or a network in CIDR notation, without bits after its prefix."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_network(value)) if "/" in value else str(ipaddress.ip_address(value))
    except ValueError:
        raise Wrong(fix=_network_fix(value)) from None


@accepts("'unix:/path/to.sock' or 'address:port'")
def upstream(value: Any) -> str:
    """Where nginx connects to uWSGI."""
    if isinstance(value, str) and value.startswith("unix:"):
        return f"unix:{host_path(value[5:])}"
    host, port = _address(value)
    if not host:
        raise Wrong
    return f"{host}:{port}"


@accepts(f"unix, {ADDRESS}, or {{address, public: true}} for one that other hosts reach")
def socket(value: Any) -> str:
    """`unix`, or an address that uWSGI listens on; {address, public: true} for one that other hosts can reach."""
    given = value if isinstance(value, dict) else {"address": value}
    if set(given) - {"address", "public"}:
        raise Wrong("{address: '0.0.0.0:8000', public: true}, or the address alone")
    if given.get("address") == "unix":
        return "unix"
    host, port = _address(given.get("address"))
    if port < 1024:
        raise Wrong("a port from 1024: uWSGI does not run as root")
    if host in ("", "localhost"):  # systemd listens on addresses, not on names
        host = "127.0.0.1"
    if not boolean(given.get("public", False)) and not ipaddress.ip_address(host.strip("[]")).is_loopback:
        raise Wrong(
            "unix, or an address of this host alone such as 127.0.0.1:8000",
            f"clients can bypass nginx at {host}:{port}; if this is intended, write "
            f"{{address: '{host}:{port}', public: true}}",
        )
    return f"{host}:{port}"


@accepts(f"a list: {socket.wants}")
def sockets(value: Any) -> list[str]:
    """The sockets of a site; a single one means a list of it."""
    listed: list[str] = list_of(socket, at_least=1)([value] if isinstance(value, dict) else value)
    return listed


def _address(value: Any) -> tuple[str, int]:
    """Split 'address:port', ':port' or a port."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Wrong
    host, _colon, port = str(value).rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise Wrong
    if host and host != "localhost":
        try:
            host = _ip_address(host)
        except ValueError:
            raise Wrong from None
    return host, int(port)


def _ip_address(text: str) -> str:
    """Return an IP address in its shortest form, IPv6 in brackets.

    Raises ValueError for anything else, including zones (%eth0), which may contain any character.
    """
    address = ipaddress.ip_address(text.strip("[]"))
    if "%" in text:
        raise ValueError(text)
    return f"[{address}]" if address.version == 6 else str(address)


def _network_fix(value: Any) -> str:
    """Return the network of an address with a prefix, as a fix; '' if there is none."""
    with contextlib.suppress(ValueError):
        if isinstance(value, str) and "%" not in value:
            return f"write it as {ipaddress.ip_network(value, strict=False)}"
    return ""


def _punycode(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return "punycode (xn--...)"


# --- Python ---


@accepts("requirements such as 'Django>=5.2,<5.3' or 'psycopg[binary]'")
def requirement(value: Any) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        parsed = Requirement(line(value))
    except InvalidRequirement:
        raise Wrong from None
    if parsed.url and without_credentials(parsed.url) != parsed.url:
        raise Wrong("no password in a URL", "set an index with its credentials in web_environment")
    return str(value).strip()
