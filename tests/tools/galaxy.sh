#!/usr/bin/env bash
# Build the archive and check it as Galaxy does: antsibull-docs reads its documentation, galaxy-importer imports it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cd "$root"
ansible-galaxy collection build --output-path "$scratch"
archive=$(compgen -G "$scratch/*.tar.gz")
collection=$scratch/ansible_collections/pyweb/stack
mkdir -p "$collection"
tar -xzf "$archive" -C "$collection"

# Without the collections of the package ansible, which it would read all.
(cd "$collection" && antsibull-docs lint-collection-docs --plugin-docs .)

cat >"$scratch/importer.cfg" <<'CONFIG'
[galaxy-importer]
CHECK_REQUIRED_TAGS = True
RUN_ANSIBLE_DOC = True
# `make lint` runs ansible-lint with its strictest profile; `make sanity` runs ansible-test.
RUN_ANSIBLE_LINT = False
RUN_ANSIBLE_TEST = False
CONFIG
cd "$scratch"
GALAXY_IMPORTER_CONFIG=$scratch/importer.cfg python -m galaxy_importer.main "$archive" >importer.log 2>&1 ||
    { cat importer.log && exit 1; }
# A warning is printed and does not fail the import.
if grep -E '^(WARNING|ERROR)|\[WARNING\]' importer.log; then exit 1; fi
tail -n 1 importer.log
