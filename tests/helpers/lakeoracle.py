# SPDX-License-Identifier: Apache-2.0
"""The same questions to the lake and to SQLite, which has read the JSON files that a trail delivered of the same records."""
import concurrent.futures
import contextlib
import gc
import gzip
import json
import os
import sqlite3
import time

import bucketkit
import tap

# Of the client: a run of hours is stopped at times, all of it, so that others can measure something; no answer is late for that.
PATIENT = {"read_timeout": 600, "retries": {"max_attempts": 5}}

# What SQLite gets of each record: (column, path in the JSON). Read by Python's json, not by us.
COLUMNS = [("id", "eventID"), ("name", "eventName"), ("source", "eventSource"), ("time", "eventTime"), ("region", "awsRegion"), ("agent", "userAgent"),
           ("ip", "sourceIPAddress"), ("error", "errorCode"), ("readonly", "readOnly"), ("management", "managementEvent"), ("category", "eventCategory"),
           ("type", "eventType"), ("request", "requestID"), ("account", "recipientAccountId"), ("utype", "userIdentity.type"),
           ("arn", "userIdentity.arn"), ("user", "userIdentity.userName"), ("key", "userIdentity.accessKeyId"),
           ("issuer", "userIdentity.sessionContext.sessionIssuer.userName"), ("identity", "userIdentity.sessionContext.sourceIdentity"),
           ("path", "requestParameters.path"), ("value", "requestParameters.value"), ("rtype", "resources.0.type"), ("rarn", "resources.0.ARN"),
           ("nresources", "resources.#"),
           ("pid", "additionalEventData.process.pid"), ("command", "additionalEventData.process.command"),
           ("loginuid", "additionalEventData.process.loginuid"), ("host", "additionalEventData.hostname"), ("nanos", "additionalEventData.eventTimeNanos")]

