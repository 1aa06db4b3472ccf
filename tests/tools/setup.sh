#!/usr/bin/env bash
# Make .venv with what requirements-dev.txt pins. A second call with the same pins returns at once.
# REQUIREMENTS names another file, VENV another directory: the site of the documentation has both.
#
# pip brings uv, uv brings the rest (10x faster). uv does not read pip's settings, so they are translated; whoever
# has a setting that is not translated still gets the packages, because pip takes over when uv fails.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${VENV:-.venv}
[[ $venv = /* ]] || venv=$root/$venv
requirements=$root/${REQUIREMENTS:-requirements-dev.txt}
stamp=$venv/.requirements

say() { printf '==> %s\n' "$*"; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}

main() {
    local wanted python
    "$root/tests/tools/link.sh"
    wanted=$(sha256sum <"$requirements")
    if [[ -x $venv/bin/python && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
        compile_tools
        return 0
    fi

    python=$(find_python) || install_python
    python=$(find_python) || die "No Python of 3.11 to 3.13 was found; ansible-core 2.19 needs one." \
        "Install it and call again:" \
        "  Debian, Ubuntu:      apt-get install python3 python3-venv" \
        "  CentOS Stream, RHEL: dnf install python3.12 python3.12-pip"
    make_venv "$python"

    say "installing the tools that ${requirements##*/} pins into ${venv#"$root"/}"
    translate_pip_settings
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$(grep '^uv==' "$requirements")"
    if ! "$venv/bin/uv" pip install --quiet --system-certs --python "$venv/bin/python" --requirement "$requirements"; then
        say "uv failed (see above); trying pip, which takes a minute or two"
        "$venv/bin/python" -m pip install -qq --disable-pip-version-check --requirement "$requirements"
    fi
    printf '%s\n' "$wanted" >"$stamp"
    compile_tools
    say "$("$venv/bin/python" --version), $("$venv/bin/ansible-playbook" --version | sed -n 1p)"
}

# uv does not compile what it installs, and where PYTHONDONTWRITEBYTECODE is set nobody does later: then every start of
# ansible-playbook compiles 350 modules again, which is a quarter of the CPU time of a deploy. Collections are left out:
# Ansible's loader reads their sources in any case.
compile_tools() {
    [[ ! -e $venv/.compiled ]] || return 0
    "$venv/bin/python" -m compileall -qq -j 0 -x 'ansible_collections|/tests?/' "$venv/lib" || true # some are templates
    touch "$venv/.compiled"
}

# The oldest first: Debian's and CentOS's own package before something from elsewhere. Run it, for a name on the PATH
# may be a shim without an interpreter behind it, or the one of the virtualenv that is about to be made anew.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        "$name" - 2>/dev/null <<'PYTHON' && return 0
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
print(getattr(sys, "_base_executable", sys.executable))
PYTHON
    done
    return 1
}

install_python() {
    [[ $(id -u) -eq 0 ]] || return 0
    if command -v dnf >/dev/null; then
        say "installing python3.12 with dnf"
        dnf install -y -q python3.12 python3.12-pip </dev/null
    elif command -v apt-get >/dev/null; then
        apt_install python3 python3-venv
    fi
}

make_venv() {
    local python=$1
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local version
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null && apt_install "python$version-venv"
        "$python" -c 'import ensurepip, venv' 2>/dev/null || die \
            "$python cannot make virtual environments: its modules venv and ensurepip are missing." \
            "Install them and call again: sudo apt-get install python$version-venv"
    fi
    say "making ${venv#"$root"/} with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

apt_install() {
    say "installing $* with apt"
    apt-get update -qq </dev/null || true # one broken extra repository must not stop what the others can give
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
}

# index-url, extra-index-url, find-links, cert, trusted-host and timeout, from PIP_* and from every pip.conf alike.
translate_pip_settings() {
    local settings
    settings=$("$venv/bin/python" -m pip config list 2>/dev/null || true)
    from_pip() { sed -nE "s/^[^.]+\.$1='(.*)'$/\1/p" <<<"$settings" | tail -n1; }
    uv_gets() { # uv_gets UV_NAME VALUE: what the user set for uv stays
        if [[ -z ${!1:-} && -n $2 ]]; then export "$1=$2"; fi
    }
    uv_gets UV_DEFAULT_INDEX "$(from_pip index-url)"
    uv_gets UV_INDEX "$(from_pip extra-index-url | sed 's/\\n/ /g')"
    uv_gets UV_INDEX_STRATEGY unsafe-best-match # as pip does: the best version of all indexes
    uv_gets UV_FIND_LINKS "$(from_pip find-links | sed 's/\\n/,/g; s/ /,/g')"
    uv_gets UV_INSECURE_HOST "$(from_pip trusted-host | sed 's/\\n/ /g')"
    uv_gets UV_HTTP_TIMEOUT "$(from_pip timeout)$(from_pip default-timeout)"
    uv_gets SSL_CERT_FILE "$(from_pip cert)"
}

main "$@"
