#!/usr/bin/env bash
# Run a command with the tools of .venv first on the PATH: in_venv.sh ansible-playbook ...
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${VENV:-.venv}
[[ $venv = /* ]] || venv=$root/$venv

cd "$root"
tests/tools/link.sh
# /usr/sbin, because dockerd and iptables live there and a user's PATH may lack it.
export VIRTUAL_ENV=$venv PATH="$venv/bin:$PATH:/usr/sbin:/sbin" ANSIBLE_CONFIG=${ANSIBLE_CONFIG:-$root/ansible.cfg}
# Runs of Ansible are forks of a process that has imported it: preloaded/client.py.
[[ -z ${PYWEB_PRELOADED:-} ]] || PATH=$root/tests/tools/preloaded:$PATH
exec "$@"
