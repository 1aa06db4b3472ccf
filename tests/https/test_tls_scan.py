"""testssl.sh on each kind of `tls`: nothing of medium or above."""

from __future__ import annotations

import pytest
from world import World

KINDS = ("acme", "selfsigned", "certificate")
BAD = ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
ALLOWED = {
    "cert_revocation": "neither pebble nor an administrator's own certificate names a list of revoked ones",
    "cert_expirationStatus": "pebble's certificates have six days here",
    "cert_notAfter": "the same",
    # Mozilla's intermediate leaves the choice to the client, because each of these ciphers is good.
    "cipher_order": "the client chooses",
}


@pytest.mark.same_everywhere
@pytest.mark.parametrize("kind", KINDS)
def test_testssl_finds_nothing_of_medium_or_above(served: World, kind: str) -> None:
    findings = served.scans[kind].findings()
    assert findings["TLS1_3"][0] == "OK", findings
    assert findings["TLS1"][1] == findings["SSLv3"][1] == "not offered"
    bad = {name: found for name, found in findings.items() if found[0] in BAD and name not in ALLOWED}
    assert not bad, bad
