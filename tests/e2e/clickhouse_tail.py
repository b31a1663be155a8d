#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 extra
"""Tail of stores in front of a real ClickHouse cluster: each record once, in one order that all stores tell alike, whichever store took it and
whichever is asked, and when the store that puts them in order is killed."""
import json
import os
import signal
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import bucketkit
import tap
from chkit import Clustered
from shipkit import STORED, Client, frame_hash, new_stream

PLACE = Clustered("a", "b", zone="Pacific/Kiritimati")
PB, PKI, cluster = PLACE.pb, PLACE.pki, PLACE.cluster
S = {"streams": {}}


def store(**more):
    return PLACE.store(delivery_interval="1s", clickhouse_linger="20ms", **more)


def ship(s, host="a", count=3, **how):
    """The next frames of the host's stream; their records' places are (host, number, record)."""
    stream, first, last = S["streams"].get(host, (new_stream(), 0, None))
    frames = PKI.frames(host, stream, first=first, count=count, previous=last, **how)
    with Client(PKI, host, s.ports["ingest"], PB) as c:
        assert c.ship(*frames, timeout=60) == [(STORED, "")] * count
    S["streams"][host] = (stream, first + count, frame_hash(frames[-1]))


def in_the_cluster():
    return {x for x, in cluster().servers[0].rows("SELECT eventid FROM trail_2 WHERE kind = 0 AND eventsource != 'trail.hosttrail'")}


class Tail:
    """Goes on from answer to answer, at any of its stores by turns."""

    def __init__(self, *stores, who={}, **how):
        self.who = who
        self.stores, self.how, self.events, self.turn = stores, {"WaitSeconds": 0, **how}, [], 0

    def step(self, s=None, **more):
        self.turn += 1
        status, a = (s or self.stores[self.turn % len(self.stores)]).call("Tail", {**self.how, **more}, **self.who)
        if status != 200:
            return a
        self.how["Token"] = a["Token"]
        self.how.pop("From", None)
        new = [e for e in a["Events"] if e["EventSource"] != "trail.hosttrail"]
        self.events += new
        return a

    def ids(self):
        return [e["EventId"] for e in self.events]

    def until(self, want, seconds=60):
        return tap.wait_for(lambda: (self.step(), set(self.ids()) >= want)[1], seconds)


def each_once(t, tail, want, what):
    t.ok(tail.until(want), "%s: all come: %d of %d" % (what, len(set(tail.ids()) & want), len(want)))
    t.equal((len(tail.ids()), set(tail.ids()) - want), (len(want), set()), what + ": each once, and nothing else")


def from_now_and_from_the_oldest(t):
    S["one"], S["two"] = store(), store()
    ship(S["one"])
    t.must(tap.wait_for(lambda: len(in_the_cluster()) == 12), "they are there")
    oldest, now = Tail(S["one"], S["two"], From="oldest"), Tail(S["two"])
    now.step()
    each_once(t, oldest, in_the_cluster(), "what there was")
    before = in_the_cluster()
    for i in range(6):
        ship((S["one"], S["two"])[i % 2], "ab"[i % 3 == 0], 2)
    t.must(tap.wait_for(lambda: len(in_the_cluster()) == 12 + 48), "they are there")
    each_once(t, oldest, in_the_cluster(), "of both stores")
    each_once(t, now, in_the_cluster() - before, "from now on")
    t.equal(sum(s.metric("clickhouse_delivers") for s in (S["one"], S["two"])), 1, "one store puts them in order, though there are no trails")
    S["order"] = oldest.ids()


def all_stores_tell_the_same_order(t):
    for size in (1000, 7, 1):
        again = Tail(S["one"], S["two"], From="oldest", MaxResults=size)
        t.ok(again.until(set(S["order"])), "pages of %d" % size)
        t.ok(again.ids() == S["order"], "in the same order")
    rows = cluster().servers[0].rows("SELECT eventid, host, number, record FROM trail_2 WHERE kind = 0")
    places = {x: (host, int(n), int(r)) for x, host, n, r in rows}
    for host in ("a", "b"):
        mine = [places[x] for x in S["order"] if places[x][0] == PKI.ids[host]]
        t.equal(mine, sorted(mine), "a host's records in their order")


def records_that_match(t):
    got = Tail(S["one"], From="oldest", Attributes=[{"AttributeKey": "EventId", "AttributeValue": S["order"][17]}])
    for _ in range(3):
        got.step()
    t.equal(got.ids(), S["order"][17:18], "one of them")
    status, a = S["one"].call("Tail", {"Token": "x"})
    t.equal((status, a["__type"]), (400, "InvalidNextTokenException"), "a wrong token")
    status, a = S["two"].call("Tail", {"Token": got.how["Token"]})
    t.equal((status, a["__type"]), (400, "InvalidNextTokenException"), "one of other attributes")


