# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The systemd units of a site's workers and timers.

- `pyweb-worker-SITE@RELEASE:NAME:N.service` is one process of a worker of one release. It is a file of its own, no
  instance of a template, so that the workers of two releases may differ and each keeps its units while it finishes;
- `pyweb-worker-SITE.service` starts, at boot, the workers of the release that `current` names;
- `pyweb-timer-SITE@NAME.timer` and its `.service` run a command of the live release at times. They are written anew
  when another release goes live; a run in progress stays with the release that it began with.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..build import runtime
from ..host import sandbox
from ..model.layout import SYSTEMD, Layout
from ..model.types import Manifest
from . import units
from .units import words

# The variable in the environment of each process that contains its release.
RELEASE_VARIABLE = "PYWEB_RELEASE"
# The number of a singleton.
ONLY = "only"
# How long systemd waits before it restarts a worker: Django takes a second to start.
RESTART_SECONDS = 2
# Words that systemd.syntax(7) and systemd.service(5) accept without quotes.


def render(site: Mapping[str, Any], manifest: Manifest, release_id: str, first: bool = True) -> dict[str, str]:
    """Return the units of a site's workers and timers: file name -> text; {} for a site without any.

    `site` contains its group and its sandbox. `first` tells whether this is the first host of the inventory that has
    it.
    """
    layout = Layout.of(site)
    found: dict[str, str] = {}
    for name, worker in _here(site["workers"], first):
        numbers = [ONLY] if worker["singleton"] else [str(number + 1) for number in range(worker["processes"])]
        text = units.text(_worker(site, manifest, release_id, name, worker))
        found.update({layout.worker_unit(release_id, name, number): text for number in numbers})
    if found:
        found[layout.worker_boot_unit] = units.text(_boot(layout))
    for name, timer in _here(site["timers"], first):
        found[layout.timer_unit(name)] = units.text(_timer(layout, name, timer))
        found[layout.task_unit(name)] = units.text(_task(site, manifest, release_id, name, timer))
    return found


def programs(background: Mapping[str, str]) -> dict[str, str]:
    """Return what the units of a release run: file name -> the program, as in the inventory."""
    found = {}
    for name, text in background.items():
        match = re.search(rf"(?m)^ExecStart=.* {RELEASE_VARIABLE}=\S+ (\"(?:[^\"\\]|\\.)*\"|\S+)", text)
        if match:
            word = match[1]
            if word.startswith('"'):
                word = re.sub(r"\\(.)", r"\1", word[1:-1])
            found[name] = word.replace("$$", "$").replace("%%", "%")
    return found


def times(background: Mapping[str, str]) -> dict[str, list[str]]:
    """Return when the timers of a release run: file name -> its times."""
    return {
        name: re.findall(r"(?m)^OnCalendar=(.*)$", text) for name, text in background.items() if name.endswith(".timer")
    }


def folder_of(text: str) -> str:
    """Return the directory that a unit of `render` starts in."""
    match = re.search(r"(?m)^WorkingDirectory=(.*)$", text)
    return match[1].replace("%%", "%") if match else "/"


def _here(sections: Mapping[str, Any], first: bool) -> Iterator[tuple[str, Any]]:
    """Yield those of a host, by name."""
    for name in sorted(sections):
        if first or sections[name]["hosts"] == "all":
            yield name, sections[name]


def _worker(
    site: Mapping[str, Any], manifest: Manifest, release_id: str, name: str, worker: Mapping[str, Any]
) -> units.Sections:
    layout = Layout.of(site)
    service = {
        # A program that cannot be started fails the start.
        "Type": "exec",
        **_process(site, manifest, release_id, worker),
        # One SIGTERM to the main process: it takes no more tasks, finishes its current one, and ends. A second one
        # would end Celery and django-tasks at once.
        "KillMode": "mixed",
        "TimeoutStopSec": worker["stop_timeout"],
        "Restart": "always",
        "RestartSec": RESTART_SECONDS,
        "SyslogIdentifier": f"{layout.worker_identifier}:{name}",
    }
    return {
        "Unit": {
            "Description": f"The worker {name} of the site {layout.name}, release {release_id}",
            "After": "network.target",
            # Restarts never end: a broker may be back after an hour.
            "StartLimitIntervalSec": 0,
        },
        "Service": _with_own(service, worker["unit"]),
    }


