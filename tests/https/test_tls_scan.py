"""testssl.sh on each kind of `tls`: no findings of medium severity or above."""

from __future__ import annotations

import pytest
from world import World

KINDS = ("acme", "selfsigned", "certificate")
BAD = ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
ALLOWED = {
    "cert_revocation": "neither pebble's certificates nor an administrator's own name a revocation list",
    "cert_expirationStatus": "pebble's certificates are valid for six days here",
    "cert_notAfter": "the same",
    # Mozilla's intermediate configuration leaves the choice to the client, because all of its ciphers are secure.
    "cipher_order": "the client chooses",
}


@pytest.mark.same_everywhere
@pytest.mark.parametrize("kind", KINDS)
def test_testssl_finds_nothing_of_medium_severity_or_above(served: World, kind: str) -> None:
    findings = served.scans[kind].findings()
    assert findings["TLS1_3"][0] == "OK", findings
    assert findings["TLS1"][1] == findings["SSLv3"][1] == "not offered"
    # Other tests renew certificates meanwhile. If testssl.sh sees two, it reports on each: `cert_notAfter <cert#2>`.
    kinds = {name: name.partition(" <cert#")[0] for name in findings}
    bad = {name: found for name, found in findings.items() if found[0] in BAD and kinds[name] not in ALLOWED}
    assert not bad, bad
