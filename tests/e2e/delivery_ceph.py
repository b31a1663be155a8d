#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 long later=20
"""Delivery to a real Ceph gateway with object lock, which is stopped in between; AWS's validate-logs against it, unmodified. At full size only: it
takes twenty seconds until Ceph answers."""
import datetime
import gzip
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import boto3  # noqa: E402
import botocore.config  # noqa: E402
import bucketkit  # noqa: E402
import shipkit  # noqa: E402
import tap  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from ceph import Ceph  # noqa: E402
from movedclock import MovedClock  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from sizes import size  # noqa: E402
from storekit import KEY_ID, SECRET, Store  # noqa: E402

S = {"shipped": 0}
BUCKET = "ceph-logs"


def ship(count=10, records=20):
    S["shipped"] += shipkit.ship(S["store"], S["pki"], S["pb"], count, records=records)


def versions(kind="/CloudTrail/", bucket=BUCKET):
    return [v for page in S["s3"].get_paginator("list_object_versions").paginate(Bucket=bucket) for v in page.get("Versions", []) if kind in v["Key"]]


def ids(bucket=BUCKET):
    keys = {v["Key"] for v in versions(bucket=bucket)}
    found = []
    for key in keys:
        o = S["s3"].get_object(Bucket=bucket, Key=key)
        found += [r["eventID"] for r in json.loads(gzip.decompress(o["Body"].read()))["Records"] if r["eventSource"] != "trail.hosttrail"]
    return found


def files_come_and_are_locked(t):
    S["s3"].create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    b = S["store"].boto()
    b.create_trail(Name="kept", S3BucketName=BUCKET, EnableLogFileValidation=True)
    b.put_event_selectors(TrailName="kept", AdvancedEventSelectors=bucketkit.everything())
    S["begin"] = time.time()
    b.start_logging(Name="kept")
    ship()
    t.ok(tap.wait_for(lambda: len(versions()) >= 1 and len(ids()) == S["shipped"]), "log files come")
    v = versions()[0]
    lock = S["s3"].get_object_retention(Bucket=BUCKET, Key=v["Key"], VersionId=v["VersionId"])["Retention"]
    t.equal(lock["Mode"], "COMPLIANCE", "locked")
    t.ok(0.9 < (lock["RetainUntilDate"].timestamp() - time.time()) / 86400 < 1.1, "for a day")
    try:
        S["s3"].delete_object(Bucket=BUCKET, Key=v["Key"], VersionId=v["VersionId"])
        t.fail("a locked file was deleted")
    except ClientError as e:
        t.equal(e.response["Error"]["Code"], "AccessDenied", "deleting it")


def the_gateway_is_stopped_in_between(t):
    b = S["store"].boto()
    S["ceph"].stop_gateway()
    for _ in range(3):
        ship()
        time.sleep(0.5)
    t.ok(tap.wait_for(lambda: "does not answer" in b.get_trail_status(Name="kept").get("LatestDeliveryError", "")), "GetTrailStatus says so")
    S["store"].kill()
    S["store"].start()
    S["ceph"].start_gateway()
    all_have_come(t)
    keys = [v["Key"] for v in versions("AWSLogs/")]
    t.equal(len(keys), len(set(keys)), "no object has a second version")


def aws_validates_what_is_in_ceph(t):
    S["store"].boto().stop_logging(Name="kept")
    t.ok(tap.wait_for(lambda: bucketkit.drained(S["dir"])), "the last digest comes")
    status, said = bucketkit.validate(S["store"], S["dir"], "kept", S["begin"] - 5, port=S["ceph"].port)
    logs, digests = len(versions()), len(versions("/CloudTrail-Digest/"))
    t.ok(status == 0 and "%d/%d log files valid" % (logs, logs) in said and "%d/%d digest files valid" % (digests, digests) in said, said)


def wrong_credentials_are_told(t):
    b = S["store"].boto()
    try:
        b.create_trail(Name="other", S3BucketName="ceph-wrong")
        t.fail("a trail with wrong credentials is made")
    except ClientError as e:
        t.equal(e.response["Error"]["Code"], "InsufficientS3BucketPolicyException", "a trail with wrong credentials")
    S["store"].stop()
    credentials("s3", "nobody's")     # somebody has exchanged the secret meanwhile
    S["store"].start()
    ship()
    t.ok(tap.wait_for(lambda: S["store"].boto().get_trail_status(Name="kept").get("LatestDeliveryError") == "SignatureDoesNotMatch"), "GetTrailStatus says so")
    S["store"].stop()
    credentials("s3", SECRET)
    S["store"].start()
    all_have_come(t)


def credentials(name, secret):
    with open(os.open(os.path.join(S["dir"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY_ID, secret))


def all_have_come(t):
    t.ok(tap.wait_for(lambda: len(ids()) == S["shipped"]), "it catches up: %d of %d" % (len(ids()), S["shipped"]))
    t.equal(len(set(ids())), S["shipped"], "each record once")
    t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in S["store"].boto().get_trail_status(Name="kept")), "no error stays")


