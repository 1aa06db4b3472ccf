# shellcheck shell=bash disable=SC2164  # it runs with `set -e`
# The tutorial, typed by hand: a project in a home, a virtualenv beside it, uWSGI from a unit, nginx's own files.
# Debian's uWSGI, because it reads `home` from the ini, as the one that the tutorial compiles does.
www=$(id -un www-data 2>/dev/null || echo nginx)
useradd --create-home --shell /bin/bash huatai
chmod 755 /home/huatai
python3 -m venv /home/huatai/venv
/home/huatai/venv/bin/pip install -q --disable-pip-version-check "Django>=4.2,<5.3"
mkdir -p /home/huatai/works
cd /home/huatai/works
/home/huatai/venv/bin/django-admin startproject mysite
cd mysite
cat >> mysite/settings.py <<'EOF'
DEBUG = False
ALLOWED_HOSTS = ["example.com"]
STATIC_ROOT = BASE_DIR / "static"
MEDIA_URL = "/media/"
MEDIA_ROOT = BASE_DIR / "media"
EOF
mkdir media
cat > mysite/urls.py <<'EOF'
import time

from django.contrib import admin
from django.http import HttpResponse
from django.urls import path


def home(request):
    time.sleep(float(request.GET.get("seconds", "0")))  # a page that takes as long as the test asks for
    return HttpResponse("It works")


urlpatterns = [path("", home), path("admin/", admin.site.urls)]
EOF
cat > uwsgi.ini <<'EOF'
[uwsgi]
plugins = python3
project = mysite
base = /home/huatai/works/%(project)
chdir = %(base)
home = /home/huatai/venv
module = %(project).wsgi:application
master = true
processes = 2
socket = %(base)/mysite.sock
chmod-socket = 660
buffer-size = 16384
vacuum = true
EOF
/home/huatai/venv/bin/python manage.py migrate --noinput -v0
/home/huatai/venv/bin/python manage.py collectstatic --noinput -v0
chown -R "huatai:$www" /home/huatai/works
cat > /etc/systemd/system/mysite.service <<EOF
[Unit]
Description=uWSGI for mysite
StartLimitIntervalSec=0
[Service]
User=huatai
Group=$www
ExecStart=$(command -v uwsgi) --ini /home/huatai/works/mysite/uwsgi.ini
KillSignal=SIGQUIT
Restart=always
RestartSec=50ms
[Install]
WantedBy=multi-user.target
EOF
cat > /etc/nginx/conf.d/mysite.conf <<'EOF'
upstream django {
    server unix:///home/huatai/works/mysite/mysite.sock; # for a file socket
}

server {
    listen 80;
    server_name example.com;
    charset utf-8;
    client_max_body_size 75M;

    location /media {
        alias /home/huatai/works/mysite/media;
    }

    location /static {
        alias /home/huatai/works/mysite/static;
    }

    location / {
        uwsgi_pass django;
        include /etc/nginx/uwsgi_params;
    }
}
EOF
rm -f /etc/nginx/sites-enabled/default
systemctl daemon-reload
systemctl enable -q --now mysite
systemctl restart nginx
