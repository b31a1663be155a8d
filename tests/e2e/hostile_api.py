#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=180 long later=30
"""The API as strangers use it: members of every kind and size, tokens that are another's, names in every spelling, many at once. Each is answered, or refused with an
error that CloudTrail has, and nothing is done by half."""
import concurrent.futures
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import botocore.session  # noqa: E402
import tap  # noqa: E402
from storekit import Store, fill  # noqa: E402

AWS, OWN = "CloudTrail_20131101", "Hosttrail_20261122"
S = {}
MODEL = botocore.session.get_session().get_service_model("cloudtrail")
OPERATIONS = ["LookupEvents", "DescribeTrails", "GetTrail", "GetTrailStatus", "ListTrails", "GetEventSelectors", "ListTags", "AddTags", "RemoveTags", "GetInsightSelectors",
              "ListPublicKeys", "CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging", "PutEventSelectors", "CreateEventDataStore", "GetEventDataStore",
              "ListEventDataStores", "UpdateEventDataStore", "DeleteEventDataStore", "RestoreEventDataStore", "StartQuery", "DescribeQuery", "GetQueryResults", "ListQueries",
              "CancelQuery"]
OWN_MEMBERS = {
    "Tail": ["Token", "From", "MaxResults", "Attributes"], "Verify": ["StartTime", "EndTime", "MaxResults", "Payload", "NextToken"], "Prove": ["EventId", "NextToken"],
    "Status": ["X"], "ListDigests": ["TrailName", "StartTime", "EndTime", "NextToken"], "ListRemoved": ["NextToken", "MaxResults"], "GetRetention": ["Target"],
    "LockRetention": ["Target", "Days", "Until"], "PlaceHold": ["Name", "Reason", "Target", "StartTime", "EndTime"], "ReleaseHold": ["Name", "Reason"], "ListHolds": ["X"],
}
ODD = [None, "", " ", "x", "x" * 5000, "\u0000", "default\u0000x", "a/b", "../../etc/passwd", "arn:aws:cloudtrail:local:000000000000:trail/", "arn:", "%s%n", "\ud83d\ude00\u202e",
       0, -1, 1, 1001, 2 ** 31, 2 ** 63, -2 ** 63, 2 ** 64, 10 ** 30, 1.5, -1e308, 1e308, True, False, [], {}, [None], [[]], [{}], [""], ["\u0000"], ["x"] * 2000, [1], [{"Key": "a"}] * 60,
       {"a": {"b": []}}, [{"AttributeKey": "EventName\u0000", "AttributeValue": "x"}], [{"AttributeKey": 1, "AttributeValue": []}], [{"FieldSelectors": [{}]}], "00000000-0000-0000-0000-000000000000"]
# What every service of AWS's may say, and what its gateway does.
COMMON = {"ValidationException", "SerializationException", "AccessDeniedException", "InvalidTokenException", "InvalidParameterException", "UnsupportedOperationException",
          "OperationNotPermittedException", "ResourceNotFoundException", "InvalidNextTokenException", "InvalidMaxResultsException"}


def call(operation, body=None):
    return S["store"].call(operation, body, prefix=OWN if operation in OWN_MEMBERS else AWS)


def kind(answer):
    return answer[1].get("__type", "").split("#")[-1] if isinstance(answer[1], dict) else ""


def refused(operation, body):
    """The error's name, or None."""
    answer = call(operation, body)
    return kind(answer) if answer[0] != 200 else None


def members_of_every_kind(t):
    """Nothing of it is the store's fault, and what it says is among the errors of CloudTrail's model."""
    names = {s.name for s in MODEL.error_shapes} | COMMON
    bad = {}
    for operation in OPERATIONS + list(OWN_MEMBERS):
        members = OWN_MEMBERS.get(operation) or list(MODEL.operation_model(operation).input_shape.members)
        for member in members + ["Unknown"]:
            for value in ODD:
                body = {member: value, **({"WaitSeconds": 0} if operation == "Tail" else {})}
                status, a = call(operation, body)
                if status not in (200, 400) or (status == 400 and (kind((status, a)) not in names or not a.get("message"))):
                    bad.setdefault((operation, member, status, kind((status, a))), repr(value)[:60])
    t.equal(bad, {}, "answers that nobody should get")


