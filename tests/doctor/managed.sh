# shellcheck shell=bash disable=SC2034,SC2086  # the cases use the variables, which contain no spaces
# Where things are on the host of this collection; and TLS by hand, beside what the roles write.
HOST=mysite.example
site=/opt/sites/mysite
release=$(readlink -f $site/current)
build=$(readlink -f $release/src/..)
unit=uwsgi-mysite@$(basename "$release").service
worker=pyweb-worker-mysite@$(basename "$release"):idle:1.service
timer=pyweb-timer-mysite@daily
socket=/run/sites/mysite/$(basename "$release").sock
state=/var/lib/sites/mysite
conf=/etc/nginx/sites-available/mysite.conf
[ -e $conf ] || conf=/etc/nginx/conf.d/mysite.conf
porty=$(dirname $conf)/porty.conf
overlay=$build/overlay/pyweb_settings.py
healthy() { answers /healthz; }
restart() {
    end $unit
    systemctl start $unit
}

# Start what cannot start any more, and wait until systemd has tried it again.
crash() {
    end $unit
    systemctl reset-failed $unit || true # its counter of restarts begins anew
    systemctl start --no-block $unit
    until [ "$(systemctl show --property=NRestarts --value $unit)" -gt 0 ]; do sleep 0.1; done
}

# Four clients for two workers, until somebody kills it.
keep_busy() {
    trap 'kill $(jobs -p); exit' TERM
    for _client in 1 2 3 4; do
        (while :; do ask 'http://127.0.0.1/slow?seconds=10'; done) &
    done
    wait
} >/dev/null 2>&1

# Whether every worker is at a request, as uWSGI's own numbers say.
all_busy() {
    python3 -c '
import json, socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
workers = json.load(one.makefile())["workers"]
sys.exit(any(worker["status"] != "busy" for worker in workers))' "$(sed -n 's/^stats = //p' $release/uwsgi.ini)"
}

# certificate NAME [expired|early]: a self-signed one and its key.
certificate() {
    start=$(date -u -d yesterday +%Y%m%d%H%M%SZ) end=$(date -u -d 'next month' +%Y%m%d%H%M%SZ)
    if [ "${2:-}" = expired ]; then start=20200101000000Z end=20210101000000Z; fi
    if [ "${2:-}" = early ]; then start=$(date -u -d tomorrow +%Y%m%d%H%M%SZ); fi
    rm -rf /var/tmp/ca
    mkdir /var/tmp/ca
    : > /var/tmp/ca/index
    echo 01 > /var/tmp/ca/serial
    printf '%s\n' '[ca]' default_ca=c '[c]' database=/var/tmp/ca/index serial=/var/tmp/ca/serial \
        new_certs_dir=/var/tmp/ca default_md=sha256 policy=p '[p]' commonName=supplied > /var/tmp/ca/cnf
    printf 'subjectAltName=DNS:%s\n' "$1" > /var/tmp/ca/ext
    openssl req -new -newkey rsa:2048 -nodes -keyout /etc/ssl/doctor.key -subj "/CN=$1" -out /var/tmp/ca/csr 2>/dev/null
    openssl ca -batch -config /var/tmp/ca/cnf -selfsign -keyfile /etc/ssl/doctor.key -in /var/tmp/ca/csr -notext \
        -extfile /var/tmp/ca/ext -startdate "$start" -enddate "$end" -out /etc/ssl/doctor.crt 2>/dev/null
}
tls() {
    cat > /etc/nginx/conf.d/tls.conf <<'EOF'
server {
    listen 443 ssl;
    server_name mysite.example;
    ssl_certificate /etc/ssl/doctor.crt;
    ssl_certificate_key /etc/ssl/doctor.key;
    include /etc/nginx/pyweb_uwsgi_params;
    location / { uwsgi_pass uwsgi_mysite; }
    location /static/ { alias /opt/sites/mysite/current/static/; }
    location /media/ { alias /var/lib/sites/mysite/media/; }
}
EOF
}
untls() { rm /etc/nginx/conf.d/tls.conf; reload; }

# Another pair for the site with https, which nginx has not read yet.
pair=/etc/sites/secure/tls
switch() {
    certificate secure.example
    readlink $pair/live > /var/tmp/live
    install -d -m 0700 $pair/pairs/000000000000
    cp /etc/ssl/doctor.crt $pair/pairs/000000000000/fullchain.pem
    cp /etc/ssl/doctor.key $pair/pairs/000000000000/privkey.pem
    ln -sfn pairs/000000000000 $pair/live
}
switch_back() { ln -sfn "$(cat /var/tmp/live)" $pair/live; rm -r $pair/pairs/000000000000; }
