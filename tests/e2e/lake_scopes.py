#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=180 long later=30
"""SQL of keys that may see some records only: they count, join and guess over no others, sealed or not, and find no query but their own."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import shipkit  # noqa: E402
import tap  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from scopecases import AROUND, HOSTS, RECORDS, SEES, SHAPES, host_labels, profiles  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store  # noqa: E402

S = {}


def ship(host, count):
    shipkit.ship(S["store"], S["pki"], S["pb"], count // 4, host)


def client(who):
    return S["store"].boto(key_id="KEY" + who.upper())


def finished(c, query):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        d = c.describe_query(QueryId=query)
        if d["QueryStatus"] not in ("QUEUED", "RUNNING"):
            return d
        time.sleep(0.02)
    raise tap.Failed("the query does not end")


def ask(who, sql):
    """Rows of texts, or the error."""
    c = client(who)
    query = c.start_query(QueryStatement=sql)["QueryId"]
    d = finished(c, query)
    if d["QueryStatus"] != "FINISHED":
        return d["QueryStatus"], d.get("ErrorMessage")
    return [[list(v.values())[0] for v in row] for row in c.get_query_results(QueryId=query)["QueryResultRows"]]


def error(fn, **kw):
    try:
        fn(**kw)
    except ClientError as e:
        return e.response["Error"]["Code"]
    return None


def counts(t, when):
    for who, hosts in SEES.items():
        want = sum(RECORDS[h] for h in hosts)
        t.equal(ask(who, "SELECT count(*) FROM events WHERE eventname = 'openat'"), [[str(want)]], "%s counts, %s" % (who, when))
        t.equal(ask(who, "SELECT count(DISTINCT hostid) FROM events WHERE eventname = 'openat'"), [[str(len(hosts))]], "%s: hosts, %s" % (who, when))


def unsealed(t):
    for host, n in RECORDS.items():
        ship(host, n)
    failures_tell_nothing(t)
    counts(t, "as it comes")


def sealed(t):
    S["store"].until(lambda: S["store"].metric("lake_seals_total") > 0 and S["store"].metric("lake_unsealed_records") == 0, "sealing")
    counts(t, "sealed")


def no_shape_shows_more(t):
    for who in ("theirs", "none", "mine", "one")[:size("lake.scopes")]:
        may = {S["pki"].ids[h] for h in SEES[who]}
        for sql in SHAPES:
            got = ask(who, sql)
            t.ok(isinstance(got, list) and {r[0] for r in got if r[0] is not None} <= may, "%s: %s: %r" % (who, sql, got if isinstance(got, tuple) else len(got)))


def nothing_reads_around(t):
    """By two keys in turns, so that a connection to the engine has what the other one asked before."""
    store = client("all").list_event_data_stores()["EventDataStores"][0]["EventDataStoreArn"].split("/")[-1]
    shown, others = 0, set(S["pki"].ids.values())
    for sql in AROUND:
        sql = sql.replace("ID", store)
        for before, who in (("all", "one"), ("mine", "theirs")):
            ask(before, "SELECT count(hostid) FROM events")
            try:
                got = ask(who, sql)
            except ClientError as e:
                t.equal(e.response["Error"]["Code"], "InvalidQueryStatementException", "%s: %s: %s" % (who, sql, e.response["Error"]["Message"]))
                continue
            hidden = others - {S["pki"].ids[h] for h in SEES[who]}
            t.ok(not any(h in str(got) for h in hidden), "%s: %s: %r" % (who, sql, str(got)[:300]))
            shown += isinstance(got, list)
    t.ok(shown > 20, "understood and answered: %d" % shown)


# Each fails on a row of host a, if it comes to see one: the failure would tell that there is one.
BOOM = "CASE WHEN recipientaccountid = '000000000000' THEN CAST('boom' AS INTEGER) ELSE 1 END"
PROBES = [
    "SELECT count(*) FROM events WHERE %s = 1" % BOOM,
    "SELECT count(*) FROM events WHERE eventname = 'openat' AND %s = 1" % BOOM,
    "SELECT sum(%s) FROM events" % BOOM,
    "SELECT count(*) FROM (SELECT %s AS x FROM events) WHERE x = 1" % BOOM,
    "SELECT count(*) FROM events x JOIN events y ON x.eventid = y.eventid AND %s = 1" % BOOM.replace("recipient", "y.recipient"),
    "SELECT count(*) FROM events x, events y WHERE x.eventid = y.eventid AND %s = 1" % BOOM.replace("recipient", "x.recipient"),
    "WITH e AS (SELECT * FROM events) SELECT count(*) FROM e WHERE %s = 1" % BOOM,
    "SELECT count(*) FROM events WHERE EXISTS (SELECT 1 FROM events y WHERE %s = 1)" % BOOM.replace("recipient", "y.recipient"),
    "SELECT eventid FROM events ORDER BY %s LIMIT 1" % BOOM,
    "SELECT recipientaccountid, count(*) FROM events GROUP BY 1 HAVING max(%s) = 1" % BOOM,
]


# Each fails on any row; some are cheaper than a condition over lists, which the engine would then ask later.
ANY = [
    "SELECT count(*) FROM events WHERE -(journalposition - 9223372036854775807 - 9223372036854775807) > 0",
    "SELECT count(*) FROM events WHERE CAST(eventname AS INTEGER) = 1",
    "SELECT count(*) FROM events x JOIN events y ON x.journalposition + 9223372036854775807 = y.journalposition",
    "SELECT eventid FROM events ORDER BY journalposition + 9223372036854775807 LIMIT 1",
]


def failures_tell_nothing(t):
    for sql in ANY:
        t.ok(ask("all", sql)[0] == "FAILED", "it fails for who sees some: " + sql)
        for who in ("none", "nobody"):
            got = ask(who, sql)
            t.ok(isinstance(got, list), "and not for who sees nothing: %s: %s: %r" % (who, sql, got))
    for sql in PROBES:
        t.ok(ask("all", sql)[0] == "FAILED", "it fails for who sees it: " + sql)
        got = ask("theirs", sql)
        t.ok(isinstance(got, list), "and not for who does not: %s: %r" % (sql, got))


def queries_have_owners(t):
    all_, mine, theirs = client("all"), client("mine"), client("theirs")
    query = mine.start_query(QueryStatement="SELECT count(*) FROM events")["QueryId"]
    d = finished(mine, query)
    t.equal((d["QueryStatistics"]["EventsScanned"], d["QueryStatistics"]["BytesScanned"]), (0, 0), "how much there is of others is not told")
    for fn, kw in ((theirs.describe_query, {"QueryId": query}), (theirs.get_query_results, {"QueryId": query}), (theirs.cancel_query, {"QueryId": query})):
        t.equal(error(fn, **kw), "QueryIdNotFoundException", "another's query: %r" % kw)
    t.equal(all_.describe_query(QueryId=query)["QueryStatus"], "FINISHED", "who sees all sees it")
    store = all_.list_event_data_stores()["EventDataStores"][0]["EventDataStoreArn"]
    lists = {who: {q["QueryId"] for q in client(who).list_queries(EventDataStore=store)["Queries"]} for who in ("all", "mine", "theirs")}
    t.ok(query in lists["mine"] and not lists["mine"] & lists["theirs"] and lists["mine"] | lists["theirs"] <= lists["all"], "ListQueries")
    t.equal(error(mine.start_query, QueryStatement="SELECT 1 FROM events", DeliveryS3Uri="s3://logs/x"), "AccessDeniedException", "no results into buckets")


def so_many_at_once(t):
    c, slow = client("both"), "SELECT count(*) FROM events a, events b, events c, events d, events e, events f"
    first = [c.start_query(QueryStatement=slow)["QueryId"] for _ in range(2)]
    t.equal(error(c.start_query, QueryStatement=slow), "MaxConcurrentQueriesException", "a third")
    other = client("one").start_query(QueryStatement="SELECT count(*) FROM events")["QueryId"]
    t.equal(finished(client("one"), other)["QueryStatus"], "FINISHED", "another key's are not counted")
    for query in first:
        c.cancel_query(QueryId=query)
        finished(c, query)
    t.equal(ask("both", "SELECT 1 FROM events LIMIT 1"), [["1"]], "afterwards")


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as top:
        S.update(dir=top, pb=messages(top), pki=Pki(top + "/pki"))
        for name, place in HOSTS.items():
            S["pki"].host(name, place=place)
        ids = S["pki"].ids
        S["store"] = Store(top, profiles(ids), lake_seal_time="4s", buckets=["logs %s/bucket" % top], host_labels=host_labels(ids))
        tap.main([unsealed, sealed, no_shape_shows_more, nothing_reads_around, failures_tell_nothing, queries_have_owners, so_many_at_once, a_clean_end])
