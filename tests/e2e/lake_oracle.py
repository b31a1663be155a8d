#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240 long
"""More than thirty questions to the lake, and the same ones to SQLite, which has read the JSON files that a trail delivered of the same records:
the answers are the same. Half of the records come from a generator that gives each its place, half are made by chance (odd names, times that
repeat and run backwards)."""
import glob
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import tap  # noqa: E402
from sizes import size  # noqa: E402
from storekit import KIT, Store, fill  # noqa: E402

MADE, ODD = size("lake.oracle_records"), size("lake.oracle_odd")
S = {}

# What SQLite gets of each record: (column, path in the JSON). Read by Python's json, not by us.
COLUMNS = [("id", "eventID"), ("name", "eventName"), ("source", "eventSource"), ("time", "eventTime"), ("region", "awsRegion"), ("agent", "userAgent"),
           ("ip", "sourceIPAddress"), ("error", "errorCode"), ("readonly", "readOnly"), ("management", "managementEvent"), ("category", "eventCategory"),
           ("type", "eventType"), ("request", "requestID"), ("account", "recipientAccountId"), ("utype", "userIdentity.type"),
           ("arn", "userIdentity.arn"), ("user", "userIdentity.userName"), ("key", "userIdentity.accessKeyId"),
           ("issuer", "userIdentity.sessionContext.sessionIssuer.userName"), ("identity", "userIdentity.sessionContext.sourceIdentity"),
           ("path", "requestParameters.path"), ("value", "requestParameters.value"), ("resources", "resources"),
           ("pid", "additionalEventData.process.pid"), ("command", "additionalEventData.process.command"),
           ("loginuid", "additionalEventData.process.loginuid"), ("host", "additionalEventData.hostname"), ("nanos", "additionalEventData.eventTimeNanos")]

