# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let systemd watch certificates that others renew, and install changes in nginx without Ansible."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..host import files
from ..host.nofollow import MAX_LINKS
from ..host.shell import Shell
from ..model.layout import SYSTEMD, Layout
from . import hook

HEAD = "# Written by pyweb.stack.\n"


class Watch:
    """The units that watch the files of one site."""

    def __init__(self, shell: Shell, layout: Layout, folder: str = SYSTEMD) -> None:
        self.shell, self.layout, self.folder = shell, layout, folder

    def wanted(self, tls: Mapping[str, Any], domains: Sequence[str]) -> dict[str, str]:
        """Return the files, path to text, for a site whose certificate others renew."""
        certificate, key = tls["certificate_path"], tls["key_path"]
        return {
            f"{self.folder}/{path_unit(self.layout)}": path_text(self.layout, certificate, key),
            f"{self.folder}/{service_unit(self.layout)}": service_text(self.layout),
            script(self.layout): hook.changed(self.layout, certificate, key, domains),
        }

    def ensure(self, wanted: Mapping[str, str], dry: bool) -> list[str]:
        """Write the files and start the units; return the paths that were, or in a dry run would be, written."""
        stale = [path for path, text in wanted.items() if files.read_or_empty(path) != text]
        off = not all(map(os.path.lexists, self._enabled()))
        if not dry:
            for path in stale:
                mode = hook.MODE if path == script(self.layout) else 0o644
                files.write(path, wanted[path], mode, os.geteuid(), os.getegid())
            self._start(bool(stale), off)
        return stale or (self._enabled()[:1] if off else [])

    def there(self) -> list[str]:
        """Return our files that are on the host."""
        paths = [f"{self.folder}/{unit(self.layout)}" for unit in (path_unit, service_unit)]
        return [path for path in [*paths, script(self.layout)] if os.path.lexists(path)]

    def remove(self, dry: bool) -> list[str]:
        """Stop and remove the units; return the paths that were, or in a dry run would be, removed."""
        found = self.there()
        units = [os.path.basename(path) for path in found if path != script(self.layout)]
        if found and not dry:
            if units:
                self._systemctl("disable", "--quiet", "--now", *units)
            for path in found:
                files.remove(path)
            if units:
                self._systemctl("daemon-reload")
                self._systemctl("reset-failed", *units)
        return found

    def _start(self, changed: bool, off: bool) -> None:
        unit = path_unit(self.layout)
        if changed:
            self._systemctl("daemon-reload", check=True)
        if off:
            # The service too: changes while the host was off are noticed at the next boot.
            self._systemctl("enable", "--quiet", unit, service_unit(self.layout), check=True)
        if changed:
            self._systemctl("restart", unit, check=True)
        elif self._systemctl("is-active", "--quiet", unit):
            self._systemctl("start", unit, check=True)

    def _enabled(self) -> list[str]:
        wants = f"{self.folder}/multi-user.target.wants"
        return [f"{wants}/{unit(self.layout)}" for unit in (path_unit, service_unit)]

    def _systemctl(self, *arguments: str, check: bool = False) -> int:
        return self.shell.run("certificate", ["systemctl", *arguments], check=check).returncode


def path_unit(layout: Layout) -> str:
    """Return the name of the unit that watches the files."""
    return f"pyweb-tls-{layout.name}.path"


def service_unit(layout: Layout) -> str:
    """Return the name of the unit that installs a changed pair in nginx."""
    return f"pyweb-tls-{layout.name}.service"


def script(layout: Layout) -> str:
    """Return the path of the service's script."""
    return f"{layout.tls}/changed"


def path_text(layout: Layout, certificate: str, key: str) -> str:
    """Return the text of the path unit."""
    watched = list(dict.fromkeys([*places(certificate), *places(key)]))
    lines = "".join(f"PathChanged={path}\n" for path in watched)
    return (
        f"{HEAD}[Unit]\nDescription=Watch the certificate of the site {layout.name}\n\n"
        f"[Path]\n{lines}\n[Install]\nWantedBy=multi-user.target\n"
    )


def service_text(layout: Layout) -> str:
    """Return the text of the service. A program that writes a file often may start it often."""
    return (
        f"{HEAD}[Unit]\nDescription=Take the changed certificate of the site {layout.name} to nginx\n"
        "After=nginx.service\nStartLimitIntervalSec=0\n\n"
        f"[Service]\nType=oneshot\nExecStart=/bin/sh {script(layout)}\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def places(path: str) -> list[str]:
    """Return the paths for systemd to watch: the file, and the directory of each link to it.

    systemd watches the target of a link, and does not notice when the link is replaced, as certbot does; but it notices
    a change of the directory that contains the link.
    """
    found = [path]
    seen, left = "", [name for name in path.split("/") if name]
    for _number in range(MAX_LINKS * 4):
        if not left:
            break
        name = left.pop(0)
        at = os.path.normpath(f"{seen}/{name}")
        target = files.read_link(at)
        if target:
            found.append(seen or "/")
            seen = "" if target.startswith("/") else seen
            left = [*[part for part in target.split("/") if part], *left]
        else:
            seen = at if at != "/" else ""
    # After a renewal, the file has another name, and the unit must not change with it: its directory is enough.
    return list(dict.fromkeys([*found, os.path.dirname(os.path.realpath(path))]))
