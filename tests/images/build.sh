#!/usr/bin/env bash
# Build the images of the test platforms: build.sh [--flavour bare|baked|pebble]... PLATFORM...
#
#   pyweb-PLATFORM:bare     only systemd and python3
#   pyweb-PLATFORM:baked    the same with the packages of the stack, not started
#   pyweb-PLATFORM:pebble   a CA that speaks ACME, with its own DNS; only Debian, and only with --flavour pebble
#
# An image is not rebuilt if its recipe (the files of this directory and its platform's `image` in tests/platforms.json) has not
# changed. The base comes from a registry. If no registry is available, Debian is built from its packages with mmdebstrap, and
# CentOS Stream is a stand-in, which is Debian's userland with the real dnf and rpm (stand-in/); the other platforms need a
# registry. The label pyweb.origin of an image is registry, mmdebstrap or stand-in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packages.sh
source "$here/packages.sh"
# What each image is made from. tests/tools/platforms.py explains the fields.
declare -A BASE CODENAME STREAM USERLAND
KNOWN=""
table=$(python3 "$here/../tools/platforms.py" images)
while read -r name base codename stream userland; do
    KNOWN+="${KNOWN:+ }$name"
    BASE[$name]=$base CODENAME[$name]=${codename#-} STREAM[$name]=${stream#-} USERLAND[$name]=${userland#-}
done <<<"$table"
readonly KNOWN
readonly PULL_SECONDS=120 # without a registry, the engine itself gives up after about 15
readonly LOGS=$here/../../.test-logs

say() { printf '==> %s\n' "$*"; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}

main() {
    local flavours=() platforms=()
    while (($#)); do
        case $1 in
        --flavour) flavours+=("$2") && shift 2 ;;
        -*) die "unknown option $1; see the head of $0" ;;
        *) platforms+=("$1") && shift ;;
        esac
    done
    ((${#platforms[@]})) || die "usage: $0 [--flavour bare|baked]... $KNOWN"
    ((${#flavours[@]})) || flavours=(bare baked)
    local platform
    for platform in "${platforms[@]}"; do
        [[ " $KNOWN " == *" $platform "* ]] || die "unknown platform '$platform'; known: $KNOWN"
        [[ -z ${STREAM[$platform]} || " ${flavours[*]} " != *" pebble "* ]] || die "$platform has no pebble; Debian has: debian12"
    done

    mkdir -p "$LOGS"
    # In parallel, because half of the time is download.
    local jobs=() failed=()
    for platform in "${platforms[@]}"; do
        build_platform "$platform" "${flavours[@]}" &
        jobs+=("$!:$platform")
    done
    local job
    for job in "${jobs[@]}"; do
        wait "${job%%:*}" || failed+=("${job#*:}")
    done
    # Remove the images that had these names before. The layers of another platform's running build have no name either, but
    # they are young. An error does not matter: another run may remove the same images.
    docker image prune --force --filter label=pyweb.recipe --filter until=3h >/dev/null 2>&1 || true
    ((${#failed[@]} == 0)) || die "failed to build the images of: ${failed[*]}"
}

build_platform() {
    local platform=$1 flavour image recipe start log lock
    shift
    recipe=$(recipe_of "$platform")
    # A stand-in needs Debian's image, which another process may be building.
    exec {lock}>"$LOGS/.image-$platform.lock"
    flock "$lock"
    for flavour in bare "$@"; do # the others are made from `bare`
        image=pyweb-$platform:$flavour
        if [[ $(label "$image" pyweb.recipe) == "$recipe" ]]; then continue; fi
        start=$SECONDS
        log=$LOGS/image-$platform-$flavour.log
        say "$image: building"
        # In a separate process, because the shell ignores `set -e` in an `if` or before `||`.
        BUILD_ONE=1 "${BASH_SOURCE[0]}" "$flavour" "$platform" "$recipe" >"$log" 2>&1 </dev/null {lock}>&- || {
            tail -n 30 "$log" | sed "s/^/$image | /" >&2
            return 1
        }
        say "$image: built in $((SECONDS - start)) s from $(label "$image" pyweb.origin)"
    done
}

recipe_of() {
    local files=("$here/build.sh" "$here/packages.sh") name
    if [[ -n ${STREAM[$1]} ]]; then
        mapfile -t -O 2 files < <(find "$here/centos${STREAM[$1]}" "$here/stand-in" -type f -not -name '*.pyc' | LC_ALL=C sort)
    fi
    # With their names, because a file that moves makes another image.
    for name in "${files[@]}"; do
        echo "${name#"$here"/}"
        cat "$name"
    done | cat - <(made_from "$1") | sha256sum | cut -c1-16
}

# The platform's own line of the table, so that other platforms do not change the recipe.
made_from() {
    echo "$1 ${BASE[$1]} ${CODENAME[$1]} ${STREAM[$1]}"
    if [[ -n ${USERLAND[$1]} ]]; then made_from "${USERLAND[$1]}"; fi
}

label() { docker image inspect --format "{{ index .Config.Labels \"$2\" }}" "$1" 2>/dev/null || true; }

# --- one image; runs with its output in a log ---------------------------------------------------------------------------------

build_bare() {
    if [[ -n ${STREAM[$1]} ]]; then centos_bare "$@"; else debian_bare "$@"; fi
}

build_baked() {
    if [[ -n ${STREAM[$1]} ]]; then
        dockerfile baked "$@" "$(label "pyweb-$1:bare" pyweb.base)" "$(label "pyweb-$1:bare" pyweb.origin)"
    else
        debian_baked "$@"
    fi
}

centos_bare() {
    local platform=$1 recipe=$2 base=${BASE[$1]}
    if timeout "$PULL_SECONDS" docker pull "$base"; then
        dockerfile bare "$platform" "$recipe" "$base" registry
        return
    fi
    [[ -n ${USERLAND[$platform]} ]] || no_registry "$platform"
    echo "No registry answers; using a stand-in."
    BUILD_ONE="" "${BASH_SOURCE[0]}" --flavour bare "${USERLAND[$platform]}"
    base=pyweb-stand-in:stream${STREAM[$platform]}
    commit "pyweb-${USERLAND[$platform]}:bare" "$base" "$recipe" stand-in "
        $(apt_install "${STAND_IN[@]}")
        bash /tmp/stand-in/build.sh ${STREAM[$platform]}
        rm -rf /tmp/stand-in /tmp/ca.crt" "$here/stand-in"
    dockerfile bare "$platform" "$recipe" "$base" stand-in
}

no_registry() { die "No registry answers, and an image of $1 is made from ${BASE[$1]} alone."; }

# dockerfile FLAVOUR PLATFORM RECIPE BASE ORIGIN: build the Dockerfile of the platform's release of EL on a base image.
dockerfile() {
    local flavour=$1 platform=$2 recipe=$3 base=$4 origin=$5 context name arguments=(--build-arg "BASE=$4")
    context=$(mktemp -d)
    # shellcheck disable=SC2064  # this directory, whatever the variable says later
    trap "rm -rf '$context'" EXIT
    cat "$(bundle)" >"$context/ca.crt"
    for name in http_proxy https_proxy no_proxy; do
        if [[ -n ${!name:-} ]]; then arguments+=(--build-arg "$name=${!name}"); fi
    done
    docker build --force-rm --target "$flavour" --file "$here/centos${STREAM[$platform]}/Dockerfile" --tag "pyweb-$platform:$flavour" "${arguments[@]}" \
        --label "pyweb.platform=$platform" --label "pyweb.origin=$origin" --label "pyweb.recipe=$recipe" --label "pyweb.base=$base" \
        "$context"
}

debian_bare() {
    local platform=$1 recipe=$2 base=${BASE[$1]} archive
    if timeout "$PULL_SECONDS" docker pull "$base"; then
        # In the registry's image, policy-rc.d prevents services from starting; on a host, it does not exist.
        commit "$base" "pyweb-$platform:bare" "$recipe" registry "
            $(apt_install "${BARE[@]}")
            rm -f /usr/sbin/policy-rc.d
            $(finish)"
        return
    fi

    [[ -n ${CODENAME[$platform]} ]] || no_registry "$platform"
    echo "No registry answers; using the distribution's packages."
    need_mmdebstrap "$base"
    export TMPDIR=${TMPDIR:-/var/tmp} # 600 MB, and programs run in it: /tmp may be small or noexec
    archive=$(mktemp --suffix=.tar)
    # shellcheck disable=SC2064  # this file, whatever the variable says later
    trap "rm -f '$archive'" EXIT
    # shellcheck disable=SC2016  # $1 is for mmdebstrap's shell
    local hook='chroot "$1" sh -ec "$FINISH"' sources
    sources=$(debian_sources "$platform")
    FINISH=$(finish) DPKG_FORCE=unsafe-io mmdebstrap --variant=minbase --include="$(IFS=, && echo "${BARE[*]}")" \
        --customize-hook="$hook" $(apt_proxy) "${CODENAME[$platform]}" "$archive" ${sources:+-} <<<"$sources"
    docker import "${SYSTEMD[@]}" --change "LABEL pyweb.platform=$platform pyweb.origin=mmdebstrap pyweb.recipe=$recipe" \
        "$archive" "pyweb-$platform:bare"
}

debian_baked() {
    local platform=$1 recipe=$2 origin
    origin=$(label "pyweb-$platform:bare" pyweb.origin)
    commit "pyweb-$platform:bare" "pyweb-$platform:baked" "$recipe" "$origin" "
        $(apt_install "${BAKED[@]}")
        for unit in ${QUIET[*]}; do
            if [ -e /lib/systemd/system/\$unit ]; then systemctl disable \$unit; fi
        done
        $(finish)"
}

# A CA for tests, for hosts of any platform.
build_pebble() {
    commit "pyweb-$1:bare" "pyweb-$1:pebble" "$2" "$(label "pyweb-$1:bare" pyweb.origin)" "
        $(apt_install "${PEBBLE[@]}")
        $(finish)"
}

# How a container of these images boots. With cgroup v2, the engine mounts the container's cgroups read-only, and systemd does
# not start (moby issue 42275); with CAP_SYS_ADMIN they can be remounted writable.
SYSTEMD=(
    --change 'ENV container=docker'
    --change 'CMD ["/bin/sh", "-c", "[ ! -e /sys/fs/cgroup/cgroup.controllers ] || mount -o remount,rw /sys/fs/cgroup; exec /lib/systemd/systemd"]'
)

# commit BASE IMAGE RECIPE ORIGIN SCRIPT [DIRECTORY]: run a script on an image and save the result as another one. DIRECTORY is
# copied to /tmp.
commit() {
    local base=$1 image=$2 recipe=$3 origin=$4 script=$5 container platform
    platform=${image#pyweb-}
    container=$(docker create --tmpfs /var/tmp:exec "$base" bash -ec "$script") # unpacking a hundred packages is faster there
    # shellcheck disable=SC2064  # this container, whatever the variable says later
    trap "docker rm --force $container" EXIT
    # The certificate authorities of this machine, because a mirror may use a private one.
    docker cp --follow-link "$(bundle)" "$container:/tmp/ca.crt"
    if [[ -n ${6:-} ]]; then docker cp "$6" "$container:/tmp/"; fi
    docker start --attach "$container"
    docker commit "${SYSTEMD[@]}" \
        --change "LABEL pyweb.platform=${platform%:*} pyweb.origin=$origin pyweb.recipe=$recipe" "$container" "$image"
}

# The certificate authorities that this machine trusts.
bundle() {
    local file
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
        if [[ -r $file ]]; then echo "$file" && return; fi
    done
    die "There is no list of certificate authorities; install ca-certificates, or set SSL_CERT_FILE."
}

apt_install() {
    local name
    for name in http_proxy https_proxy no_proxy; do
        if [[ -n ${!name:-} ]]; then printf 'export %s=%q\n' "$name" "${!name}"; fi
    done
    cat <<EOF
export DEBIAN_FRONTEND=noninteractive DPKG_FORCE=unsafe-io
apt='apt-get -y -q -o Acquire::Retries=3 -o Acquire::https::CAInfo=/tmp/ca.crt'
\$apt update
\$apt install --no-install-recommends $*
EOF
}

# The last commands of every image: clean up, a new machine-id for each container, and a boot that ends in `running`.
finish() {
    cat <<EOF
systemctl mask ${MASKED[*]}
: >/etc/machine-id
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /tmp/ca.crt
EOF
}

need_mmdebstrap() {
    exec {lock}>"$LOGS/.apt.lock" # the platforms are built in parallel, but only one apt can run at a time
    flock "$lock"
    if command -v mmdebstrap && [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]]; then
        flock --unlock "$lock"
        return
    fi
    local advice="The engine reaches no registry, and mmdebstrap, which makes the images from Debian's packages, is missing."
    [[ $(id -u) -eq 0 ]] || die "$advice" "Install it: sudo apt-get install mmdebstrap debian-archive-keyring"
    command -v apt-get || die "$advice" "This distribution has no mmdebstrap: let the engine reach a registry with $1."
    apt-get update -q || true # a broken additional repository must not stop the installation
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap debian-archive-keyring
    flock --unlock "$lock"
}

# The mirrors of this machine's apt, for the platform's suites. Empty if apt has none; mmdebstrap then uses its default.
debian_sources() {
    local suite=${CODENAME[$1]} here_suite targets main security
    local signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    here_suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    grep -qx 'ID=debian' /etc/os-release && command -v apt-get >/dev/null || return 0
    # shellcheck disable=SC2016  # apt's own variables
    targets=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages')
    mirror_of() { awk -v suite="$1" '$2 == suite && $3 == "main" && $1 ~ /^https?:/ {print $1; exit}' <<<"$targets"; }
    main=$(mirror_of "$here_suite")
    security=$(mirror_of "$here_suite-security")
    [[ -n $main ]] || return 0
    echo "deb $signed $main $suite main"
    echo "deb $signed $main $suite-updates main"
    if [[ -n $security ]]; then echo "deb $signed $security $suite-security main"; fi
}

apt_proxy() {
    local proxy
    command -v apt-config >/dev/null || return 0
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
    if [[ -n $proxy ]]; then printf -- '--aptopt=Acquire::http::Proxy"%s"' "$proxy"; fi
}

if [[ -n ${BUILD_ONE:-} ]]; then
    "build_$1" "$2" "$3"
else
    main "$@"
fi
