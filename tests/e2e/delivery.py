#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""Trails made with the unmodified AWS CLI deliver log files and digests to a local directory: each record once, valid to AWS's
validate-logs; what is tampered with is found; a bucket that fails is told and caught up with; kills repeat and lose nothing."""
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import shipkit  # noqa: E402
import tap  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from shipkit import Pki, messages, new_stream  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store  # noqa: E402

S = {}


def ship(count, store=None, **how):
    shipkit.ship(store or S["store"], S["pki"], S["pb"], count, **how)


def all_records(store):
    """{eventID: the record} of everything in the store, by LookupEvents."""
    pages = store.boto().get_paginator("lookup_events").paginate()
    return {e["EventId"]: json.loads(e["CloudTrailEvent"]) for page in pages for e in page["Events"]}


def code_of(fn, **kw):
    try:
        fn(**kw)
        return None
    except ClientError as e:
        return e.response["Error"]["Code"]


def the_aws_cli_makes_a_trail(t):
    aws = S["store"].aws
    made = aws("create-trail", "--name", "main", "--s3-bucket-name", "trail-logs", "--s3-key-prefix", "kept/here",
               "--enable-log-file-validation")
    arn = "arn:aws:cloudtrail:local:000000000000:trail/main"
    t.equal(made, {"Name": "main", "S3BucketName": "trail-logs", "S3KeyPrefix": "kept/here", "IncludeGlobalServiceEvents": True,
                   "IsMultiRegionTrail": False, "TrailARN": arn, "LogFileValidationEnabled": True, "IsOrganizationTrail": False}, "CreateTrail")
    b = S["store"].boto()
    trail = b.get_trail(Name=arn)["Trail"]
    t.equal((trail["S3BucketName"], trail["HomeRegion"], trail["HasCustomEventSelectors"]), ("trail-logs", "local", False), "GetTrail")
    t.equal([x["Name"] for x in b.describe_trails()["trailList"]], ["default", "main"], "DescribeTrails")
    t.equal([x["Name"] for x in b.list_trails()["Trails"]], ["default", "main"], "ListTrails")
    t.equal(b.get_trail_status(Name="main")["IsLogging"], False, "it does not log yet")
    t.equal(b.get_event_selectors(TrailName="main")["EventSelectors"][0]["IncludeManagementEvents"], True, "management events")
    ship(3)
    time.sleep(0.5)
    t.equal(bucketkit.files(S["bucket"], "CloudTrail"), [], "nothing is delivered before StartLogging")
    S["before"] = set(all_records(S["store"]))
    S["begin"] = time.time()
    b.start_logging(Name="main")
    t.equal(b.get_trail_status(Name="main")["IsLogging"], True, "it logs")


def errors_are_awss(t):
    b = S["store"].boto()
    good = {"Name": "other", "S3BucketName": "trail-logs"}
    for want, kw in [("TrailAlreadyExistsException", {"Name": "main"}), ("TrailAlreadyExistsException", {"Name": "default"}),
                     ("InvalidTrailNameException", {"Name": "a--b"}), ("InvalidTrailNameException", {"Name": "192.168.1.1"}),
                     ("S3BucketDoesNotExistException", {"S3BucketName": "nowhere"}), ("InvalidS3BucketNameException", {"S3BucketName": "No_Bucket"}),
                     ("InsufficientS3BucketPolicyException", {"S3BucketName": "no-folder"}),
                     ("InvalidS3PrefixException", {"S3KeyPrefix": "../up"}), ("InvalidS3PrefixException", {"S3KeyPrefix": "/root"}),
                     ("InvalidSnsTopicNameException", {"SnsTopicName": "x"}), ("KmsKeyNotFoundException", {"KmsKeyId": "alias/x"}),
                     ("OrganizationsNotInUseException", {"IsOrganizationTrail": True})]:
        t.equal(code_of(b.create_trail, **{**good, **kw}), want, "CreateTrail %r" % kw)
    for op in (b.delete_trail, b.start_logging, b.stop_logging, b.update_trail):
        t.equal(code_of(op, Name="nothing"), "TrailNotFoundException", op.__name__)
        t.equal(code_of(op, Name="default"), "OperationNotPermittedException", op.__name__)
    t.equal(code_of(b.put_event_selectors, TrailName="main", AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "x", "Equals": ["y"]}]}]),
            "InvalidEventSelectorsException", "PutEventSelectors")
    t.equal(code_of(b.put_event_selectors, TrailName="main"), "InvalidParameterCombinationException", "neither")
    t.equal(b.update_trail(Name="main", IsMultiRegionTrail=True)["IsMultiRegionTrail"], True, "UpdateTrail")
    t.equal(b.get_trail(Name="main")["Trail"]["S3KeyPrefix"], "kept/here", "what it does not name stays")


def tags_are_kept(t):
    b, arn = S["store"].boto(), "arn:aws:cloudtrail:local:000000000000:trail/tagged"
    b.create_trail(Name="tagged", S3BucketName="trail-logs", TagsList=[{"Key": "team", "Value": "blue"}, {"Key": "empty"}])
    b.add_tags(ResourceId=arn, TagsList=[{"Key": "team", "Value": "red"}, {"Key": "cost", "Value": "1"}])
    b.remove_tags(ResourceId=arn, TagsList=[{"Key": "empty"}])
    t.equal(b.list_tags(ResourceIdList=[arn])["ResourceTagList"],
            [{"ResourceId": arn, "TagsList": [{"Key": "cost", "Value": "1"}, {"Key": "team", "Value": "red"}]}], "ListTags")
    t.equal(code_of(b.list_tags, ResourceIdList=[arn + "x"]), "ResourceNotFoundException", "of a trail that is not there")
    t.equal(code_of(b.list_tags, ResourceIdList=["tagged"]), "CloudTrailARNInvalidException", "by name")
    t.equal(code_of(b.add_tags, ResourceId=arn, TagsList=[{"Key": "a"}, {"Key": "a"}]), "InvalidTagParameterException", "twice")
    t.equal(code_of(b.add_tags, ResourceId=arn, TagsList=[{"Key": "k%d" % i} for i in range(49)]), "TagsLimitExceededException", "too many")
    t.equal(code_of(b.get_insight_selectors, TrailName="tagged"), "InsightNotEnabledException", "no Insights")
    b.delete_trail(Name="tagged")
    t.equal(code_of(b.list_tags, ResourceIdList=[arn]), "ResourceNotFoundException", "deleted")


def each_selected_record_once(t):
    b, store = S["store"].boto(), S["store"]
    want = bucketkit.everything()
    t.equal(b.put_event_selectors(TrailName="main", AdvancedEventSelectors=want)["AdvancedEventSelectors"], want, "PutEventSelectors")
    t.equal(b.get_event_selectors(TrailName="main")["AdvancedEventSelectors"], want, "GetEventSelectors")
    for n in range(4):
        ship(20, records=25)
        t.ok(tap.wait_for(lambda n=n: len(bucketkit.files(S["bucket"], "CloudTrail")) > n), "file after file")
    expected = {k: v for k, v in all_records(store).items() if k not in S["before"]}
    t.ok(len(expected) >= 2000, "%d records" % len(expected))
    t.ok(tap.wait_for(lambda: len(bucketkit.records(S["bucket"])) >= len(expected)), "all are delivered")
    got = bucketkit.records(S["bucket"])
    t.equal(len(got), len(expected), "each once")
    t.ok({r["eventID"]: r for r in got} == expected, "as LookupEvents has them")
    names = bucketkit.files(S["bucket"], "CloudTrail")
    for path in names:
        t.ok(path.startswith(S["bucket"] + "/kept/here/AWSLogs/") and bucketkit.LOG_NAME.search(path), path)
        t.equal(os.stat(path).st_mode & 0o777, 0o440, "read-only")
    status = b.get_trail_status(Name="main")
    t.ok(status["LatestDeliveryTime"].timestamp() >= S["begin"] and "LatestDeliveryError" not in status, "GetTrailStatus")


def aws_validates_all_of_it(t):
    t.ok(tap.wait_for(lambda: len(bucketkit.files(S["bucket"], "CloudTrail-Digest")) >= 3 and empty_digests()),
         "digests come, also for a period without files")
    S["store"].boto().stop_logging(Name="main")
    t.ok(tap.wait_for(lambda: bucketkit.drained(S["dir"])), "the last digest comes")
    t.equal(logs_in_digests(), len(bucketkit.files(S["bucket"], "CloudTrail")), "each file is in a digest")
    status, said = bucketkit.validate(S["store"], S["dir"], "main", S["begin"] - 5)
    digests, logs = (len(bucketkit.files(S["bucket"], k)) for k in ("CloudTrail-Digest", "CloudTrail"))
    t.equal(status, 0, "exit status: " + said)
    t.ok("%d/%d digest files valid" % (digests, digests) in said and "%d/%d log files valid" % (logs, logs) in said, said)
    signed = {json.loads(bucketkit.one_member(p))["digestPublicKeyFingerprint"] for p in bucketkit.files(S["bucket"], "CloudTrail-Digest")}
    t.ok(len(signed) >= 2, "by %d keys" % len(signed))
    for path in bucketkit.files(S["bucket"], "CloudTrail-Digest"):
        t.ok(bucketkit.DIGEST_NAME.search(path), path)


def empty_digests():
    return [p for p in bucketkit.files(S["bucket"], "CloudTrail-Digest") if not json.loads(bucketkit.one_member(p))["logFiles"]]


def logs_in_digests():
    return sum(len(json.loads(bucketkit.one_member(p))["logFiles"]) for p in bucketkit.files(S["bucket"], "CloudTrail-Digest"))


def hosttrail_verifies_all_of_it(t):
    status, faults, said = bucketkit.verify(S["dir"])
    digests, logs = (len(bucketkit.files(S["bucket"], k)) for k in ("CloudTrail-Digest", "CloudTrail"))
    t.equal((status, faults), (0, []), "no fault: " + said)
    t.ok('{"digests":%d,"logFiles":%d,' % (digests, logs) in said, "%d digests, %d files: %s" % (digests, logs, said))


def rewrite(path, data):
    os.chmod(path, 0o640)
    with open(path, "wb") as f:
        f.write(data)


def flip_a_byte(logs, digests):
    """Within the compressed text of a record, so that what comes out differs."""
    text = bucketkit.one_member(logs[0])
    at = text.index(b'"eventName":"') + 13
    rewrite(logs[0], gzip.compress(text[:at] + bytes([text[at] ^ 1]) + text[at + 1:]))
    return logs[0]


def damage_a_file(logs, digests):
    with open(logs[0], "rb") as f:
        data = bytearray(f.read())
    data[len(data) // 2] ^= 0x10
    rewrite(logs[0], bytes(data))
    return logs[0]


def remove_a_file(logs, digests):
    os.unlink(logs[1])
    return logs[1]


def remove_a_digest(logs, digests):
    os.unlink(digests[1])
    return digests[1]


def remove_the_last_digest(logs, digests):
    os.unlink(digests[-1])
    return digests[-1]


def swap_signatures(logs, digests):
    shutil.copy(digests[0] + ".headers", digests[0] + ".kept")
    os.replace(digests[1] + ".headers", digests[0] + ".headers")
    os.replace(digests[0] + ".kept", digests[1] + ".headers")
    return digests[1]


def append_a_member(logs, digests):
    os.chmod(logs[0], 0o640)
    bucketkit.append_member(logs[0], b'{"Records":[]}')
    return logs[0]


def append_bytes(logs, digests):
    os.chmod(digests[1], 0o640)
    with open(digests[1], "ab") as f:
        f.write(b"more")
    return digests[1]


def move_a_file(logs, digests):
    os.rename(logs[0], logs[0].replace("Z_", "Z_A"))
    return logs[0]


def move_a_digest(logs, digests):
    for end in ("", ".headers"):
        os.replace(digests[1] + end, digests[2] + end)
    return digests[2]


def plant_a_file(logs, digests):
    new = logs[0].replace("Z_", "Z_X")
    shutil.copy(logs[0], new)
    return new


def a_digest_of_ones_own(logs, digests):
    """Changed, and signed by another key."""
    d = json.loads(bucketkit.one_member(digests[1]))
    d["logFiles"] = []
    rewrite(digests[1], gzip.compress(json.dumps(d).encode()))
    return digests[1]


# what was done, and whether AWS's tool of Debian 12 sees it; None: it is not asked
TAMPERING = [(flip_a_byte, True), (damage_a_file, None), (remove_a_file, True), (remove_a_digest, True), (remove_the_last_digest, False),
             (swap_signatures, True), (append_a_member, False), (append_bytes, None), (move_a_file, True), (move_a_digest, None),
             (plant_a_file, None), (a_digest_of_ones_own, None)]


def tampering_is_found(t):
    bucket, kept = S["bucket"], S["dir"] + "/untouched"
    shutil.copytree(bucket, kept)
    for how, aws_sees in TAMPERING:
        shutil.rmtree(bucket)
        shutil.copytree(kept, bucket)
        path = how(bucketkit.files(bucket, "CloudTrail"), bucketkit.files(bucket, "CloudTrail-Digest"))
        name = how.__name__.replace("_", " ")
        status, faults, said = bucketkit.verify(S["dir"])
        t.ok(status == 1 and any(path[len(bucket) + 1:] in x for x in faults), "hosttrail verify: %s: %r %s" % (name, faults, said))
        if aws_sees is not None:
            status, said = bucketkit.validate(S["store"], S["dir"], "main", S["begin"] - 5, fresh=False)
            t.equal(status == 1 and "INVALID" in said, aws_sees, "validate-logs: %s: %s" % (name, said))
    shutil.rmtree(bucket)
    os.rename(kept, bucket)
    t.equal(bucketkit.verify(S["dir"])[:2], (0, []), "as it was: no fault")


def objects_are_for_those_who_sign(t):
    key = bucketkit.files(S["bucket"], "CloudTrail-Digest")[0][len(S["bucket"]) + 1:]
    t.equal(S["store"].get("/trail-logs/" + key)[0], 404, "without a signature")
    import boto3
    import botocore.config
    for secret, want in ((None, None), ("wrong", "SignatureDoesNotMatch")):
        with open(S["store"].credentials) as f:
            known = dict(line.strip().split(" = ") for line in f if " = " in line)
        s3 = boto3.client("s3", endpoint_url=S["store"].endpoint, region_name="eu-central-1", aws_access_key_id=known["aws_access_key_id"],
                          aws_secret_access_key=secret or known["aws_secret_access_key"],
                          config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}))
        if want:
            t.equal(code_of(s3.get_object, Bucket="trail-logs", Key=key), want, "a wrong secret")
            continue
        o = s3.get_object(Bucket="trail-logs", Key=key)
        t.equal(o["Metadata"], {k[11:]: v for k, v in bucketkit.headers(os.path.join(S["bucket"], key)).items()}, "metadata")
        all_keys = [x["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket="trail-logs", PaginationConfig={"PageSize": 2})
                    for x in page["Contents"]]
        second = [x["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="trail-logs", PaginationConfig={"PageSize": 3})
                  for x in page["Contents"]]
        want_keys = sorted(p[len(S["bucket"]) + 1:] for k in ("CloudTrail", "CloudTrail-Digest") for p in bucketkit.files(S["bucket"], k))
        t.equal(all_keys, want_keys, "ListObjects over pages")
        t.equal(second, want_keys, "ListObjectsV2 over pages")
        t.equal(code_of(s3.get_object, Bucket="trail-logs", Key="../store.yaml"), "NoSuchKey", "no way out")
        t.equal(code_of(s3.get_object, Bucket="trail-logs", Key=key + ".headers"), "NoSuchKey", "our own files are none")
        t.equal(code_of(s3.get_object, Bucket="other-bucket", Key=key), "NoSuchBucket", "no such bucket")
        t.equal(s3.get_bucket_location(Bucket="trail-logs")["LocationConstraint"], "local", "GetBucketLocation")


def who_tries_to_change_a_file_is_told_of(t):
    """The store serves files and takes none; each attempt, and each read, is a record of its own name, with S3's code."""
    import boto3
    import botocore.config
    from storekit import KEY_ID, SECRET, REGION
    with tap.Workdir() as d, Store(d + "/store", buckets=["logs %s/logs" % d], audit="true") as store:
        os.makedirs(d + "/logs/AWSLogs")
        with open(d + "/logs/AWSLogs/x", "w") as f:
            f.write("kept")
        how = botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
        s3, stranger = (boto3.client("s3", endpoint_url=store.endpoint, region_name=REGION, aws_access_key_id=KEY_ID, aws_secret_access_key=x, config=how) for x in (SECRET, "wrong"))
        s3.get_object(Bucket="logs", Key="AWSLogs/x")
        s3.head_object(Bucket="logs", Key="AWSLogs/x")
        for fn, more, want in ((s3.get_object, {"Key": "AWSLogs/y"}, "NoSuchKey"), (s3.put_object, {"Key": "AWSLogs/x", "Body": b"other"}, "MethodNotAllowed"),
                               (s3.delete_object, {"Key": "AWSLogs/x"}, "405"), (s3.delete_bucket, {}, "405"), (stranger.delete_object, {"Key": "AWSLogs/x"}, "SignatureDoesNotMatch")):
            t.ok(code_of(fn, Bucket="logs", **more) in (want, "MethodNotAllowed" if want == "405" else want), "%s: %s" % (fn.__name__, want))
        with open(d + "/logs/AWSLogs/x") as f:
            t.equal(f.read(), "kept", "it is as it was")

        def told():
            events = [json.loads(e["CloudTrailEvent"]) for e in store.boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "s3.amazonaws.com"}])["Events"]]
            return {(e["eventName"], e.get("errorCode"), e["readOnly"], e["userIdentity"].get("accessKeyId") == KEY_ID) for e in events}
        want = {("GetObject", None, True, True), ("HeadObject", None, True, True), ("GetObject", "NoSuchKey", True, True), ("PutObject", "MethodNotAllowed", False, True),
                ("DeleteObject", "MethodNotAllowed", False, True), ("UnknownOperation", "MethodNotAllowed", False, True), ("DeleteObject", "SignatureDoesNotMatch", False, False)}
        t.ok(tap.wait_for(lambda: told() == want, 10), "records: %r" % (want ^ told()))


