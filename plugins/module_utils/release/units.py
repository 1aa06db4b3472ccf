# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The systemd units of a site.

- `uwsgi-NAME@RELEASE.service` runs one release;
- `uwsgi-NAME.service` starts, at boot, the release that `current` names, so that no crash can make the two differ;
- with TCP sockets, `uwsgi-NAME@PORT.socket` holds a port and every release inherits it, so that old and new accept from
  one queue; `uwsgi-NAME-probe@RELEASE.service` is the release without them, to learn its health before it gets traffic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..host import sandbox
from ..model.layout import Layout
from . import ports

# Words that stand in a directive as they are.
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@+,-]+")
Sections = Mapping[str, Mapping[str, Any]]


def render(site: Mapping[str, Any]) -> dict[str, str]:
    """Return the units of a site: file name -> text. `site` knows its group and its sandbox."""
    layout = Layout.of(site)
    live = layout.unit(f'$$(basename "$$(readlink {layout.current})")')
    units = {
        layout.template_unit: text(_instance(site, layout)),
        layout.boot_unit: text(
            {
                "Unit": {
                    "Description": f"The current release of the site {layout.name}",
                    "After": "network.target",
                    "ConditionPathExists": layout.live_ini,
                },
                "Service": {
                    "Type": "oneshot",
                    "ExecStart": f"/bin/sh -c 'exec systemctl start --no-block \"{live}\"'",
                },
                "Install": {"WantedBy": "multi-user.target"},
            }
        ),
    }
    for unit, address in sockets(layout, site["uwsgi"]["socket"]).items():
        units[unit] = text(
            {
                "Unit": {"Description": f"A uwsgi port of the site {layout.name}"},
                "Socket": {"ListenStream": address, "Service": layout.boot_unit},
                "Install": {"WantedBy": "sockets.target"},
            }
        )
    if site["uwsgi"]["socket"]:
        units[layout.probe_template_unit] = text(_instance(site, layout, probe=True))
        units[layout.ports_unit] = text(_ports(layout, site["uwsgi"]["socket"]))
    return units


def _ports(layout: Layout, addresses: Sequence[str]) -> Sections:
    """Return the unit that says who may connect to the ports, from before they are open until they are closed."""

    def run(what: str) -> str:
        return " ".join(map(words, ports.command(layout, what, addresses)))

    return {
        "Unit": {
            "Description": f"Who may connect to the uwsgi ports of the site {layout.name}",
            "DefaultDependencies": "no",
            # Which makes the directory whose group may; and which flushes everything when it starts.
            "After": "systemd-tmpfiles-setup.service nftables.service",
            "PartOf": "nftables.service",
            "ReloadPropagatedFrom": "nftables.service",
            "Before": " ".join(["shutdown.target", *sockets(layout, addresses)]),
            "Conflicts": "shutdown.target",
            # On a bare host libnftables comes while the first release is made.
            "StartLimitIntervalSec": 600,
            "StartLimitBurst": 60,
        },
        "Service": {
            "Type": "oneshot",
            "RemainAfterExit": "yes",
            "ExecStart": run("load"),
            "ExecReload": run("load"),
            "ExecStop": run("delete"),
            "Restart": "on-failure",
            "RestartSec": 5,
        },
        "Install": {"WantedBy": "multi-user.target"},
    }


def sockets(layout: Layout, addresses: Iterable[str]) -> dict[str, str]:
    """Return the socket units of a site, one a port so that each comes and goes alone: file name -> address."""
    return {layout.socket_unit(address): address for address in addresses}


def is_template(name: str) -> bool:
    """Return whether a unit is a template, which runs only with an instance name."""
    return "@." in name


def _instance(site: Mapping[str, Any], layout: Layout, probe: bool = False) -> Sections:
    release = layout.release("%i")
    service: dict[str, Any] = {
        "Type": "notify",
        "User": site["user"],
        # The default is the same; it is here for people who read the unit.
        "Group": site["group"],
        # Without its variables nothing of it may run.
        "EnvironmentFile": layout.env("%i"),
        "ExecStart": f"{release}/uwsgi --ini {layout.ini('%i')}",
        # Only the master gets SIGTERM; it lets its workers finish their requests (harakiri bounds that).
        "KillMode": "mixed",
        "TimeoutStartSec": site["health"]["timeout"],
        # It serves nobody yet, and may have no hook yet that ends it on SIGTERM.
        "TimeoutStartFailureMode": "kill",
        "TimeoutStopSec": site["nginx"]["read_timeout"] + 10,
        "Restart": "no" if probe else "on-failure",
        "RestartSec": "200ms",
        "SyslogIdentifier": layout.identifier,
        "UMask": "0027",
        **escaped(site["sandbox"]),
    }
    if site["uwsgi"]["socket"] and not probe:
        service["Sockets"] = list(sockets(layout, site["uwsgi"]["socket"]))
    service = sandbox.merged(service, escaped(site["uwsgi"]["unit"]))
    return {
        "Unit": {
            "Description": f"uWSGI for the site {layout.name}, release %i",
            "After": "network.target",
            # Restarts never end: a database that is away for an hour comes back.
            "StartLimitIntervalSec": 0,
        },
        "Service": service,
    }


def escaped(directives: sandbox.Directives) -> dict[str, list[str]]:
    """Return directives whose values mean what they say: a unit would expand %."""
    return {name: [value.replace("%", "%%") for value in values] for name, values in directives.items()}


def words(text: str) -> str:
    """Return a word as ExecStart= and Environment= read it: quoted where it has to be, nothing in it expanded."""
    escaped = text.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(escaped):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text(sections: Sections) -> str:
    """Return the text of a unit file."""
    lines = ["# Written by pyweb.stack: change the inventory instead."]
    for section, directives in sections.items():
        lines.append(f"[{section}]")
        for name, value in directives.items():
            lines += [f"{name}={text}" for text in (value if isinstance(value, list) else [value])]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
