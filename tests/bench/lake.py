#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of the lake, over generated records: sealing (alone in turns with a plain append to the engine; and in the store, with the indexing that
runs beside it), bytes at rest, and queries, each in turns with the same engine asked directly about the same files, and with SQLite over
a table of the same rows.

    HT_BUILD=build tests/bench/lake.py [RECORDS]
"""
import glob
import os
import sqlite3
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
from duck import Duck  # noqa: E402
from measure import ratio  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store, fill  # noqa: E402
from tap import BUILD  # noqa: E402

QUERIES = {
    "count": "SELECT count(*) AS n FROM events",
    "by eventName": "SELECT eventname, count(*) AS n FROM events GROUP BY 1 ORDER BY 2 DESC",
    "a user's latest 50": "SELECT * FROM events WHERE useridentity.username = 'user3' ORDER BY eventtime DESC LIMIT 50",
    "by minute": "SELECT date_trunc('minute', eventtime) AS m, count(*) AS n FROM events GROUP BY 1",
    "by path (a map's member)": "SELECT element_at(requestparameters, 'path') AS p, count(*) AS n FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "one eventID": "SELECT eventjson FROM events WHERE eventid = '$ID'",
    "JSON of all": "SELECT json_extract_scalar(eventjson, '$.additionalEventData.process.pid') AS p, count(*) AS n FROM events GROUP BY 1",
}


ROUNDS = 15
# What of these SQLite can answer from its table, which has the columns that they name.
SQLITE = {
    "by eventName": "SELECT name, count(*) FROM e GROUP BY 1 ORDER BY 2 DESC",
    "by minute": "SELECT strftime('%Y-%m-%d %H:%M', time), count(*) FROM e GROUP BY 1",
    "by path (a map's member)": "SELECT json_extract(request, '$.path'), count(*) FROM e GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "JSON of all": "SELECT json_extract(j, '$.additionalEventData.process.pid'), count(*) FROM e GROUP BY 1",
}


class Engine(Duck):
    """The engine's own library, asked without us."""

    def __init__(self, files):
        super().__init__()
        self.ask("CREATE VIEW events AS SELECT * FROM read_parquet([%s], hive_partitioning = false)" % ", ".join("'%s'" % f for f in files))
        self.ask("CREATE MACRO json_extract_scalar(j, p) AS CASE WHEN json_valid(j) THEN json_extract_string(json_value(j, p), '$') END")  # as Trino has it; store/lake/macros.c

    def save(self, sql, path):
        """Seconds that it takes to read, bind and run the statement and to write its rows down, as its command does with -json."""
        begin = time.monotonic()
        self.ask("COPY (%s) TO '%s' (FORMAT json)" % (sql, path))
        return time.monotonic() - begin


def fill_sqlite(path, engine):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE e (j TEXT)")
    db.executemany("INSERT INTO e VALUES (?)", engine.ask("SELECT eventjson FROM events", 1))
    db.execute("ALTER TABLE e RENAME TO raw")
    db.execute("CREATE TABLE e AS SELECT json_extract(j, '$.eventName') AS name, replace(replace(json_extract(j, '$.eventTime'), 'T', ' '), 'Z', '') AS time, "
               "json_extract(j, '$.requestParameters') AS request, j FROM raw")
    db.execute("DROP TABLE raw")
    db.commit()
    db.execute("VACUUM")
    return db


def of_sqlite(db, sql):
    begin = time.monotonic()
    db.execute(sql).fetchall()
    return time.monotonic() - begin


def compare(store, d, made, count):
    files = sorted(glob.glob(os.path.join(d, "lake", "*-*-*-*-*", "day=*", "*.parquet")))
    engine = Engine(files)
    db = fill_sqlite(os.path.join(d, "rows.db"), engine)
    print("%d segments; medians of %d turns; from the statement to its rows on disk" % (len(files), ROUNDS))
    print("%-34s %10s %10s %8s %10s %8s" % ("query (seconds)", "lake", "engine", "times", "SQLite", "times"))
    for name, sql in QUERIES.items():
        sql = sql.replace("$ID", made.event_id(count // 2))
        ours, theirs, sqlite = [], [], []
        for _ in range(ROUNDS):
            theirs.append(engine.save(sql, os.path.join(d, "rows.json")))
            ours.append(ask(store, sql, theirs[-1]))
            if name in SQLITE:
                sqlite.append(of_sqlite(db, SQLITE[name]))
        a, b = statistics.median(ours), statistics.median(theirs)
        more = "%10.3f %8.1f" % (statistics.median(sqlite), statistics.median(sqlite) / a) if sqlite else ""
        print("%-34s %10.3f %10.3f %8.2f %s" % (name, a, b, ratio(ours, theirs).median, more), flush=True)


def seal_alone(d, count):
    """The sealer's way of a record from the journal to the file, and a plain append of 25 of its columns."""
    turns = subprocess.run([os.path.join(BUILD, "tests/bench/seal"), d, str(min(count, 100_000)), str(ROUNDS)], check=True, stdout=subprocess.PIPE, text=True).stdout
    ours, plain = (statistics.median(float(line.split()[k]) for line in turns.splitlines()) for k in (1, 4))
    print("sealed alone                       %.0f records per CPU second; a plain append of 25 columns %.0f: times %.2f" % (ours, plain, ours / plain))


def cpu(store):
    with open("/proc/%d/stat" % store.child.pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def ask(store, sql, expected):
    """Seconds that the store says the query took, from its acceptance to its result on disk. Who asks all the time takes the CPU that it wants."""
    client = store.boto()
    query = client.start_query(QueryStatement=sql)["QueryId"]
    while True:
        time.sleep(expected + 0.05)
        got = client.describe_query(QueryId=query)
        if got["QueryStatus"] not in ("QUEUED", "RUNNING"):
            break
    if got["QueryStatus"] != "FINISHED":
        raise tap.Failed("%s: %r" % (sql, got))
    return got["QueryStatistics"]["ExecutionTimeInMillis"] / 1000


def run(count):
    with tap.Workdir() as d:
        made = fill(d, count, time.time() - 3000, 1000000)
        with Store(d) as store:
            begin, spent = time.monotonic(), cpu(store)
            store.until(lambda: store.metric("lake_sealed_records_total") >= count, "sealing", 600)
            seconds, spent = time.monotonic() - begin, cpu(store) - spent
            size = sum(os.path.getsize(os.path.join(f, n)) for f, _, names in os.walk(os.path.join(d, "lake")) for n in names if n.endswith(".parquet"))
            print("sealed with indexing beside it     %.0f records/s, %.0f per CPU second" % (count / seconds, count / spent))
            print("at rest                            %.1f bytes a record (journal: %.1f)" % (size / count, store.metric("journal_bytes") / count))
            print("memory, at most                    %d MiB" % (store.rss()["VmHWM"] >> 20))
            compare(store, d, made, count)
        seal_alone(d, count)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else size("bench.lake_records"))
