#!/bin/sh
# The tutorial's steps one after the other, on a bare Debian, to compare the roles with. Runs on the host, as root; the
# project is already in /srv/mysite. It sets the site up once, without a user, a health check or a rollback.
set -eu
export DEBIAN_FRONTEND=noninteractive
domain=$1
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-venv nginx firewalld >/dev/null
python3 -m venv /srv/venv
/srv/venv/bin/pip install -q --disable-pip-version-check -r /srv/mysite/requirements.txt pyuwsgi
cd /srv/mysite
cat > production.py <<EOF
from mysite.settings import *
DEBUG = False
ALLOWED_HOSTS = ["$domain"]
STATIC_ROOT = "/srv/static"
MEDIA_ROOT = "/srv/media"
EOF
export DJANGO_SETTINGS_MODULE=production
/srv/venv/bin/python manage.py migrate --noinput -v0
/srv/venv/bin/python manage.py collectstatic --noinput -v0
mkdir -p /srv/media
chown -R www-data: /srv/mysite /srv/media
cat > /srv/uwsgi.ini <<EOF
[uwsgi]
chdir = /srv/mysite
module = mysite.wsgi
master = true
processes = 2
socket = /run/mysite/uwsgi.sock
chmod-socket = 664
vacuum = true
EOF
cat > /etc/systemd/system/mysite.service <<EOF
[Unit]
After=network.target
[Service]
Type=notify
User=www-data
RuntimeDirectory=mysite
Environment=DJANGO_SETTINGS_MODULE=production
ExecStart=/srv/venv/bin/uwsgi --ini /srv/uwsgi.ini
[Install]
WantedBy=multi-user.target
EOF
cat > /etc/nginx/sites-available/mysite <<EOF
upstream django { server unix:/run/mysite/uwsgi.sock; }
server {
    listen 80 default_server;
    server_name $domain;
    charset utf-8;
    client_max_body_size 75m;
    location /media/ { alias /srv/media/; }
    location /static/ { alias /srv/static/; }
    location / { uwsgi_pass django; include uwsgi_params; }
}
EOF
ln -s /etc/nginx/sites-available/mysite /etc/nginx/sites-enabled/
rm -f /etc/nginx/sites-enabled/default
systemctl daemon-reload
systemctl enable -q --now mysite firewalld
nginx -t -q
systemctl reload nginx
firewall-cmd -q --add-service=http
firewall-cmd -q --permanent --add-service=http
