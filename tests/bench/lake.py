#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of the lake, over generated records: sealing (with the indexing that runs beside it), bytes at rest, and queries.

    HT_BUILD=build tests/bench/lake.py [RECORDS]
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from storekit import Store, fill  # noqa: E402

QUERIES = {
    "count": "SELECT count(*) AS n FROM events",
    "by eventName": "SELECT eventname, count(*) AS n FROM events GROUP BY 1 ORDER BY 2 DESC",
    "a user's latest 50": "SELECT * FROM events WHERE useridentity.username = 'user3' ORDER BY eventtime DESC LIMIT 50",
    "by minute": "SELECT date_trunc('minute', eventtime) AS m, count(*) AS n FROM events GROUP BY 1",
    "by path (a map's member)": "SELECT element_at(requestparameters, 'path') AS p, count(*) AS n FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
    "one eventID": "SELECT eventjson FROM events WHERE eventid = '$ID'",
    "JSON of all": "SELECT json_extract_scalar(eventjson, '$.additionalEventData.process.pid') AS p, count(*) AS n FROM events GROUP BY 1",
}


def cpu(store):
    with open("/proc/%d/stat" % store.child.pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def ask(store, sql):
    """Seconds that the store says the query took."""
    client = store.boto()
    query = client.start_query(QueryStatement=sql)["QueryId"]
    while True:
        got = client.describe_query(QueryId=query)
        if got["QueryStatus"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.005)
    if got["QueryStatus"] != "FINISHED":
        raise tap.Failed("%s: %r" % (sql, got))
    return got["QueryStatistics"]["ExecutionTimeInMillis"] / 1000


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
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
            for name, sql in QUERIES.items():
                times = sorted(ask(store, sql.replace("$ID", made.event_id(count // 2))) for _ in range(3))
                print("%-34s %.3f s (of %.3f to %.3f)" % (name, times[1], times[0], times[2]), flush=True)


if __name__ == "__main__":
    main()
