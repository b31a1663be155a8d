#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is in each answer, or there is none (503): while a store that was killed is behind with its journal, and right
after the acknowledgement. LookupEvents by several attributes, Prove, SQL; and Tail tells nothing from before as new."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from shipkit import STORED, Client, Pki, messages  # noqa: E402
from storekit import Made, Store, fill, frames  # noqa: E402

COUNT, STEP = 399994, 1000000  # the last record, a PutObject, has every attribute
AWS = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
S = {}


def lookup(key, value):
    return S["store"].call("LookupEvents", {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}], "MaxResults": 1}, prefix=AWS)


def is_newest(made, answer):
    return [e["EventId"] for e in answer["Events"]] == [made.event_id(made.count - 1)]


def is_proved(made, answer):
    return "Frame" in answer


def tells_nothing(made, answer):
    return answer["Events"] == []


def count_in_sql(last):
    """(status, count) of the newest record; a query that does not finish is none."""
    status, answer = S["store"].call("StartQuery", {"QueryStatement": "SELECT count(*) AS n FROM events WHERE eventid = '%s'" % S["made"].event_id(last)}, prefix=AWS)
    if status != 200:
        return status, answer
    while True:
        status, page = S["store"].call("GetQueryResults", {"QueryId": answer["QueryId"]}, prefix=AWS)
        if status != 200 or page["QueryStatus"] not in ("QUEUED", "RUNNING"):
            return (status, page["QueryResultRows"][0][0]["n"]) if page.get("QueryStatus") == "FINISHED" else (503, page)
        time.sleep(0.01)


def questions(made):
    """(what, how it is asked, whether a 200 is right); the newest record has all of these values."""
    last = made.count - 1
    yield "EventId", lambda: lookup("EventId", made.event_id(last)), is_newest
    yield "EventName", lambda: lookup("EventName", "PutObject"), is_newest
    yield "Username", lambda: lookup("Username", made.users(last)[0]), is_newest
    yield "AccessKeyId", lambda: lookup("AccessKeyId", "AKIA%d" % (last % 5)), is_newest
    yield "none", lambda: S["store"].call("LookupEvents", {"MaxResults": 1}, prefix=AWS), lambda m, a: len(a["Events"]) == 1
    yield "SQL", lambda: count_in_sql(last), lambda m, a: a == "1"
    yield "Prove", lambda: S["store"].call("Prove", {"EventId": made.event_id(last)}), is_proved
    yield "Tail", lambda: S["store"].call("Tail", {"WaitSeconds": 0}), tells_nothing


def a_start_answers_whole_or_not_at_all(t):
    """Nothing of this journal is indexed: the whole of it is gone through after the start."""
    base = time.time() - COUNT * STEP / 1e9 - 60
    made = S["made"] = fill(S["dir"], COUNT, base, STEP)
    S["store"] = Store(S["dir"], ready=False)
    asked = {}
    while S["store"].get("/readyz")[0] != 200 or not asked:
        for what, ask, right in questions(made):
            status, answer = ask()
            asked[status] = asked.get(status, 0) + 1
            t.ok(status == 503 or (status == 200 and right(made, answer)), "%s while it starts: %d, %.200s" % (what, status, answer))
    t.note("answers while it started: %r" % asked)
    for what, ask, right in questions(made):
        status, answer = ask()
        t.ok(status == 200 and right(made, answer), "%s when it is ready: %d, %.200s" % (what, status, answer))


def what_is_acknowledged_is_found_at_once(t):
    """Large frames: to decode one takes longer than to ask."""
    base, per_frame, n = time.time() - 50, 5000, 20
    made = frames(S["pki"], "host", n * per_frame, base, 100000, per_frame)
    records = Made(made[0][12:28].hex(), n * per_frame, base, 100000)
    with Client(S["pki"], "host", S["store"].ports["ingest"], S["pb"]) as c:
        for i, frame in enumerate(made):
            t.equal([s for s, _ in c.ship(frame, timeout=20)], [STORED], "frame %d" % i)
            one = records.event_id((i + 1) * per_frame - 1)
            status, answer = S["store"].call("Prove", {"EventId": one}) if i % 2 else lookup("EventId", one)
            t.ok(status == 200 and ("Frame" in answer if i % 2 else len(answer["Events"]) == 1), "record %s, frame %d: %d, %.100s" % (one, i, status, answer))


def a_kill_takes_nothing_from_answers(t):
    """The tail of the index is in memory only, and lost with the store."""
    one = S["made"].event_id(COUNT - 1)
    for _ in range(4):
        S["store"].kill()
        S["store"].start(wait=False)
        status, answer = lookup("EventId", one)
        t.ok(status == 503 or is_newest(S["made"], answer), "%s: %d, %.200s" % (one, status, answer))
    S["store"].until(lambda: S["store"].get("/readyz")[0] == 200, "readiness")


if __name__ == "__main__":
    with tap.Workdir() as S["dir"]:
        S.update(pb=messages(S["dir"]), pki=Pki(S["dir"] + "/pki"))
        S["pki"].host("host")
        tap.main([a_start_answers_whole_or_not_at_all, what_is_acknowledged_is_found_at_once, a_kill_takes_nothing_from_answers])
