#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 long later=110
"""What is kept, what goes, and what nobody may have go: segments of the lake, locked minimums, holds, clocks that are set. Seed: HT_SEED."""
import contextlib
import datetime
import glob
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bucketkit  # noqa: E402
import tap  # noqa: E402
from full_disk import Disk  # noqa: E402
from lake_stores import Lake, error  # noqa: E402
from movedclock import MovedClock  # noqa: E402
from shipkit import STORED, Client, Pki, messages, new_stream  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store, end, fill  # noqa: E402

SEED = int(os.environ.get("HT_SEED", "0")) or random.randrange(1, 1 << 30)
DAY = 86400
AWS = "CloudTrail_20131101"


def month(d, count=3000, days=30, per_frame=20):
    """Records of the last days, which came as they happened."""
    step = days * DAY * 10**9 // count
    return fill(d, count, int(time.time()) - days * DAY, step, per_frame, aged=True)


def sealed(lake, count):
    lake.store.until(lambda: (lake.manifest("SELECT sum(nrows) FROM segment WHERE sha256 != ''")[0][0] or 0) >= count, "segments")


def segments(lake):
    return dict((path, (sha, rows)) for path, sha, rows in lake.manifest("SELECT path, sha256, nrows FROM segment"))


def own(lake, name):
    """The store's records of that name, oldest first."""
    pages = lake.store.boto().get_paginator("lookup_events").paginate(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])
    return [json.loads(e["CloudTrailEvent"]) for page in pages for e in page["Events"]][::-1]


def kept(made, days, now):
    """How many of the records are not past; as frames came with their last record, that is when each happened or its frame came."""
    before, per = int((now - days * DAY) * 10**9), made.per_frame
    came = lambda i: int(made.base * 10**9) + (min(i // per * per + per, made.count) - 1) * made.step  # noqa: E731
    return sum(max(int(made.base * 10**9) + i * made.step, came(i)) >= before for i in range(made.count))


def agree(lake):
    """Manifest and disk: no file too many, none missing or changed."""
    want, have = segments(lake), {os.path.relpath(p, os.path.join(lake.dir, "lake")) for p in lake.files()}
    if set(want) != have:
        return "%s missing, %s too many" % (set(want) - have, have - set(want))
    for path, (sha, _) in want.items():
        try:
            found = hash_of(os.path.join(lake.dir, "lake", path))
        except FileNotFoundError:  # merged or past since it was listed
            return path + " went meanwhile"
        if found != sha:
            return path + " is changed"
    return None


def what_is_past_goes_and_is_said(t):
    with tap.Workdir() as d:
        made = month(d, 1000, 20, per_frame=10)
        made.per_frame = 10
        lake = Lake(d, lake_seal_time="50ms")
        sealed(lake, made.count)
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), made.count, "all of it")
        before = segments(lake)
        slow = lake.client.start_query(QueryStatement="SELECT count(*) AS n FROM events WHERE hostname = 'kit' AND "
                                       "len(list_distinct(list_transform(string_split(eventjson, ''), x -> md5(x)))) > 0")["QueryId"]
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=8)
        now = time.time()
        n = lake.count(lake.id(), "hostname = 'kit'")
        t.ok(kept(made, 8, now + 5) <= n <= kept(made, 8, now), "to the record, before anything is removed: %d" % n)
        lake.store.until(lambda: not [p for p in lake.files() if p.split("day=")[1][:10] < day_before(now, 10)] and agree(lake) is None, "old files to go", 60)
        got = {r["serviceEventDetails"]["object"]: r for r in own(lake, "SegmentRemoved")}
        gone = {p: v for p, v in before.items() if p not in segments(lake)}
        t.ok(len(gone) >= 10, "%d segments of 20 days are gone" % len(gone))
        t.equal(set(got), set(gone), "each is said")
        for path, (sha, rows) in gone.items():
            e = got[path]["serviceEventDetails"]
            t.equal((e["sha256"], e["records"], e["reason"], e["retentionDays"], e["target"]), (sha, rows, "retention", 8, "eventDataStore " + lake.id()), path)
        t.equal(own(lake, "RetentionChanged")[0]["serviceEventDetails"], {"target": "eventDataStore " + lake.id(), "formerDays": 3653, "retentionDays": 8,
                                                                            "by": "HTAKTESTTESTTEST0001"}, "and who shortened it")
        lake.store.until(lambda: lake.client.describe_query(QueryId=slow)["QueryStatus"] not in ("QUEUED", "RUNNING"), "the slow query's end")
        t.equal(lake.client.get_query_results(QueryId=slow)["QueryResultRows"], [[{"n": str(made.count)}]], "a query that began before has all of it")
        n, files, upto = lake.count(lake.id(), "hostname = 'kit'"), set(lake.files()), lake.manifest("SELECT sealed FROM store")
        lake.store.stop()
        with open(os.path.join(d, "rebuilt"), "wb") as f:  # everything anew from the journal, which has the old ones still
            lake.store.child = subprocess.Popen([tap.program("hosttrail-store"), "--config", lake.store.config, "--rebuild"], stderr=f)
        lake.store.until(lambda: "API on port" in open(os.path.join(d, "rebuilt")).read() and lake.manifest("SELECT sealed FROM store") >= upto, "a rebuilt lake")
        lake.store.stop()
        t.ok({p for p in lake.files() if p.split("day=")[1][:10] < day_before(now, 10)} == set(), "nothing comes back: %s" % (set(lake.files()) - files))
        lake.store.start()
        lake.connect()
        t.ok(n - 5 <= lake.count(lake.id(), "hostname = 'kit'") <= n, "the same records")
        t.equal(len(own(lake, "SegmentRemoved")), len(gone), "and nothing is removed twice")
        lake.store.stop()


def day_before(now, days):
    return time.strftime("%Y-%m-%d", time.gmtime(now - days * DAY))


