#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""The lake as the unmodified AWS CLI and boto3 see it: SQL over sealed segments and the unsealed tail, CloudTrail Lake's
sample queries, event data stores, and statements that must not run."""
import csv
import glob
import hashlib
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import botocore.exceptions

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from storekit import KIT, MANAGEMENT, NAMES, READ_ONLY, SOURCES, Store, fill  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
COUNT = 6000
W = tap.Workdir()
D = W.__enter__()
BASE = time.time() - 5000
MADE = fill(D, COUNT, BASE, 500_000_000)	# two a second
STORE = Store(D, lake_seal_records="1500", lake_seal_time="20s", lake_memory="256M")
CLIENT = STORE.boto()
EDS = CLIENT.list_event_data_stores()["EventDataStores"][0]["EventDataStoreArn"].split("/")[1]
OURS = "eventsource <> 'trail.hosttrail'"	# without the store's own record


def wait(query):
    end = time.monotonic() + 60
    while True:
        status = CLIENT.describe_query(QueryId=query)["QueryStatus"]
        if status not in ("QUEUED", "RUNNING"):
            return status
        if time.monotonic() > end:
            raise tap.Failed("query %s is still %s" % (query, status))
        time.sleep(0.01)


def rows(sql, **kw):
    """The result of a statement over $EDS_ID, as dictionaries; a name that is there twice counts once."""
    query = CLIENT.start_query(QueryStatement=sql.replace("$EDS_ID", EDS), **kw)["QueryId"]
    status = wait(query)
    if status != "FINISHED":
        raise tap.Failed("%s: %s %s" % (sql, status, CLIENT.describe_query(QueryId=query).get("ErrorMessage")))
    out, token = [], {}
    while True:
        page = CLIENT.get_query_results(QueryId=query, **token)
        out += [{k: v for cell in row for k, v in cell.items()} for row in page["QueryResultRows"]]
        if not page.get("NextToken"):
            return out
        token = {"NextToken": page["NextToken"]}


def error(operation, **kw):
    try:
        operation(**kw)
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"]
    return None


def until(cond, what):
    STORE.until(cond, what)


def files():
    return glob.glob(os.path.join(D, "lake", "*-*-*-*-*", "day=*", "*"))


def manifest(sql):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(D, "lake.db"), uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def the_aws_cli_runs_a_query(t):
    started = STORE.aws("start-query", "--query-statement", "SELECT eventName, count(*) AS n FROM %s WHERE %s GROUP BY eventName" % (EDS, OURS))
    wait(started["QueryId"])
    got = STORE.aws("get-query-results", "--query-id", started["QueryId"])
    t.equal(got["QueryStatus"], "FINISHED", "status")
    found = {row[0]["eventname"]: int(row[1]["n"]) for row in got["QueryResultRows"]}
    t.equal(found, {n: sum(1 for i in range(COUNT) if NAMES[i % 7] == n) for n in NAMES}, "counts by name")
    t.equal(got["QueryStatistics"]["TotalResultsCount"], 7, "rows")
    described = STORE.aws("describe-query", "--query-id", started["QueryId"])
    t.ok(described["QueryStatistics"]["EventsScanned"] >= COUNT and described["QueryString"].startswith("SELECT eventName"), "described")
    listed = STORE.aws("list-queries", "--event-data-store", EDS)["Queries"]
    t.equal([q["QueryStatus"] for q in listed if q["QueryId"] == started["QueryId"]], ["FINISHED"], "listed")


def segments_are_immutable_and_known_by_their_hash(t):
    until(lambda: manifest("SELECT sum(nrows) FROM segment")[0][0] >= 4 * 1500, "four segments")	# and the store's own record, where that took long
    t.ok(len(files()) == len(manifest("SELECT path FROM segment")), "no other file")
    for path, sha in manifest("SELECT path, sha256 FROM segment"):
        full = os.path.join(D, "lake", path)
        with open(full, "rb") as f:
            t.equal(hashlib.sha256(f.read()).hexdigest(), sha, "hash of " + path)
        t.equal(os.stat(full).st_mode & 0o777, 0o440, "read-only")
    spans = manifest("SELECT first, last FROM segment ORDER BY first")
    t.ok(spans[0][0] == 0 and all(a[1] == b[0] for a, b in zip(spans, spans[1:])), "the stretches join")


def sealed_and_unsealed_are_one(t):
    t.equal(rows("SELECT count(*) AS n, count(DISTINCT eventid) AS ids FROM $EDS_ID WHERE " + OURS), [{"n": str(COUNT), "ids": str(COUNT)}], "all")
    t.equal(rows("SELECT eventname FROM $EDS_ID WHERE NOT " + OURS), [{"eventname": "StoreStarted"}], "the tail is seen, too")


def segments_of_other_times_are_not_opened(t):
    path, first, last = manifest("SELECT path, first_time, last_time FROM segment ORDER BY first LIMIT 1")[0]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(last + 2))
    where = "FROM $EDS_ID WHERE eventtime >= timestamp '%s' AND %s" % (since, OURS)
    full = os.path.join(D, "lake", path)
    os.rename(full, full + ".elsewhere")
    try:
        got = rows("SELECT count(*) AS n " + where)
    finally:
        os.rename(full + ".elsewhere", full)
    t.equal(int(got[0]["n"]), sum(1 for i in range(COUNT) if MADE.time(i) >= last + 2), "the others' rows")
    query = CLIENT.start_query(QueryStatement=("SELECT count(*) AS n " + where).replace("$EDS_ID", EDS))["QueryId"]
    wait(query)
    t.ok(CLIENT.describe_query(QueryId=query)["QueryStatistics"]["EventsScanned"] < COUNT - 1400, "it is not counted as scanned")


def columns_say_what_the_record_says(t):
    i = 1234
    event = json.loads(CLIENT.lookup_events(LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": MADE.event_id(i)}])["Events"][0]["CloudTrailEvent"])
    row, = rows("SELECT *, useridentity.arn AS arn, element_at(resources, 1).arn AS resource, element_at(requestparameters, 'path') AS path, "
                "process.pid AS pid, json_extract_scalar(eventjson, '$.additionalEventData.process.pid') AS jsonpid "
                "FROM $EDS_ID WHERE eventid = '%s'" % MADE.event_id(i))
    t.equal(json.loads(row["eventjson"]), event, "eventjson")
    t.equal(row["eventtime"], event["eventTime"].replace("T", " ").replace("Z", ".000"), "eventtime")
    for column, member in (("eventname", "eventName"), ("eventsource", "eventSource"), ("eventid", "eventID"), ("requestid", "requestID"),
                           ("useragent", "userAgent"), ("sourceipaddress", "sourceIPAddress"), ("eventcategory", "eventCategory"),
                           ("recipientaccountid", "recipientAccountId"), ("eventversion", "eventVersion"), ("awsregion", "awsRegion")):
        t.equal(row[column], event.get(member), column)
    t.equal(row["readonly"], str(event["readOnly"]).lower(), "readonly")
    t.equal((row["arn"], row["resource"], row["path"]), (event["userIdentity"]["arn"], event["resources"][0]["ARN"], event["requestParameters"]["path"]), "nested")
    t.equal((row["pid"], row["jsonpid"]), (str(event["additionalEventData"]["process"]["pid"]),) * 2, "process")
    t.equal((row["errorcode"], row["responseelements"]), (None, None), "absent ones are null")
    t.equal(row["hostid"], event["additionalEventData"]["hostId"], "hostid")


def answers_equal_a_loop_over_the_records(t):
    chance = random.Random(int(os.environ.get("HT_SEED", "1")))
    for _ in range(6):
        a, b = sorted(chance.randrange(COUNT) for _ in range(2))
        since, to = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(MADE.time(i))) for i in (a, b))
        user = "user%d" % chance.randrange(10)
        want = [i for i in range(COUNT) if MADE.time(a) <= MADE.time(i) < MADE.time(b) and user in MADE.users(i) and not READ_ONLY[i % 7]]
        got = rows("SELECT eventid FROM $EDS_ID WHERE eventtime >= '%s' AND eventtime < '%s' AND useridentity.username = '%s' AND readonly = false "
                   "ORDER BY eventtimenanos" % (since, to, user))
        t.equal([r["eventid"] for r in got], [MADE.event_id(i) for i in want], "%s between %d and %d" % (user, a, b))
    got = rows("SELECT eventsource, managementevent, count(*) AS n FROM $EDS_ID WHERE %s GROUP BY 1, 2 ORDER BY 1, 2" % OURS)
    want = {}
    for i in range(COUNT):
        key = (SOURCES[i % 7], str(MANAGEMENT[i % 7]).lower())
        want[key] = want.get(key, 0) + 1
    t.equal({(r["eventsource"], r["managementevent"]): int(r["n"]) for r in got}, want, "by source and kind")


def sample_queries_run(t):
    expected = {"04": 33, "10": 12, "11": None, "12": sum(1 for i in range(COUNT) if MADE.matches(i, "AccessKeyId", "AKIA3")), "14": 0, "24": 857,
                "16": sum(1 for i in range(COUNT) if i % 11 == 3 and not READ_ONLY[i % 7])}
    paths = sorted(glob.glob(os.path.join(HERE, "lakequeries", "*.sql")))
    t.equal(len(paths), 25, "all shapes are there")
    for path in paths:
        with open(path) as f:
            got = rows(f.read())
        number = os.path.basename(path)[:2]
        if expected.get(number) is not None:
            t.equal(len(got), expected[number], os.path.basename(path))
        else:
            t.ok(isinstance(got, list), os.path.basename(path))


# number of a sample query: columns (by their place, where they have no name), and the rows of awssamples.h that it must find, in its order
FOUND = {
    "01": (["accountid"], [("000000000000",)]),
    "02": (["eventname", "additionaleventdata"], [("ConsoleLogin", "MFAUsed=No")]),
    "03": (["errorCode", "errorMessage", "eventCount"], [("AccessDenied", "no", "2"), ("NoSuchKey", "gone", "1"), ("VpceAccessDenied", "by policy", "1")]),
    "05": (["eventName", "errorCode", "requestParameters"], [("GetObject", "AccessDenied", "key=k1"), ("GetObject", "AccessDenied", "key=k1"), ("GetObject", "NoSuchKey", "key=k2"),
                                                          ("DescribeInstances", "VpceAccessDenied", "{}")]),
    "06": (["eventName"], []),
    "07": (["eventName", "tlsversion"], [("ConsoleLogin", "TLSv1.2")]),
    "08": (["VPCAccessDenied", "eventName", "errorMessage", "sourceIPAddress"], [("1", "DescribeInstances", "by policy", "kit")]),
    "13": (["eventid"], []),
    "14": (["eventName"], []),
    "15": (["eventName", "trail"], [("StopLogging", "t2"), ("CreateTrail", "t1")]),
    "17": (["eventSource", "resourceId", "key"], [("ec2.amazonaws.com", "i-0", "env"), ("ec2.amazonaws.com", "i-1", "team")]),
    "18": (["awsRegion", "eventSource", "apiCount"], [("eu-west-9", "ec2.amazonaws.com", "1"), ("local", "cloudtrail.amazonaws.com", "3"), ("local", "ec2.amazonaws.com", "8"),
                                                   ("local", "iam.amazonaws.com", "2"), ("local", "s3.amazonaws.com", "3"), ("local", "signin.amazonaws.com", "2")]),
    "19": (["bucketName", "key", "requestCount"], [("b", "k1", "2"), ("b", "k2", "1")]),
    "20": (["securityGroup", "ipPermissions"], [("sg-1", "0.0.0.0/0"), ("sg-3", "0.0.0.0/0")]),
    "21": (["eventName", "awsRegion"], [("StopInstances", "eu-west-9")]),
    "22": (["eventName", "principalId", "who"], [("AddUserToGroup", "user4", "eve")]),
    "23": (["principalId"], [("user6",)]),
    "24": (["eventName", "principalId"], [("CreateTrail", "user6"), ("CreateTags", "user9"), ("RunInstances", "user6"), ("RunInstances", "user7")]),
    "25": (["responseElements"], [("i-9999999999",)]),
}
UNORDERED = ("18", "20")


def sample_queries_find_what_they_ask_for(t):
    """Sealed and unsealed: calls as they ask for them, each beside one that they must not find."""
    with tap.Workdir() as d:
        subprocess.run([KIT, "samples", d], check=True)
        for sealed in (False, True):
            with Store(d, lake_seal_time="50ms" if sealed else "20s") as store:
                store.until(lambda: not sealed or store.metric("lake_sealed_records_total") > 18, "segments")
                ask = lambda sql: of_store(store, sql)  # noqa: E731
                last = ask("SELECT eventid FROM events WHERE element_at(responseelements, 'instancesSet') LIKE '%i-9999999999%'")[0]["eventid"]
                for number, (columns, want) in sorted(FOUND.items()):
                    with open(glob.glob(os.path.join(HERE, "lakequeries", number + "-*.sql"))[0]) as f:
                        sql = f.read().replace("$EDS_ID", "events").replace("00000000-0000-8000-8000-000000000000", last)
                    got = [tuple(row.get(c.lower()) for c in columns) for row in ask(sql) if row.get("eventsource", "").lower() != "trail.hosttrail"]
                    # a map or JSON is looked into: it has what is wanted somewhere
                    found = [tuple(w if g and w in g and g != w and any(x in g for x in "{[") else g for g, w in zip(row, wanted)) for row, wanted in
                             zip(*(sorted(x) if number in UNORDERED else x for x in (got, want)))]
                    want = sorted(want) if number in UNORDERED else want
                    t.equal((len(got), found), (len(want), want), "%s, %s: %r" % (number, "sealed" if sealed else "unsealed", got))


def of_store(store, sql):
    client = store.boto()
    query = client.start_query(QueryStatement=sql)["QueryId"]
    store.until(lambda: client.describe_query(QueryId=query)["QueryStatus"] not in ("QUEUED", "RUNNING"), "an end")
    return [{k.lower(): v for cell in row for k, v in cell.items()} for row in client.get_query_results(QueryId=query)["QueryResultRows"]]


def trino_functions(t):
    cases = {
        "element_at(map(['a'], ['b']), 'a')": "b", "element_at(map(['a'], ['b']), 'c')": None, "cardinality(array_distinct([1, 1, 2]))": "2",
        "slice([1, 2, 3, 4], 2, 2)": "[2, 3]", "array_max([1, 3, 2])": "3", "array_min([4, 3])": "3", "array_join(['a', 'b'], '-')": "a-b",
        "json_extract_scalar('{\"a\":{\"b\":1}}', '$.a.b')": "1", "json_extract_scalar('{\"a\":{\"b\":1}}', '$.a')": None,
        "json_extract('{\"a\":{\"b\":1}}', '$.a')": '{"b":1}', "json_format(json_parse('[1,2]'))": "[1,2]", "is_json_scalar('[1]')": "false",
        "json_array_contains('[\"a\"]', 'a')": "true", "json_array_get('[7,8]', 1)": "8", "json_array_length('[1,2,3]')": "3",
        "date_add('day', 2, timestamp '2026-02-27 00:00:00')": "2026-03-01 00:00:00.000", "date('2026-01-02')": "2026-01-02",
        "date_trunc('hour', timestamp '2026-01-01 10:20:30')": "2026-01-01 10:00:00.000", "day_of_week(date '2026-11-29')": "7",
        "dow(date '2026-11-30')": "1", "day_of_year(date '2026-02-01')": "32", "week_of_year(date '2026-01-01')": "1", "yow(date '2027-01-01')": "2026",
        "year(timestamp '2026-01-01 10:20:30')": "2026", "date_format(timestamp '2026-01-02 03:04:05', '%Y/%m/%d %H:%i:%s')": "2026/01/02 03:04:05",
        "date_diff('hour', timestamp '2026-01-01 00:00:00', timestamp '2026-01-02 00:00:00')": "24", "1 / 2": "0", "regexp_like('abc', 'b.')": "true",
        "from_iso8601_timestamp('2026-01-01T00:00:00Z') = timestamp '2026-01-01 00:00:00'": "true", "split_part('a,b', ',', 2)": "b",
        "date_diff('hour', timestamp '2026-01-01 10:59:00', timestamp '2026-01-01 11:01:00')": "0", "date_diff('day', date '2026-01-03', date '2026-01-01')": "-2",
        "regexp_replace('1a 2b', '(\\d+)([ab])', 'x$2')": "xa xb", "regexp_replace('aXbx', '[xX]')": "ab", "regexp_extract('abc', 'x')": None,
        "regexp_extract('1a 2b', '(\\d+)([a-z])', 2)": "a", "replace('abab', 'a')": "bb", "split_part('a/b', '/', 3)": None, "array_position([1, 2], 3)": "0",
        "transform(filter([1, 2, 3], x -> x > 1), y -> y * 2)": "[4, 6]", "cardinality(map(['a', 'b'], [1, 2]))": "2", "cardinality([['a']])": "1",
        "array_max([1, NULL])": None, "millisecond(timestamp '2026-01-01 10:20:30.456')": "456", "date_format(timestamp '2026-01-01 13:00:00', '%h %p')": "01 PM",
        "to_iso8601(date '2026-01-02')": "2026-01-02", "to_iso8601(timestamp '2026-01-02 03:04:05')": "2026-01-02T03:04:05.000",
        "cast(json_extract('{\"a\":\"b\"}', '$.a') AS varchar)": "b", "cast(json_parse('{\"a\":1}') AS varchar)": '{"a":1}', "try_cast(5 AS varchar)": "5",
        "cast(json_parse('[\"x\"]') AS array(varchar))[1]": "x", "json_extract_scalar('{\"a-b\":{\"c\":1}}', '$[\"a-b\"].c')": "1",
        "json_extract_scalar('/no/json', '$.a')": None, "json_extract('/no/json', '$.a')": None, "json_array_length('/no/json')": None,
        "json_array_get('/no/json', 0)": None, "json_array_contains('/no/json', 'a')": None, "json_size('/no/json', '$.a')": None,
        "greatest(1, 3, 2)": "3", "coalesce(NULL, 'x')": "x", "if(true, 'a', 'b')": "a", "strpos('hello', 'l')": "3",
    }
    got, = rows("SELECT %s FROM $EDS_ID LIMIT 1" % ", ".join("%s AS c%d" % (e, i) for i, e in enumerate(cases)))
    for i, (expression, want) in enumerate(cases.items()):
        t.equal(got["c%d" % i], want, expression)


PATCHES = """SELECT transform(filter(found, p -> cast(json_extract(p, '$.PatchState') as varchar) = 'Installed'), f -> json_extract(f, '$.Id')) AS installed,
    transform(filter(found, p -> cast(json_extract(p, '$.PatchState') as varchar) = 'Missing'), f -> json_extract(f, '$.Id')) AS missing
