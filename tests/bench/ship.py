#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast frames go from the spool through the forwarder, TLS, verification and the journal's sync to their acknowledgement:
large and small frames, one request in flight against many. Ratios from runs that take turns; medians with their spread."""
import os
import statistics
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOP, "helpers"), os.path.join(TOP, "e2e")]
import tap
from forward import PKI, W, Forwarder, Ingest, fresh, spool
from shipkit import new_stream

ROUNDS = 5 if tap.LONG else 3


def run(d, inflight):
    with Ingest(os.path.join(fresh(), "store"), PKI) as s, Forwarder(d, s.port, inflight=inflight, log_level="error",
                                                                     cursor_dir=fresh() + "/cursor") as f:
        begin = time.monotonic()
        if not f.drained(120):
            raise SystemExit("not drained")
        return time.monotonic() - begin, s.metrics()


def show(name, frames, size, times):
    mid = statistics.median(times)
    print("  %-34s %7.1f MB/s %8.0f frames/s   (%.2f s, %.2f..%.2f)" %
          (name, size / mid / 1e6, frames / mid, mid, min(times), max(times)))
    return mid


def main():
    for title, frames, records in (("frames of 250 kB", 600, 20000), ("frames of 1 kB", 20000, 40)):
        d = fresh()
        spool(d, new_stream(), 1, frames, records=records)
        size = sum(os.path.getsize(os.path.join(p, x)) for p, _, names in os.walk(d + "/spool") for x in names)
        times, syncs = {1: [], 32: []}, {}
        for _ in range(ROUNDS):
            for inflight in times:
                t, m = run(d, inflight)
                times[inflight].append(t)
                syncs[inflight] = m["syncs"]
        print("%s (%d, %.0f MB)" % (title, frames, size / 1e6))
        one = show("one request in flight, %d syncs" % syncs[1], frames, size, times[1])
        many = show("32 in flight, %d syncs" % syncs[32], frames, size, times[32])
        print("  ratio %.2f" % (one / many))


if __name__ == "__main__":
    try:
        main()
    finally:
        W.__exit__()
