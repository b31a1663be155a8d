#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=40
"""LookupEvents against a plain scan: all records are read once through Tail, and every answer must be what a loop over
them finds, for odd values, random ranges, and pages that are turned while records arrive."""
import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from shipkit import Client, Pki, messages, new_stream  # noqa: E402
from storekit import KIT, Store  # noqa: E402

W = tap.Workdir()
D = W.__enter__()
PB = messages(D)
PKI = Pki(os.path.join(D, "pki"))
PKI.host("host")
SEED = int(os.environ.get("HT_SEED", "0")) or random.randrange(1, 1 << 30)
CHANCE = random.Random(SEED)
subprocess.run([KIT, "odd", D, "3000", str(SEED)], check=True)
STORE = Store(D)
AGE = 90 * 86400


def read_all():
    """In the order of arrival."""
    out, token = [], None
    while True:
        how = {"Token": token} if token else {"From": "oldest"}
        status, answer = STORE.call("Tail", {**how, "MaxResults": 1000, "WaitSeconds": 0})
        assert status == 200, answer
        out += answer["Events"]
        if not answer["Events"] and token == answer["Token"]:
            return out
        token = answer["Token"]


def nanos(event):
    return int(event["record"]["additionalEventData"]["eventTimeNanos"])


def usernames(event):
    u = event["record"]["userIdentity"]
    session = u.get("sessionContext", {})
    return {u.get("userName"), u.get("invokedBy"), session.get("sessionIssuer", {}).get("userName"), session.get("sourceIdentity"),
            u.get("sourceIdentity")} - {None}


VALUES = {
    "EventId": lambda e: {e["EventId"]},
    "EventName": lambda e: {e["record"]["eventName"]},
    "ReadOnly": lambda e: {"true" if e["record"]["readOnly"] else "false"},
    "Username": usernames,
    "ResourceType": lambda e: {r["ResourceType"] for r in e["Resources"]},
    "ResourceName": lambda e: {r["ResourceName"] for r in e["Resources"]},
    "EventSource": lambda e: {e["record"]["eventSource"]},
    "AccessKeyId": lambda e: {e["record"].get("userIdentity", {}).get("accessKeyId")} - {None},
}


def load():
    events = read_all()
    for e in events:
        e["record"] = json.loads(e["CloudTrailEvent"])
    order = sorted(range(len(events)), key=lambda i: (nanos(events[i]), i), reverse=True)
    return [events[i] for i in order]


def expected(events, key, value, start, end):
    oldest = time.time() - AGE
    return [e["EventId"] for e in events if
            nanos(e) / 1e9 >= oldest and (start is None or nanos(e) // 10**9 >= start) and (end is None or nanos(e) // 10**9 <= end) and
            (key is None or value in VALUES[key](e))]


def lookup(parameters, between=None):
    ids, token = [], None
    while True:
        status, answer = STORE.call("LookupEvents", {**parameters, **({"NextToken": token} if token else {})},
                                    prefix="CloudTrail_20131101")
        assert status == 200, (parameters, answer)
        ids += [e["EventId"] for e in answer["Events"]]
        token = answer.get("NextToken")
        if not token:
            return ids
        if between:
            between()


def question(events):
    key = CHANCE.choice([None, *VALUES])
    value = None
    if key:
        pool = [v for v in VALUES[key](CHANCE.choice(events)) if counted(v) <= 2000]
        if not pool:
            key = None
        else:
            value = CHANCE.choice(sorted(pool))
    at = nanos(CHANCE.choice(events)) // 10**9
    start = CHANCE.choice([None, at, at - 2, at + 1])
    end = CHANCE.choice([None, at, at + 2, at + 10**9])
    if start is not None and end is not None and start > end:
        end = start
    p = {"MaxResults": CHANCE.choice([1 if key == "EventId" else 50, 7 if key == "ResourceName" else 50, 50])}
    if key:
        p["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    if start is not None:
        p["StartTime"] = start
    if end is not None:
        p["EndTime"] = end
    return p, key, value, start, end


def counted(text):
    return len(text) + sum(text.count(c) for c in "_ ,\n")


def answers_are_those_of_a_plain_scan(t):
    t.note("HT_SEED=%d" % SEED)
    events = load()
    t.ok(len(events) >= 3000, "%d records" % len(events))
    t.equal(len({e["EventId"] for e in events}), len(events), "each once")
    for _ in range(150):
        p, key, value, start, end = question(events)
        t.equal(lookup(p), expected(events, key, value, start, end), "answer to %r" % p)


def every_odd_name_is_found(t):
    events = load()
    names = sorted({n for e in events for n in VALUES["ResourceName"](e)})
    t.ok(any("\ufffd" in n for n in names) and any(len(n) >= 2000 for n in names), "odd names are there")
    for name in names:
        p = {"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": name}]}
        if counted(name) <= 2000:
            t.equal(lookup(p), expected(events, "ResourceName", name, None, None), "answer for %r" % name[:40])
        else:
            status, answer = STORE.call("LookupEvents", p, prefix="CloudTrail_20131101")
            t.ok(status == 400 and "InvalidLookupAttributes" in answer["__type"], "too long: %r" % answer)


def pages_turned_while_records_arrive(t):
    before = load()
    stop = threading.Event()
    shipped = []

    def ship():
        stream, n, previous = new_stream(), 0, None
        with Client(PKI, "host", STORE.ports["ingest"], PB) as c:
            for f in PKI.frames("host", stream, count=400):
                if stop.is_set():
                    return
                c.ship(f)
                shipped.append(f)
                time.sleep(0.002)
    thread = threading.Thread(target=ship)
    thread.start()
    try:
        for key, value in ((None, None), ("EventName", "openat"), ("ReadOnly", "false"), ("Username", "root")):
            p = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]} if key else {}
            got = lookup(p, between=lambda: time.sleep(0.005))
            t.equal(len(got), len(set(got)), "nothing twice: %r" % p)
            want = expected(before, key, value, None, None)
            there = set(want)
            t.equal([i for i in got if i in there], want, "nothing is missing, newest first: %r" % p)
    finally:
        stop.set()
        thread.join()
    t.ok(shipped, "records arrived meanwhile")


def altered_tokens_are_refused(t):
    p = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "openat"}], "MaxResults": 5}

    def ask(parameters):
        return STORE.call("LookupEvents", parameters, prefix="CloudTrail_20131101")
    token = ask(p)[1]["NextToken"]
    for i in range(len(token)):
        bad = token[:i] + CHANCE.choice([c for c in "ABCDxyz019+/" if c != token[i]]) + token[i + 1:]
        status, answer = ask({**p, "NextToken": bad})
        if status != 400 or "InvalidNextToken" not in answer["__type"]:
            t.fail("altered at %d: %r" % (i, answer))
    other = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "execve"}], "NextToken": token}
    for bad in ({**other}, {**p, "NextToken": ""}, {**p, "NextToken": token + "A"}, {**p, "NextToken": token * 50},
                {**p, "NextToken": token, "StartTime": 1}, {"NextToken": token}):
        t.equal(ask(bad)[0], 400, "refused: %r" % (bad,))
    t.equal(ask({**p, "NextToken": token, "MaxResults": 7})[0], 200, "another page size is fine")


if __name__ == "__main__":
    try:
        tap.main([answers_are_those_of_a_plain_scan, every_odd_name_is_found, pages_turned_while_records_arrive,
                  altered_tokens_are_refused])
    finally:
        STORE.stop()
        W.__exit__()
