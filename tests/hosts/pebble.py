"""The configuration of pebble, a CA that speaks ACME for tests (letsencrypt/pebble, cmd/pebble/main.go)."""

from __future__ import annotations

# httpPort and tlsPort are the ports of the hosts that it validates; files are in the CA's container.
CONFIG = {
    "listenAddress": "0.0.0.0:14000",
    "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/ca/cert.pem",
    "privateKey": "/ca/key.pem",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
}
