#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 extra
"""Event data stores over a real ClickHouse cluster, several stores in front: made at one, told by all, records in them by their selectors whichever store
took them, as the embedded engine has it; and what is changed is changed whole, whoever is killed meanwhile."""
import json
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import grpc
import shipkit
import tap
from chcases import AWS
from chkit import Clustered
from shipkit import STORED, Client
from storekit import SECRET, Store, frames

PLACE = Clustered("a", "b", "c", zone="Pacific/Kiritimati")
KNOWN = 2.5     # seconds until every store goes by what was changed at one
S = {"n": 0}
PROFILES = "[all]\naws_access_key_id = KEYALL\naws_secret_access_key = %s\nhosttrail_role = administrator\n[one]\naws_access_key_id = KEYONE\naws_secret_access_key = %s\nhosttrail_role = administrator\nhosttrail_hosts = %s\n"


def call(s, operation, key="KEYALL", **body):
    status, a = s.call(operation, body, prefix=AWS, key_id=key)
    return a if status == 200 else (a.get("__type", status).split("#")[-1], a.get("message"))


def rows(s, sql, key="KEYALL"):
    a = call(s, "StartQuery", key, QueryStatement=sql)
    if isinstance(a, tuple):
        return a
    how = {"QueryId": a["QueryId"]}
    if not tap.wait_for(lambda: call(s, "DescribeQuery", key, **how)["QueryStatus"] not in ("QUEUED", "RUNNING"), 60):
        raise tap.Failed("no end of " + sql)
    got, out = call(s, "GetQueryResults", key, **how), []
    if got["QueryStatus"] != "FINISHED":
        return got["QueryStatus"], got.get("ErrorMessage")
    while True:
        out += [[list(v.values())[0] for v in row] for row in got["QueryResultRows"]]
        if not got.get("NextToken"):
            return out
        got = call(s, "GetQueryResults", key, NextToken=got["NextToken"], **how)


def ids(s, store):
    return sorted(i for i, in rows(s, "SELECT eventid FROM %s WHERE eventsource <> 'trail.hosttrail'" % store))


def field(name, **how):
    return {"Field": name, **how}


def selectors(*fields):
    return [{"Name": "x", "FieldSelectors": list(fields)}]


DATA = field("eventCategory", Equals=["Data"])
DEFINED = {
    "files": selectors(DATA, field("eventSource", Equals=["file.linux"])),
    "default-ones": None,
    "paths": selectors(DATA, field("path", StartsWith=["/srv/d1"])),
    "others": selectors(field("eventCategory", Equals=["Management"]), field("eventName", NotEquals=["execve"], NotStartsWith=["get"])) +
              selectors(field("eventCategory", Equals=["NetworkActivity"])),
    "users": selectors(DATA, field("user", Equals=["alice", "user3"]), field("readOnly", Equals=["false"])),
}


def arn(x):
    return x["EventDataStoreArn"].split("/")[1]


def send(count=700, host="a"):
    """The same records to the embedded engine and to one of the stores, by turns."""
    S["n"] += 1
    odd = host == "c"
    sent = frames(PLACE.pki, host, count, 0 if odd else time.time() - 100, 0 if odd else 100_000, per_frame=100, seed=S["n"] if odd else 0)
    for s in (S["embedded"], (S["one"], S["two"])[S["n"] % 2]):
        with Client(PLACE.pki, host, s.ports["ingest"], PLACE.pb) as c:
            assert {x for x, _ in c.ship(*sent, timeout=60)} == {STORED}


def alike(t, what):
    """Every event data store has what the embedded engine's has."""
    n = {}
    for name, (ours, theirs) in S["ids"].items():
        want = ids(S["embedded"], theirs)
        n[name] = len(want)
        for s in (S["one"], S["two"]):
            got = ids(s, ours)
            t.ok(got == want, "%s: %s: %d records, of %d" % (what, name, len(got), len(want)))
    return n


