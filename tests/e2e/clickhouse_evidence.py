#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 extra
"""`hosttrail verify` against stores in front of a real ClickHouse cluster: what it finds is what it finds of the same frames in an embedded store, sound
ones, and such as somebody who holds the servers has taken out, changed, or put in."""
import base64
import datetime
import itertools
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import bucketkit
import tap
from chcases import lookup, query
from chkit import Clustered
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from movedclock import MovedClock
from shipkit import STORED, Client, frame_hash, new_stream
from storekit import Store

PLACE = Clustered("a", "b", zone="Pacific/Kiritimati")
PB, PKI, cluster, store = PLACE.pb, PLACE.pki, PLACE.cluster, PLACE.store
S = {}


def ship(s, frames, host="a"):
    with Client(PKI, host, s.ports["ingest"], PB) as c:
        for i in range(0, len(frames), 100):
            assert {x for x, _ in c.ship(*frames[i:i + 100], timeout=60)} == {STORED}


def findings(s, *args):
    """(exit status, the hosts' chains, faults without where they lie)."""
    status, faults, text = bucketkit.verify(s.dir, *args)
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    chains = [x for x in rows if x.get("host") in PKI.ids.values()]
    return status, sorted(chains, key=str), sorted(re.sub("^what lies at .*?: ", "", x) for x in faults) or text * (status != 0)


def everywhere(sql, until, answer):
    """A statement on a server, and until both have what it does."""
    cluster().servers[0].ask(sql, "hosttrail")
    assert tap.wait_for(lambda: all(s.ask(until, "hosttrail") == answer for s in cluster().servers))


def both():
    """A store over the cluster, another one, and an embedded one with the same frames."""
    if not S:
        S["ours"], S["second"], S["embedded"] = store(), store(), Store(PLACE.next("store"), **PLACE.keys())
        S["stream"], S["other"] = new_stream(), new_stream()
        S["frames"] = PKI.frames("a", S["stream"], count=40) + PKI.frames("a", S["stream"], chain=2, count=7)
        others = PKI.frames("b", S["other"], count=5, records=2)
        for s in (S["ours"], S["embedded"]):
            ship(s, S["frames"][:30])
            ship(s, others, "b")
        for s in (S["second"], S["embedded"]):
            ship(s, S["frames"][30:])
    return S["ours"], S["second"], S["embedded"]


def sound_frames(t):
    ours, second, embedded = both()
    want = findings(embedded)
    t.equal((want[0], len(want[1]), want[2]), (0, 3, ""), "the embedded store's: %r" % (want,))
    t.equal(findings(ours), want, "the cluster's")
    t.equal(findings(second), want, "by another store, at once")


def frames_are_shown_as_they_were_taken(t):
    ours, second, embedded = both()

    def shown(s, n):
        got, how = [], {"MaxResults": n, "Payload": True}
        for i in range(200):
            a = (ours, second)[i % 2].call("Verify", how)[1] if s is None else s.call("Verify", how)[1]
            assert len(a["Frames"]) <= n
            got += a["Frames"]
            if "NextToken" not in a:
                return {(f["Stream"], f["Chain"], f["Number"]): {k: v for k, v in f.items() if k not in ("Position", "ReceivedTime")}
                        for f in got if not f["Own"]}, len([f for f in got if not f["Own"]])
            how["NextToken"] = a["NextToken"]

    want = shown(embedded, 500)
    t.equal(want[1], 52, "frames")
    for n in (500, 7, 1):
        got = shown(None, n)
        t.equal(got[1], want[1], "pages of %d: frames, by one store and by another" % n)
        t.equal([(k, got[0].get(k), v) for k, v in want[0].items() if got[0].get(k) != v][:1], [], "pages of %d" % n)
    f = want[0][(S["stream"], "data", 3)]
    t.ok(base64.b64decode(f["Header"]) + base64.b64decode(f["Payload"]) == S["frames"][3], "the bytes")
    t.equal(ours.call("Verify", {"NextToken": "x"})[1]["__type"], "InvalidNextTokenException", "a wrong token")


