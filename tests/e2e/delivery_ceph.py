#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=20
"""Delivery to a real Ceph gateway with object lock, which is stopped in between; AWS's validate-logs against it, unmodified. At full size only: it
takes twenty seconds until Ceph answers."""
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
from shipkit import Pki, messages  # noqa: E402
from sizes import size  # noqa: E402
from storekit import KEY_ID, SECRET, Store  # noqa: E402

S = {"shipped": 0}
BUCKET = "ceph-logs"


def ship(count=10, records=20):
    S["shipped"] += shipkit.ship(S["store"], S["pki"], S["pb"], count, records=records)


def versions(kind="/CloudTrail/"):
    return [v for page in S["s3"].get_paginator("list_object_versions").paginate(Bucket=BUCKET) for v in page.get("Versions", []) if kind in v["Key"]]


def ids():
    keys = {v["Key"] for v in versions()}
    found = []
    for key in keys:
        o = S["s3"].get_object(Bucket=BUCKET, Key=key)
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
    t.ok(tap.wait_for(lambda: len(ids()) == S["shipped"]), "it catches up: %d of %d" % (len(ids()), S["shipped"]))
    got = ids()
    t.equal(len(set(got)), len(got), "each record once")
    t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in S["store"].boto().get_trail_status(Name="kept")), "no error stays")
    keys = [v["Key"] for v in versions("AWSLogs/")]
    t.equal(len(keys), len(set(keys)), "no object has a second version")


def aws_validates_what_is_in_ceph(t):
    S["store"].boto().stop_logging(Name="kept")
    t.ok(tap.wait_for(lambda: bucketkit.drained(S["dir"])), "the last digest comes")
    status, said = bucketkit.validate(S["store"], S["dir"], "kept", S["begin"] - 5, port=S["ceph"].port)
    logs, digests = len(versions()), len(versions("/CloudTrail-Digest/"))
    t.ok(status == 0 and "%d/%d log files valid" % (logs, logs) in said and "%d/%d digest files valid" % (digests, digests) in said, said)


def what_is_put_over_a_file_is_found(t):
    key = versions()[0]["Key"]
    text = gzip.compress(b'{"Records":[]}')
    S["s3"].put_object(Bucket=BUCKET, Key=key, Body=text)
    status, said = bucketkit.validate(S["store"], S["dir"], "kept", S["begin"] - 5, port=S["ceph"].port)
    t.ok(status == 1 and "INVALID: hash value doesn't match" in said, said[-300:])
    status, faults, said = bucketkit.verify(S["dir"])
    t.ok(status == 1 and key in faults[0], "hosttrail verify, through the store: %r %s" % (faults, said))


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")


def main():
    with tap.Workdir() as d, Ceph(d + "/ceph", KEY_ID, SECRET) as ceph:
        with open(d + "/s3", "w") as f:
            f.write("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY_ID, SECRET))
        S.update(dir=d, ceph=ceph, pb=messages(d), pki=Pki(d + "/pki"))
        S["s3"] = boto3.client("s3", endpoint_url="http://127.0.0.1:%d" % ceph.port, region_name="us-east-1", aws_access_key_id=KEY_ID,
                               aws_secret_access_key=SECRET, config=botocore.config.Config(s3={"addressing_style": "path"}))
        S["pki"].host("host")
        S["store"] = Store(d, buckets=["%s http://127.0.0.1:%d credentials=%s/s3 lock=COMPLIANCE lock_days=1" % (BUCKET, ceph.port, d)],
                           delivery_interval="200ms", digest_period="2s")
        tap.main([files_come_and_are_locked, the_gateway_is_stopped_in_between, aws_validates_what_is_in_ceph, what_is_put_over_a_file_is_found,
                  a_clean_end])


def only_at_full_size(t):
    raise tap.Skip("takes half a minute: at full size only")


if __name__ == "__main__":
    try:
        main() if size("delivery.ceph") else tap.main([only_at_full_size])
    except tap.Skip as why:
        print("1..0 # SKIP %s" % why)