def every_way_of_an_administrator(t):
    """Once locked, nobody shortens it."""
    with tap.Workdir() as d:
        os.mkdir(os.path.join(d, "bucket"))
        lake = Lake(d, lake_seal_time="50ms", buckets=["logs %s/bucket retention_days=400" % d])
        made = lake.client.create_event_data_store(Name="audit", TerminationProtectionEnabled=False, RetentionPeriod=100)
        arn, c, until = made["EventDataStoreArn"], lake.client, time.time() + 1000
        lock = lambda **how: lake.store.call("LockRetention", {"Target": arn, "MinimumDays": 100, "Until": until, **how})  # noqa: E731
        for how, want in (({"RetentionPeriod": 6}, "InvalidParameterException"), ({"RetentionPeriod": 3654}, "InvalidParameterException"),
                          ({"RetentionPeriod": 2558, "BillingMode": "FIXED_RETENTION_PRICING"}, "InvalidParameterException"),
                          ({"RetentionPeriod": 3653}, None), ({"BillingMode": "FIXED_RETENTION_PRICING"}, "InvalidParameterException"),
                          ({"RetentionPeriod": 2557, "BillingMode": "FIXED_RETENTION_PRICING"}, None), ({"RetentionPeriod": 2558}, "InvalidParameterException"),
                          ({"RetentionPeriod": 100, "BillingMode": "EXTENDABLE_RETENTION_PRICING"}, None)):
            t.equal(lake.store.call("UpdateEventDataStore", {"EventDataStore": arn, **how}, prefix=AWS)[1].get("__type"), want, "%r" % how)
        for how, want in (({"MinimumDays": 101}, "InvalidParameterException"), ({"MinimumDays": 6}, "InvalidParameterException"),
                          ({"MinimumDays": 3654}, "InvalidParameterException"), ({"Until": time.time() - 60}, "InvalidParameterException"),
                          ({"Until": None}, "ValidationException"), ({"Target": "nonsense"}, "ValidationException"), ({"Until": 1e300}, "ValidationException"),
                          ({"Target": "11111111-2222-3333-4444-555555555555"}, "EventDataStoreNotFoundException"),
                          ({"Target": "bucket:nosuch"}, "S3BucketDoesNotExistException"), ({"Target": "bucket:logs", "MinimumDays": 401}, "InvalidParameterException")):
            t.equal(lock(**how)[1].get("__type"), want, "%r" % how)
        t.equal(lock()[0], 200, "locked")
        t.equal(lock(Target="bucket:logs", MinimumDays=300)[0], 200, "a bucket, too")
        for how in ({"RetentionPeriod": 99}, {"RetentionPeriod": 7}, {"RetentionPeriod": 99, "BillingMode": "FIXED_RETENTION_PRICING"}):
            status, answer = lake.store.call("UpdateEventDataStore", {"EventDataStore": arn, **how}, prefix=AWS)
            t.equal((status, answer.get("__type")), (400, "OperationNotPermittedException"), "%r: %r" % (how, answer))
        t.equal(error(c.delete_event_data_store, EventDataStore=arn)[0], "OperationNotPermittedException", "deleting it")
        t.equal(lock(MinimumDays=99)[1].get("__type"), "OperationNotPermittedException", "fewer days")
        t.equal(lock(Until=until - 1)[1].get("__type"), "OperationNotPermittedException", "less long")
        t.equal(c.update_event_data_store(EventDataStore=arn, RetentionPeriod=120)["RetentionPeriod"], 120, "longer is allowed")
        t.equal(lock(MinimumDays=110, Until=until + 500)[0], 200, "and a stronger lock")
        t.equal(error(c.update_event_data_store, EventDataStore=arn, RetentionPeriod=109)[0], "OperationNotPermittedException", "which holds")
        t.equal(c.update_event_data_store(EventDataStore=arn, RetentionPeriod=110)["RetentionPeriod"], 110, "down to what is locked")
        t.equal([(r["serviceEventDetails"]["target"], r["serviceEventDetails"]["minimumDays"]) for r in own(lake, "RetentionLocked")],
                [("eventDataStore " + lake.id("audit"), 100), ("bucket logs", 300), ("eventDataStore " + lake.id("audit"), 110)], "each lock is a record")
        shown = lake.store.call("GetRetention")[1]
        t.equal([(e["Name"], e.get("MinimumDays")) for e in shown["EventDataStores"]], [("default", None), ("audit", 110)], "shown")
        t.equal([(b["RetentionPeriod"], b["MinimumDays"]) for b in shown["Buckets"]], [(400, 300)], "likewise")
        lake.store.stop()
        the_settings_do_not_help(t, d, lake)
        os.unlink(os.path.join(d, "retention.json"))
        lake.store.start()
        lake.connect()
        t.equal(error(lake.client.update_event_data_store, EventDataStore=arn, RetentionPeriod=109)[0], "OperationNotPermittedException", "the file is gone, not the lock")
        t.ok("2 locks and 0 holds are taken from" in lake.store.stderr(), "which is said")
        lake.store.stop()
        with open(os.path.join(d, "retention.json"), "w") as f:
            f.write('{"Version":1,"Clock":1,"Locks":[{"Target":"x"}],"Holds":[]}')
        refused(t, lake, "retention.json cannot be read (it is damaged): what is locked and held is not known")


def refused(t, lake, want):
    r = subprocess.run([tap.program("hosttrail-store"), "--config", lake.store.config], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=30)
    t.ok(r.returncode not in (0, None) and r.stderr.count(want) == 1, "%s: %d %s" % (want, r.returncode, r.stderr))


