#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 extra
"""What is kept, what goes, and what nobody may have go, over a real ClickHouse cluster: locks and holds made at one store bind all, and are the embedded engine's;
days that no event data store keeps go, each said in a record, and what is left proves to follow."""
import datetime
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import bucketkit
import tap
from chcases import AWS
from chkit import Clustered
from movedclock import MovedClock
from shipkit import STORED, Client, frame_hash, new_stream
from storekit import Store

PLACE = Clustered("a", "b", zone="Pacific/Kiritimati")
OWN = "Hosttrail_20261122"
OURS = ("GetRetention", "LockRetention", "PlaceHold", "ReleaseHold", "ListHolds", "ListRemoved")
S = {}


def call(s, operation, **body):
    status, a = s.call(operation, body, prefix=OWN if operation in OURS else AWS)
    return a if status == 200 else (a.get("__type", status).split("#")[-1], a.get("message"))


def arn(x):
    return x["EventDataStoreArn"].split("/")[1]


def said(s, name):
    return s.boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]


def both(operation, **body):
    """At the embedded engine and at each of the stores; =x: the event data store x there."""
    out = []
    for s, which in ((S["embedded"], 1), (S["one"], 0), (S["two"], 0)):
        a = call(s, operation, **{k: S["ids"][v[1:]][which] if str(v).startswith("=") else v for k, v in body.items()})
        for ids in S["ids"].values():
            a = (a[0], a[1].replace(ids[which], "ID")) if isinstance(a, tuple) else a
        out.append(a)
    return out


def a_lock_made_at_one_binds_all(t):
    one, two = S["one"], S["two"]
    S["ids"] = {name: tuple(arn(call(s, "CreateEventDataStore", Name=name, RetentionPeriod=30, TerminationProtectionEnabled=False)) for s in (one, S["embedded"]))
                for name in ("locked", "held", "free")}
    S["until"] = int(time.time()) + 86400
    for s, which in ((two, 0), (S["embedded"], 1)):
        a = call(s, "LockRetention", Target=S["ids"]["locked"][which], MinimumDays=20, Until=S["until"])
        t.equal(a, {"MinimumDays": 20, "LockedUntil": S["until"]}, "LockRetention: %r" % (a,))
    for operation, body, code in [
            ("UpdateEventDataStore", {"EventDataStore": "=locked", "RetentionPeriod": 19}, "OperationNotPermittedException"),
            ("DeleteEventDataStore", {"EventDataStore": "=locked"}, "OperationNotPermittedException"),
            ("LockRetention", {"Target": "=locked", "MinimumDays": 19, "Until": S["until"]}, "OperationNotPermittedException"),
            ("LockRetention", {"Target": "=locked", "MinimumDays": 20, "Until": S["until"] - 1}, "OperationNotPermittedException"),
            ("LockRetention", {"Target": "=locked", "MinimumDays": 31, "Until": S["until"]}, "InvalidParameterException"),
            ("LockRetention", {"Target": "nonsense", "MinimumDays": 20, "Until": S["until"]}, "ValidationException"),
            ("LockRetention", {"Target": "=locked", "MinimumDays": 20, "Until": 1}, "InvalidParameterException"),
            ("LockRetention", {"Target": "11111111-2222-3333-4444-555555555555", "MinimumDays": 20, "Until": S["until"]}, "EventDataStoreNotFoundException")]:
        got = both(operation, **body)
        t.ok(got[0][0] == code and got[1] == got[2] == got[0], "%s %r: %r" % (operation, body, got))
    for s in (one, two):
        t.equal(call(s, "LockRetention", Target="bucket:x", MinimumDays=20, Until=S["until"])[0], "UnsupportedOperationException", "a bucket")
        shown = {x["Name"]: (x.get("MinimumDays"), x.get("LockedUntil"), x["RetentionPeriod"]) for x in call(s, "GetRetention")["EventDataStores"]}
        t.equal(shown, {"default": (None, None, 3653), "locked": (20, S["until"], 30), "held": (None, None, 30), "free": (None, None, 30)}, "GetRetention")
    t.equal(call(one, "UpdateEventDataStore", EventDataStore=S["ids"]["locked"][0], RetentionPeriod=20)["RetentionPeriod"], 20, "down to the minimum")
    t.equal(call(one, "LockRetention", Target=S["ids"]["locked"][0], MinimumDays=20, Until=S["until"] + 5)["LockedUntil"], S["until"] + 5, "longer")
    t.ok(tap.wait_for(lambda: len(said(one, "RetentionLocked")) == 2 and len(said(two, "RetentionChanged")) == 1), "both are records")


