#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=60
"""Stores in front of a real ClickHouse cluster (two servers of Debian's 18.16, ZooKeeper): what is acknowledged is there, once,
whichever store took it, and stays there when a server or a store is killed under load."""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import grpc
import bucketkit
import tap
import chcases
from chcases import AWS, compare_lookups, compare_sql, fill_both, hosts_of, lookup, refuse_hostile
from chkit import Cluster, Clustered
from shipkit import STORED, Client, Forwarder, frame_hash, new_stream, spool
from sizes import size
from storekit import Store

PLACE = Clustered("a", "b", zone="Pacific/Kiritimati")  # days and times are UTC's, wherever servers think they are
PB, PKI, cluster, store = PLACE.pb, PLACE.pki, PLACE.cluster, PLACE.store
_both = []


def ledger(server, stream):
    """Number and hash of each frame, in the server's own table."""
    return sorted((int(n), h) for n, h in server.rows("SELECT number, hash FROM trail_rows_2 WHERE kind = 1 AND stream = '%s'" % stream))


def records(server, stream):
    n, unique = server.rows("SELECT count(), uniqExact(eventid) FROM trail_rows_2 WHERE kind = 0 AND stream = '%s'" % stream)[0]
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
    d, stream, n = PLACE.next("load"), new_stream(), size("clickhouse.frames")
    for x in ("spool", "cursor"):
        os.makedirs(os.path.join(d, x))
    with store(clickhouse_quorum=str(quorum), clickhouse_linger="20ms") as one, store(clickhouse_quorum=str(quorum), clickhouse_linger="20ms") as two:
        with Forwarder(PKI, d, one.ports["ingest"], two.ports["ingest"]) as f:
            writer = spool(PKI, d, stream, 1, n, records=20, pause=2, wait=False)
            t.must(tap.wait_for(lambda: len(ledger(cluster().servers[0], stream)) > n // 8, size("clickhouse.patience")), "frames arrive")
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
    """A store over the cluster, and one with a journal."""
    if not _both:
        _both.append(store(clickhouse_database="compared"))
        _both.append(Store(PLACE.next("store"), **PLACE.keys()))
        fill_both(PKI, PB, *_both, size("clickhouse.records"))
    return _both


def lookups_find_what_the_embedded_engine_finds(t):
    compare_lookups(t, *both())


def answers_of_sql_are_the_embedded_engines(t):
    compare_sql(t, *both(), 4)


def hostile_statements_are_refused(t):
    before = [s.ask("SELECT count() FROM compared.trail_rows_2") for s in cluster().servers]
    refuse_hostile(t, both()[0])
    t.equal([s.ask("SELECT count() FROM compared.trail_rows_2") for s in cluster().servers], before, "rows")


def a_query_is_every_stores(t):
    ours, _ = both()
    with store(clickhouse_database="compared") as other:
        status, a = ours.call("StartQuery", {"QueryStatement": "SELECT eventid FROM events WHERE hostname = 'kit' ORDER BY 1 LIMIT 1200"}, prefix=AWS)
        how, rows = {"QueryId": a["QueryId"]}, []
        t.must(tap.wait_for(lambda: ours.call("DescribeQuery", how, prefix=AWS)[1]["QueryStatus"] == "FINISHED"), "it ends")
        for s in (other, ours, other):
            page = s.call("GetQueryResults", {**how, "MaxQueryResults": 500}, prefix=AWS)[1]
            rows += page["QueryResultRows"]
            how["NextToken"] = page.get("NextToken")
        t.equal((len(rows), len({str(r) for r in rows}), how["NextToken"]), (1200, 1200, None), "pages, of one store and of another")
        for s in (ours, other):
            s.call("StartQuery", {"QueryStatement": "SELECT eventid FROM events LIMIT 1"}, prefix=AWS)
        listed, how = [], {"EventDataStore": "events", "MaxResults": 1}
        while len(listed) < 50:
            page = other.call("ListQueries", how, prefix=AWS)[1]
            listed += [q["QueryId"] for q in page["Queries"]]
            how["NextToken"] = page.get("NextToken")
            if not how["NextToken"]:
                break
        whole = [q["QueryId"] for q in other.call("ListQueries", {"EventDataStore": "events"}, prefix=AWS)[1]["Queries"]]
        t.ok(a["QueryId"] in whole and len(whole) >= 3, "in the other's list")
        t.equal(listed, whole[:len(listed)], "page by page")
        for wrong, error in (({}, "ValidationException"), ({"EventDataStore": "nobody's"}, "EventDataStoreARNInvalidException"), ({"EventDataStore": "11111111-2222-3333-4444-555555555555"}, "EventDataStoreNotFoundException"), ({"EventDataStore": "events", "MaxResults": 0}, "InvalidMaxResultsException"),
                             ({"EventDataStore": "events", "QueryStatus": "x"}, "InvalidQueryStatusException"), ({"EventDataStore": "events", "StartTime": 2, "EndTime": 1}, "InvalidDateRangeException"),
                             ({"EventDataStore": "events", "NextToken": "x"}, "InvalidNextTokenException")):
            t.equal(other.call("ListQueries", wrong, prefix=AWS)[1].get("__type", "").split("#")[-1], error, "%r" % wrong)


def an_event_data_store_is_every_stores(t):
    """Made at one, with what another one takes; tests/e2e/clickhouse_stores.py and clickhouse_retention.py have all of it."""
    def asked(s, operation, **body):
        status, a = s.call(operation, body, prefix=AWS)
        return a if status == 200 else a.get("__type", str(status)).split("#")[-1]

    def made(s, name, event):
        wanted = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "eventName", "Equals": [event]}]}]
        return asked(s, "CreateEventDataStore", Name=name, AdvancedEventSelectors=wanted, TerminationProtectionEnabled=False)["EventDataStoreArn"].split("/")[1]

    def count(s, which):
        q = {"QueryId": asked(s, "StartQuery", QueryStatement="SELECT count(*) FROM " + which)["QueryId"]}
        t.must(tap.wait_for(lambda: asked(s, "DescribeQuery", **q)["QueryStatus"] == "FINISHED"), "it ends")
        return int(asked(s, "GetQueryResults", **q)["QueryResultRows"][0][0]["_col0"])
    with store(clickhouse_database="made") as one, store(clickhouse_database="made") as two:
        opens, others = made(one, "opens", "openat"), made(two, "others", "unlinkat")
        t.equal([len(asked(s, "ListEventDataStores")["EventDataStores"]) for s in (one, two)], [3, 3], "with the built-in one")
        time.sleep(2.5)  # until every store goes by what was changed at one
        for s in (two, one):
            with Client(PKI, "a", s.ports["ingest"], PB) as c:
                t.equal({x for x, _ in c.ship(*PKI.frames("a", new_stream(), count=3))}, {STORED}, "frames")
            if s is two:
                t.equal(asked(s, "StopEventDataStoreIngestion", EventDataStore=opens), {}, "no more")
                time.sleep(2.5)
        t.equal([(count(s, opens), count(s, others)) for s in (one, two)], [(12, 0)] * 2, "what came until it was stopped, of what it wants")
        t.ok(isinstance(asked(two, "DeleteEventDataStore", EventDataStore=others), dict), "deleted")
        t.equal(asked(one, "GetEventDataStore", EventDataStore=others)["Status"], "PENDING_DELETION", "GetEventDataStore")
        t.equal(asked(one, "StartQuery", QueryStatement="SELECT 1 FROM " + others), "InactiveEventDataStoreException", "a query")


