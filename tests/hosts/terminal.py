"""A playbook run as a user sees it: for any inventory, with the lines of Ansible's own default output."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host import BUNDLE, BUNDLE_THERE, PLAY_SECONDS, ROOT


def variables(sites: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """Return the variables of a container that has sites."""
    trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE)
    connection = {"ansible_connection": "community.docker.docker"}
    return {**connection, "web_environment": trust if BUNDLE.is_file() else {}, "web_sites": list(sites), **more}


def run_playbook(
    inventory: Mapping[str, Any], work: Path, playbook: str = "site.yml", *words: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook with `inventory`, which is written into `work` as hosts.json."""
    path = work / "hosts.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    return subprocess.run(
        ["ansible-playbook", "-i", str(path), f"playbooks/{playbook}", *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PLAY_SECONDS,
        check=False,
    )


def lines_of(done: subprocess.CompletedProcess[str], start: str) -> list[str]:
    """Return the lines of a run that begin with `start`, without what was said twice."""
    return list(dict.fromkeys(line for line in done.stdout.splitlines() if line.startswith(start)))