def a_hold_made_at_one_binds_all(t):
    one, two = S["one"], S["two"]
    for s, which in ((one, 0), (S["embedded"], 1)):
        t.equal(call(s, "PlaceHold", Name="case-1", Reason="a case", Target=S["ids"]["held"][which], StartTime=5.0), {}, "PlaceHold")
    for operation, body, code in [
            ("DeleteEventDataStore", {"EventDataStore": "=held"}, "OperationNotPermittedException"), ("PlaceHold", {"Name": "case-1", "Reason": "x"}, "ConflictException"),
            ("PlaceHold", {"Name": "a b", "Reason": "x"}, "ValidationException"), ("ReleaseHold", {"Name": "case-2", "Reason": "x"}, "ResourceNotFoundException")]:
        got = both(operation, **body)
        t.ok(got[0][0] == code and got[1] == got[2] == got[0], "%s %r: %r" % (operation, body, got))
    for s in (one, two):
        hold, = call(s, "ListHolds")["Holds"]
        t.equal((hold["Name"], hold["Target"].split("/")[1], hold["StartTime"], hold["Reason"]), ("case-1", S["ids"]["held"][0], 5, "a case"), "ListHolds")
        t.equal([x["Name"] for x in call(s, "GetRetention")["EventDataStores"] if x["Held"]], ["held"], "GetRetention")


def they_outlive_who_made_them(t):
    for s in (S["one"], S["two"]):
        s.kill()
    for s in (S["one"], S["two"]):
        s.start()
    other = PLACE.store(clickhouse_linger="20ms")
    for s in (other, S["one"], S["two"]):
        t.equal(call(s, "DeleteEventDataStore", EventDataStore=S["ids"]["locked"][0])[0], "OperationNotPermittedException", "locked")
        t.equal(call(s, "DeleteEventDataStore", EventDataStore=S["ids"]["held"][0])[0], "OperationNotPermittedException", "held")
    t.equal(call(other, "ReleaseHold", Name="case-1", Reason="over"), {}, "ReleaseHold")
    t.equal(call(S["one"], "ListHolds")["Holds"], [], "and it is gone everywhere")
    t.equal(call(S["one"], "DeleteEventDataStore", EventDataStore=S["ids"]["held"][0]), {}, "and can be deleted")
    t.ok(tap.wait_for(lambda: len(said(other, "HoldReleased")) == 1 == len(said(other, "HoldPlaced"))), "both are records")
    other.stop()


# ---- days

def moved(s, operation, days, **body):
    """At a store whose clock is so many days ahead."""
    status, a = s.call(operation, body, prefix=OWN if operation in OURS else AWS, when=datetime.datetime.utcnow() + datetime.timedelta(days=days))
    return a if status == 200 else (a.get("__type", status).split("#")[-1], a.get("message"))


def days_of(database):
    return [set(x.ask("SELECT DISTINCT day FROM %s.trail_rows_2" % database).split()) for x in PLACE.cluster().servers]


def ship(s, stream, first, count, previous, host="a"):
    frames = PLACE.pki.frames(host, stream, first=first, count=count, previous=previous)
    with Client(PLACE.pki, host, s.ports["ingest"], PLACE.pb) as c:
        assert c.ship(*frames, timeout=60) == [(STORED, "")] * count
    return frame_hash(frames[-1])


