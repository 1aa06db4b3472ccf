# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Examine what decides about visitors: the controller's requests, the password file, what a browser gets."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..host import path_walk
from ..model import regular
from ..nginx import match
from ..nginx.dump import Directive
from ..uwsgi import protocol
from .client import get
from .evidence import Host, Site
from .evidence_visitors import PasswordFile, Visit

# A browser's User-Agent that ends with our name: logs are read without the doctor's own requests.
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 pyweb.stack"
_PASSWORDS_MAX = 65536


def look_at_visitors(site: Site, host: Host, outside: Sequence[Mapping[str, Any]]) -> None:
    """Copy what the controller got, and check what nginx requires of visitors."""
    site.visitors.visits = visits_of(site, host, outside)
    site.visitors.password = password_file(site.chain, host)
    entrance = next((one for one in site.entrances if one.server and one.server in one.wanted), None)
    status = entrance.answer.status if entrance and entrance.answer else 0
    turned_away = status in (403, 404, 405, 406, 410, 429) or (not status and entrance and "clos" in entrance.failure)
    if entrance and turned_away:
        headers = {"User-Agent": _BROWSER, "Accept": "text/html,*/*", "Accept-Language": "en"}
        with contextlib.suppress(protocol.ProtocolError):
            site.visitors.browser = get(entrance, site.path, site.patience.answer / 2, headers).status


def visits_of(site: Site, host: Host, outside: Sequence[Mapping[str, Any]]) -> list[Visit]:
    """Return the controller's requests for a site, if they went to this host.

    A name of the inventory may be that of another machine; `sure` says that the controller came here by it.
    """
    found = []
    for given in outside[:100]:
        try:
            visit = Visit(
                str(given["domain"])[:255],
                str(given["address"])[:64],
                int(given["port"]),
                bool(given["tls"]),
                int(given.get("status") or 0),
                str(given.get("failure") or "")[:200],
                bool(given.get("refused")),
                bool(given.get("proxied")),
            )
        except (KeyError, TypeError, ValueError):
            continue
        if given.get("site") == site.name and (given.get("sure") or visit.address in host.addresses):
            found.append(visit)
    return found


def password_file(chain: list[Directive], host: Host) -> PasswordFile | None:
    """Return the file that nginx compares passwords with, as nginx's worker finds it; None if none is required."""
    asked, named = match.inherited(chain, "auth_basic"), match.inherited(chain, "auth_basic_user_file")
    if not asked or asked.args[:1] == ["off"] or not named or not named.args or "$" in named.args[0]:
        return None
    path = named.args[0]
    path = path if path.startswith("/") else f"/etc/nginx/{path}"
    found = PasswordFile(path, named.place, os.path.lexists(path))
    if found.exists:
        found.obstacle = path_walk.obstacle(path, host.nginx.worker)
        found.users = len(re.findall(r"^[^#:\n]+:.", _read(path), re.MULTILINE))
    return found


def _read(path: str) -> str:
    """Return the beginning of a file; nothing of it is kept."""
    try:
        with regular.opened(path) as stream:
            return stream.read(_PASSWORDS_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
