# shellcheck shell=bash disable=SC2164  # it runs with `set -e`
# One host, a project for each way to run it: alpha and beta are vassals of Debian's emperor, gamma is gunicorn behind a
# socket unit, delta uvicorn, epsilon daphne and zeta granian, each from a unit, eta uWSGI under supervisor and theta one
# of Debian's apps-enabled. Django comes once, in a virtualenv for all.
export DEBIAN_FRONTEND=noninteractive
apt-get update -q > /dev/null
apt-get install -q -y uwsgi uwsgi-emperor uwsgi-plugin-python3 supervisor > /dev/null
www='www-data'
useradd --create-home --shell /bin/bash huatai
chmod 755 /home/huatai
python3 -m venv /home/huatai/venv
/home/huatai/venv/bin/pip install -q --disable-pip-version-check "Django>=4.2,<5.3" gunicorn uvicorn daphne granian
for project in alpha beta gamma delta epsilon zeta eta theta; do
    mkdir -p /srv/$project
    cd /srv/$project
    /home/huatai/venv/bin/django-admin startproject $project .
    cat >> $project/settings.py <<INNER
DEBUG = False
ALLOWED_HOSTS = ["$project.example.com"]
STATIC_ROOT = BASE_DIR / "static"
INNER
    cat > $project/urls.py <<'INNER'
from django.contrib import admin
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("It works")), path("admin/", admin.site.urls)]
INNER
    /home/huatai/venv/bin/python manage.py migrate --noinput -v0
    /home/huatai/venv/bin/python manage.py collectstatic --noinput -v0
    chown -R huatai:$www /srv/$project
    chmod -R g+w /srv/$project
done

site() { # site PROJECT DIRECTIVES
    cat > /etc/nginx/conf.d/"$1".conf <<INNER
server {
    listen 80;
    server_name $1.example.com;
    location /static/ { alias /srv/$1/static/; }
    location / { $2 }
}
INNER
}
# shellcheck disable=SC2016  # a variable of nginx
headers='proxy_set_header Host $host;'
site alpha "uwsgi_pass unix:/run/uwsgi/alpha.sock; include uwsgi_params;"
site beta "uwsgi_pass unix:/run/uwsgi/beta.sock; include uwsgi_params;"
site gamma "proxy_pass http://unix:/run/gamma.sock; $headers"
site delta "proxy_pass http://127.0.0.1:8004; $headers"
site epsilon "proxy_pass http://127.0.0.1:8005; $headers"
site zeta "proxy_pass http://127.0.0.1:8006; $headers"
site eta "uwsgi_pass 127.0.0.1:8007; include uwsgi_params;"
site theta "uwsgi_pass unix:/run/uwsgi/app/theta/socket; include uwsgi_params;"

# --- the emperor's vassals ---
mkdir -p /run/uwsgi
echo 'd /run/uwsgi 0775 www-data www-data' > /etc/tmpfiles.d/uwsgi-host.conf
systemd-tmpfiles --create
for project in alpha beta; do
    cat > /etc/uwsgi-emperor/vassals/$project.ini <<INNER
[uwsgi]
plugins = python3
chdir = /srv/$project
home = /home/huatai/venv
module = $project.wsgi:application
master = true
processes = 2
socket = /run/uwsgi/%n.sock
chmod-socket = 660
buffer-size = 16384
vacuum = true
INNER
    chown huatai:$www /etc/uwsgi-emperor/vassals/$project.ini
done

# --- systemd ---
service() { # service PROJECT COMMAND [LINE]
    cat > /etc/systemd/system/"$1".service <<INNER
[Unit]
Description=$1
[Service]
User=huatai
Group=$www
WorkingDirectory=/srv/$1
ExecStart=$2
${3:-}
[Install]
WantedBy=multi-user.target
INNER
}
bin=/home/huatai/venv/bin
service gamma "$bin/gunicorn --access-logfile - --workers 2 gamma.wsgi:application"
sed -i 's/^\[Unit\]/&\nRequires=gamma.socket/' /etc/systemd/system/gamma.service
cat > /etc/systemd/system/gamma.socket <<INNER
[Socket]
ListenStream=/run/gamma.sock
SocketUser=$www
[Install]
WantedBy=sockets.target
INNER
service delta "$bin/uvicorn delta.asgi:application --host 127.0.0.1 --port 8004 --workers 2"
service epsilon "$bin/daphne -b 127.0.0.1 -p 8005 epsilon.asgi:application"
service zeta "$bin/granian --interface asginl --host 127.0.0.1 --port 8006 zeta.asgi:application"

# --- supervisor ---
cat > /srv/eta/uwsgi.ini <<'INNER'
[uwsgi]
plugins = python3
chdir = %d
home = /home/huatai/venv
module = eta.wsgi:application
master = true
processes = 2
socket = 127.0.0.1:8007
die-on-term = true
buffer-size = 16384
INNER
cat > /etc/supervisor/conf.d/eta.conf <<'INNER'
[program:eta]
command = /usr/bin/uwsgi --ini uwsgi.ini
directory = /srv/eta
user = huatai
startsecs = 1
startretries = 1
INNER

# --- Debian's apps-enabled ---
cat > /etc/uwsgi/apps-available/theta.ini <<'INNER'
[uwsgi]
plugins = python3
chdir = /srv/theta
home = /home/huatai/venv
module = theta.wsgi:application
buffer-size = 16384
INNER
ln -sf ../apps-available/theta.ini /etc/uwsgi/apps-enabled/theta.ini

rm -f /etc/nginx/sites-enabled/default
systemctl daemon-reload
systemctl enable -q --now gamma.socket delta epsilon zeta
systemctl restart uwsgi-emperor supervisor nginx
# Debian's script gives uWSGI two seconds, which a busy machine exceeds: it says that it failed, and uWSGI starts all
# the same.
# With its pid file there, a second start finds it.
if ! systemctl restart uwsgi; then
    until [ -s /run/uwsgi/app/theta/pid ]; do sleep 0.1; done
    systemctl start uwsgi
fi
systemctl is-active -q uwsgi