FROM (SELECT map_values(cast(json_extract(json_parse('{"c":{"AWS:Item":{"Patch":{"k1":{"PatchState":"Installed","Id":"p1"},"k2":{"PatchState":"Missing","Id":"p2"}}}}}'),
        '$.c.AWS:Item.Patch') as map(varchar, json))) AS found, eventtime, rank() OVER (PARTITION BY eventname ORDER BY eventtime DESC, eventid) AS rnk
    FROM $EDS_ID WHERE eventname = 'openat')
WHERE rnk = 1"""


def published_samples_for_configuration_items(t):
    """The functions of AWS's samples whose event data stores we do not have: lambdas, JSON within JSON."""
    t.equal(rows(PATCHES), [{"installed": '["p1"]', "missing": '["p2"]'}], "by their state")
    got = rows("SELECT count(json_extract_scalar(element_at(requestparameters, 'path'), '$.x')) AS n, count(element_at(requestparameters, 'path')) > 0 AS some, "
               "sum(cardinality(requestparameters)) > 0 AS members FROM $EDS_ID")
    t.equal(got, [{"n": "0", "some": "true", "members": "true"}], "texts that are no JSON end no query")


def columns_without_a_name_are_called_by_their_place(t):
    """As Trino calls them, whatever stands before and behind a *."""
    for sql, want in (("SELECT count(*), eventname, CAST(eventname AS varchar), element_at(resources, 1).arn, 1 + 1 AS two, 'x' FROM $EDS_ID GROUP BY 2, 4 LIMIT 1",
                       ["_col0", "eventname", "_col2", "arn", "two", "_col5"]),
                      ("WITH w AS (SELECT 5) SELECT max(eventid) FROM $EDS_ID UNION ALL SELECT 'x' AS named FROM w", ["_col0"]),
                      ("SELECT 1, t.*, 2, x FROM (SELECT eventid, eventname, 7 AS x FROM $EDS_ID LIMIT 1) AS t", ["_col0", "eventid", "eventname", "x", "_col4", "x"])):
        query = CLIENT.start_query(QueryStatement=sql.replace("$EDS_ID", EDS))["QueryId"]
        t.equal(wait(query), "FINISHED", sql)
        t.equal([next(iter(cell)) for cell in CLIENT.get_query_results(QueryId=query)["QueryResultRows"][0]], want, sql)


