"""docs/how-to-existing-nginx.md: a host where nginx serves a site already, with an nginx.conf that somebody edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixtures import PLATFORM

if TYPE_CHECKING:
    from bed import Bed

FLAVOURS = {"web1": "baked"}
PASSWORDLESS = True
NGINX = f"""\
user {"www-data" if PLATFORM.startswith("debian") else "nginx"};
worker_processes 2;
pid /run/nginx.pid;
events {{ worker_connections 2048; }}
http {{
    include mime.types;
    client_max_body_size 200m;
    server_tokens off;
    access_log /var/log/nginx/access.log;
    include /etc/nginx/conf.d/*.conf;
}}
"""
OLD = """\
server {
    listen 80;
    server_name old.example.com;
    return 200 "the old site\\n";
}
"""


def prepare(bed: Bed) -> None:
    host = bed.host()
    host.told("cat >/etc/nginx/nginx.conf", stdin=NGINX)
    host.told("cat >/etc/nginx/conf.d/old.conf", stdin=OLD)
    host.told("rm -f /etc/nginx/sites-enabled/default; nginx -t && systemctl enable --now nginx")
