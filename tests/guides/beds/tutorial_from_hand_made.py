"""docs/tutorial-from-hand-made.md: a site that was set up by hand, as most guides describe it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host import ROOT

if TYPE_CHECKING:
    from bed import Bed

FLAVOURS = {"web1": "baked"}
DOMAIN = "mysite.example.com"
# An upload, which the reader is asked to open.
MORE = f"""
sed -i 's/ALLOWED_HOSTS = .*/ALLOWED_HOSTS = ["{DOMAIN}"]/' /home/huatai/works/mysite/mysite/settings.py
echo upload >/home/huatai/works/mysite/media/upload.txt
chown -R huatai: /home/huatai/works/mysite/media
sed -i 's/example.com/{DOMAIN}/' /etc/nginx/conf.d/mysite.conf
systemctl restart mysite nginx
"""


def prepare(bed: Bed) -> None:
    script = (ROOT / "tests/doctor/tutorial.sh").read_text(encoding="utf-8")
    bed.host().told(
        "cat >/root/by-hand.sh; PIP_CERT=/etc/ssl/certs/ca-certificates.crt bash -e /root/by-hand.sh",
        stdin=script + MORE,
    )