# (the lake's, SQLite's); {a} and {b} are times in the middle.
QUESTIONS = [
    ("SELECT count(*) FROM T", "SELECT count(*) FROM e"),
    ("SELECT count(DISTINCT eventid) FROM T", "SELECT count(DISTINCT id) FROM e"),
    ("SELECT eventname, count(*) FROM T GROUP BY 1", "SELECT name, count(*) FROM e GROUP BY 1"),
    ("SELECT eventsource, eventname, readonly, count(*) FROM T GROUP BY 1, 2, 3", "SELECT source, name, readonly, count(*) FROM e GROUP BY 1, 2, 3"),
    ("SELECT useridentity.username, count(*) FROM T GROUP BY 1", "SELECT user, count(*) FROM e GROUP BY 1"),
    ("SELECT useridentity.type, useridentity.sessioncontext.sessionissuer.username, count(*) FROM T GROUP BY 1, 2", "SELECT utype, issuer, count(*) FROM e GROUP BY 1, 2"),
    ("SELECT useridentity.accesskeyid, count(*) FROM T WHERE useridentity.accesskeyid IS NOT NULL GROUP BY 1",
     "SELECT key, count(*) FROM e WHERE key IS NOT NULL GROUP BY 1"),
    ("SELECT min(eventtime), max(eventtime) FROM T", "SELECT min(time), max(time) FROM e"),
    ("SELECT min(eventtimenanos), max(eventtimenanos) FROM T", "SELECT min(CAST(nanos AS INTEGER)), max(CAST(nanos AS INTEGER)) FROM e"),
    ("SELECT count(*) FROM T WHERE eventtime >= '{a}' AND eventtime < '{b}'", "SELECT count(*) FROM e WHERE time >= '{ta}' AND time < '{tb}'"),
    ("SELECT eventid FROM T WHERE eventtime BETWEEN '{a}' AND '{b}' AND eventname = 'connect'",
     "SELECT id FROM e WHERE time BETWEEN '{ta}' AND '{tb}' AND name = 'connect'"),
    ("SELECT count(*) FROM T WHERE eventtime > '{b}'", "SELECT count(*) FROM e WHERE time > '{tb}'"),
    ("SELECT date_trunc('hour', eventtime), count(*) FROM T GROUP BY 1", "SELECT substr(time, 1, 13) || ':00:00Z', count(*) FROM e GROUP BY 1"),
    ("SELECT element_at(requestparameters, 'path'), count(*) FROM T GROUP BY 1 HAVING count(*) > 3", "SELECT path, count(*) FROM e GROUP BY 1 HAVING count(*) > 3"),
    ("SELECT count(DISTINCT element_at(requestparameters, 'path')) FROM T", "SELECT count(DISTINCT path) FROM e"),
    ("SELECT eventid FROM T WHERE element_at(requestparameters, 'path') LIKE '/srv/d1%' AND eventname = 'execve'",
     "SELECT id FROM e WHERE path GLOB '/srv/d1*' AND name = 'execve'"),
    ("SELECT sum(CAST(element_at(requestparameters, 'value') AS BIGINT)) FROM T", "SELECT sum(CAST(value AS INTEGER)) FROM e"),
    ("SELECT max(length(element_at(requestparameters, 'path'))) FROM T", "SELECT max(length(path)) FROM e"),
    ("SELECT eventid FROM T WHERE strpos(element_at(requestparameters, 'path'), '\"') > 0", "SELECT id FROM e WHERE instr(path, '\"') > 0"),
    ("SELECT eventid FROM T WHERE element_at(requestparameters, 'path') = '/back\\slash'", "SELECT id FROM e WHERE path = '/back\\slash'"),
    ("SELECT element_at(resources, 1).type, count(*) FROM T GROUP BY 1", "SELECT json_extract(resources, '$[0].type'), count(*) FROM e GROUP BY 1"),
    ("SELECT coalesce(cardinality(resources), 0), count(*) FROM T GROUP BY 1", "SELECT coalesce(json_array_length(resources), 0), count(*) FROM e GROUP BY 1"),
    ("SELECT count(DISTINCT element_at(resources, 1).arn) FROM T", "SELECT count(DISTINCT json_extract(resources, '$[0].ARN')) FROM e"),
    ("SELECT process.pid, process.command, count(*) FROM T GROUP BY 1, 2", "SELECT pid, command, count(*) FROM e GROUP BY 1, 2"),
    ("SELECT process.loginuid, count(*) FROM T WHERE readonly = false GROUP BY 1", "SELECT loginuid, count(*) FROM e WHERE readonly = 0 GROUP BY 1"),
    ("SELECT eventcategory, managementevent, eventtype, count(*) FROM T GROUP BY 1, 2, 3", "SELECT category, management, type, count(*) FROM e GROUP BY 1, 2, 3"),
    ("SELECT awsregion, recipientaccountid, sourceipaddress, useragent, hostname, count(*) FROM T GROUP BY 1, 2, 3, 4, 5",
     "SELECT region, account, ip, agent, host, count(*) FROM e GROUP BY 1, 2, 3, 4, 5"),
    ("SELECT count(*) FROM T WHERE errorcode IS NULL", "SELECT count(*) FROM e WHERE error IS NULL"),
    ("SELECT useridentity.arn, eventname, count(*) FROM T GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 20",
     "SELECT arn, name, count(*) FROM e GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 20"),
    ("SELECT eventid FROM T ORDER BY eventtimenanos DESC, eventid LIMIT 100", "SELECT id FROM e ORDER BY CAST(nanos AS INTEGER) DESC, id LIMIT 100"),
    ("SELECT a.eventname, count(*) FROM T a JOIN (SELECT useridentity.accesskeyid AS k, max(eventtimenanos) AS m FROM T WHERE useridentity.accesskeyid "
     "IS NOT NULL GROUP BY 1) b ON a.useridentity.accesskeyid = b.k AND a.eventtimenanos = b.m GROUP BY 1",
     "SELECT a.name, count(*) FROM e a JOIN (SELECT key AS k, max(CAST(nanos AS INTEGER)) AS m FROM e WHERE key IS NOT NULL GROUP BY 1) b "
     "ON a.key = b.k AND CAST(a.nanos AS INTEGER) = b.m GROUP BY 1"),
    ("WITH w AS (SELECT eventname AS n, count(*) AS c FROM T GROUP BY 1) SELECT n, rank() OVER (ORDER BY c DESC, n) FROM w",
     "WITH w AS (SELECT name AS n, count(*) AS c FROM e GROUP BY 1) SELECT n, rank() OVER (ORDER BY c DESC, n) FROM w"),
    ("SELECT eventname FROM T WHERE readonly = true UNION SELECT eventsource FROM T WHERE managementevent = true",
     "SELECT name FROM e WHERE readonly = 1 UNION SELECT source FROM e WHERE management = 1"),
    ("SELECT count(*) FROM T WHERE useridentity.sessioncontext.sourceidentity = 'alice' AND requestid IS NOT NULL",
     "SELECT count(*) FROM e WHERE identity = 'alice' AND request IS NOT NULL"),
    ("SELECT json_extract_scalar(eventjson, '$.additionalEventData.process.pid'), count(*) FROM T GROUP BY 1", "SELECT pid, count(*) FROM e GROUP BY 1"),
]


def member(record, path):
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    if isinstance(record, (dict, list)):
        return json.dumps(record)
    return int(record) if isinstance(record, bool) else record


def delivered():
    return glob.glob(os.path.join(S["bucket"], "**", "CloudTrail", "**", "*.json.gz"), recursive=True)


