#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 extra
"""SQL over a real ClickHouse cluster by keys that may see some records only, by account, host, label of hosts, category: they count, join and guess over no
others, at any store, and find no query but their own."""
import concurrent.futures
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import shipkit
import tap
from botocore.exceptions import ClientError
from chkit import Clustered
from scopecases import AROUND, HOSTS, RECORDS, SEES, SHAPES, host_labels, profiles

PLACE = Clustered(zone="Pacific/Kiritimati")
S = {}


def client(who, store="one"):
    return S[store].boto(key_id="KEY" + who.upper())


def finished(c, query):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        d = c.describe_query(QueryId=query)
        if d["QueryStatus"] not in ("QUEUED", "RUNNING"):
            return d
        time.sleep(0.02)
    raise tap.Failed("the query does not end")


def ask(who, sql, store="one"):
    """Rows of texts, or what it ended with and why. The other store tells them."""
    try:
        query = client(who, store).start_query(QueryStatement=sql)["QueryId"]
    except ClientError as e:
        return error_of(e), e.response["Error"]["Message"]
    c = client(who, "two" if store == "one" else "one")
    d = finished(c, query)
    if d["QueryStatus"] != "FINISHED":
        return d["QueryStatus"], d.get("ErrorMessage")
    return [[list(v.values())[0] for v in row] for row in c.get_query_results(QueryId=query)["QueryResultRows"]]


def error_of(e):
    return e.response["Error"]["Code"]


def error(fn, **kw):
    try:
        fn(**kw)
    except ClientError as e:
        return error_of(e)
    return None


