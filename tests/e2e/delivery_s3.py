#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 later=20
"""Delivery to an S3-compatible endpoint that checks every signature with botocore and fails in each way."""
import gzip
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import shipkit  # noqa: E402
import tap  # noqa: E402
from fakes3 import FakeS3  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from storekit import Store  # noqa: E402

S = {}
KEY_ID, SECRET = "S3TESTKEY", "S3/test+secret"


def ship(count=5, records=10):
    S["shipped"] = S.get("shipped", 0) + shipkit.ship(S["store"], S["pki"], S["pb"], count, records=records)


def ids(fake):
    return [r["eventID"] for key, v in list(fake.versions.items()) if "/CloudTrail/" in key
            for r in json.loads(gzip.decompress(v[-1][0]))["Records"] if r["eventSource"] != "trail.hosttrail"]


def begin_trail(name, bucket, **more):
    b = S["store"].boto()
    b.create_trail(Name=name, S3BucketName=bucket, EnableLogFileValidation=True, **more)
    b.put_event_selectors(TrailName=name, AdvancedEventSelectors=bucketkit.everything())
    b.start_logging(Name=name)


def an_object_arrives_with_its_headers(t):
    fake = S["fake"]
    begin_trail("far", "far-logs", S3KeyPrefix="a/b", KmsKeyId="alias/key=1")
    ship()
    t.ok(tap.wait_for(lambda: len(ids(fake)) == 50 and any("/CloudTrail-Digest/" in k for k in fake.versions)), "log files and digests come")
    t.ok(all(bucketkit.LOG_NAME.search(k) or bucketkit.DIGEST_NAME.search(k) for k in fake.versions), "names: %r" % list(fake.versions))
    t.ok(all(k.startswith("a/b/AWSLogs/") for k in fake.versions), "prefix")
    for key, v in fake.versions.items():
        h = v[-1][1]
        t.equal((h["x-amz-server-side-encryption"], h["x-amz-server-side-encryption-aws-kms-key-id"]), ("aws:kms", "alias/key=1"), "SSE")
        t.equal(h["x-amz-object-lock-mode"], "COMPLIANCE", "object lock")
        days = (time.mktime(time.strptime(h["x-amz-object-lock-retain-until-date"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())) / 86400
        t.ok(29.9 < days <= 30.1, "for %.2f days" % days)
        t.equal((h["content-type"], h["content-encoding"]), ("application/json", "gzip"), "type")
        if "/CloudTrail-Digest/" in key:
            t.equal((len(h["x-amz-meta-signature"]), h["x-amz-meta-signature-algorithm"]), (512, "SHA256withRSA"), "metadata")
    t.ok(fake.requests and all(status == 200 or status == 404 for _, _, status in fake.requests), "botocore finds every signature right")


def what_fails_for_a_moment_is_tried_again(t):
    fake = S["fake"]
    for fault in (503, 500, "hang up", "cut"):
        fake.faults = [fault]
        ship()
        t.ok(tap.wait_for(lambda: not fake.faults and len(ids(fake)) == S["shipped"]), "%s: it arrives" % fault)
    got = ids(fake)
    t.equal(len(got), len(set(got)), "no record twice")
    t.equal({k: len(v) for k, v in fake.versions.items() if len(v) != 1}, {}, "no object twice, not even as a second version")
    t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in S["store"].boto().get_trail_status(Name="far")), "no error stays")


def what_fails_for_long_is_told_and_caught_up_with(t):
    fake, b = S["fake"], S["store"].boto()
    for status, code in ((403, "AccessDenied"), (403, "RequestTimeTooSkewed"), (404, "NoSuchBucket")):
        fake.refuse = (status, code)
        ship()
        t.ok(tap.wait_for(lambda: b.get_trail_status(Name="far").get("LatestDeliveryError") == code), "GetTrailStatus says " + code)
        fake.refuse = None
        t.ok(tap.wait_for(lambda: len(ids(fake)) == S["shipped"]), "then all of it comes")
    t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in b.get_trail_status(Name="far")), "and the error goes")


def a_kill_between_object_and_note_repeats_nothing(t):
    fake = S["fake"]
    ship()
    fake.faults = ["cut"] * 3      # the object is there; nobody learns of it
    tap.wait_for(lambda: not fake.faults, 10)
    S["store"].kill()
    fake.faults = []
    S["store"].start()
    ship()
    t.ok(tap.wait_for(lambda: len(ids(fake)) == S["shipped"]), "all is there: %d of %d" % (len(ids(fake)), S["shipped"]))
    t.equal(len(set(ids(fake))), S["shipped"], "each once")
    t.equal({k: len(v) for k, v in fake.versions.items() if len(v) != 1}, {}, "no second version")
    S["store"].boto().stop_logging(Name="far")
    t.ok(tap.wait_for(lambda: bucketkit.drained(S["dir"])), "the last digest comes")
    status, said = bucketkit.validate(S["store"], S["dir"], "far", time.time() - 600, port=S["store"].ports["api"])
    t.ok(status != 0 and "NotImplemented" in said, "objects at endpoints are not listed by the store: " + said[-200:])


def wrong_secrets_are_told(t):
    b = S["store"].boto()
    try:
        b.create_trail(Name="wrong", S3BucketName="wrong-logs")
        t.fail("a trail with wrong credentials is made")
    except b.exceptions.InsufficientS3BucketPolicyException:
        pass
    try:
        b.create_trail(Name="wrong", S3BucketName="none-such")
        t.fail("a trail to a bucket that is not there is made")
    except b.exceptions.S3BucketDoesNotExistException:
        pass


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        fake = FakeS3("far-logs", KEY_ID, SECRET, "eu-west-3")
        for name, secret in (("s3", SECRET), ("s3-wrong", "other")):
            with open(os.open(os.path.join(d, name), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("[default]\nregion = x\n[trail]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY_ID, secret))
        where = "http://127.0.0.1:%d region=eu-west-3 profile=trail credentials=%s/" % (fake.port, d)
        S.update(dir=d, fake=fake, pb=messages(d), pki=Pki(d + "/pki"))
        S["pki"].host("host")
        S["store"] = Store(d, buckets=["far-logs %ss3 sse=AES256 lock=COMPLIANCE lock_days=30" % where, "wrong-logs %ss3-wrong" % where,
                                       "none-such %ss3" % where], delivery_interval="100ms", digest_period="1s")
        tap.main([an_object_arrives_with_its_headers, what_fails_for_a_moment_is_tried_again, what_fails_for_long_is_told_and_caught_up_with,
                  a_kill_between_object_and_note_repeats_nothing, wrong_secrets_are_told, a_clean_end])
