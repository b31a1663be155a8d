#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240 extra
"""A replica of a real ClickHouse cluster that fetches nothing any more while it answers: whatever is asked of whichever store, what was acknowledged is in
the answer, also what the other replica alone has; nothing is written twice or said to be missing because of it."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import bucketkit
import chcases
import tap
from chcases import AWS, lookup
from chkit import Cluster, Clustered
from shipkit import STORED, Client, frame_hash, new_stream

PLACE = Clustered("a")
PB, PKI, store = PLACE.pb, PLACE.pki, PLACE.store
S = {}


def stores(c):
    """One that writes to the first server, and one that would ask the last."""
    urls = [x.url for x in c.servers]
    S["ahead"], S["behind"] = store(clickhouse_servers=urls, clickhouse_linger="10ms"), store(clickhouse_servers=urls[::-1], clickhouse_linger="10ms")


def fetches(server, how):
    for table in ("trail_rows_2", "trail_query_rows_1"):
        server.ask("SYSTEM %s FETCHES hosttrail.%s" % (how, table))


def ids_of(server, stream):
    return {x for x, in server.rows("SELECT eventid FROM trail_rows_2 WHERE kind = 0 AND stream = '%s'" % stream)}


def number(s, sql):
    rows, why = chcases.query(s, sql)
    return int(rows[0][0]) if rows else why


def ship(name, *frames, host="a"):
    with Client(PKI, host, S[name].ports["ingest"], PB) as c:
        return c.ship(*frames)


def what_one_replica_has_is_found(t):
    servers, stream = PLACE.cluster().servers, new_stream()
    stores(PLACE.cluster())
    frames = PKI.frames("a", stream, count=8)
    t.equal(ship("ahead", *frames[:2]), [(STORED, "")] * 2, "before")
    t.must(tap.wait_for(lambda: len(ids_of(servers[1], stream)) == 8), "both have it")
    fetches(servers[1], "STOP")
    try:
        for n in range(3, 7):
            t.equal(ship("ahead", frames[n - 1]), [(STORED, "")], "frame %d" % n)
            found = {e["EventId"] for e in lookup(S["behind"], "EventName", "openat", pages=4)}
            t.equal(len(ids_of(servers[0], stream) & found), 4 * n, "looked up")
            t.equal(number(S["behind"], "SELECT count(*) FROM events WHERE eventname = 'openat'"), 4 * n, "counted in SQL")
        t.equal((len(ids_of(servers[0], stream)), len(ids_of(servers[1], stream))), (24, 8), "the second replica had nothing of it")
        with Client(PKI, "a", S["behind"].ports["ingest"], PB) as c:
            t.equal(c.heads(stream), {1: (6, frame_hash(frames[5]))}, "heads")
        event = sorted(ids_of(servers[0], stream) - ids_of(servers[1], stream))[0]
        status, a = S["behind"].call("Prove", {"EventId": event})
        t.ok(status == 200 and len(a.get("Chain", [])) >= 2, "proved: %r %d frames of its chain" % (status, len(a.get("Chain", []))))
        status, faults, text = bucketkit.verify(S["behind"].dir)
        t.ok(status == 0 and not faults and '"records":24' in text.replace(" ", ""), "verified: %r %r" % (faults, text[:300]))
        hosts = S["behind"].call("Status", {})[1]["Hosts"]
        t.equal([h["Frames"] for h in hosts if h["HostId"] == PKI.ids["a"]], [6], "Status")
        q = S["ahead"].call("StartQuery", {"QueryStatement": "SELECT count(*) FROM events"}, prefix=AWS)[1]
        status, d = S["behind"].call("DescribeQuery", q, prefix=AWS)
        t.equal(status, 200, "the query of another store: %r" % d)
        t.must(tap.wait_for(lambda: S["behind"].call("DescribeQuery", q, prefix=AWS)[1].get("QueryStatus") == "FINISHED"), "it ends")
        t.equal(len(S["behind"].call("GetQueryResults", q, prefix=AWS)[1]["QueryResultRows"]), 1, "its rows")
        # what the other store took is a repeat here, and goes on a chain of which nothing is missing
        t.equal(ship("behind", *frames), [(STORED, "")] * 8, "all again, and more, at the other store")
        t.equal(S["behind"].metric("clickhouse_repeats_total"), 6, "repeats")
        for name in ("RecordsLost", "ChainBroken", "GapFilled"):
            t.equal([e for e in lookup(S["behind"], "EventName", name) if stream in e["CloudTrailEvent"]], [], name)
        # now each of them may have what the other one has not
        found = {e["EventId"] for e in lookup(S["ahead"], "EventName", "openat", pages=4)}
        t.equal(len((ids_of(servers[0], stream) | ids_of(servers[1], stream)) & found), 32, "looked up at the other store")
    finally:
        fetches(servers[1], "START")
    t.ok(tap.wait_for(lambda: all(len(ids_of(s, stream)) == 32 for s in servers)), "both have all of it, once")
    t.equal([int(s.ask("SELECT count() FROM hosttrail.trail_rows_2 WHERE kind = 1 AND stream = '%s'" % stream)) for s in servers], [8, 8], "frames")


def each_has_what_the_other_has_not(t):
    """Then no answer can have all: there is none until one of them has fetched."""
    servers, streams = PLACE.cluster().servers, [new_stream(), new_stream()]
    for s in servers:
        fetches(s, "STOP")
    try:
        t.equal(ship("ahead", *PKI.frames("a", streams[0], count=1, seed=5)), [(STORED, "")], "one")
        names = [x for x, in servers[0].rows("SELECT name FROM system.columns WHERE database = 'hosttrail' AND table = 'trail_rows_2'")]
        servers[1].ask("INSERT INTO trail_rows_2 (%s) SELECT %s FROM trail_rows_2 WHERE kind = 1 LIMIT 1" % (
            ", ".join("`%s`" % x for x in names), ", ".join({"stream": "'%s'" % streams[1], "batch": "batch + 7", "framekey": "framekey + 7"}.get(x, "`%s`" % x) for x in names)), "hosttrail")
        for who in ("ahead", "behind"):
            status, a = S[who].call("LookupEvents", {}, prefix=AWS)
            t.equal((status, a.get("__type", "").split("#")[-1]), (503, "ServiceUnavailableException"), "neither has all: %s" % who)
    finally:
        for s in servers:
            fetches(s, "START")
    t.ok(tap.wait_for(lambda: S["behind"].call("LookupEvents", {}, prefix=AWS)[0] == 200), "and when they have fetched")


def the_one_that_is_left_answers(t):
    """Quorum 0: what a server that is gone alone had is not there until it is back, and all else is."""
    servers, stream = PLACE.cluster().servers, new_stream()
    before = number(S["ahead"], "SELECT count(*) FROM events WHERE eventname = 'openat'")
    fetches(servers[1], "STOP")
    t.equal(ship("ahead", *PKI.frames("a", stream, count=1, seed=8)), [(STORED, "")], "taken by the first alone")
    servers[0].kill()
    fetches(servers[1], "START")
    t.ok(tap.wait_for(lambda: number(S["behind"], "SELECT count(*) FROM events WHERE eventname = 'openat'") == before), "the others' rows")
    t.equal(S["behind"].call("LookupEvents", {}, prefix=AWS)[0], 200, "and looked up")
    servers[0].start()
    PLACE.cluster().until(servers[0].up, "the server that was killed")
    t.ok(tap.wait_for(lambda: number(S["behind"], "SELECT count(*) FROM events WHERE eventname = 'openat'") == before + 4), "and all when it is back")


def without_zookeeper(t):
    """Nothing new can be acknowledged then, and what was is shown."""
    c, before = PLACE.cluster(), number(S["ahead"], "SELECT count(*) FROM events WHERE eventname = 'openat'")
    t.must(isinstance(before, int), "before: %r" % before)
    c.keeper.kill()
    c.keeper.wait()
    for seconds in (0, 3):  # its session is over then
        time.sleep(seconds)
        for who in ("ahead", "behind"):
            status, a = S[who].call("LookupEvents", {}, prefix=AWS)
            t.ok(status == 200 and a["Events"], "%s: looked up: %r" % (who, status))
    c.keeper = None


def two_shards(t):
    """One lagging replica in each of two shards: no server alone could answer for both."""
    c = Cluster(("01", "01", "02", "02"))
    PLACE.clusters.insert(0, c)
    try:
        stores(c)
        hosts = chcases.hosts_of(PKI, 1)
        for lags in ((1,), (1, 3), (0, 2)):
            for i in lags:
                fetches(c.servers[i], "STOP")
            before = number(S["behind"], "SELECT count(*) FROM events WHERE eventname = 'openat'")
            t.must(isinstance(before, int), "before: %r" % before)
            for host in hosts:
                # by the store that writes to the replicas which do not lag
                t.equal(ship("ahead" if 1 in lags else "behind", *PKI.frames(host, new_stream(), count=2, seed=sum(lags)), host=host), [(STORED, "")] * 2, host)
            for who in ("ahead", "behind"):
                begun = time.monotonic()
                t.equal(number(S[who], "SELECT count(*) FROM events WHERE eventname = 'openat'"), before + 16, "%s counts, %r lag" % (who, lags))
                t.equal(len(lookup(S[who], "EventName", "openat", pages=4)), before + 16, "%s looks up" % who)
                print("# %.2f s" % (time.monotonic() - begun))
            for i in lags:
                fetches(c.servers[i], "START")
            t.must(tap.wait_for(lambda: len({x.ask("SELECT count() FROM hosttrail.trail_rows_2") for x in c.servers[:2]}) == 1 ==
                                len({x.ask("SELECT count() FROM hosttrail.trail_rows_2") for x in c.servers[2:]})), "they have fetched")
    finally:
        PLACE.clusters.remove(c)
        c.end()


if __name__ == "__main__":
    try:
        tap.main([what_one_replica_has_is_found, each_has_what_the_other_has_not, the_one_that_is_left_answers, without_zookeeper, two_shards])
    finally:
        PLACE.end()
