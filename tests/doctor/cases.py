"""The faults, as a table: how each is made on a healthy site, what the doctor has to say about it, how it is healed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PRELUDE, MANAGED, BY_HAND = (
    (HERE / f"{name}.sh").read_text(encoding="utf-8") for name in ("prelude", "managed", "by_hand")
)


# Where something hangs the doctor waits as long as it is told to.
BRIEF = 6


@dataclass(frozen=True)
class Case:
    """`fault` has to be the only one that follows from nothing; `words` stand in its cause, fix or evidence.

    {www} in a word is nginx's user.
    """

    title: str
    fault: str
    words: list[str]
    break_it: str
    heal: str
    status: str = "broken"
    site: str = "mysite"
    options: dict = field(default_factory=dict)
    extra: frozenset = frozenset()  # other faults that are true, too
    page: str = ""  # the path on which visitors see it, if that is not `path` of the options, and not the start page
    send: tuple = ()  # what they send, as options of curl


# --- on the site that this collection made ----------------------------------------------------------------------------

MANAGED_CASES = [
    Case(
        "uWSGI stopped",
        "uwsgi.stopped",
        ["uWSGI is stopped", "systemctl start uwsgi-mysite@"],
        "systemctl stop $unit",
        "systemctl start $unit",
    ),
    Case(
        "uWSGI crash-looping",
        "uwsgi.crashing",
        ["keeps exiting and restarting", "unknown config directive: nosuchoption", "journalctl -u uwsgi-mysite@"],
        "keep $release/uwsgi.ini; echo 'nosuchoption = 1' >> $release/uwsgi.ini\ncrash",
        "back $release/uwsgi.ini; restart",
    ),
    Case(
        "application that the sandbox does not let write",
        "app.sandbox",
        ["the sandbox of uwsgi-mysite@", "ReadWritePaths: /srv/open", "Read-only file system: '/srv/open/x'"],
        "mkdir -p /srv/open; chmod 1777 /srv/open; keep $build/src/mysite/wsgi.py\n"
        'echo \'open("/srv/open/x", "w")\' >> $build/src/mysite/wsgi.py\ncrash',
        "back $build/src/mysite/wsgi.py; restart; rm -rf /srv/open",
    ),
    Case(
        "app import error",
        "app.import",
        ["cannot be imported", "RuntimeError: not today", "wsgi.py"],
        "keep $build/src/mysite/wsgi.py; echo 'raise RuntimeError(\"not today\")' >> $build/src/mysite/wsgi.py\ncrash",
        "back $build/src/mysite/wsgi.py; restart",
    ),
    Case(
        "missing dependency",
        "app.import",
        ["ModuleNotFoundError", "nosuchpackage", "web_sites[].packages"],
        "keep $build/src/mysite/wsgi.py; echo 'import nosuchpackage' >> $build/src/mysite/wsgi.py\ncrash",
        "back $build/src/mysite/wsgi.py; restart",
    ),
    Case(
        "code broken after the start",
        "app.import",
        ["the running processes were started before that", "RuntimeError"],
        "keep $build/src/mysite/wsgi.py; echo 'raise RuntimeError(\"later\")' >> $build/src/mysite/wsgi.py",
        "back $build/src/mysite/wsgi.py",
        status="degraded",
    ),
    Case(
        "socket mode 600",
        "socket.denied",
        ["cannot write to the socket", "its mode is 0600", "chmod_socket", "{www}"],
        "chmod 600 $socket",
        "chmod 660 $socket",
    ),
    Case(
        "socket directory 0700",
        "socket.denied",
        ["the directory /run/sites/mysite is not accessible", "2700", "chmod g+x /run/sites/mysite"],
        "chmod 0700 /run/sites/mysite",
        "chmod 2750 /run/sites/mysite",
    ),
    Case(
        "stale socket",
        "socket.stale",
        ["stale socket", "nothing listens on it", "systemctl restart uwsgi-mysite@", "ECONNREFUSED"],
        "rm $socket; stale $socket",
        "restart",
    ),
    Case(
        "stale socket of a uWSGI that died",
        "uwsgi.stopped",
        ["uWSGI is stopped", "systemctl start"],
        "systemctl stop $unit; stale $socket",
        "systemctl start $unit",
    ),
    Case(
        "worker stopped",
        "background.worker-stopped",
        ["the worker idle 1 is stopped", "systemctl start 'pyweb-worker-mysite@"],
        "systemctl stop $worker",
        "systemctl start $worker",
    ),
    Case(
        "worker that ends over and over",
        "background.worker-restarting",
        ["the worker idle 1 keeps exiting and restarting", "journalctl -u 'pyweb-worker-mysite@"],
        "touch $state/ill; systemctl restart $worker\n"
        # Three restarts are what the doctor calls over and over; at one it may find the worker running, as it is.
        'until [ "$(systemctl show --property=NRestarts --value $worker)" -gt 2 ]; do sleep 0.1; done',
        "rm $state/ill; systemctl stop $worker; systemctl reset-failed $worker || true; systemctl start $worker",
    ),
    Case(
        "worker of another release",
        "background.other-release",
        ["the worker idle 1 belongs to release 000000000000; the live release is"],
        "cd /etc/systemd/system; cp $worker pyweb-worker-mysite@000000000000:idle:1.service\n"
        "systemctl daemon-reload; systemctl start pyweb-worker-mysite@000000000000:idle:1.service",
        "systemctl stop pyweb-worker-mysite@000000000000:idle:1.service\n"
        "rm /etc/systemd/system/pyweb-worker-mysite@000000000000:idle:1.service; systemctl daemon-reload",
        status="degraded",
    ),
    Case(
        "timer stopped",
        "background.timer-stopped",
        ["the timer daily is stopped", "systemctl start 'pyweb-timer-mysite@daily.timer'"],
        "systemctl stop $timer.timer",
        "systemctl start $timer.timer",
    ),
    Case(
        "timer whose run failed",
        "background.timer-failed",
        ["the last run of the timer daily failed", "runs it again"],
        "touch $state/failing; systemctl start $timer.service || true",
        "rm $state/failing; systemctl start $timer.service",
        status="degraded",
    ),
    Case(
        "wrong upstream port",
        "socket.refused",
        ["nothing listens on 127.0.0.1:8009", "8001", "uwsgi_pass"],
        "edit $porty 's/127.0.0.1:8001/127.0.0.1:8009/'; reload",
        "back $porty; reload",
        site="porty",
    ),
    Case(
        "all workers busy",
        "uwsgi.busy",
        ["all workers are busy", "2 of 2", "/slow", "web_sites[].uwsgi.processes"],
        "keep_busy & echo $! > /var/tmp/busy; until all_busy; do sleep 0.1; done",
        "kill $(cat /var/tmp/busy); systemctl kill --signal=KILL $unit; sleep 0.5",
        options={"patience": BRIEF},
    ),
    Case(
        "listen queue full, for uWSGI is halted",
        "uwsgi.stopped",
        ["halted by a signal (SIGSTOP)", "kill -CONT", "state T"],
        # It holds the queue for longer than the doctor looks; what takes the fault away ends it.
        "systemctl kill --signal=STOP $unit\n"
        "nohup python3 -c '\n"
        "import socket, sys, time\n"
        "held = []\n"
        "for _one in range(200):\n"
        "    one = socket.socket(socket.AF_UNIX); one.setblocking(False)\n"
        "    try: one.connect(sys.argv[1])\n"
        "    except BlockingIOError: break\n"
        "    held.append(one)\n"
        'open(sys.argv[2], "w").close()\n'
        # Until the case is healed, which kills it; no longer than a minute where that fails.
        "time.sleep(60)' $socket /var/tmp/full >/dev/null 2>&1 & echo $! > /var/tmp/filler\n"
        "until [ -e /var/tmp/full ]; do sleep 0.1; done",
        "kill $(cat /var/tmp/filler); rm /var/tmp/full; systemctl kill --signal=CONT $unit; restart",
        options={"patience": BRIEF},
    ),
    Case(
        "harakiri",
        "uwsgi.harakiri",
        ["harakiri: 1 request took longer than 1 s", "read_timeout", "HARAKIRI ON WORKER"],
        "edit $release/uwsgi.ini 's/^harakiri = .*/harakiri = 1/'; restart\n"
        "ask 'http://127.0.0.1/slow?seconds=8'; healthy",
        "back $release/uwsgi.ini; restart; truncate -s 0 /var/log/nginx/mysite.error.log",
        status="degraded",
        page="/slow?seconds=8",
    ),
    Case(
        "slow app, beyond uwsgi_read_timeout",
        "django.timeouts",
        ["got 504 recently", "uwsgi_read_timeout (1s)", "GET /slow?seconds=2"],
        "edit $conf 's/uwsgi_read_timeout .*/uwsgi_read_timeout 1s;/'; reload; sleep 1\n"
        "ask 'http://127.0.0.1/slow?seconds=2'; sleep 1.2",
        "back $conf; truncate -s 0 /var/log/nginx/mysite.error.log; reload",
        status="degraded",
        page="/slow?seconds=2",
    ),
    Case(
        "slow app, at this moment",
        "django.slow",
        ["the application is slow", "while workers are free", "60s", "504"],
        ":",
        "systemctl kill --signal=KILL $unit; sleep 0.5",
        options={"path": "/slow?seconds=9", "patience": BRIEF},
    ),
    Case(
        "an error of the application",
        "django.error",
        ["Django answers 500: RuntimeError: 1", "uWSGI's log"],
        "keep $build/src/gallery/views.py\n"
        "printf 'def healthz(request):\\n    raise RuntimeError(1)\\n' >> $build/src/gallery/views.py; restart",
        "back $build/src/gallery/views.py; restart",
        page="/healthz",
    ),
    Case(
        "body over client_max_body_size",
        "location.body-size",
        ["4096 bytes was refused with 413", "client_max_body_size is 1k"],
        "edit $conf 's/client_max_body_size .*/client_max_body_size 1k;/'; reload; sleep 1\n"
        "head -c 4096 /dev/zero | ask --data-binary @- http://127.0.0.1/",
        "back $conf; reload; truncate -s 0 /var/log/nginx/mysite.error.log",
        status="degraded",
        send=("--data-binary", "x" * 4096),
    ),
    Case(
        "ALLOWED_HOSTS",
        "django.allowed-hosts",
        ["ALLOWED_HOSTS does not contain mysite.example", "400", "web_sites[].domains"],
        "keep $overlay; echo 'ALLOWED_HOSTS = [\"other.example\"]' >> $overlay; restart",
        "back $overlay; restart",
    ),
    Case(
        "CSRF origin at an odd port",
        "django.csrf",
        ["http://mysite.example:8088 get 403", "Django sees http://mysite.example ", "CSRF_TRUSTED_ORIGINS"],
        "edit $conf '0,/server_name mysite.example/s//listen 8088;\\n    &/'\n"
        "edit /etc/nginx/pyweb_uwsgi_params 's/HTTP_HOST .http_host/HTTP_HOST $host/'\n"
        "reload; firewall-cmd -q --add-port=8088/tcp",
        "back $conf /etc/nginx/pyweb_uwsgi_params; reload; firewall-cmd -q --remove-port=8088/tcp",
        status="degraded",
    ),
    Case(
        "CSRF origin behind TLS",
        "nginx.scheme-untold",
        ["nginx terminates TLS for mysite.example", "treats every request as http", "uwsgi_param HTTPS $https"],
        "certificate mysite.example; keep /etc/nginx/pyweb_uwsgi_params; tls\n"
        "sed -i '/HTTPS\\|FORWARDED_PROTO/d' /etc/nginx/pyweb_uwsgi_params; keep $overlay\n"
        "echo 'CSRF_TRUSTED_ORIGINS = []' >> $overlay; restart; reload",
        "back /etc/nginx/pyweb_uwsgi_params $overlay; restart; untls",
        status="degraded",
    ),
    Case(
        "DEBUG on",
        "django.debug",
        ["DEBUG is on", "DEBUG = False"],
        "keep $overlay; echo 'DEBUG = True' >> $overlay; restart",
        "back $overlay; restart",
        status="degraded",
    ),
    Case(
        "unapplied migrations",
        "database.migrations",
        ["1 migration is not applied", "gallery.0002_more", "/opt/sites/mysite/manage migrate"],
        "cat > $build/src/gallery/migrations/0002_more.py <<'EOF'\n"
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [('gallery', '0001_initial')]\n"
        "    operations = []\n"
        "EOF",
        "rm $build/src/gallery/migrations/0002_more.py",
        status="degraded",
    ),
    Case(
        "database file not writable",
        "database.not-writable",
        ["the database file is not writable", "site-mysite cannot write /var/lib/sites/mysite/db.sqlite3", "chown"],
        "chown root: $state/db.sqlite3; chmod 644 $state/db.sqlite3",
        "chown site-mysite: $state/db.sqlite3; chmod 640 $state/db.sqlite3",
    ),
    Case(
        "database file missing",
        "database.missing",
        ["the database file /var/lib/sites/mysite/gone/db.sqlite3 does not exist", "web_sites[].database"],
        "keep $overlay; cat >> $overlay <<'EOF'\n"
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3",\n'
        '    "NAME": "/var/lib/sites/mysite/gone/db.sqlite3"}}\n'
        "EOF\n"
        "restart",
        "back $overlay; restart",
    ),
    Case(
        "no database yet, and a page that needs none",
        "database.migrations",
        ["migrations are not applied", "/opt/sites/mysite/manage migrate"],
        "keep $overlay; cat >> $overlay <<'EOF'\n"
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3",\n'
        '    "NAME": "/var/lib/sites/mysite/fresh.sqlite3"}}\n'
        "EOF\n"
        "install -o site-mysite -m 640 /dev/null $state/fresh.sqlite3; restart",
        "back $overlay; rm $state/fresh.sqlite3; restart",
        status="degraded",
    ),
    Case(
        "database unreachable",
        "database.unreachable",
        ["the database is unreachable", "postgresql at 127.0.0.1:5999", "web_sites[].database"],
        "keep $overlay; cat >> $overlay <<'EOF'\n"
        'DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "shop",\n'
        '    "PASSWORD": "xyzzy-secret-text", "HOST": "127.0.0.1", "PORT": "5999"}}\n'
        "EOF\n"
        "restart",
        "back $overlay; restart",
    ),
    Case(
        "static never collected",
        "static.uncollected",
        ["static files were never collected", "/static", "collectstatic"],
        "mv $build/static $build/static.kept; mkdir $build/static; restart",
        "rmdir $build/static; mv $build/static.kept $build/static; restart",
    ),
    Case(
        "static alias wrong",
        "static.alias",
        ["the alias of static files is wrong", "/opt/sites/mysite/current/statics/", "web_sites[].nginx.static"],
        "edit $conf 's,current/static/;,current/statics/;,'; reload",
        "back $conf; reload",
    ),
    Case(
        "media not readable",
        "media.not-readable",
        ["media files are not readable", "{www} cannot use", "0600", "picture.png"],
        "install -o site-mysite -g site-mysite -m 600 /dev/null $state/media/picture.png",
        "rm $state/media/picture.png",
        status="degraded",
    ),
    Case(
        "media not writable",
        "media.not-writable",
        ["uploads fail", "site-mysite cannot write /var/lib/sites/mysite/media", "chmod u+wx"],
        "stat --format=%a $state/media > /var/tmp/mode; chmod u-w $state/media",
        "chmod $(cat /var/tmp/mode) $state/media",
        status="degraded",
    ),
    Case(
        "nginx stopped",
        "nginx.stopped",
        ["nginx is stopped", "systemctl start nginx"],
        "systemctl stop nginx",
        "systemctl start nginx",
    ),
    Case(
        "nginx configuration broken, the old one still running",
        "nginx.config",
        ["the configuration of nginx is broken", "with the previous configuration", 'unknown directive "nosuch"'],
        "echo 'nosuch thing;' > /etc/nginx/conf.d/zz.conf",
        "rm /etc/nginx/conf.d/zz.conf",
        status="degraded",
    ),
    Case(
        "nginx configuration changed, not reloaded",
        "nginx.not-reloaded",
        ["the running nginx still uses the older configuration", "systemctl reload nginx"],
        # As written a minute later; nobody needs to wait for that.
        "echo '# a comment' > /etc/nginx/conf.d/zz.conf; touch --date='1 minute' /etc/nginx/conf.d/zz.conf",
        "rm /etc/nginx/conf.d/zz.conf; reload",
        status="degraded",
    ),
    Case(
        "nginx does not listen on a port of the site",
        "nginx.not-listening",
        ["nginx runs, but does not listen on port 8099", "systemctl reload nginx"],
        "edit $conf '0,/server_name mysite.example/s//listen 8099;\\n    &/'",
        "back $conf; reload",
        extra=frozenset({"nginx.not-reloaded", "firewalld.closed"}),
    ),
    Case(
        "another default server answering",
        "name.other-server",
        ["another server answers for mysite.example", "/etc/nginx/conf.d/other.conf:1", "nginx prefers"],
        "echo \"server { listen $(hostname -I | cut -d' ' -f1):80 default_server; return 200 other; }\" "
        "> /etc/nginx/conf.d/other.conf; reload",
        "rm /etc/nginx/conf.d/other.conf; systemctl restart nginx",
        extra=frozenset({"location.no-pass", "static.status"}),
    ),
    Case(
        "no server has the name",
        "name.no-server",
        ["no server of nginx has the name mysite.example", "answers instead", "web_sites[].domains of mysite"],
        "edit $conf 's/server_name mysite.example;/server_name elsewhere.example;/'; reload",
        "back $conf; reload",
    ),
    Case(
        "port taken by another program",
        "nginx.port-taken",
        ["port 80 is in use by", "python3 -m http.server", "ss -ltnp"],
        "systemctl stop nginx; cd /srv\n"
        "nohup python3 -m http.server 80 >/dev/null 2>&1 & echo $! > /var/tmp/taker\n"
        "until listens 80; do sleep 0.1; done\n"
        "! timeout 10 systemctl start nginx 2>/dev/null",
        # Not until nobody listens: systemd may have nginx back on the port before anybody looks.
        "taker=$(cat /var/tmp/taker); kill $taker; while kill -0 $taker 2>/dev/null; do sleep 0.1; done\nnginx_anew",
        page="/healthz",
    ),
    # What a run leaves that could not start nginx: it puts the files of before back.
    Case(
        "port taken by another program, and no server has the name",
        "nginx.port-taken",
        ["port 80 is in use by", "python3 -m http.server", "ss -ltnp"],
        "edit $conf 's/server_name mysite.example;/server_name elsewhere.example;/'; systemctl stop nginx; cd /srv\n"
        "nohup python3 -m http.server 80 >/dev/null 2>&1 & echo $! > /var/tmp/taker\n"
        "until listens 80; do sleep 0.1; done\n"
        "! timeout 10 systemctl start nginx 2>/dev/null",
        "taker=$(cat /var/tmp/taker); kill $taker; while kill -0 $taker 2>/dev/null; do sleep 0.1; done\n"
        "back $conf; nginx_anew",
        page="/healthz",
    ),
    Case(
        "IPv6 listen without IPv6",
        "nginx.ipv6",
        ["this host has no IPv6", "[::]:80", "nginx_ipv6"],
        # A kernel with IPv6 says the same to a service that cannot use it.
        "echo 'server { listen [::]:80; }' > /etc/nginx/conf.d/v6.conf\n"
        "drop_in 'RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK'; ! systemctl restart nginx 2>/dev/null",
        "rm /etc/nginx/conf.d/v6.conf; drop_out; nginx_anew",
    ),
    Case(
        "firewalld closed",
        "firewalld.closed",
        ["firewalld does not allow 80/tcp", "zone public", "firewall-cmd --add-service=http"],
        "firewall-cmd -q --remove-service=http",
        "firewall-cmd -q --add-service=http",
    ),
    Case(
        "firewalld not running",
        "firewalld.stopped",
        ["firewalld is enabled but not running", "systemctl start firewalld"],
        "systemctl stop firewalld",
        "systemctl start firewalld",
        status="degraded",
    ),
    Case(
        "certificate expired",
        "nginx.certificate-expired",
        ["the certificate of mysite.example has expired", "/etc/ssl/doctor.crt", "renew"],
        "certificate mysite.example expired; tls; reload",
        "untls",
    ),
    Case(
        "certificate not valid yet",
        "nginx.certificate-not-yet-valid",
        ["the certificate of mysite.example is not valid yet", "/etc/ssl/doctor.crt", "timedatectl"],
        "certificate mysite.example early; tls; reload",
        "untls",
    ),
    Case(
        "certificate for another name",
        "nginx.certificate-name",
        ["is for another name than mysite.example", "/etc/ssl/doctor.crt"],
        "certificate other.example; tls; reload",
        "untls",
    ),
    Case(
        "certificate and key do not match",
        "nginx.key",
        ["does not belong to its certificate", "/etc/ssl/doctor.key", "with the previous configuration"],
        "certificate mysite.example; tls; reload; openssl genrsa -out /etc/ssl/doctor.key 2048 2>/dev/null",
        "untls",
        status="degraded",
    ),
    Case(
        "certificate newer than the served one",
        "nginx.certificate-not-reloaded",
        ["still serves a certificate for secure.example", "/etc/sites/secure/tls/live/fullchain.pem", "reload nginx"],
        "switch",
        "switch_back",
        status="degraded",
        site="secure",
    ),
    Case(
        "certificate for another name, on a site with tls",
        "nginx.certificate-name",
        ["is for another name than secure.example", "pyweb.stack.site"],
        "switch; certificate other.example; cp /etc/ssl/doctor.crt $pair/live/fullchain.pem\n"
        "cp /etc/ssl/doctor.key $pair/live/privkey.pem; reload",
        "switch_back; reload",
        site="secure",
    ),
    Case(
        "certificate that the CA has never issued",
        "nginx.certificate-placeholder",
        ["the CA has issued no certificate for secure.example yet", "pyweb.stack.site"],
        "touch $pair/live/placeholder",
        "rm $pair/live/placeholder",
        site="secure",
    ),
    Case(
        "disk full",
        "host.disk-full",
        ["the disk is full", "/var/lib/sites/mysite/media", "du -xh"],
        "mount -t tmpfs -o size=3m,mode=2750,uid=$(id -u site-mysite),gid=$(id -g $www) tmpfs $state/media\n"
        "install -o site-mysite -g $www -m 640 /dev/null $state/media/a\n"
        "dd if=/dev/zero of=$state/media/a bs=64k status=none 2>/dev/null || true\n"
        # Where nginx has a mount namespace (PrivateTmp=), a container's mounts come to it at its start only.
        "systemctl restart nginx",
        "umount $state/media; systemctl restart nginx",
    ),
    Case(
        "clock wrong",
        "host.clock",
        ["the clock is wrong", "s behind the controller's", "timedatectl set-ntp true"],
        # A container has its host's clock: the controller's is set forward instead.
        ":",
        ":",
        options={"controller_time": 7200},
    ),
    Case(
        "SELinux denial",
        "socket.selinux",
        [
            "SELinux denies nginx write on",
            "-t httpd_var_run_t '/run/sites/mysite(/.*)?' && restorecon -R /run/sites/mysite",
        ],
        # No kernel with SELinux here: the line that such a one writes, with the time of now.
        'mkdir -p /var/log/audit; echo "type=AVC msg=audit($(date +%s).123:456): avc:  denied  { write } for  pid=99 '
        'comm=\\"nginx\\" name=\\"$(basename $socket)\\" dev=\\"tmpfs\\" ino=1 scontext=system_u:system_r:httpd_t:s0 '
        'tcontext=system_u:object_r:var_run_t:s0 tclass=sock_file permissive=0" >> /var/log/audit/audit.log',
        "rm -r /var/log/audit",
        status="degraded",
    ),
]

# --- on the host that was set up by hand ------------------------------------------------------------------------------

BY_HAND_CASES = [
    Case(
        "the tutorial's 504: uwsgi_pass to a uWSGI started with --http",
        "socket.protocol",
        [
            "protocol mismatch",
            "nginx speaks uwsgi (uwsgi_pass) to 127.0.0.1:8001",
            "uWSGI's HTTP router (--http) listens",
            "nginx gives up with 504",
            "`socket = 127.0.0.1:8001` instead of `http = 127.0.0.1:8001`",
            "`proxy_pass http://127.0.0.1:8001;`",
        ],
        "edit $ini 's/^socket = .*/http = 127.0.0.1:8001/; s/^plugins = .*/plugins = http,python3/'\n"
        "edit $conf 's,server unix.*,server 127.0.0.1:8001;,'; restart_broken; reload",
        "back $ini $conf; restart; reload",
        options={"patience": BRIEF},
    ),
    Case(
        "uwsgi_pass to an http-socket",
        "socket.protocol",
        ["protocol mismatch", "uWSGI speaks HTTP (--http-socket)", "502", "proxy_pass http://127.0.0.1:8001;"],
        "edit $ini 's/^socket = .*/http-socket = 127.0.0.1:8001/'\n"
        "edit $conf 's,server unix.*,server 127.0.0.1:8001;,'; restart_broken; reload",
        "back $ini $conf; restart; reload",
        options={"patience": BRIEF},
    ),
    Case(
        "proxy_pass to a uwsgi socket",
        "socket.protocol",
        ["protocol mismatch", "nginx speaks HTTP (proxy_pass)", "uWSGI has a uwsgi socket", "uwsgi_pass unix:/home"],
        "edit $conf 's,uwsgi_pass django;,proxy_pass http://django; proxy_set_header Host $host;,'; reload",
        "back $conf; reload",
    ),
    Case(
        "wrong module",
        "app.module",
        ["the module is wrong", "there is no nosuch", "WSGI_APPLICATION"],
        "edit $ini 's/^module = .*/module = nosuch.wsgi:application/'; restart_broken",
        "back $ini; restart",
    ),
    Case(
        "wrong callable",
        "app.module",
        ["has no callable app", "mysite.wsgi"],
        "edit $ini 's/^module = .*/module = mysite.wsgi:app/'; restart_broken",
        "back $ini; restart",
    ),
    Case(
        "wrong chdir, one too high",
        "app.chdir",
        ["chdir is wrong", "/home/huatai/works/mysite", "manage.py"],
        "edit $ini 's,^chdir = .*,chdir = /home/huatai/works,'; restart_broken",
        "back $ini; restart",
    ),
    Case(
        "wrong chdir, no such directory",
        "app.chdir",
        ["chdir is wrong", "there is no directory /home/huatai/nowhere"],
        "edit $ini 's,^chdir = .*,chdir = /home/huatai/nowhere,'; restart_broken",
        "back $ini; restart",
    ),
    Case(
        "wrong virtualenv, no such directory",
        "app.virtualenv",
        ["the virtualenv is wrong", "/home/huatai/nowhere", "home"],
        "edit $ini 's,^home = .*,home = /home/huatai/nowhere,'; restart_broken",
        "back $ini; restart",
    ),
    Case(
        "wrong virtualenv, without Django",
        "app.virtualenv",
        ["the virtualenv is wrong", "/home/huatai/empty has no Django"],
        "python3 -m venv --without-pip /home/huatai/empty; keep $ini\n"
        "sed -i 's,^home = .*,home = /home/huatai/empty,' $ini; restart_broken",
        "back $ini; rm -r /home/huatai/empty; restart",
    ),
    Case(
        "home 0700",
        "socket.denied",
        ["the home directory /home/huatai is not accessible (0700)", "chmod o+x /home/huatai"],
        "chmod 700 /home/huatai",
        "chmod 755 /home/huatai",
        extra=frozenset({"static.not-readable", "media.not-readable"}),
    ),
    Case(
        "buffer-size too small",
        "uwsgi.buffer-size",
        ["buffer-size is too small (4096)", "large cookie", "502", "buffer-size = 32768 in /home/huatai/works/mysite/"],
        "edit $ini '/^buffer-size/d'; restart; healthy; reload; sleep 1\n"
        "ask --header \"Cookie: a=$(printf %5000s | tr ' ' x)\" http://127.0.0.1/",
        "back $ini; truncate -s 0 /var/log/nginx/error.log; restart",
        status="degraded",
        send=("--header", f"Cookie: a={'x' * 5000}"),
    ),
    Case(
        "uWSGI stopped, and nothing but the ini to know it by",
        "uwsgi.stopped",
        ["uWSGI is stopped", "/home/huatai/works/mysite/uwsgi.ini"],
        "systemctl stop mysite; mv /etc/systemd/system/mysite.service /var/tmp/; systemctl daemon-reload",
        "mv /var/tmp/mysite.service /etc/systemd/system/; systemctl daemon-reload; restart",
    ),
    Case(
        "no location for static files",
        "static.no-location",
        ["nginx has no location for static files", "alias /home/huatai/works/mysite/static/"],
        "edit $conf 's,location /static {,location /elsewhere {,'; reload",
        "back $conf; reload",
    ),
    Case(
        "renewal timer off",
        "nginx.renewal-off",
        ["nothing starts certbot", "certbot.timer: enabled, inactive", "systemctl enable --now certbot.timer"],
        "lineage; https; systemctl stop certbot.timer",
        "unlineage",
        status="degraded",
    ),
    Case(
        "renewal failing",
        "nginx.renewal-failing",
        ["example.com since 2030-01-02 03:04:05", "Connection refused (connection)", "certbot renew --dry-run"],
        "lineage; https; { refused '2030-01-02 03:04:05'; refused '2030-01-03 03:04:05'; } > $log",
        "unlineage",
        status="degraded",
    ),
    Case(
        "certificate of certbot newer than the served one",
        "nginx.certificate-not-reloaded",
        ["still serves a certificate for example.com", "/etc/letsencrypt/live/example.com/fullchain.pem", "renew_hook"],
        "lineage; https; issue yesterday '60 days'",
        "unlineage",
        status="degraded",
    ),
    Case(
        "chain incomplete",
        "nginx.certificate-chain",
        [
            "does not contain the certificate of CN=Doctor Middle",
            "ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem",
        ],
        "lineage; https cert.pem",
        "unlineage",
        status="degraded",
    ),
    Case(
        "certificate expires soon",
        "nginx.certificate-expires",
        ["the certificate of example.com ends on", "should have been renewed by now", "certbot renew --cert-name"],
        "lineage '80 days ago' '10 days'; https",
        "unlineage",
        status="degraded",
    ),
    Case(
        "redirect loop behind a proxy that ends TLS",
        "nginx.redirect-loop",
        ["is redirected to https://example.com/", "nothing on this host serves", "if ($http_x_forwarded_proto = http)"],
        "edit $conf 's,charset utf-8;,& if ($scheme = http) { return 301 https://$host$request_uri; },'; reload",
        "back $conf; reload",
    ),
    Case(
        "redirect loop, for Django does not know of TLS",
        "nginx.scheme-untold",
        ["does not tell the application", "uwsgi_param HTTPS $https if_not_empty"],
        "edit $project/mysite/settings.py '$ a SECURE_SSL_REDIRECT = True'; restart\n"
        "lineage; grep -v HTTPS /etc/nginx/uwsgi_params > /etc/nginx/plain_params; https '' /etc/nginx/plain_params",
        "unlineage; rm /etc/nginx/plain_params; back $project/mysite/settings.py; restart",
    ),
    Case(
        "redirect loop of two names",
        "nginx.redirect-loop",
        ["is redirected forever, by return 301 http://www.example.com$request_uri", "change one of them"],
        "edit $conf 's,location / {,location = / { return 301 http://www.example.com$request_uri; }\\n    &,'\n"
        "echo 'server { listen 80; server_name www.example.com; return 301 http://example.com$request_uri; }'"
        " > /etc/nginx/conf.d/www.conf; reload",
        "back $conf; rm /etc/nginx/conf.d/www.conf; reload",
        extra=frozenset({"location.no-pass"}),
    ),
    Case(
        "proxy that nginx does not trust",
        "nginx.untrusted-proxy",
        ["the client 127.0.0.1", "X-Forwarded-For: 203.0.113.9", "set_real_ip_from"],
        "echo \"log_format proxied '\\$remote_addr [\\$time_local] \\$http_x_forwarded_for';\""
        " > /etc/nginx/conf.d/a.conf\n"
        "edit $conf 's,charset utf-8;,& access_log /var/log/nginx/proxied.log proxied;,'; reload\n"
        "for _number in 1 2 3 4 5 6; do ask --header 'X-Forwarded-For: 203.0.113.9' http://127.0.0.1/; done",
        "back $conf; rm /etc/nginx/conf.d/a.conf /var/log/nginx/proxied.log; reload",
        status="degraded",
    ),
    Case(
        "PROXY protocol, and nobody who is believed",
        "nginx.untrusted-proxy",
        ["listen 80 proxy_protocol in", "every client has the address of the proxy", "set_real_ip_from"],
        "edit $conf 's/listen 80;/listen 80 proxy_protocol;/'; reload",
        "back $conf; reload",
        status="degraded",
        send=("--haproxy-protocol",),
    ),
    Case(
        "socket in /tmp, nginx with a private one",
        "socket.hidden",
        ["nginx cannot see unix:/tmp/mysite.sock", "PrivateTmp", "/run/"],
        "edit $ini 's,^socket = .*,socket = /tmp/mysite.sock,; s/^chmod-socket.*/chmod-socket = 666/'\n"
        "edit $conf 's,server unix.*,server unix:/tmp/mysite.sock;,'; restart_broken\n"
        "drop_in PrivateTmp=yes; systemctl restart nginx",
        "back $ini $conf; drop_out; restart; systemctl restart nginx",
    ),
]

# --- two at once ------------------------------------------------------------------------------------------------------

# Five that have nothing to do with each other; all ten pairs of them.
PAIRED = ["uWSGI stopped", "firewalld closed", "static alias wrong", "ALLOWED_HOSTS", "database file not writable"]
