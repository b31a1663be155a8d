#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""Stores in front of a real ClickHouse cluster (two servers of Debian's 18.16, ZooKeeper): what is acknowledged is there, once,
whichever store took it, and stays there when a server or a store is killed under load."""
import json
import os
import re
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import grpc
import tap
from chkit import Cluster
from shipkit import STORED, Client, Forwarder, Pki, frame_hash, messages, new_stream, spool
from sizes import size
from storekit import Store, frames

W = tap.Workdir()
D = W.__enter__()
PB = messages(D)
PKI = Pki(os.path.join(D, "pki"))
PKI.host("a")
PKI.host("b")
_count = [0]
_cluster, _both = [], []
AWS = "CloudTrail_20131101"


def cluster():
    if not _cluster:
        _cluster.append(Cluster(os.path.join(D, "cluster")))
    return _cluster[0]


def store(**settings):
    _count[0] += 1
    return Store(os.path.join(D, "store%d" % _count[0]), ca=PKI.file("ca.crt"), cert=PKI.file("store.crt"), key=PKI.file("store.key"),
                 **cluster().settings(**settings))


def ledger(server, stream):
    """Number and hash of each frame, in the server's own table."""
    return sorted((int(n), h) for n, h in server.rows("SELECT number, hash FROM trail_rows_1 WHERE kind = 1 AND stream = '%s'" % stream))


def records(server, stream):
    n, unique = server.rows("SELECT count(), uniqExact(eventid) FROM trail_rows_1 WHERE kind = 0 AND stream = '%s'" % stream)[0]
    return int(n), int(unique)


def expected(frames, first=0):
    return [(first + i, frame_hash(f).hex()) for i, f in enumerate(frames)]


def replicated(stream, frames, each):
    """Whether both servers come to hold exactly that."""
    return tap.wait_for(lambda: all(ledger(s, stream) == frames and records(s, stream) == (len(frames) * each,) * 2 for s in cluster().servers))


def acknowledged_is_in_the_cluster_once(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=6)
    with store() as one, store() as two:
        with Client(PKI, "a", one.ports["ingest"], PB) as c:
            t.equal(c.heads(stream), {}, "heads of a stream that is new")
            t.equal(c.ship(*frames[:4]), [(STORED, "")] * 4, "frames")
            t.equal(sum(len(ledger(s, stream)) == 4 for s in cluster().servers) >= 1, True, "in the cluster when acknowledged")
            t.equal(c.ship(*frames[:4]), [(STORED, "")] * 4, "the same again")
        with Client(PKI, "a", two.ports["ingest"], PB) as c:
            tap.wait_for(lambda: all(len(ledger(s, stream)) == 4 for s in cluster().servers))
            t.equal(c.heads(stream), {1: (4, frame_hash(frames[3]))}, "heads as another store tells them")
            t.equal(c.ship(*frames), [(STORED, "")] * 6, "another store, the same and more")
        t.ok(replicated(stream, expected(frames), 4), "both servers hold six frames with four records each: %r" % (
            [(len(ledger(s, stream)), records(s, stream)) for s in cluster().servers]))
        t.equal(two.metric("clickhouse_repeats_total"), 4, "repeats that the other store told by the cluster alone")


def what_is_odd_is_said(t):
    stream = new_stream()
    common = PKI.frames("b", stream, count=3)
    last = frame_hash(common[-1])
    ours, twin = (PKI.frames("b", stream, first=3, count=3, seed=s, previous=last) for s in (2, 3))
    late = PKI.frames("b", stream, first=9, count=1, seed=4)
    with store() as one, store() as two, Client(PKI, "b", one.ports["ingest"], PB) as c, Client(PKI, "b", two.ports["ingest"], PB) as d:
        c.ship(*common, *ours)
        tap.wait_for(lambda: all(len(ledger(s, stream)) == 6 for s in cluster().servers))
        t.equal(d.ship(*twin), [(STORED, "")] * 3, "the twin's, at another store")
        d.ship(*late)
        for name, want in (("ChainBroken", 1), ("RecordsLost", 1)):
            t.ok(tap.wait_for(lambda: len(said(two, name, stream)) == want), "%s: %r" % (name, said(two, name, stream)))
        t.equal(len(ledger(cluster().servers[0], stream)), 10, "every frame is kept")
        lost = said(two, "RecordsLost", stream)
        t.ok(lost and '"number":"6"' in lost[0].replace('"number":6', '"number":"6"') and "missingFrames" in lost[0], "what is missing: %r" % lost)


