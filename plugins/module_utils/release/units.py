# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The systemd units of a site.

- `uwsgi-NAME@RELEASE.service` runs one release;
- `uwsgi-NAME.service` starts, at boot, the release that `current` names, so that no crash can make the two differ;
- with TCP sockets, `uwsgi-NAME@PORT.socket` holds a port and every release inherits it, so that old and new accept from
  one queue; `uwsgi-NAME-probe@RELEASE.service` is the release without them, to learn its health before it gets traffic.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from typing import Any

FOLDER = "/etc/systemd/system"

Sections = Mapping[str, Mapping[str, Any]]


def render(site: dict[str, Any]) -> dict[str, str]:
    """The units of a site: file name -> text."""
    name, paths = site["name"], site["paths"]
    boot = f"uwsgi-{name}.service"
    units = {
        f"uwsgi-{name}@.service": _text(_instance(site)),
        boot: _text(
            {
                "Unit": {
                    "Description": f"The current release of the site {name}",
                    "After": "network.target",
                    "ConditionPathExists": f"{paths['current']}/uwsgi.ini",
                },
                "Service": {
                    "Type": "oneshot",
                    "ExecStart": "/bin/sh -c 'exec systemctl start --no-block "
                    f'"uwsgi-{name}@$$(basename "$$(readlink {paths["current"]})").service"\'',
                },
                "Install": {"WantedBy": "multi-user.target"},
            }
        ),
    }
    for unit, address in sockets(site).items():
        units[unit] = _text(
            {
                "Unit": {"Description": f"A uwsgi port of the site {name}"},
                "Socket": {"ListenStream": address, "Service": boot},
                "Install": {"WantedBy": "sockets.target"},
            }
        )
    if site["uwsgi"]["socket"]:
        units[f"uwsgi-{name}-probe@.service"] = _text(_instance(site, probe=True))
    return units


def sockets(site: dict[str, Any]) -> dict[str, str]:
    """The socket units of a site: file name -> address. A unit a port: one can come and go beside the others."""
    return {f"uwsgi-{site['name']}@{one.rpartition(':')[2]}.socket": one for one in site["uwsgi"]["socket"]}


def present(name: str) -> list[str]:
    """The file names of all units that a site of this name has on this host."""
    patterns = [f"uwsgi-{name}@.service", f"uwsgi-{name}.service", f"uwsgi-{name}-probe@.service"]
    # A name has no character that means something in a pattern.
    found = [path for one in [*patterns, f"uwsgi-{name}@*.socket"] for path in glob.glob(f"{FOLDER}/{one}")]
    return [os.path.basename(path) for path in found]


def is_template(name: str) -> bool:
    """Whether systemd only takes it with an instance."""
    return "@." in name


def _instance(site: dict[str, Any], probe: bool = False) -> Sections:
    name, paths = site["name"], site["paths"]
    release = f"{paths['releases']}/%i"
    service: dict[str, Any] = {
        "Type": "notify",
        "User": site["user"],
        "Group": _group(site),
        "EnvironmentFile": f"-{paths['config']}/%i.env",
        "ExecStart": f"{release}/uwsgi --ini {release}/uwsgi.ini",
        # Only the master gets SIGTERM, and lets its workers finish what they are at (harakiri bounds it).
        "KillMode": "mixed",
        "TimeoutStartSec": site["health"]["timeout"],
        # It serves nobody yet, and has no hook yet that would let it go on SIGTERM.
        "TimeoutStartFailureMode": "kill",
        "TimeoutStopSec": site["nginx"]["read_timeout"] + 10,
        "Restart": "no" if probe else "on-failure",
        "RestartSec": "200ms",
        "SyslogIdentifier": f"uwsgi-{name}",
        "UMask": "0027",
        "NoNewPrivileges": "yes",
        "PrivateTmp": "yes",
    }
    if site["uwsgi"]["socket"] and not probe:
        service["Sockets"] = list(sockets(site))
    service.update({key: [one.replace("%", "%%") for one in value] for key, value in site["uwsgi"]["unit"].items()})
    return {
        "Unit": {
            "Description": f"uWSGI for the site {name}, release %i",
            "After": "network.target",
            # It is restarted for as long as it takes: a database that is away for an hour comes back.
            "StartLimitIntervalSec": 0,
        },
        "Service": service,
    }


def _group(site: dict[str, Any]) -> str:
    """systemd's default for `Group` is the user's own; it is spelt out for those who read the unit."""
    return str(site["group"])


def _text(sections: Sections) -> str:
    lines = ["# Written by pyweb.stack: change the inventory instead."]
    for section, directives in sections.items():
        lines.append(f"[{section}]")
        for name, value in directives.items():
            lines += [f"{name}={one}" for one in (value if isinstance(value, list) else [value])]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
