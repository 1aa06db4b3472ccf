"""The collection as version 0.1.0 was released, to set up a host as it did."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from host import ROOT, Host, Run

# What `ansible-galaxy collection build` made of the last commit of 0.1.0.
ARCHIVE = ROOT / "tests/upgrade/pyweb-stack-0.1.0.tar.gz"


def converge(host: Host, sites: Sequence[Mapping[str, Any]], folder: Path, *words: str) -> None:
    """Run the site.yml of the archive, and of nothing else. It is unpacked in `folder`."""
    collection = folder / "ansible_collections/pyweb/stack"
    install = ["ansible-galaxy", "collection", "install", str(ARCHIVE), "-p", str(folder), "--no-deps", "--offline"]
    with pytest.MonkeyPatch.context() as patch:
        # Else both find this checkout, which says that it is the same version.
        patch.setenv("ANSIBLE_COLLECTIONS_PATH", str(folder))
        subprocess.run(install, check=True, capture_output=True, text=True)
        run = host.play(sites, str(collection / "playbooks/site.yml"), *words)
    assert run.status == 0, run.error or run.output[-2000:]
    assert paths_of_tasks(run, "/roles/") == {str(collection)}, "0.1.0 is not all that ran"


def paths_of_tasks(run: Run, below: str) -> set[str]:
    """Where the collections lie whose roles' tasks ran."""
    report: dict[str, Any] = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])[0]
    paths = [task["task"].get("path", "") for play in report["plays"] for task in play["tasks"]]
    return {path.partition(below)[0] for path in paths if below in path}
