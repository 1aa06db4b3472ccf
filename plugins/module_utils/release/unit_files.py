# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit files of a site on this host: install those of a release, restore the previous ones, remove stale ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from subprocess import CompletedProcess

from ..host import files
from ..host.shell import Shell, StepError
from ..model.layout import SYSTEMD, Layout
from . import ports, units


class UnitFiles:
    """The unit files of one site."""

    def __init__(self, shell: Shell, layout: Layout, folder: str = SYSTEMD) -> None:
        self.shell, self.layout, self.folder = shell, layout, folder

    def present(self) -> list[str]:
        """Return the file names of the site's units."""
        return self.layout.units_present(self.folder)

    def texts(self, also: Iterable[str]) -> dict[str, str]:
        """Return the texts of the site's units and of those named `also`; '' for missing files."""
        return {name: self._read(name) for name in {*self.present(), *also}}

    def installed(self, wanted: Mapping[str, str]) -> bool:
        """Return whether these units are on the host, with these texts."""
        return not self._changed(wanted)

    def limit_ports(self, wanted: Mapping[str, str], check_mode: bool) -> list[str]:
        """Restore the restriction of the ports if its rules were flushed; return what was, or would be, done."""
        if self.layout.ports_unit not in wanted or self._limited():
            return []
        if not check_mode and self._systemctl("ports", "restart", self.layout.ports_unit, check=False).returncode:
            return []
        return [f"restarted {self.layout.ports_unit}"]

    def _limited(self) -> bool:
        return ports.is_limited(self.shell, self.layout)

    def install(self, wanted: Mapping[str, str], addresses: Iterable[str]) -> None:
        """Write the units of a release, and let systemd listen on its TCP addresses."""
        changed = self._changed(wanted)
        for name, text in changed.items():
            files.write(self._path(name), text)
        plain = [name for name in wanted if not units.is_template(name)]
        if not all(os.path.lexists(self._path(f"{_wants(name)}/{name}")) for name in plain):
            self._systemctl("units", "enable", "--quiet", *plain)  # which reloads as well
        elif changed:
            self._systemctl("units", "daemon-reload")
        if self.layout.ports_unit in wanted and (self.layout.ports_unit in changed or not self._limited()):
            # Before the ports are open. It reports its own faults, and the site is served in any case.
            self._systemctl("ports", "restart", self.layout.ports_unit, check=False)
        for socket, address in units.sockets(self.layout, addresses).items():
            self._hold(socket, address)

    def restore(self, before: Mapping[str, str]) -> None:
        """Restore the units of the live release: it will restart with them."""
        changed = self._changed(before)
        for name, text in changed.items():
            if text:
                files.write(self._path(name), text)
        if changed:
            self.drop([name for name, text in changed.items() if not text])
        if changed.get(self.layout.ports_unit):
            self._systemctl("ports", "restart", self.layout.ports_unit, check=False)

    def drop(self, names: Iterable[str]) -> None:
        """Remove units, and reload systemd."""
        for name in names:
            if not units.is_template(name):
                self._systemctl("units", "disable", "--quiet", "--now", name, check=False)
            files.remove(self._path(name))
        self._systemctl("units", "daemon-reload")

    def _hold(self, socket: str, address: str) -> None:
        """Let systemd listen on an address. Raises `StepError` if the port is held for another address."""
        shown = self._systemctl("socket", "show", socket, "--property=Listen,ActiveState").stdout
        if "ActiveState=active" not in shown:
            self._systemctl("socket", "start", socket)
            return
        held = re.findall(r"^Listen=(\S+) \(Stream\)$", shown, re.MULTILINE)
        if held != [address]:
            raise StepError(
                self.layout.name,
                "socket",
                f"uwsgi.socket is {address}; its port is held as {', '.join(held)}, which the live release needs; "
                "use another port",
            )

    def _changed(self, wanted: Mapping[str, str]) -> dict[str, str]:
        return {name: text for name, text in wanted.items() if self._read(name) != text}

    def _read(self, name: str) -> str:
        return files.read(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def _systemctl(self, step: str, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        return self.shell.run(step, ["systemctl", *arguments], check=check)


def _wants(unit: str) -> str:
    return "sockets.target.wants" if unit.endswith(".socket") else "multi-user.target.wants"
