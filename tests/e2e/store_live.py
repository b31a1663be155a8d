#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Frames shipped over gRPC to a whole store, and what its API says about them: found at once, waited for, kept over kills;
gaps, forks and forgeries become records."""
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from shipkit import STORED, Client, Pki, messages, new_stream  # noqa: E402
from storekit import Store  # noqa: E402

S = {}


def events(name):
    return S["store"].boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]


def wait_for(cond, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        v = cond()
        if v:
            return v
        time.sleep(0.05)
    return cond()


def client(name="host"):
    return Client(S["pki"], name, S["store"].ports["ingest"], S["pb"])


def records():
    return S["store"].metric("tailer_records_total") - S["store"].metric("own_records_total")


def shipped_is_found_within_a_second(t):
    stream = new_stream()
    with client() as c:
        frames = S["pki"].frames("host", stream, count=3)
        t.equal([r[0] for r in c.ship(*frames)], [STORED] * 3, "stored")
        begin = time.monotonic()
        t.ok(wait_for(lambda: records() == 12), "all records are indexed: %d" % records())
        t.ok(time.monotonic() - begin < 1, "within a second")
        t.equal([r[0] for r in c.ship(*frames)], [STORED] * 3, "a repeat is acknowledged")
    time.sleep(0.2)
    t.equal(records(), 12, "and nothing is there twice")
    S["stream"] = stream


def tail_waits_for_records(t):
    token = S["store"].call("Tail", {"WaitSeconds": 0})[1]["Token"]
    answers = []

    def wait():
        begin = time.monotonic()
        answers.append((S["store"].call("Tail", {"Token": token, "WaitSeconds": 15}), time.monotonic() - begin))
    waiting = [threading.Thread(target=wait) for _ in range(20)]	# more than the API has threads
    for w in waiting:
        w.start()
    time.sleep(1)
    begin = time.monotonic()
    t.equal(S["store"].call("Status")[0], 200, "others are served meanwhile")
    t.ok(time.monotonic() - begin < 2, "at once")
    with client() as c:
        c.ship(*S["pki"].frames("host", new_stream()))
    for w in waiting:
        w.join()
    t.equal(len(answers), 20, "all are answered")
    for (status, answer), seconds in answers:
        t.ok(status == 200 and len(answer["Events"]) == 4, "%r events" % len(answer.get("Events", [])))
        t.ok(0.5 < seconds < 8, "after %.1f s" % seconds)
    begin = time.monotonic()
    status, answer = S["store"].call("Tail", {"WaitSeconds": 1})
    t.ok(status == 200 and answer["Events"] == [] and 0.8 < time.monotonic() - begin < 5, "nothing came: an empty answer in time")


def faults_become_records(t):
    with client() as c:
        stream = new_stream()
        a, b = S["pki"].frames("host", stream, count=2)
        other = S["pki"].frames("host", stream, count=2, seed=9)
        c.ship(a, b)
        c.ship(other[1])
        t.ok(wait_for(lambda: events("ChainBroken")), "a fork is said")
        stranger = S["pki"].frames("host", new_stream(), host_id="00000000-0000-4000-8000-00000000dead")
        c.ship(*stranger)
        t.ok(wait_for(lambda: events("HostMismatch")), "another host's name is said")
        forged = S["pki"].frames("other", new_stream(), host_id=S["pki"].ids["host"])
        t.ok(c.ship(*forged)[0][0] != STORED, "a forged signature is refused")
        t.ok(wait_for(lambda: len(events("HostMismatch")) == 2), "and said")
    frames = S["store"].call("Verify", {"MaxResults": 500})[1]["Frames"]
    t.equal(sum(f["Fork"] for f in frames), 1, "the fork is marked as one")
    t.ok(all(f["PayloadIntact"] for f in frames), "all are intact")


def a_gap_waits_and_can_be_filled(t):
    with client() as c:
        stream = new_stream()
        f = S["pki"].frames("host", stream, count=4)
        c.ship(f[0])
        c.ship(f[3])
        t.ok(wait_for(lambda: S["store"].metric("gaps_pending") == 1), "it waits")
        S["store"].kill()
        S["store"].start()
        t.equal(S["store"].metric("gaps_pending"), 1, "also over a kill")
        with client() as again:
            again.ship(f[1])
            again.ship(f[2])
        t.ok(wait_for(lambda: S["store"].metric("gaps_pending") == 0), "filled")
    t.equal(events("RecordsLost"), [], "nothing is lost")


def ship_at(c, ahead):
    """One frame, by a sender whose clock differs by so many seconds."""
    frame = S["pki"].frames("other", new_stream())[0]
    c.ship_call(S["pb"].ShipRequest(frames=[frame], sent_at_ns=time.time_ns() + int(ahead * 1e9)), timeout=10)


def clocks_are_compared_both_ways(t):
    with client("other") as c:
        for _ in range(3):
            ship_at(c, 3600)
        said = wait_for(lambda: events("ClockSkewed"))
        t.equal(len(said), 1, "ahead, once")
        details = json.loads(said[0]["CloudTrailEvent"])["serviceEventDetails"]
        t.ok(details["hostId"] == S["pki"].ids["other"] and 3598 <= details["aheadSeconds"] <= 3600, "by how much: %r" % details)
        ship_at(c, 0)
        begun = time.monotonic()
        while time.monotonic() - begun < 6.5:	# a request that was on its way for long looks the same at first
            ship_at(c, -7200)
            time.sleep(0.5)
        said = wait_for(lambda: [e for e in events("ClockSkewed") if "behindSeconds" in e["CloudTrailEvent"]])
        t.equal(len(said), 1, "behind, once")
        details = json.loads(said[0]["CloudTrailEvent"])["serviceEventDetails"]
        t.ok(7200 <= details["behindSeconds"] <= 7202, "by how much: %r" % details)
        hosts = {h["HostId"]: h for h in S["store"].call("Status")[1]["Hosts"]}
        t.ok(-7202000 <= hosts[S["pki"].ids["other"]]["ClockAheadMillis"] <= -7200000, "Status tells it")
        t.ok("ClockAheadMillis" not in hosts[S["pki"].ids["host"]], "and nothing of who says no time")


def kills_lose_and_repeat_nothing(t):
    stream, sent = new_stream(), 0
    frames = S["pki"].frames("host", stream, count=40)
    before = S["store"].metric("index_records") - own()
    for i in range(0, 40, 8):
        with client() as c:
            t.equal([r[0] for r in c.ship(*frames[max(0, i - 3):i + 8])], [STORED] * len(frames[max(0, i - 3):i + 8]), "stored")
        S["store"].kill()
        S["store"].start()
        sent = i + 8
    t.equal(S["store"].metric("index_records") - own() - before, sent * 4, "each record once")


def own():
    return sum(len(events(n)) for n in ("StoreStarted", "StoreStopped", "ChainBroken", "HostMismatch", "RecordsLost", "ClockSkewed"))


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")
    S["store"].start()
    t.equal(len(events("StoreStopped")), 1, "the stop is on record")
    t.equal(S["store"].stop(), 0, "exit status")


if __name__ == "__main__":
    with tap.Workdir() as d:
        S["pb"] = messages(d)
        S["pki"] = Pki(os.path.join(d, "pki"))
        S["pki"].host("host")
        S["pki"].host("other")
        S["store"] = Store(d)
        tap.main([shipped_is_found_within_a_second, tail_waits_for_records, faults_become_records, a_gap_waits_and_can_be_filled, clocks_are_compared_both_ways,
                  kills_lose_and_repeat_nothing, a_clean_end])