def both(operation, name, **body):
    """At the embedded engine, and at one of the stores."""
    S["n"] += 1
    ours, theirs = S["ids"][name]
    answers = call((S["one"], S["two"])[S["n"] % 2], operation, EventDataStore=ours, **body), call(S["embedded"], operation, EventDataStore=theirs, **body)
    return answers


def made_at_one_and_told_by_all(t):
    one, two = S["one"], S["two"]
    made = one.aws("create-event-data-store", "--name", "files", "--retention-period", "3650", "--advanced-event-selectors", json.dumps(DEFINED["files"]))
    t.equal((made["Name"], made["Status"], made["RetentionPeriod"], made["TerminationProtectionEnabled"]), ("files", "ENABLED", 3650, True), "CreateEventDataStore")
    S["ids"] = {"files": (arn(made), arn(call(S["embedded"], "CreateEventDataStore", Name="files", RetentionPeriod=3650, AdvancedEventSelectors=DEFINED["files"])))}
    for name, how in list(DEFINED.items())[1:]:
        more = {"Name": name, "TerminationProtectionEnabled": False, **({"AdvancedEventSelectors": how} if how else {})}
        S["ids"][name] = tuple(arn(call(s, "CreateEventDataStore", **more)) for s in (two, S["embedded"]))
    shown = [{k: v for k, v in x.items() if "Timestamp" not in k and k != "EventDataStoreArn"} for s in (one, two, S["embedded"])
             for x in call(s, "ListEventDataStores")["EventDataStores"]]
    n = len(DEFINED) + 1
    t.equal((shown[:n], shown[n:2 * n], len(shown)), (shown[2 * n:], shown[2 * n:], 3 * n), "ListEventDataStores")
    page = call(two, "ListEventDataStores", MaxResults=4)
    t.equal([x["Name"] for x in page["EventDataStores"] + call(one, "ListEventDataStores", MaxResults=4, NextToken=page["NextToken"])["EventDataStores"]],
            [x["Name"] for x in shown[:n]], "pages, of one store and of the other")
    t.equal({k: v for k, v in two.aws("get-event-data-store", "--event-data-store", made["EventDataStoreArn"]).items() if "Timestamp" not in k},
            {k: v for k, v in made.items() if "Timestamp" not in k}, "GetEventDataStore at the other")
    t.equal(call(one, "ListEventDataStores")["EventDataStores"][0]["EventDataStoreArn"], call(two, "ListEventDataStores")["EventDataStores"][0]["EventDataStoreArn"],
            "the built-in one is the same")
    S["ids"]["default"] = tuple(arn(call(s, "ListEventDataStores")["EventDataStores"][0]) for s in (one, S["embedded"]))


def records_are_in_by_selectors(t):
    time.sleep(KNOWN)
    for host in ("a", "b", "c", "c"):
        send(host=host)
    n = alike(t, "made")
    t.ok(n["default"] == 2800 and all(0 < n[x] < 2800 for x in DEFINED), "each has some: %r" % n)


def changed_and_stopped(t):
    wider = selectors(DATA) + selectors(field("eventCategory", Equals=["NetworkActivity"]))
    for a in both("UpdateEventDataStore", "files", AdvancedEventSelectors=wider, Name="wider"):
        t.equal((a["Name"], a["AdvancedEventSelectors"], a["RetentionPeriod"]), ("wider", wider, 3650), "UpdateEventDataStore")
    t.equal(both("StopEventDataStoreIngestion", "paths"), ({}, {}), "StopEventDataStoreIngestion")
    t.equal([a["Status"] for a in both("GetEventDataStore", "paths")], ["STOPPED_INGESTION"] * 2, "it is stopped")
    t.equal([a["Status"] for a in both("UpdateEventDataStore", "paths", AdvancedEventSelectors=DEFINED["users"])], ["STOPPED_INGESTION"] * 2, "changed for later")
    before = alike(t, "before")
    time.sleep(KNOWN)
    send(host="b")
    send(host="c")
    during = alike(t, "while one is stopped")
    t.ok(during["paths"] == before["paths"] and during["files"] > before["files"], "%r, %r" % (before, during))
    t.equal(both("StartEventDataStoreIngestion", "paths"), ({}, {}), "StartEventDataStoreIngestion")
    time.sleep(KNOWN)
    send(host="a")
    send(host="b")
    t.ok(alike(t, "started again")["paths"] > during["paths"], "by its new selectors")


