"""What nginx's own directives decide, as a table: how a fault is made, what the doctor says of it, how it is healed."""

from __future__ import annotations

from cases import Case

# The whole server of the site, written anew: `back $conf` undoes it.
SERVER = """\
keep $conf
cat > $conf <<'EOF'
upstream django {{ {upstream} }}
server {{
    listen {listen};
    server_name {name};
    location /media {{ alias /home/huatai/works/mysite/media; }}
    location /static {{ alias /home/huatai/works/mysite/static; }}
{body}
}}
EOF
reload
"""
SOCKET = "server unix:///home/huatai/works/mysite/mysite.sock;"
APPLICATION = "{ uwsgi_pass django; include /etc/nginx/uwsgi_params; }"
PASS = f"    location / {APPLICATION}"
BACK = "back $conf; reload"
# A second application: it speaks HTTP at a port, and refuses other names than the site's.
WEB = """\
cat > /var/tmp/web.py <<'EOF'
import http.server

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["Host"] == "example.com" else 400)
        self.end_headers()
        self.wfile.write(self.path.encode())

http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Page).serve_forever()
EOF
systemd-run -q --unit=directives-web python3 /var/tmp/web.py
until listens 9000; do sleep 0.1; done
"""
NO_WEB = "systemctl stop directives-web; "
OLD = "/etc/nginx/conf.d/a-old.conf"
FRONT = "mkdir /srv/front; echo hello > /srv/front/index.html\n"


def server(body: str, upstream: str = SOCKET, listen: str = "80", name: str = "example.com") -> str:
    return SERVER.format(body=body, upstream=upstream, listen=listen, name=name)