def read_files(db):
    db.execute("CREATE TABLE e (%s)" % ", ".join(c for c, _ in COLUMNS))
    n = 0
    for path in delivered():
        with gzip.open(path) as f:
            rows = [[member(r, p) for _, p in COLUMNS] for r in json.load(f)["Records"] if r["eventSource"] != "trail.hosttrail"]
        db.executemany("INSERT INTO e VALUES (%s)" % ", ".join("?" * len(COLUMNS)), rows)
        n += len(rows)
    return n


def a_trail_delivers_them_all(t):
    d = S["dir"]
    S["bucket"] = os.path.join(d, "bucket")
    settings = {"buckets": ["trail-logs " + S["bucket"]], "delivery_interval": "1s", "lake_seal_records": str(max(1500, min(100_000, (MADE + ODD) // 5))),
                "lake_seal_time": "1s", "lake_memory": "512M"}
    with Store(d, **settings) as store:
        client = store.boto()
        client.create_trail(Name="all", S3BucketName="trail-logs")
        client.put_event_selectors(TrailName="all", AdvancedEventSelectors=bucketkit.everything())
        client.start_logging(Name="all")
    fill(d, MADE, time.time() - 86400, 80_000 * 10**9 // MADE)
    subprocess.run([KIT, "odd", d, str(ODD), os.environ.get("HT_SEED", "1")], check=True)
    S["store"] = Store(d, **settings)
    S["odd"] = S["store"].metric("index_records") - MADE
    S["store"].until(lambda: S["store"].metric("lake_sealed_records_total") >= MADE, "sealing", 1200)
    S["db"] = sqlite3.connect(os.path.join(d, "oracle.db"))
    end, before = time.monotonic() + 3600, -1
    while time.monotonic() < end:  # until nothing more comes
        now = len(delivered())
        if now == before and now:
            break
        before = now
        time.sleep(2.5)
    t.ok(read_files(S["db"]) >= MADE + ODD, "all are in files")


def ask(sql):
    client = S["store"].boto()
    query = client.start_query(QueryStatement=sql)["QueryId"]
    while client.describe_query(QueryId=query)["QueryStatus"] in ("QUEUED", "RUNNING"):
        time.sleep(0.01)
    rows, token = [], {}
    while True:
        page = client.get_query_results(QueryId=query, **token)
        if page["QueryStatus"] != "FINISHED":
            raise tap.Failed("%s: %s" % (sql, page.get("ErrorMessage")))
        rows += [[v for cell in row for v in cell.values()] for row in page["QueryResultRows"]]
        if not page.get("NextToken"):
            return rows
        token = {"NextToken": page["NextToken"]}


def plain(value):
    """A value as both sides can show it: times without a T, truth as a number, texts of numbers as they are."""
    if value is None:
        return "null"
    text = {"true": "1", "false": "0"}.get(str(value), str(value))
    if len(text) == 20 and text[10] == "T" and text.endswith("Z"):
        text = text.replace("T", " ").replace("Z", ".000")
    return text


def answers_are_the_same(t):
    a, b = time.gmtime(time.time() - 60_000), time.gmtime(time.time() - 30_000)
    times = {"a": time.strftime("%Y-%m-%d %H:%M:%S", a), "b": time.strftime("%Y-%m-%d %H:%M:%S", b),
             "ta": time.strftime("%Y-%m-%dT%H:%M:%SZ", a), "tb": time.strftime("%Y-%m-%dT%H:%M:%SZ", b)}
    table = "(SELECT * FROM events WHERE eventsource <> 'trail.hosttrail')"
    ours = theirs = 0
    for lake, sqlite in QUESTIONS:
        for k, v in times.items():
            lake, sqlite = lake.replace("{%s}" % k, v), sqlite.replace("{%s}" % k, v)
        begin = time.monotonic()
        got = sorted([plain(v) for v in row] for row in ask(lake.replace(" T", " " + table)))
        middle = time.monotonic()
        want = sorted([plain(v) for v in row] for row in S["db"].execute(sqlite))
        ours, theirs = ours + middle - begin, theirs + time.monotonic() - middle
        t.ok(want, "%s: no answer says nothing" % sqlite)
        if got != want:
            differ = [(x, y) for x, y in zip(got, want) if x != y][:2] or (len(got), len(want))
            t.ok(False, "%s: %r" % (lake, differ))
    t.ok(len(QUESTIONS) >= 30, "questions")
    t.note("%d questions over %d records: the lake %.1f s, SQLite %.1f s" % (len(QUESTIONS), MADE + ODD, ours, theirs))


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")


if __name__ == "__main__":
    with tap.Workdir() as S["dir"]:
        tap.main([a_trail_delivers_them_all, answers_are_the_same, a_clean_end])
