"""The archive, and one controller with one host, on which every test goes on where the one before has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import galaxy
import pytest
from bed import Bed, running
from host import ROOT

PROJECT = "/home/me/sites/shop"
INVENTORY = """\
web:
  hosts:
    web1.example.com:
  vars:
    ansible_user: admin
    ansible_become: true
    ansible_python_interpreter: /usr/bin/python3
    web_sites:
      - name: shop
        domains: [shop.example.com]
        source: {directory: ../shop}
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return galaxy.build(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def bed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A host, and a controller on which the collection is installed into an empty path; the inventory is elsewhere."""
    work = tmp_path_factory.mktemp("bed")
    with running("install", INVENTORY, work, archive) as made:
        made.controller.told("install -d -o me -g me /home/me/sites /home/me/sites/inventory /home/me/elsewhere")
        made.controller.copy(ROOT / "examples/mysite", PROJECT)
        made.controller.told(f"chown -R me: {PROJECT}; cat >/home/me/sites/inventory/hosts.yml", stdin=INVENTORY)
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = (yield).get_result()
    bed = getattr(item, "funcargs", {}).get("bed")
    if report.failed and isinstance(bed, Bed):
        report.sections.extend(bed.evidence())