def a_bucket_that_fails_is_told_and_caught_up_with(t):
    b, bucket = S["store"].boto(), S["dir"] + "/second"
    b.create_trail(Name="second", S3BucketName="second-logs")
    b.put_event_selectors(TrailName="second", AdvancedEventSelectors=bucketkit.everything())
    b.start_logging(Name="second")
    shutil.rmtree(bucket)
    open(bucket, "w").close()  # no directory: also root cannot write there
    stream = new_stream()
    ship(5, stream=stream)
    t.ok(tap.wait_for(lambda: "LatestDeliveryError" in b.get_trail_status(Name="second")), "GetTrailStatus tells the error")
    t.ok("LatestDeliveryTime" not in b.get_trail_status(Name="second"), "and no delivery")
    ship(5)
    S["store"].kill()
    os.unlink(bucket)
    S["store"].start()
    b = S["store"].boto()
    t.ok(tap.wait_for(lambda: len(bucketkit.records(bucket)) >= 40), "it catches up")
    t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in b.get_trail_status(Name="second")), "and says no error any more")
    b.stop_logging(Name="second")
    t.ok(tap.wait_for(lambda: bucketkit.drained(S["dir"])), "it ends")
    mine = [r for r in bucketkit.records(bucket) if r["eventSource"] != "trail.hosttrail"]
    t.equal((len(mine), len({r["eventID"] for r in mine})), (40, 40), "each record once")
    b.delete_trail(Name="second")
    t.equal(code_of(b.get_trail, Name="second"), "TrailNotFoundException", "deleted")