def _task(
    site: Mapping[str, Any], manifest: Manifest, release_id: str, name: str, timer: Mapping[str, Any]
) -> units.Sections:
    layout = Layout.of(site)
    service = {
        # systemd does not start a second instance while one runs.
        "Type": "oneshot",
        **_process(site, manifest, release_id, timer),
        "KillMode": "mixed",
        "TimeoutStartSec": timer["timeout"],
        "SyslogIdentifier": f"{layout.timer_identifier}:{name}",
    }
    return {
        "Unit": {
            "Description": f"The timer {name} of the site {layout.name}, release {release_id}",
            "After": "network.target",
        },
        "Service": _with_own(service, timer["unit"]),
    }


def _timer(layout: Layout, name: str, timer: Mapping[str, Any]) -> units.Sections:
    when: dict[str, Any] = {
        "OnCalendar": [text.replace("%", "%%") for text in timer["at"]],
        # Runs that were missed while the host was off are made up.
        "Persistent": "true",
        # The default is a minute: 03:30 would be up to a minute late.
        "AccuracySec": "1s",
    }
    if timer["jitter"]:
        when["RandomizedDelaySec"] = timer["jitter"]
    return {
        "Unit": {"Description": f"When the timer {name} of the site {layout.name} runs"},
        "Timer": when,
        "Install": {"WantedBy": "timers.target"},
    }


def _boot(layout: Layout) -> units.Sections:
    live = f'{layout.worker_identifier}@"$$(basename "$$(readlink {layout.current})")":*.service'
    return {
        "Unit": {
            "Description": f"The workers of the current release of the site {layout.name}",
            "After": "network.target",
            "ConditionPathExists": layout.live_ini,
        },
        "Service": {
            "Type": "oneshot",
            "ExecStart": f"/bin/sh -c 'cd {SYSTEMD} && exec systemctl start --no-block {live}'",
        },
        "Install": {"WantedBy": "multi-user.target"},
    }


def _process(
    site: Mapping[str, Any], manifest: Manifest, release_id: str, section: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the directives of a process of the release: its user, directory, environment and command."""
    layout = Layout.of(site)
    release = layout.release(release_id)
    folder = "/".join(part for part in (release, "src", manifest["chdir"]) if part not in ("", "."))
    paths = [f"{release}/overlay"] if manifest["overlay"] else []
    # What the overlay adds when the settings are imported, a program such as celery needs before.
    added = [posixpath.normpath(f"{folder}/{path}") for path in manifest.get("paths", [])]
    settings = runtime.SETTINGS_MODULE if manifest["overlay"] else manifest["settings_module"]
    venv = f"{release}/venv/bin" if manifest["home"] else ""
    environment = {
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": ":".join([*paths, folder, *added]),
        RELEASE_VARIABLE: release_id,
    }
    command: Sequence[str] = section["run"]
    if section["manage"]:
        command = [f"{venv}/python" if venv else "/usr/bin/python3", "-m", "django", *section["manage"]]
    # Variables in the EnvironmentFile would override Environment=, and the site's env may name development settings.
    # env finds the program on the PATH, where the virtualenv comes first.
    line = ["/usr/bin/env"]
    line += [f"PATH={words(venv)}:${{PATH}}"] if venv else []
    line += [words(f"{name}={value}") for name, value in environment.items()]
    return {
        "User": site["user"],
        "Group": site["group"],
        "WorkingDirectory": folder.replace("%", "%%"),
        "EnvironmentFile": layout.env(release_id),
        # Its output must appear in the journal immediately.
        "Environment": [f"HOME={layout.state}", "PYTHONUNBUFFERED=1"],
        "ExecStart": " ".join([*line, *map(words, command)]),
        "UMask": "0027",
        **units.escaped(site["sandbox"]),
    }


def _with_own(service: Mapping[str, Any], own: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the directives with the inventory's own: they replace existing ones, but variables are added."""
    given = units.escaped(own)
    if "Environment" in given:
        given["Environment"] = [*service["Environment"], *given["Environment"]]
    return sandbox.merged(service, given)
