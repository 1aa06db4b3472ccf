"""What the suites with a controller of their own share: the archive, and a site for its host to serve."""

from __future__ import annotations

from pathlib import Path

import galaxy
import pytest
from bed import Bed
from host import ROOT

__all__ = ["archive"]

PROJECT = "/home/me/sites/shop"
# Beside the working directory of a session, and with a source beside itself.
INVENTORY = "/home/me/sites/inventory/hosts.yml"
HOSTS = """\
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


def lay_out(bed: Bed) -> None:
    """Put the project and the inventory on the controller."""
    controller = bed.controller
    controller.told(f"install -d -o me -g me /home/me/sites {Path(INVENTORY).parent} /home/me/elsewhere")
    controller.copy(ROOT / "examples/mysite", PROJECT)
    controller.told(f"chown -R me: {PROJECT}; cat >{INVENTORY}", stdin=HOSTS)


def change(bed: Bed) -> None:
    """Change the code of the project, so that a deploy makes a new release."""
    bed.controller.told(f"echo '# changed' >>{PROJECT}/mysite/urls.py")
