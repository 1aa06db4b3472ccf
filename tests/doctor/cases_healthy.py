"""Healthy sites, each in another style than the tutorial's: nothing is wrong with them, and nothing may be said.

break_it makes the tutorial's host one of that style, heal makes it the tutorial's again.
"""

from __future__ import annotations

from cases import Case


def style(title: str, make: str, undo: str, **more) -> Case:
    return Case(title, more.pop("fault", ""), [], make, undo, status=more.pop("status", "ok"), **more)


_SETTINGS = "$project/mysite/settings.py"
_TLS = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=example.com -days 90 "
    "-addext subjectAltName=DNS:example.com,DNS:www.example.com -keyout /etc/ssl/site.key -out /etc/ssl/site.crt"
    " 2>/dev/null\n"
)

HEALTHY = [
    style(
        "buffer-size that is not set, as in most tutorials",
        "edit $ini '/^buffer-size/d'; restart",
        "back $ini; restart",
    ),
    style(
        "server_name _ on the default server",
        "edit $conf 's/listen 80;/listen 80 default_server;/; s/server_name .*/server_name _;/'; reload",
        "back $conf; reload",
    ),
    style(
        "no server_name at all",
        "edit $conf '/server_name/d'; reload",
        "back $conf; reload",
    ),
    style(
        "a server_name with a leading dot, and a second domain",
        "edit $conf 's/server_name .*/server_name .example.com example.org;/'; reload",
        "back $conf; reload",
    ),
    style(
        "a server_name that is a regular expression",
        "edit $conf 's/server_name .*/server_name ~^(www\\\\.)?example\\\\.com$;/'; reload",
        "back $conf; reload",
    ),
    style(
        "a built front end at /, Django below /api/",
        "mkdir -p /srv/front; echo '<html>front</html>' > /srv/front/index.html; chmod -R a+rX /srv/front\n"
        "edit $conf 's,location / {,location /api/ {,; s,charset utf-8;,& root /srv/front; index index.html;,'; reload",
        "back $conf; rm -r /srv/front; reload",
    ),
    style(
        "try_files in front of Django by a named location",
        "edit $conf 's,location / {,location / { try_files $uri @django; }\\n    location @django {,'; reload",
        "back $conf; reload",
    ),
    style(
        "DATABASES = {}",
        f"edit {_SETTINGS} '$ a DATABASES = {{}}'; restart",
        f"back {_SETTINGS}; restart",
    ),
    style(
        "a project without an admin, its database never made",
        "keep $project/mysite/urls.py $project/db.sqlite3; rm $project/db.sqlite3\n"
        "printf 'from django.http import HttpResponse\\nfrom django.urls import path\\n"
        'urlpatterns = [path("", lambda request: HttpResponse("ok"))]\\n\' > $project/mysite/urls.py; restart',
        "back $project/mysite/urls.py $project/db.sqlite3; restart",
        status="degraded",
        fault="database.missing",
    ),
    style(
        "uWSGI on a port",
        "edit $ini 's,^socket = .*,socket = 127.0.0.1:8001,'; edit $conf 's,server unix.*,server 127.0.0.1:8001;,'\n"
        "restart; reload",
        "back $ini $conf; restart; reload",
    ),
    style(
        "uWSGI speaks HTTP behind proxy_pass",
        "edit $ini 's,^socket = .*,http-socket = 127.0.0.1:8001,'\n"
        "edit $conf 's,uwsgi_pass django;,proxy_pass http://127.0.0.1:8001; proxy_set_header Host $host;"
        " proxy_set_header X-Forwarded-Proto $scheme;,; /uwsgi_params/d'; restart; reload",
        "back $ini $conf; restart; reload",
    ),
    style(
        "two backends, of which one is for the day that the first is down",
        "edit $conf 's,server unix.*,&\\n    server 127.0.0.1:8002 backup;,'; reload",
        "back $conf; reload",
    ),
    style(
        "lazy-apps, threads and cheaper workers",
        "edit $ini 's/^processes.*/processes = 4\\nthreads = 2\\nlazy-apps = true\\n"
        "cheaper = 1\\nmax-requests = 500/'; restart",
        "back $ini; restart",
    ),
    style(
        "uWSGI logs into a file of its own, and Django too",
        "edit $ini 's,^vacuum.*,&\\nlogto = /home/huatai/works/mysite/uwsgi.log,'; restart",
        "back $ini; rm $project/uwsgi.log; restart",
    ),
    style(
        "a virtualenv by the option virtualenv, a wsgi-file instead of a module",
        "edit $ini 's,^home = ,virtualenv = ,; s,^module = .*,wsgi-file = mysite/wsgi.py,'; restart",
        "back $ini; restart",
    ),
    style(
        "all of it on the command line, without an ini",
        "edit /etc/systemd/system/mysite.service 's,--ini .*,--plugins python3 --chdir /home/huatai/works/mysite "
        "--home /home/huatai/venv --module mysite.wsgi:application --master --processes 2 --vacuum "
        "--socket /home/huatai/works/mysite/mysite.sock --chmod-socket=660 --buffer-size 16384,'\n"
        "systemctl daemon-reload; restart",
        "back /etc/systemd/system/mysite.service; systemctl daemon-reload; restart",
    ),
    style(
        "a socket in a RuntimeDirectory",
        "edit /etc/systemd/system/mysite.service 's,^User=,RuntimeDirectory=mysite\\nUser=,'\n"
        "edit $ini 's,^socket = .*,socket = /run/mysite/a.sock,'; systemctl daemon-reload\n"
        "edit $conf 's,server unix.*,server unix:/run/mysite/a.sock;,'; restart; reload",
        "back /etc/systemd/system/mysite.service $ini $conf; systemctl daemon-reload; restart; reload",
    ),
    style(
        "no location for static files, for the application serves them itself (WhiteNoise's way)",
        "edit $conf 's,location /static {,location /elsewhere {,'; keep $project/mysite/urls.py\n"
        "printf '%s\\n' 'from django.urls import re_path' 'from django.views.static import serve'"
        ' \'where = {"document_root": "/home/huatai/works/mysite/static"}\''
        " 'urlpatterns += [re_path(\"^static/(?P<path>.*)$\", serve, where)]'"
        " >> $project/mysite/urls.py; restart; reload",
        "back $conf $project/mysite/urls.py; restart; reload",
    ),
    style(
        "static files on another host",
        f"edit {_SETTINGS} 's,^STATIC_URL = .*,STATIC_URL = \"https://cdn.example.net/static/\",'; restart",
        f"back {_SETTINGS}; restart",
    ),
    style(
        "static files by root instead of alias",
        "edit $conf 's,alias /home/huatai/works/mysite/static;,root /home/huatai/works/mysite;,'; reload",
        "back $conf; reload",
    ),
    style(
        "a location for static files by a regular expression",
        "edit $conf 's,location /static {,location ~ ^/static/(.*)$ {,;"
        " s,alias /home/huatai/works/mysite/static;,alias /home/huatai/works/mysite/static/$1;,'; reload",
        "back $conf; reload",
    ),
    style(
        "a password for everybody",
        "echo 'a:{PLAIN}b' > /etc/nginx/htpasswd; edit $conf "
        "'s,charset utf-8;,& auth_basic inside; auth_basic_user_file /etc/nginx/htpasswd;,'; reload",
        "back $conf; rm /etc/nginx/htpasswd; reload",
    ),
    style(
        "https with a redirect from http, and from www",
        _TLS + "keep $conf; cat > /etc/nginx/conf.d/redirect.conf <<'EOF'\n"
        "server { listen 80; server_name example.com www.example.com; return 301 https://example.com$request_uri; }\n"
        "server { listen 443 ssl; server_name www.example.com; ssl_certificate /etc/ssl/site.crt;\n"
        "    ssl_certificate_key /etc/ssl/site.key; return 301 https://example.com$request_uri; }\n"
        "EOF\n"
        "sed -i 's,listen 80;,listen 443 ssl; ssl_certificate /etc/ssl/site.crt;"
        " ssl_certificate_key /etc/ssl/site.key;,' $conf; reload",
        "rm /etc/nginx/conf.d/redirect.conf /etc/ssl/site.*; back $conf; reload",
        fault="nginx.certificate-untrusted",
        status="degraded",
    ),
    style(
        "a login before everything: / leads to it",
        "keep $project/mysite/urls.py\n"
        'echo \'home = lambda request: __import__("django.shortcuts").shortcuts.redirect("/admin/login/")\''
        " >> $project/mysite/urls.py\n"
        "echo 'urlpatterns[0] = path(\"\", home)' >> $project/mysite/urls.py\n"
        "end mysite; systemctl start mysite; sleep 1",
        "back $project/mysite/urls.py; restart",
    ),
    style(
        "an API without a page at /",
        # It never had one.
        "edit $project/mysite/urls.py 's,path(\"\"\\, home)\\, ,,'; end mysite; systemctl start mysite; sleep 1\n"
        "truncate --size=0 /var/log/nginx/access.log",
        "back $project/mysite/urls.py; restart",
    ),
    style(
        "another project of the same user, stopped on purpose",
        "cp $ini /home/huatai/works/other.ini; sed -i 's,mysite.sock,other.sock,' /home/huatai/works/other.ini\n"
        "echo 'server { listen 80; server_name other.example; location / { uwsgi_pass"
        " unix:/home/huatai/works/mysite/other.sock; include uwsgi_params; } }' > /etc/nginx/conf.d/other.conf; reload",
        "rm /etc/nginx/conf.d/other.conf /home/huatai/works/other.ini; reload",
    ),
    style(
        "an upload and a page that were not found, weeks of crawlers",
        "for _n in 1 2 3 4 5 6 7 8; do ask http://127.0.0.1/wp-login.php; ask http://127.0.0.1/.env;"
        " ask http://127.0.0.1/static/nosuch.css; done",
        "truncate -s 0 /var/log/nginx/error.log /var/log/nginx/access.log",
    ),
    style(
        "log files that are off",
        "edit $conf 's,charset utf-8;,& access_log off; error_log /dev/null;,'; reload",
        "back $conf; reload",
    ),
    style(
        "DEBUG = True with nobody but localhost allowed is no, but ALLOWED_HOSTS = ['*'] is fine",
        f"edit {_SETTINGS} 's,^ALLOWED_HOSTS = .*,ALLOWED_HOSTS = [\"*\"],'; restart",
        f"back {_SETTINGS}; restart",
    ),
    style(
        "a fresh project with its welcome page, never migrated",
        "keep $project/mysite/urls.py $project/db.sqlite3; rm $project/db.sqlite3\n"
        "printf 'from django.contrib import admin\\nfrom django.urls import path\\n"
        'urlpatterns = [path("admin/", admin.site.urls)]\\n\' > $project/mysite/urls.py\n'
        f"edit {_SETTINGS} 's,^DEBUG = False,DEBUG = True,'; restart",
        f"back $project/mysite/urls.py $project/db.sqlite3 {_SETTINGS}; restart",
        status="degraded",
    ),
]