# (the lake's, SQLite's); {a} and {b} are times in the middle. SQLite is asked for different values by GROUP BY, which sorts; count(DISTINCT) would
# put each of ten million into a tree on disk, wherever its place is.
QUESTIONS = [
    ("SELECT count(*) FROM T", "SELECT count(*) FROM e"),
    ("SELECT count(DISTINCT eventid) FROM T", "SELECT count(id) FROM (SELECT id FROM e GROUP BY 1)"),
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
    ("SELECT count(DISTINCT element_at(requestparameters, 'path')) FROM T", "SELECT count(path) FROM (SELECT path FROM e GROUP BY 1)"),
    ("SELECT eventid FROM T WHERE element_at(requestparameters, 'path') LIKE '/srv/d1%' AND eventname = 'execve'",
     "SELECT id FROM e WHERE path GLOB '/srv/d1*' AND name = 'execve'"),
    ("SELECT sum(CAST(element_at(requestparameters, 'value') AS BIGINT)) FROM T WHERE eventsource = 's3.amazonaws.com'",
     "SELECT sum(CAST(value AS INTEGER)) FROM e WHERE source = 's3.amazonaws.com'"),
    ("SELECT max(length(element_at(requestparameters, 'path'))) FROM T", "SELECT max(length(path)) FROM e"),
    ("SELECT eventid FROM T WHERE strpos(element_at(requestparameters, 'path'), '\"') > 0", "SELECT id FROM e WHERE instr(path, '\"') > 0"),
    ("SELECT eventid FROM T WHERE element_at(requestparameters, 'path') = '/back\\slash'", "SELECT id FROM e WHERE path = '/back\\slash'"),
    ("SELECT element_at(resources, 1).type, count(*) FROM T GROUP BY 1", "SELECT rtype, count(*) FROM e GROUP BY 1"),
    ("SELECT coalesce(cardinality(resources), 0), count(*) FROM T GROUP BY 1", "SELECT coalesce(nresources, 0), count(*) FROM e GROUP BY 1"),
    ("SELECT count(DISTINCT element_at(resources, 1).arn) FROM T", "SELECT count(rarn) FROM (SELECT rarn FROM e GROUP BY 1)"),
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


def tree(columns):
    """The paths of all columns as one tree: {name: (index of the column or None, subtree)}."""
    top = {}
    for i, (_, path) in enumerate(columns):
        at = top
        names = path.split(".")
        for name in names[:-1]:
            at = at.setdefault(name, (None, {}))[1]
        at[names[-1]] = (i, {})
    return list(branches(top))


def branches(at):
    return [(name, i, branches(below)) for name, (i, below) in at.items()]


def take(record, paths, row):
    """Puts what the paths lead to into the row."""
    for name, i, below in paths:
        if name == "#":
            value = len(record) if isinstance(record, list) else None
        elif isinstance(record, list):
            value = record[int(name)] if int(name) < len(record) else None
        else:
            value = record.get(name)
        if below:
            if value is not None:
                take(value, below, row)
        elif value is not None:
            row[i] = int(value) if isinstance(value, bool) else value if isinstance(value, (str, int)) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def row_of(record, paths):
    row = [None] * len(COLUMNS)
    take(record, paths, row)
    return row


def open_table(path):
    """A new SQLite database with the table e. Nobody needs it after a crash. Sorts go to disk, so that memory is bounded."""
    db = sqlite3.connect(path)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -262144", "temp_store = FILE", "threads = 2", "mmap_size = 68719476736"):
        db.execute("PRAGMA " + pragma)
    db.execute("CREATE TABLE e (%s)" % ", ".join(c for c, _ in COLUMNS))
    return db


def read_share(names, path):
    """Reads files into a database of its own, one at a time, so that memory holds one of them; how many records."""
    gc.disable()  # json makes no cycles, and the collector would walk all that it makes, again and again: half of the time
    n, paths = 0, tree(COLUMNS)
    with contextlib.closing(open_table(path)) as db:
        for name in names:
            with gzip.open(name) as f:
                rows = [row_of(r, paths) for r in json.load(f)["Records"] if r["eventSource"] != "trail.hosttrail"]
            db.executemany("INSERT INTO e VALUES (%s)" % ", ".join("?" * len(COLUMNS)), rows)
            n += len(rows)
        db.commit()
    return n


def read_files(bucket, path):
    """(SQLite's connection, how many records). Each core reads a share of the files."""
    names, db = bucketkit.files(bucket, "CloudTrail"), open_table(path)
    cores = os.cpu_count() or 1
    shares = [(names[i::cores], "%s.%d" % (path, i)) for i in range(cores)]
    with concurrent.futures.ProcessPoolExecutor(cores) as pool:
        n = sum(pool.map(read_share, *zip(*shares)))
    for _, share in shares:
        db.execute("ATTACH ? AS share", (share,))
        db.execute("INSERT INTO e SELECT * FROM share.e")  # rows as they are, without looking at them
        db.commit()
        db.execute("DETACH share")
        os.unlink(share)
    return db, n


def ask(client, sql):
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


def middle_times(db):
    """The times behind a third and two thirds of the records."""
    seconds = db.execute("SELECT time, count(*) FROM e GROUP BY 1 ORDER BY 1").fetchall()
    n, before, found = sum(c for _, c in seconds), 0, []
    for second, count in seconds:
        while len(found) < 2 and n * (len(found) + 1) // 3 < before + count:
            found.append(second)
        before += count
    return found


def compare(t, client, db, answered=True):
    """Asks both everything, of what came since the trail began; (the lake's seconds, SQLite's). answered: no answer may be empty, for that
    would say nothing."""
    a, b = middle_times(db)
    times = {"ta": a, "tb": b, "a": a.replace("T", " ").rstrip("Z"), "b": b.replace("T", " ").rstrip("Z")}
    begin = db.execute("SELECT min(time) FROM e").fetchone()[0].replace("T", " ").rstrip("Z")
    table = "(SELECT * FROM events WHERE eventsource <> 'trail.hosttrail' AND eventtime >= '%s')" % begin
    ours, theirs, rows = [], [], 0
    for lake, sqlite in QUESTIONS:
        for k, v in times.items():
            lake, sqlite = lake.replace("{%s}" % k, v), sqlite.replace("{%s}" % k, v)
        begin = time.monotonic()
        got = sorted([plain(v) for v in row] for row in ask(client, lake.replace(" T", " " + table)))
        middle = time.monotonic()
        want = sorted([plain(v) for v in row] for row in db.execute(sqlite))
        ours.append((middle - begin, lake))
        theirs.append((time.monotonic() - middle, sqlite))
        rows += len(want)
        t.ok(want or not answered, "%s: no answer says nothing" % sqlite)
        if got != want:
            differ = [(x, y) for x, y in zip(got, want) if x != y][:2] or (len(got), len(want))
            t.ok(False, "%s: %r" % (lake, differ))
    t.ok(len(QUESTIONS) >= 30, "questions")
    t.note("%d rows of answers compared; the slowest: the lake %.1f s (%s), SQLite %.1f s (%s)" % (rows, *max(ours), *max(theirs)))
    return tuple(sum(seconds for seconds, _ in side) for side in (ours, theirs))
