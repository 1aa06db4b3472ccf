"""docs/how-to-in-place.md: the code is on the host already, as root's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host import ROOT

if TYPE_CHECKING:
    from bed import Bed

FLAVOURS = {"web1": "baked"}
PASSWORDLESS = True


def prepare(bed: Bed) -> None:
    bed.host().copy(ROOT / "examples/mysite", "/srv/shop")