def the_settings_do_not_help(t, d, lake):
    with open(lake.store.config) as f:
        good = f.read()
    with open(lake.store.config, "w") as f:
        f.write(good.replace("retention_days=400", "retention_days=299"))
    refused(t, lake, "bucket logs: retention_days is 299, and at least 300 are locked until ")
    for bad in ("retention_days=6", "retention_days=3654", "retention_days=x", "retention_days=7 retention_days=8", "sse=AES256"):
        with open(lake.store.config, "w") as f:
            f.write(good.replace("retention_days=400", bad))
        refused(t, lake, "bucket logs: ")
    with open(lake.store.config, "w") as f:
        f.write(good)


def by_other_settings(t):
    """Settings that leave a locked or held bucket out, exchange its directory, or name that as another one that keeps less."""
    with tap.Workdir() as d:
        logs, other = os.path.join(d, "logs"), os.path.join(d, "other")
        os.makedirs(other)
        good = ["logs %s retention_days=60" % logs, "held %s/held retention_days=60" % d]

        def begins(buckets):
            config = os.path.join(d, "tried.yaml")
            with open(store.config) as f:
                lines = f.read().split("buckets:")[0]
            with open(config, "w") as f:
                f.write(lines + "".join(["buckets:\n"] + ['  - "%s"\n' % x for x in buckets]))
            r = subprocess.run(["timeout", "-s", "TERM", "3", tap.program("hosttrail-store"), "--config", config], stderr=subprocess.PIPE, text=True, check=False)
            return None if "API on port" in r.stderr else (r.returncode, r.stderr.strip().splitlines()[-1])

        store = Store(os.path.join(d, "store"), buckets=good)
        t.equal(store.call("LockRetention", {"Target": "bucket:logs", "MinimumDays": 30, "Until": time.time() + 40 * DAY})[0], 200, "locked")
        t.equal(store.call("PlaceHold", {"Name": "h", "Reason": "x", "Target": "bucket:held"})[0], 200, "held")
        os.makedirs(logs + "/AWSLogs")
        store.stop()
        t.equal(begins(good), None, "the same settings")
        t.equal(begins([good[1], good[0]]), None, "in another order")
        for name, buckets, said in (
                ("it keeps less", ["logs %s retention_days=20" % logs, good[1]], "at least 30 are locked"),
                ("it is not named any more", [good[1]], "no directory of the settings"),
                ("it has another name", ["logs2 %s retention_days=7" % logs, good[1]], "no directory of the settings"),
                ("another one has its directory", ["logs2 %s retention_days=7" % logs, "logs %s/empty retention_days=60" % d, good[1]], "is that of logs2"),
                ("its directory is another one", ["logs %s retention_days=60" % other, good[1]], "another one, or not mounted"),
                ("twice", [*good, "logs2 %s/./logs/ retention_days=7" % d], "lies in the directory of"),
                ("what lies in it", [*good, "logs2 %s/AWSLogs retention_days=7" % logs], "lies in the directory of"),
                ("what it lies in", [*good, "all-of-it %s retention_days=7" % d], "lies in the directory of"),
                ("what is held is not named any more", [good[0]], "is held, and no directory"),
                ("what is held has another name", [good[0], "free %s/held retention_days=7" % d], "is held, and no directory")):
            got = begins(buckets)
            t.ok(got and got[0] == 1 and said in got[1], "%s: %r" % (name, got))


def a_clock_that_is_set(t):
    """Forward, by whomever: nothing goes. Only time that passes counts; and back again, all works on."""
    with tap.Workdir() as d:
        made = month(d, 600)
        clock = MovedClock(d)
        lake = Lake(d, environ=clock.environ, lake_seal_time="50ms")
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=365)
        until = time.time() + 20 * DAY
        t.equal(lake.store.call("LockRetention", {"Target": lake.id(), "MinimumDays": 365, "Until": until})[0], 200, "locked for 20 days")
        sealed(lake, made.count)
        before, ahead, mine = segments(lake), 4000 * DAY, lake.id()
        later = lambda n: datetime.datetime.utcnow() + datetime.timedelta(seconds=n)  # noqa: E731
        for step in ("while it runs", "over a new start"):
            clock.set(wall=ahead)
            if step == "over a new start":
                lake.store.stop()
                lake.store.start()
            time.sleep(2.5)
            status, shown = lake.store.call("GetRetention", when=later(ahead))
            t.ok(status == 200 and abs(shown["KeptTime"] - time.time()) < 60 and shown["WallTime"] > time.time() + ahead - 60, "the kept clock stays %s: %r" % (step, shown))
            t.equal(lake.store.call("UpdateEventDataStore", {"EventDataStore": mine, "RetentionPeriod": 364}, prefix=AWS, when=later(ahead))[1].get("__type"),
                    "OperationNotPermittedException", "and the lock " + step)
            t.ok(set(before) <= set(segments(lake)), "and the segments " + step)
        clock.set()
        lake.store.stop()
        lake.store.start()
        lake.connect()
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), made.count, "the clock is right again")
        clock.set(wall=21 * DAY, running=21 * DAY)
        lake.store.until(lambda: lake.store.call("UpdateEventDataStore", {"EventDataStore": mine, "RetentionPeriod": 30}, prefix=AWS,
                                                 when=later(21 * DAY))[0] == 200, "the lock to pass with the time", 60)
        lake.store.until(lambda: lake.store.call("GetRetention", when=later(21 * DAY))[1]["KeptTime"] > time.time() + 20.9 * DAY, "time to pass")
        lake.store.until(lambda: len(set(before) & set(segments(lake))) <= 12, "and what is past goes", 90)
        t.ok(min(segments(lake)).split("day=")[1][:10] >= day_before(time.time(), 11), "of 30 days in 21 days, 9 are left: %r" % min(segments(lake)))
        lake.store.stop()