def bodies_of_every_kind(t):
    for body in (b"[]", b"null", b"1", b'"x"', b"{", b"{}{}", b'{"a":1}x', b"\xff", b'{"MaxResults":NaN}', b'{"MaxResults":Infinity}', b'{"a":' * 40 + b"1" + b"}" * 40,
                 b"{'MaxResults':1}", b"{\"NextToken\":'x'}", b'{"MaxResults":1,}', b"\xef\xbb\xbf{}"):
        t.equal(refused("LookupEvents", body), "SerializationException", "%r" % body[:40])
    for body in (b"", b" \n", b"{}", b' {"Unknown":[1,{"x":null}],"it\'s":"\\\\","\\"\'":1} ', b'{"MaxResults":null,"NextToken":null}'):
        t.equal(refused("LookupEvents", body), None, "%r" % body[:40])


def numbers_and_times(t):
    eds = S["eds"]
    for operation, member, error, more in (("LookupEvents", "MaxResults", "InvalidMaxResultsException", {}), ("ListEventDataStores", "MaxResults", "InvalidMaxResultsException", {}),
                                           ("ListQueries", "MaxResults", "InvalidMaxResultsException", {"EventDataStore": eds}),
                                           ("GetQueryResults", "MaxQueryResults", "InvalidMaxResultsException", {"QueryId": S["query"]})):
        for value in (0, -1, 1001, 2 ** 40, 10 ** 30):
            t.equal(refused(operation, {member: value, **more}), error, "%s %r" % (operation, value))
        for value in ("5", 5.5, True, [5], {}):
            t.equal(refused(operation, {member: value, **more}), "SerializationException", "%s %r" % (operation, value))
        t.equal(refused(operation, {member: 1, **more}), None, operation)
    t.equal(refused("LookupEvents", {"MaxResults": 51}), "InvalidMaxResultsException", "more than LookupEvents gives")
    t.equal(refused("LookupEvents", {"StartTime": 2, "EndTime": 1}), "InvalidTimeRangeException", "LookupEvents: the end before the start")
    t.equal(refused("ListQueries", {"EventDataStore": eds, "StartTime": 2, "EndTime": 1}), "InvalidDateRangeException", "ListQueries: the end before the start")
    t.equal(refused("ListPublicKeys", {"StartTime": 2, "EndTime": 1}), "InvalidTimeRangeException", "ListPublicKeys: the end before the start")
    for start, end in ((0, 0), (-1e300, 1e300), (1e300, 1e301), (None, 5), (5, None), (1.5, 1.5)):
        t.equal(refused("LookupEvents", {"StartTime": start, "EndTime": end}), None, "%r to %r" % (start, end))
    for value in ("2026-11-30", [], True):
        t.equal(refused("LookupEvents", {"StartTime": value}), "SerializationException", "%r is no time" % value)


def tokens_are_good_for_what_they_were_given_for(t):
    eds, ask = S["eds"], {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "connect"}], "MaxResults": 1}
    look = call("LookupEvents", ask)[1]["NextToken"]
    stores = call("ListEventDataStores", {"MaxResults": 1})[1]["NextToken"]
    rows = call("GetQueryResults", {"QueryId": S["query"], "MaxQueryResults": 1})[1]["NextToken"]
    for _ in range(2):
        call("StartQuery", {"QueryStatement": "SELECT 1 FROM events LIMIT 1"})
    queries = call("ListQueries", {"EventDataStore": eds, "MaxResults": 1})[1]["NextToken"]
    bodies = {"LookupEvents": (look, ask), "ListEventDataStores": (stores, {"MaxResults": 1}), "GetQueryResults": (rows, {"QueryId": S["query"]}),
              "ListQueries": (queries, {"EventDataStore": eds})}
    for operation, (own, body) in bodies.items():
        t.equal(refused(operation, {**body, "NextToken": own}), None, "its own: " + operation)
        others = [x for name, (x, _) in bodies.items() if name != operation]
        altered = [own[:-1], own + "A", own + "\u0000", own.swapcase(), own[:10] + ("A" if own[10] != "A" else "B") + own[11:], own[::-1], "", "=" * len(own), "A" * len(own), "x" * 9000]
        for token in others + altered:
            t.equal(refused(operation, {**body, "NextToken": token}), "InvalidNextTokenException", "%s: %r" % (operation, token[:60]))
        t.equal(refused(operation, {**body, "NextToken": 1}), "SerializationException", operation)
    for other in ({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "openat"}]}, {"StartTime": 1}, {"EndTime": 4e9}, {"EventCategory": "insight"}):
        t.equal(refused("LookupEvents", {**ask, **other, "NextToken": look}), "InvalidNextTokenException", "LookupEvents with another %s" % list(other)[0])
    for other in ({"QueryStatus": "FINISHED"}, {"StartTime": 1}, {"EndTime": 4e9}, {"EventDataStore": S["other"]}):
        t.equal(refused("ListQueries", {"EventDataStore": eds, **other, "NextToken": queries}), "InvalidNextTokenException", "ListQueries with another %s" % list(other)[0])
    S["store"].stop()
    S["store"] = S["start"]()
    for operation, (own, body) in bodies.items():
        t.equal(refused(operation, {**body, "NextToken": own}), None, "after a new start: " + operation)


