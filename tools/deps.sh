#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are needed, if any is missing: for building and running, and unless HT_DEPS=build for
# testing. HT_DEPS=long: also what the tests want at full size only. HT_DEPS=bench: also what `make bench` compares us with, as far as it can be had.
set -eu
build="gcc libc6-dev make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libprotobuf-c-dev
protobuf-c-compiler protobuf-compiler libzstd-dev libssl-dev libsodium-dev libnghttp2-dev libmicrohttpd-dev libyaml-dev uthash-dev
libseccomp-dev libaudit-dev libexpat1-dev libzydis-dev libcurl4-openssl-dev libsqlite3-dev curl ca-certificates linux-libc-dev python3"
tests="awscli python3-boto3 python3-cryptography python3-botocore python3-grpcio python3-protobuf strace auditd gcc-multilib libasan8 libubsan1 openssl curl git
sqlite3 openssh-client openssh-server sudo qemu-system-x86 cpio busybox-static findutils iproute2 procps psmisc mandoc
clang-format universal-ctags podman runc uidmap stress-ng libpython3.11-testsuite node-llhttp
golang-1.19-go libwolfssl35 libmbedtls14 libwolfssl-dev libmbedtls-dev libgnutls28-dev libcurl3-nss
python3-requests python3-aiohttp python3-httpx python3-h2 nginx-light haproxy apache2-bin wrk nghttp2-client wget ruby php-cli libio-socket-ssl-perl
clickhouse-server clickhouse-client zookeeper"
long="qemu-system-arm lld clang-16 clang-19 ceph-mon ceph-osd radosgw ceph-common cargo librust-rustls-dev librust-rustls-pemfile-dev"
peers="bpftrace libbpf-tools redis-server redis-tools bpfcc-tools linux-headers-$(dpkg --print-architecture)"

# Names of those that are not installed.
missing()
{
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -q '^installed$' || printf ' %s' "$p"
	done
}

# Services that these packages bring must not start here: invoke-rc.d asks policy-rc.d, unless the host has one of its own.
no_services()
{
	policy=/usr/sbin/policy-rc.d
	[ ! -e "$policy" ] || return 0
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

install()
{
	echo "  APT     $*"
	log=$(mktemp)
	if ! { apt-get update -qq && apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

want="$build"
[ "${HT_DEPS:-all}" = build ] || want="$build $tests"
[ "${HT_DEPS:-all}" != long ] || want="$want $long"
export DEBIAN_FRONTEND=noninteractive
need=$(missing $want)
wish=
[ "${HT_DEPS:-all}" != bench ] || wish=$(missing $peers)
[ -n "$need$wish" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "hosttrail: missing packages:$need$wish (run as root, or: apt-get install$need$wish)" >&2
	exit 1
fi
no_services
[ -z "$need" ] || install $need || exit 1
# one that Debian does not have here is no reason not to measure the others
for p in $wish; do
	install $p || echo "hosttrail: $p will not be measured" >&2
done
