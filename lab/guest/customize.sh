#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs inside the new root file system, as its root. $1: the kernel's package; $2...: units to mask.
set -eu
kernel=$1
shift
guest=/guest
out=$guest/out
mkdir -p "$out/modules" "$guest/work"
cd "$guest/work"

# The kernel, from the suite that this root comes from. It is unpacked, not installed: the boot
# files that its package would pull in have no use here. A meta package is resolved on the way.
packages=$(apt-get --simulate --no-install-recommends install "$kernel" |
  awk '$1 == "Inst" && $2 ~ /^linux-(image|modules|binary)/ { print $2 }')
[ -n "$packages" ] || { echo "lab: no kernel package called $kernel in this release" >&2; exit 1; }
# shellcheck disable=SC2086 # a list of package names
apt-get -q download busybox-static $packages
for package in *.deb; do dpkg-deb -x "$package" tree; done
for modules in tree/lib/modules tree/usr/lib/modules; do
  if [ -d "$modules" ]; then mkdir -p /usr/lib/modules && cp -a "$modules"/. /usr/lib/modules/; fi
done
for image in tree/boot/vmlinuz-* tree/usr/lib/modules/*/vmlinuz; do
  if [ -f "$image" ]; then cp "$image" "$out/vmlinuz"; fi
done
version=$(ls /usr/lib/modules)
[ -d "/usr/lib/modules/$version" ] && [ -f "$out/vmlinuz" ] || {
  echo "lab: the packages $packages do not hold one kernel and its modules" >&2
  exit 1
}
depmod "$version"
echo "$version" > "$out/version"
for busybox in tree/bin/busybox tree/usr/bin/busybox; do
  if [ -f "$busybox" ]; then cp "$busybox" "$out/busybox"; fi
done

# What reaches the disk, uncompressed and numbered in the order of loading.
number=10
modprobe -a -S "$version" --show-depends virtio_pci virtio_blk ext4 |
  awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
  while read -r path; do
    name=$(basename "$path")
    target=$out/modules/$number-${name%%.*}.ko
    case $name in
      *.xz) python3 -c 'import lzma, sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())' "$path" > "$target" ;;
      *.ko) cp "$path" "$target" ;;
      *) echo "lab: $name is compressed in a way not known here" >&2; exit 1 ;;
    esac
    number=$((number + 1))
  done

# Python keeps what it compiles out of zip files (zipimport_cache.py says why).
minor=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
install -D -m 644 "$guest/zipimport_cache.py" "/etc/python$minor/sitecustomize.py"
if [ ! -e "/usr/lib/python$minor/sitecustomize.py" ]; then
  ln -s "/etc/python$minor/sitecustomize.py" "/usr/lib/python$minor/sitecustomize.py"
fi
mkdir -p /var/cache/zipimport
python3 -c 'import sitecustomize; sitecustomize.CACHE'

install -m 755 "$guest/lab-clock" /usr/local/sbin/lab-clock
install -m 644 "$guest/lab-clock.service" /etc/systemd/system/lab-clock.service

# Services: only what every machine needs. Whatever else one needs, its topology enables.
systemctl enable systemd-networkd.service ssh.service lab-clock.service
for unit in nginx.service vsftpd.service dnsmasq.service ipvsadm.service keepalived.service nftables.service \
  netfilter-persistent.service firewalld.service NetworkManager.service NetworkManager-dispatcher.service \
  NetworkManager-wait-online.service; do
  systemctl disable "$unit" 2> /dev/null || true
done
systemctl mask "$@"
install -D -m 644 "$guest/sshd.conf" /etc/ssh/sshd_config.d/10-lab.conf
install -D -m 644 "$guest/journald.conf" /etc/systemd/journald.conf.d/10-lab.conf
install -m 644 "$guest/vsftpd.conf" /etc/vsftpd.conf
install -D -m 644 "$guest/modprobe.conf" /etc/modprobe.d/lab.conf
# Started over the bus by who needs it; nobody does during boot, nor needs a session of its own for every SSH login.
DEBIAN_FRONTEND=noninteractive pam-auth-update --package --remove systemd
rm -f /usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service
rm -f /etc/ssh/ssh_host_* /var/www/html/index.*
echo '/dev/vda / ext4 defaults 0 0' > /etc/fstab

# Nothing is left to be brought up to date at the first boot.
touch /etc/.updated /var/.updated
