#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh SECONDS [TARGET...]: builds the libFuzzer targets with clang, ASan and UBSan into build/fuzz, and fuzzes each for
# SECONDS. New inputs stay in build/fuzz/corpus; one that crashes is printed, and belongs into tests/fuzz/corpus/<target>/
# with the repair. Exit status 1 if any crashed.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
out=build/fuzz
mkdir -p "$out"

# the same archives as everywhere, built so that the fuzzer sees their branches; what is generated is build's
make --no-print-directory -j"$(nproc)" O="$out" G=build CC=clang CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined" \
	"$out/tools/libtools.a" "$out/agent/libagent.a" "$out/forwarder/libforwarder.a" "$out/store/libstore.a" \
	"$out/proto/libproto.a" "$out/lib/libht.a"

archives="$out/tools/libtools.a $out/agent/libagent.a $out/forwarder/libforwarder.a $out/store/libstore.a $out/proto/libproto.a $out/lib/libht.a"
libs="$(pkg-config --libs $(sed -n "s/^PKGS := //p" Makefile)) -lZydis -lpthread -lm"
if [ $# = 0 ]; then
	for f in tests/fuzz/fuzz_*.c; do set -- "$@" "$(basename "$f" .c | sed s/^fuzz_//)"; done
fi
failed=0
for target; do
	corpus=$out/corpus/$target
	mkdir -p "$corpus" "$out/crashes"
	# shellcheck disable=SC2086
	clang -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I. -Ibuild/gen -Ibuild -isystem build/duckdb \
		-o "$out/fuzz_$target" "tests/fuzz/fuzz_$target.c" -Wl,--start-group $archives -Wl,--end-group $libs
	echo "  FUZZ    $target for $seconds s"
	if ! "$out/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$out/crashes/$target-" "$corpus" "tests/fuzz/corpus/$target" >"$out/$target.log" 2>&1; then
		failed=1
		tail -40 "$out/$target.log"
		echo "  CRASH   $target: see $out/crashes/ and $out/$target.log"
	else
		grep -E 'stat::number_of_executed_units|stat::new_units_added' "$out/$target.log" || true
	fi
done
exit $failed
