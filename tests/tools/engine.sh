#!/usr/bin/env bash
# Make a container engine answer: leave a running one alone, install Docker where it is missing, start it where it sleeps.
set -euo pipefail

readonly WAIT_SECONDS=60
readonly LOG=/var/log/dockerd.log
readonly IN_MEMORY=/run/pyweb-test-docker
readonly IN_MEMORY_PERCENT=60
readonly MEMORY_LEAST_KIB=$((16 * 1024 * 1024))
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where dockerd and iptables are

say() { printf '==> %s\n' "$*"; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}
answers() { timeout 20 docker info >/dev/null 2>&1 </dev/null; }

main() {
    if answers; then return 0; fi
    [[ -z ${DOCKER_HOST:-} ]] || die "The container engine at DOCKER_HOST=$DOCKER_HOST does not answer; start it, or unset DOCKER_HOST."
    [[ $(id -u) -eq 0 ]] || die "No container engine answers to $(id -un). Any of these fixes it:" \
        "  sudo make engine               installs Docker from the distribution and starts it" \
        "  sudo usermod -aG docker $(id -un)   lets you use one that runs; log in again afterwards"

    # A client alone is no engine: dockerd decides.
    command -v dockerd >/dev/null || install_engine
    if [[ -d /run/systemd/system ]]; then
        say "starting docker with systemctl"
        systemctl start docker </dev/null || die "docker does not start:" "$(journalctl --no-pager -n 30 -u docker)"
        wait_for_answer || die "docker does not answer:" "$(journalctl --no-pager -n 30 -u docker)"
    else
        start_by_hand
    fi
    say "container engine: Docker $(docker info --format '{{.ServerVersion}}' 2>/dev/null)"
}

install_engine() {
    if command -v apt-get >/dev/null; then
        say "installing docker.io with apt"
        apt-get update -qq </dev/null || true # one broken extra repository must not stop what the others can give
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables </dev/null >/dev/null
    elif command -v dnf >/dev/null; then
        local package
        for package in docker-ce moby-engine; do
            if dnf -q list --available "$package" >/dev/null 2>&1 </dev/null; then
                say "installing $package with dnf"
                dnf install -y -q "$package" </dev/null
                break
            fi
        done
    fi
    # docker.io of Debian 13 carries the client in a package of its own.
    if ! command -v docker >/dev/null && command -v apt-get >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-cli </dev/null >/dev/null
    fi
    command -v dockerd >/dev/null || die "There is no Docker engine here, and none of this machine's package repositories has one." \
        "Add Docker's own repository (https://docs.docker.com/engine/install/), then call again."
}

# Where systemd is not PID 1, nothing else starts the daemon: it is detached, and continues after this script.
start_by_hand() {
    local options=()
    if [[ -n ${CI:-} ]] && mount_memory; then options=(--data-root "$IN_MEMORY"); fi
    say "starting dockerd ${options[*]} (its log: $LOG)"
    setsid dockerd "${options[@]}" >>"$LOG" 2>&1 </dev/null &
    local pid=$!
    disown
    wait_for_answer "$pid" || die "dockerd does not answer. The end of $LOG:" "$(tail -n 20 "$LOG")"
}

# Images and containers of a CI job need not survive it. In memory they make all tests faster by a sixth: an ext4 without
# a journal, for example, skips the inodes of removed containers for some minutes, one by one, for each new file.
mount_memory() {
    if mountpoint -q "$IN_MEMORY"; then return 0; fi
    (($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) >= MEMORY_LEAST_KIB)) || return 1
    mkdir -p "$IN_MEMORY" && mount -t tmpfs -o "size=$IN_MEMORY_PERCENT%,mode=711" pyweb-test-docker "$IN_MEMORY"
}

wait_for_answer() {
    local pid=${1:-} end=$((SECONDS + WAIT_SECONDS))
    while ! answers; do
        if ((SECONDS >= end)); then return 1; fi
        if [[ -n $pid ]] && ! kill -0 "$pid" 2>/dev/null; then return 1; fi
        sleep 0.5
    done
}

main "$@"
