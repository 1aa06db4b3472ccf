#!/usr/bin/env bash
# Give this checkout its name as a collection: playbooks/collections/ansible_collections/pyweb/stack is a link to it. Ansible
# looks for collections beside a playbook, and ansible.cfg names the directory for everything else. The link is not in
# git: a collection must not contain a link to a directory (ansible-test sanity, Galaxy).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
link=$root/playbooks/collections/ansible_collections/pyweb/stack

if [[ ! -e $link/galaxy.yml ]]; then
    mkdir -p "${link%/*}"
    # Under another name first: several calls at the same time must not see a missing link or make two.
    ln -sfn ../../../.. "$link.$$"
    mv -fT "$link.$$" "$link"
fi
