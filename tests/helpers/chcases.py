# SPDX-License-Identifier: Apache-2.0
"""What is asked of a store over ClickHouse, and of an embedded one, which is the oracle."""
import hashlib
import os
import re
import time

import tap
from shipkit import STORED, Client
from storekit import frames
from tap import TOP

AWS = "CloudTrail_20131101"


def fill_both(pki, pb, ours, embedded, count):
    """The same records of the same hosts in both: known ones of host a, odd ones of host b."""
    known = frames(pki, "a", count, time.time() - 3600, 1_000_000)
    odd = frames(pki, "b", 600, 0, 0, per_frame=100, seed=7)
    for s in (ours, embedded):
        for host, sent in (("a", known), ("b", odd)):
            with Client(pki, host, s.ports["ingest"], pb) as c:
                for i in range(0, len(sent), 20):
                    assert {x for x, _ in c.ship(*sent[i:i + 20], timeout=60)} == {STORED}
    assert tap.wait_for(lambda: all(len(lookup(s, "EventName", "execve", pages=1)) for s in (ours, embedded)))


def hosts_of(pki, n):
    """So many new hosts of the first shard, then as many of the second. The shard follows from the eighth byte of the id's hash."""
    found = [[], []]
    while min(map(len, found)) < n:
        name = "quorum%d" % sum(x.startswith("quorum") for x in pki.ids)
        found[hashlib.sha256(pki.host(name).encode()).digest()[7] % 2].append(name)
    return found[0][:n] + found[1][:n]


def lookup(s, key, value, size_=50, pages=40):
    """Pages of what a lookup finds, our own streams' records left out."""
    found, how = [], {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}], "MaxResults": size_}
    for _ in range(pages):
        status, a = s.call("LookupEvents", how, prefix=AWS)
        assert status == 200, a
        found += a["Events"]
        if "NextToken" not in a:
            break
        how["NextToken"] = a["NextToken"]
    return found


def compare_lookups(t, ours, embedded):
    some = lookup(embedded, "EventName", "openat", pages=2)
    asked = [("EventName", "connect"), ("EventName", "nothing"), ("ReadOnly", "true"), ("ReadOnly", "false"), ("Username", "user3"), ("Username", "alice"),
             ("Username", "root"), ("ResourceType", "Linux::File"), ("EventSource", "s3.amazonaws.com"), ("AccessKeyId", "AKIA3"),
             ("EventId", some[0]["EventId"]), ("EventId", "00000000-0000-8000-8000-000000000000")]
    asked += [("ResourceName", e["Resources"][0]["ResourceName"]) for e in some[::25] if e["Resources"]]
    for key, value in asked:
        one, other = lookup(ours, key, value, pages=4), lookup(embedded, key, value, pages=4)
        by = lambda events: {e["EventId"]: e for e in events}
        times = [e["EventTime"] for e in one]
        t.equal(times, sorted(times, reverse=True), "%s %r: newest first" % (key, value))
        # at a second that has many, the order within is each engine's own: the last page is cut elsewhere
        cut = max(min(e["EventTime"] for e in x) for x in (one, other)) if len(one) == 200 else -1
        mine, theirs = (by(e for e in x if e["EventTime"] > cut and e["EventSource"] != "trail.hosttrail") for x in (one, other))
        wrong = [(mine.get(i), theirs.get(i)) for i in {**mine, **theirs} if mine.get(i) != theirs.get(i)]
        t.ok(not wrong, "%s %r: %d of %d and %d differ: %r" % (key, value, len(wrong), len(one), len(other), wrong[:1]))


def query(s, sql):
    """(rows, None) or (None, error)."""
    status, a = s.call("StartQuery", {"QueryStatement": sql}, prefix=AWS)
    if status != 200:
        return None, a.get("message") or a.get("Message")
    rows, how = [], {"QueryId": a["QueryId"]}
    while True:
        a = s.call("GetQueryResults", how, prefix=AWS)[1]
        if a["QueryStatus"] in ("QUEUED", "RUNNING"):
            time.sleep(0.02)
            continue
        if a["QueryStatus"] != "FINISHED":
            return None, a["QueryStatus"] + ": " + a.get("ErrorMessage", "")
        rows += [[list(c.values())[0] for c in row] for row in a["QueryResultRows"]]
        if "NextToken" not in a:
            return rows, None
        how["NextToken"] = a["NextToken"]


