# shellcheck shell=bash disable=SC2034  # the cases use the variable
# What the scripts of the cases share. A heal brings back exactly what was there before.
www=$(id -un www-data 2>/dev/null || echo nginx)
keep() { for one in "$@"; do cp -a "$one" "/var/tmp/kept.$(echo "$one" | tr / _)"; done; }
back() { for one in "$@"; do mv "/var/tmp/kept.$(echo "$one" | tr / _)" "$one"; done; }

# edit FILE SED-SCRIPT: `back FILE` undoes it.
edit() {
    keep "$1"
    sed -i "$2" "$1"
}

# A line for the unit of nginx; `drop_out` removes it.
drop_in() {
    mkdir -p /etc/systemd/system/nginx.service.d
    printf '[Service]\n%s\n' "$1" > /etc/systemd/system/nginx.service.d/doctor.conf
    systemctl daemon-reload
}
drop_out() {
    rm -r /etc/systemd/system/nginx.service.d
    systemctl daemon-reload
}

# A socket file that nobody listens on.
stale() {
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$1"
    chmod 666 "$1"
}

# Reload nginx, and wait for its new workers.
reload() {
    nginx -t -q
    old=$(pgrep -n -f '^nginx: worker')
    systemctl reload nginx
    for _try in $(seq 100); do
        [ "$(pgrep -n -f '^nginx: worker')" != "$old" ] && break
        sleep 0.05
    done
    sleep 0.1
}
# Start nginx after it failed. It is stopped first: systemd may be starting it again, with what was wrong before.
nginx_anew() {
    systemctl stop nginx
    systemctl reset-failed nginx
    systemctl start nginx
}
# Stop a unit without its grace, which takes a second: nothing is under way that it could lose. It is asked to stop first,
# or systemd would start again what is killed, and the doctor would see a crash.
end() {
    systemctl stop --no-block "$1"
    systemctl kill --signal=KILL "$1" || true
    systemctl stop "$1"
}
# Whether anybody listens on a port.
listens() { (: > "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
ask() { curl --silent --output /dev/null --max-time 20 --header "Host: $HOST" "$@" || true; }

# Wait until a path is answered with 200.
answers() {
    for _try in $(seq 200); do
        [ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' -H "Host: $HOST" "http://127.0.0.1$1")" = 200 ] && return
        sleep 0.1
    done
    false
}
