#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=180 long later=30
"""Queries run in processes of their own: what the engine cannot be interrupted in ends with its process, at once, and so does what takes too much memory, fails,
or is left by a store that was killed; others go on. What such a process may do is in tests/unit/test_cage.c; that it is caged, here."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from storekit import SECRET, Store, fill  # noqa: E402

AWS, S, LIMIT, PLACES = "CloudTrail_20131101", {}, 8, 10
PROFILES = "[other]\naws_access_key_id = OTHERKEY00000001\naws_secret_access_key = %s\nhosttrail_role = analyst\n" % SECRET
# constants that are computed while the statement is bound, for minutes to hours; the last one is within one row
HEX = "SELECT strlen(" + "hex(" * 40 + "'a'" + ")" * 40 + ") FROM events LIMIT 1"
REPLACE = "SELECT strlen(" + "replace(" * 30 + "lpad('', 100, 'a')" + ", 'a', 'aaaa')" * 30 + ") FROM events LIMIT 1"
URL = "SELECT strlen(" + "url_encode(" * 200 + "lpad('', 10000, '%')" + ")" * 200 + ") FROM events LIMIT 1"
ROW = ("WITH t0 AS (SELECT list(eventid) AS x FROM events), %s SELECT len(list_filter(x, y -> list_contains(x, y || 'z'))) AS n FROM t5" %
       ", ".join("t%d AS (SELECT list_concat(x, x) AS x FROM t%d)" % (i + 1, i) for i in range(5)))


def call(operation, body, **who):
    return S["store"].call(operation, body, prefix=AWS, **who)


def start(sql, **who):
    status, a = call("StartQuery", {"QueryStatement": sql}, **who)
    return a["QueryId"] if status == 200 else a["__type"].split("#")[-1] + ": " + a.get("message", a.get("Message", ""))


def described(query):
    return call("DescribeQuery", {"QueryId": query})[1]


def ended(query, seconds=30):
    tap.wait_for(lambda: described(query)["QueryStatus"] not in ("QUEUED", "RUNNING"), seconds)
    return described(query)["QueryStatus"]


def count(**who):
    query = start("SELECT count(*) AS n FROM events WHERE hostname = 'kit'", **who)
    if len(query) != 36 or ended(query) != "FINISHED":
        return query
    return call("GetQueryResults", {"QueryId": query}, **who)[1]["QueryResultRows"]


def workers():
    return S["store"].workers()


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def at_work():
    """The one that computes."""
    before = {p: cpu(p) for p in workers()}
    time.sleep(0.4)
    return max((p for p in workers() if p in before), key=lambda p: cpu(p) - before[p])


def free(seconds):
    return tap.wait_for(lambda: S["store"].metric("lake_queries") == 0, seconds)


def what_is_computed_while_it_is_bound_ends_at_its_time(t):
    for name, sql in (("hex", HEX), ("replace", REPLACE), ("url_encode", URL)):
        begun = time.monotonic()
        answer = start(sql)
        took = time.monotonic() - begun
        t.ok(answer.startswith("InvalidQueryStatementException") and ("longer than queries may" in answer or "more memory" in answer), "%s: %s" % (name, answer))
        t.ok(took < LIMIT + 2, "%s: answered after %.1f s" % (name, took))
        t.ok(free(3), "%s: its place is free" % name)
    t.equal(count(), [[{"n": "8000"}]], "others run")


def what_holds_all_places_holds_them_no_longer(t):
    begun = time.monotonic()
    queries = [start(ROW) for _ in range(PLACES)]
    t.equal([len(q) for q in queries], [36] * PLACES, "all places are taken")
    other = start("SELECT 1 FROM events")
    if time.monotonic() - begun < LIMIT - 1:    # else the first may have ended, on a machine that is busy
        t.ok(other.startswith("MaxConcurrentQueriesException"), "there is no other: %s" % other)
    t.equal(call("LookupEvents", {"MaxResults": 1})[0], 200, "a lookup meanwhile")
    t.equal(call("CancelQuery", {"QueryId": queries[-1]})[0], 200, "one is cancelled")
    t.equal(ended(queries[-1], 3), "CANCELLED", "it has ended")
    t.equal(len(start("SELECT 1 FROM events LIMIT 1")), 36, "its place is free at once")
    t.equal([ended(q, LIMIT + 5) for q in queries[:-1]], ["TIMED_OUT"] * (PLACES - 1), "how the others ended")
    t.ok("longer than" in described(queries[1]).get("ErrorMessage", ""), "it is said")
    t.ok(free(3), "all places are free")
    t.equal(count(), [[{"n": "8000"}]], "others run")


def a_process_that_fails_fails_its_query_alone(t):
    for how, said in ((signal.SIGKILL, False), (signal.SIGSEGV, True)):
        query = start(ROW)
        time.sleep(0.5)
        os.kill(at_work(), how)
        t.equal((ended(query, 5), "engine failed" in described(query).get("ErrorMessage", "")), ("FAILED", True), "%s: how it ended" % how.name)
        t.equal("ended by signal %d" % how in S["store"].stderr(), said, "%s: in the log" % how.name)
        t.ok(free(3), "%s: its place is free" % how.name)
    t.equal(S["store"].child.poll(), None, "the store lives")
    for _ in range(5):    # those that wait: whoever gets one that is not gone yet has his statement taken by another
        for p in workers():
            os.kill(p, signal.SIGKILL)
        t.equal((count(), free(3)), ([[{"n": "8000"}]], True), "others run")


def memory_that_it_does_not_have_fails_its_query_alone(t):
    for sql in ("SELECT strlen(string_agg(a.eventjson || b.eventjson, ',')) FROM events a, events b",
                "SELECT strlen(replace(string_agg(eventjson, ''), 'e', '%s')) FROM events" % ("x" * 9000)):
        query = start(sql)
        t.equal((ended(query), "memory" in described(query).get("ErrorMessage", "")), ("FAILED", True), "%s: %s" % (sql[:100], described(query).get("ErrorMessage")))
    t.ok(S["store"].rss(alone=True)["VmHWM"] < 512 << 20, "the store itself: %d MiB" % (S["store"].rss(alone=True)["VmHWM"] >> 20))
    t.equal(count(), [[{"n": "8000"}]], "others run")


def a_key_has_its_own(t):
    t.equal((count(), free(2)), ([[{"n": "8000"}]], True), "a query")
    tap.wait_for(lambda: len(workers()) == 2, 5)
    mine = set(workers())
    t.equal((count(), free(2)), ([[{"n": "8000"}]], True), "another one")
    time.sleep(0.5)
    t.equal(set(workers()), mine, "in the same process")
    t.equal(count(key_id="OTHERKEY00000001"), [[{"n": "8000"}]], "of another key")
    t.ok(tap.wait_for(lambda: len(set(workers()) - mine) == 1, 5), "in one that was never used: one more is made ready: %s %s" % (mine, workers()))


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def it_is_caged(t):
    time.sleep(1)
    t.ok(workers(), "there are some")
    for pid in workers():
        s = status(pid)
        t.equal((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"), "filtered")
        with open("/proc/%d/oom_score_adj" % pid) as f:
            t.equal(f.read(), "1000\n", "the first to go")
        with open("/proc/%d/limits" % pid) as f:
            limits = {line[:26].strip(): line[26:].split()[0] for line in f}
        t.equal(limits["Max core file size"], "0", "no dumps")
        t.ok(limits["Max data size"].isdigit() and int(limits["Max data size"]) < 3 << 30, "memory: %s" % limits["Max data size"])
        open_files = [os.readlink("/proc/%d/fd/%s" % (pid, f)) for f in os.listdir("/proc/%d/fd" % pid)]
        t.equal(sum(f.startswith("socket:") for f in open_files), 1, "to the store, and nowhere else: %s" % open_files)
        t.equal([f for f in open_files if not f.startswith(("socket:", "/dev/null")) and not f.endswith(".parquet")], [], "no other file, not even the store's log")
        with open("/proc/%d/environ" % pid, "rb") as f:
            t.ok(b"PATH=/" not in f.read().replace(b"LD_LIBRARY_PATH", b""), "nothing of the store's environment")
        t.equal(os.stat("/proc/%d/mem" % pid).st_uid, 0, "not dumpable")


def unit_calls():
    """Names of the calls that the installed unit lets the store make."""
    def members(name):
        if not name.startswith("@"):
            return {name}
        text = subprocess.run(["systemd-analyze", "syscall-filter", name], stdout=subprocess.PIPE, text=True, check=True).stdout
        words = [x.strip() for x in text.splitlines() if x.strip() and not x.strip().startswith("#") and x.strip() != name]
        return set().union(*(members(x) for x in words))
    allowed = set()
    with open(os.path.join(tap.TOP, "packaging/systemd/hosttrail-store.service")) as f:
        for line in f:
            name, _, value = line.strip().partition("=")
            if name == "SystemCallFilter":
                these = set().union(*(members(x) for x in value.lstrip("~").split()))
                allowed = allowed - these if value.startswith("~") else allowed | these
    return allowed


def they_run_under_the_units_filter(t):
    if not shutil.which("systemd-analyze"):
        raise tap.Skip("no systemd-analyze")
    with tap.Workdir() as d:
        names, run = os.path.join(d, "calls"), os.path.join(d, "hosttrail-store")
        with open(names, "w") as f:
            f.write("\n".join(unit_calls() | {"fchown"}))    # SQLite's, as root alone
        with open(os.open(run, os.O_WRONLY | os.O_CREAT, 0o755), "w") as f:
            f.write('#!/bin/sh\nexec "%s/tests/helpers/unitcalls" "%s" "%s" "$@"\n' % (tap.BUILD, names, tap.program("hosttrail-store")))
        before, S["store"] = S["store"], Store(os.path.join(d, "store"), executable=run)
        query = start("SELECT count(*) AS n FROM events")
        t.equal((len(query), len(query) == 36 and ended(query)), (36, "FINISHED"), "a query: %s %s" % (query, S["store"].stderr()))
        t.equal(S["store"].stop(), 0, "its end")
        S["store"] = before


def none_is_left_by_a_store_that_was_killed(t):
    query = start(ROW)
    t.equal(len(query), 36, "one runs")
    left = workers()
    t.ok(len(left) >= 2, "there are some: %s" % left)
    S["store"].kill()
    t.ok(tap.wait_for(lambda: not any(os.path.exists("/proc/%d" % p) and status(p)["State"][0] not in "ZX" for p in left), 5), "all have ended: %s" % left)
    S["store"].start()
    t.equal((described(query)["QueryStatus"], "started anew" in described(query)["ErrorMessage"]), ("FAILED", True), "how it ended")
    t.equal(count(), [[{"n": "8000"}]], "a new start")
    left = workers()
    t.equal((len(start(ROW)), S["store"].stop()), (36, 0), "an end while one runs")
    t.ok(not any(os.path.exists("/proc/%d" % p) for p in left), "none is left")


if __name__ == "__main__":
    with tap.Workdir() as top:
        fill(top, 8000, time.time() - 600, 1_000_000)
        S["store"] = Store(top, profiles=PROFILES, lake_query_time="%ds" % LIMIT, lake_memory="256M")
        tap.main([what_is_computed_while_it_is_bound_ends_at_its_time, what_holds_all_places_holds_them_no_longer, a_process_that_fails_fails_its_query_alone,
                  memory_that_it_does_not_have_fails_its_query_alone, a_key_has_its_own, it_is_caged,
                  they_run_under_the_units_filter, none_is_left_by_a_store_that_was_killed])
