#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# first.sh N FOLDER COMMAND...: runs the command N times, each time with a copy of libssl that nobody has used before.
n=$1 d=$2
shift 2
for i in $(seq "$n"); do
	mkdir "$d/$i" && cp /usr/lib/x86_64-linux-gnu/libssl.so.3 "$d/$i/" || exit 1
	LD_LIBRARY_PATH="$d/$i" "$@" >/dev/null || exit 1
done