def a_full_disk_is_told_and_caught_up_with(t):
    b, bucket = S["store"].boto(), S["dir"] + "/small"
    os.makedirs(bucket, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", bucket]).returncode:
        raise tap.Skip("cannot mount a tmpfs")
    try:
        with open(bucket + "/filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass
        b.create_trail(Name="small", S3BucketName="small-logs", EnableLogFileValidation=True)
        b.put_event_selectors(TrailName="small", AdvancedEventSelectors=bucketkit.everything())
        b.start_logging(Name="small")
        ship(5)
        t.ok(tap.wait_for(lambda: b.get_trail_status(Name="small").get("LatestDeliveryError") == "the bucket's disk is full"), "told")
        t.equal(S["store"].metric("delivery_trails_failing"), 1, "and counted")
        t.equal(bucketkit.files(bucket, "CloudTrail"), [], "nothing is there in part")
        os.unlink(bucket + "/filler")
        t.ok(tap.wait_for(lambda: len(bucketkit.records(bucket)) == 20), "it catches up")
        t.ok(tap.wait_for(lambda: "LatestDeliveryError" not in b.get_trail_status(Name="small")), "and says no error any more")
        b.delete_trail(Name="small")
        t.ok(tap.wait_for(lambda: S["store"].metric("delivery_trails_failing") == 0), "nothing fails")
    finally:
        subprocess.run(["umount", "-l", bucket])


def kills_repeat_and_lose_nothing(t):
    d = os.path.join(S["dir"], "kills")
    os.makedirs(d)
    shutil.copytree(S["dir"] + "/pki", d + "/pki")
    rng = random.Random(7)
    with Store(d, buckets=["trail-logs %s/bucket" % d], delivery_interval="100ms", delivery_size="64K", digest_period="1s") as s:
        b = s.boto()
        b.create_trail(Name="killed", S3BucketName="trail-logs", EnableLogFileValidation=True)
        b.put_event_selectors(TrailName="killed", AdvancedEventSelectors=bucketkit.everything())
        before, begin = set(all_records(s)), time.time()
        b.start_logging(Name="killed")
        for _ in range(size("delivery.kills")):
            ship(10, store=s, records=30)
            time.sleep(rng.uniform(0, 0.3))
            s.kill()
            s.start()
        expected = set(all_records(s)) - before
        bucket = d + "/bucket"
        t.ok(tap.wait_for(lambda: len(bucketkit.records(bucket)) >= len(expected)), "all is delivered")
        s.boto().stop_logging(Name="killed")
        t.ok(tap.wait_for(lambda: bucketkit.drained(d)), "the last digest comes")
        got = [r["eventID"] for r in bucketkit.records(bucket)]
        t.equal(len(got), len(set(got)), "nothing twice")
        t.ok(set(got) >= expected and not set(got) & before, "nothing lost: %d of %d" % (len(set(got) & expected), len(expected)))
        status, said = bucketkit.validate(s, d, "killed", begin - 5)
        t.ok(status == 0 and "INVALID" not in said and "No log files were delivered" not in said, "valid: " + said)
        logs = len(bucketkit.files(bucket, "CloudTrail"))
        t.ok("%d/%d log files valid" % (logs, logs) in said, "all %d of them: %s" % (logs, said[-300:]))
        t.equal(bucketkit.verify(d)[:2], (0, []), "hosttrail verify")


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as top:
        S.update(dir=top, bucket=top + "/bucket", pb=messages(top), pki=Pki(top + "/pki"))
        S["pki"].host("host")
        open(top + "/file", "w").close()
        S["store"] = Store(top, buckets=["trail-logs %s/bucket" % top, "no-folder %s/file/in" % top, "second-logs %s/second" % top,
                                         "small-logs %s/small" % top],
                           delivery_interval="200ms", digest_period="1s", digest_key_life="3s")
        tap.main([the_aws_cli_makes_a_trail, errors_are_awss, tags_are_kept, each_selected_record_once, aws_validates_all_of_it,
                  hosttrail_verifies_all_of_it, tampering_is_found, objects_are_for_those_who_sign, who_tries_to_change_a_file_is_told_of,
                  a_bucket_that_fails_is_told_and_caught_up_with, a_full_disk_is_told_and_caught_up_with,
                  kills_repeat_and_lose_nothing, a_clean_end])
