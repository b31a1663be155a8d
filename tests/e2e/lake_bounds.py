#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240 long later=30
"""Statements that the engine cannot be interrupted in, because all of it happens in one row: they are refused, or end with their process, hold their own place and no
other's, and a store ends for all of them."""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from storekit import SECRET, Store, fill, sign  # noqa: E402

AWS, S = "CloudTrail_20131101", {}
# so many texts in a list, each looked for in all of it
TOO_LONG = ("WITH t0 AS (SELECT list(eventid) AS x FROM events), %s SELECT len(list_filter(x, y -> list_contains(x, y || 'z'))) AS n FROM t6" %
            ", ".join("t%d AS (SELECT list_concat(x, x) AS x FROM t%d)" % (i + 1, i) for i in range(6)))


def bound_for_long(n):
    """Constants are computed while a statement is bound; 80 take a minute."""
    return "SELECT strlen(" + "url_encode(" * n + "lpad('', 10000, '%')" + ")" * n + ") FROM events LIMIT 1"


def start(sql):
    status, a = S["store"].call("StartQuery", {"QueryStatement": sql}, prefix=AWS)
    return a.get("QueryId") if status == 200 else a["__type"].split("#")[-1]


def described(query):
    return S["store"].call("DescribeQuery", {"QueryId": query}, prefix=AWS)[1]


def ended(query, seconds=40):
    tap.wait_for(lambda: described(query)["QueryStatus"] not in ("QUEUED", "RUNNING"), seconds)
    return described(query)["QueryStatus"]


def what_multiplies_is_refused(t):
    nested = "SELECT list_sum(list_transform(map_keys(requestparameters), a -> len(list_transform(map_keys(requestparameters), b -> a || b)))) FROM events"
    t.equal(start(nested), "InvalidQueryStatementException", "a lambda in a lambda")
    side = "SELECT len(list_filter(map_keys(requestparameters), a -> a = 'path')), len(list_transform(map_keys(requestparameters), b -> b)) FROM events LIMIT 1"
    t.equal(ended(start(side)), "FINISHED", "one beside another")
    long = "WITH t AS (SELECT string_agg(eventid, '') AS x FROM events) SELECT levenshtein(x, reverse(x)) FROM t"
    query = start(long)
    t.equal((ended(query), "too long" in described(query).get("ErrorMessage", "")), ("FAILED", True), "texts that are long")
    query = start("SELECT levenshtein('kitten', 'sitting') AS n FROM events LIMIT 1")
    t.equal(ended(query), "FINISHED", "texts that are short")
    rows = S["store"].call("GetQueryResults", {"QueryId": query}, prefix=AWS)[1]["QueryResultRows"]
    t.equal(rows, [[{"n": "3"}]], "and how far they are from each other")


def what_goes_on_is_ended(t):
    late, cancelled, bound = start(TOO_LONG), start(TOO_LONG), start(bound_for_long(90))
    t.ok(len(late) == 36 and len(cancelled) == 36, "both run: %r %r" % (late, cancelled))
    t.equal(bound, "InvalidQueryStatementException", "one is bound for longer than it may")
    t.equal(S["store"].call("CancelQuery", {"QueryId": late}, prefix=AWS)[1].get("__type", "").split("#")[-1], "InactiveQueryException", "and one has run for as long")
    t.equal(ended(late), "TIMED_OUT", "how it ended")
    cancelled = start(TOO_LONG)
    t.must(tap.wait_for(lambda: described(cancelled)["QueryStatus"] == "RUNNING"), "it runs")
    t.equal(S["store"].call("CancelQuery", {"QueryId": cancelled}, prefix=AWS)[0], 200, "cancelled")
    t.ok(tap.wait_for(lambda: S["store"].metric("lake_queries") == 0, 1), "its place is free")
    t.equal(ended(cancelled, 1), "CANCELLED", "how that ended")
    t.equal(ended(start("SELECT count(*) FROM events")), "FINISHED", "others run")
    t.equal(S["store"].call("LookupEvents", {}, prefix=AWS)[0], 200, "and lookups")


