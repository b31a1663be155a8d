#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD DESTDIR PREFIX - what `make install` does. Configuration that is there already is left alone.
set -eu
build=$1 dest=$2 prefix=$3
cd "$(dirname "$0")/.."

for p in hosttraild hosttrail-forward hosttrail-store hosttrail; do
	install -D -m 0755 "$build/bin/$p" "$dest$prefix/bin/$p"
done
[ ! -f "$build/duckdb/libduckdb.so" ] || install -D -m 0644 "$build/duckdb/libduckdb.so" "$dest$prefix/lib/hosttrail/libduckdb.so"
for page in docs/man/*.[0-9]; do
	install -D -m 0644 "$page" "$dest$prefix/share/man/man${page##*.}/$(basename "$page")"
done
for unit in packaging/systemd/*.service; do
	to=$dest$prefix/lib/systemd/system/$(basename "$unit")
	install -D -m 0644 "$unit" "$to"
	sed -i "s|@PREFIX@|$prefix|g" "$to"
done
install -D -m 0644 packaging/sysusers.conf "$dest$prefix/lib/sysusers.d/hosttrail.conf"
install -D -m 0644 packaging/tmpfiles.conf "$dest$prefix/lib/tmpfiles.d/hosttrail.conf"
for config in packaging/etc/*.yaml; do
	to=$dest/etc/hosttrail/$(basename "$config")
	[ -e "$to" ] || install -D -m 0644 "$config" "$to"
	install -D -m 0644 "$config" "$dest$prefix/share/doc/hosttrail/examples/$(basename "$config")"
done
for rules in packaging/apis.d/*.yaml; do
	install -D -m 0644 "$rules" "$dest$prefix/share/doc/hosttrail/examples/apis.d/$(basename "$rules")"
done
for doc in README.md LICENSE LICENSE.GPL-2.0 proto/hosttrail.proto; do
	install -D -m 0644 "$doc" "$dest$prefix/share/doc/hosttrail/$(basename "$doc")"
done
for doc in docs/*.md; do
	install -D -m 0644 "$doc" "$dest$prefix/share/doc/hosttrail/docs/$(basename "$doc")"
done
echo "  installed to $dest$prefix; on systemd hosts now: systemd-sysusers && systemd-tmpfiles --create"
