#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 later=20
"""Trails with a CloudWatch Logs group: their records come there as log events, within the limits of PutLogEvents, and GetTrailStatus tells when
they do not."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import shipkit
import storekit  # noqa: E402
import tap  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from fakelogs import FakeLogs  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from storekit import Store  # noqa: E402

S = {"shipped": 0}
KEY_ID, SECRET = "LOGSTESTKEY", "logs/test+secret"
GROUP = "arn:aws:logs:eu-west-3:000000000000:log-group:trail/group:*"
ROLE = "arn:aws:iam::000000000000:role/x"


def ship(count=5, records=10):
    S["shipped"] += shipkit.ship(S["store"], S["pki"], S["pb"], count, records=records)


def events():
    return [json.loads(m) for m in [m for s in list(S["logs"].streams.values()) for _, m in list(s)] if '"trail.hosttrail"' not in m]


def status():
    return S["store"].boto().get_trail_status(Name="fed")


def code_of(fn, **kw):
    try:
        fn(**kw)
        return None
    except ClientError as e:
        return e.response["Error"]["Code"]


def groups_are_those_of_the_settings(t):
    b = S["store"].boto()
    good = {"Name": "fed", "S3BucketName": "trail-logs", "CloudWatchLogsLogGroupArn": GROUP, "CloudWatchLogsRoleArn": ROLE}
    group, role = "InvalidCloudWatchLogsLogGroupArnException", "InvalidCloudWatchLogsRoleArnException"
    for want, change in [(group, {"CloudWatchLogsLogGroupArn": GROUP.replace("trail/", "other/")}), (group, {"CloudWatchLogsLogGroupArn": "trail/group"}),
                         (group, {"CloudWatchLogsLogGroupArn": "arn:aws:s3:::trail/group"}), (role, {"CloudWatchLogsRoleArn": ""})]:
        t.equal(code_of(b.create_trail, **{**good, **change}), want, repr(change))
    made = b.create_trail(**good)
    t.equal((made["CloudWatchLogsLogGroupArn"], made["CloudWatchLogsRoleArn"]), (GROUP, ROLE), "CreateTrail")
    b.put_event_selectors(TrailName="fed", AdvancedEventSelectors=bucketkit.everything())
    ship()
    S["shipped"] = 0
    b.start_logging(Name="fed")


def each_record_is_an_event(t):
    ship(20, 100)
    ship(1, 3)
    t.ok(tap.wait_for(lambda: len(events()) == S["shipped"]), "all come: %d of %d" % (len(events()), S["shipped"]))
    got = events()
    t.equal(len({e["eventID"] for e in got}), len(got), "each once")
    t.ok(tap.wait_for(lambda: len(bucketkit.records(S["dir"] + "/bucket")) >= S["shipped"]), "and in files")
    files = {r["eventID"]: r for r in bucketkit.records(S["dir"] + "/bucket")}
    t.ok(all(files[e["eventID"]] == e for e in got), "with the same content")
    t.equal(list(S["logs"].streams), ["000000000000_CloudTrail_local"], "the stream's name")
    t.ok(all(int(json.loads(m)["additionalEventData"]["eventTimeNanos"]) // 10**6 == ts for s in S["logs"].streams.values() for ts, m in s[:50]),
         "timestamps")
    t.ok(max(n for _, n in S["logs"].calls) > 100, "many in one call: %r" % S["logs"].calls[-5:])
    t.ok(status()["LatestCloudWatchLogsDeliveryTime"] and "LatestCloudWatchLogsDeliveryError" not in status(), "GetTrailStatus")


def records_of_long_ago_come_too(t):
    """CloudWatch Logs takes 24 hours in a call, and nothing older than 14 days or more than two hours ahead: it leaves that out of what it takes, and says 200."""
    begin, before = time.time() - 20 * 86400, len(events())
    frames = storekit.frames(S["pki"], "host", 44, begin, 43200 * 10**9, 11)
    with shipkit.Client(S["pki"], "host", S["store"].ports["ingest"], S["pb"]) as c:
        t.equal([x[0] for x in c.ship(*frames)], [shipkit.STORED] * 4, "stored")
    S["shipped"] += 44
    t.ok(tap.wait_for(lambda: len(events()) == before + 44), "all come: %d" % (len(events()) - before))
    got = [(ms, int(json.loads(m)["additionalEventData"]["eventTimeNanos"]) // 10**6) for s in S["logs"].streams.values() for ms, m in s[before:] if '"trail.hosttrail"' not in m]
    now = time.time() * 1000
    t.ok(all(ms == at for ms, at in got if now - 12 * 86400000 < at < now) and len([1 for ms, at in got if ms == at]) >= 20, "at their time, where that is taken")
    t.ok(all(abs(ms - (now - 13 * 86400000)) < 300000 for ms, at in got if at < now - 14 * 86400000), "as old as may be, what is older")


def what_fails_is_told_and_caught_up_with(t):
    for refuse in ((400, "AccessDeniedException"), (400, "ThrottlingException"), (500, "ServiceUnavailableException")):
        S["logs"].refuse = refuse
        ship()
        t.ok(tap.wait_for(lambda: status().get("LatestCloudWatchLogsDeliveryError") == refuse[1]), "GetTrailStatus says " + refuse[1])
        S["logs"].refuse = None
        t.ok(tap.wait_for(lambda: len(events()) == S["shipped"]), "then all of it comes")
    t.ok(tap.wait_for(lambda: "LatestCloudWatchLogsDeliveryError" not in status()), "and the error goes")
    t.ok("LatestDeliveryError" not in status(), "files were not held up")


def a_kill_loses_nothing(t):
    S["logs"].refuse = (500, "InternalFailure")
    ship()
    tap.wait_for(lambda: "LatestCloudWatchLogsDeliveryError" in status())
    S["store"].kill()
    S["logs"].refuse = None
    S["store"].start()
    ship()
    t.ok(tap.wait_for(lambda: len({e["eventID"] for e in events()}) == S["shipped"]), "all comes")


def it_ends_with_the_group_or_the_trail(t):
    b = S["store"].boto()
    made = b.update_trail(Name="fed", CloudWatchLogsLogGroupArn="", CloudWatchLogsRoleArn="")
    t.ok("CloudWatchLogsLogGroupArn" not in made, "UpdateTrail takes it away")
    count = len(events())
    ship()
    t.ok(tap.wait_for(lambda: len(bucketkit.records(S["dir"] + "/bucket")) >= S["shipped"]), "files go on")
    t.equal(len(events()), count, "events do not")
    b.update_trail(Name="fed", CloudWatchLogsLogGroupArn=GROUP, CloudWatchLogsRoleArn=ROLE)
    ship(1, 7)
    t.ok(tap.wait_for(lambda: len(events()) == count + 7), "with a group again, what comes from then on: %d" % (len(events()) - count))
    b.stop_logging(Name="fed")
    ship(1, 5)
    time.sleep(0.5)
    t.equal(len(events()), count + 7, "nothing after StopLogging")
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        logs = FakeLogs("trail/group", KEY_ID, SECRET, "eu-west-3")
        with open(os.open(os.path.join(d, "logs-key"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY_ID, SECRET))
        S.update(dir=d, logs=logs, pb=messages(d), pki=Pki(d + "/pki"))
        S["pki"].host("host")
        S["store"] = Store(d, buckets=["trail-logs %s/bucket" % d],
                           log_groups=["trail/group http://127.0.0.1:%d region=eu-west-3 credentials=%s/logs-key" % (logs.port, d)], delivery_interval="200ms")
        tap.main([groups_are_those_of_the_settings, each_record_is_an_event, records_of_long_ago_come_too, what_fails_is_told_and_caught_up_with, a_kill_loses_nothing,
                  it_ends_with_the_group_or_the_trail])