def what_is_held_stays(t):
    with tap.Workdir() as d:
        made = month(d, 1000, 25, per_frame=5)
        lake = Lake(d, profiles="[op]\naws_access_key_id = KEYOP\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\nhosttrail_role = operator\n",
                    lake_seal_time="50ms")
        sealed(lake, made.count)
        now, call = time.time(), lake.store.call
        today = now - now % DAY  # not by the hour: the frame at midnight is of two days, and what has one of its times is kept
        t.equal(call("PlaceHold", {"Name": "case-7", "Reason": "a court asks", "Target": lake.id(), "StartTime": today - 19.5 * DAY, "EndTime": today - 17.5 * DAY},
                     key_id="KEYOP")[0], 200, "an operator holds")
        for body, want in (({"Name": "case-7", "Reason": "again"}, "ConflictException"), ({"Name": "x"}, "ValidationException"), ({"Reason": "x"}, "ValidationException"),
                           ({"Name": "a b", "Reason": "x"}, "ValidationException"), ({"Name": "x", "Reason": "x", "StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
                           ({"Name": "x", "Reason": "x" * 257}, "ValidationException"), ({"Name": "x", "Reason": "x", "Target": "y"}, "ValidationException")):
            t.equal(call("PlaceHold", body)[1].get("__type"), want, "%r" % body)
        t.equal(call("ReleaseHold", {"Name": "nosuch", "Reason": "x"})[1].get("__type"), "ResourceNotFoundException", "no such")
        t.equal(call("ReleaseHold", {"Name": "case-7", "Reason": "x"}, key_id="KEYOP")[1].get("__type"), "AccessDeniedException", "an operator does not release")
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=7)
        days = lambda: sorted({p.split("day=")[1][:10] for p in segments(lake)})  # noqa: E731
        want = [day_before(now, n) for n in (20, 19, 18)]
        lake.store.until(lambda: len(days()) <= 13, "what is not held to go", 60)
        lake.store.stop()
        lake.store.start()
        lake.connect()
        lake.wait()
        t.equal([x for x in days() if x < day_before(now, 9)], want, "the held days stay")
        some = lake.count(lake.id(), "hostname = 'kit' AND eventtime < current_timestamp - INTERVAL '9' DAY")
        t.ok(some >= 80, "and can be asked: %d" % some)
        shown = call("ListHolds")[1]["Holds"]
        t.equal([(h["Name"], h["Reason"], h["PlacedBy"], h["Target"].split("/")[1], round(h["StartTime"])) for h in shown],
                [("case-7", "a court asks", "KEYOP", lake.id(), round(today - 19.5 * DAY))], "shown")
        t.equal(call("PlaceHold", {"Name": "all", "Reason": "y"})[0], 200, "on everything")
        made2 = lake.client.create_event_data_store(Name="other", TerminationProtectionEnabled=False)["EventDataStoreArn"]
        t.equal(error(lake.client.delete_event_data_store, EventDataStore=made2)[0], "OperationNotPermittedException", "nothing is deleted meanwhile")
        for name in ("case-7", "all"):
            t.equal(call("ReleaseHold", {"Name": name, "Reason": "it is over"})[0], 200, "released")
        lake.store.until(lambda: not [x for x in days() if x < day_before(now, 9)], "the rest to go", 60)
        t.equal(error(lake.client.delete_event_data_store, EventDataStore=made2)[0], None, "now it may be deleted")
        t.equal([(r["eventName"], r["serviceEventDetails"]["name"], r["serviceEventDetails"]["by"]) for r in own(lake, "HoldPlaced") + own(lake, "HoldReleased")],
                [("HoldPlaced", "case-7", "KEYOP"), ("HoldPlaced", "all", "HTAKTESTTESTTEST0001"), ("HoldReleased", "case-7", "HTAKTESTTESTTEST0001"),
                 ("HoldReleased", "all", "HTAKTESTTESTTEST0001")], "all of it are records")
        lake.store.stop()


def by_the_command(t):
    """hosttrail retention and hosttrail hold, as somebody types them."""
    with tap.Workdir() as d:
        os.mkdir(os.path.join(d, "bucket"))
        lake = Lake(d, buckets=["logs %s/bucket retention_days=40" % d])
        os.makedirs(os.path.join(d, "instance/store"))
        for link, to in (("instance/credentials", "credentials"), ("instance/store/ports", "ports"), ("instance/ports", "ports")):
            os.symlink(os.path.join(d, to), os.path.join(d, link))

        def run(*args, status=0):
            r = subprocess.run([tap.program("hosttrail"), *args], capture_output=True, text=True, timeout=30,
                               env={**os.environ, "HOSTTRAIL_DIR": os.path.join(d, "instance")})
            t.equal(r.returncode, status, "%s: %s" % (" ".join(args), r.stderr))
            t.ok(r.stderr.count("\n") <= 1, "one line: " + r.stderr)
            return r.stdout + r.stderr

        until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 40 * DAY))
        run("retention", "set", "default", "100")
        run("retention", "lock", "--until", until, "default", "50")
        run("retention", "lock", "--until", until, "bucket:logs", "41", status=1)
        run("retention", "lock", "--until", until, "bucket:logs", "40")
        t.ok("at least 50 days until " + until in run("retention", "set", "default", "49", status=1), "locked")
        out = run("retention").splitlines()
        t.equal([" ".join(x.split()) for x in out], ["event data store default 100 days, at least 50 until %sT00:00:00Z" % until,
                                                     "bucket logs 40 days, at least 40 until %sT00:00:00Z" % until], "shown")
        run("hold", "place", "case", "--reason", "they ask", "--target", "default", "--start", "2026-01-01")
        t.ok("case" in run("hold") and "they ask" in run("hold", "list"), "listed")
        t.equal(json.loads(run("hold", "list", "--format", "json"))[0]["Reason"], "they ask", "as JSON")
        t.ok("held" in run("retention", "show").splitlines()[0], "shown as held")
        run("hold", "release", "case", "--reason", "over")
        t.equal(run("hold"), "", "gone")
        for args in (("hold", "place"), ("hold", "place", "x"), ("hold", "nonsense"), ("retention", "set", "default"), ("retention", "set", "default", "6"),
                     ("retention", "lock", "default", "50"), ("retention", "set", "bucket:logs", "50"), ("retention", "lock", "--until", "soon", "default", "50")):
            run(*args, status=2)
        run("retention", "set", "nosuch", "50", status=1)
        lake.store.stop()


