#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cross-builds for arm64 with clang: tools/arm64.sh DIR TARGET...
# What it needs of arm64 is unpacked from Debian's packages into DIR/root, and installed nowhere; apt knows them by DIR/apt.conf. The kernel's
# types come from the image of Debian's kernel 6.1.
set -eu
dir=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
packages="libc6-dev libgcc-12-dev libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libprotobuf-c-dev libzstd-dev libssl-dev libsodium-dev libnghttp2-dev
libmicrohttpd-dev libyaml-dev uthash-dev libseccomp-dev libaudit-dev libexpat1-dev libzydis-dev libcurl4-openssl-dev libsqlite3-dev
busybox-static strace"

apt_conf()
{
	mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial"
	: >"$dir/apt/status"
	cat >"$dir/apt.conf" <<EOF
Dir::State "$dir/apt/state";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt/cache";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
EOF
	apt-get -c "$dir/apt.conf" update -qq
}

root()
{
	apt-get -c "$dir/apt.conf" install -qq -y --download-only --no-install-recommends $packages >/dev/null
	rm -rf "$dir/root.new" "$dir/root"
	for deb in "$dir"/apt/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$dir/root.new"
	done
	mv "$dir/root.new" "$dir/root"
	echo "$packages" >"$dir/packages"
}

btf()
{
	kernel=$(apt-cache -c "$dir/apt.conf" depends --important linux-image-arm64 | sed -n 's/.*Depends: //p')
	(cd "$dir/apt" && apt-get -c "$dir/apt.conf" download -qq "$kernel")
	dpkg-deb --fsys-tarfile "$dir/apt/$kernel"_*.deb | tar -xO --wildcards './boot/vmlinuz-*' >"$dir/vmlinuz"
	tools/kernelbtf.py "$dir/vmlinuz" "$dir/btf.new"
	mv "$dir/btf.new" "$dir/btf"
	rm "$dir/vmlinuz" "$dir/apt/$kernel"_*.deb
}

[ -f "$dir/apt.conf" ] || apt_conf
[ "$(cat "$dir/packages" 2>/dev/null)" = "$packages" ] || root
[ -f "$dir/btf" ] || btf
export PKG_CONFIG_LIBDIR="$dir/root/usr/lib/aarch64-linux-gnu/pkgconfig:$dir/root/usr/share/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$dir/root"
exec "${MAKE:-make}" --no-print-directory MACHINE=aarch64 O="$(realpath --relative-to=. "$dir")" BTF="$dir/btf" \
	CC="clang --target=aarch64-linux-gnu --sysroot=$dir/root" LDFLAGS=-fuse-ld=lld "$@"