def like_takes_no_longer_than_its_texts(t):
    """The engine's own tries every way: a row's record against one such pattern takes it hours."""
    ways = "%_e%_e%_e%_e%_e%_e%_e%_ez!q"
    for what in ("eventjson LIKE '%s'" % ways, "eventjson ILIKE '%s'" % ways, "eventjson NOT LIKE '%s'" % ways, "eventjson NOT ILIKE '%s'" % ways,
                 "eventjson LIKE '%e%e%e%e%e%e%e%ez' || eventid", '"~~"(eventjson, \'' + ways + "')", 'main."~~"(eventjson, \'' + ways + "')",
                 "eventjson OPERATOR(main.~~) '%s'" % ways, "eventjson LIKE ANY (SELECT '%s')" % ways, "lpad('', 10000, 'a') LIKE '%_a%_a%_a%_a%_a%_ab'"):
        query = start("SELECT count(*) AS n FROM events WHERE %s" % what)
        t.ok(len(query) != 36 or (ended(query) in ("FINISHED", "FAILED", "TIMED_OUT")), "%s: %s" % (what, query))
        t.ok(tap.wait_for(lambda: S["store"].metric("lake_queries") == 0, 5), "%s: it ends" % what)
    query = start("SELECT count(*) FROM events WHERE eventjson LIKE '%s' ESCAPE '#'" % ways)
    t.equal((ended(query), "ESCAPE" in described(query).get("ErrorMessage", "")), ("FAILED", True), "with ESCAPE")
    t.equal(start("SELECT count(*) FROM events WHERE eventjson GLOB '*?e*?e*?e*?ez'"), "InvalidQueryStatementException", "GLOB")


def like_says_what_it_said(t):
    texts = ["", "a", "ab", "abc", "aXbYc", "a.b", "a\\b", "^a$", "(a|b)*", "[a]{2}+?", "x\ny\nz", "\u00e9t\u00e9", "E\u00c9", "a%b_c", "\U0001f600b", "aaab", "AbC", "-/#&~ b"]
    patterns = ["", "%", "_", "a%", "%b", "%b%", "a%c", "a_c", "%a%b%", "%a%b%c", "_%_%_", "%.%b", "%\\%b", "^%$%", "%(%|%)*", "[%{_}%?", "x%y%z", "%\u00e9%t%\u00e9", "_b", "%a%%%b", "a%b%c%", "%-%/%#%b", "%_%b%_c", "e%\u00e9%"]
    pairs = [(a, b) for a in texts for b in patterns]
    rows = []
    for at in range(0, len(pairs), 100):
        values = ", ".join("('%s', '%s')" % p for p in pairs[at:at + 100])
        query = start("SELECT s LIKE p AS a, s NOT LIKE p AS b, s ILIKE p AS c, s NOT ILIKE p AS d FROM (VALUES %s) v(s, p), (SELECT 1 FROM events LIMIT 1)" % values)
        t.equal((len(query), ended(query)), (36, "FINISHED"), "pairs")
        page = S["store"].call("GetQueryResults", {"QueryId": query}, prefix=AWS)[1]
        rows += [[list(c.values())[0] for c in r] for r in page["QueryResultRows"]]

    def like(a, b):
        return re.fullmatch("".join({"%": ".*", "_": "."}.get(c) or re.escape(c) for c in b), a, re.DOTALL) is not None
    want = [[str(x).lower() for x in (like(a, b), not like(a, b), like(a.lower(), b.lower()), not like(a.lower(), b.lower()))] for a, b in pairs]
    t.equal([(pairs[i], rows[i], want[i]) for i in range(len(pairs)) if rows[i] != want[i]], [], "as LIKE is defined")
    query = start("SELECT 'a_c' LIKE 'a#_%' ESCAPE '#' AS a, 'abc' LIKE 'a#_%' ESCAPE '#' AS b, 'ABC' ILIKE 'a%' ESCAPE '#' AS c, 'a' NOT LIKE 'b' ESCAPE '#' AS d FROM events LIMIT 1")
    ended(query)
    page = S["store"].call("GetQueryResults", {"QueryId": query}, prefix=AWS)[1]
    t.equal([list(c.values())[0] for c in page["QueryResultRows"][0]], ["true", "false", "true", "true"], "with ESCAPE")


