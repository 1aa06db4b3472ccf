#!/usr/bin/env bash
# Make a container of Debian's userland a stand-in for CentOS Stream: build.sh STREAM, as root in the container.
#
# Every difference from the real one that is known is in COMPATIBILITY.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly stream=$1
declare -A PYTHON=([9]=3.9 [10]=3.12) # what the system's Python is called there

main() {
    # Debian's rpm would keep root's database in root's home.
    mkdir -p /usr/lib/rpm/macros.d
    echo '%_dbpath /var/lib/rpm' >/usr/lib/rpm/macros.d/macros.dist
    TMPDIR=/var/tmp python3 "$here/repositories.py" "$stream"

    forget_debian
    name_python "${PYTHON[$stream]}"
    name_accounts
    # Debian 13's rpm gives scriptlets namespaces of their own, which EL's does not and a build of an image forbids.
    rm -f /usr/lib/rpm/macros.d/macros.transaction_unshare
    ln -sf dnf-3 /usr/bin/yum
    ln -sf bash /usr/bin/sh
    mkdir -p /etc/sysconfig
}

# What asks Debian's package manager, or whether there is one, must find nothing.
forget_debian() {
    local files file
    # Not all of them are in every Debian, and that is all that dpkg-query could find wrong.
    mapfile -t files < <(xargs dpkg-query --listfiles <"$here/debian-only" 2>/dev/null)
    for file in "${files[@]}"; do
        if [[ ! -d $file ]]; then rm -f "$file"; fi # a directory may be others', too, or be a link like /lib
    done
    rm -rf /etc/{apt,dpkg,debconf.conf,debian_version,issue,issue.net} /usr/{lib,share}/{apt,dpkg} /usr/share/{debconf,keyrings} \
        /var/lib/{apt,dpkg} /var/cache/{apt,debconf} /var/log/{apt,dpkg.log,alternatives.log}
}

# The system's interpreter gets the name that it has there; what it can do remains Debian's.
name_python() {
    local wanted=$1 found
    found=$(realpath /usr/bin/python3)
    mv "$found" "/usr/bin/python$wanted"
    ln -sf "python$wanted" /usr/bin/python3
    mkdir -p /usr/libexec
    ln -s "/usr/bin/python$wanted" /usr/libexec/platform-python
    rm -f /usr/bin/{pydoc,pygettext,2to3-}3.* /usr/bin/{pydoc,pygettext}3 /usr/lib/"${found##*/}"/EXTERNALLY-MANAGED
    if [[ $stream == 9 ]]; then
        rm -f /usr/lib/python3.11/sitecustomize.py
        cp "$here/sitecustomize.py" /usr/lib/python3.11/
    fi
}

# EL knows neither www-data nor the group nogroup, and has a group wheel.
name_accounts() {
    local user
    for user in www-data backup list irc gnats news uucp proxy man _apt; do
        sed -i "/^[ug]!\?  *$user /d" /usr/lib/sysusers.d/basic.conf # would bring it back at the next boot
        if getent passwd "$user" >/dev/null; then userdel "$user"; fi
        if getent group "$user" >/dev/null; then groupdel "$user"; fi
    done
    groupmod --new-name nobody nogroup
    sed -i 's/^g\(!\?  *\)nogroup /g\1nobody /' /usr/lib/sysusers.d/basic.conf
    getent group wheel >/dev/null || groupadd --gid 10 wheel
}

main