def plain(value):
    """Times and numbers as both write them: over ClickHouse no time says its zone."""
    return re.sub(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.0+(?: UTC)?$", r"\1", re.sub(r"^(\d+)\.0$", r"\1", value)) if value is not None else None


QUERIES = [
    "SELECT count(*) FROM $E WHERE hostname = 'kit'",
    "SELECT eventname, count(*) AS n FROM $E WHERE hostname = 'kit' GROUP BY eventname ORDER BY n DESC, eventname LIMIT 5",
    "SELECT eventname, readonly, managementevent, count(*), min(eventtime), max(eventtime) FROM $E WHERE hostname = 'kit' GROUP BY 1, 2, 3 ORDER BY 1",
    "SELECT useridentity.username, count(DISTINCT eventid) FROM $E WHERE hostname = 'kit' AND useridentity.username IS NOT NULL GROUP BY 1 ORDER BY 1",
    "SELECT element_at(requestparameters, 'path') AS p, eventid FROM $E WHERE hostname = 'kit' ORDER BY eventid LIMIT 900",
    "SELECT eventid, element_at(requestparameters, 'value') FROM $E WHERE hostname = 'kit' AND readonly = true ORDER BY 1 LIMIT 1500",
    "SELECT eventid FROM $E WHERE hostname = 'kit' AND element_at(requestparameters, 'path') LIKE '/srv/d1%' ORDER BY 1",
    "SELECT eventid FROM $E WHERE hostname = 'kit' AND element_at(requestparameters, 'path') LIKE '%\\%' ORDER BY 1",
    "SELECT date_trunc('hour', eventtime) AS h, count(*) FROM $E WHERE hostname = 'kit' GROUP BY date_trunc('hour', eventtime) ORDER BY h",
    "SELECT CASE WHEN readonly = false THEN 'writes' ELSE 'reads' END AS k, count(*) FROM $E WHERE hostname = 'kit' GROUP BY CASE WHEN readonly = false THEN 'writes' ELSE 'reads' END ORDER BY k",
    "WITH w AS (SELECT eventname AS n, eventid AS id FROM $E WHERE hostname = 'kit' AND readonly = false) SELECT n, count(*) FROM w GROUP BY n HAVING count(*) > 1 ORDER BY n",
    "SELECT count(*) FROM $E WHERE hostname = 'kit' AND eventname IN (SELECT eventname FROM $E WHERE managementevent = true AND hostname = 'kit')",
    "SELECT eventname, eventid FROM $E WHERE eventname = 'connect' AND hostname = 'kit' UNION ALL SELECT eventname, eventid FROM $E WHERE eventname = 'execve' AND hostname = 'kit' ORDER BY 2",
    "SELECT DISTINCT eventcategory FROM $E WHERE hostname = 'kit' AND eventtime BETWEEN timestamp '2020-01-01 00:00:00' AND timestamp '2099-01-01 00:00:00' ORDER BY 1",
    "SELECT hour(eventtime) AS h, day(eventtime), month(eventtime), year(eventtime), day_of_week(eventtime), count(*) FROM $E WHERE hostname = 'kit' GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
    "SELECT date(eventtime) AS d, date_trunc('day', eventtime), count(*) FROM $E WHERE hostname = 'kit' GROUP BY 1, 2 ORDER BY d",
    "SELECT count(*), min(eventtime) FROM $E WHERE hostname = 'kit' AND eventtime >= (SELECT max(eventtime) FROM $E WHERE hostname = 'kit' AND eventtime <= current_timestamp AND eventtime < now() AND date(eventtime) <= current_date)",
    "SELECT DISTINCT from_iso8601_timestamp('2026-03-04T05:06:07Z') AS a, from_unixtime(1772600767), timestamp '2026-03-04 05:06:07' FROM $E WHERE hostname = 'kit'",
    "SELECT upper(eventname) || '-' || eventsource AS u, max_by(eventid, eventid) FROM $E WHERE hostname = 'kit' AND NOT (eventname NOT IN ('connect', 'execve')) GROUP BY 1 ORDER BY 1",
    "SELECT json_extract_scalar(eventjson, '$.userIdentity.userName') AS u, count(*) FROM $E WHERE hostname = 'kit' GROUP BY 1 ORDER BY 1",
    "SELECT count(DISTINCT eventid), approx_distinct(useridentity.username), count(errorcode), count(DISTINCT errorcode) FROM $E WHERE hostname = 'nobody'",
    "SELECT CAST(eventname AS varchar) AS e, CAST(count(*) AS VARCHAR) || 'x' FROM $E WHERE hostname = 'kit' GROUP BY eventname ORDER BY 1",
    "SELECT process.pid + 1 AS p, count(*) FROM $E WHERE hostname = 'kit' AND coalesce(useridentity.username, 'x') <> 'user4' GROUP BY 1 ORDER BY 1",
]


def compare_sql(t, ours, embedded, refusals):
    here = os.path.join(TOP, "tests/e2e/lakequeries")
    samples = [open(os.path.join(here, x)).read().replace("$EDS_ID", "$E") for x in sorted(os.listdir(here)) if x.endswith(".sql")]
    wanted = [x.replace(" WHERE ", " WHERE hostname = 'kit' AND (", 1).replace(" GROUP BY", ") GROUP BY", 1) if "GROUP BY" in x else x for x in samples]
    wanted = [re.sub(r" LIMIT \d+", "", x) if "GROUP BY" in x else x for x in wanted]  # of equal counts any may be within it
    refused = []
    for sql in QUERIES + wanted:
        mine, why = query(ours, sql.replace("$E", "events"))
        theirs, fault = query(embedded, sql.replace("$E", "events"))
        if mine is None and sql in wanted:
            refused.append(why)
            continue
        if "eventJson, eventJsonChecksum" in sql:  # maps are written in another way, and of equal times others are within its limit
            mine, theirs = mine and [[len(mine)]], theirs and [[len(theirs)]]
        ordered = "ORDER BY" in sql and sql in QUERIES
        norm = lambda rows: [[plain(c) if isinstance(c, str) else c for c in r] for r in rows] if ordered else sorted(str([plain(c) if isinstance(c, str) else c for c in r]) for r in rows)
        if t.ok(mine is not None and theirs is not None, "%s: %s, %s" % (sql, why, fault)):
            a, b = norm(mine), norm(theirs)
            t.ok(a == b, "%s: %d rows, not %d; %r" % (sql, len(a), len(b), next(((x, y) for x, y in zip(a, b) if x != y), None)))
    t.equal(len(refused), refusals, "sample queries that this engine refuses: %r" % refused)


HOSTILE = [
    "SELECT * FROM system.users", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'x String')", "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM file('/etc/passwd', CSV, 'x String')", "SELECT sleep(3)", "INSERT INTO events SELECT * FROM events", "DROP TABLE trail_rows_2",
    "SELECT 1; DROP TABLE trail_rows_2", "SELECT count(*) FROM trail_rows_2", "SELECT hostName()", "SELECT count(*) FROM events SETTINGS readonly = 0",
    "SELECT hash FROM events", "SELECT frame FROM events", "SELECT batch FROM events", "SELECT count(*) FROM events FORMAT Native",
    "SELECT count(*) FROM events INTO OUTFILE '/tmp/x'", "SELECT * FROM events e", "SELECT dictGetString('a', 'b', 1)", "SELECT currentDatabase() FROM events",
    "WITH t AS (SELECT * FROM t) SELECT * FROM t", "SELECT `x` FROM events", "SELECT \"a`b\" FROM events",
    "WITH " + ", ".join("t%d AS (SELECT eventid FROM %s UNION ALL SELECT eventid FROM %s)" % (i, *(["t%d" % (i - 1)] * 2 if i else ["events"] * 2))
                        for i in range(20)) + " SELECT count(*) FROM t19",
]


def refuse_hostile(t, ours):
    for sql in HOSTILE:
        status, a = ours.call("StartQuery", {"QueryStatement": sql}, prefix=AWS)
        t.ok(status == 400 and "Invalid" in str(a), "%s: %r %r" % (sql[:80], status, a))
    # texts are texts, however they are written: ClickHouse's own parser knows backslashes, ours does not
    for text in ("\\", "a\\''b", "\\'' OR 1=1 --", "x'' UNION ALL SELECT 1 --", "\t\n", "%", "`", "{x:String}", "\\x41"):
        rows, why = query(ours, "SELECT '%s' AS v FROM events WHERE eventname = '%s'" % (text, text))
        t.equal((rows, why), ([], None), "nothing is called %r" % text)
        rows, why = query(ours, "SELECT '%s' AS v FROM events LIMIT 1" % text)
        t.equal((rows, why), ([[text.replace("''", "'")]], None), "the text %r" % text)