BY_HAND_CASES = [
    Case(
        "try_files beside uwsgi_pass",
        "location.try-files",
        ["try_files in /etc/nginx/conf.d/mysite.conf", "ends in =404", "every page except / with 404"],
        "edit $conf 's,uwsgi_pass django;,root /srv; try_files $uri $uri/ =404; &,'; reload",
        BACK,
    ),
    Case(
        "try_files of files alone beside uwsgi_pass",
        "location.try-files",
        ["every page with 404", "try_files in /etc/nginx/conf.d/mysite.conf", "ends in =404"],
        "edit $conf 's,uwsgi_pass django;,root /srv; try_files $uri =404; &,'; reload",
        BACK,
    ),
    Case(
        "try_files that finds the directory",
        "location.try-files",
        ["nginx answers / itself, with 403", "`$uri/` of try_files", "remove `$uri/` from"],
        server(
            "root /home/huatai/works/mysite/static; location / { try_files $uri $uri/ @django; }\n"
            f"location @django {APPLICATION}"
        ),
        BACK,
    ),
    Case(
        "try_files, and a medium that nobody may read",
        "location.try-files",
        ["ends in =404"],
        "edit $conf 's,uwsgi_pass django;,root /srv; try_files $uri $uri/ =404; &,'; reload\n"
        "install -o huatai -g huatai -m 600 /dev/null $project/media/picture.png",
        f"rm $project/media/picture.png; {BACK}",
        extra=frozenset({"media.not-readable"}),
    ),
    Case(
        "a named location that nothing leads to",
        "location.no-pass",
        ["try_files $uri =404;", "nothing leads to the application of location @django"],
        server(f"location / {{ root /srv; try_files $uri =404; }}\nlocation @django {APPLICATION}"),
        BACK,
    ),
    Case(
        "a regular expression that takes the static files",
        "static.location-taken",
        [
            r"location ~* \.(css|js)$ in /etc/nginx/conf.d/mysite.conf:",
            "from location /static",
            "location ^~ /static",
        ],
        r"edit $conf 's,location /media {,location ~* \\.(css|js)$ { expires 30d; }\n    &,'; reload",
        BACK,
    ),
    Case(
        "proxy_pass that keeps the name to itself",
        "location.host",
        ["request is for 127.0.0.1:9000 instead of example.com", "proxy_set_header Host $http_host"],
        WEB + server("    location / { proxy_pass http://127.0.0.1:9000; }"),
        NO_WEB + BACK,
    ),
    Case(
        "an alias without its last slash",
        "static.alias",
        ["the alias has no / at its end", "alias /home/huatai/works/mysite/static/;"],
        "edit $conf 's,location /static {,location /static/ {,'; reload",
        BACK,
    ),
    Case(
        "root instead of alias",
        "static.alias",
        ["root puts the whole /static/", "instead of root"],
        "edit $conf 's,alias /home/huatai/works/mysite/static,root /home/huatai/works/mysite/static,'; reload",
        BACK,
    ),
    Case(
        "no uwsgi_params",
        "location.params",
        ["`include uwsgi_params;` is missing", "no uwsgi_param applies", "mysite.conf:"],
        "edit $conf '/include .*uwsgi_params/d'; reload",
        BACK,
    ),
    Case(
        "a uwsgi_param that replaces those of the server",
        "location.params",
        ["uwsgi_param HTTPS off; in /etc/nginx/conf.d/mysite.conf", "replaces all of /etc/nginx/uwsgi_params"],
        server("include /etc/nginx/uwsgi_params;\nlocation / { uwsgi_pass django; uwsgi_param HTTPS off; }"),
        BACK,
    ),
    Case(
        "an older file with the name, to another application",
        "name.other-server",
        ["conflicting server name", "on 0.0.0.0:80, ignored", OLD],
        f"{WEB}"
        "echo 'server { listen 80; server_name example.com; location / { proxy_pass http://127.0.0.1:9000;"
        f" proxy_set_header Host $host; }} }}' > {OLD}; reload",
        f"{NO_WEB}rm {OLD}; reload",
    ),
    Case(
        "an older file with the name, to nobody",
        "name.other-server",
        ["conflicting server name", OLD],
        "echo 'server { listen 80; server_name example.com; location / { proxy_pass http://127.0.0.1:9001; } }'"
        f" > {OLD}; reload",
        f"rm {OLD}; reload",
    ),
    Case(
        "a copy of the file, read later",
        "name.conflict",
        ["conflicting server name", "zz.conf", "ignores the one"],
        "sed '/^upstream/,/^}/d; s,django;,unix:/run/nobody.sock;,' $conf > /etc/nginx/conf.d/zz.conf; reload",
        "rm /etc/nginx/conf.d/zz.conf; reload",
        status="advice",
    ),
    Case(
        "a name that no server has, and one server",
        "name.no-server",
        ["no server of nginx has the name example.com", "the only one there"],
        "edit $conf 's,server_name .*,server_name exmaple.com;,'; reload",
        BACK,
        status="advice",
    ),
    Case(
        "a front end whose index file is not there",
        "location.front",
        ["nginx answers / itself, with 403", "/srv/front", "no index file"],
        "mkdir /srv/front\n" + server(f"root /srv/front; location /admin/ {APPLICATION}"),
        f"rmdir /srv/front; {BACK}",
    ),
    Case(
        "a front end that nginx cannot read",
        "location.front",
        ["cannot use /srv/front (0700)"],
        FRONT + "chmod 700 /srv/front\n" + server(f"location / {{ root /srv/front; }}\nlocation /admin/ {APPLICATION}"),
        f"rm -r /srv/front; {BACK}",
    ),
    Case(
        "an application that only a path below gets to",
        "location.no-pass",
        ["nginx does not pass / to the application", "only /app"],
        server(f"location /app {APPLICATION}"),
        BACK,
    ),
    Case(
        "a rate of requests that a page exceeds",
        "location.limited",
        ["got 503 recently", "limit_req zone=slow;"],
        "echo 'limit_req_zone $binary_remote_addr$request_uri zone=slow:1m rate=1r/s;' > /etc/nginx/conf.d/a.conf\n"
        + server(f"limit_req zone=slow; {PASS.strip()}")
        + "sleep 1; for _n in 1 2 3; do ask http://127.0.0.1/admin/; done; sleep 1.5",
        f"{BACK}; rm /etc/nginx/conf.d/a.conf; reload; truncate -s 0 /var/log/nginx/error.log",
        status="degraded",
    ),
    Case(
        "room for headers made small",
        "location.header-buffers",
        ["large_client_header_buffers 4 1k;", "gets 400"],
        server(f"large_client_header_buffers 4 1k; {PASS.strip()}"),
        BACK,
        status="degraded",
        send=("--header", f"Cookie: a={'x' * 5000}"),
    ),
    Case(
        "temporary files that nginx cannot write",
        "nginx.temp-path",
        ["cannot use", "client_body_temp_path", "get 500"],
        # `nginx -t` itself gives the directory back to its worker, and not the one above it.
        "dir=$(dirname $(nginx -V 2>&1 | grep -o 'client-body-temp-path=[^ ]*' | cut -d= -f2))\n"
        "echo $dir > /var/tmp/dir\n"
        "stat --format='%U:%G %a' $dir > /var/tmp/owner; chown root:root $dir; chmod 700 $dir",
        "dir=$(cat /var/tmp/dir); read -r owner mode < /var/tmp/owner; chown $owner $dir; chmod $mode $dir",
        status="degraded",
    ),
    Case(
        "an upstream's name that nobody resolves",
        "nginx.upstream-name",
        ["nginx cannot resolve nosuch.invalid", "mysite.conf:", "host not found in upstream"],
        "edit $conf 's,server unix.*,server nosuch.invalid:8000;,'"
        "\nsystemctl stop nginx; systemctl start nginx || true",
        "back $conf; nginx_anew",
    ),
    Case(
        "a server that is gone, beside its backup",
        "socket.missing",
        ["nginx falls back to the backup", "/run/nobody.sock"],
        server(PASS, f"server unix:/run/nobody.sock; {SOCKET[:-1]} backup;"),
        BACK,
        status="degraded",
    ),
    Case(
        "every server of an upstream down",
        "location.upstream-down",
        ["every server of the upstream django is marked `down`"],
        server(PASS, f"{SOCKET[:-1]} down;"),
        BACK,
    ),
    Case(
        "a group that nginx does not have yet",
        "socket.denied",
        ["nginx runs without this group", "systemctl restart nginx"],
        "groupadd late; keep /etc/systemd/system/mysite.service\n"
        "sed -i 's/^Group=.*/Group=late/' /etc/systemd/system/mysite.service\n"
        "systemctl daemon-reload; restart; sleep 1; usermod -aG late $www",
        "back /etc/systemd/system/mysite.service; systemctl daemon-reload; restart\n"
        "gpasswd -d $www late; groupdel late",
    ),
]

