#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh: the README's two commands on a Debian 12 that has nothing installed: `make run SCOPE=tree CMD=true`, then
# `make check`, in a system that debootstrap makes. It is the root of a mount namespace of its own (a plain chroot would
# show in every path that the kernel tells), so that its mounts go with it. The kernel is this host's. Needs root and a
# Debian mirror.
#
#   HT_FRESH_DIR   where (default: a new directory in /var/tmp, removed at the end)
#   HT_FRESH_CHECK what to run after `make run` (default: make check)
set -euo pipefail

# In the new namespace: make $1 the root, and run $2 in the checkout.
if [ "${1:-}" = --inside ]; then
	root=$2
	mount --make-rprivate /
	mount --bind "$root" "$root"
	cd "$root"
	mount -t proc proc proc
	mount -t sysfs sysfs sys
	mount -t bpf -o mode=0700 bpf sys/fs/bpf
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=0755 dev dev
	mkdir -p dev/pts dev/shm dev/net .old
	mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
	mount -t tmpfs -o mode=1777 shm dev/shm
	for d in null zero full random urandom tty; do cp -a "/dev/$d" "dev/$d"; done
	ln -sf pts/ptmx dev/ptmx
	ln -sf /proc/self/fd dev/fd
	pivot_root . .old
	cd /
	umount -l /.old
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
	cd /root/hosttrail
	exec sh -c "$3"
fi

cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "fresh.sh: must be root" >&2; exit 1; }
suite=bookworm
mirror=${HT_MIRROR:-http://deb.debian.org/debian}
root=${HT_FRESH_DIR:-$(mktemp -d /var/tmp/ht-fresh.XXXXXX)}
mkdir -p "$root"
chmod 0755 "$root"
trap '[ -n "${HT_FRESH_DIR:-}" ] || rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM

command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y --no-install-recommends debootstrap >/dev/null; }
echo "  FRESH   debootstrap $suite into $root"
if [ ! -x "$root/usr/bin/apt-get" ]; then
	log=$(mktemp)
	debootstrap --variant=minbase --include=make,ca-certificates "$suite" "$root" "$mirror" >"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
	rm -f "$log"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# how this machine reaches its mirror is how the new one does
if [ -z "${HT_MIRROR:-}" ] && [ -e /etc/apt/sources.list.d/debian.sources ]; then
	cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
	rm -f "$root/etc/apt/sources.list"
fi
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(uname -n)" >"$root/etc/hosts"	# as Debian's installer does: sudo looks it up
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"

# the committed tree only, as a newcomer gets it; in /root, which no other user can enter
rm -rf "$root/root/hosttrail"
git -c safe.directory='*' clone -q --no-hardlinks . "$root/root/hosttrail"

inside() {
	env -i TERM="${TERM:-dumb}" PATH="$PATH" unshare --mount bash "$PWD/tests/fresh.sh" --inside "$root" "$1" </dev/null
}
echo "  FRESH   make run SCOPE=tree CMD=true"
inside "make run SCOPE=tree CMD=true"
echo "  FRESH   ${HT_FRESH_CHECK:-make check}"
inside "${HT_FRESH_CHECK:-make check}"
echo "fresh: both commands succeeded"
