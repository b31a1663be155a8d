#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 long extra
"""Trails of several stores in front of a real ClickHouse cluster: each record once in the bucket, digests one chain that AWS's validate-logs
finds valid, whichever store delivers, and whether a store or a server is killed while it does. So in a bucket of S3's kind, whose
requests are signed."""
import datetime
import gzip
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import bucketkit
import shipkit
import tap
from chkit import Clustered
from fakes3 import FakeS3
from movedclock import MovedClock
from sizes import size

# a zone far from UTC: days are UTC's, wherever servers think they are
PLACE = Clustered("a", "b", zone="Pacific/Kiritimati")
SECRET = "S3/test+secret"
S = {}


def begin_s3():
    """(an endpoint of S3's kind, how a bucket at it is set)."""
    fake, credentials = FakeS3("far-logs", "S3TESTKEY", SECRET, "eu-west-3"), PLACE.next("s3")
    with open(os.open(credentials, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("[trail]\naws_access_key_id = S3TESTKEY\naws_secret_access_key = %s\n" % SECRET)
    os.chmod(credentials, 0o600)
    return fake, "far-logs http://127.0.0.1:%d region=eu-west-3 profile=trail credentials=%s" % (fake.port, credentials)


def store(**more):
    return PLACE.store(buckets=["trail-logs " + S["bucket"], S["far"]], delivery_interval="1s", delivery_size="256K", digest_period="4s", clickhouse_linger="20ms", **more)


def ship(count, to=None, host="a", **how):
    shipkit.ship(to or S["one"], PLACE.pki, PLACE.pb, count, host=host, **how)


def ids():
    return [r["eventID"] for r in bucketkit.records(S["bucket"]) if r["eventSource"] != "trail.hosttrail"]


def in_the_cluster():
    return {x for x, in PLACE.cluster().servers[0].rows("SELECT eventid FROM trail_2 WHERE kind = 0 AND eventsource != 'trail.hosttrail'")}


def each_once(t, want, what):
    t.ok(tap.wait_for(lambda: set(ids()) >= want, 120), "%s: all are delivered: %d of %d" % (what, len(set(ids()) & want), len(want)))
    got = ids()
    t.equal((len(got), len(set(got) - want)), (len(want), 0), what + ": each once")


def leaders():
    return [s for s in (S["one"], S["two"]) if s.child.poll() is None and s.metric("clickhouse_delivers") == 1]


def any_store_makes_a_trail_and_all_tell_of_it(t):
    one, two = S["one"].boto(), S["two"].boto()
    ship(3)
    S["before"] = in_the_cluster()
    S["begin"] = time.time()
    made = S["one"].aws("create-trail", "--name", "main", "--s3-bucket-name", "trail-logs", "--s3-key-prefix", "kept", "--enable-log-file-validation")
    t.equal(made["TrailARN"], "arn:aws:cloudtrail:local:000000000000:trail/main", "CreateTrail")
    t.equal([x["Name"] for x in two.describe_trails()["trailList"]], ["default", "main"], "at the other store")
    want = bucketkit.everything()
    two.put_event_selectors(TrailName="main", AdvancedEventSelectors=want)
    t.equal(one.get_event_selectors(TrailName="main")["AdvancedEventSelectors"], want, "selectors that the other put")
    two.start_logging(Name="main")
    t.equal(one.get_trail_status(Name="main")["IsLogging"], True, "it logs")
    t.equal([s is S["two"] for s in leaders()], [True], "who changed something last delivers")
    t.equal(two.update_trail(Name="main", IsMultiRegionTrail=True)["IsMultiRegionTrail"], True, "UpdateTrail")


def each_record_once(t):
    for n in range(2):
        ship(20, S["one"], records=25)
        ship(20, S["two"], host="b", records=25)
    want = in_the_cluster() - S["before"]
    t.equal(len(want), 2000, "records")
    each_once(t, want, "of two stores")
    for path in bucketkit.files(S["bucket"], "CloudTrail"):
        t.ok(path.startswith(S["bucket"] + "/kept/AWSLogs/") and bucketkit.LOG_NAME.search(path), path)
    status = S["one"].boto().get_trail_status(Name="main")
    t.ok(status["LatestDeliveryTime"].timestamp() >= S["begin"] and "LatestDeliveryError" not in status, "GetTrailStatus at the one that does not deliver")


def load(to, rounds, host):
    """Ships to whichever of these stores takes it."""
    for n in range(rounds):
        frames = PLACE.pki.frames(host, shipkit.new_stream(), count=10, records=20)
        for s in to * 40:
            try:
                with shipkit.Client(PLACE.pki, host, s.ports["ingest"], PLACE.pb) as c:
                    if [x[0] for x in c.ship(*frames)] == [shipkit.STORED] * 10:
                        break
            except Exception:
                time.sleep(0.25)
        else:
            raise tap.Failed("nobody takes frames")


def a_store_is_killed_while_it_delivers(t):
    for n in range(size("clickhouse.takeovers")):
        t.must(tap.wait_for(lambda: len(leaders()) == 1), "one delivers")
        dying = leaders()[0]
        other = S["two"] if dying is S["one"] else S["one"]
        before = other.metric("clickhouse_takeovers_total")
        load([dying, other], 2, "a")
        t.must(tap.wait_for(lambda: dying.metric("delivery_files_total") > 0), "it delivers")
        dying.kill()
        load([other], 2, "b")
        t.ok(tap.wait_for(lambda: other.metric("clickhouse_takeovers_total") > before, 120), "the other takes over")
        dying.start()
    each_once(t, in_the_cluster() - S["before"], "after kills")


def archived():
    return [r["eventID"] for key, v in list(S["fake"].versions.items()) if "/CloudTrail/" in key
            for r in json.loads(gzip.decompress(v[-1][0]))["Records"] if r["eventSource"] != "trail.hosttrail"]


def an_archive_in_s3_comes_from_either_store(t):
    before, b = in_the_cluster(), S["one"].boto()
    b.create_trail(Name="archive", S3BucketName="far-logs", EnableLogFileValidation=True)
    b.put_event_selectors(TrailName="archive", AdvancedEventSelectors=bucketkit.everything())
    b.start_logging(Name="archive")

    def arrived(what):
        want = in_the_cluster() - before
        t.ok(tap.wait_for(lambda: set(archived()) >= want, 120), "%s: all come: %d of %d" % (what, len(set(archived()) & want), len(want)))
        t.equal((len(archived()), set(archived()) - want), (len(want), set()), what + ": each once")
        return len(want)
    for n in range(2):
        dying = leaders()[0]
        other = S["two"] if dying is S["one"] else S["one"]
        load([dying], 1, "a")
        made = arrived("by the store that leads")
        dying.kill()
        load([other], 1, "b")
        t.must(tap.wait_for(lambda: leaders() == [other], 120), "the other takes over")
        t.equal(arrived("by the other") - made, 200, "records of the second load")
        dying.start()
    t.equal({k: len(v) for k, v in S["fake"].versions.items() if len(v) != 1}, {}, "objects of which a second version was made")
    t.equal({status for _, _, status in S["fake"].requests} - {200, 404}, set(), "what the endpoint answered")
    S["two"].boto().delete_trail(Name="archive")


def a_server_is_killed_while_they_deliver(t):
    for victim in PLACE.cluster().servers[:size("clickhouse.victims")]:
        load([S["one"], S["two"]], 3, "a")
        victim.kill()
        time.sleep(2)
        load([S["one"], S["two"]], 3, "b")
        victim.start()
        PLACE.cluster().until(victim.up, "the server that was killed")
        PLACE.cluster().until(lambda: len(in_the_cluster()) > 0, "its tables")
    t.ok(tap.wait_for(lambda: len({s.ask("SELECT count() FROM hosttrail.trail_rows_2") for s in PLACE.cluster().servers}) == 1), "both servers have all")
    each_once(t, in_the_cluster() - S["before"], "after servers were killed")


def aws_validates_all_of_it(t):
    S["one"].boto().stop_logging(Name="main")
    logs = lambda: len(bucketkit.files(S["bucket"], "CloudTrail"))
    t.ok(tap.wait_for(lambda: S["one"].call("ListDigests", {})[1]["Open"] == [] and digested() == logs(), 120), "the last digest comes: %d of %d" % (digested(), logs()))
    status, said = bucketkit.validate(S["two"], PLACE.dir, "main", S["begin"] - 5)
    digests = len(bucketkit.files(S["bucket"], "CloudTrail-Digest"))
    t.equal(status, 0, "exit status: " + said)
    t.ok("%d/%d digest files valid" % (digests, digests) in said and "%d/%d log files valid" % (logs(), logs()) in said, said)
    signed = {json.loads(bucketkit.one_member(p))["digestPublicKeyFingerprint"] for p in bucketkit.files(S["bucket"], "CloudTrail-Digest")}
    t.ok(len(signed) >= 2, "signed by both stores: %d keys" % len(signed))


def hosttrail_verify_finds_no_fault_but_what_is_changed(t):
    status, faults, text = bucketkit.verify(S["two"].dir)
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    filed = sum(x.get("delivered", 0) for x in rows)
    t.equal((status, faults), (0, []), text[-2000:])
    t.ok(filed >= len(ids()), "records of log files that were compared with the frames: %d of %d" % (filed, len(ids())))
    path = bucketkit.files(S["bucket"], "CloudTrail")[3]
    kept = shipkit.read(path)
    bucketkit.rewrite_text(path, lambda x: x.replace(b"openat", b"openax", 1))
    status, faults, text = bucketkit.verify(S["one"].dir)
    t.ok(status == 1 and any(os.path.basename(path) in x for x in faults), "a record of a log file is changed: %r" % faults)
    with open(path, "wb") as f:
        f.write(kept)


def a_store_starts_while_a_server_is_down(t):
    for s in (S["one"], S["two"]):
        s.stop()
    counts = lambda: {s.ask("SELECT count() FROM hosttrail.trail_ledger_1") for s in PLACE.cluster().servers}
    t.must(tap.wait_for(lambda: len(counts()) == 1), "both servers have the ledger")
    PLACE.cluster().servers[0].kill()
    S["two"].start()
    t.equal([x["Name"] for x in S["two"].boto().describe_trails()["trailList"]], ["default", "main"], "DescribeTrails")
    S["two"].boto().delete_trail(Name="main")
    t.equal([x["Name"] for x in S["two"].boto().describe_trails()["trailList"]], ["default"], "after DeleteTrail")


def a_day_is_dropped_before_it_is_delivered(t):
    """What was of it is missing in the bucket, and said; what came later is delivered, once, and the chain of digests goes on."""
    clock, bucket, ahead = MovedClock(PLACE.dir), PLACE.next("bucket"), datetime.timedelta(days=10)
    os.makedirs(bucket)
    how = {"buckets": ["dropped-logs " + bucket], "clickhouse_database": "dropped", "clickhouse_linger": "20ms", "digest_period": "4s"}
    rows = lambda: [s.ask("SELECT count(), uniqExact(day) FROM dropped.trail_rows_2 WHERE kind = 0 AND eventsource != 'trail.hosttrail'") for s in PLACE.cluster().servers]
    with PLACE.store(delivery_interval="300s", **how) as s:
        b = s.boto()
        b.create_trail(Name="late", S3BucketName="dropped-logs", EnableLogFileValidation=True)
        b.put_event_selectors(TrailName="late", AdvancedEventSelectors=bucketkit.everything())
        b.start_logging(Name="late")
        ship(5, s)
        t.must(tap.wait_for(lambda: rows() == ["20\t1\n"] * 2), "both servers have them")
        t.must(tap.wait_for(lambda: len(s.call("Tail", {"From": "oldest", "WaitSeconds": 0, "MaxResults": 50})[1]["Events"]) >= 20, 60), "they have their place in the order of delivery")
        s.kill()
    t.equal(bucketkit.records(bucket), [], "nothing is delivered yet")
    clock.set(wall=10 * 86400, running=10 * 86400)
    day, = {x.ask("SELECT DISTINCT day FROM dropped.trail_rows_2") for x in PLACE.cluster().servers}
    leads = "SELECT is_leader FROM system.replicas WHERE database = 'dropped' AND table = 'trail_rows_2'"
    leader, = (x for x in PLACE.cluster().servers if x.ask(leads) == "1\n")
    leader.ask("ALTER TABLE dropped.trail_rows_2 DROP PARTITION '%s'" % day.strip())
    t.must(tap.wait_for(lambda: rows() == ["0\t0\n"] * 2), "the day is gone")
    with PLACE.store(delivery_interval="1s", environ=clock.environ, **how) as s:
        ship(5, s, host="b")
        got = lambda: [r["eventID"] for r in bucketkit.records(bucket) if r["eventSource"] != "trail.hosttrail"]
        t.ok(tap.wait_for(lambda: len(got()) >= 20, 120), "what came later: %d" % len(got()))
        want = {x for x, in (line.split("\t") for line in PLACE.cluster().servers[0].ask("SELECT eventid FROM dropped.trail_rows_2 WHERE kind = 0 AND eventsource != 'trail.hosttrail'").splitlines())}
        t.equal((len(got()), set(got())), (20, want), "is delivered, once")
        status = s.call("GetTrailStatus", {"Name": "late"}, prefix="CloudTrail_20131101", when=datetime.datetime.utcnow() + ahead)[1]
        t.ok(status["IsLogging"] and not status.get("LatestDeliveryError"), "GetTrailStatus: %r" % status)
        t.equal(s.stderr().count("a day's rows are gone before trails had them"), 1, "what is missing is said: " + s.stderr()[-1500:])


def digested():
    return sum(len(json.loads(bucketkit.one_member(p))["logFiles"]) for p in bucketkit.files(S["bucket"], "CloudTrail-Digest"))


if __name__ == "__main__":
    try:
        S["bucket"] = PLACE.next("bucket")
        os.makedirs(S["bucket"])
        S["fake"], S["far"] = begin_s3()
        S["one"], S["two"] = store(), store()
        tap.main([any_store_makes_a_trail_and_all_tell_of_it, each_record_once, a_store_is_killed_while_it_delivers,
                  an_archive_in_s3_comes_from_either_store, a_server_is_killed_while_they_deliver, aws_validates_all_of_it,
                  hosttrail_verify_finds_no_fault_but_what_is_changed, a_day_is_dropped_before_it_is_delivered, a_store_starts_while_a_server_is_down])
    finally:
        PLACE.end()
