# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The chain: every hop, from outside to inside, with its judge and its faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .evidence import Host, Site
from .fault import Fault, Faults
from .hops import (
    app,
    background,
    client,
    database,
    django,
    firewalld,
    host,
    location,
    media,
    name,
    nginx,
    socket,
    static,
    uwsgi,
)

Judge = Callable[[Site, Host, list[str]], Iterator[Fault]]


@dataclass(frozen=True)
class Hop:
    """One hop. `judge` yields its faults and appends what it saw of a hop that is ok to its last argument."""

    judge: Judge
    faults: Faults

    @property
    def name(self) -> str:
        return self.faults.hop


CHAIN = (
    Hop(client.judge, client.FAULTS),
    Hop(name.judge, name.FAULTS),
    Hop(firewalld.judge, firewalld.FAULTS),
    Hop(host.judge, host.FAULTS),
    Hop(nginx.judge, nginx.FAULTS),
    Hop(location.judge, location.FAULTS),
    Hop(socket.judge, socket.FAULTS),
    Hop(uwsgi.judge, uwsgi.FAULTS),
    Hop(app.judge, app.FAULTS),
    Hop(django.judge, django.FAULTS),
    Hop(database.judge, database.FAULTS),
    Hop(static.judge, static.FAULTS),
    Hop(media.judge, media.FAULTS),
    Hop(background.judge, background.FAULTS),
)
HOPS = tuple(hop.name for hop in CHAIN)
# All faults, and the faults or hops that each may be a consequence of.
REGISTER = {fault: sources for hop in CHAIN for fault, sources in hop.faults.items()}
