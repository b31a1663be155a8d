#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh: the README's two commands on a Debian 12 that has nothing installed: `make run SCOPE=tree CMD=true`, then
# `make check`, in a chroot that debootstrap makes. The kernel is this host's. Needs root and a Debian mirror.
#
#   HT_FRESH_DIR   where (default: a new directory in /var/tmp, removed at the end)
#   HT_FRESH_CHECK what to run after `make run` (default: make check)
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "fresh.sh: must be root" >&2; exit 1; }
suite=bookworm
mirror=${HT_MIRROR:-http://deb.debian.org/debian}
root=${HT_FRESH_DIR:-$(mktemp -d /var/tmp/ht-fresh.XXXXXX)}
mounted=

clean() {
	local m
	for m in $mounted; do umount -l "$root$m" || true; done
	# never remove a directory that still has a mount of the host in it
	if grep -q " $root/" /proc/self/mounts; then
		echo "fresh.sh: $root is still in use, not removed" >&2
	elif [ -z "${HT_FRESH_DIR:-}" ]; then
		rm -rf --one-file-system "$root"
	fi
}
trap clean EXIT
trap 'exit 130' INT TERM

mount_in() {	# TYPE OPTIONS PLACE
	mkdir -p "$root$3"
	mount -t "$1" $2 "$1" "$root$3"
	mounted="$3 $mounted"
}

command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap >/dev/null
echo "  FRESH   debootstrap $suite into $root"
mkdir -p "$root"
chmod 0755 "$root"
[ -x "$root/usr/bin/apt-get" ] || debootstrap --variant=minbase --include=make,ca-certificates "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
	{ tail -20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
mount_in proc "" /proc
mount_in sysfs "" /sys
mount_in tmpfs "-o mode=0755" /dev
mount_in bpf "-o mode=0700" /sys/fs/bpf
mount_in cgroup2 "" /sys/fs/cgroup
mkdir -p "$root/dev/pts" "$root/dev/shm"
mount_in devpts "-o newinstance,ptmxmode=0666" /dev/pts
mount_in tmpfs "-o mode=1777" /dev/shm
for d in null zero full random urandom tty; do cp -a "/dev/$d" "$root/dev/$d"; done
ln -sf pts/ptmx "$root/dev/ptmx"
ln -sf /proc/self/fd "$root/dev/fd"
[ ! -e /dev/net/tun ] || { mkdir -p "$root/dev/net"; cp -a /dev/net/tun "$root/dev/net/tun"; }
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# how this machine reaches the mirror is how the chroot does
[ -n "${HT_MIRROR:-}" ] || cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/" 2>/dev/null && rm -f "$root/etc/apt/sources.list" || true
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"

# the committed tree only, as a newcomer gets it; in /root, which no other user can enter
rm -rf "$root/root/hosttrail"
git -c safe.directory='*' clone -q --no-hardlinks . "$root/root/hosttrail"

inside() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" chroot "$root" /bin/sh -c "cd /root/hosttrail && $1" </dev/null
}
echo "  FRESH   make run SCOPE=tree CMD=true"
inside "make run SCOPE=tree CMD=true"
echo "  FRESH   ${HT_FRESH_CHECK:-make check}"
inside "${HT_FRESH_CHECK:-make check}"
echo "fresh: both commands succeeded"
