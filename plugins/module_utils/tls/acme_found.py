# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what certbot has for our sites on this host from its files: certbot itself takes a second for it.

The keys are those of `acme_request.request`.
"""

from __future__ import annotations

import base64
import glob
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..host import files, memory
from ..model import layout as layouts
from ..model.layout import Layout, content_id
from . import acme_request, pairs

# Executes an argument list; returns (status, output, errors). A module's `run_command` is one.
Run = Callable[[Sequence[str]], tuple[int, str, str]]
PREFIX = "pyweb-"
# The units that renew: Debian's and EPEL's.
TIMERS = ("certbot.timer", "certbot-renew.timer")
UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
# Where Debian and EL put Python's packages; an egg-info or a dist-info names the version.
VERSIONS = (
    "/usr/lib/python3*/dist-packages/certbot-[0-9]*-info",
    "/usr/lib/python3*/site-packages/certbot-[0-9]*-info",
)
PAIR = ("fullchain.pem", "privkey.pem")
_SAN = bytes.fromhex("0603551d11")  # 2.5.29.17, RFC 5280, 4.2.1.6
_DNS, _IP, _OCTETS, _BOOLEAN = 0x82, 0x87, 0x04, 0x01


def facts(run: Run) -> dict[str, Any]:
    """Return the facts for the roles: `certbot` is its version or '', `timer` whether it renews automatically.

    `certified` are the names of the sites that have a real certificate, from any source. A host without our
    certificates needs only a look at two directories.
    """
    found = {name: lineage(name) for name in named()}
    lineages = {name: there for name, there in found.items() if there}
    on = bool(lineages) and timer_is_on(run)
    return {"certbot": version(), "lineages": lineages, "timer": on, "certified": certified()}


def certified() -> list[str]:
    """Return the names of the sites with a certificate that is no placeholder."""
    lie = {name: Layout(name, record["paths"]) for name, record in memory.sites().items()}
    return [name for name, layout in lie.items() if pairs.live(layout) and not pairs.is_placeholder(layout)]


def named() -> list[str]:
    """Return the names of the sites that have a renewal configuration of ours."""
    paths = glob.glob(f"{layouts.LETSENCRYPT}/renewal/{PREFIX}*.conf")
    return sorted(os.path.basename(path)[len(PREFIX) : -len(".conf")] for path in paths)


def lineage(name: str) -> dict[str, Any]:
    """Return what certbot renews for a site; {} if there is nothing, or only for a foreign script.

    What a killed certbot left has no `domains`.
    """
    values = renewal(name)
    if not values:
        return {"domains": []} if os.path.exists(configuration(name)) else {}
    hook = values.get("renew_hook") or values.get("deploy_hook", "")
    tls = os.path.dirname(hook)
    if os.path.basename(tls) != "tls" or os.path.basename(os.path.dirname(tls)) != name:
        return {}
    live = f"{layouts.LETSENCRYPT}/live/{PREFIX}{name}"
    return {
        "domains": sorted(names(files.read_or_empty(f"{live}/fullchain.pem"))),
        "directory": values.get("server", ""),
        "key_type": values.get("key_type", ""),
        "profile": values.get("required_profile", ""),
        "challenge": {key: values[key] for key in sorted(values) if _of_challenge(key)},
        "hook": hook,
        "files": acme_request.digest(own_files(f"{tls}/acme")),
        "ca": authority(name),
        "served": is_served(tls, live),
    }


def configuration(name: str) -> str:
    return f"{layouts.LETSENCRYPT}/renewal/{PREFIX}{name}.conf"


def renewal(name: str) -> dict[str, str]:
    """Return the parameters of a renewal configuration in configobj's format: a list ends with a comma."""
    _head, _section, text = files.read_or_empty(configuration(name)).partition("[renewalparams]")
    own = re.split(r"(?m)^\s*\[", text)[0]
    return {key: value.strip().strip("'\",") for key, value in re.findall(r"(?m)^\s*(\w+)\s*=\s*(.*)$", own)}


def own_files(folder: str) -> dict[str, str]:
    return {name: files.read_or_empty(f"{folder}/{name}") for name in files.names(folder)}


def authority(name: str) -> str:
    """Return a value that identifies the CA file for a site's directory; '' for the host's own."""
    path = authority_path(name)
    given = files.read_link(path) or files.read_or_empty(path)
    return content_id(given) if given else ""


def authority_path(name: str) -> str:
    return f"{layouts.MEMORY}/acme-ca/{name}.pem"


def is_served(tls: str, live: str) -> bool:
    """Return whether the pair that nginx reads is certbot's, and nginx was reloaded."""
    pairs = [(files.read_or_empty(f"{tls}/live/{file}"), files.read_or_empty(f"{live}/{file}")) for file in PAIR]
    # A script that was killed before nginx was reloaded leaves this.
    return not os.path.exists(f"{tls}/.pending") and all(own and own == theirs for own, theirs in pairs)


def timer_is_on(run: Run) -> bool:
    unit = timer()
    if not unit:
        return False
    shown = run(["systemctl", "show", "--property=ActiveState,UnitFileState", unit])[1]
    return "ActiveState=active" in shown and "UnitFileState=enabled" in shown


def timer() -> str:
    """Return the unit that renews on this host; '' if certbot installed none."""
    return next((unit for unit in TIMERS if any(os.path.exists(f"{folder}/{unit}") for folder in UNITS)), "")


def version() -> str:
    """Return the version of the host's certbot; '' if it is not installed."""
    for pattern in VERSIONS:
        for path in sorted(glob.glob(pattern)):
            if match := re.match(r"certbot-([0-9.]+?)(?:[-.](?:py|dist|egg).*)?$", os.path.basename(path)):
                return match[1].rstrip(".")
    return ""


def names(certificate: str) -> list[str]:
    """Return the names and IP addresses of the first certificate of a PEM text; [] if it is none."""
    block = re.search(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END", certificate)
    try:
        content = base64.b64decode(block[1]) if block else b""
        _before, found, after = content.partition(_SAN)
        return list(_alternatives(after)) if found else []
    except (ValueError, IndexError):
        return []


def _alternatives(data: bytes) -> Iterator[str]:
    """Yield the contents of the extension that begins here (DER, X.690, 8.1)."""
    if data[0] == _BOOLEAN:  # critical
        data = data[3:]
    if data[0] != _OCTETS:
        return
    octets, _rest = _value(data)
    sequence, _rest = _value(octets)
    while sequence:
        tag = sequence[0]
        content, sequence = _value(sequence)
        if tag == _DNS:
            yield content.decode("ascii").lower()
        elif tag == _IP:
            yield socket.inet_ntop(socket.AF_INET if len(content) == 4 else socket.AF_INET6, content)


def _value(data: bytes) -> tuple[bytes, bytes]:
    """Return the contents of the first element of `data`, and the rest."""
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return data[start : start + length], data[start + length :]


def _of_challenge(key: str) -> bool:
    return key in ("authenticator", "webroot_path", "manual_auth_hook", "manual_cleanup_hook") or (
        key.startswith("dns_") and key.endswith(("_credentials", "_propagation_seconds"))
    )
