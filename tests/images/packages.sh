# shellcheck shell=bash disable=SC2034
# The packages of Debian's images. build.sh reads this; a change makes new images. Those of EL are in its Dockerfiles.

# As on a new host: an init, an interpreter for Ansible, network tools. netbase has /etc/protocols, without which
# firewalld does not start.
BARE=(systemd systemd-sysv dbus python3 ca-certificates iproute2 procps netbase)

# Saves 30 seconds of installation in tests that do not test the installation.
BAKED=(
    nginx firewalld git rsync curl openssh-server openssh-client
    gcc libc6-dev python3-dev python3-venv python3-pip python3-firewall
    uwsgi-core uwsgi-plugin-python3 python3-django certbot
)

# An ACME server with its DNS server, and a scanner for TLS.
PEBBLE=(pebble testssl.sh openssl curl)

# Services that would start at the first boot. The tests start them.
QUIET=(nginx.service firewalld.service ssh.service uwsgi.service)

# Not useful in a container.
MASKED=(
    getty.target console-getty.service systemd-logind.service systemd-networkd-wait-online.service
    systemd-udevd.service systemd-udev-trigger.service systemd-resolved.service systemd-timesyncd.service
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer
    dpkg-db-backup.timer
)

# Needed to turn Debian's userland into a stand-in for CentOS Stream (stand-in/). EL's image already has curl and the modules
# venv and ensurepip.
STAND_IN=(dnf rpm createrepo-c curl python3-venv)