def results_are_paged(t):
    query = CLIENT.start_query(QueryStatement="SELECT eventid FROM %s WHERE %s ORDER BY eventtimenanos" % (EDS, OURS))["QueryId"]
    wait(query)
    ids, token = [], {}
    while True:
        page = CLIENT.get_query_results(QueryId=query, MaxQueryResults=997, **token)
        ids += [r[0]["eventid"] for r in page["QueryResultRows"]]
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    t.equal(ids, [MADE.event_id(i) for i in range(COUNT)], "all pages")
    t.equal(error(CLIENT.get_query_results, QueryId=query, NextToken="x" * 90), "InvalidNextTokenException", "made-up token")
    other = CLIENT.start_query(QueryStatement="SELECT eventid FROM %s" % EDS)["QueryId"]
    t.equal(error(CLIENT.get_query_results, QueryId=other, **{"NextToken": CLIENT.get_query_results(QueryId=query, MaxQueryResults=5)["NextToken"]}),
            "InvalidNextTokenException", "another query's token")


def parameters_are_bound(t):
    status, answer = STORE.call("StartQuery", {"QueryStatement": "SELECT count(*) AS n FROM %s WHERE eventname = ? AND eventtime > ?" % EDS,
                                               "QueryParameters": ["openat", "2020-01-01 00:00:00"]}, prefix="CloudTrail_20131101")
    t.equal(status, 200, str(answer))
    wait(answer["QueryId"])
    t.equal(CLIENT.get_query_results(QueryId=answer["QueryId"])["QueryResultRows"], [[{"n": str((COUNT + 6) // 7)}]], "by parameters")
    status, answer = STORE.call("StartQuery", {"QueryStatement": "SELECT 1 FROM %s WHERE eventname = ?" % EDS}, prefix="CloudTrail_20131101")
    t.equal((status, answer["__type"]), (400, "InvalidQueryStatementException"), "a parameter is missing")


HOSTILE = """
SELECT * FROM '{dir}/lake/{path}'
SELECT * FROM read_parquet('{dir}/lake/{path}')
SELECT * FROM "{dir}/lake/{path}"
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM '/etc/passwd'
SELECT content FROM read_blob('{dir}/sign.key'), {eds}
SELECT * FROM glob('/*')
SELECT * FROM {eds}, read_text('/etc/passwd')
SELECT * FROM {eds} WHERE eventname IN (SELECT content FROM read_text('/etc/passwd'))
SELECT * FROM {eds} UNION ALL SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_settings
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_class
SELECT * FROM main.duckdb_tables
SELECT * FROM hosttrail_scan(1)
SELECT * FROM {eds}, hosttrail_scan(1)
SELECT current_setting('temp_directory') FROM {eds}
SELECT getenv('HOME') FROM {eds}
SELECT getvariable('x') FROM {eds}
SELECT sleep_ms(100000) FROM {eds}
SELECT write_log('x') FROM {eds}
SELECT json_serialize_sql('SELECT 1') FROM {eds}
SELECT json_execute_serialized_sql('x') FROM {eds}
SELECT * FROM query('SELECT 1')
SELECT * FROM query_table('x')
SELECT system.main.abs(1) FROM {eds}
COPY (SELECT 1) TO '{dir}/lake/evil.parquet'
COPY {eds} TO '/tmp/x'
EXPORT DATABASE '/tmp/x'
ATTACH '/tmp/x.db'
INSTALL httpfs
LOAD httpfs
SET memory_limit = '100GB'
RESET lock_configuration
PRAGMA database_list
CALL duckdb_settings()
CREATE TABLE x AS SELECT 1
CREATE TEMP MACRO m() AS 1
DROP VIEW "{eds}"
INSERT INTO {eds} SELECT * FROM {eds}
UPDATE {eds} SET eventname = 'x'
DELETE FROM {eds}
VACUUM
CHECKPOINT
EXPLAIN SELECT * FROM {eds}
EXPLAIN ANALYZE SELECT * FROM {eds}
DESCRIBE SELECT * FROM {eds}
SHOW TABLES
SUMMARIZE {eds}
BEGIN
PREPARE x AS SELECT 1
EXECUTE x
SELECT 1; SELECT 2
SELECT 1 FROM {eds}; DROP VIEW x
SELECT 1
SELECT
SELEC 1 FROM {eds}
SELECT * FROM {eds} WHERE
SELECT 'x FROM {eds}
SELECT /* FROM {eds}
SELECT nosuch FROM {eds}
SELECT nosuch(1) FROM {eds}
SELECT count(* FROM {eds}
WITH duckdb_settings AS (SELECT 1) SELECT * FROM {eds}, (SELECT * FROM duckdb_settings)
WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd", {eds}
SELECT * FROM {eds} PIVOT (count(*) FOR eventname IN ('openat'))
SELECT * FROM {eds} AT (VERSION => 1)
FROM {eds} SELECT eventname USING SAMPLE 10; SET threads = 1
(TABLE duckdb_settings)
VALUES (1)
SELECT list_transform(['HOME'], x -> getenv(x)) FROM {eds}
SELECT list_transform(['/etc/passwd'], lambda x: (SELECT content FROM read_text(x))) FROM {eds}
SELECT [getenv(x) FOR x IN ['HOME']] FROM {eds}
SELECT list_aggregate(['/etc/passwd'], 'read_text') FROM {eds}
SELECT COLUMNS(c -> getenv('HOME') = c) FROM {eds}
SELECT * REPLACE (getenv('HOME') AS eventname) FROM {eds}
SELECT struct_pack(a := current_setting('temp_directory')) FROM {eds}
SELECT 'HOME'.getenv() FROM {eds}
SELECT "getenv"('HOME') FROM {eds}
SELECT main.getenv('HOME') FROM {eds}
SELECT count(*) FILTER (WHERE getenv('HOME') = 'x') FROM {eds}
SELECT sum(1) OVER w FROM {eds} WINDOW w AS (ORDER BY current_setting('threads'))
SELECT DISTINCT ON (getenv('HOME')) 1 FROM {eds}
SELECT 1 FROM {eds} ORDER BY (SELECT content FROM read_text('/etc/passwd'))
SELECT 1 FROM {eds} LIMIT (SELECT count(*) FROM duckdb_settings())
SELECT * FROM {eds}, LATERAL (SELECT * FROM duckdb_settings()) AS z
SELECT * FROM {eds}, unnest(duckdb_settings())
SELECT CAST('a' AS ENUM (SELECT content FROM read_text('/etc/passwd'))) FROM {eds}
SELECT E'\\' , getenv('HOME') , E'' FROM {eds}
SELECT $$ ' $$ , getenv('HOME') -- ' $$ FROM {eds}
SELECT getenv\u00a0('HOME') FROM {eds}
SELECT 1 FROM {eds} /* /* */ ; ATTACH '/tmp/x.db' -- */
WITH hosttrail_scan AS (SELECT 1) SELECT * FROM hosttrail_scan, {eds}
WITH x AS (DELETE FROM {eds} RETURNING *) SELECT * FROM x, {eds}
SELECT * INTO x FROM {eds}
SELECT filename FROM {eds}
SELECT file_row_number FROM {eds}
SELECT sniff_csv('/etc/passwd') FROM {eds}
SELECT * FROM sniff_csv('/etc/passwd'), {eds}
SELECT * FROM pragma_table_info('events'), {eds}
"""


def hostile_statements_are_refused(t):
    path, = manifest("SELECT path FROM segment LIMIT 1")[0]
    for line in HOSTILE.strip().splitlines():
        sql = line.format(dir=D, path=path, eds=EDS)
        t.equal(error(CLIENT.start_query, QueryStatement=sql), "InvalidQueryStatementException", line)
    deep = "SELECT " + "abs(" * 1800 + "1" + ")" * 1800 + " FROM " + EDS
    t.equal(error(CLIENT.start_query, QueryStatement=deep), "InvalidQueryStatementException", "nested deeply")
    t.ok(error(CLIENT.start_query, QueryStatement="SELECT " + "-" * 9000 + "1") is not None, "a long comment")
    t.equal(error(CLIENT.start_query, QueryStatement="SELECT 1 FROM 11111111-2222-3333-4444-555555555555"), "EventDataStoreNotFoundException", "no such store")
    t.ok(not os.path.exists(os.path.join(D, "lake", "evil.parquet")), "nothing was written")
    t.equal(len(rows("SELECT 1 AS one FROM $EDS_ID LIMIT 3")), 3, "and the store goes on")


def greedy_statements_harm_nobody(t):
    """They are refused, or fail, or are harmless; each ends, and the store goes on."""
    chain = ", ".join("t%d AS (SELECT x || x AS x FROM t%d)" % (i, i - 1) for i in range(1, 18))
    cases = {
        "SELECT lpad('x', 2000000000, 'y') AS x FROM events LIMIT 1": "FINISHED",
        "WITH t0 AS (SELECT eventjson AS x FROM events), %s SELECT max(length(x)) AS n FROM t17" % chain: "FAILED",
        "SELECT regexp_replace(eventjson, '.', eventjson, 'g') AS x FROM events": "FAILED",
        "WITH RECURSIVE t(n) AS (SELECT eventjson FROM events UNION ALL SELECT n || n FROM t) SELECT count(*) AS n FROM t": "FAILED",
        "SELECT count(DISTINCT a.eventjson || b.eventjson) AS n FROM events a, events b": "FAILED",
        "SELECT CAST(1 AS INTEGER%s) FROM events" % ("[]" * 4000): None,
        "SELECT %s1 FROM events LIMIT 1" % ("1+" * 4900): None,
        "SELECT 1 FROM %s" % ", ".join("events e%d" % i for i in range(300)): None,
        "SELECT 1 FROM %sevents%s" % ("(SELECT * FROM " * 400, ")" * 400): None,
        "SELECT %s FROM events" % ("CASE WHEN 1=1 THEN " * 400 + "1" + " END" * 400): None,
    }
    for sql, want in cases.items():
        if want is None:
            t.equal(error(CLIENT.start_query, QueryStatement=sql), "InvalidQueryStatementException", sql[:60])
        else:
            t.equal(wait(CLIENT.start_query(QueryStatement=sql)["QueryId"]), want, sql[:60])
    t.equal(rows("SELECT count(*) AS n FROM $EDS_ID WHERE " + OURS), [{"n": str(COUNT)}], "and the store goes on")


def queries_are_cancelled_and_end_in_time(t):
    endless = "SELECT count(*) AS n FROM %s a, %s b, %s c WHERE a.eventjson || b.eventjson < c.eventjson" % (EDS, EDS, EDS)
    query = CLIENT.start_query(QueryStatement=endless)["QueryId"]
    until(lambda: CLIENT.describe_query(QueryId=query)["QueryStatus"] == "RUNNING", "it to run")
    t.equal(CLIENT.cancel_query(QueryId=query)["QueryStatus"], "CANCELLED", "cancelling")
    t.equal(wait(query), "CANCELLED", "cancelled")
    t.equal(error(CLIENT.cancel_query, QueryId=query), "InactiveQueryException", "it has ended")
    many = [CLIENT.start_query(QueryStatement=endless)["QueryId"] for _ in range(10)]
    t.equal(error(CLIENT.start_query, QueryStatement="SELECT 1 FROM " + EDS), "MaxConcurrentQueriesException", "ten run already")
    for q in many:
        CLIENT.cancel_query(QueryId=q)
    t.equal({wait(q) for q in many}, {"CANCELLED"}, "all are cancelled")
    big = CLIENT.start_query(QueryStatement="SELECT array_agg(a.eventjson || b.eventjson) AS x FROM %s a, %s b" % (EDS, EDS))["QueryId"]
    t.equal(wait(big), "FAILED", "one that wants all memory")
    t.equal(rows("SELECT count(*) AS n FROM $EDS_ID WHERE " + OURS), [{"n": str(COUNT)}], "and the store goes on")


def the_command_line_asks(t):
    with tap.Workdir() as d:
        os.symlink(D, os.path.join(d, "store"))
        os.symlink(STORE.credentials, os.path.join(d, "credentials"))

        def ask(*args):
            r = subprocess.run([tap.program("hosttrail"), "query", "--dir", d, *args], capture_output=True, text=True, check=False)
            return r.returncode, r.stdout, r.stderr

        sql = "SELECT eventname, count(*) AS n, NULL AS nothing, 'a\x1b\"b' AS odd FROM events WHERE %s AND eventname IN ('openat', 'connect') GROUP BY 1 ORDER BY 1" % OURS
        t.equal(ask(sql), (0, "eventname  n    nothing  odd\nconnect    857  -        a\\x1b\"b\nopenat     858  -        a\\x1b\"b\n", ""), "a table")
        code, out, _ = ask("--format", "csv", sql)
        t.equal((code, list(csv.reader(io.StringIO(out)))[1:]), (0, [["connect", "857", "", 'a\x1b"b'], ["openat", "858", "", 'a\x1b"b']]), "csv")
        code, out, _ = ask("--format", "json", sql)
        t.equal((code, json.loads(out.splitlines()[1])), (0, {"eventname": "openat", "n": "858", "nothing": None, "odd": 'a\x1b"b'}), "json")
        code, out, _ = ask("--format", "json", "SELECT eventid FROM events WHERE " + OURS)
        t.equal((code, len(out.splitlines())), (0, COUNT), "all pages")
        code, out, err = ask("SELECT nosuch FROM events")
        t.ok(code == 1 and not out and err.startswith("hosttrail: InvalidQueryStatementException: ") and err.count("\n") == 1, "refused: %r" % err)
        until(lambda: STORE.metric("lake_queries") == 0, "those before it to have ended")
        endless = subprocess.Popen([tap.program("hosttrail"), "query", "--dir", d, "SELECT count(*) FROM events a, events b, events c WHERE a.eventjson || "
                                    "b.eventjson < c.eventjson"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until(lambda: STORE.metric("lake_queries") == 1, "it to run")
        endless.send_signal(signal.SIGINT)
        t.equal((endless.communicate()[1], endless.returncode), ("hosttrail: the query is cancelled\n", 1), "interrupted")
        until(lambda: STORE.metric("lake_queries") == 0, "its end")


def error_of_queries(t):
    t.equal(error(CLIENT.get_query_results, QueryId="11111111-2222-3333-4444-555555555555"), "QueryIdNotFoundException", "no such query")
    t.equal(error(CLIENT.list_queries, EventDataStore=EDS, StartTime=100, EndTime=50), "InvalidDateRangeException", "times")
    t.equal(error(CLIENT.list_queries, EventDataStore="nonsense"), "EventDataStoreARNInvalidException", "no id")
    for owner, want in (("000000000000", (200, None)), ("111122223333", (400, "EventDataStoreNotFoundException"))):
        status, answer = STORE.call("StartQuery", {"QueryStatement": "SELECT 1 FROM " + EDS, "EventDataStoreOwnerAccountId": owner}, prefix="CloudTrail_20131101")
        t.equal((status, answer.get("__type")), want, "of account " + owner)


if __name__ == "__main__":
    cases = [the_aws_cli_runs_a_query, segments_are_immutable_and_known_by_their_hash, sealed_and_unsealed_are_one, segments_of_other_times_are_not_opened,
             columns_say_what_the_record_says, answers_equal_a_loop_over_the_records, sample_queries_run, sample_queries_find_what_they_ask_for, trino_functions, published_samples_for_configuration_items, columns_without_a_name_are_called_by_their_place, results_are_paged,
             parameters_are_bound, hostile_statements_are_refused, greedy_statements_harm_nobody,
             queries_are_cancelled_and_end_in_time, the_command_line_asks, error_of_queries]
    try:
        tap.main(cases)
    finally:
        STORE.stop()
        W.__exit__()