class Files:
    """A store with a trail that is validated, and one that is not, in a directory; its clock can be moved."""

    def __init__(self, d, **settings):
        self.dir, self.bucket, self.clock, self.ahead = d, os.path.join(d, "bucket"), MovedClock(d), 0
        os.mkdir(self.bucket)
        self.pb, self.pki = messages(d), Pki(os.path.join(d, "pki"))
        self.pki.host("host")
        self.store = Store(d, environ=self.clock.environ, buckets=["trail-logs %s retention_days=7" % self.bucket], delivery_interval="100ms",
                           duckdb="/nonexistent", **settings)
        for name, validated in (("main", True), ("plain", False)):
            self.call("CreateTrail", {"Name": name, "S3BucketName": "trail-logs", "S3KeyPrefix": name, "EnableLogFileValidation": validated}, prefix=AWS)
            self.call("PutEventSelectors", {"TrailName": name, "AdvancedEventSelectors": bucketkit.everything()}, prefix=AWS)
            self.call("StartLogging", {"Name": name}, prefix=AWS)

    def call(self, *args, **kw):
        status, answer = self.store.call(*args, when=datetime.datetime.utcnow() + datetime.timedelta(seconds=self.ahead), **kw)
        if status != 200:
            raise tap.Failed("%r: %r" % (args, answer))
        return answer

    def pass_time(self, seconds):
        """It passes while the store runs; the thread that removes looks once a minute."""
        self.ahead += seconds
        self.clock.set(wall=self.ahead, running=self.ahead)

    def settle(self):
        """The store's own clock has seen it pass."""
        self.store.until(lambda: self.call("GetRetention")["KeptTime"] > time.time() + self.ahead - 60, "time to pass")

    def logs(self, trail="main"):
        return set(bucketkit.files(os.path.join(self.bucket, trail), "CloudTrail"))

    def digests(self):
        return bucketkit.files(self.bucket, "CloudTrail-Digest")

    def ship(self):
        """Records, until a new file of each trail is there."""
        before = self.logs(), self.logs("plain")
        with Client(self.pki, "host", self.store.ports["ingest"], self.pb) as c:
            c.ship(*self.pki.frames("host", new_stream(), count=2, records=10))
        self.store.until(lambda: self.logs() > before[0] and self.logs("plain") > before[1], "a file of each trail")
        return self.logs() - before[0], self.logs("plain") - before[1]

    def hours(self, n):
        """So many, an hour at a time, each with its digest, until the last one is there."""
        for _ in range(n):
            before = len(self.digests())
            self.pass_time(3600)
            self.store.until(lambda: len(self.digests()) > before, "an hour's digest")

    def restart(self):
        self.store.stop()
        self.store.start()

    def removed(self):
        pages, token = [], {}
        while True:
            page = self.call("LookupEvents", {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "LogFilesRemoved"}], **token}, prefix=AWS)
            pages += [json.loads(e["CloudTrailEvent"])["serviceEventDetails"] for e in page["Events"]]
            if "NextToken" not in page:
                return pages[::-1]
            token = {"NextToken": page["NextToken"]}

    def validate(self, since):
        return bucketkit.validate(self.store, self.dir, "main", since, environment=self.clock.environ)

    def verify(self):
        """hosttrail verify, at the store's time."""
        os.environ.update(self.clock.environ)
        try:
            return bucketkit.verify(self.dir)
        finally:
            for k in self.clock.environ:
                del os.environ[k]


def directories_of_trails(t):
    """Log files go with the digests that name them, oldest first; what remains is valid to AWS's own tool, and to ours."""
    with tap.Workdir() as d:
        f = Files(d)
        begin, old, young = time.time(), [], []
        for rounds in (old, old, young):
            rounds.append(f.ship())
            f.hours(2)
        held = f.call("PlaceHold", {"Name": "h", "Reason": "x", "Target": "bucket:trail-logs", "EndTime": begin + 3000})
        t.equal(held, {}, "the first is held")
        for trail in ("main", "plain"):
            f.call("StopLogging", {"Name": trail}, prefix=AWS)
        f.store.until(lambda: bucketkit.drained(d), "the last digest")
        f.pass_time(7 * DAY - 2 * 3600 + 1800)  # now the first two are past, and the third is not
        f.settle()
        for trail in ("main", "plain"):
            f.call("StartLogging", {"Name": trail}, prefix=AWS)
        f.restart()
        time.sleep(1)
        t.equal(f.removed(), [], "nothing goes before what is held")
        t.ok(old[0][0] <= f.logs() and old[1][0] <= f.logs(), "neither what is held nor what follows it")
        names = {p: hashlib.sha256(bucketkit.one_member(p)).hexdigest() for p in f.digests()}
        f.call("ReleaseHold", {"Name": "h", "Reason": "y"})
        f.store.until(lambda: not (old[0][0] | old[1][0]) & f.logs() and not (old[0][1] | old[1][1]) & f.logs("plain"), "what is past to go", 90)
        t.ok(young[0][0] <= f.logs() and young[0][1] <= f.logs("plain"), "what is not stays")
        t.ok(tap.wait_for(lambda: len(f.removed()) >= 5), "all is said")
        said = f.removed()
        gone = {os.path.relpath(p, f.bucket): h for p, h in names.items() if not os.path.exists(p)}
        t.equal({x["object"]: x["sha256"] for x in said if x["object"].endswith(".json.gz")}, gone, "each digest, by its hash")
        t.ok(all(x["files"] >= 1 and x["target"] == "bucket trail-logs" and x["retentionDays"] == 7 and x["reason"] == "retention" for x in said), "%r" % said[0])
        t.equal(sum(x["files"] for x in said), len(gone) + sum(len(a | b) for a, b in old), "each file, once")
        told = {r["eventName"] for r in bucketkit.records(f.bucket + "/main")}
        t.ok(tap.wait_for(lambda: {"HoldPlaced", "HoldReleased", "LogFilesRemoved"} <= told | {r["eventName"] for r in bucketkit.records(f.bucket + "/main")}),
             "what was held, released and removed is delivered itself, and so in a digest")
        t.ok(not [p for p in glob.glob(f.bucket + "/**/*.headers", recursive=True) if not os.path.exists(p[:-8])], "no headers without their digest")
        oldest = min(f.digests(), key=lambda p: p[-24:])
        since = json.loads(bucketkit.one_member(oldest))["digestStartTime"]
        status, out = f.validate(datetime.datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp() + 1)
        t.ok(status == 0 and "INVALID" not in out and "%d/%d digest files valid" % (len(f.digests()), len(f.digests())) in out, "validate-logs: " + out[-500:])
        status, faults, out = f.verify()
        t.equal((status, faults), (0, []), "hosttrail verify: " + out[-300:])
        t.ok('"removedDigests":%d' % len(gone) in out, "which says what is gone: " + out[-300:])
        f.store.stop()