def taken_by_the_store_that_changed_it(t):
    """At once."""
    for n in range(3):
        made = call(S["one"], "CreateEventDataStore", Name="now%d" % n, TerminationProtectionEnabled=False, AdvancedEventSelectors=selectors(DATA))
        shipkit.ship(S["one"], PLACE.pki, PLACE.pb, 2, host="a")
        t.equal(len(ids(S["two"], arn(made))), 8, "records in it")
        call(S["two"], "DeleteEventDataStore", EventDataStore=arn(made))
        shipkit.ship(S["two"], PLACE.pki, PLACE.pb, 1, host="a")
        back = call(S["one"], "RestoreEventDataStore", EventDataStore=arn(made))
        t.equal(back["Status"], "ENABLED", "RestoreEventDataStore")
        t.equal(len(ids(S["one"], arn(made))), 8, "what came while it was deleted is not in it")
        call(S["one"], "DeleteEventDataStore", EventDataStore=arn(made))


def faults_are_the_embedded_engines(t):
    """Each store by its name there; what is said besides is the same."""
    def said(s, which, operation, body):
        a = call(s, operation, **{k: S["ids"].get(v[1:], (v, v))[which] if isinstance(v, str) and v.startswith("=") else v for k, v in body.items()})
        return (a[0], a[1].replace(S["ids"]["files"][which], "ID").replace(S["ids"]["users"][which], "ID")) if isinstance(a, tuple) else a
    for operation, body in FAULTS:
        want = said(S["embedded"], 1, operation, body)
        t.ok(isinstance(want, tuple), "%s %r is refused: %r" % (operation, body, want))
        for s in (S["one"], S["two"]):
            t.equal(said(s, 0, operation, body), want, "%s %r" % (operation, body))


FAULTS = [
    ("CreateEventDataStore", {"Name": "wider"}), ("CreateEventDataStore", {"Name": "default"}), ("CreateEventDataStore", {"Name": "a b c"}), ("CreateEventDataStore", {}),
    ("CreateEventDataStore", {"Name": "long", "RetentionPeriod": 3654}), ("CreateEventDataStore", {"Name": "short", "RetentionPeriod": 6}),
    ("CreateEventDataStore", {"Name": "bad", "AdvancedEventSelectors": selectors(field("nosuch", Equals=["x"]))}),
    ("CreateEventDataStore", {"Name": "org", "OrganizationEnabled": True}), ("CreateEventDataStore", {"Name": "key", "KmsKeyId": "alias/mine"}),
    ("CreateEventDataStore", {"Name": "fixed", "BillingMode": "FIXED_RETENTION_PRICING", "RetentionPeriod": 3000}),
    ("UpdateEventDataStore", {"EventDataStore": "=users", "Name": "wider"}), ("UpdateEventDataStore", {"EventDataStore": "=default", "AdvancedEventSelectors": selectors(DATA)}),
    ("DeleteEventDataStore", {"EventDataStore": "=files"}), ("DeleteEventDataStore", {"EventDataStore": "=default"}), ("DeleteEventDataStore", {}),
    ("RestoreEventDataStore", {"EventDataStore": "=files"}), ("StartEventDataStoreIngestion", {"EventDataStore": "=files"}),
    ("StopEventDataStoreIngestion", {"EventDataStore": "=default"}), ("GetEventDataStore", {"EventDataStore": "nonsense"}),
    ("GetEventDataStore", {"EventDataStore": "11111111-2222-3333-4444-555555555555"}), ("ListQueries", {"EventDataStore": "nonsense"}),
    ("StartQuery", {"QueryStatement": "SELECT 1 FROM 11111111-2222-3333-4444-555555555555"}),
]


