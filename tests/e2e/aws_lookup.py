#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""The store as the unmodified AWS CLI and boto3 see it: every attribute, times, paging, trails, errors."""
import datetime
import json
import os
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store, fill  # noqa: E402

COUNT = 6000
STEP = 50_000_000	# 20 records a second
S = {}


def by(key, value):
    return [{"AttributeKey": key, "AttributeValue": value}]


def cli_by(key, value):
    return ["--lookup-attributes", "AttributeKey=%s,AttributeValue=%s" % (key, value)]


def ids(events):
    return [e["EventId"] for e in events]


def wanted(**kw):
    return [S["made"].event_id(i) for i in S["made"].expected(**kw)]


def all_pages(client, **kw):
    events = []
    for page in client.get_paginator("lookup_events").paginate(**kw):
        events += page["Events"]
    return events


def attributes():
    made = S["made"]
    return [("EventId", made.event_id(4321)), ("EventName", "fchmodat"), ("ReadOnly", "true"), ("ReadOnly", "false"),
            ("Username", "user3"), ("Username", "alice"), ("Username", "root"), ("ResourceType", "Linux::File"),
            ("ResourceName", made.path(1234)), ("EventSource", "network.linux"), ("AccessKeyId", "AKIA3")]


def every_attribute_with_the_aws_cli(t):
    begin, end = S["made"].time(3000), S["made"].time(3600)
    for key, value in attributes():
        got = S["store"].aws("lookup-events", *cli_by(key, value), "--start-time", str(begin), "--end-time", str(end))["Events"]
        t.equal(ids(got), wanted(key=key, value=value, start=begin, end=end), "%s=%s" % (key, value))
        t.ok("NextToken" not in got, "%s: the CLI followed all pages" % key)


def every_attribute_with_boto3_over_all_time(t):
    client = S["store"].boto()
    for key, value in attributes():
        got = ids(all_pages(client, LookupAttributes=by(key, value)))
        if (key, value) == ("ReadOnly", "true"):	# the store's own record is read-only, too
            got = [g for g in got if g in S["ids"]]
        t.ok(got == wanted(key=key, value=value), "%s=%s: %d found" % (key, value, len(got)))


def values_that_nothing_has(t):
    client = S["store"].boto()
    for key, value in [("EventId", "no-uuid"), ("EventId", "00000000-0000-8000-8000-000000000000"), ("EventName", "Execve"),
                       ("Username", "user"), ("ResourceName", "/srv"), ("EventSource", "file"), ("AccessKeyId", "AKIA")]:
        t.equal(client.lookup_events(LookupAttributes=by(key, value))["Events"], [], "%s=%s" % (key, value))


def seconds(time_of_cli):
    """The CLI shows a time as it came, a number, or in ISO 8601: by its version and configuration."""
    if isinstance(time_of_cli, str):
        return datetime.datetime.fromisoformat(time_of_cli).timestamp()
    return time_of_cli


def members_of_an_event(t):
    made = S["made"]
    e = S["store"].aws("lookup-events", *cli_by("EventId", made.event_id(100)))["Events"][0]
    record = json.loads(e["CloudTrailEvent"])
    t.equal(set(e), {"EventId", "EventName", "ReadOnly", "EventTime", "EventSource", "Username", "Resources", "CloudTrailEvent"},
            "members")
    t.equal((e["EventName"], e["EventSource"], e["ReadOnly"]), ("execve", "process.linux", "false"), "name, source, readOnly")
    t.equal(seconds(e["EventTime"]), made.time(100), "EventTime")
    t.equal(e["Resources"], [{"ResourceType": "Linux::File", "ResourceName": made.path(100)}], "Resources")
    t.equal((record["eventID"], record["eventName"], record["requestParameters"]["path"]), (e["EventId"], "execve", made.path(100)),
            "the record itself")
    t.equal(record["eventTime"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made.time(100))), "eventTime")
    key = S["store"].boto().lookup_events(LookupAttributes=by("AccessKeyId", "AKIA0"))["Events"][0]
    t.equal(key["AccessKeyId"], "AKIA0", "AccessKeyId")