def only_what_came_in_a_time(t):
    ours, _, _ = both()
    all_ = ours.call("Verify", {"MaxResults": 500})[1]["Frames"]
    times = sorted(f["ReceivedTime"] for f in all_)
    middle = times[len(times) // 2]  # they are shown cut to milliseconds
    for how, want in (({"StartTime": middle}, [x for x in times if x >= middle]), ({"EndTime": middle}, [x for x in times if x < middle]),
                      ({"StartTime": times[-1] + 1}, []), ({"EndTime": times[0] - 1}, []), ({"StartTime": 1, "EndTime": 4e9}, times)):
        a = ours.call("Verify", {**how, "MaxResults": 500})[1]
        got = sorted(f["ReceivedTime"] for f in a["Frames"])
        t.equal(got, want, "%r" % how)


def key(host):
    with open(PKI.file(host + ".sign"), "rb") as f:
        return load_pem_private_key(f.read(), None).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def prove(s, event, *args):
    bucketkit.instance(s.dir)
    r = subprocess.run([tap.program("hosttrail"), "verify", "--format", "json", "--dir", s.dir + "/instance", "--event", event, *args],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return r.returncode, json.loads(r.stdout) if r.stdout else r.stderr


def ids(stream, number, chain=1):
    return [x for x, in cluster().servers[0].rows("SELECT eventid FROM trail_rows_2 WHERE kind = 0 AND stream = '%s' AND number = %d AND chain = %d "
                                                  "ORDER BY record" % (stream, number, chain))]


def a_record_is_proven(t):
    ours, second, embedded = both()
    for number, record in ((0, 0), (12, 3), (39, 1)):
        event = ids(S["stream"], number)[record]
        want = prove(embedded, event, "--key", key("a"))
        t.equal((want[0], want[1]["verdict"], want[1]["frame"], want[1]["record"], want[1]["after"]), (0, "valid", number, record, 39 - number), "embedded")
        for s in (ours, second):
            t.equal(prove(s, event, "--key", key("a")), want, "frame %d" % number)
        t.equal(prove(ours, event, "--ca", PKI.file("ca.crt"))[1]["vouchedBy"], "ca", "by the certificate that the host showed this store")
        t.equal(prove(ours, event, "--key", key("b"))[1]["verdict"], "invalid", "another host's key")
    path = PLACE.next("proof")
    t.equal(prove(ours, event, "--key", key("a"), "--output", path)[0], 0, "as a file")
    r = subprocess.run([tap.program("hosttrail"), "verify", "--proof", path, "--key", key("a")], stdout=subprocess.PIPE, text=True)
    t.equal(r.returncode, 0, r.stdout)
    t.equal(ours.call("Prove", {"EventId": "4c1f0000-0000-4000-8000-000000000009"})[1]["__type"], "ResourceNotFoundException", "no such record")


def a_long_chain_with_a_gap_and_a_fork(t):
    ours, _, embedded = both()
    stream = new_stream()
    frames = PKI.frames("b", stream, count=700, records=1)
    late = PKI.frames("b", stream, first=2000, count=3, records=1, seed=5)
    fork = PKI.frames("b", stream, first=690, count=2, records=1, seed=6, previous=frame_hash(frames[689]))
    for s in (ours, embedded):
        for some in (frames, late, fork):
            ship(s, some, "b")
    assert tap.wait_for(lambda: ids(stream, 2002))
    assert tap.wait_for(lambda: embedded.metric("index_behind_bytes") == 0)
    t.equal(findings(ours), findings(embedded), "what is missing, and what is there twice")
    for number in (0, 688, 2000):
        event = ids(stream, number)[0]
        t.equal(prove(ours, event, "--key", key("b")), prove(embedded, event, "--key", key("b")), "frame %d" % number)
    S["faults"] = findings(embedded)[2]


def what_is_tampered_with_is_found(t):
    ours, _, _ = both()
    stream, rows = new_stream(), "SELECT count() FROM trail_rows_2 WHERE kind = 1 AND stream = '%s'"
    frames = PKI.frames("a", stream, count=9)
    ship(ours, frames)
    count = rows % stream
    assert tap.wait_for(lambda: all(s.ask(count, "hosttrail") == "9\n" for s in cluster().servers))
    events = {n: ids(stream, n)[0] for n in range(9)}
    name = "host %.40s stream %.8s data frame " % (PKI.ids["a"], stream)
    known = list(S.get("faults") or [])

    def new():
        status, _, faults = findings(ours)
        t.equal(status, 1, "exit status")
        left = list(faults)
        for x in known:
            left.remove(x)
        known[:] = faults
        return left

    where = "kind = 1 AND stream = '%s' AND chain = 1 AND number = " % stream
    everywhere("ALTER TABLE trail_rows_2 DELETE WHERE " + where + "2", count, "8\n")
    t.equal(new(), [name + "3: frames 2 to 2 before it are missing"], "a frame's row is gone")
    t.equal(ours.call("Prove", {"EventId": events[2]})[1]["__type"], "ResourceNotFoundException", "its record has no proof")
    # 18.16 has no UPDATE: what is changed is taken out and put in again
    columns = [x for x, in cluster().servers[0].rows("SELECT name FROM system.columns WHERE database = 'hosttrail' AND table = 'trail_rows_2'")]

    # with keys of their own: else the stores would take them for frames that two of them wrote, and take one of both out, in seconds
    steps = itertools.count()

    def put(number, **change):
        change["framekey"] = "framekey + %d" % 10 ** next(steps)
        cluster().servers[0].ask("INSERT INTO trail_rows_2 (%s) SELECT %s FROM trail_rows_2 WHERE %s%d" % (
            ", ".join("`%s`" % x for x in columns), ", ".join(change.get(x, "`%s`" % x) for x in columns), where, number), "hosttrail")
        assert tap.wait_for(lambda: len({s.ask(count, "hosttrail") for s in cluster().servers}) == 1)

    changed = "concat(substring(frame, 1, length(frame) - 9), 'x', substring(frame, length(frame) - 7, 8))"
    put(5, frame=changed, batch="batch + 1")
    everywhere("ALTER TABLE trail_rows_2 DELETE WHERE %s5 AND batch != %s" % (where, cluster().servers[0].rows(
        "SELECT max(batch) FROM trail_rows_2 WHERE %s5" % where)[0][0]), count, "8\n")
    t.equal(new(), sorted([name + "6: frames 5 to 5 before it are missing", "the frame's checksum differs"]), "a frame's bytes are changed")
    t.equal(ours.call("Prove", {"EventId": events[5]})[1]["__type"], "ResourceNotFoundException", "its record has no proof")
    put(7, host="'somebody'", batch="batch + 1")
    t.equal(new(), ["host somebody stream %.8s data frame 7: frames 0 to 6 before it are missing" % stream], "a frame is said to be another host's")
    put(7, hostkey="'%s'" % key("b"), batch="batch + 2", received="received + 1")
    got = new()
    t.ok(name + "7: its signature is not of the host's key" in got, "another key is said to be the host's: %r" % got)
    put(8, hostkey="'no key'", batch="batch + 3")
    t.equal(new(), ["the frame's checksum differs"], "no key at all")
    status, said = prove(ours, events[0], "--key", key("a"))
    t.equal((status, said["verdict"], said["after"], said["gap"]), (0, "valid", 1, True), "what is before it is proven up to there")


DAYS = 10


def days_later(clock, **settings):
    """A store over whose machine that many days have passed, and the clients that ask it."""
    clock.set(wall=DAYS * 86400, running=DAYS * 86400)
    s = store(environ=clock.environ, **settings)
    call = s.call
    s.call = lambda *args, **how: call(*args, when=datetime.datetime.utcnow() + datetime.timedelta(days=DAYS), **how)
    return s


def a_day_is_dropped(t):
    """Retention over a cluster: a day goes on all replicas, and nothing else does. What is left is found, known when it comes again, and gone on with."""
    stream, quiet, clock = new_stream(), new_stream(), MovedClock(PLACE.dir)
    frames, few = PKI.frames("a", stream, count=12), PKI.frames("b", quiet, count=4)
    of = "SELECT countIf(kind = 1), countIf(kind = 0) FROM trail_rows_2 WHERE stream = '%s'"
    there = lambda x, want: tap.wait_for(lambda: all(s.ask(of % x, "kept") == "%d\t%d\n" % (want, 4 * want) for s in cluster().servers))
    with store(clickhouse_database="kept") as s:
        ship(s, frames[:6])
        ship(s, few[:3], "b")
    with days_later(clock, clickhouse_database="kept") as s:
        ship(s, frames[6:10])
        t.must(there(stream, 10) and there(quiet, 3), "both servers have all")
        days = cluster().servers[0].ask("SELECT DISTINCT day FROM trail_rows_2 ORDER BY day", "kept").split()
        t.equal(len(days), 2, "days: %r" % days)
        # another replica would pass it on to this one, 18.16 without a password
        leads = "SELECT is_leader FROM system.replicas WHERE database = 'kept' AND table = 'trail_rows_2'"
        leader, = (x for x in cluster().servers if x.ask(leads) == "1\n")
        leader.ask("ALTER TABLE trail_rows_2 DROP PARTITION '%s'" % days[0], "kept")
        t.ok(there(stream, 4) and there(quiet, 0), "the day is gone from both servers, the other is not")
        left = {i for i, in (x.split("\t") for x in cluster().servers[0].ask("SELECT eventid FROM trail_rows_2 WHERE kind = 0 AND stream = '%s'" % stream, "kept").splitlines())}
        found = {e["EventId"] for e in lookup(s, "EventName", "openat")}
        t.equal((len(left), found), (16, left), "looked up")
        t.equal(query(s, "SELECT count(*), count(DISTINCT eventid) FROM events WHERE eventname = 'openat'"), ([["16", "16"]], None), "asked in SQL")
        with Client(PKI, "a", s.ports["ingest"], PB) as c:
            t.equal(c.heads(stream), {1: (10, frame_hash(frames[9]))}, "the chain's head")
        ship(s, frames[6:12])
        t.ok(there(stream, 6), "the same again and more: %r" % [x.ask(of % stream, "kept") for x in cluster().servers])
        said = lambda name: [e["CloudTrailEvent"] for e in lookup(s, "EventName", name)]
        t.equal((said("RecordsLost"), said("ChainBroken")), ([], []), "nothing is amiss")
        os.environ.update(clock.environ)
        try:
            status, chains, faults = findings(s)
        finally:
            for k in clock.environ:
                del os.environ[k]
        t.equal((status, faults), (1, ["host %.40s stream %.8s data frame 6: frames 0 to 5 before it are missing" % (PKI.ids["a"], stream)]), "verify misses what is gone")
        t.equal([x["host"] for x in chains], [PKI.ids["a"]], "a chain that was all of that day is not told")
        ship(s, few[3:], "b")
        t.ok(tap.wait_for(lambda: len(said("RecordsLost")) == 1), "a host whose youngest frame was of that day goes on: what is missing before it is said: %r" % said("RecordsLost"))
        t.equal(said("ChainBroken"), [], "and nothing else")


def a_clean_end(t):
    for s in both():
        t.equal(s.stop(), 0, "exit status")
        t.ok("ERROR: " not in s.stderr(), "no sanitizer report")


if __name__ == "__main__":
    try:
        tap.main([sound_frames, frames_are_shown_as_they_were_taken, only_what_came_in_a_time, a_record_is_proven, a_long_chain_with_a_gap_and_a_fork,
                  what_is_tampered_with_is_found, a_day_is_dropped, a_clean_end])
    finally:
        PLACE.end()
