#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=3600 long later=20
"""More than thirty questions to the lake, and the same ones to SQLite, which has read the JSON files that a trail delivered of the same records:
the answers are the same. Half of the records come from a generator that gives each its place, half are made by chance (odd names, times that
repeat and run backwards)."""
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import lakeoracle  # noqa: E402
import tap  # noqa: E402
from sizes import size  # noqa: E402
from storekit import KIT, Store, fill  # noqa: E402

MADE, ODD = size("lake.oracle_records"), size("lake.oracle_odd")
PATIENCE = 4 * 3600  # seconds; only what never ends takes so long
S = {}


def all_are_sealed():
    try:
        return S["store"].metric("lake_sealed_records_total") >= MADE
    except OSError:  # a run of hours is stopped at times, and then the store takes the connection for an idle one
        return False


def a_trail_delivers_them_all(t):
    d = S["dir"]
    bucket = os.path.join(d, "bucket")
    settings = {"buckets": ["trail-logs " + bucket], "delivery_interval": "1s", "lake_seal_records": str(max(1500, min(100_000, (MADE + ODD) // 5))),
                "lake_seal_time": "1s", "lake_memory": "512M" if MADE < 1_000_000 else "4G"}  # ten million different ids at once
    with Store(d, **settings) as store:
        client = store.boto()
        client.create_trail(Name="all", S3BucketName="trail-logs")
        client.put_event_selectors(TrailName="all", AdvancedEventSelectors=bucketkit.everything())
        client.start_logging(Name="all")
    fill(d, MADE, time.time() - 86400, 80_000 * 10**9 // MADE)
    subprocess.run([KIT, "odd", d, str(ODD), os.environ.get("HT_SEED", "1")], check=True)
    begin = time.monotonic()
    S["store"] = Store(d, patience=PATIENCE, **settings)
    S["store"].until(all_are_sealed, "sealing", PATIENCE)
    sealing = time.monotonic() - begin
    S["store"].boto(**lakeoracle.PATIENT).stop_logging(Name="all")
    S["store"].until(lambda: bucketkit.drained(d), "delivery", PATIENCE)
    delivery = time.monotonic() - begin
    S["db"], n = lakeoracle.read_files(bucket, os.path.join(d, "oracle.db"))
    t.ok(n >= MADE + ODD, "all are in files")
    t.note("%d records: sealed after %.0f s, delivered after %.0f s, read into SQLite after %.0f s" % (n, sealing, delivery, time.monotonic() - begin))


def answers_are_the_same(t):
    ours, theirs = lakeoracle.compare(t, S["store"].boto(**lakeoracle.PATIENT), S["db"])
    t.note("%d questions over %d records: the lake %.1f s, SQLite %.1f s; the store's memory at most %d MiB, ours %d MiB" %
           (len(lakeoracle.QUESTIONS), MADE + ODD, ours, theirs, S["store"].rss()["VmHWM"] >> 20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10))


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")


if __name__ == "__main__":
    with tap.Workdir() as S["dir"]:
        tap.main([a_trail_delivers_them_all, answers_are_the_same, a_clean_end])