def frames_are_evidence(t):
    """More of it: clickhouse_evidence.py."""
    ours, embedded = both()
    for s in (ours, embedded):
        status, faults, text = bucketkit.verify(s.dir)
        chains = [x for x in map(json.loads, text.splitlines()) if x.get("host") in PKI.ids.values()]
        t.equal((status, faults, len(chains), sum(x["records"] for x in chains)), (0, [], 2, size("clickhouse.records") + 600), text)


def write_again(server, stream, by):
    """All rows of the stream once more, as another batch's."""
    names = [x for x, in server.rows("SELECT name FROM system.columns WHERE database = 'hosttrail' AND table = 'trail_rows_2'")]
    server.ask("INSERT INTO trail_rows_2 (%s) SELECT %s FROM trail_rows_2 WHERE stream = '%s'" % (
        ", ".join("`%s`" % x for x in names), ", ".join("batch + %d" % by if x == "batch" else "`%s`" % x for x in names), stream), "hosttrail")


def what_two_stores_wrote_is_there_once(t):
    """As if a store had died with its INSERT under way, and another had written the same frames meanwhile. Twice: at first a store looks at all that there is,
    later at what is young, whatever day it is where the servers think they are."""
    stream, server = new_stream(), cluster().servers[0]
    frames = PKI.frames("a", stream, count=5)
    with store() as s, Client(PKI, "a", s.ports["ingest"], PB) as c:
        c.ship(*frames)
        t.must(replicated(stream, expected(frames), 4), "the frames are there")
        for n in (1, 2):
            write_again(server, stream, n)
            t.equal((len(ledger(server, stream)), records(server, stream)), (10, (40, 20)), "there twice")
            t.ok(tap.wait_for(lambda: s.metric("clickhouse_doubles_total") == 5 * n, size("clickhouse.patience")), "it is seen")  # looking may take a twentieth of the time
            seen = lambda: [e for e in lookup(s, "EventName", "openat", pages=4) if e["EventId"] in ids]
            ids = {x for x, in server.rows("SELECT eventid FROM trail_rows_2 WHERE kind = 0 AND stream = '%s'" % stream)}
            t.equal((len(ids), len(seen())), (20, 20), "and not shown twice")
            t.ok(replicated(stream, expected(frames), 4), "and taken out: %r" % [(len(ledger(x, stream)), records(x, stream)) for x in cluster().servers])