def said(s, name, stream):
    events = s.boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]
    return [e["CloudTrailEvent"] for e in events if stream in e["CloudTrailEvent"]]


def under_load(t, kill, quorum):
    """A forwarder that knows two stores empties a spool that is written meanwhile; kill() is called in the middle."""
    _count[0] += 1
    d, stream, n = os.path.join(D, "load%d" % _count[0]), new_stream(), size("clickhouse.frames")
    for x in ("spool", "cursor"):
        os.makedirs(os.path.join(d, x))
    with store(clickhouse_quorum=str(quorum), clickhouse_linger="20ms") as one, store(clickhouse_quorum=str(quorum), clickhouse_linger="20ms") as two:
        with Forwarder(PKI, d, one.ports["ingest"], two.ports["ingest"]) as f:
            writer = spool(PKI, d, stream, 1, n, records=20, pause=2, wait=False)
            t.must(tap.wait_for(lambda: len(ledger(cluster().servers[0], stream)) > n // 8), "frames arrive")
            done = kill(one, two)
            writer.wait()
            writer.lines.thread.join(10)
            hashes = [line.split()[1] for line in writer.lines.all()]
            t.equal(len(hashes), n, "frames written")
            done()
            t.ok(f.drained(60), "everything is acknowledged: %r" % f.status()["lag"])
        t.ok(replicated(stream, list(enumerate(hashes)), 20), "nothing is missing or there twice: %r of %d" % (
            [(len(ledger(s, stream)), records(s, stream)) for s in cluster().servers], n))


def a_server_is_killed_under_load(t):
    victim = cluster().servers[0]

    def kill(one, two):
        victim.kill()
        time.sleep(2)  # longer than its session: it is back as soon as it answers
        victim.start()
        return lambda: cluster().until(victim.up, "the server that was killed")
    under_load(t, kill, 0)


def with_a_quorum_nothing_is_acknowledged_by_one_server(t):
    victim, stream = cluster().servers[1], new_stream()
    frames = PKI.frames("a", stream, count=4)
    with store(clickhouse_quorum="2", clickhouse_linger="20ms") as s, Client(PKI, "a", s.ports["ingest"], PB) as c:
        t.equal(c.ship(*frames[:2]), [(STORED, "")] * 2, "while both are there")
        t.equal([len(ledger(x, stream)) for x in cluster().servers], [2, 2], "both have it when it is acknowledged")
        victim.kill()
        try:
            answer = c.ship(*frames[2:], timeout=3)
        except grpc.RpcError as e:
            answer = e.code()
        t.ok(answer in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), "while one is down: %r" % (answer,))
        t.ok(tap.wait_for(lambda: s.get("/readyz")[0] == 503), "the store says that it takes nothing")
        victim.start()
        cluster().until(victim.up, "the server that was killed")
        t.ok(tap.wait_for(lambda: s.get("/readyz")[0] == 200), "and that it does again")
        with Client(PKI, "a", s.ports["ingest"], PB) as again:
            t.equal(again.ship(*frames[2:]), [(STORED, "")] * 2, "when it is back")
    t.ok(replicated(stream, expected(frames), 4), "all of it, once")


def a_store_is_killed_and_the_other_goes_on(t):
    def kill(one, two):
        one.kill()
        return lambda: None
    under_load(t, kill, 2)


# ---- the embedded engine is the oracle of what is asked

def both():
    """A store over the cluster and one with a journal, with the same records of the same hosts: known ones, and odd ones."""
    if not _both:
        _count[0] += 1
        known = frames(PKI, "a", size("clickhouse.records"), time.time() - 3600, 1_000_000)
        odd = frames(PKI, "b", 600, 0, 0, per_frame=100, seed=7)
        embedded = Store(os.path.join(D, "store%d" % _count[0]), ca=PKI.file("ca.crt"), cert=PKI.file("store.crt"), key=PKI.file("store.key"))
        ours = store()
        for s in (ours, embedded):
            for host, sent in (("a", known), ("b", odd)):
                with Client(PKI, host, s.ports["ingest"], PB) as c:
                    for i in range(0, len(sent), 20):
                        assert {x for x, _ in c.ship(*sent[i:i + 20], timeout=60)} == {STORED}
        _both.extend([ours, embedded])
        assert tap.wait_for(lambda: all(len(lookup(s, "EventName", "execve", pages=1)) for s in _both))
    return _both


def lookup(s, key, value, size_=50, pages=40):
    """Pages of what a lookup finds, our own streams' records left out."""
    found, how = [], {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}], "MaxResults": size_}
    for _ in range(pages):
        status, a = s.call("LookupEvents", how, prefix=AWS)
        assert status == 200, a
        found += a["Events"]
        if "NextToken" not in a:
            break
        how["NextToken"] = a["NextToken"]
    return found


