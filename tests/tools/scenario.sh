#!/usr/bin/env bash
# One molecule scenario by hand, in a container that stays: scenario.sh converge|verify|login|destroy
# Environment: PLATFORM (debian12), SCENARIO (default), PYWEB_PREFIX (molecule) as in molecule/config.yml.
#
# converge makes the container where it is not there yet and goes on with it where it is. Where a step fails it prints what
# the container's journal and nginx say.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
platform=${PLATFORM:-debian12}
scenario=${SCENARIO:-default}
container=${PYWEB_PREFIX:-molecule}-$scenario-$platform
export PYWEB_PLATFORM=$platform MOLECULE_EPHEMERAL_DIRECTORY=$root/.cache/molecule/$scenario-$platform
export PATH=$PATH:/usr/sbin:/sbin

die() {
    printf '%s\n' "$@" >&2
    exit 1
}

runs() { [[ $(docker container inspect --format '{{.State.Running}}' "$container" 2>/dev/null) == true ]]; }

main() {
    [[ -e $root/molecule/$scenario/molecule.yml ]] || die "There is no scenario '$scenario'; there are:" \
        "$(cd "$root/molecule" && printf '  %s\n' */molecule.yml | sed 's#/.*##')"
    case ${1:-} in
    converge)
        # What molecule remembers of a container that is gone would keep it from making another.
        if ! runs; then rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY"; fi
        molecule_does converge
        echo "==> the container $container stays: make verify, make login, make destroy SCENARIO=$scenario PLATFORM=$platform"
        ;;
    verify)
        runs || die "The container $container does not run; make converge SCENARIO=$scenario PLATFORM=$platform starts it."
        molecule_does verify
        ;;
    login)
        runs || die "The container $container does not run; make converge SCENARIO=$scenario PLATFORM=$platform starts it."
        exec docker exec --interactive --tty "$container" bash -l
        ;;
    destroy)
        docker rm --force --volumes "$container" >/dev/null 2>&1 || true
        rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY"
        ;;
    *) die "usage: $0 converge|verify|login|destroy" ;;
    esac
}

molecule_does() {
    local status=0
    molecule -c "$root/molecule/config.yml" "$1" --scenario-name "$scenario" || status=$?
    if ((status)); then
        printf '\n=== what %s knows of it\n' "$container"
        docker exec --interactive "$container" sh -s <"$root/tests/tools/evidence.sh" || true
    fi
    return "$status"
}

main "$@"