def killed_while_it_removes_files(t):
    if not size("retention.files"):
        raise tap.Skip("at full size")
    chance = random.Random(SEED)
    t.note("HT_SEED=%d" % SEED)
    with tap.Workdir() as d:
        f = Files(d)
        files = [f.ship()]
        for _ in range(5):
            f.hours(1)
            files.append(f.ship())
        f.pass_time(7 * DAY)
        f.store.until(lambda: len(f.digests()) >= 7 * 24 + 5, "digests of a week", 60)
        for _ in range(size("retention.kills")):
            f.pass_time(3600)
            f.settle()
            f.store.stop()
            f.store.start(wait=False)
            time.sleep(chance.uniform(0, 0.4))
            f.store.kill()
            f.store.start()
        f.store.until(lambda: not f.logs() & set().union(*(a for a, _ in files[:3])), "what is past to go", 60)
        status, faults, out = f.verify()
        t.equal((status, faults), (0, []), "hosttrail verify finds nothing that is missing or too many: " + out[-300:])
        f.store.stop()


def journal(d):
    return sorted(os.path.basename(p) for p in glob.glob(os.path.join(d, "journal", "*.jnl")))


def hash_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def a_full_disk(t):
    """Then room is wanted most: what is past goes, and is said, with what is kept back for that."""
    with tap.Workdir() as d, Disk(d) as disk, contextlib.ExitStack() as stack:
        disk.grow(256 << 20)
        os.mkdir(disk.path + "/s")
        made = month(disk.path + "/s", 600, 20)
        clock = MovedClock(d)
        lake = Lake(disk.path + "/s", environ=clock.environ, lake_seal_time="50ms")
        stack.callback(lambda: end(lake.store.child))
        sealed(lake, made.count)
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=30)
        before = segments(lake)
        with open(disk.path + "/filler", "wb", buffering=0) as f:  # what a buffer still holds would fail as it is closed
            with contextlib.suppress(OSError):
                while True:
                    f.write(bytes(1 << 16))
        free = os.statvfs(disk.path)
        t.ok(free.f_bavail * free.f_bsize < 16384, "full: %d bytes" % (free.f_bavail * free.f_bsize))
        clock.set(wall=20 * DAY, running=20 * DAY)
        later = lambda: datetime.datetime.utcnow() + datetime.timedelta(days=20)  # noqa: E731
        lake.store.until(lambda: lake.store.call("GetRetention", when=later())[1]["KeptTime"] > time.time() + 19 * DAY, "time to pass")
        clock.set(wall=20 * DAY + 120, running=20 * DAY + 120)  # and the minute after which it looks again
        gone = lambda: {p for p in before if p not in segments(lake) and p.split("day=")[1][:10] < day_before(time.time(), 11)}  # noqa: E731
        lake.store.until(lambda: len(gone()) >= 7, "what is past to go", 60)
        lake.store.until(lambda: agree(lake) is None, "files to go", 60)
        os.unlink(disk.path + "/filler")
        clock.set()
        lake.store.stop()
        lake.store.start()
        lake.connect()
        t.ok({r["serviceEventDetails"]["object"] for r in own(lake, "SegmentRemoved")} >= gone(), "each was said")
        t.ok(tap.wait_for(lambda: os.path.exists(disk.path + "/s/retention.reserve")), "what was taken is kept back again")
        lake.store.stop()


