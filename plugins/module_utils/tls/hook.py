# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scripts that install a renewed certificate in nginx without Ansible. They do the same as `pairs`.

`renewed` is run by certbot after it has issued or renewed a certificate (--deploy-hook), `changed` by systemd after
files managed by others have changed, see `watch`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..model import schemes
from ..model.layout import LOCKS, Layout
from . import openssl

# The mode of a hook: executable, owned by root.
MODE = 0o700
# How long to wait for the second file, in seconds: a renewal writes the files one after the other.
HALF_WRITTEN = 10
# How long to wait for a run that is installing nginx's files, in seconds.
BUSY = 300


def path(layout: Layout) -> str:
    """Return the path of certbot's script."""
    return f"{layout.tls}/renewed"


def renewed(layout: Layout) -> str:
    """Return the text of the script that certbot runs; the pair's directory is in RENEWED_LINEAGE."""
    lineage = '"${RENEWED_LINEAGE:?certbot sets this}/%s"'
    return _script(layout, lineage % "fullchain.pem", lineage % "privkey.pem", (), 0)


def changed(layout: Layout, certificate: str, key: str, domains: Sequence[str]) -> str:
    """Return the text of the script for a pair in files managed by others, which must cover all domains."""
    return _script(layout, shlex.quote(certificate), shlex.quote(key), domains, HALF_WRITTEN)


def _script(layout: Layout, certificate: str, key: str, domains: Sequence[str], wait: int) -> str:
    """Return a script; `certificate` and `key` are words of the shell."""
    names = [
        # openssl accepts no wildcard as a name: use a name below it.
        f"-checkip {openssl.plain_name(name)}" if schemes.is_address(name) else f"-checkhost {_below(name)}"
        for name in domains
    ]
    values = [
        f"site={shlex.quote(layout.name)}",
        f"tls={shlex.quote(layout.tls)}",
        f"locks={shlex.quote(LOCKS)}",
        f"certificate={certificate}",
        f"key={key}",
        f"names={shlex.quote(chr(10).join(names))}",
        f"tries={wait}",
        f"busy={BUSY}",
    ]
    return HEAD + "\n".join(values) + "\n" + BODY


def _below(name: str) -> str:
    return f"pyweb-check{name[1:]}" if name.startswith("*.") else name


HEAD = """\
#!/bin/sh
# Written by pyweb.stack. Makes nginx serve a certificate that was renewed: it becomes a pair in pairs/, the link `live`
# leads to it, and nginx is reloaded. A pair that is wrong, or that nginx refuses, leaves the old one served.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C.UTF-8
export PATH LC_ALL
umask 077
"""
BODY = r"""
new=$tls/pairs/.new.partial

fail() {
    rm -rf "$new"
    echo "site '$site': $1" >&2
    exit 1
}

# Copy both files, so that what is checked is what nginx gets.
copy() {
    rm -rf "$new"
    mkdir -p "$new" && cat "$certificate" >"$new/fullchain.pem" && cat "$key" >"$new/privkey.pem"
}

# Say what is wrong with the copies; nothing where they are a pair for the site.
wrong() {
    public=$(openssl x509 -in "$new/fullchain.pem" -noout -pubkey 2>/dev/null) || {
        echo "$certificate: found no certificate; expected PEM text"
        return
    }
    own=$(openssl pkey -in "$new/privkey.pem" -passin pass: -pubout 2>/dev/null </dev/null) || {
        echo "$key: found no private key; expected PEM text without a passphrase"
        return
    }
    [ "$public" = "$own" ] || {
        echo "$key: the key does not fit the certificate in $certificate"
        return
    }
    openssl x509 -in "$new/fullchain.pem" -noout -checkend 0 >/dev/null || {
        echo "$certificate: the certificate has ended: $(openssl x509 -in "$new/fullchain.pem" -noout -enddate)"
        return
    }
    echo "$names" | while read -r kind name; do
        [ -n "$kind" ] || continue
        case $(openssl x509 -in "$new/fullchain.pem" -noout "$kind" "$name" 2>&1) in
        *NOT*) echo "$certificate: the certificate is not for $name" ;;
        esac
    done | head -n 1
}

id() {
    cat "$1/fullchain.pem" "$1/privkey.pem" | sha256sum | cut -c 1-12
}

# Rename a link to a pair into place.
link() {
    rm -f "$tls/.$2.new"
    ln -s "$1" "$tls/.$2.new" && mv -T "$tls/.$2.new" "$tls/$2"
}

take() {
    copy || fail "the certificate in $certificate and its key in $key cannot be read; what nginx serves stays"
    while fault=$(wrong) && [ -n "$fault" ]; do
        [ "$tries" -gt 0 ] || fail "$fault; what nginx serves stays"
        tries=$((tries - 1))
        sleep 1
        copy || fail "the certificate in $certificate and its key in $key cannot be read; what nginx serves stays"
    done
    pair=pairs/$(id "$new")
    before=$(readlink "$tls/live") || before=''
    if [ "$pair" = "$before" ] && [ ! -e "$tls/.pending" ]; then
        rm -rf "$new"
        return
    fi
    if [ -d "$tls/$pair" ] && [ "$(id "$tls/$pair")" = "${pair#pairs/}" ]; then
        rm -rf "$new"
    else
        sync "$new/fullchain.pem" "$new/privkey.pem"
        rm -rf "${tls:?}/$pair"
        mv -T "$new" "$tls/$pair" || fail "$tls/$pair cannot be made; what nginx serves stays"
    fi
    # Until nginx was told: who finds it knows that a script was killed.
    : >"$tls/.pending"
    link "$pair" live || fail "$tls/live cannot be changed; what nginx serves stays"
    if ! said=$(nginx -t 2>&1); then
        if [ -n "$before" ]; then link "$before" live; else rm -f "$tls/live"; fi
        rm -f "$tls/.pending"
        fail "nginx refuses the new certificate, and serves the one before: $said"
    fi
    if systemctl is-active --quiet nginx.service; then
        said=$(systemctl reload nginx.service 2>&1) || fail "nginx is not reloaded, so it serves the one before: $said"
    fi
    rm -f "$tls/.pending"
    [ -z "$before" ] || [ "$before" = "$pair" ] || link "$before" previous
    kept=$(readlink "$tls/previous") || kept=$pair
    for other in "$tls"/pairs/*; do
        case $other in
        "$tls/$pair" | "$tls/$kept") ;;
        *) rm -rf "$other" ;;
        esac
    done
    echo "site '$site': nginx serves the certificate of $(openssl x509 -in "$tls/live/fullchain.pem" -noout -enddate)"
}

mkdir -p "$tls/pairs"
mkdir -p -m 0755 "$locks"
exec 9>>"$locks/nginx.lock"
flock -w "$busy" 9 || fail "nginx's files have been changed by a run for $busy s; what nginx serves stays"
take
# systemd does not look at the files while this runs.
while [ "$tries" -gt 0 ] && copy 2>/dev/null && [ "$(id "$new")" != "${pair#pairs/}" ]; do
    take
done
rm -rf "$new"
"""