def deleted_and_protected(t):
    t.equal([a["TerminationProtectionEnabled"] for a in both("UpdateEventDataStore", "users", TerminationProtectionEnabled=True)], [True, True], "protected")
    t.equal([a[0] for a in both("DeleteEventDataStore", "users")], ["EventDataStoreTerminationProtectedException"] * 2, "it cannot be deleted")
    t.equal([a["TerminationProtectionEnabled"] for a in both("UpdateEventDataStore", "users", TerminationProtectionEnabled=False)], [False, False], "not any more")
    t.equal(both("DeleteEventDataStore", "users"), ({}, {}), "DeleteEventDataStore")
    for s, which in ((S["one"], 0), (S["two"], 0), (S["embedded"], 1)):
        store = S["ids"]["users"][which]
        t.equal(rows(s, "SELECT 1 FROM " + store)[0], "InactiveEventDataStoreException", "not to be asked any more")
        t.equal(call(s, "UpdateEventDataStore", EventDataStore=store, Name="abc")[0], "InactiveEventDataStoreException", "nor changed")
        t.equal(call(s, "GetEventDataStore", EventDataStore=store)["Status"], "PENDING_DELETION", "it shows")
    t.equal([a["Status"] for a in both("RestoreEventDataStore", "users")], ["ENABLED"] * 2, "restored")
    alike(t, "restored")


def ten_and_no_more(t):
    n = len(call(S["one"], "ListEventDataStores", MaxResults=50)["EventDataStores"])
    for k in range(n, 11):
        call((S["one"], S["two"])[k % 2], "CreateEventDataStore", Name="more%d" % k)
    for s in (S["one"], S["two"]):
        t.equal(call(s, "CreateEventDataStore", Name="one-more")[0], "EventDataStoreMaxLimitExceededException", "ten and no more")


def statements(t):
    files, users, everything = (S["ids"][x][0] for x in ("files", "users", "default"))
    one, two = S["one"], S["two"]
    n = {x: len(ids(one, x)) for x in (files, users, everything)}
    t.equal(rows(two, "SELECT count(*) AS n FROM %s UNION ALL SELECT count(*) AS n FROM %s WHERE eventsource <> 'trail.hosttrail' ORDER BY n" % (users, files.upper())),
            sorted([[str(n[users])], [str(n[files])]], key=lambda x: int(x[0])), "two of them")
    t.equal(rows(one, "SELECT count(*) FROM %s WHERE eventid IN (SELECT eventid FROM %s)" % (everything, users)), [[str(n[users])]], "one within the other")
    t.equal(rows(one, "WITH e AS (SELECT eventname FROM %s) SELECT count(*) FROM e" % users), [[str(n[users])]], "by a name of WITH")
    t.equal(rows(one, "SELECT count(*) FROM %s a JOIN %s b ON a.eventid = b.eventid" % (files, users))[0], "InvalidQueryStatementException", "a join")
    # fails on what is not in it
    fails = "SELECT count(*) FROM %s WHERE 7 %% (CASE WHEN eventname = '%s' THEN 0 ELSE 1 END) = 0"
    names = {x for x, in rows(one, "SELECT DISTINCT eventname FROM " + users)}
    other = next(x for x, in rows(one, "SELECT DISTINCT eventname FROM events") if x not in names and x.isalpha())
    t.equal(rows(one, fails % (users, other)), [[str(n[users])]], "a condition that fails on others' records")
    t.equal(rows(one, fails % ("events", other))[0], "FAILED", "which are there")
    query = call(one, "StartQuery", QueryStatement="SELECT count(*) FROM " + users)["QueryId"]
    t.equal([query in [q["QueryId"] for q in call(two, "ListQueries", EventDataStore=x, MaxResults=1000)["Queries"]] for x in (users, files, "events", everything)],
            [True, False, False, False], "ListQueries")