def the_journal_itself(t):
    """Its segments go when nothing needs them; what is left proves to follow from what went."""
    with tap.Workdir() as d:
        made = fill(d, 1500, int(time.time()) - 150 * DAY, 150 * DAY * 10**9 // 1500, 20, aged=True, segment=10 << 10)
        fill(d, 100, int(time.time()) - 140 * DAY, 10**9, 20, aged=True, segment=10 << 10)  # came last: nothing before it may stay for it
        lake = Lake(d, lake_seal_time="50ms")
        sealed(lake, made.count + 100)
        before = {name: hash_of(os.path.join(d, "journal", name)) for name in journal(d)}
        t.ok(len(before) >= 9, "%d segments" % len(before))
        t.equal(bucketkit.verify(d)[:2], (0, []), "all of it is proven")
        t.equal(lake.store.call("PlaceHold", {"Name": "h", "Reason": "x", "Target": lake.id(), "StartTime": time.time() - 148 * DAY,
                                              "EndTime": time.time() - 145 * DAY})[0], 200, "held")
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=50)
        lake.store.until(lambda: len(segments(lake)) <= 65, "segments of the lake to go", 60)
        time.sleep(1)
        t.ok(journal(d)[0] == sorted(before)[0], "what is held keeps the journal from there on")
        t.equal(lake.store.call("ReleaseHold", {"Name": "h", "Reason": "y"})[0], 200, "released")
        lake.store.until(lambda: len(journal(d)) < len(before) - 2, "segments of the journal to go", 60)
        time.sleep(1)
        gone = {name for name in before if name not in journal(d)}
        t.equal(gone, set(sorted(before)[:len(gone)]), "the oldest ones")
        said = [r["serviceEventDetails"] for r in own(lake, "JournalRemoved")]
        t.equal({x["object"].split("/")[1]: x["sha256"] for x in said}, {name: before[name] for name in gone}, "each is said, by its hash")
        t.ok(all(x["retentionDays"] == 90 for x in said), "event history shows 90 days, so the journal keeps them")
        for x in said:
            with open(os.path.join(d, "journal/removed", x["object"].split("/")[1][:10] + ".txt"), "rb") as f:
                t.equal(hashlib.sha256(f.read().split(b"\n", 1)[1]).hexdigest(), x["noteSha256"], "its note, too")
        t.ok("sealing" not in lake.store.stderr(), "what is merged goes not over what was removed: " + lake.store.stderr()[-300:])
        what_is_left_is_proven(t, lake, made, len(gone))
        what_needs_it_keeps_it(t, lake)
        what_was_not_removed_is_missed(t, lake)
        t.ok("cannot be sealed" not in lake.store.stderr() and "could not be sealed" not in lake.store.stderr(), "sealing and merging went on: " + lake.store.stderr()[-300:])


def a_chain_that_slept(t):
    """All of its frames are removed; when its host comes back, it goes on, and nobody takes it for a loss."""
    with tap.Workdir() as d:
        clock, pb, pki = MovedClock(d), messages(d), Pki(os.path.join(d, "pki"))
        pki.host("host")
        lake = Lake(d, environ=clock.environ, lake_seal_time="50ms")
        frames = pki.frames("host", new_stream(), count=6, records=3)
        with Client(pki, "host", lake.store.ports["ingest"], pb) as c:
            t.equal([r[0] for r in c.ship(*frames[:3])], [STORED] * 3, "half of it")
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=7)
        lake.store.stop()
        fill(d, 40, int(time.time()), 10**6, 20, segment=1 << 10)  # what comes now lies in other segments
        lake.store.start()
        mine, later = lake.store.boto().list_event_data_stores()["EventDataStores"][0]["EventDataStoreArn"], datetime.timedelta(days=100)
        clock.set(wall=100 * DAY, running=100 * DAY)
        lake.store.until(lambda: lake.store.call("GetRetention", when=datetime.datetime.utcnow() + later)[1]["KeptTime"] > time.time() + 99 * DAY, "time to pass")
        lake.store.call("UpdateEventDataStore", {"EventDataStore": mine, "RetentionPeriod": 8}, prefix=AWS, when=datetime.datetime.utcnow() + later)
        lake.store.until(lambda: "0000000001.jnl" not in journal(d), "the frames to go", 100)
        clock.set()
        lake.store.stop()
        lake.store.start()
        with Client(pki, "host", lake.store.ports["ingest"], pb) as c:
            t.equal([r[0] for r in c.ship(*frames[3:])], [STORED] * 3, "the other half")
        t.equal(lake.store.metric("gaps_pending"), 0, "there is no gap")
        lake.connect()
        t.equal(own(lake, "RecordsLost") + own(lake, "ChainBroken") + own(lake, "GapFilled"), [], "nobody takes it for a loss")
        t.equal(bucketkit.verify(d)[:2], (0, []), "and it is proven")
        lake.store.stop()


def killed_while_the_journal_goes(t):
    """Then each segment is there or gone with its note, and what is left is proven."""
    chance = random.Random(SEED)
    t.note("HT_SEED=%d" % SEED)
    with tap.Workdir() as d:
        for _ in range(1 + size("retention.kills")):
            fill(d, 300, int(time.time()) - 150 * DAY, 10**9, 20, aged=True, segment=4 << 10)
        lake = Lake(d, lake_seal_time="50ms")
        sealed(lake, 300)
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=7)
        before = {name: hash_of(os.path.join(d, "journal", name)) for name in journal(d)}
        for _ in range(size("retention.kills")):
            time.sleep(chance.uniform(0, 0.15))
            lake.store.kill()
            lake.store.start(wait=False)
        lake.store.until(lambda: len(journal(d)) <= 2, "all but the newest to go", 60)
        lake.connect()
        lake.wait()
        t.equal(bucketkit.verify(d)[:2], (0, []), "hosttrail verify")
        notes = {os.path.basename(p)[:10] + ".jnl": open(p).readline().strip() for p in glob.glob(os.path.join(d, "journal/removed/*.txt"))}
        gone = {name: h for name, h in before.items() if name not in journal(d)}
        t.ok(gone.items() <= notes.items(), "each that is gone has its note: %r" % (gone.items() - notes.items()))
        said = {x["object"].split("/")[1]: x["sha256"] for x in (r["serviceEventDetails"] for r in own(lake, "JournalRemoved"))}
        t.ok(gone.items() <= said.items(), "and its record: %r" % (gone.items() - said.items()))
        t.equal(own(lake, "RecordsLost") + own(lake, "JournalDamaged"), [], "nobody takes it for a loss")
        lake.store.stop()


