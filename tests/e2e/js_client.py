#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=20
"""AWS's JavaScript client, unmodified and newer than Debian's boto3: each operation that it knows, and errors by their names."""
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "helpers"))
import everyop  # noqa: E402
import tap  # noqa: E402
from storekit import KEY_ID, REGION, SECRET, Store, fill  # noqa: E402

S = {}
COUNT = 1500
CACHE = os.path.join(os.environ.get("HT_CACHE", os.path.expanduser("~/.cache/hosttrail")), "js")


def installed():
    """The client by package-lock.json, in the cache: what is there with the same lock is taken as it is."""
    os.makedirs(CACHE, exist_ok=True)
    lock = os.path.join(HERE, "../js/package-lock.json")
    with open(lock) as f:
        want = f.read()
    mark = os.path.join(CACHE, "installed.json")
    if os.path.exists(mark) and open(mark).read() == want:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "../js", name), CACHE)
    r = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=CACHE, capture_output=True, text=True, timeout=200)
    if r.returncode:
        raise tap.Failed("npm ci: " + r.stderr[-500:])
    with open(mark, "w") as f:
        f.write(want)


class Client:
    def __init__(self, key_id=KEY_ID, secret=SECRET):
        self.p = subprocess.Popen(["node", os.path.join(HERE, "../js/ask.js"), S["store"].endpoint, REGION, key_id, secret], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, env={**os.environ, "NODE_NO_WARNINGS": "1", "NODE_PATH": os.path.join(CACHE, "node_modules")})

    def __call__(self, op, **parameters):
        self.p.stdin.write(json.dumps({"op": op, "in": parameters}) + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())

    def end(self):
        self.p.stdin.close()
        return self.p.wait(20)


def ask(t, op, **parameters):
    answer = S["js"](op, **parameters)
    t.ok("out" in answer and len(answer.get("id", "")) == 36, "%s: %r" % (op, answer))
    return answer.get("out", {})


def lookups(t):
    seen, token = [], {}
    while True:
        page = ask(t, "LookupEvents", MaxResults=50, LookupAttributes=[{"AttributeKey": "ResourceType", "AttributeValue": "Linux::File"}], **token)
        seen += page.get("Events", [])
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    made = S["made"]
    want = made.expected("ResourceType", "Linux::File")
    t.equal([e["EventId"] for e in seen], [made.event_id(i) for i in want], "ids, over pages")
    t.equal([e["EventTime"] for e in seen[:3]], [time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(made.time(i))) for i in want[:3]], "times")
    t.equal(json.loads(seen[0]["CloudTrailEvent"])["eventID"], seen[0]["EventId"], "the record itself")
    page = ask(t, "LookupEvents", StartTime="t:%d" % made.time(10), EndTime="t:%d" % made.time(12),
               LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "file.linux"}])
    t.equal([e["EventId"] for e in page["Events"]], [made.event_id(i) for i in made.expected("EventSource", "file.linux", made.time(10), made.time(12))], "between times")