def lookups_find_what_the_embedded_engine_finds(t):
    ours, embedded = both()
    some = lookup(embedded, "EventName", "openat", pages=2)
    asked = [("EventName", "connect"), ("EventName", "nothing"), ("ReadOnly", "true"), ("ReadOnly", "false"), ("Username", "user3"), ("Username", "alice"),
             ("Username", "root"), ("ResourceType", "Linux::File"), ("EventSource", "s3.amazonaws.com"), ("AccessKeyId", "AKIA3"),
             ("EventId", some[0]["EventId"]), ("EventId", "00000000-0000-8000-8000-000000000000")]
    asked += [("ResourceName", e["Resources"][0]["ResourceName"]) for e in some[::25] if e["Resources"]]
    for key, value in asked:
        one, other = lookup(ours, key, value, pages=4), lookup(embedded, key, value, pages=4)
        by = lambda events: {e["EventId"]: e for e in events}
        times = [e["EventTime"] for e in one]
        t.equal(times, sorted(times, reverse=True), "%s %r: newest first" % (key, value))
        # at a second that has many, the order within is each engine's own: the last page is cut elsewhere
        cut = max(min(e["EventTime"] for e in x) for x in (one, other)) if len(one) == 200 else -1
        mine, theirs = (by(e for e in x if e["EventTime"] > cut and e["EventSource"] != "trail.hosttrail") for x in (one, other))
        wrong = [(mine.get(i), theirs.get(i)) for i in {**mine, **theirs} if mine.get(i) != theirs.get(i)]
        t.ok(not wrong, "%s %r: %d of %d and %d differ: %r" % (key, value, len(wrong), len(one), len(other), wrong[:1]))


def query(s, sql):
    """(rows, None) or (None, error)."""
    status, a = s.call("StartQuery", {"QueryStatement": sql}, prefix=AWS)
    if status != 200:
        return None, a.get("message") or a.get("Message")
    rows, how = [], {"QueryId": a["QueryId"]}
    while True:
        a = s.call("GetQueryResults", how, prefix=AWS)[1]
        if a["QueryStatus"] in ("QUEUED", "RUNNING"):
            time.sleep(0.02)
            continue
        if a["QueryStatus"] != "FINISHED":
            return None, a["QueryStatus"] + ": " + a.get("ErrorMessage", "")
        rows += [[list(c.values())[0] for c in row] for row in a["QueryResultRows"]]
        if "NextToken" not in a:
            return rows, None
        how["NextToken"] = a["NextToken"]


