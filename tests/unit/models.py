"""Sites for the tests of the model, and the faults that the model finds in wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.model.errors import InventoryError
from ansible_collections.pyweb.stack.plugins.module_utils.model.site import complete

SHOP = {"name": "shop", "domains": ["shop.example.com"]}
SECRET = "correct-horse-battery"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"
# The example project, which is deployed if no source is given: a directory without requirements is enough.
EXAMPLE = Path(__file__).parent / "golden"


def completed(base=".", example=EXAMPLE, **keys):
    """Complete the valid site SHOP with more keys."""
    [site] = complete([{**SHOP, **keys}], None, str(base), str(example))
    return site


def faults(*sites, base=".", **keywords):
    """Return all faults of invalid sites."""
    with pytest.raises(InventoryError) as caught:
        complete(list(sites), base=str(base), example=str(EXAMPLE), **keywords)
    assert all("\n" not in fault for fault in caught.value.faults)
    assert str(caught.value).splitlines()[: len(caught.value.faults)] == caught.value.faults
    return caught.value.faults


def fault(base=".", **keys):
    """Return the only fault of a site that is valid otherwise."""
    [found] = faults({**SHOP, **keys}, base=base)
    return found