def who_waits_is_woken(t):
    waits = Tail(S["two"])
    waits.step()
    answer = []
    asks = threading.Thread(target=lambda: answer.append(waits.step(WaitSeconds=20)))
    asks.start()
    before = in_the_cluster()
    ship(S["one"], count=1)
    asks.join(30)
    t.ok(answer and answer[0]["Events"], "it is answered before its time is over")
    t.ok(tap.wait_for(lambda: len(in_the_cluster() - before) == 4), "the records")
    each_once(t, waits, in_the_cluster() - before, "what came")


def a_key_sees_its_own(t):
    line = "[narrow]\naws_access_key_id = HTNARROW\naws_secret_access_key = narrowsecret\nhosttrail_role = reader\nhosttrail_hosts = %s\n" % PKI.ids["b"]
    with store(profiles=line) as s:
        seen = Tail(s, From="oldest", who={"key_id": "HTNARROW", "secret": "narrowsecret"})
        want = {x for x, in cluster().servers[0].rows("SELECT eventid FROM trail_2 WHERE kind = 0 AND host = '%s'" % PKI.ids["b"])}
        t.ok(seen.until(want), "all of it")
        t.ok(want and set(seen.ids()) == want, "%d of %d" % (len(seen.ids()), len(want)))


def the_command_line(t):
    bucketkit.instance(S["two"].dir)
    p = subprocess.Popen([tap.program("hosttrail"), "tail", "--oldest", "--format", "json", "--dir", S["two"].dir + "/instance"], stdout=subprocess.PIPE, text=True)
    lines = []
    reads = threading.Thread(target=lambda: lines.extend(p.stdout), daemon=True)
    reads.start()
    ship(S["one"], count=2)
    want = set()
    def all_are():
        want.update(in_the_cluster())
        return {json.loads(x)["eventID"] for x in list(lines)} >= want
    t.ok(tap.wait_for(all_are), "all are printed")
    p.send_signal(signal.SIGINT)
    t.equal(p.wait(20), 0, "exit status")
    reads.join(10)
    ids = [json.loads(x)["eventID"] for x in lines]
    t.equal(len(ids), len(set(ids)), "each once")


def the_store_that_orders_them_is_killed(t):
    leader = [s for s in (S["one"], S["two"]) if s.metric("clickhouse_delivers") == 1][0]
    other = S["two"] if leader is S["one"] else S["one"]
    goes_on = Tail(other, From="oldest")
    t.ok(goes_on.until(in_the_cluster()), "until now")
    goes_on.stores = (other, leader)
    ship(leader, count=2)
    goes_on.step()
    leader.kill()
    goes_on.stores = (other,)
    ship(other, "b", count=2)
    each_once(t, goes_on, in_the_cluster(), "when another one goes on")
    again = Tail(other, From="oldest")
    t.ok(again.until(set(goes_on.ids())), "anew")
    t.ok(again.ids() == goes_on.ids(), "in the same order as before")
    leader.start()
    last = Tail(leader, From="oldest")
    t.ok(last.until(set(goes_on.ids())), "by the one that is back")
    t.ok(last.ids() == goes_on.ids(), "in the same order")


def a_server_is_killed(t):
    goes_on = Tail(S["one"], S["two"], From="oldest")
    t.ok(goes_on.until(in_the_cluster()), "until now")
    victim = cluster().servers[1]
    victim.kill()
    ship(S["one"], count=2)
    want = set(goes_on.ids()) | in_the_cluster()
    t.ok(goes_on.until(want), "with one server")
    victim.start()
    cluster().until(victim.up, "the server that was killed")
    ship(S["two"], "b", count=2)
    each_once(t, goes_on, want | in_the_cluster(), "with both again")


def a_clean_end(t):
    for s in (S["one"], S["two"]):
        t.equal(s.stop(), 0, "exit status")
        t.ok("ERROR: " not in s.stderr(), "no sanitizer report")


if __name__ == "__main__":
    try:
        tap.main([from_now_and_from_the_oldest, all_stores_tell_the_same_order, records_that_match, who_waits_is_woken, a_key_sees_its_own, the_command_line,
                  the_store_that_orders_them_is_killed, a_server_is_killed, a_clean_end])
    finally:
        PLACE.end()
