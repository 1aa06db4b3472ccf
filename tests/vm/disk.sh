#!/usr/bin/env bash
# Make the disk of a virtual machine with SELinux: disk.sh DIRECTORY. Needs root: it labels every file.
#
# It contains the test image pyweb-debian12:baked, a kernel, an SSH server and Debian's SELinux policy, and is labelled before its
# first start. DIRECTORY gets disk.raw, vmlinuz, initrd and the SSH key `key`. A disk whose recipe has not changed is not rebuilt.
set -euo pipefail

readonly IMAGE=pyweb-debian12:baked SIZE=6G
readonly PACKAGES=(linux-image-cloud-amd64 initramfs-tools selinux-basics selinux-policy-default auditd openssh-server
    policycoreutils policycoreutils-python-utils)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
recipe=$({ cat "${BASH_SOURCE[0]}" && docker image inspect --format '{{.Id}}' "$IMAGE"; } | sha256sum)
if [[ -f $folder/disk.raw && $(cat "$folder/recipe" 2>/dev/null) == "$recipe" ]]; then exit 0; fi
if [[ $(id -u) -ne 0 ]]; then
    echo "only root can make the disk of the virtual machine: sudo make test-vm" >&2
    exit 1
fi

container=pyweb-vm-disk-$$
leave() {
    docker rm --force "$container" >/dev/null 2>&1 || true
    # Otherwise the files of the mount would be removed as well.
    if mountpoint -q "$folder/root/proc"; then umount "$folder/root/proc" || exit 1; fi
    rm -rf "$folder/root"
}
leave
rm -f "$folder"/{disk.raw,recipe,key,key.pub}
mkdir "$folder/root"
trap leave EXIT
docker run --detach --name "$container" --label owner=pyweb-test "$IMAGE" sleep infinity >/dev/null
docker exec --env DEBIAN_FRONTEND=noninteractive "$container" sh -ec "
    apt-get -qq update
    apt-get -qq install --no-install-recommends ${PACKAGES[*]}
    systemctl enable --quiet systemd-networkd ssh auditd
    sed -i 's/^SELINUX=.*/SELINUX=enforcing/' /etc/selinux/config
    # The network of the machine: qemu has a DHCP server.
    printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' >/etc/systemd/network/80-dhcp.network
    printf '/dev/vda / ext4 defaults 0 1\n' >/etc/fstab
" >"$folder/log" 2>&1 </dev/null || { tail -n 20 "$folder/log" >&2; exit 1; }
docker export "$container" | tar --extract --directory="$folder/root" --exclude='dev/*'
rm -f "$folder/root/.dockerenv"
ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
install -D -m 0600 "$folder/key.pub" "$folder/root/root/.ssh/authorized_keys"
# A copy of this machine's file, because the container's was written by the engine.
cat /etc/resolv.conf >"$folder/root/etc/resolv.conf"
echo vm >"$folder/root/etc/hostname"
printf '127.0.0.1 localhost vm\n::1 localhost vm\n' >"$folder/root/etc/hosts"
cp "$folder"/root/boot/vmlinuz-* "$folder/vmlinuz"
cp "$folder"/root/boot/initrd.img-* "$folder/initrd"
mount --bind /proc "$folder/root/proc" # setfiles needs /proc/self/fd
chroot "$folder/root" /sbin/setfiles -F -e /proc /etc/selinux/default/contexts/files/file_contexts / >>"$folder/log" 2>&1
umount "$folder/root/proc"
mke2fs -q -t ext4 -d "$folder/root" "$folder/disk.raw" "$SIZE"
echo "$recipe" >"$folder/recipe"