def what_grows_while_it_is_bound_is_refused(t):
    """What macros make of it, joins, and subqueries in one another: the engine binds and plans for minutes, and cannot be interrupted meanwhile."""
    many = {"date_add": "SELECT " + "date_add('day', 1, " * 8 + "eventtime" + ")" * 8 + " FROM events LIMIT 1",
            "json_extract_scalar": "SELECT " + "json_extract_scalar(" * 24 + "eventjson" + ", '$.a')" * 24 + " FROM events LIMIT 1",
            "LIKE in LIKE": "SELECT " + "(" * 14 + "eventname" + " LIKE 'a')::VARCHAR" * 14 + " FROM events LIMIT 1",
            "a lambda in array_except": "SELECT len(list_transform(map_keys(requestparameters), a -> len(array_except(map_keys(requestparameters), [a])))) FROM events LIMIT 1",
            "joins": "SELECT count(*) FROM events a" + "".join(" JOIN (SELECT 1 AS x) b%d ON b%d.x = a.journalrecord" % (i, i) for i in range(60)),
            "subqueries": "SELECT " + "(SELECT max(x) + " * 25 + "1" + " FROM (SELECT 1 AS x))" * 25 + " FROM events LIMIT 1"}
    for name, sql in many.items():
        begun = time.monotonic()
        t.equal(start(sql), "InvalidQueryStatementException", name)
        t.ok(time.monotonic() - begun < 5, "%s: %.1f s" % (name, time.monotonic() - begun))
    few = {"date_add": "SELECT date_add('day', 1, date_add('hour', 2, date_add('minute', 3, eventtime))) FROM events LIMIT 1",
           "joins": "SELECT count(*) FROM events a" + "".join(" JOIN (SELECT 1 AS x) b%d ON b%d.x = a.journalrecord" % (i, i) for i in range(15)),
           "subqueries": "SELECT " + "(SELECT max(x) + " * 10 + "1" + " FROM (SELECT 1 AS x))" * 10 + " FROM events LIMIT 1"}
    for name, sql in few.items():
        t.equal(ended(start(sql)), "FINISHED", "fewer of %s" % name)


def who_is_bound_for_long_holds_nobody_up(t):
    """As many as the API has threads, each bound for longer than it may run: others are answered meanwhile, and how it ended is said."""
    slow = bound_for_long(52)
    queries, threads = [], [threading.Thread(target=lambda: queries.append(start(slow))) for _ in range(4)]
    for x in threads:
        x.start()
    time.sleep(0.5)
    longest = 0
    while any(x.is_alive() for x in threads):
        begun = time.monotonic()
        t.equal(S["store"].get("/readyz")[0], 200, "it is ready")
        t.equal(S["store"].call("LookupEvents", {"MaxResults": 1}, prefix=AWS)[0], 200, "a lookup")
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.05)
    for x in threads:
        x.join()
    t.ok(longest < 4, "the longest took %.1f s" % longest)
    t.equal([q if len(q) != 36 else ended(q) for q in queries if q != "InvalidQueryStatementException"], ["TIMED_OUT"] * sum(len(q) == 36 for q in queries), "how they ended")
    with socket.create_connection(("127.0.0.1", S["store"].ports["api"])) as c:  # who is gone before its answer has nothing left behind
        headers, sent = sign(json.dumps({"QueryStatement": slow}).encode(), AWS + ".StartQuery", S["store"].ports["api"])
        c.sendall(("POST / HTTP/1.1\r\n" + "".join("%s: %s\r\n" % h for h in headers) + "Content-Length: %d\r\n\r\n" % len(sent)).encode() + sent)
        time.sleep(1)
    t.ok(tap.wait_for(lambda: S["store"].metric("lake_queries") == 0, 120), "all have ended: %d" % S["store"].metric("lake_queries"))


