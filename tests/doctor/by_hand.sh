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
