"""A playbook run for several hosts at once."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host import BUNDLE, BUNDLE_THERE, PLAY_SECONDS, ROOT, Host, Run


def play_many(hosts: Sequence[Host], sites: Sequence[Mapping[str, Any]], work: Path) -> Run:
    """Run site.yml for all hosts. `changed` is the sum of their changes."""
    trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), BUNDLE_THERE)
    variables = {
        "ansible_connection": "community.docker.docker",
        "web_environment": trust if BUNDLE.is_file() else {},
        "web_sites": list(sites),
    }
    inventory = work / "inventory-many.json"
    group = {"hosts": {host.name: {} for host in hosts}, "vars": variables}
    inventory.write_text(json.dumps({"web": group}), encoding="utf-8")
    start = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(ROOT / "playbooks/site.yml")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PLAY_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - start
    try:
        stats = json.JSONDecoder().raw_decode(done.stdout[done.stdout.find("{\n") :])[0]["stats"]
    except ValueError:
        return Run(done.returncode or 1, seconds, 0, done.stdout[-2000:], done.stdout)
    return Run(done.returncode, seconds, sum(host["changed"] for host in stats.values()), "", done.stdout)
