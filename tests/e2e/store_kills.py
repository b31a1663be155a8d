#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=40
"""The store is SIGKILLed at random moments, its starts included, under everything at once: hosts that ship, and send again what was not
acknowledged, sealing, merging, a trail that delivers with digests, queries and lookups. Each acknowledged record is once in SQL, in the
delivered files and in LookupEvents, while it goes on and in the end; every file is valid. What the records are follows from their
numbers (storekit.py), not from what the store says. Seed: HT_SEED."""
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time

import botocore.exceptions
import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import bucketkit  # noqa: E402
import duck  # noqa: E402
import tap  # noqa: E402
from shipkit import REJECTED, STORED, Client, Pki, messages  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Made, Store, frames  # noqa: E402

SEED = int(os.environ.get("HT_SEED", "0")) or random.randrange(1, 1 << 30)
HOSTS, FRAMES, PER_FRAME = 2, 30, 20
PATIENCE = 600  # seconds; only what never ends takes so long
AWAY = ("ServiceUnavailableException", "503")  # being started
S = {}


class Load:
    """Threads that work until they are told to end; what they find wrong is kept."""

    def __init__(self):
        self.end, self.lock, self.wrong, self.threads = threading.Event(), threading.Lock(), [], []
        self.acked, self.counts = [], {"shipped again": 0, "queries": 0, "queries broken": 0, "lookups": 0}

    def run(self, step, *args):
        def loop():
            while not self.end.is_set():
                try:
                    step(*args)
                except (botocore.exceptions.BotoCoreError, ConnectionError):
                    time.sleep(0.02)
                except botocore.exceptions.ClientError as e:
                    if e.response["Error"]["Code"] not in AWAY:
                        self.say("%s: %s" % (step.__name__, e))
                    time.sleep(0.02)
                except Exception as e:  # a broken test is a failed test
                    self.say("%s: %r" % (step.__name__, e))
                    return
        self.threads.append(threading.Thread(target=loop))
        self.threads[-1].start()

    def stop(self):
        self.end.set()
        for t in self.threads:
            t.join()

    def say(self, text):
        with self.lock:
            self.wrong.append(text)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1


def ship_a_stream(load, host, chance):
    """As a forwarder does: in order, and again until it is acknowledged. Ends only when all of it is."""
    base, step = time.time() - 100, 1_000_000
    made = frames(S["pki"], host, FRAMES * PER_FRAME, base, step, PER_FRAME)
    records = Made(made[0][12:28].hex(), FRAMES * PER_FRAME, base, step)
    at = 0
    while at < len(made):
        try:
            with Client(S["pki"], host, S["store"].ports["ingest"], S["pb"]) as c:
                while at < len(made):
                    got = c.ship(*made[at:at + chance.randrange(1, 5)], timeout=5)
                    for status, reason in got:
                        if status == REJECTED:
                            raise tap.Failed("refused: %s" % reason)
                        if status != STORED:
                            break
                        with load.lock:
                            load.acked += [records.event_id(i) for i in range(at * PER_FRAME, (at + 1) * PER_FRAME)]
                        at += 1
                    time.sleep(chance.uniform(0, 0.03))
        except grpc.RpcError:
            load.count("shipped again")
            time.sleep(0.05)


def ask(client, sql):
    """Rows; None: the store was killed over it."""
    query = client.start_query(QueryStatement=sql)["QueryId"]
    rows, token = [], {}
    while True:
        page = client.get_query_results(QueryId=query, **token)
        if page["QueryStatus"] in ("QUEUED", "RUNNING"):
            time.sleep(0.02)
            continue
        if page["QueryStatus"] != "FINISHED":
            if "started anew" not in page.get("ErrorMessage", ""):
                raise tap.Failed("%s: %s" % (sql, page))
            return None
        rows += [[v for cell in row for v in cell.values()] for row in page["QueryResultRows"]]
        if not page.get("NextToken"):
            return rows
        token = {"NextToken": page["NextToken"]}


def count_in_sql(load, client):
    before = len(load.acked)
    rows = ask(client, "SELECT count(*) AS n, count(DISTINCT eventid) AS ids FROM events WHERE hostname = 'kit'")
    load.count("queries" if rows else "queries broken")
    if rows and (rows[0][0] != rows[0][1] or int(rows[0][0]) < before):
        load.say("%s records in SQL, %s of them different, %d acknowledged" % (rows[0][0], rows[0][1], before))


def look_one_up(load, client, chance):
    with load.lock:
        one = chance.choice(load.acked) if load.acked else None
    if one:
        found = client.lookup_events(LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": one}])["Events"]
        load.count("lookups")
        if [e["EventId"] for e in found] != [one]:
            load.say("looking up %s gave %d" % (one, len(found)))
    time.sleep(0.02)


def make_store(d):
    """Its ports stay what the first start chose, so that clients are made once."""
    period = "1s" if size("store.kills") < 20 else "10s"
    store = Store(d, patience=PATIENCE, buckets=["trail-logs %s/bucket" % d], delivery_interval="100ms", delivery_size="64K", digest_period=period,
                  lake_seal_records="200", lake_seal_time="50ms", lake_memory="256M")
    with open(store.config) as f:
        text = f.read()
    with open(store.config, "w") as f:
        f.write(text.replace('api_listen: "127.0.0.1:0"', 'api_listen: "127.0.0.1:%d"' % store.ports["api"])
                .replace('ingest_listen: "127.0.0.1:0"', 'ingest_listen: "127.0.0.1:%d"' % store.ports["ingest"]))
    client = store.boto()
    client.create_trail(Name="killed", S3BucketName="trail-logs", EnableLogFileValidation=True)
    client.put_event_selectors(TrailName="killed", AdvancedEventSelectors=bucketkit.everything())
    client.start_logging(Name="killed")
    return store


def kill_in_its_start(store, chance):
    child = subprocess.Popen([tap.program("hosttrail-store"), "--config", store.config], stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, 0.3))
    child.kill()
    child.wait()


