#!/usr/bin/env bash
# Install qemu and the tools that make disks for it, if the distribution has them.
set -euo pipefail

readonly PROGRAMS=(qemu-system-x86_64 qemu-img mke2fs ssh)
missing=()
for program in "${PROGRAMS[@]}"; do
    command -v "$program" >/dev/null || missing+=("$program")
done
((${#missing[@]})) || exit 0
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "install ${missing[*]} (Debian: qemu-system-x86 qemu-utils e2fsprogs openssh-client)" >&2
    exit 1
fi
echo "==> installing ${missing[*]}"
apt-get update -qq </dev/null || true
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    qemu-system-x86 qemu-utils e2fsprogs openssh-client </dev/null >/dev/null