def days_that_are_past_go(t):
    """Three days, on two of which a chain goes on; not before what keeps them allows it, nor while a hold or a trail wants them, whoever leads."""
    clock, how = MovedClock(PLACE.dir), {"clickhouse_database": "past", "clickhouse_linger": "20ms"}
    bucket = PLACE.next("bucket")
    os.makedirs(bucket)
    how["buckets"] = ["past-logs " + bucket]
    stream, ended = new_stream(), new_stream()
    day = [(datetime.datetime.utcnow() + datetime.timedelta(days=n)).strftime("%Y-%m-%d") for n in (0, 1, 120)]
    with PLACE.store(**how) as s:
        last = ship(s, stream, 0, 3, None)
        ship(s, ended, 0, 2, None, host="b")
    clock.set(wall=86400, running=86400)
    with PLACE.store(environ=clock.environ, **how) as s:
        last = ship(s, stream, 3, 2, last)
    clock.set(wall=120 * 86400, running=120 * 86400)
    with PLACE.store(environ=clock.environ, delivery_interval="300s", **how) as s, PLACE.store(environ=clock.environ, delivery_interval="300s", **how) as other:
        ship(s, stream, 5, 1, last)
        ids = [arn(x) for x in moved(s, "ListEventDataStores", 120)["EventDataStores"]]
        made = arn(moved(other, "CreateEventDataStore", 120, Name="longer", RetentionPeriod=200, TerminationProtectionEnabled=False))
        moved(s, "PlaceHold", 120, Name="case", Reason="a case", Target=ids[0], EndTime=time.time() + 3600)
        moved(other, "UpdateEventDataStore", 120, EventDataStore=ids[0], RetentionPeriod=30)
        time.sleep(8)
        t.equal(days_of("past"), [set(day)] * 2, "kept for another event data store")
        moved(s, "UpdateEventDataStore", 120, EventDataStore=made, RetentionPeriod=100)
        time.sleep(8)
        t.equal(days_of("past"), [set(day)] * 2, "held")
        t.equal(moved(s, "ListRemoved", 120), {"Removed": []}, "ListRemoved")
        moved(other, "ReleaseHold", 120, Name="case", Reason="over")
        t.ok(tap.wait_for(lambda: days_of("past") == [{day[2]}] * 2, 60), "both go: %r" % days_of("past"))
        for x in (s, other):
            t.must(tap.wait_for(lambda: len(moved(x, "ListRemoved", 120)["Removed"]) == 2, 30), "ListRemoved")
            first, second = moved(x, "ListRemoved", 120)["Removed"]
            t.equal((first["Object"], second["Object"]), ("day " + day[0], "day " + day[1]), "the days")
            t.ok(first["Frames"] >= 5 and first["Records"] >= 20 and first["Bytes"] > 1000 and second["Frames"] >= 2, "what they held: %r" % ({**first, "Heads": 0},))
            heads = {(h["HostId"], h["Stream"]): (h["Number"], h["HashValue"]) for h in second["Heads"]}
            t.ok(heads == {(PLACE.pki.ids["a"], stream): (4, last.hex())} and first["Heads"] == [], "what goes on behind them: %r" % heads)
            t.equal(moved(x, "ListRemoved", 120, After=second and int(datetime.datetime.strptime(day[0], "%Y-%m-%d").replace(tzinfo=datetime.timezone.utc).timestamp()) // 86400)["Removed"],
                    [second], "after the first")
        a = moved(s, "LookupEvents", 120, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "JournalRemoved"}])["Events"]
        t.equal(sorted(x["CloudTrailEvent"].split('"object":"')[1].split('"')[0] for x in a), ["day " + day[0], "day " + day[1]], "their records")
        S["past"] = (clock, how, stream, last, day)


def what_is_left_proves_to_follow(t):
    clock, how, stream, last, day = S["past"]
    with PLACE.store(environ=clock.environ, **how) as s:
        status, faults, text = bucketkit.verify(s.dir, environ=clock.environ)
        t.equal((status, faults), (0, []), "verify: " + text[-2000:])
        t.ok('"removedSegments":2' in text, text[-2000:])
        # what follows from something else is found
        heads = "SELECT count() FROM past.trail_rows_2 WHERE kind = 1 AND stream = '%s'" % stream
        t.equal([x.ask(heads) for x in PLACE.cluster().servers], ["1\n"] * 2, "one frame of it is left")