def paging_over_many_events(t):
    n = size("store.paging_events")
    client, made = S["store"].boto(), S["made"]
    t.must(n <= COUNT, "enough records")
    start = made.time(COUNT - n)
    got = ids(all_pages(client, StartTime=start, EndTime=made.time(COUNT), PaginationConfig={"PageSize": 37}))
    want = wanted(start=start)
    t.ok(got == want and len(got) >= n, "boto3 pages over %d events, newest first (%d)" % (len(want), len(got)))
    got = ids(S["store"].aws("lookup-events", "--start-time", str(start), "--end-time", str(made.time(COUNT)))["Events"])
    t.ok(got == want, "the AWS CLI pages over them, too (%d)" % len(got))
    sizes = [len(p["Events"]) for p in client.get_paginator("lookup_events").paginate(StartTime=start, EndTime=made.time(COUNT))]
    t.ok(max(sizes) == 50 and all(s == 50 for s in sizes[:-1]), "full pages of 50")


def pages_follow_each_other(t):
    made, client = S["made"], S["store"].boto()
    kw = {"LookupAttributes": by("EventName", "unlinkat"), "StartTime": made.time(0), "MaxResults": 10}
    got, token = [], None
    for page in range(20):
        r = client.lookup_events(**kw, **({"NextToken": token} if token else {}))
        got += ids(r["Events"])
        token = r["NextToken"]
    more = wanted(key="EventName", value="unlinkat")[:200]
    t.ok(got == more, "twenty pages are the newest two hundred")
    t.equal(len(set(got)), 200, "none twice")


def times_are_whole_seconds_and_inclusive(t):
    made, client = S["made"], S["store"].boto()
    at = made.time(2000)
    t.equal(ids(all_pages(client, StartTime=at, EndTime=at)), wanted(start=at, end=at), "one second")
    t.equal(len(all_pages(client, StartTime=at, EndTime=at)), 20, "twenty records a second")
    t.equal(all_pages(client, StartTime=at - 10**6, EndTime=made.time(0) - 1), [], "before the first")
    old = all_pages(client, StartTime=0, EndTime=made.time(10))
    t.equal(ids(old), wanted(end=made.time(10)), "StartTime beyond 90 days is no error")


def every_answer_has_a_request_id(t):
    client = S["store"].boto()
    said = [client.list_trails()["ResponseMetadata"]["RequestId"] for _ in range(2)]
    try:
        client.get_trail_status(Name="nowhere")
    except client.exceptions.TrailNotFoundException as e:
        said.append(e.response["ResponseMetadata"].get("RequestId"))
    t.equal([str(uuid.UUID(s or "")) for s in said], said, "UUIDs")
    t.equal(len(set(said)), 3, "each another")


def insight_events(t):
    client = S["store"].boto()
    t.equal(client.lookup_events(EventCategory="insight")["Events"], [], "there are none")
    raises(t, client, "InvalidLookupAttributesException", EventCategory="insight", LookupAttributes=by("Username", "root"))
    raises(t, client, "InvalidEventCategoryException", EventCategory="Management")


def raises(t, client, name, operation="lookup_events", **kw):
    try:
        getattr(client, operation)(**kw)
        t.fail("%s %r: no error, want %s" % (operation, kw, name))
    except client.exceptions.ClientError as e:
        t.equal((e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]), (name, 400), repr(kw)[:100])
        t.ok(e.response["Error"]["Message"], "%s has a message" % name)


def lookup_errors(t):
    client = S["store"].boto()
    now = int(time.time())
    two = by("EventName", "openat") + by("Username", "user1")
    raises(t, client, "InvalidLookupAttributesException", LookupAttributes=two)
    raises(t, client, "InvalidLookupAttributesException", LookupAttributes=by("Colour", "red"))
    raises(t, client, "InvalidLookupAttributesException", LookupAttributes=by("EventName", ""))
    raises(t, client, "InvalidLookupAttributesException", LookupAttributes=by("EventName", "x" * 2001))
    raises(t, client, "InvalidLookupAttributesException", LookupAttributes=by("EventName", "_" * 1001))
    raises(t, client, "InvalidLookupAttributesException", LookupAttributes=by("ReadOnly", "yes"))
    client.lookup_events(LookupAttributes=by("EventName", "x" * 2000))
    client.lookup_events(LookupAttributes=by("EventName", "_" * 1000))
    raises(t, client, "InvalidTimeRangeException", StartTime=now, EndTime=now - 60)
    raises(t, client, "InvalidMaxResultsException", MaxResults=51)
    raises(t, client, "InvalidNextTokenException", NextToken="rubbish")
    status, answer = S["store"].call("LookupEvents", {"MaxResults": 0}, prefix="CloudTrail_20131101")
    t.equal((status, answer["__type"]), (400, "InvalidMaxResultsException"), "MaxResults 0")
    code, text = S["store"].aws("lookup-events", "--lookup-attributes", "AttributeKey=ReadOnly,AttributeValue=maybe", check=False)
    t.ok(code != 0 and "InvalidLookupAttributesException" in text, "the CLI shows the error: " + text)