def what_is_deep_or_long(t):
    """Up to 10,000 characters: refused, or run, at once."""
    deep = {"brackets": "(" * 4900 + "1" + ")" * 4900, "minus": "- " * 4900 + "1", "not": "NOT " * 2400 + "true", "lists": "[" * 4900 + "1" + "]" * 4900,
            "one list": "[" + "1," * 4800 + "1]", "or": "1=1" + " OR 1=1" * 1300, "joined": "'a'" + "||'a'" * 1900, "casts": "1" + "::INT" * 1900,
            "in": "1 IN (" + "1," * 4800 + "1)", "between": "1" + " BETWEEN 0 AND 1" * 600, "indexes": "[1]" + "[1]" * 3000, "members": "useridentity" + ".a" * 4800,
            "structs": "{'a':" * 1600 + "1" + "}" * 1600, "texts": "'" + "''" * 4900 + "'", "identifiers": '"' + "x" * 9800 + '"', "lambdas": "x -> " * 1900 + "1",
            "windows": "count(*) OVER (ORDER BY " * 350 + "1" + ")" * 350, "unions": "1 FROM events" + " UNION ALL SELECT 1 FROM events" * 18, "spaces": "1" + " " * 9900}
    for name, expression in deep.items():
        begun, sql = time.monotonic(), "SELECT " + expression + (" FROM events LIMIT 1" if name != "unions" else "")
        answer = start(sql[:10000])
        if len(answer) == 36:
            answer = ended(answer)
        t.ok(answer in ("FINISHED", "FAILED", "TIMED_OUT", "InvalidQueryStatementException"), "%s: %s" % (name, answer))
        t.ok(time.monotonic() - begun < 30, "%s: %.1f s" % (name, time.monotonic() - begun))
    t.equal(start("SELECT 1 FROM events" + " " * 10000), "ValidationException", "longer than statements are")
    t.equal(ended(start("SELECT count(*) FROM events")), "FINISHED", "others run")


def what_wants_disk_or_memory(t):
    """Nothing is written beside results: what finds no memory fails."""
    for sql in ("SELECT a.eventjson FROM events a, events b ORDER BY a.eventjson || b.eventid", "SELECT count(*) FROM (SELECT DISTINCT a.eventid || b.eventid FROM events a, events b)",
                "SELECT a.eventid, max(b.eventjson || a.eventjson) FROM events a JOIN events b ON a.hostid = b.hostid GROUP BY 1", "SELECT string_agg(a.eventjson || b.eventjson, ',') FROM events a, events b",
                "WITH RECURSIVE t(n) AS (SELECT 1 FROM events UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t", "SELECT histogram(a.eventid || b.eventid) FROM events a, events b",
                "SELECT a.eventid FROM events a, events b, events c, events d", "SELECT sum(1) OVER (ORDER BY a.eventid || b.eventid) FROM events a, events b"):
        query = start(sql)
        t.equal(len(query), 36, "%s: %s" % (query, sql))
        if len(query) != 36:
            continue
        t.ok(ended(query) in ("FAILED", "TIMED_OUT"), "%s: %s" % (described(query), sql))
        big = sum(os.path.getsize(os.path.join(d, f)) for d, _, names in os.walk(S["dir"]) for f in names)
        t.ok(big < 1 << 30, "%d MB in the store's directory" % (big >> 20))
    t.equal(ended(start("SELECT count(*) FROM events")), "FINISHED", "others run")


