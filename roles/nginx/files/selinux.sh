# shellcheck shell=sh
# Install the policy module in the file $1, or take it out again where the file is gone: then what was installed was refused.
# semodule runs in a domain of its own, which by Debian's policy may not map a file below /etc/selinux; below /usr it may by every
# policy.
set -eu
folder=/usr/local/share/pyweb.stack
if [ ! -e "$1" ]; then
    semodule --remove=pyweb_stack || true # it is there only if it was taken
    exit 0
fi
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"
cp "$1" "$folder/pyweb_stack.cil"
semodule --install "$folder/pyweb_stack.cil"