def what_is_left_is_proven(t, lake, made, gone):
    d = lake.dir
    for step in ("at once", "with a new index"):
        status, faults, out = bucketkit.verify(d)
        t.equal((status, faults), (0, []), "hosttrail verify " + step)
        t.ok('"removedSegments":%d' % gone in out, "says what is gone " + step)
        t.equal(own(lake, "RecordsLost") + own(lake, "GapFilled") + own(lake, "JournalDamaged"), [], "nobody takes it for a loss " + step)
        n = sum(len(p["Events"]) for p in lake.client.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "s3.amazonaws.com"}]))
        want = sum(made.time(i) > time.time() - 90 * DAY for i in range(6, made.count, 7))
        t.ok(abs(n - want) <= 1, "event history has its 90 days %s: %d of %d" % (step, n, want))
        t.ok(abs(lake.count(lake.id(), "hostname = 'kit'") - sum(made.time(i) > time.time() - 50 * DAY for i in range(made.count))) <= 20, "the lake its 50 " + step)
        lake.store.stop()
        if step == "at once":
            for path in glob.glob(os.path.join(d, "index/*.blk")):
                os.unlink(path)
        lake.store.start()
        lake.connect()
        lake.wait()
    status, page = lake.store.call("Tail", {"From": "oldest", "WaitSeconds": 0})
    t.ok(status == 200 and page["Events"], "Tail begins with what is there")


def what_needs_it_keeps_it(t, lake):
    """A trail that has not delivered yet, as its database says it."""
    left, mine = journal(lake.dir), lake.id()
    lake.store.stop()
    with contextlib.closing(sqlite3.connect(os.path.join(lake.dir, "trails.db"))) as db:
        db.execute("INSERT INTO spans (id, trail, pos, record, begun) VALUES (99, 99, ?, 0, 1)", (int(left[0][:10]) << 32,))
        db.execute("UPDATE digests SET removed = 0")
        db.commit()
    clock = MovedClock(lake.dir)
    clock.set(wall=400 * DAY, running=400 * DAY)
    lake.store.environ = clock.environ
    clock.set()
    lake.store.start()
    clock.set(wall=400 * DAY, running=400 * DAY)
    later = lambda: datetime.datetime.utcnow() + datetime.timedelta(days=400)  # noqa: E731
    lake.store.until(lambda: lake.store.call("GetRetention", when=later())[1]["KeptTime"] > time.time() + 399 * DAY, "time to pass")
    lake.store.call("UpdateEventDataStore", {"EventDataStore": mine, "RetentionPeriod": 50}, prefix=AWS, when=later())  # it looks now
    lake.store.until(lambda: len(segments(lake)) <= 3, "all that is past to go from the lake", 90)
    time.sleep(1)
    t.equal(journal(lake.dir), left, "what was not delivered is never removed")
    lake.store.stop()
    lake.store.environ = {}
    with contextlib.closing(sqlite3.connect(os.path.join(lake.dir, "trails.db"))) as db:
        db.execute("DELETE FROM spans WHERE id = 99")
        db.commit()


def what_was_not_removed_is_missed(t, lake):
    """Somebody else's removal is no retention, and a false note is found."""
    lake.store.start()
    note = sorted(glob.glob(os.path.join(lake.dir, "journal/removed/*.txt")))[-1]
    with open(note) as f:
        good = f.read()
    os.chmod(note, 0o600)
    head = next(line for line in good.splitlines()[2:] if line.endswith(" 0"))
    with open(note, "w") as f:
        f.write(good.replace(head, head[:-3] + ("0" if head[-3] != "0" else "1") + head[-2:]))
    t.ok(any("which was removed" in x for x in bucketkit.verify(lake.dir)[1]), "another hash: %r" % (bucketkit.verify(lake.dir)[1:],))
    with open(note, "w") as f:
        f.write(good)
    t.equal(bucketkit.verify(lake.dir)[1], [], "and back")
    os.unlink(os.path.join(lake.dir, "journal", journal(lake.dir)[0]))
    t.ok(any("are missing" in x for x in bucketkit.verify(lake.dir)[1]), "a segment that somebody took")
    lake.store.stop()


def killed_while_it_removes(t):
    """At any moment: manifest and disk agree, each segment that is gone was said, none that was not said is gone."""
    chance = random.Random(SEED)
    t.note("HT_SEED=%d" % SEED)
    with tap.Workdir() as d:
        made = month(d, 1000, 50, per_frame=10)
        lake = Lake(d, lake_seal_time="50ms")
        sealed(lake, made.count)
        before, left = segments(lake), 50
        for _ in range(size("retention.kills")):
            left = max(left - chance.randrange(5, 15), 8)
            lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=left)
            time.sleep(chance.uniform(0, 0.3))
            lake.store.kill()
            lake.store.start()
            lake.connect()
            lake.wait()
            n = lake.count(lake.id(), "hostname = 'kit'")
            want = sum(made.time(i) >= time.time() - left * DAY for i in range(made.count))
            t.ok(want - 20 <= n <= want + 21, "%d days, %d of %d records" % (left, n, want))
        lake.store.until(lambda: agree(lake) is None, "manifest and disk to agree: %s" % agree(lake), 60)
        lake.store.until(lambda: not [p for p in segments(lake) if p.split("day=")[1][:10] < day_before(time.time(), left + 2)], "all that is past to go", 60)
        said = [(r["serviceEventDetails"]["object"], r["serviceEventDetails"]["sha256"]) for r in own(lake, "SegmentRemoved")]
        today = day_before(time.time(), 1)  # its segments are still merged
        gone = {(p, v[0]) for p, v in before.items() if p not in segments(lake) and p.split("day=")[1][:10] < today}
        t.ok(set(said) == gone, "each that is gone was said, and no other: %r" % (set(said) ^ gone))
        t.note("%d removed, %d said twice" % (len(gone), len(said) - len(set(said))))
        t.ok(len(said) - len(set(said)) <= size("retention.kills"), "at most one a kill was said twice")
        lake.store.stop()


if __name__ == "__main__":
    tap.main([what_is_past_goes_and_is_said, every_way_of_an_administrator, by_other_settings, a_clock_that_is_set, what_is_held_stays, by_the_command, killed_while_it_removes,
              a_full_disk, directories_of_trails, the_journal_itself, a_chain_that_slept, killed_while_the_journal_goes, killed_while_it_removes_files])
