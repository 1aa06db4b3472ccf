"""A playbook run as a user sees it: with any inventory, and the output of Ansible's default callback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host import BUNDLE, BUNDLE_THERE, PLAY_SECONDS, ROOT

RESULT = re.compile(r"(ok|changed|skipping|included|fatal|failed|unreachable): ")


def variables(sites: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """Return the inventory variables of a container with sites."""
    trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE)
    connection = {"ansible_connection": "community.docker.docker"}
    return {**connection, "web_environment": trust if BUNDLE.is_file() else {}, "web_sites": list(sites), **more}


class Played(subprocess.CompletedProcess[str]):
    """A run that has ended, and its silences: each with its seconds and the last line that was shown before it."""

    silences: list[tuple[float, str]]

    @property
    def headings(self) -> list[str]:
        return [line for line in self.stdout.splitlines() if line.startswith(("PLAY [", "TASK [", "RUNNING HANDLER ["))]

    @property
    def idle_headings(self) -> list[str]:
        """Return the headings of tasks that only skip hosts or include a file."""
        found = []
        for section in re.split(r"(?m)^(?=TASK \[|PLAY )", self.stdout):
            heading, *lines = section.splitlines() or [""]
            kinds = {match[1] for line in lines if (match := RESULT.match(line))}
            if heading.startswith("TASK [") and kinds and kinds <= {"skipping", "included"}:
                found.append(heading)
        return found


def run_playbook(inventory: Mapping[str, Any], work: Path, playbook: str = "site.yml", *words: str) -> Played:
    """Run a playbook with `inventory`, which is written into `work` as hosts.json."""
    path = work / "hosts.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    argv = ["ansible-playbook", "-i", str(path), f"playbooks/{playbook}", *words]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    lines, silences, before, last = [], [], "", time.monotonic()
    with subprocess.Popen(argv, cwd=ROOT, env=environment, text=True, **pipes) as process:
        watch = threading.Timer(PLAY_SECONDS, process.kill)
        watch.start()
        for line in process.stdout or ():
            lines.append(line)
            if line.strip():
                silences.append((time.monotonic() - last, before))
                before, last = line.rstrip(), time.monotonic()
        status = process.wait()
        late = not watch.is_alive()
        watch.cancel()
    if late:
        raise subprocess.TimeoutExpired(argv, PLAY_SECONDS, "".join(lines))
    played = Played(argv, status, "".join(lines))
    played.silences = silences
    return played


def lines_of(done: subprocess.CompletedProcess[str], start: str) -> list[str]:
    """Return the lines of a run that begin with `start`, without duplicates."""
    return list(dict.fromkeys(line for line in done.stdout.splitlines() if line.startswith(start)))
