# shellcheck shell=sh
# Put the nginx.conf of the installed package where copies of replaced files are kept. Nothing is installed for it.
set -eu
path=/etc/nginx/nginx.conf
kept=/var/lib/pyweb.stack/kept
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

if command -v dpkg-query >/dev/null; then
    package=$(dpkg-query --search "$path" | cut -d: -f1 | cut -d, -f1)
    get() { apt-get -qq -o APT::Sandbox::User=root "$@" >&2; }
    get download "$package" 2>/dev/null || { get update; get download "$package"; }
    dpkg-deb --fsys-tarfile ./*.deb >files.tar
else
    package=$(rpm --query --file --queryformat '%{NAME}' "$path")
    dnf --quiet --assumeyes download --destdir . "$package" 2>/dev/null ||
        dnf --quiet --assumeyes reinstall --downloadonly --downloaddir . "$package" >&2
    set -- ./*"$package"-[0-9]*.rpm
    rpm2archive - <"$1" | gzip -cd >files.tar
fi
tar -xf files.tar ".$path"
# shellcheck disable=SC2174  # the directory above it is public
mkdir -p -m 0700 "$kept"
mkdir -p "$kept${path%/*}"
mv ".$path" "$kept$path.new"
mv "$kept$path.new" "$kept$path"