def names_in_every_spelling(t):
    arn = "arn:aws:cloudtrail:local:000000000000:"
    for name in ("default\u0000", "default\u0000x", "a", "a/b", "-ab", "ab-", "a..b", "192.168.0.1", "d\u00e9fault", "x" * 129, "", "default "):
        t.equal(refused("GetTrail", {"Name": name}), "InvalidTrailNameException", "%r" % name)
        if name:
            t.equal(refused("DescribeTrails", {"trailNameList": [name]}), "InvalidTrailNameException" if "\u0000" not in name else "SerializationException", "in a list: %r" % name)
    for name in (arn + "trail/default\u0000", arn + "trail/", arn + "trail/a/b", arn + "bucket/default", "arn:aws:s3:::default", "arn:default", arn + "trail:default"):
        t.ok(refused("GetTrail", {"Name": name}) in ("CloudTrailARNInvalidException", "InvalidTrailNameException"), "%r: %s" % (name, refused("GetTrail", {"Name": name})))
    for name in ("nobody", arn + "trail/nobody", arn.replace("local", "elsewhere") + "trail/default", arn.replace(":0000", ":1111") + "trail/default"):
        t.equal(refused("GetTrail", {"Name": name}), "TrailNotFoundException", name)
    uuid = S["eds"].split("/")[-1]
    for name in (S["eds"], uuid):
        t.equal(refused("GetEventDataStore", {"EventDataStore": name}), None, name)
    for name in (uuid + "\u0000", uuid + "\u0000x", S["eds"] + "\u0000", uuid[:-1], uuid + "0", "{%s}" % uuid, S["eds"] + "/", S["eds"].replace("local", "elsewhere"), "default", "", "/" + uuid):
        t.equal(refused("GetEventDataStore", {"EventDataStore": name}), "EventDataStoreARNInvalidException", "%r" % name)
    t.equal(refused("GetEventDataStore", {"EventDataStore": "00000000-0000-4000-8000-000000000000"}), "EventDataStoreNotFoundException", "none of this id")
    for name in (S["query"] + "\u0000", S["query"] + "\u0000x", S["query"][:-1], "", "default"):
        t.equal(refused("DescribeQuery", {"QueryId": name}), "ValidationException", "query %r" % name)
    t.equal(refused("DescribeQuery", {"QueryId": "00000000-0000-4000-8000-000000000000"}), "QueryIdNotFoundException", "no such query")
    for key in ("EventName\u0000", "eventname", "", "EventNames"):
        t.equal(refused("LookupEvents", {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": "x"}]}), "InvalidLookupAttributesException", "%r" % key)
    t.equal(refused("StartQuery", {"QueryStatement": "SELECT eventid FROM events WHERE eventname = ?", "QueryParameters": ["open\u0000at"]}), "SerializationException", "a parameter with a NUL")


def at_once(n, fn):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(fn, range(n)))


def many_make_one(t):
    """Whoever is first makes it, all others are told that it is there."""
    for i in range(4):
        name = "one-%d" % i
        answers = at_once(16, lambda _, n=name: refused("CreateEventDataStore", {"Name": n, "TerminationProtectionEnabled": False}))
        t.equal(sorted(map(str, answers)), sorted(["None"] + ["EventDataStoreAlreadyExistsException"] * 15), "event data stores " + name)
        answers = at_once(16, lambda _, n=name: refused("CreateTrail", {"Name": n, "S3BucketName": "logs"}))
        t.equal(sorted(map(str, answers)), sorted(["None"] + ["TrailAlreadyExistsException"] * 15), "trails " + name)
    listed = [e["Name"] for e in call("ListEventDataStores")[1]["EventDataStores"]]
    t.equal(len(listed), len(set(listed)), "names of event data stores: %r" % listed)
    answers = at_once(16, lambda i: refused("CreateEventDataStore", {"Name": "many-%d" % i}))
    t.equal((answers.count(None), set(answers) - {None}), (11 - len(listed), {"EventDataStoreMaxLimitExceededException"}), "no more than there may be")
    # stopped, changed and started at once: what each said holds
    eds = [e["EventDataStoreArn"] for e in call("ListEventDataStores")[1]["EventDataStores"] if e["Name"] == "one-0"][0]
    for i in range(8):
        days = 20 + i
        at_once(4, lambda k, d=days: refused(("StopEventDataStoreIngestion", "UpdateEventDataStore", "UpdateEventDataStore", "GetEventDataStore")[k],
                                             {"EventDataStore": eds, **({"RetentionPeriod": d} if k in (1, 2) else {})}))
        e = call("GetEventDataStore", {"EventDataStore": eds})[1]
        t.equal((e["Status"], e["RetentionPeriod"]), ("STOPPED_INGESTION", days), "both changes are kept")
        t.equal(refused("StartEventDataStoreIngestion", {"EventDataStore": eds}), None, "and it can be started")


def what_is_deleted_stays_so(t):
    eds = [e["EventDataStoreArn"] for e in call("ListEventDataStores")[1]["EventDataStores"] if e["Name"] == "one-1"][0]
    how = {"EventDataStore": eds}
    t.equal(refused("DeleteEventDataStore", how), None, "deleted")
    for operation, body, error in (("DeleteEventDataStore", how, "InactiveEventDataStoreException"), ("UpdateEventDataStore", {**how, "RetentionPeriod": 9}, "InactiveEventDataStoreException"),
                                   ("StartEventDataStoreIngestion", how, "InvalidEventDataStoreStatusException"), ("StopEventDataStoreIngestion", how, "InvalidEventDataStoreStatusException"),
                                   ("StartQuery", {"QueryStatement": "SELECT 1 FROM " + eds.split("/")[-1]}, "InactiveEventDataStoreException"), ("GetEventDataStore", how, None),
                                   ("CreateEventDataStore", {"Name": "one-1"}, "EventDataStoreAlreadyExistsException"), ("RestoreEventDataStore", how, None),
                                   ("RestoreEventDataStore", how, "InvalidEventDataStoreStatusException")):
        t.equal(refused(operation, body), error, operation)
    answers = at_once(8, lambda _: refused("DeleteTrail", {"Name": "one-1"}))
    t.equal(sorted(map(str, answers)), sorted(["None"] + ["TrailNotFoundException"] * 7), "a trail that many delete")


def a_clean_end(t):
    t.equal(call("LookupEvents")[0], 200, "it goes on")
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as top:
        os.mkdir(top + "/bucket")
        S["start"] = lambda: Store(top, buckets=["logs %s/bucket" % top], api_rate=0)
        fill(top, 200, time.time() - 600, 1_000_000)
        S["store"] = S["start"]()
        S["eds"] = call("ListEventDataStores")[1]["EventDataStores"][0]["EventDataStoreArn"]
        S["other"] = call("CreateEventDataStore", {"Name": "other", "TerminationProtectionEnabled": False})[1]["EventDataStoreArn"]
        S["query"] = call("StartQuery", {"QueryStatement": "SELECT eventid FROM events LIMIT 20"})[1]["QueryId"]
        tap.wait_for(lambda: call("DescribeQuery", {"QueryId": S["query"]})[1]["QueryStatus"] == "FINISHED")
        tap.main([members_of_every_kind, bodies_of_every_kind, numbers_and_times, tokens_are_good_for_what_they_were_given_for, names_in_every_spelling, many_make_one,
                  what_is_deleted_stays_so, a_clean_end])
