"""README.md: the reader has a project in the directory `shop`, and changes it before the deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host import ROOT

if TYPE_CHECKING:
    from bed import Bed
    from page import Block

PROJECT = "/home/me/shop"


def prepare(bed: Bed) -> None:
    bed.controller.copy(ROOT / "examples/mysite", PROJECT)
    bed.controller.told(f"chown -R me: {PROJECT}")


def before(bed: Bed, block: Block) -> None:
    if "pyweb.stack.deploy" in block.text:
        bed.controller.told(f"echo '# changed' >>{PROJECT}/mysite/urls.py")
