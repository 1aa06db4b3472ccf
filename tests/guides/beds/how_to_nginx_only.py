"""docs/how-to-nginx-only.md: a uWSGI of the reader's own, with a project behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bed import Bed

FLAVOURS = {"web1": "baked"}
PASSWORDLESS = True
UNIT = """\
[Unit]
Description=uWSGI of hello

[Service]
User=nobody
ExecStart=/usr/bin/uwsgi --plugins python3 --master --need-app --buffer-size 32768 --socket 127.0.0.1:9000 \
    --chdir /srv/hello/code --module hello.wsgi
KillSignal=SIGQUIT

[Install]
WantedBy=multi-user.target
"""
URLS = """\
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("hello from uWSGI\\n"))]
"""
MAKE = """
mkdir -p /srv/hello/code /srv/hello/static /srv/hello/media
echo 'body { color: black }' >/srv/hello/static/style.css
django-admin startproject hello /srv/hello/code
cd /srv/hello/code/hello
sed -i 's/^DEBUG.*/DEBUG = False/; s/^ALLOWED_HOSTS.*/ALLOWED_HOSTS = ["hello.example.com"]/' settings.py
"""


def prepare(bed: Bed) -> None:
    host = bed.host()
    host.told(f"set -e{MAKE}")
    host.told("cat >/srv/hello/code/hello/urls.py", stdin=URLS)
    host.told("cat >/etc/systemd/system/hello.service", stdin=UNIT)
    host.told("systemctl daemon-reload && systemctl enable --now hello")