def plain(value):
    """Times and numbers as both write them."""
    return re.sub(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.0+$", r"\1", re.sub(r"^(\d+)\.0$", r"\1", value)) if value is not None else None


QUERIES = [
    "SELECT count(*) FROM $E WHERE hostname = 'kit'",
    "SELECT eventname, count(*) AS n FROM $E WHERE hostname = 'kit' GROUP BY eventname ORDER BY n DESC, eventname LIMIT 5",
    "SELECT eventname, readonly, managementevent, count(*), min(eventtime), max(eventtime) FROM $E WHERE hostname = 'kit' GROUP BY 1, 2, 3 ORDER BY 1",
    "SELECT useridentity.username, count(DISTINCT eventid) FROM $E WHERE hostname = 'kit' AND useridentity.username IS NOT NULL GROUP BY 1 ORDER BY 1",
    "SELECT element_at(requestparameters, 'path') AS p, eventid FROM $E WHERE hostname = 'kit' ORDER BY eventid LIMIT 900",
    "SELECT eventid, element_at(requestparameters, 'value') FROM $E WHERE hostname = 'kit' AND readonly = true ORDER BY 1 LIMIT 1500",
    "SELECT eventid FROM $E WHERE hostname = 'kit' AND element_at(requestparameters, 'path') LIKE '/srv/d1%' ORDER BY 1",
    "SELECT eventid FROM $E WHERE hostname = 'kit' AND element_at(requestparameters, 'path') LIKE '%\\%' ORDER BY 1",
    "SELECT date_trunc('hour', eventtime) AS h, count(*) FROM $E WHERE hostname = 'kit' GROUP BY date_trunc('hour', eventtime) ORDER BY h",
    "SELECT CASE WHEN readonly = false THEN 'writes' ELSE 'reads' END AS k, count(*) FROM $E WHERE hostname = 'kit' GROUP BY CASE WHEN readonly = false THEN 'writes' ELSE 'reads' END ORDER BY k",
    "WITH w AS (SELECT eventname AS n, eventid AS id FROM $E WHERE hostname = 'kit' AND readonly = false) SELECT n, count(*) FROM w GROUP BY n HAVING count(*) > 1 ORDER BY n",
    "SELECT count(*) FROM $E WHERE hostname = 'kit' AND eventname IN (SELECT eventname FROM $E WHERE managementevent = true AND hostname = 'kit')",
    "SELECT eventname, eventid FROM $E WHERE eventname = 'connect' AND hostname = 'kit' UNION ALL SELECT eventname, eventid FROM $E WHERE eventname = 'execve' AND hostname = 'kit' ORDER BY 2",
    "SELECT DISTINCT eventcategory FROM $E WHERE hostname = 'kit' AND eventtime BETWEEN timestamp '2020-01-01 00:00:00' AND timestamp '2099-01-01 00:00:00' ORDER BY 1",
    "SELECT upper(eventname) || '-' || eventsource AS u, max_by(eventid, eventid) FROM $E WHERE hostname = 'kit' AND NOT (eventname NOT IN ('connect', 'execve')) GROUP BY 1 ORDER BY 1",
    "SELECT json_extract_scalar(eventjson, '$.userIdentity.userName') AS u, count(*) FROM $E WHERE hostname = 'kit' GROUP BY 1 ORDER BY 1",
    "SELECT process.pid + 1 AS p, count(*) FROM $E WHERE hostname = 'kit' AND coalesce(useridentity.username, 'x') <> 'user4' GROUP BY 1 ORDER BY 1",
]


def answers_of_sql_are_the_embedded_engines(t):
    ours, embedded = both()
    here = os.path.join(HERE, "lakequeries")
    samples = [open(os.path.join(here, x)).read().replace("$EDS_ID", "$E") for x in sorted(os.listdir(here)) if x.endswith(".sql")]
    wanted = [x.replace(" WHERE ", " WHERE hostname = 'kit' AND (", 1).replace(" GROUP BY", ") GROUP BY", 1) if "GROUP BY" in x else x for x in samples]
    refused = []
    for sql in QUERIES + wanted:
        mine, why = query(ours, sql.replace("$E", "events"))
        theirs, fault = query(embedded, sql.replace("$E", "events"))
        if mine is None and sql in wanted:
            refused.append(why)
            continue
        if "eventJson, eventJsonChecksum" in sql:  # maps are written in another way, and of equal times others are within its limit
            mine, theirs = mine and [[len(mine)]], theirs and [[len(theirs)]]
        ordered = "ORDER BY" in sql and sql in QUERIES
        norm = lambda rows: [[plain(c) if isinstance(c, str) else c for c in r] for r in rows] if ordered else sorted(str([plain(c) if isinstance(c, str) else c for c in r]) for r in rows)
        if t.ok(mine is not None and theirs is not None, "%s: %s, %s" % (sql, why, fault)):
            a, b = norm(mine), norm(theirs)
            t.ok(a == b, "%s: %d rows, not %d; %r" % (sql, len(a), len(b), next(((x, y) for x, y in zip(a, b) if x != y), None)))
    t.equal(len(refused), 4, "sample queries that this engine refuses: %r" % refused)


HOSTILE = [
    "SELECT * FROM system.users", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'x String')", "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM file('/etc/passwd', CSV, 'x String')", "SELECT sleep(3)", "INSERT INTO events SELECT * FROM events", "DROP TABLE trail_rows_1",
    "SELECT 1; DROP TABLE trail_rows_1", "SELECT count(*) FROM trail_rows_1", "SELECT hostName()", "SELECT count(*) FROM events SETTINGS readonly = 0",
    "SELECT hash FROM events", "SELECT frame FROM events", "SELECT batch FROM events", "SELECT count(*) FROM events FORMAT Native",
    "SELECT count(*) FROM events INTO OUTFILE '/tmp/x'", "SELECT * FROM events e", "SELECT dictGetString('a', 'b', 1)", "SELECT currentDatabase() FROM events",
    "WITH t AS (SELECT * FROM t) SELECT * FROM t", "SELECT `x` FROM events", "SELECT \"a`b\" FROM events",
    "WITH " + ", ".join("t%d AS (SELECT eventid FROM %s UNION ALL SELECT eventid FROM %s)" % (i, *(["t%d" % (i - 1)] * 2 if i else ["events"] * 2))
                        for i in range(20)) + " SELECT count(*) FROM t19",
]