def trails(t):
    t.equal([x["Name"] for x in ask(t, "ListTrails")["Trails"]], ["default"], "the built-in one")
    arn = ask(t, "CreateTrail", Name="js-trail", S3BucketName="logs", EnableLogFileValidation=True)["TrailARN"]
    ask(t, "StartLogging", Name="js-trail")
    t.equal(ask(t, "GetTrailStatus", Name="js-trail")["IsLogging"], True, "logging")
    t.equal(ask(t, "GetTrail", Name=arn)["Trail"]["S3BucketName"], "logs", "the trail")
    t.equal(sorted(x["Name"] for x in ask(t, "DescribeTrails")["trailList"]), ["default", "js-trail"], "all")
    t.equal(ask(t, "UpdateTrail", Name="js-trail", S3KeyPrefix="p")["S3KeyPrefix"], "p", "changed")
    selectors = [{"Name": "files", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]
    ask(t, "PutEventSelectors", TrailName="js-trail", AdvancedEventSelectors=selectors)
    t.equal(ask(t, "GetEventSelectors", TrailName=arn)["AdvancedEventSelectors"], selectors, "its selectors")
    ask(t, "AddTags", ResourceId=arn, TagsList=[{"Key": "k", "Value": "v"}])
    t.equal(ask(t, "ListTags", ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"], [{"Key": "k", "Value": "v"}], "its tags")
    ask(t, "RemoveTags", ResourceId=arn, TagsList=[{"Key": "k"}])
    t.ok(ask(t, "ListPublicKeys").get("PublicKeyList") is not None, "public keys")
    ask(t, "StopLogging", Name="js-trail")
    ask(t, "DeleteTrail", Name="js-trail")


def event_data_stores(t):
    name = ask(t, "CreateEventDataStore", Name="js-store", RetentionPeriod=30, TerminationProtectionEnabled=False,
               AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}])["EventDataStoreArn"]
    t.equal(ask(t, "GetEventDataStore", EventDataStore=name)["RetentionPeriod"], 30, "its retention")
    ask(t, "StopEventDataStoreIngestion", EventDataStore=name)
    ask(t, "StartEventDataStoreIngestion", EventDataStore=name)
    t.equal(ask(t, "UpdateEventDataStore", EventDataStore=name, RetentionPeriod=60)["RetentionPeriod"], 60, "changed")
    t.ok(name in [x["EventDataStoreArn"] for x in ask(t, "ListEventDataStores")["EventDataStores"]], "listed")
    ask(t, "DeleteEventDataStore", EventDataStore=name)
    t.equal(ask(t, "RestoreEventDataStore", EventDataStore=name)["Status"], "ENABLED", "restored")


def queries(t):
    store = ask(t, "ListEventDataStores")["EventDataStores"][0]["EventDataStoreArn"].rsplit("/", 1)[1]
    query = ask(t, "StartQuery", QueryStatement="SELECT eventName, count(*) AS n FROM %s WHERE eventSource = 'file.linux' GROUP BY 1 ORDER BY 1" % store)["QueryId"]
    while ask(t, "DescribeQuery", QueryId=query)["QueryStatus"] in ("QUEUED", "RUNNING"):
        time.sleep(0.05)
    rows = ask(t, "GetQueryResults", QueryId=query)["QueryResultRows"]
    want = {}
    for i in S["made"].expected("EventSource", "file.linux"):
        name = {0: "openat", 1: "unlinkat", 4: "fchmodat"}[i % 7]
        want[name] = want.get(name, 0) + 1
    t.equal([{k: v for c in row for k, v in c.items()} for row in rows], [{"eventname": k, "n": str(v)} for k, v in sorted(want.items())], "rows")
    t.ok(query in [q["QueryId"] for q in ask(t, "ListQueries", EventDataStore=store)["Queries"]], "listed")
    t.equal(S["js"]("CancelQuery", QueryId=query)["error"], "InactiveQueryException", "it is over")


def errors(t):
    for op, parameters, want in (
            ("GetTrail", {"Name": "no-such-trail"}, "TrailNotFoundException"), ("CreateTrail", {"Name": "x", "S3BucketName": "logs"}, "InvalidTrailNameException"),
            ("CreateTrail", {"Name": "good-name", "S3BucketName": "nosuch"}, "S3BucketDoesNotExistException"),
            ("LookupEvents", {"MaxResults": 51}, "InvalidMaxResultsException"), ("LookupEvents", {"NextToken": "x"}, "InvalidNextTokenException"),
            ("StartQuery", {"QueryStatement": "DROP TABLE x"}, "InvalidQueryStatementException"),
            ("GetQueryResults", {"QueryId": "11111111-2222-3333-4444-555555555555"}, "QueryIdNotFoundException"),
            ("GetEventDataStore", {"EventDataStore": "11111111-2222-3333-4444-555555555555"}, "EventDataStoreNotFoundException"),
            ("GetInsightSelectors", {"TrailName": "default"}, "InsightNotEnabledException"), ("ListChannels", {}, "UnknownOperationException")):
        answer = S["js"](op, **parameters)
        t.ok(answer.get("error") == want and answer.get("message"), "%s %r: %r" % (op, parameters, answer))
    for key, secret, want in (("nobody", SECRET, "UnrecognizedClientException"), (KEY_ID, "wrong", "InvalidSignatureException")):
        js = Client(key, secret)
        t.equal(js("ListTrails").get("error"), want, "refused")
        js.end()


def each_operation_and_its_errors(t):
    def ask_it(operation, members):
        answer = S["js"](operation, **{k: "t:%d" % v if k in ("StartTime", "EndTime") else v for k, v in members.items()})
        return None if "unknown" in answer else ("error", answer["error"]) if "error" in answer else ("out", answer["out"])

    everyop.walk(t, ask_it)


def a_clean_end(t):
    t.equal(S["js"].end(), 0, "the client's exit status")
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    if not shutil.which("npm") or not shutil.which("node"):
        print("1..0 # SKIP no npm")
        sys.exit(0)
    installed()
    with tap.Workdir() as d:
        os.mkdir(d + "/logs")
        S["made"] = fill(d + "/store", COUNT, int(time.time()) - 4000, 10**9)
        S["store"] = Store(d + "/store", buckets=["logs %s/logs" % d])
        S["js"] = Client()
        tap.main([lookups, trails, event_data_stores, queries, errors, each_operation_and_its_errors, a_clean_end])
