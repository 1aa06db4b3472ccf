#!/usr/bin/env bash
# Turn a container of Debian into a stand-in for CentOS Stream: build.sh STREAM, as root in the container.
#
# COMPATIBILITY.md lists all known differences from the real one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly stream=$1
declare -A PYTHON=([9]=3.9 [10]=3.12) # the name of the system Python on EL

main() {
    # By default, Debian's rpm stores root's database in root's home.
    mkdir -p /usr/lib/rpm/macros.d
    echo '%_dbpath /var/lib/rpm' >/usr/lib/rpm/macros.d/macros.dist
    TMPDIR=/var/tmp python3 "$here/repositories.py" "$stream"

    forget_debian
    name_python "${PYTHON[$stream]}"
    name_accounts
    # Debian 13's rpm runs scriptlets in separate namespaces, unlike EL's. The build of an image does not allow that.
    rm -f /usr/lib/rpm/macros.d/macros.transaction_unshare
    ln -sf dnf-3 /usr/bin/yum
    ln -sf bash /usr/bin/sh
    mkdir -p /etc/sysconfig
}

# Remove every trace of Debian's package manager.
forget_debian() {
    local files file
    # dpkg-query may fail only because some of them are not in every release of Debian.
    mapfile -t files < <(xargs dpkg-query --listfiles <"$here/debian-only" 2>/dev/null)
    for file in "${files[@]}"; do
        if [[ ! -d $file ]]; then rm -f "$file"; fi # other packages may share a directory, or it may be a link such as /lib
    done
    rm -rf /etc/{apt,dpkg,debconf.conf,debian_version,issue,issue.net} /usr/{lib,share}/{apt,dpkg} /usr/share/{debconf,keyrings} \
        /var/lib/{apt,dpkg} /var/cache/{apt,debconf} /var/log/{apt,dpkg.log,alternatives.log}
}

# Give the system's interpreter the name that it has on EL; its features are still Debian's.
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

# EL has no www-data and no group nogroup, but a group wheel.
name_accounts() {
    local user
    for user in www-data backup list irc gnats news uucp proxy man _apt; do
        sed -i "/^[ug]!\?  *$user /d" /usr/lib/sysusers.d/basic.conf # it would be created again at the next boot
        if getent passwd "$user" >/dev/null; then userdel "$user"; fi
        if getent group "$user" >/dev/null; then groupdel "$user"; fi
    done
    groupmod --new-name nobody nogroup
    sed -i 's/^g\(!\?  *\)nogroup /g\1nobody /' /usr/lib/sysusers.d/basic.conf
    getent group wheel >/dev/null || groupadd --gid 10 wheel
}

main