def two_shards_are_one(t):
    """Hosts are spread over two shards; repeats, lookups and SQL know both; users' SQL comes as a user who can only read."""
    if not size("clickhouse.shards"):
        raise tap.Skip("at full size only: it needs a cluster of its own")
    c = Cluster(("01", "02"))
    PLACE.clusters.insert(0, c)
    try:
        names = ["host%d" % i for i in range(8)]
        sent = {x: PKI.frames(x, new_stream(), count=3) for x in names if PKI.host(x)}
        with store(clickhouse_query_user="questions", clickhouse_query_password_file=c.dir + "/password") as s:
            for x in names * 2:  # each twice
                with Client(PKI, x, s.ports["ingest"], PB) as client:
                    t.equal(client.ship(*sent[x]), [(STORED, "")] * 3, x)
            there = [int(x.ask("SELECT count() FROM hosttrail.trail_rows_2 WHERE kind = 1 AND records = 4")) for x in c.servers]
            t.ok(sum(there) == 24 and min(there) > 0, "frames on each shard: %r" % there)
            t.equal(s.metric("clickhouse_repeats_total"), 24, "repeats")
            t.equal(len(chcases.lookup(s, "EventName", "openat")), 96, "looked up")
            for sql in ("SELECT count(*) FROM events WHERE eventname = 'openat'",
                        "SELECT count(*) FROM events WHERE eventid IN (SELECT eventid FROM events WHERE eventname = 'openat')",
                        "SELECT n FROM (SELECT eventname, count(*) AS n FROM events GROUP BY eventname) WHERE eventname = 'openat'"):
                t.equal(chcases.query(s, sql), ([["96"]], None), sql)
    finally:
        PLACE.clusters.remove(c)
        c.end()


def two_shards_with_quorum_two(t):
    """Two replicas of each of two shards, quorum 2: what is acknowledged is on both replicas of its shard, whoever of the four is killed; what is not is
    there once when it is sent again. What is there is found while one of them is down."""
    if not size("clickhouse.shards"):
        raise tap.Skip("at full size only: it needs a cluster of its own")
    c = Cluster(("01", "01", "02", "02"))
    PLACE.clusters.insert(0, c)
    try:
        with store(clickhouse_quorum="2", clickhouse_linger="20ms") as one, store(clickhouse_quorum="2", clickhouse_linger="20ms") as two:
            streams = a_replica_is_down(t, c, one, two)
            replicas_are_killed_under_load(t, c, one, two)
        for stream, frames in streams.items():
            t.equal(in_shards(c, stream), [expected(frames)] * 2, "both replicas of its shard, and those of no other")
    finally:
        PLACE.clusters.remove(c)
        c.end()


def in_shards(c, stream):
    """What each server has of it, of those that have something."""
    return [x for x in (ledger(s, stream) for s in c.servers) if x]


