"""docs/how-to-https.md: an ACME CA, which is pebble, in the container `ca`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pebble

if TYPE_CHECKING:
    from bed import Bed

CA = "ca.example.com"
FLAVOURS = {"web1": "baked"}
NAMES = {CA: "ca"}
PASSWORDLESS = True
START_SECONDS = 30
INSTALL = f"""
set -e
apt-get -q -y update
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends pebble openssl curl
mkdir -p /ca
cd /ca
cat >config.json
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={CA} \
    -addext subjectAltName=DNS:{CA} -keyout key.pem -out cert.pem 2>/dev/null
"""
# Its DNS leads every name to web1.
SERVE = """
systemd-run --quiet --unit=dns pebble-challtestsrv -defaultIPv4 {address} -defaultIPv6 "" \
    -http01 "" -https01 "" -tlsalpn01 ""
systemd-run --quiet --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 \
    pebble -config /ca/config.json -dnsserver 127.0.0.1:8053
"""


def prepare(bed: Bed) -> None:
    authority = bed.host("ca")
    authority.told(INSTALL, stdin=json.dumps({"pebble": pebble.CONFIG}))
    authority.told(SERVE.format(address=bed.host().address))
    deadline = time.monotonic() + START_SECONDS
    while authority.run("curl --silent --fail --insecure https://127.0.0.1:14000/dir").returncode:
        assert time.monotonic() < deadline, authority.journal(30)
        time.sleep(0.2)  # asked again until the deadline
    certificate = authority.told("cat /ca/cert.pem")
    bed.controller.told("cat >/home/me/acme-ca.pem && chown me: /home/me/acme-ca.pem", stdin=f"{certificate}\n")
