#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120 later=30
"""A trail of all regions and accounts: each has files and digests of its own, and an unmodified aws cloudtrail validate-logs checks those of
each region, as it does with CloudTrail."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import shipkit  # noqa: E402
import tap  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from storekit import Store  # noqa: E402

S = {}
HOSTS = {"home": None, "away": ("000000000000", "eu-west-1"), "other": ("111111111111", "us-east-1")}


def ship(host):
    shipkit.ship(S["store"], S["pki"], S["pb"], host=host)


def folder(kind, account, region):
    return [p for p in bucketkit.files(S["bucket"], kind) if "/AWSLogs/%s/%s/%s/" % (account, kind, region) in p]


def each_region_has_its_files(t):
    b = S["store"].boto()
    for name, everywhere in (("all", True), ("one", False)):
        b.create_trail(Name=name, S3BucketName="logs", S3KeyPrefix=name, IsMultiRegionTrail=everywhere, EnableLogFileValidation=True)
        b.put_event_selectors(TrailName=name, AdvancedEventSelectors=bucketkit.everything())
        b.start_logging(Name=name)
    for host in HOSTS:
        ship(host)
    S["store"].until(lambda: len(bucketkit.records(S["bucket"])) == 24 + 8, "all records")
    for name in ("all", "one"):
        b.stop_logging(Name=name)
    S["store"].until(lambda: bucketkit.drained(S["dir"]), "the last digests")
    for place in HOSTS.values():
        account, region = place or ("000000000000", "local")
        paths = folder("CloudTrail", account, region)
        t.ok(any("/all/" in p for p in paths) and any("/one/" in p for p in paths) == (region == "local"), "%s: %r" % (region, paths))
        t.ok(any("/all/" in p for p in folder("CloudTrail-Digest", account, region)), "digests of %s" % region)
    status, faults, said = bucketkit.verify(S["dir"])
    t.equal((status, faults), (0, []), said)


def aws_validates_each_region(t):
    for region, account in (("local", None), ("eu-west-1", None), ("us-east-1", "111111111111")):
        logs, digests = (len([p for p in folder(k, account or "000000000000", region) if "/all/" in p]) for k in ("CloudTrail", "CloudTrail-Digest"))
        status, said = bucketkit.validate(S["store"], S["dir"], "all", S["begin"] - 5, region=region, account=account, fresh=False)
        t.ok(status == 0 and "INVALID" not in said and "%d/%d log files valid" % (logs, logs) in said and
             "%d/%d digest files valid" % (digests, digests) in said and logs > 0, "%s: %s" % (region, said[-500:]))
    path = [p for p in folder("CloudTrail", "000000000000", "eu-west-1") if "/all/" in p][0]
    shutil.copy(path, S["dir"] + "/kept")
    os.chmod(path, 0o640)
    bucketkit.rewrite_text(path, lambda text: text.replace(b"/srv/", b"/opt/", 1))
    status, said = bucketkit.validate(S["store"], S["dir"], "all", S["begin"] - 5, region="eu-west-1", fresh=False)
    t.ok(status == 1 and "INVALID" in said, "a changed one is told: " + said[-300:])
    status, said = bucketkit.validate(S["store"], S["dir"], "all", S["begin"] - 5, region="local", fresh=False)
    t.ok(status == 0 and "INVALID" not in said, "not in another region: " + said[-300:])


def only_trails_are_everywhere(t):
    code, said = S["store"].aws("lookup-events", region="eu-west-1", check=False)
    t.ok(code and "InvalidSignatureException" in said, "events are not: " + said)
    t.equal([x["Name"] for x in S["store"].boto(region="eu-west-1").describe_trails()["trailList"]], ["default", "all", "one"], "trails are")
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as top:
        S.update(dir=top, bucket=top + "/bucket", pb=messages(top), pki=Pki(top + "/pki"), begin=time.time())
        for name, place in HOSTS.items():
            S["pki"].host(name, place=place)
        S["store"] = Store(top, buckets=["logs %s/bucket" % top], delivery_interval="200ms", digest_period="1s")
        tap.main([each_region_has_its_files, aws_validates_each_region, only_trails_are_everywhere])