def killed_under_everything(t):
    chance, load, d = random.Random(SEED), Load(), S["dir"]
    t.note("HT_SEED=%d" % SEED)
    S["begin"] = time.time()
    store = S["store"] = make_store(d)
    for i in range(HOSTS):
        load.run(ship_a_stream, load, "host%d" % i, random.Random(SEED + i))
    load.run(count_in_sql, load, store.boto())
    load.run(look_one_up, load, store.boto(), random.Random(SEED))
    early = 0
    try:
        for _ in range(size("store.kills")):
            time.sleep(chance.uniform(0, 1.5))
            store.kill()
            if chance.random() < 0.2:
                kill_in_its_start(store, chance)
                early += 1
            store.start(wait=False)
        store.until(lambda: store.get("/readyz")[0] == 200, "readiness", PATIENCE)
    finally:
        load.stop()
    S["expected"] = sorted(load.acked)
    t.equal(load.wrong, [], "while it went on")
    t.ok(load.acked and load.counts["queries"] and load.counts["lookups"], "all of it happened")
    t.note("%d records, %d kills in a start beside the others, %s" % (len(load.acked), early, load.counts))


def once_in_sql(t):
    store, client = S["store"], S["store"].boto()
    every = "SELECT eventid FROM events WHERE hostname = 'kit'"
    store.until(lambda: store.metric("lake_ready") == 1, "the lake", PATIENCE)
    t.ok(sorted(r[0] for r in ask(client, every)) == S["expected"], "each once")
    store.until(lambda: store.metric("lake_unsealed_records") == 0, "sealing", PATIENCE)
    t.ok(sorted(r[0] for r in ask(client, every)) == S["expected"], "each once when all is sealed")


def once_in_lookup_events(t):
    pages = S["store"].boto().get_paginator("lookup_events").paginate()
    found = [e["EventId"] for page in pages for e in page["Events"] if e["EventSource"] != "trail.hosttrail"]
    t.ok(sorted(found) == S["expected"], "each once: %d found, %d acknowledged" % (len(found), len(S["expected"])))


def once_in_files(t):
    bucket = S["dir"] + "/bucket"
    S["store"].boto().stop_logging(Name="killed")
    t.ok(tap.wait_for(lambda: bucketkit.drained(S["dir"]), PATIENCE), "the last digest comes")
    got = bucketkit.records(bucket)
    found = [r["eventID"] for r in got if r["eventSource"] != "trail.hosttrail"]
    t.ok(sorted(found) == S["expected"], "each once: %d found, %d acknowledged" % (len(found), len(S["expected"])))
    t.equal(len({r["eventID"] for r in got}), len(got), "the store's own, too")
    status, said = bucketkit.validate(S["store"], S["dir"], "killed", S["begin"] - 5)
    logs = len(bucketkit.files(bucket, "CloudTrail"))
    t.ok(status == 0 and "INVALID" not in said and "%d/%d log files valid" % (logs, logs) in said, "validate-logs: " + said[-300:])
    t.equal(bucketkit.verify(S["dir"])[:2], (0, []), "hosttrail verify")


def every_segment_is_valid(t):
    """As another reader of Parquet has it; and what lies there is what the manifest says."""
    S["store"].stop()
    db = sqlite3.connect("file:%s/lake.db?mode=ro" % S["dir"], uri=True)
    rows = db.execute("SELECT path, nrows, sha256, first, last FROM segment ORDER BY first").fetchall()
    db.close()
    engine, lake = duck.Duck(), os.path.join(S["dir"], "lake")
    t.ok(all(a[4] <= b[3] for a, b in zip(rows, rows[1:])), "no stretch is in two")
    for path, nrows, sha256, _, _ in rows:
        with open(os.path.join(lake, path), "rb") as f:
            t.equal(hashlib.sha256(f.read()).hexdigest(), sha256, path)
        t.equal(duck.parquet_counts(engine, os.path.join(lake, path)), (nrows, nrows), path)
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")
    wrong = [line for line in S["store"].stderr().splitlines() if "error: " in line]
    t.equal(wrong, [], "errors that the store told")
    t.note("%d segments" % len(rows))


if __name__ == "__main__":
    with tap.Workdir() as S["dir"]:
        S.update(pb=messages(S["dir"]), pki=Pki(S["dir"] + "/pki"))
        for n in range(HOSTS):
            S["pki"].host("host%d" % n)
        tap.main([killed_under_everything, once_in_sql, once_in_lookup_events, once_in_files, every_segment_is_valid])
