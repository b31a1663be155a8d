#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of LookupEvents over many records: a journal is generated and indexed, then each kind of lookup is made again and again, with
random values, while the page cache has what it has (warm) and after it was dropped before each (cold; root). Whole requests, client included.

    HT_BUILD=build tests/bench/lookup.py [RECORDS [DIRECTORY]]        a directory is kept and used again
"""
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap  # noqa: E402
from sizes import size  # noqa: E402
from storekit import KIT, NAMES, Made, Store, fill  # noqa: E402

SPAN = 40 * 86400
ROUNDS = {False: 200, True: 50}


def by(key, value, **more):
    return {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}], **more}


def lookups(made):
    """One of each kind, of a record by chance."""
    i = random.randrange(made.count)
    path = made.path(i - i % 7)
    return {
        "no attribute": {},
        "EventId": by("EventId", made.event_id(i)),
        "EventId of nothing": by("EventId", "%08x-0000-8000-8000-000000000000" % i),
        "EventName": by("EventName", random.choice(NAMES)),
        "ReadOnly": by("ReadOnly", random.choice(["true", "false"])),
        "Username": by("Username", "user%d" % (i % 10)),
        "ResourceType": by("ResourceType", "Linux::File"),
        "ResourceName": by("ResourceName", path),
        "ResourceName of nothing": by("ResourceName", "/none%d" % i),
        "EventSource": by("EventSource", "file.linux"),
        "AccessKeyId": by("AccessKeyId", "AKIA%d" % (i % 5)),
        "a minute": {"StartTime": made.time(i), "EndTime": made.time(i) + 60},
        "EventName in an hour": by("EventName", "connect", StartTime=made.time(i), EndTime=made.time(i) + 3600),
        "ResourceName in a day": by("ResourceName", path, StartTime=made.time(i), EndTime=made.time(i) + 86400),
    }


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("1")


def cpu(store):
    with open("/proc/%d/stat" % store.child.pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def until_idle(store):
    """Checksums are compared in the background after a start."""
    before = -1
    while cpu(store) - before > 0.1:
        before = cpu(store)
        time.sleep(2)


def measure(store, made, cold):
    client, times, spent = store.boto(), {}, cpu(store)
    for _ in range(ROUNDS[cold]):
        for name, how in lookups(made).items():
            if cold:
                drop_caches()
            begin = time.monotonic()
            found = client.lookup_events(**how)["Events"]
            times.setdefault(name, []).append(time.monotonic() - begin)
            if name == "EventId" and len(found) != 1:
                raise tap.Failed("%d records have one id" % len(found))
    print("%s: %.1f ms of the store's CPU a lookup" % ("cold" if cold else "warm", (cpu(store) - spent) * 1000 / sum(map(len, times.values()))))
    for name, v in times.items():
        v.sort()
        print("  %-26s median %6.1f ms, 99th percentile %6.1f ms" % (name, v[len(v) // 2] * 1000, v[int(len(v) * 0.99)] * 1000), flush=True)


def made_before(d, count):
    """What was made in d, or makes it."""
    note = os.path.join(d, "made")
    if os.path.exists(note):
        with open(note) as f:
            stream, count, base = f.read().split()
        return Made(stream, int(count), int(base), SPAN * 10**9 // int(count))
    base = int(time.time()) - SPAN - 60
    made = fill(d, count, base, SPAN * 10**9 // count)
    print(subprocess.run([KIT, "index", d], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    with open(note, "w") as f:
        f.write("%s %d %d\n" % (made.stream, count, base))
    return made


def run(d, count):
    made = made_before(d, count)
    begin = time.monotonic()
    with Store(d, duckdb="/nonexistent", lake_memory="128M") as store:  # without the lake, which would seal all of it
        print("%d records, ready after %.1f s" % (made.count, time.monotonic() - begin))
        store.until(lambda: store.metric("index_gathering") == 0, "hash directories", 600)
        print("%d blocks, in %d hash directories (%.1f bytes a record) but %d, after %.1f s" % (
            store.metric("index_blocks"), store.metric("index_directories"), store.metric("index_directory_bytes") / made.count,
            store.metric("index_loose_blocks"), time.monotonic() - begin))
        until_idle(store)
        print("memory %d MiB, at most %d MiB" % (store.rss()["VmRSS"] >> 20, store.rss()["VmHWM"] >> 20))
        measure(store, made, False)
        if os.geteuid() == 0:
            measure(store, made, True)
        print("memory %d MiB, at most %d MiB" % (store.rss()["VmRSS"] >> 20, store.rss()["VmHWM"] >> 20))


if __name__ == "__main__":
    records = int(sys.argv[1]) if len(sys.argv) > 1 else size("bench.lookup_records")
    if len(sys.argv) > 2:
        run(sys.argv[2], records)
    else:
        with tap.Workdir() as workdir:
            run(workdir, records)
