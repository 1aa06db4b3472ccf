#!/usr/bin/env bash
# Build the images of the tests that read pages:
#
#   build.sh host PLATFORM FLAVOUR     pyweb-guides-host:PLATFORM-FLAVOUR, a host with sshd, and `admin`, who may use sudo
#   build.sh controller PLATFORM CORE  pyweb-guides-controller:PLATFORM-TAG, with the ansible-core that CORE, a specifier of
#                                      pip, names: '==2.19.14'
#
# They are made from pyweb-PLATFORM:FLAVOUR of tests/images/build.sh. An image whose recipe has not changed is left alone.
# Prints the name of the image.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kind=$1 platform=$2
logs=$here/../../../.test-logs

label() { docker image inspect --format "{{ index .Config.Labels \"$2\" }}" "$1" 2>/dev/null || true; }

case $kind in
host)
    base=pyweb-$platform:$3 image=pyweb-guides-host:$platform-$3 core=""
    ;;
controller)
    core=$3
    base=pyweb-$platform:bare image=pyweb-guides-controller:$platform-$(tr -dc 'a-z0-9.' <<<"$core")
    ;;
*)
    echo "usage: $0 host PLATFORM FLAVOUR | controller PLATFORM CORE" >&2
    exit 2
    ;;
esac

mkdir -p "$logs"
exec {lock}>"$logs/.image-guides.lock"
flock "$lock"
recipe=$(cat "$here/build.sh" "$here/$kind.Dockerfile" - <<<"$base $(label "$base" pyweb.recipe) $core" | sha256sum | cut -c1-16)
if [[ $(label "$image" pyweb.recipe) != "$recipe" ]]; then
    bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
    [[ -r $bundle ]] || bundle=/etc/pki/tls/certs/ca-bundle.crt
    context=$(mktemp -d)
    trap 'rm -rf "$context"' EXIT
    cp -L "$bundle" "$context/ca.crt"
    arguments=(--build-arg "BASE=$base" --build-arg "CORE=$core")
    for name in http_proxy https_proxy no_proxy; do
        if [[ -n ${!name:-} ]]; then arguments+=(--build-arg "$name=${!name}"); fi
    done
    log=$logs/image-guides-$kind-$platform.log
    docker build --force-rm --file "$here/$kind.Dockerfile" --tag "$image" --label "pyweb.recipe=$recipe" \
        "${arguments[@]}" "$context" >"$log" 2>&1 </dev/null {lock}>&- || {
        tail -n 30 "$log" >&2
        exit 1
    }
fi
echo "$image"