def a_replica_is_down(t, c, one, two):
    """The last server is killed, of the second shard. The frames of all streams."""
    hosts, frames = hosts_of(PKI, 3), {}
    for x in hosts:
        stream = new_stream()
        frames[x] = (stream, PKI.frames(x, stream, count=4))
    for x in hosts:
        stream, made = frames[x]
        with Client(PKI, x, one.ports["ingest"], PB) as client:
            t.equal(client.ship(*made[:2]), [(STORED, "")] * 2, x)
        t.equal(in_shards(c, stream), [expected(made[:2])] * 2, "on both replicas of one shard when it is acknowledged")
        t.equal(bool(ledger(c.servers[2], stream)), x in hosts[3:], "the shard that follows from the host's id")
    c.servers[3].kill()
    for x in (hosts[3], hosts[0]):
        stream, made = frames[x]
        with Client(PKI, x, one.ports["ingest"], PB) as client:
            try:
                answer = client.ship(*made[2:], timeout=3)
            except grpc.RpcError as e:
                answer = e.code()
        if x == hosts[0] and answer == [(STORED, "")] * 2:
            t.equal([ledger(s, stream) for s in c.servers[:2]], [expected(made)] * 2, "acknowledged by the shard that is whole")
        else:
            t.ok(answer in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), "not acknowledged: %r" % (answer,))
    t.ok(tap.wait_for(lambda: one.get("/readyz")[0] == 503), "the store says that it takes nothing")
    # another store has nothing under way: it answers, and shows what was acknowledged
    t.ok(len(lookup(two, "EventName", "openat")) >= 8 * len(hosts), "looked up, one of four down")
    rows, why = chcases.query(two, "SELECT count(DISTINCT eventid) FROM events WHERE eventname = 'openat'")
    t.ok(rows and int(rows[0][0]) >= 8 * len(hosts), "asked in SQL: %r %r" % (rows, why))
    c.servers[3].start()
    c.until(c.servers[3].up, "the server that was killed")
    t.ok(tap.wait_for(lambda: one.get("/readyz")[0] == 200), "and that it does again")
    for x in hosts:
        with Client(PKI, x, two.ports["ingest"], PB) as client:
            t.equal(client.ship(*frames[x][1], timeout=60), [(STORED, "")] * 4, "all of %s again, at another store" % x)
    t.equal(len(lookup(two, "EventName", "openat")), 16 * len(hosts), "each record once")
    t.equal(chcases.query(one, "SELECT count(*), count(DISTINCT eventid) FROM events WHERE eventname = 'openat'"), ([[str(16 * len(hosts))] * 2], None), "in SQL, too")
    return dict(frames.values())


def replicas_are_killed_under_load(t, c, one, two):
    """A host of each shard ships while a replica of each is killed, one after the other."""
    n, hosts, streams = size("clickhouse.frames") // 4, hosts_of(PKI, 1), [new_stream(), new_stream()]
    where = [PLACE.next("load") for _ in hosts]
    for d in where:
        for x in ("spool", "cursor"):
            os.makedirs(os.path.join(d, x))
    writers = [spool(PKI, d, stream, 1, n, records=20, pause=2, name=x, wait=False) for x, d, stream in zip(hosts, where, streams)]
    forwarders = [Forwarder(PKI, d, one.ports["ingest"], two.ports["ingest"], host=x) for x, d in zip(hosts, where)]
    try:
        for victim, part in ((c.servers[1], n // 8), (c.servers[2], n // 2)):
            t.must(tap.wait_for(lambda: all(len(ledger(s, stream)) > part for s, stream in zip((c.servers[0], c.servers[3]), streams)), size("clickhouse.patience")), "frames arrive")
            victim.kill()
            time.sleep(2)  # longer than its session: it is back as soon as it answers
            victim.start()
            c.until(victim.up, "the server that was killed")
        hashes = {}
        for stream, writer in zip(streams, writers):
            writer.wait()
            writer.lines.thread.join(10)
            hashes[stream] = list(enumerate(line.split()[1] for line in writer.lines.all()))
            t.equal(len(hashes[stream]), n, "frames written")
        t.ok(all(f.drained(120) for f in forwarders), "everything is acknowledged: %r" % [f.status()["lag"] for f in forwarders])
        for stream, want in hashes.items():
            got = in_shards(c, stream)
            t.ok(got == [want] * 2, "nothing is missing or there twice: %r of %d" % ([len(x) for x in got], n))
    finally:
        for f in forwarders:
            f.kill()


if __name__ == "__main__":
    try:
        tap.main([acknowledged_is_in_the_cluster_once, what_two_stores_wrote_is_there_once, what_is_odd_is_said, with_a_quorum_nothing_is_acknowledged_by_one_server,
                  a_server_is_killed_under_load, a_store_is_killed_and_the_other_goes_on, lookups_find_what_the_embedded_engine_finds,
                  answers_of_sql_are_the_embedded_engines, hostile_statements_are_refused, frames_are_evidence, a_query_is_every_stores, an_event_data_store_is_every_stores, two_shards_are_one,
                  two_shards_with_quorum_two])
    finally:
        for x in _both:
            x.stop()
        PLACE.end()
