# shellcheck shell=bash disable=SC2034,SC2086  # the cases use the variables; a value of several words is meant as such
# Where things are on the host that was set up by hand.
HOST=example.com
project=/home/huatai/works/mysite
ini=$project/uwsgi.ini
conf=/etc/nginx/conf.d/mysite.conf
healthy() { answers /; }
restart() {
    end mysite
    systemctl start mysite
}
# Until uWSGI serves, with an application or without, or has failed often enough to be in a loop.
restart_broken() {
    restart
    until [ "$(systemctl show --property=NRestarts --value mysite)" -gt 3 ] ||
        journalctl --quiet --output=cat "_SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value mysite)" |
        grep -q 'spawned uWSGI worker\|spawned uWSGI http'; do
        sleep 0.1
    done
}

# lineage [START END]: what certbot leaves on a host, a certificate below an intermediate, the timer. Dates are as `date`
# knows them.
live=/etc/letsencrypt/live/$HOST
log=/var/log/letsencrypt/letsencrypt.log
ca=/var/tmp/lineage
new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
lineage() {
    rm -rf $ca
    mkdir -p $ca $live /etc/letsencrypt/renewal /var/log/letsencrypt
    openssl req -x509 $new -keyout $ca/root.key -out $ca/root.crt -subj '/CN=Doctor Root' -days 99 2>/dev/null
    openssl req -new $new -keyout $ca/middle.key -out $ca/middle.csr -subj '/CN=Doctor Middle' 2>/dev/null
    echo basicConstraints=critical,CA:TRUE > $ca/ext
    openssl x509 -req -in $ca/middle.csr -CA $ca/root.crt -CAkey $ca/root.key -CAcreateserial -days 99 \
        -extfile $ca/ext -out $live/chain.pem 2>/dev/null
    issue "$@"
    echo 'authenticator = webroot' > /etc/letsencrypt/renewal/$HOST.conf
    printf '[Service]\nType=oneshot\nExecStart=/bin/true certbot renew\n' > /etc/systemd/system/certbot.service
    printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' > /etc/systemd/system/certbot.timer
    systemctl daemon-reload
    systemctl enable -q --now certbot.timer
}
issue() {
    : > $ca/index
    printf '%s\n' '[ca]' default_ca=c '[c]' database=$ca/index rand_serial=yes new_certs_dir=$ca default_md=sha256 \
        policy=p '[p]' commonName=supplied > $ca/cnf
    echo subjectAltName=DNS:$HOST > $ca/ext
    openssl req -new $new -keyout $live/privkey.pem -out $ca/csr -subj /CN=$HOST 2>/dev/null
    openssl ca -batch -config $ca/cnf -cert $live/chain.pem -keyfile $ca/middle.key -in $ca/csr -notext \
        -extfile $ca/ext -startdate "$(date -u -d "${1:-yesterday}" +%Y%m%d%H%M%SZ)" \
        -enddate "$(date -u -d "${2:-89 days}" +%Y%m%d%H%M%SZ)" -out $live/cert.pem 2>/dev/null
    cat $live/cert.pem $live/chain.pem > $live/fullchain.pem
}
# https [FILE OF THE LINEAGE] [PARAMETERS]: a server with it.
https() {
    cat > /etc/nginx/conf.d/tls.conf <<EOF
server {
    listen 443 ssl;
    server_name $HOST;
    ssl_certificate $live/${1:-fullchain.pem};
    ssl_certificate_key $live/privkey.pem;
    location /media { alias $project/media; }
    location /static { alias $project/static; }
    location / { uwsgi_pass django; include ${2:-/etc/nginx/uwsgi_params}; }
}
EOF
    reload
}
unlineage() {
    rm /etc/nginx/conf.d/tls.conf
    reload
    systemctl disable -q --now certbot.timer
    rm -rf /etc/systemd/system/certbot.* /etc/letsencrypt/live /etc/letsencrypt/renewal/$HOST.conf $log
    systemctl daemon-reload
}
# What certbot writes where the CA does not reach the host.
refused() {
    printf '%s\n' "$1,1:DEBUG:certbot._internal.main:certbot version: 2.1.0" \
        "$1,2:DEBUG:certbot._internal.main:Arguments: ['-q', 'renew']" \
        "$1,3:DEBUG:certbot._internal.display.obj:Notifying user: " \
        'Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported:' \
        "  Domain: $HOST" '  Type:   connection' "  Detail: 192.0.2.1: Fetching http://$HOST/: Connection refused" '' \
        "$1,4:ERROR:certbot._internal.renewal:Failed to renew certificate $HOST with error: Some challenges have failed."
}