# Healthy hosts of other styles: nothing but advice may be said of them.
HEALTHY = [
    Case(
        "a default server without a name",
        "",
        ["the default server in /etc/nginx/conf.d/mysite.conf"],
        server(PASS, listen="80 default_server", name="_"),
        BACK,
        status="ok",
    ),
    Case(
        "a front end at / and Django below it",
        "",
        ["/srv/front/index.html"],
        FRONT
        + server(f"root /srv/front; location / {{ try_files $uri /index.html; }}\nlocation /admin/ {APPLICATION}"),
        f"rm -r /srv/front; {BACK}",
        status="ok",
    ),
    Case(
        "a named location for what is no file",
        "",
        [],
        server(f"root /srv; location / {{ try_files $uri @django; }}\nlocation @django {APPLICATION}"),
        BACK,
        status="ok",
    ),
    Case(
        "an error page that hands over what is no file",
        "",
        [],
        server(
            "root /srv; location / { try_files $uri =404; error_page 404 = @django; }\n"
            f"location @django {APPLICATION}"
        ),
        BACK,
        status="ok",
    ),
    Case(
        "a constant in uwsgi_pass",
        "",
        ["mysite.sock"],
        server(
            "set $app unix:/home/huatai/works/mysite/mysite.sock;"
            " location / { uwsgi_pass $app; include /etc/nginx/uwsgi_params; }"
        ),
        BACK,
        status="ok",
    ),
    Case(
        "a backup that waits",
        "",
        [],
        server(PASS, f"{SOCKET} server 127.0.0.1:9009 backup;"),
        BACK,
        status="ok",
    ),
]