def what_a_trail_is_to_have_is_delivered(t):
    """Whether its day is gone meanwhile or waits; and only time that a store has seen counts."""
    clock, bucket = MovedClock(PLACE.dir), PLACE.next("bucket")
    how = {"clickhouse_database": "wanted", "clickhouse_linger": "20ms", "buckets": ["late-logs " + bucket], "delivery_interval": "1s", "environ": clock.environ}
    os.makedirs(bucket)
    with open(bucket + "/AWSLogs", "w"):
        pass    # where a directory should be
    with PLACE.store(**how) as s:
        b = s.boto()
        b.create_trail(Name="late", S3BucketName="late-logs")
        b.put_event_selectors(TrailName="late", AdvancedEventSelectors=bucketkit.everything())
        b.start_logging(Name="late")
        call(s, "UpdateEventDataStore", EventDataStore=arn(call(s, "ListEventDataStores")["EventDataStores"][0]), RetentionPeriod=7)
        ship(s, new_stream(), 0, 5, None)
        t.must(tap.wait_for(lambda: s.metric("clickhouse_arranged_total") > 5, 60), "it is arranged for the trail")
        day, = days_of("wanted")[0]
        clock.set(wall=120 * 86400, running=120 * 86400)    # it has run all the time
        time.sleep(8)   # the day is past; it is gone, if the trail has decided on all of it
        t.equal(bucketkit.records(bucket), [], "nothing could be delivered")
        os.unlink(bucket + "/AWSLogs")
        t.ok(tap.wait_for(lambda: len([r for r in bucketkit.records(bucket) if r["eventSource"] != "trail.hosttrail"]) == 20, 60), "it is delivered")
        t.ok(tap.wait_for(lambda: not any(day in x for x in days_of("wanted")), 60), "the day goes")
        t.ok(moved(s, "GetRetention", 120)["KeptTime"] > time.time() + 119 * 86400, "KeptTime")
    clock.set(wall=500 * 86400, running=500 * 86400)
    with PLACE.store(**how) as s:
        t.must(tap.wait_for(lambda: s.metric("clickhouse_delivers") == 1, 60), "it leads")
        time.sleep(3)
        t.ok(moved(s, "GetRetention", 500)["KeptTime"] < time.time() + 122 * 86400, "a clock that ran on while no store did is not believed")


def killed_while_days_go(t):
    """Each day goes, and is told once; a record says so before."""
    clock, days = MovedClock(PLACE.dir), 8
    how = {"clickhouse_database": "killed", "clickhouse_linger": "20ms", "environ": clock.environ}
    stream, last = new_stream(), None
    with PLACE.store(**how) as s:
        for n in range(days):
            clock.set(wall=n * 86400, running=n * 86400)
            last = ship(s, stream, n, 1, last)
    clock.set(wall=150 * 86400, running=150 * 86400)
    stores = [PLACE.store(**how), PLACE.store(**how)]
    ship(stores[0], stream, days, 1, last)
    t.must(len(days_of("killed")[0]) == days + 1, "days: %r" % days_of("killed"))
    builtin = arn(moved(stores[0], "ListEventDataStores", 150)["EventDataStores"][0])
    t.equal(moved(stores[0], "UpdateEventDataStore", 150, EventDataStore=builtin, RetentionPeriod=90)["RetentionPeriod"], 90, "UpdateEventDataStore")
    kills = 0
    for n in range(6):
        leads = [s for s in stores if s.metric("clickhouse_delivers") == 1]
        if leads and tap.wait_for(lambda: len(days_of("killed")[0]) < days + 1, 20):
            time.sleep(random.random())
            leads[0].kill()
            kills += 1
            leads[0].start()
        t.must(tap.wait_for(lambda: any(s.metric("clickhouse_delivers") == 1 for s in stores), 60), "one leads")
        if len(days_of("killed")[0]) == 1:
            break
    t.ok(tap.wait_for(lambda: [len(x) for x in days_of("killed")] == [1, 1], 120), "all go: %r after %d kills" % (days_of("killed"), kills))
    for s in stores:
        removed = moved(s, "ListRemoved", 150)["Removed"]
        t.equal(len({x["Object"] for x in removed}), len(removed), "each once")
        t.equal(len(removed), days, "days that are told")
        t.ok([(h["Stream"], h["Number"]) for h in removed[-1]["Heads"]] == [(stream, days - 1)], "what goes on: %r" % removed[-1]["Heads"])
    said = moved(stores[0], "LookupEvents", 150, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "JournalRemoved"}])["Events"]
    t.equal({x["CloudTrailEvent"].split('"object":"')[1].split('"')[0] for x in said}, {x["Object"] for x in removed}, "each is said")
    for s in stores:
        s.stop()


def begin():
    S["one"], S["two"] = PLACE.store(clickhouse_linger="20ms"), PLACE.store(clickhouse_linger="20ms")
    S["embedded"] = Store(PLACE.next("store"), **PLACE.keys())
    PLACE.stores.append(S["embedded"])


if __name__ == "__main__":
    try:
        begin()
        tap.main([a_lock_made_at_one_binds_all, a_hold_made_at_one_binds_all, they_outlive_who_made_them, days_that_are_past_go, what_is_left_proves_to_follow,
                  what_a_trail_is_to_have_is_delivered, killed_while_days_go])
    finally:
        PLACE.end()
