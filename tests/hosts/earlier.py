"""Version 0.1.0 of the collection, to set up a host with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from host import ROOT, Host, Run

# Built with `ansible-galaxy collection build` from the last commit of 0.1.0.
ARCHIVE = ROOT / "tests/upgrade/pyweb-stack-0.1.0.tar.gz"


def converge(host: Host, sites: Sequence[Mapping[str, Any]], folder: Path, *words: str) -> None:
    """Run site.yml of the archive, and check that no other collection was used. It is unpacked in `folder`."""
    collection = folder / "ansible_collections/pyweb/stack"
    install = ["ansible-galaxy", "collection", "install", str(ARCHIVE), "-p", str(folder), "--no-deps", "--offline"]
    with pytest.MonkeyPatch.context() as patch:
        # Otherwise both find this checkout, which may have the same version number.
        patch.setenv("ANSIBLE_COLLECTIONS_PATH", str(folder))
        subprocess.run(install, check=True, capture_output=True, text=True)
        run = host.play(sites, str(collection / "playbooks/site.yml"), *words)
    assert run.status == 0, run.error or run.output[-2000:]
    assert paths_of_tasks(run, "/roles/") == {str(collection)}, "not only 0.1.0 was run"


def paths_of_tasks(run: Run, below: str) -> set[str]:
    """Return the directories of the collections whose tasks in roles were run."""
    report: dict[str, Any] = json.JSONDecoder().raw_decode(run.output[run.output.find("{\n") :])[0]
    paths = [task["task"].get("path", "") for play in report["plays"] for task in play["tasks"]]
    return {path.partition(below)[0] for path in paths if below in path}
