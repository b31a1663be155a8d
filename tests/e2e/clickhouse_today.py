#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=20
"""Every statement of engine clickhouse on today's engine, chDB 26.5: tables with codecs, inserts, repeats, lookups and SQL, with the embedded
engine as the oracle. What chDB has not, replicas and shards, is tested with Debian's servers (clickhouse.py)."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap
from chcases import AWS, compare_lookups, compare_sql, fill_both, query, refuse_hostile
from chdb import Server
from chkit import quick_dir
from shipkit import STORED, Client, Pki, frame_hash, messages, new_stream
from sizes import size
from storekit import Store

if not size("clickhouse.today"):
    def only_at_full_size(t):
        raise tap.Skip("HT_LONG=1 fetches chDB, 166 MB, and asks it")
    tap.main([only_at_full_size])
    sys.exit(0)

W = tap.Workdir()
D = W.__enter__()
PB = messages(D)
PKI = Pki(os.path.join(D, "pki"))
PKI.host("a")
PKI.host("b")
SERVER = Server(quick_dir())
HOW = {"ca": PKI.file("ca.crt"), "cert": PKI.file("store.crt"), "key": PKI.file("store.key")}
OURS = Store(os.path.join(D, "ours"), engine="clickhouse", clickhouse_servers=[SERVER.url], clickhouse_linger="20ms", **HOW)
EMBEDDED = Store(os.path.join(D, "embedded"), **HOW)


def frames_are_kept_once(t):
    stream = new_stream()
    sent = PKI.frames("a", stream, count=5)
    twin = PKI.frames("a", stream, first=3, count=1, seed=9, previous=frame_hash(sent[2]))
    late = PKI.frames("a", stream, first=8, count=1, seed=9)
    with Client(PKI, "a", OURS.ports["ingest"], PB) as c:
        t.equal(c.ship(*sent), [(STORED, "")] * 5, "frames")
        t.equal(c.ship(*sent, *twin, *late), [(STORED, "")] * 7, "again, with a twin and one that leaves a gap")
        t.equal(c.heads(stream), {1: (9, frame_hash(late[0]))}, "heads")
    rows = SERVER.engine.ask("SELECT number, lower(hash), records FROM hosttrail.trail_rows_2 WHERE kind = 1 AND stream = '%s' ORDER BY number, hash" % stream)[0]
    want = sorted([(i, frame_hash(f).hex()) for i, f in enumerate(sent)] + [(3, frame_hash(twin[0]).hex()), (8, frame_hash(late[0]).hex())])
    t.equal([(int(x.split()[0]), x.split()[1]) for x in rows.decode().splitlines()], want, "rows")
    for name in ("ChainBroken", "RecordsLost"):
        found = lambda: OURS.boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]
        t.ok(tap.wait_for(lambda: len(found()) == 1), "%s is said" % name)


def lookups_find_what_the_embedded_engine_finds(t):
    fill_both(PKI, PB, OURS, EMBEDDED, size("clickhouse.records"))
    compare_lookups(t, OURS, EMBEDDED)


def answers_of_sql_are_the_embedded_engines(t):
    compare_sql(t, OURS, EMBEDDED, 3)


def event_data_stores_have_what_the_embedded_engines_have(t):
    """Of the same records, which come after them."""
    made = {}
    for name, how in (("files", [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "path", "StartsWith": ["/srv/d1"]}]),
                      ("others", [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "eventName", "NotEquals": ["execve"]}])):
        made[name] = [s.call("CreateEventDataStore", {"Name": name, "RetentionPeriod": 30, "AdvancedEventSelectors": [{"FieldSelectors": how}]}, prefix=AWS)[1]["EventDataStoreArn"].split("/")[1]
                      for s in (OURS, EMBEDDED)]
    fill_both(PKI, PB, OURS, EMBEDDED, 1400)
    for name, stores in made.items():
        ours, theirs = (query(s, "SELECT eventid FROM %s ORDER BY eventid LIMIT 900" % x)[0] for s, x in zip((OURS, EMBEDDED), stores))
        t.ok(len(theirs) > 20 and ours == theirs, "%s: %d and %d records" % (name, len(ours), len(theirs)))


def hostile_statements_are_refused(t):
    refuse_hostile(t, OURS)


def no_statement_was_refused(t):
    status = OURS.call("Status")[1]
    t.ok(status["Ready"] and status["Cluster"]["Version"].startswith("26."), "%r" % status["Cluster"])
    kinds = ("CREATE TABLE IF NOT EXISTS trail_rows_2", "INSERT INTO trail_rows_2", "argMax(hash", "countIf(number", "groupUniqArray(batch)", "ORDER BY time DESC",
             "uniqExact(stream)", "INSERT INTO trail_query_rows_1", "argMax(body", "JSONExtractRaw", "INSERT INTO trail_ledger_1", "PREWHERE kind = 0 AND has(stores, toUInt64(")
    t.ok(tap.wait_for(lambda: all(any(k in sql for sql in SERVER.said) for k in kinds), 15), "every kind was asked: not %r" % [
        k for k in kinds if not any(k in sql for sql in SERVER.said)])
    t.equal(SERVER.refused, [], "refused by the engine")


if __name__ == "__main__":
    try:
        tap.main([lookups_find_what_the_embedded_engine_finds, answers_of_sql_are_the_embedded_engines, event_data_stores_have_what_the_embedded_engines_have, hostile_statements_are_refused,
                  frames_are_kept_once, no_statement_was_refused])
    finally:
        OURS.stop()
        EMBEDDED.stop()
        SERVER.end()
        W.__exit__(None, None, None)