def a_scope_holds_within(t):
    may = {PLACE.pki.ids["a"]}
    for s in (S["one"], S["two"]):
        got = rows(s, "SELECT hostid, count(*) FROM %s GROUP BY hostid" % S["ids"]["files"][0], "KEYONE")
        whole = dict(rows(s, "SELECT hostid, count(*) FROM %s GROUP BY hostid" % S["ids"]["files"][0]))
        t.ok(len(whole) > 1 and got == [[PLACE.pki.ids["a"], whole[PLACE.pki.ids["a"]]]], "a key that sees one host: %r of %r" % (got, whole))
        t.equal({h for h, in rows(s, "SELECT DISTINCT hostid FROM events", "KEYONE")}, may, "in the built-in one")
        t.equal(call(s, "UpdateEventDataStore", "KEYONE", EventDataStore=S["ids"]["files"][0], Name="mine")[0], "AccessDeniedException", "it changes nothing")


def what_is_past_is_not_shown(t):
    """By the later of when it happened and when it came."""
    one, day = S["one"], 86400 * 10**9
    made = call(one, "UpdateEventDataStore", EventDataStore=S["ids"]["files"][0], RetentionPeriod=7)
    t.equal(made["RetentionPeriod"], 7, "UpdateEventDataStore")
    n = len(ids(one, S["ids"]["files"][0]))
    names = [x for x, in PLACE.cluster().servers[0].rows("SELECT name FROM system.columns WHERE database = 'hosttrail' AND table = 'trail_rows_2'")]
    old = {"received": "received - %d", "time": "time - %d", "batch": "batch + 1", "framekey": "framekey + 1", "eventid": "concat(eventid, 'old')"}
    for what, moved, more in (("both", ("received", "time"), 0), ("when it came", ("received",), 1), ("when it happened", ("time",), 1)):
        change = {k: v % (8 * day) if "%" in v else v for k, v in old.items() if k in moved or "%" not in v}
        PLACE.cluster().servers[0].ask("INSERT INTO trail_rows_2 (%s) SELECT %s FROM trail_rows_2 WHERE kind = 0 AND has(stores, %d) AND host = '%s' AND eventid NOT LIKE '%%old' LIMIT 1" % (
            ", ".join("`%s`" % x for x in names), ", ".join(change.get(x, "`%s`" % x) for x in names), int(S["ids"]["files"][0].replace("-", "")[:16], 16), PLACE.pki.ids["a"]), "hosttrail")
        t.ok(tap.wait_for(lambda: len(ids(S["two"], S["ids"]["files"][0])) == n + more), "older by %s: %d and %d" % (what, n, more))
        n += more
    call(one, "UpdateEventDataStore", EventDataStore=S["ids"]["files"][0], RetentionPeriod=30)
    t.ok(tap.wait_for(lambda: len(ids(S["two"], S["ids"]["files"][0])) == n + 1), "kept longer, it is there again")


def killed_while_it_is_changed(t):
    """Name and selectors of one change are there together or not at all, and what was answered is there."""
    store = S["ids"]["others"][0]
    sure = killed = 0
    for n in range(6):
        s, other = (S["one"], S["two"])[::-1 if n % 2 else 1]
        answered = []

        def change():
            for k in range(100):
                x = "x%d-%d" % (n, k)
                try:
                    a = call(s, "UpdateEventDataStore", EventDataStore=store, Name=x, AdvancedEventSelectors=selectors(DATA, field("eventName", Equals=[x])))
                except OSError:
                    return
                if isinstance(a, dict):
                    answered.append(k)
        thread = threading.Thread(target=change)
        thread.start()
        t.must(tap.wait_for(lambda: len(answered) > 1, 60), "changes are made")
        time.sleep(random.random() / 4)
        s.kill()
        thread.join()
        got = call(other, "GetEventDataStore", EventDataStore=store)
        t.must(isinstance(got, dict), "the other tells: %r" % (got,))
        k = int(got["Name"].split("-")[1])
        t.equal(got["AdvancedEventSelectors"][0]["FieldSelectors"][1]["Equals"], [got["Name"]], "it is whole")
        t.ok(got["Name"].startswith("x%d-" % n) and k in (answered[-1], answered[-1] + 1), "%s after %d was answered" % (got["Name"], answered[-1]))
        sure, killed = sure + len(answered), killed + 1
        s.start()
    t.ok(killed == 6, "changes that were answered: %d" % sure)


