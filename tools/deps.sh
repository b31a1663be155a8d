#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building, running and testing need, if any is missing.
set -eu
build="gcc libc6-dev make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libprotobuf-c-dev
protobuf-c-compiler protobuf-compiler libzstd-dev libssl-dev libnghttp2-dev libmicrohttpd-dev libyaml-dev uthash-dev
libseccomp-dev libaudit-dev libcurl4-openssl-dev linux-libc-dev python3"
tests="awscli python3-boto3 python3-grpcio python3-protobuf strace auditd gcc-multilib libasan8 libubsan1 openssl curl git
sqlite3 openssh-client openssh-server sudo qemu-system-x86 cpio busybox-static findutils iproute2 procps psmisc mandoc
clang-format universal-ctags podman runc uidmap"
want="$build"
[ "${HT_DEPS:-all}" = build ] || want="$build $tests"
missing=
for p in $want; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -q '^installed$' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "hosttrail: missing packages:$missing (run as root, or: apt-get install$missing)" >&2
	exit 1
fi
echo "  APT    $missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# services that the test packages bring must not start here
if ! { apt-get update -qq && apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold $missing; } >"$log" 2>&1; then
	tail -20 "$log" >&2
	exit 1
fi
rm -f "$log"
