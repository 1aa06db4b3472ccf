#!/usr/bin/env bash
# Run ansible-test, which only works in a directory ansible_collections/pyweb/stack: here in a copy of what is in git.
#
#   sanity.sh sanity [WORDS]   the sanity tests that every collection has to pass; WORDS go to ansible-test (--test pylint)
#   sanity.sh units [WORDS]    the unit tests as ansible-test runs them
#
# ANSIBLE_CORE=2.16 chooses a version of ansible-core, which gets a virtualenv of its own; default is the one of .venv.
# tests/sanity/README.md gives the reasons of what is ignored.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
command=${1:-sanity}
(($#)) && shift
cache=$root/.cache/ansible-test
pinned=$(sed -nE 's/^ansible-core==([0-9]+\.[0-9]+).*/\1/p' "$root/requirements-dev.txt")
version=${ANSIBLE_CORE:-$pinned}
pythons=$cache/pythons-$command-$version

main() {
    local python home=$cache/home-$version copy=$cache/$command-$version/ansible_collections/pyweb/stack
    "$root/tests/tools/pythons.sh" "$pythons" >/dev/null
    python=$(core)
    "$python" "$root/tests/tools/sanity_pip.py" "$home"
    rm -rf "$copy"
    mkdir -p "$copy"
    # What is in git, as it is in this directory: also what is not committed yet.
    git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && existing) |
        tar -C "$root" --null --files-from - -cf - | tar -C "$copy" -xf -
    cd "$copy"
    # ansible-test asks git which files there are.
    git init -q .
    git add -A
    "$python" -m ansible adhoc --version | sed -n 1p
    if [[ $command == units && " $* " != *" --python "* ]]; then
        # Otherwise with each Python of this machine, which have no pytest.
        set -- --python "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" "$@"
    fi
    # A home of its own, for ansible-test keeps its virtualenvs there.
    HOME=$home PATH=${python%/*}:$(path) exec "${python%/*}/ansible-test" "$command" "$@"
}

# The PATH with the Pythons of this machine in front, and without directories of Pythons that do not run (shims).
path() {
    local directory name result=$pythons
    while IFS= read -rd : directory; do
        for name in "$directory"/python3.{9,1[0-9],[0-9]}; do
            [[ ! -x $name ]] || "$name" -c '' 2>/dev/null || continue 2
        done
        result+=:$directory
    done <<<"$PATH:"
    printf '%s\n' "$result"
}

existing() {
    local path
    while IFS= read -rd '' path; do
        if [[ -e $path || -L $path ]]; then printf '%s\0' "$path"; fi
    done
}

# A Python that the version supports: 2.16 and 2.17 know none after 3.12, and 2.20 none before it.
python_of() {
    local name names=(python3.13 python3.14 python3.12)
    [[ $version != 2.1[6-9] ]] || names=(python3.11 python3.12)
    for name in "${names[@]}"; do
        if [[ -x $pythons/$name ]]; then
            echo "$pythons/$name"
            return
        fi
    done
    command -v python3
}

install() { # install VENV PACKAGE...
    "$1/bin/python" -m pip install -qq --disable-pip-version-check "${@:2}" >&2
}

# The Python of an environment with that ansible-core.
core() {
    local packages venv=${VENV:-.venv}
    [[ $venv = /* ]] || venv=$root/$venv
    if [[ $version != "$pinned" ]]; then
        venv=$cache/core-$version
        if [[ ! -x $venv/bin/ansible-test ]]; then
            printf '==> making %s\n' "${venv#"$root"/}" >&2
            rm -rf "$venv"
            "$(python_of)" -m venv "$venv"
            # A version that is not out yet has pre-releases only.
            install "$venv" "ansible-core==$version.*" 2>/dev/null || install "$venv" --pre "ansible-core==$version.*"
        fi
        if [[ $command == units && ! -x $venv/bin/pytest ]]; then
            # What the tests import, without the tools that need a newer ansible-core.
            mapfile -t packages < <(grep -E '^[a-z]' "$root/requirements-dev.txt" | grep -vE '^(ansible|antsibull|galaxy|molecule)')
            install "$venv" "${packages[@]}"
        fi
    fi
    printf '%s/bin/python\n' "$venv"
}

main "$@"