def the_ledger_cannot_be_read(t):
    """A store goes on by what it knew; one that knows nothing yet takes nothing."""
    lagging, ready = PLACE.cluster().servers[1], PLACE.cluster().servers[0]
    how = {"clickhouse_servers": [lagging.url], "clickhouse_linger": "20ms", "profiles": S["profiles"]}
    s = PLACE.store(**how)
    first = PLACE.store(**{**how, "clickhouse_servers": [ready.url]})
    made = call(s, "UpdateEventDataStore", EventDataStore=S["ids"]["files"][0], AdvancedEventSelectors=selectors(DATA))
    t.ok(isinstance(made, dict), "UpdateEventDataStore: %r" % (made,))
    lagging.ask("SYSTEM STOP FETCHES trail_ledger_1", "hosttrail")
    a = call(first, "UpdateEventDataStore", EventDataStore=S["ids"]["files"][0], Name="behind", AdvancedEventSelectors=selectors(field("eventCategory", Equals=["Management"])))
    t.ok(isinstance(a, dict), "changed where the other does not look: %r" % (a,))
    n, begun = len(ids(first, S["ids"]["files"][0])), time.monotonic()
    time.sleep(3)
    frames, got = PLACE.pki.frames("b", shipkit.new_stream(), count=2), []

    def taken():  # it tells senders to go elsewhere while it waits for what it cannot read
        try:
            with Client(PLACE.pki, "b", s.ports["ingest"], PLACE.pb) as c:
                got[:] = [x for x, _ in c.ship(*frames, timeout=30)]
        except grpc.RpcError:
            return False
        return got == [STORED] * 2
    t.ok(tap.wait_for(taken, 30), "records are taken all the same: %r, after %.1f s" % (got, time.monotonic() - begun))
    t.ok(tap.wait_for(lambda: len(ids(first, S["ids"]["files"][0])) == n + 8), "by what the store knew")
    t.equal(call(s, "GetEventDataStore", EventDataStore=S["ids"]["files"][0])[0], "ServiceUnavailableException", "it says that it does not know")
    s.stop()
    s.start(wait=False)
    t.ok(tap.wait_for(lambda: "has not been read yet" in s.stderr(), 30), "a store that knows nothing takes nothing: " + s.stderr()[-600:])
    lagging.ask("SYSTEM START FETCHES trail_ledger_1", "hosttrail")
    t.ok(tap.wait_for(lambda: s.get("/readyz")[0] == 200, 60), "until it does")
    t.equal(call(s, "GetEventDataStore", EventDataStore=S["ids"]["files"][0])["Name"], "behind", "GetEventDataStore")


def begin():
    S["profiles"] = PROFILES % (SECRET, SECRET, PLACE.pki.ids["a"])
    how = {"clickhouse_linger": "20ms", "profiles": S["profiles"]}
    S["one"], S["two"] = PLACE.store(**how), PLACE.store(**how)
    S["embedded"] = Store(PLACE.next("store"), **PLACE.keys(), profiles=S["profiles"])
    PLACE.stores.append(S["embedded"])


if __name__ == "__main__":
    try:
        begin()
        tap.main([made_at_one_and_told_by_all, records_are_in_by_selectors, changed_and_stopped, faults_are_the_embedded_engines, statements, a_scope_holds_within,
                  deleted_and_protected, taken_by_the_store_that_changed_it, what_is_past_is_not_shown, ten_and_no_more, killed_while_it_is_changed, the_ledger_cannot_be_read])
    finally:
        PLACE.end()