def tokens_are_bound_to_their_parameters(t):
    client, made = S["store"].boto(), S["made"]
    kw = {"LookupAttributes": by("EventName", "openat"), "StartTime": made.time(0), "EndTime": made.time(COUNT)}
    token = client.lookup_events(**kw)["NextToken"]
    t.equal(len(client.lookup_events(NextToken=token, **kw)["Events"]), 50, "with the same parameters")
    client.lookup_events(NextToken=token, MaxResults=7, **kw)
    for change in [{"LookupAttributes": by("EventName", "execve")}, {"LookupAttributes": by("EventSource", "openat")},
                   {"StartTime": made.time(0) + 1}, {"EndTime": made.time(COUNT) + 1}]:
        raises(t, client, "InvalidNextTokenException", NextToken=token, **{**kw, **change})
    raises(t, client, "InvalidNextTokenException", NextToken=token, LookupAttributes=kw["LookupAttributes"])
    flipped = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
    raises(t, client, "InvalidNextTokenException", NextToken=flipped, **kw)


def trails(t):
    client = S["store"].boto()
    arn = "arn:aws:cloudtrail:local:000000000000:trail/default"
    trail = client.describe_trails()["trailList"][0]
    t.equal((trail["Name"], trail["TrailARN"], trail["HomeRegion"]), ("default", arn, "local"), "DescribeTrails")
    t.equal(client.describe_trails(trailNameList=["default", "other"])["trailList"], [trail], "only those that are there")
    t.equal(client.describe_trails(trailNameList=["other"])["trailList"], [], "none")
    t.equal(client.get_trail(Name=arn)["Trail"], trail, "GetTrail by ARN")
    status = client.get_trail_status(Name="default")
    t.ok(status["IsLogging"] and status["StartLoggingTime"] and status["LatestDeliveryTime"], "GetTrailStatus")
    t.equal(client.list_trails()["Trails"], [{"TrailARN": arn, "Name": "default", "HomeRegion": "local"}], "ListTrails")
    t.equal(S["store"].aws("describe-trails")["trailList"][0]["Name"], "default", "the CLI")
    raises(t, client, "TrailNotFoundException", "get_trail", Name="other")
    raises(t, client, "TrailNotFoundException", "get_trail_status", Name="other")
    raises(t, client, "InvalidTrailNameException", "get_trail", Name="a")
    raises(t, client, "InvalidTrailNameException", "get_trail_status", Name="bad--name")
    raises(t, client, "CloudTrailARNInvalidException", "get_trail", Name="arn:aws:s3:::bucket")


def both_target_spellings(t):
    store = S["store"]
    for prefix, want in [("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", 200), ("CloudTrail_20131101", 200),
                         ("Hosttrail_20261122", 400), ("x.CloudTrail_20131101", 400), ("", 400)]:
        status, answer = store.call("ListTrails", prefix=prefix)
        t.equal(status, want, "prefix %r" % prefix)
        if want != 200:
            t.equal(answer["__type"], "UnknownOperationException", "prefix %r" % prefix)
    t.equal(store.call("CreateDashboard", prefix="CloudTrail_20131101")[1]["__type"], "UnknownOperationException", "no such operation")


def management_events_only(t):
    store, made = S["store"], S["made"]
    store.stop()
    with Store(store.dir, lookupEvents="management") as other:
        kw = {"StartTime": made.time(5000), "EndTime": made.time(5500)}
        got = ids(all_pages(other.boto(), **kw))
        t.equal(got, wanted(start=kw["StartTime"], end=kw["EndTime"], management=True), "only management events")
        got = ids(all_pages(other.boto(), LookupAttributes=by("EventName", "openat"), **kw))
        t.equal(got, [], "data events are not found by name either")
    S["store"] = Store(store.dir)


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        S["made"] = fill(d, COUNT, int(time.time()) - 4000, STEP)
        S["ids"] = {S["made"].event_id(i) for i in range(COUNT)}
        S["store"] = Store(d)
        tap.main([every_attribute_with_the_aws_cli, every_attribute_with_boto3_over_all_time, values_that_nothing_has,
                  members_of_an_event, paging_over_many_events, pages_follow_each_other,
                  times_are_whole_seconds_and_inclusive, every_answer_has_a_request_id, insight_events, lookup_errors, tokens_are_bound_to_their_parameters,
                  trails, both_target_spellings, management_events_only, a_clean_end])
