"""Root does not follow a link that a site's user made."""

from __future__ import annotations

import pytest
from conftest import World

pytestmark = pytest.mark.same_everywhere

VICTIM = "/etc/systemd/system"


def test_a_link_in_place_of_the_media_directory_is_refused(world: World) -> None:
    before = world.host.told(f"stat -c '%U %G %a' {VICTIM}")
    done = world.run_as("site-shop", f"cd /var/lib/sites/shop && mv media m2 && ln -s {VICTIM} media")
    assert done.returncode == 0, done.stderr
    try:
        run = world.play(world.inventory)
    finally:
        world.host.told("cd /var/lib/sites/shop && rm media && mv m2 media")
    assert run.status, "the run followed a link of the site"
    assert "/var/lib/sites/shop/media is a link of site-shop" in run.error
    assert world.host.told(f"stat -c '%U %G %a' {VICTIM}") == before
