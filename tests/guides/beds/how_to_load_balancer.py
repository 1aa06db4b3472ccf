"""docs/how-to-load-balancer.md: HAProxy as the page has it, at the address that the page has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bed import Bed

BALANCER = "web2"
FLAVOURS = {"web1": "baked"}
NAMES = {"shop.example.com": BALANCER}
PASSWORDLESS = True
TIMEOUTS = "defaults\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\n"
INSTALL = """
set -e
apt-get -q -y update
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends haproxy openssl
cd /etc/haproxy
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=shop.example.com \
    -addext subjectAltName=DNS:shop.example.com -keyout key.pem -out cert.pem 2>/dev/null
cat cert.pem key.pem >shop.pem
"""


def prepare(bed: Bed) -> None:
    """Install it, with the block of the page for a configuration."""
    [config] = re.findall(r"(?ms)^```text example\n(frontend .*?)^```", bed.text)
    balancer = bed.host(BALANCER)
    balancer.told(INSTALL)
    balancer.told("cat >/etc/haproxy/haproxy.cfg && systemctl restart haproxy", stdin=TIMEOUTS + config)
