"""A configuration of nginx as `nginx -T` prints it, for tests of its parser and of what uses the result."""

from __future__ import annotations

DUMP = """\
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
# configuration file /etc/nginx/nginx.conf:
user www-data; # a comment with { and ;
error_log /var/log/nginx/error.log;
http {
    log_format main '$remote_addr "$request" {not a block;';
    client_max_body_size 5m;
    include conf.d/*.conf;
    include "/etc/nginx/sites-enabled/*";
}

# configuration file /etc/nginx/conf.d/upstream.conf:
upstream django {
    server unix:///run/mysite.sock max_fails=0;
    server 127.0.0.1:8001;
    server 127.0.0.1:8002 down;
}
upstream web { server app.example; }

# configuration file /etc/nginx/sites-enabled/mysite:
server {
    listen 80 default_server;
    listen [::]:443 ssl;
    server_name example.com *.example.com .dotted.example ~^v[0-9]+\\.regex$;
    location / {
        uwsgi_pass django;
        uwsgi_param HTTP_HOST $host;
        uwsgi_param HTTP_HOST $http_host;
        client_max_body_size 1k;
    }
    location /static { alias /srv/static; }
    location /static/admin/ { root /srv/admin; }
    location ^~ /raw/ { root /srv; }
    location = /exact { return 204; }
    location ~* \\.PNG$ { root /srv/pictures; }
    location ~ ^/files/(.+)\\.txt$ { alias /srv/texts/$1; }
    location /try/ { try_files $uri @django; }
    location @django { proxy_pass http://web/; }
    location /outer/ {
        location /outer/inner/ { proxy_pass http://unix:/run/inner.sock:/x; }
    }
    location /variable/ { proxy_pass http://$where; }
}
server {
    listen 192.0.2.7:80;
    server_name _;
    return 444;
}
server {
    server_name example.com;
    return 301 https://$host$request_uri;
}
"""