def hostile_statements_are_refused(t):
    ours, _ = both()
    before = [s.ask("SELECT count() FROM hosttrail.trail_rows_1") for s in cluster().servers]
    for sql in HOSTILE:
        status, a = ours.call("StartQuery", {"QueryStatement": sql}, prefix=AWS)
        t.ok(status == 400 and "Invalid" in str(a), "%s: %r %r" % (sql[:80], status, a))
    # texts are texts, however they are written: ClickHouse's own parser knows backslashes, ours does not
    for text in ("\\", "a\\''b", "\\'' OR 1=1 --", "x'' UNION ALL SELECT 1 --", "\t\n", "%", "`", "{x:String}", "\\x41"):
        rows, why = query(ours, "SELECT '%s' AS v FROM events WHERE eventname = '%s'" % (text, text))
        t.equal((rows, why), ([], None), "nothing is called %r" % text)
        rows, why = query(ours, "SELECT '%s' AS v FROM events LIMIT 1" % text)
        t.equal((rows, why), ([[text.replace("''", "'")]], None), "the text %r" % text)
    t.equal([s.ask("SELECT count() FROM hosttrail.trail_rows_1") for s in cluster().servers], before, "rows")


def a_query_is_every_stores(t):
    ours, _ = both()
    with store() as other:
        status, a = ours.call("StartQuery", {"QueryStatement": "SELECT eventid FROM events WHERE hostname = 'kit' ORDER BY 1 LIMIT 1200"}, prefix=AWS)
        how, rows = {"QueryId": a["QueryId"]}, []
        t.must(tap.wait_for(lambda: ours.call("DescribeQuery", how, prefix=AWS)[1]["QueryStatus"] == "FINISHED"), "it ends")
        for s in (other, ours, other):
            page = s.call("GetQueryResults", {**how, "MaxQueryResults": 500}, prefix=AWS)[1]
            rows += page["QueryResultRows"]
            how["NextToken"] = page.get("NextToken")
        t.equal((len(rows), len({str(r) for r in rows}), how["NextToken"]), (1200, 1200, None), "pages, of one store and of another")
        listed = other.call("ListQueries", {}, prefix=AWS)[1]["Queries"]
        t.ok(a["QueryId"] in [q["QueryId"] for q in listed], "in the other's list")


if __name__ == "__main__":
    try:
        tap.main([acknowledged_is_in_the_cluster_once, what_is_odd_is_said, with_a_quorum_nothing_is_acknowledged_by_one_server,
                  a_server_is_killed_under_load, a_store_is_killed_and_the_other_goes_on, lookups_find_what_the_embedded_engine_finds,
                  answers_of_sql_are_the_embedded_engines, hostile_statements_are_refused, a_query_is_every_stores])
    finally:
        for x in _both:
            x.stop()
        for x in _cluster:
            x.end()
        W.__exit__(None, None, None)
