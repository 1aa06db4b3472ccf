# shellcheck shell=bash disable=SC2034
# What Debian's images hold. build.sh reads this; a change here makes new images. CentOS Stream's is in its Dockerfiles.

# A host as an administrator gets it: an init, an interpreter for Ansible, the network's tools. netbase has
# /etc/protocols, without which firewalld does not start.
BARE=(systemd systemd-sysv dbus python3 ca-certificates iproute2 procps netbase)

# Saves the tests that are not about installing the 30 seconds of doing it.
BAKED=(
    nginx firewalld git rsync curl openssh-server openssh-client
    gcc libc6-dev python3-dev python3-venv python3-pip python3-firewall
    uwsgi-core uwsgi-plugin-python3 python3-django certbot
)

# An ACME server with the DNS that it asks, and what judges a server's TLS.
PEBBLE=(pebble testssl.sh openssl curl)

# What of it would run from the first boot. The tests start it themselves.
QUIET=(nginx.service firewalld.service ssh.service uwsgi.service)

# Nothing in a container for these to do.
MASKED=(
    getty.target console-getty.service systemd-logind.service systemd-networkd-wait-online.service
    systemd-udevd.service systemd-udev-trigger.service systemd-resolved.service systemd-timesyncd.service
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer
    dpkg-db-backup.timer
)

# What makes a stand-in for CentOS Stream of Debian's userland (stand-in/). curl and the modules venv and ensurepip are in EL's
# image from the start.
STAND_IN=(dnf rpm createrepo-c curl python3-venv)