def each_counts_what_it_sees(t):
    for host, n in RECORDS.items():
        shipkit.ship(S["one"], PLACE.pki, PLACE.pb, n // 4, host)
    whole = [[str(sum(RECORDS.values()))]]
    t.must(tap.wait_for(lambda: all(ask("all", "SELECT count(*) FROM events WHERE eventname = 'openat'", s) == whole for s in ("one", "two"))), "all is there")
    for who, hosts in SEES.items():
        want = sum(RECORDS[h] for h in hosts)
        for sql in ("SELECT count(*) FROM events WHERE eventname = 'openat'", "SELECT count(*) FROM (SELECT eventid FROM events WHERE eventname = 'openat')",
                    "WITH e AS (SELECT eventid, eventname FROM events) SELECT count(DISTINCT eventid) FROM e WHERE eventname = 'openat'"):
            t.equal(ask(who, sql, "two"), [[str(want)]], "%s counts: %s" % (who, sql))
        t.equal(ask(who, "SELECT count(DISTINCT hostid) FROM events WHERE eventname = 'openat'"), [[str(len(hosts))]], "%s: hosts" % who)


def no_shape_shows_more(t):
    understood = set()
    for who in ("theirs", "none", "mine", "one", "web"):
        may = {PLACE.pki.ids[h] for h in SEES[who]}
        for sql in SHAPES:
            got = ask(who, sql)
            if isinstance(got, tuple) and got[0] == "InvalidQueryStatementException":
                continue
            understood.add(sql)
            t.ok(isinstance(got, list) and {r[0] for r in got if r[0]} <= may, "%s: %s: %r" % (who, sql, got if isinstance(got, tuple) else len(got)))
    t.ok(len(understood) >= 7, "shapes that this engine understands: %d" % len(understood))


def nothing_reads_around(t):
    store, shown = client("all").list_event_data_stores()["EventDataStores"][0]["EventDataStoreArn"].split("/")[-1], 0
    for sql in AROUND:
        sql = sql.replace("ID", store)
        for who in ("one", "theirs"):
            got = ask(who, sql)
            hidden = {i for h, i in PLACE.pki.ids.items() if h not in SEES[who]}
            t.ok(not any(h in str(got) for h in hidden), "%s: %s: %r" % (who, sql, str(got)[:300]))
            t.ok(isinstance(got, list) or got[0] in ("InvalidQueryStatementException", "FAILED"), "%s: %s: %r" % (who, sql, str(got)[:300]))
            shown += isinstance(got, list)
    t.ok(shown > 10, "understood and answered: %d" % shown)


# Fails on a row of host a, if it comes to see one.
ZERO = "(CASE WHEN recipientaccountid = '000000000000' THEN 0 ELSE 1 END)"
PROBES = [
    "SELECT count(*) FROM events WHERE 7 %% %s = 0" % ZERO,
    "SELECT count(*) FROM events WHERE eventname = 'openat' AND 7 %% %s = 0" % ZERO,
    "SELECT count(*) FROM events WHERE eventname = 'nothing' OR 7 %% %s = 0" % ZERO,
    "SELECT sum(7 %% %s) FROM events" % ZERO,
    "SELECT count(*) FROM (SELECT 7 %% %s AS x FROM events) WHERE x = 0" % ZERO,
    "WITH e AS (SELECT * FROM events) SELECT count(*) FROM e WHERE x = 0".replace("*", "7 %% %s AS x" % ZERO, 1),
    "SELECT eventid FROM events ORDER BY 7 %% %s LIMIT 1" % ZERO,
    "SELECT count(*) FROM events WHERE eventid IN (SELECT eventid FROM events WHERE 7 %% %s = 0)" % ZERO,
    "SELECT recipientaccountid, count(*) FROM events GROUP BY 1 HAVING max(7 %% %s) = 0" % ZERO,
    "SELECT eventid FROM events WHERE 7 %% %s = 0 UNION ALL SELECT eventid FROM events" % ZERO,
]
# Each fails on any row.
ANY = ["SELECT count(*) FROM events WHERE CAST(eventname AS TIMESTAMP) = now()", "SELECT count(*) FROM events WHERE 7 % (length(eventname) - length(eventname)) = 0"]


def failures_tell_nothing(t):
    for sql in ANY:
        t.ok(ask("all", sql)[0] == "FAILED", "it fails for who sees some: %s: %r" % (sql, ask("all", sql)))
        for who in ("none", "nobody", "nothing"):
            got = ask(who, sql)
            t.ok(isinstance(got, list), "and not for who sees nothing: %s: %s: %r" % (who, sql, got))
    for sql in PROBES:
        t.ok(ask("all", sql)[0] == "FAILED", "it fails for who sees it: %s: %r" % (sql, ask("all", sql)))
        for who in ("theirs", "one"):
            got = ask(who, sql)
            t.ok(isinstance(got, list), "and not for who does not: %s: %r" % (sql, got))


def queries_have_owners(t):
    all_, mine, theirs = client("all"), client("mine"), client("theirs", "two")
    query = mine.start_query(QueryStatement="SELECT count(*) FROM events")["QueryId"]
    d = finished(mine, query)
    t.equal((d["QueryStatistics"]["EventsScanned"], d["QueryStatistics"]["BytesScanned"]), (0, 0), "how much there is of others is not told")
    t.equal(mine.get_query_results(QueryId=query)["QueryStatistics"]["BytesScanned"], 0, "nor with the rows")
    for fn, kw in ((theirs.describe_query, {"QueryId": query}), (theirs.get_query_results, {"QueryId": query}), (theirs.cancel_query, {"QueryId": query})):
        t.equal(error(fn, **kw), "QueryIdNotFoundException", "another's query: %r" % kw)
    t.equal(all_.describe_query(QueryId=query)["QueryStatus"], "FINISHED", "who sees all sees it")
    store = all_.list_event_data_stores()["EventDataStores"][0]["EventDataStoreArn"]
    lists = {who: {q["QueryId"] for q in client(who).list_queries(EventDataStore=store)["Queries"]} for who in ("all", "mine", "theirs")}
    t.ok(query in lists["mine"] and not lists["mine"] & lists["theirs"] and lists["mine"] | lists["theirs"] <= lists["all"], "ListQueries")


def so_many_at_once(t):
    """A key may have two. What is refused leaves nothing behind."""
    c = client("both")
    before = len(c.list_queries(EventDataStore="events")["Queries"])
    slow = "SELECT count(*) FROM (%s) WHERE eventid LIKE '%%x%%'" % " UNION ALL ".join(["SELECT eventid FROM events"] * 12)

    def start(_):
        try:
            return c.start_query(QueryStatement=slow)["QueryId"], None
        except ClientError as e:
            return None, (error_of(e), e.response["Error"]["Message"])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(start, range(24)))
    started, refused = [x for x, _ in answers if x], [why for x, why in answers if not x]
    t.ok(len(started) >= 2 and set(refused) == {("MaxConcurrentQueriesException", "2 queries of this key are running already.")}, "%d started, %r" % (len(started), refused))
    for query in started:
        t.equal(finished(c, query)["QueryStatus"], "FINISHED", "those that were started")
    t.equal(len(c.list_queries(EventDataStore="events")["Queries"]) - before, len(started), "listed")


def a_clean_end(t):
    for s in (S["one"], S["two"]):
        t.equal(s.stop(), 0, "exit status")
        t.ok("ERROR: " not in s.stderr(), "no sanitizer report")


if __name__ == "__main__":
    try:
        for name, place in HOSTS.items():
            PLACE.pki.host(name, place=place)
        how = {"profiles": profiles(PLACE.pki.ids), "host_labels": host_labels(PLACE.pki.ids), "clickhouse_linger": "20ms"}
        S["one"], S["two"] = PLACE.store(**how), PLACE.store(**how)
        tap.main([each_counts_what_it_sees, no_shape_shows_more, nothing_reads_around, failures_tell_nothing, queries_have_owners, so_many_at_once, a_clean_end])
    finally:
        PLACE.end()
