#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts libduckdb.so and duckdb.h into DIR, for the store's lake: tools/duckdb.sh DIR
# They come from npm's registry, pinned by hash, and are kept in HT_CACHE (~/.cache/hosttrail) for the next build. HT_DUCKDB:
# a directory that has both already.
set -eu
dir=$1
cache=${HT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hosttrail}

case $(uname -m) in
x86_64)
	library=@duckdb/node-bindings-linux-x64
	library_sha512=21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e16cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5
	;;
*)
	library=
	;;
esac
header_sha512=844249e61c9517454b8f776638ba6c5ab411d1bddde1892ab72826ea25178c72430e74aa83f5122b171be6abcdace84560f824b5ac94e9d5c2b603ea7269a9a2

is_good()
{
	[ -f "$1" ] && echo "$2  $1" | sha512sum --check --status
}

# fetch PACKAGE VERSION FILE SHA512: by npm where it is installed, else from the registry by curl or wget.
fetch()
{
	is_good "$cache/$3" "$4" && return 0
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/.new-XXXXXX")
	url=${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}/$1/-/$(basename "$1")-$2.tgz
	if command -v npm >/dev/null; then
		(cd "$tmp" && npm pack --silent "$1@$2" >/dev/null && mv ./*.tgz package.tgz) || true
	elif command -v curl >/dev/null; then
		curl -fsSL -o "$tmp/package.tgz" "$url" || true
	else
		wget -q -O "$tmp/package.tgz" "$url" || true
	fi
	if ! is_good "$tmp/package.tgz" "$4"; then
		rm -rf "$tmp"
		echo "hosttrail: cannot fetch $1 $2 (or its hash is not the expected one); put duckdb.h and libduckdb.so into a directory and set HT_DUCKDB to it" >&2
		return 1
	fi
	mv "$tmp/package.tgz" "$cache/$3"
	rm -rf "$tmp"
}

# unpack FILE MEMBER: into dir, whole or not at all
unpack()
{
	tar -xzOf "$cache/$1" "$2" >"$dir/$(basename "$2").tmp"
	mv "$dir/$(basename "$2").tmp" "$dir/$(basename "$2")"
}

mkdir -p "$dir"
if [ -n "${HT_DUCKDB:-}" ]; then
	for f in libduckdb.so duckdb.h; do
		[ ! -f "$HT_DUCKDB/$f" ] || cp "$HT_DUCKDB/$f" "$dir/$f"
	done
	exit 0
fi
if [ -n "$library" ]; then
	fetch "$library" 1.5.6-r.1 duckdb-library-1.5.6.tgz "$library_sha512"
	unpack duckdb-library-1.5.6.tgz package/libduckdb.so
fi
fetch duckdb 1.4.4 duckdb-header-1.4.4.tgz "$header_sha512"
unpack duckdb-header-1.4.4.tgz package/src/duckdb/src/include/duckdb.h
