# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What visitors from outside get: requests from the controller, and what decides about them on the host."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..host.path_walk import Obstacle


@dataclass
class Visit:
    """One request of the controller to an address of the host. `status` is 0 if there was no answer.

    `refused` says that the host's side refused the connection, else `failure` says what kept it; `proxied` that the
    controller itself comes to the host by way of another one.
    """

    domain: str
    address: str
    port: int
    tls: bool
    status: int = 0
    failure: str = ""
    refused: bool = False
    proxied: bool = False

    @property
    def url(self) -> str:
        usual = self.port == (443 if self.tls else 80)
        return f"http{'s' if self.tls else ''}://{self.domain}{'' if usual else f':{self.port}'}"

    @property
    def said(self) -> str:
        where = f"[{self.address}]" if ":" in self.address else self.address
        return f"the controller, GET {self.url}/ at {where}:{self.port}: {self.status or self.failure}"


@dataclass
class PasswordFile:
    """The file of `auth_basic_user_file`; `place` is the line that names it, `users` the number of names in it."""

    path: str
    place: str
    exists: bool = True
    users: int = 0
    obstacle: Obstacle | None = None


@dataclass
class Visitors:
    """All of it. `browser` is the status for a client with a browser's User-Agent if the doctor was rejected."""

    visits: list[Visit] = field(default_factory=list)
    password: PasswordFile | None = None
    browser: int = 0
