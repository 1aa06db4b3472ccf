# Install the policy module in the file $1. semodule runs in a domain of its own, which by Debian's policy may not map a file below
# /etc/selinux; below /usr it may by every policy.
set -eu
folder=/usr/local/share/pyweb.stack
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"
cp "$1" "$folder/pyweb_stack.cil"
semodule --install "$folder/pyweb_stack.cil"