def results_do_not_fill_the_disk(t):
    """What is left of it is for frames."""
    with tap.Workdir() as d:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "hosttrail-test", d], check=False).returncode:
            raise tap.Skip("cannot mount a tmpfs")
        try:
            fill(d, 2000, time.time() - 600, 1_000_000)
            before, S["store"] = S["store"], Store(d)
            query = start("SELECT a.eventjson FROM events a, events b")
            t.equal((ended(query), described(query).get("ErrorMessage")), ("FAILED", "The store's disk has no room for the result."), "more than there is room for")
            query = start("SELECT eventjson FROM events")
            t.equal(ended(query), "FINISHED", "another one")
            disk, own = os.statvfs(d), os.path.getsize(os.path.join(d, "lake/results", query))
            left = disk.f_bavail * disk.f_frsize
            with open(os.path.join(d, "ballast"), "wb") as f:
                f.write(bytes(left - (5 << 20) - own // 2))
            query = start("SELECT eventjson FROM events")
            t.equal(ended(query), "FAILED", "less than a twentieth would be left")
            t.equal(S["store"].stop(), 0, "its end")
            S["store"] = before
        finally:
            subprocess.run(["umount", d], check=True)


def results_together_are_bounded(t):
    """What goes sooner than after a week is of who has most."""
    profiles = "[other]\naws_access_key_id = OTHERKEY00000001\naws_secret_access_key = %s\nhosttrail_role = analyst\n" % SECRET
    with tap.Workdir() as d:
        fill(d, 2000, time.time() - 600, 1_000_000)
        before, S["store"] = S["store"], Store(d, lake_results="8M", profiles=profiles)
        other = S["store"].call("StartQuery", {"QueryStatement": "SELECT eventid FROM events"}, prefix=AWS, key_id="OTHERKEY00000001")[1]["QueryId"]
        t.equal(ended(other), "FINISHED", "another key's")
        queries, most = [], 0
        for _ in range(12):
            queries.append(start("SELECT eventjson FROM events"))
            t.equal(ended(queries[-1]), "FINISHED", "one")
            t.must(tap.wait_for(lambda: S["store"].metric("lake_queries") == 0, 5), "it is over")
            sizes = [os.path.getsize(os.path.join(d, "lake/results", f)) for f in os.listdir(os.path.join(d, "lake/results"))]
            most = max(most, sum(sizes))
        t.ok(max(sizes) * 13 > 8 << 20 > most > 4 << 20, "%d bytes at most, of one %d" % (most, max(sizes)))
        known = [S["store"].call("GetQueryResults", {"QueryId": q, "MaxQueryResults": 1}, prefix=AWS) for q in (other, *queries)]
        t.equal((known[0][0], known[-1][0]), (200, 200), "another key's, and the newest")
        t.equal((known[1][0], known[1][1].get("__type")), (400, "QueryIdNotFoundException"), "the oldest of who has most")
        t.equal(S["store"].stop(), 0, "its end")
        S["store"] = Store(d, lake_results="1M", profiles=profiles)
        t.equal(ended(start("SELECT 1 FROM events LIMIT 1")), "FINISHED", "with less room")
        t.ok(tap.wait_for(lambda: sum(os.path.getsize(os.path.join(d, "lake/results", f)) for f in os.listdir(os.path.join(d, "lake/results"))) < 1 << 20, 5), "what was there before counts")
        t.equal(S["store"].stop(), 0, "its end")
        S["store"] = before


def the_store_ends_all_the_same(t):
    begun = time.monotonic()
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok(time.monotonic() - begun < 30, "%.1f s" % (time.monotonic() - begun))
    S["store"] = S["start"]()
    t.equal(ended(start("SELECT count(*) FROM events")), "FINISHED", "a new start")
    t.equal(S["store"].stop(), 0, "and its end")


if __name__ == "__main__":
    with tap.Workdir() as top:
        fill(top, 8000, time.time() - 600, 1_000_000)
        S["dir"] = top
        S["start"] = lambda: Store(top, lake_query_time="2s")
        S["store"] = S["start"]()
        tap.main([what_multiplies_is_refused, like_takes_no_longer_than_its_texts, like_says_what_it_said, what_grows_while_it_is_bound_is_refused,
                  who_is_bound_for_long_holds_nobody_up, what_is_deep_or_long, what_wants_disk_or_memory, what_goes_on_is_ended,
                  results_do_not_fill_the_disk, results_together_are_bounded, the_store_ends_all_the_same])