def a_clock_that_is_wrong_is_told(t):
    """A store whose clock is 20 minutes ahead of the gateway's, until somebody sets it right."""
    d, bucket = os.path.join(S["dir"], "skewed"), "ceph-skewed"
    os.mkdir(d)
    S["s3"].create_bucket(Bucket=bucket)
    clock, pki = MovedClock(d), Pki(d + "/pki")
    pki.host("host")
    clock.set(1200)
    with Store(d, buckets=["%s http://127.0.0.1:%d credentials=%s/s3" % (bucket, S["ceph"].port, S["dir"])], delivery_interval="200ms", environ=clock.environ) as store:
        def ask(operation, ahead, **body):
            return store.call(operation, body, prefix="CloudTrail_20131101", when=datetime.datetime.utcnow() + datetime.timedelta(seconds=ahead))
        made = ask("CreateTrail", 1200, Name="skewed", S3BucketName=bucket)
        t.equal(made[1].get("__type"), "InsufficientS3BucketPolicyException", "a trail is not made: %r" % (made,))
        clock.set(0)
        t.equal(ask("CreateTrail", 0, Name="skewed", S3BucketName=bucket)[0], 200, "it is, by the right time")
        ask("PutEventSelectors", 0, TrailName="skewed", AdvancedEventSelectors=bucketkit.everything())
        ask("StartLogging", 0, Name="skewed")
        clock.set(1200)
        n = shipkit.ship(store, pki, S["pb"], 5, records=20)
        t.ok(tap.wait_for(lambda: ask("GetTrailStatus", 1200, Name="skewed")[1].get("LatestDeliveryError") == "RequestTimeTooSkewed"),
             "GetTrailStatus says so: %r" % (ask("GetTrailStatus", 1200, Name="skewed"),))
        clock.set(0)
        n += shipkit.ship(store, pki, S["pb"], 5, records=20)
        t.ok(tap.wait_for(lambda: len(ids(bucket)) == n, 90), "it catches up: %d of %d" % (len(ids(bucket)), n))
        t.equal(len(set(ids(bucket))), n, "each record once")
        t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in ask("GetTrailStatus", 0, Name="skewed")[1]), "no error stays")


def read(key):
    o = S["s3"].get_object(Bucket=BUCKET, Key=key)
    return o["Body"].read(), o["Metadata"]


def flip_a_byte(logs, digests):
    text = bytearray(gzip.decompress(read(logs[0])[0]))
    text[len(text) // 2] ^= 1
    return [(logs[0], gzip.compress(bytes(text)), {})]


def remove_a_file(logs, digests):
    return [(logs[1], None, {})]


def remove_a_digest(logs, digests):
    return [(digests[1], None, {})]


def swap_signatures(logs, digests):
    (one, first), (two, second) = read(digests[0]), read(digests[1])
    return [(digests[1], two, first), (digests[0], one, second)]


def append_a_member(logs, digests):
    return [(logs[0], read(logs[0])[0] + gzip.compress(b'{"Records":[]}'), {})]


def move_a_file(logs, digests):
    return [(logs[0], None, {}), (logs[0].replace("Z_", "Z_A"), read(logs[0])[0], {})]


def put_another_over_it(logs, digests):
    return [(logs[0], gzip.compress(b'{"Records":[]}'), {})]


# what is done through S3's API, which adds versions and takes none away, and whether AWS's tool of Debian 12 sees it
TAMPERING = [(put_another_over_it, True), (flip_a_byte, True), (remove_a_file, True), (remove_a_digest, True), (swap_signatures, True), (append_a_member, False), (move_a_file, True)]


def tampering_is_found(t):
    logs, digests = (sorted({v["Key"] for v in versions(kind)}) for kind in ("/CloudTrail/", "/CloudTrail-Digest/"))
    for how, aws_sees in TAMPERING:
        made = []
        for key, body, metadata in how(logs, digests):
            answer = S["s3"].delete_object(Bucket=BUCKET, Key=key) if body is None else S["s3"].put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)
            made.append((key, answer["VersionId"]))
        name = how.__name__.replace("_", " ")
        status, said = bucketkit.validate(S["store"], S["dir"], "kept", S["begin"] - 5, port=S["ceph"].port)
        t.equal(status == 1 and "INVALID" in said, aws_sees, "validate-logs: %s: %s" % (name, said[-300:]))
        status, faults, said = bucketkit.verify(S["dir"])
        t.ok(status == 1 and any(made[0][0] in x for x in faults), "hosttrail verify, through the store: %s: %r %s" % (name, faults, said))
        for key, version in made:
            S["s3"].delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    t.equal(bucketkit.verify(S["dir"])[:2], (0, []), "as it was: no fault")


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")


def main():
    with tap.Workdir() as d, Ceph(d + "/ceph", KEY_ID, SECRET) as ceph:
        S.update(dir=d, ceph=ceph, pb=messages(d), pki=Pki(d + "/pki"))
        credentials("s3", SECRET)
        credentials("s3-wrong", "nobody's")
        S["s3"] = boto3.client("s3", endpoint_url="http://127.0.0.1:%d" % ceph.port, region_name="us-east-1", aws_access_key_id=KEY_ID,
                               aws_secret_access_key=SECRET, config=botocore.config.Config(s3={"addressing_style": "path"}))
        S["pki"].host("host")
        where = "http://127.0.0.1:%d credentials=%s/" % (ceph.port, d)
        S["store"] = Store(d, buckets=["%s %ss3 lock=COMPLIANCE lock_days=1" % (BUCKET, where), "ceph-wrong %ss3-wrong bucket=%s" % (where, BUCKET)],
                           delivery_interval="200ms", digest_period="2s")
        tap.main([files_come_and_are_locked, the_gateway_is_stopped_in_between, wrong_credentials_are_told, a_clock_that_is_wrong_is_told, aws_validates_what_is_in_ceph,
                  tampering_is_found, a_clean_end])


def only_at_full_size(t):
    raise tap.Skip("takes half a minute: at full size only")


if __name__ == "__main__":
    try:
        main() if size("delivery.ceph") else tap.main([only_at_full_size])
    except tap.Skip as why:
        print("1..0 # SKIP %s" % why)
