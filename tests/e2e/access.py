#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=30
"""What a key may do (its role), may see (its scope) and how often (its rate); and TLS where the API is not on loopback only."""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from storekit import REGION, SECRET, Store, fill  # noqa: E402

S = {}
COUNT = 1400  # of which a seventh is management, twice; the rest is data and network activity
AWS = "CloudTrail_20131101"
OWN = "Hosttrail_20261122"
ROLES = ["reader", "analyst", "operator", "administrator"]

# operation: (whose, the least role, whether a key that may see some records only may call it)
OPERATIONS = {
    "LookupEvents": (AWS, "reader", True), "DescribeTrails": (AWS, "reader", True), "GetTrail": (AWS, "reader", True),
    "GetTrailStatus": (AWS, "reader", True), "ListTrails": (AWS, "reader", True), "GetEventSelectors": (AWS, "reader", True),
    "ListTags": (AWS, "reader", True), "GetInsightSelectors": (AWS, "reader", True), "AddTags": (AWS, "operator", False),
    "RemoveTags": (AWS, "operator", False),
    "ListPublicKeys": (AWS, "reader", True), "GetEventDataStore": (AWS, "reader", True), "ListEventDataStores": (AWS, "reader", True),
    "Tail": (OWN, "reader", True), "Verify": (OWN, "reader", False), "Prove": (OWN, "reader", False), "Status": (OWN, "reader", False), "ListDigests": (OWN, "reader", False),
    "ListRemoved": (OWN, "reader", False), "GetRetention": (OWN, "reader", True), "ListHolds": (OWN, "reader", True), "PlaceHold": (OWN, "operator", False),
    "LockRetention": (OWN, "administrator", False), "ReleaseHold": (OWN, "administrator", False),
    "StartQuery": (AWS, "analyst", True), "DescribeQuery": (AWS, "analyst", True), "GetQueryResults": (AWS, "analyst", True),
    "ListQueries": (AWS, "analyst", True), "CancelQuery": (AWS, "analyst", True),
    "CreateTrail": (AWS, "operator", False), "UpdateTrail": (AWS, "operator", False), "StartLogging": (AWS, "operator", False),
    "StopLogging": (AWS, "operator", False), "PutEventSelectors": (AWS, "operator", False), "CreateEventDataStore": (AWS, "operator", False),
    "UpdateEventDataStore": (AWS, "administrator", False), "StartEventDataStoreIngestion": (AWS, "operator", False),
    "StopEventDataStoreIngestion": (AWS, "operator", False),
    "DeleteTrail": (AWS, "administrator", False), "DeleteEventDataStore": (AWS, "administrator", False),
    "RestoreEventDataStore": (AWS, "administrator", False),
}


def profile(name, **settings):
    return "[%s]\naws_access_key_id = KEY%s\naws_secret_access_key = %s\n%s" % (
        name, name.upper(), SECRET, "".join("hosttrail_%s = %s\n" % s for s in settings.items()))


def call(who, operation, body=None):
    return S["store"].call(operation, body, prefix=OPERATIONS[operation][0], key_id="KEY" + who.upper())


def denied(answer):
    return answer[0] == 400 and isinstance(answer[1], dict) and answer[1].get("__type") == "AccessDeniedException"


def every_operation_is_in_the_table(t):
    """The store's own list, from its sources: a new operation has to say whose it is."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../store/ops.c")) as f:
        there = {line.split('"')[1] for line in f if line.startswith('\t{ "') and ", ROLE_" in line}
    t.equal(there, set(OPERATIONS), "operations")


def each_role_and_each_operation(t):
    for operation, (_, least, _) in OPERATIONS.items():
        for role in ROLES:
            body = {"WaitSeconds": 0} if operation == "Tail" else None
            answer = call(role, operation, body)
            t.equal(denied(answer), ROLES.index(role) < ROLES.index(least), "%s by %s: %r" % (operation, role, answer))
            if denied(answer):
                t.ok(operation in answer[1]["message"] and role in answer[1]["message"] and least in answer[1]["message"],
                     "it says why: %r" % answer[1])
    t.equal(denied(call("plain", "StartQuery")), True, "a key whose role is not said is a reader")
    t.equal(call("plain", "LookupEvents")[0], 200, "and may look up")


def a_scope_takes_what_shows_all(t):
    for operation, (_, _, scoped) in OPERATIONS.items():
        body = {"WaitSeconds": 0} if operation == "Tail" else None
        t.equal(denied(call("here", operation, body)), not scoped, operation)
    t.equal(denied(call("here", "Verify")), True, "also from its administrator")


def looked_up(who, **how):
    import json
    client, events, token = S["store"].boto(key_id="KEY" + who.upper()), [], {}
    while True:
        page = client.lookup_events(**how, **token)
        events += [json.loads(e["CloudTrailEvent"]) for e in page["Events"]]
        if "NextToken" not in page:
            return events
        token = {"NextToken": page["NextToken"]}


def tailed(who, attributes=()):
    import json
    events, token = [], {"From": "oldest"}
    while True:
        status, page = call(who, "Tail", {"WaitSeconds": 0, "MaxResults": 1000, "Attributes": list(attributes), **token})
        if status != 200 or not page["Events"]:
            return events if status == 200 else status
        events += [json.loads(e["CloudTrailEvent"]) for e in page["Events"]]
        token = {"Token": page["Token"]}


def who_sees_what(t):
    everything = looked_up("reader")
    ids = {e["eventID"] for e in everything}
    t.equal((len(ids), len(everything)), (COUNT + S["own"], COUNT + S["own"]), "a reader sees all")
    categories = {e["eventID"]: e["eventCategory"] for e in everything}
    for who, want in (("here", lambda e: e["hosttrailHost"] == S["host"]), ("store", lambda e: e["hosttrailHost"] != S["host"]),
                      ("nowhere", lambda e: False), ("elsewhere", lambda e: False), ("manage", lambda e: categories[e["eventID"]] == "Management"),
                      ("network", lambda e: categories[e["eventID"]] == "NetworkActivity" and e["hosttrailHost"] == S["host"])):
        expected = {e["eventID"] for e in everything if want({**e, "hosttrailHost": S["host"] if e["eventID"] in S["made"] else "store"})}
        t.equal({e["eventID"] for e in looked_up(who)}, expected, who + ": looked up")
        t.equal({e["eventID"] for e in tailed(who)}, expected, who + ": tailed")
    name = [{"AttributeKey": "EventName", "AttributeValue": "connect"}]
    t.equal(len(looked_up("network", LookupAttributes=name)), COUNT // 7, "by name")
    t.equal(looked_up("manage", LookupAttributes=name), [], "by name, of another category")


def too_often(t):
    answers = [call("slow", "LookupEvents", {"MaxResults": 1}) for _ in range(12)]
    good = sum(a[0] == 200 for a in answers)
    bad = {a[1]["__type"] for a in answers if a[0] != 200}
    t.ok(4 <= good <= 8, "a rate of 2 and a burst of 4: %d of 12" % good)
    t.equal(bad, {"ThrottlingException"}, "the others")
    t.equal(S["store"].metric("api_throttled_total"), 12 - good, "counted")
    time.sleep(1)
    t.equal(call("slow", "LookupEvents", {"MaxResults": 1})[0], 200, "later")
    t.equal(call("reader", "LookupEvents", {"MaxResults": 1})[0], 200, "nobody else pays")


def starts_with(t, d, lines, want, mode=0o600):
    path = os.path.join(d, "bad")
    with open(path, "w") as f:
        f.write(lines)
    os.chmod(path, mode)
    with open(S["store"].config) as f:
        config = f.read().replace(S["store"].credentials, path).replace(S["store"].dir + '"', d + '"')
    with open(path + ".yaml", "w") as f:
        f.write(config)
    r = subprocess.run([os.path.join(tap.BUILD, "bin/hosttrail-store"), "--config", path + ".yaml"], stderr=subprocess.PIPE, text=True, timeout=20,
                       stdin=subprocess.DEVNULL)
    t.ok(r.returncode not in (0, None) and want in r.stderr and r.stderr.count("\n") < 4, "%r: %d %s" % (lines[-60:], r.returncode, r.stderr))


def slips_in_the_credentials(t):
    """A slip must not give somebody more than was meant."""
    good = profile("ok")
    with tap.Workdir() as d:
        for more, line in (("hosttrail_role = root\n", 4), ("hosttrail_roles = reader\n", 4), ("hosttrail_hosts =\n", 4), ("hosttrail_hosts = a,,b\n", 4),
                           ("hosttrail_categories = management\n", 4), ("hosttrail_rate = many\n", 4), ("hosttrail_rate = -1\n", 4),
                           ("[next]\nhosttrail_role = reader\n[third]\n", 6), (profile("ok"), 7), ("[half]\naws_access_key_id = KEYHALF\n", 6)):
            starts_with(t, d, good + more, "line %d" % line)
        starts_with(t, d, good, "everybody may read", 0o644)


def tls_beyond_loopback(t):
    with tap.Workdir() as d, Store(d, api_listen="0.0.0.0:0") as store:
        t.equal(store.ports["tls"], 1, "it says so")
        t.equal(store.aws("list-trails")["Trails"][0]["Name"], "default", "the AWS CLI, over TLS")
        t.equal(store.call("Status")[0], 200, "and we")
        with socket.create_connection(("127.0.0.1", store.ports["api"]), timeout=10) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            t.ok(b"ok" not in s.recv(1000), "nothing without TLS")
        s = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % store.ports["api"], "-CAfile", d + "/pki/ca.crt", "-verify_return_error",
                            "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], input="", text=True, capture_output=True, timeout=20)
        t.ok(s.returncode != 0, "not TLS 1.1")
        s = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % store.ports["api"], "-CAfile", d + "/pki/ca.crt", "-verify_return_error"],
                           input="", text=True, capture_output=True, timeout=20)
        t.ok("TLSv1.3" in s.stdout and "Verify return code: 0" in s.stdout, "TLS 1.3, by its CA: " + s.stdout[-300:])
    with tap.Workdir() as d, Store(d, api_tls="true") as store:
        t.equal((store.ports["tls"], store.call("Status")[0]), (1, 200), "on loopback, where it is wanted")
        t.equal(store.get("/metrics")[0], 200, "its metrics are open")


def secrets_are_the_stores_own(t):
    """With any umask: keys and what is kept of a trail for its user alone, records for nobody else."""
    with tap.Workdir() as d:
        run = os.path.join(d, "hosttrail-store")
        with open(os.open(run, os.O_WRONLY | os.O_CREAT, 0o755), "w") as f:
            f.write('#!/bin/sh\numask 0\nexec "%s" "$@"\n' % tap.program("hosttrail-store"))
        where = os.path.join(d, "store")
        fill(where, 500, time.time() - 100, 1_000_000)
        with Store(where, buckets=["logs %s/logs" % d], delivery_interval="100ms", digest_period="1s", lake_seal_time="50ms", executable=run) as store:
            b = store.boto()
            b.create_trail(Name="main", S3BucketName="logs", EnableLogFileValidation=True)
            b.start_logging(Name="main")
            b.start_query(QueryStatement="SELECT * FROM events")
            t.must(tap.wait_for(lambda: os.path.isdir(where + "/digest-keys") and os.listdir(where + "/digest-keys")), "a key for digests")
            t.must(tap.wait_for(lambda: store.metric("lake_queries") == 0 and store.metric("lake_sealed_records_total") > 0), "a query and a segment")
            ours = {os.path.join(p, x): os.stat(os.path.join(p, x)).st_mode & 0o777 for p, folders, names in os.walk(where) for x in folders + names}
        made_by_us = ("pki", "credentials", "store.yaml", "stderr", "ports", "kit-")
        ours = {p[len(where) + 1:]: m for p, m in ours.items() if not p[len(where) + 1:].startswith(made_by_us)}
        t.equal({p: oct(m) for p, m in ours.items() if m & 0o007}, {}, "nothing is for everybody")
        t.equal({p: oct(m) for p, m in ours.items() if m & 0o022}, {}, "nobody else writes")
        secret = [p for p in ours if p in ("token.key", "sign.key", "index/key") or p.startswith("digest-keys/")]
        t.equal((len(secret) >= 4, {p: oct(ours[p]) for p in secret if ours[p] & 0o077}), (True, {}), "keys are for the store alone: %r" % secret)


def secrets_that_others_may_read(t):
    """They keep the store from starting, whoever made them so."""
    with tap.Workdir() as d:
        with Store(d, buckets=["logs %s/logs" % d], delivery_interval="100ms", digest_period="1s") as store:
            store.boto().create_trail(Name="main", S3BucketName="logs", EnableLogFileValidation=True)
            store.boto().start_logging(Name="main")
            t.must(tap.wait_for(lambda: os.path.isdir(d + "/digest-keys") and os.listdir(d + "/digest-keys")), "a key for digests")
        password, config = os.path.join(d, "password"), store.config
        with open(password, "w") as f:
            f.write("x")
        for name in ("pki/store.key", "sign.key", "token.key", "index/key", "digest-keys/" + os.listdir(d + "/digest-keys")[0], "password"):
            path = os.path.join(d, name)
            if name == "password":
                with open(config, "a") as f:
                    f.write("engine: clickhouse\nclickhouse_servers:\n  - \"http://127.0.0.1:1\"\nclickhouse_password_file: \"%s\"\n" % password)
            os.chmod(path, 0o644)
            r = subprocess.run([tap.program("hosttrail-store"), "--config", config], stderr=subprocess.PIPE, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False)
            t.ok(r.returncode == 1 and "everybody may read" in r.stderr and path in r.stderr, "%s: %d %s" % (name, r.returncode, r.stderr))
            os.chmod(path, 0o600)


def metrics_beyond_loopback(t):
    keys = profile("reader", role="reader") + profile("slow", rate=1) + profile("scoped", accounts="1", role="administrator")
    with tap.Workdir() as d, Store(d, keys, api_listen="0.0.0.0:0") as store:
        t.equal(store.get("/healthz")[0], 200, "health needs no key")
        for who, want in ((None, 401), (("KEYREADER", SECRET), 200), (("KEYREADER", SECRET[:-1]), 401), (("KEYREADER", ""), 401), (("KEYNOBODY", SECRET), 401),
                          (("KEYREADER", SECRET + "x" * 200), 401), (("KEYSCOPED", SECRET), 403)):
            status, text = store.get("/metrics", who)
            t.equal((status, "hosttrail_store_" in text), (want, want == 200), "/metrics by %r" % (who,))
        t.ok(429 in [store.get("/metrics", ("KEYSLOW", SECRET))[0] for _ in range(6)], "at its rate")
    with tap.Workdir() as d, Store(d, api_listen="0.0.0.0:0", api_metrics_open="true") as store:
        t.equal(store.get("/metrics")[0], 200, "where it was opened")


def audited(store, seconds=0.0):
    """Records of the store's API calls, oldest first."""
    import json
    time.sleep(seconds)
    events = [json.loads(e["CloudTrailEvent"]) for page in store.boto().get_paginator("lookup_events").paginate() for e in page["Events"]]
    return [e for e in reversed(events) if e["eventType"] == "AwsApiCall"]


def every_request_is_a_record(t):
    with tap.Workdir() as d, Store(d, profile("reader", role="reader"), audit="true") as store:
        store.aws("get-trail-status", "--name", "default")
        store.call("StartQuery", {"QueryStatement": "SELECT 1"}, prefix=AWS, key_id="KEYREADER")
        store.call("DeleteTrail", {"Name": "nosuchtrail"}, prefix=AWS)
        store.call("DeleteTrail", {"Name": "nosuchtrail"}, prefix=AWS)
        store.call("Status", key_id="stranger", extra=[("User-Agent", "x")])
        store.call("Nonsense")
        store.call("Verify", {"NextToken": "t", "From": 5})
        got = audited(store, 1.5)
        seen = {(e["eventName"], e.get("errorCode")): e for e in got}
        for key, (who, read_only, source, parameters) in {
                ("GetTrailStatus", None): ("HTAKTESTTESTTEST0001", True, "cloudtrail.amazonaws.com", {"Name": "default"}),
                ("StartQuery", "AccessDeniedException"): ("KEYREADER", False, "cloudtrail.amazonaws.com", {"QueryStatement": "SELECT 1"}),
                ("DeleteTrail", "TrailNotFoundException"): ("HTAKTESTTESTTEST0001", False, "cloudtrail.amazonaws.com", {"Name": "nosuchtrail"}),
                ("Status", "UnrecognizedClientException"): (None, True, "trail.hosttrail", None),
                ("UnknownOperation", "UnknownOperationException"): ("HTAKTESTTESTTEST0001", True, "cloudtrail.amazonaws.com", None)}.items():
            e = seen.get(key)
            if not t.ok(e, "%r is there: %r" % (key, list(seen))):
                continue
            t.equal((e["userIdentity"].get("accessKeyId"), e["readOnly"], e["eventSource"], e["requestParameters"], e["sourceIPAddress"], e["eventType"],
                     len(e["requestID"])), (who, read_only, source, parameters, "127.0.0.1", "AwsApiCall", 36), "%r" % (key,))
        t.ok(seen[("GetTrailStatus", None)]["userAgent"].startswith("aws-cli/"), "the client")
        t.equal(seen[("Status", "UnrecognizedClientException")]["userAgent"], "unknown", "a stranger's words are not")
        t.equal([e["requestParameters"] for e in got if e["eventName"] == "Verify"], [{"From": 5}], "without tokens")
        t.equal([(e["eventName"], e["additionalEventData"].get("repeatCount")) for e in got if e["eventName"] == "DeleteTrail"],
                [("DeleteTrail", None)] * 2, "what changes something is never merged")
        by_key = store.boto().lookup_events(LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": "KEYREADER"}])["Events"]
        t.equal([e["EventName"] for e in by_key], ["StartQuery"], "found by its key")
        t.equal(store.call("Verify")[0], 200, "and all of it is signed and chained")


def what_repeats_is_one_record(t):
    with tap.Workdir() as d:
        with Store(d, audit="true") as store:
            token, end, answers = {}, time.monotonic() + 4, 0
            while time.monotonic() < end:  # as one does who watches
                token = {"Token": store.call("Tail", {"WaitSeconds": 1, **token})[1]["Token"]}
                answers += 1
            t.ok(answers < 12, "the records of Tail keep no Tail going: %d answers" % answers)
            for i in range(300):
                store.call("Status", key_id="stranger%d" % i, extra=[("User-Agent", "agent%d" % i)])
            for _ in range(200):
                store.call("Status")
        with Store(d, audit="true") as store:  # the end has written what waited
            got = audited(store)
        count = {}
        for e in got:
            key = (e["eventName"], e.get("errorCode"))
            n, records = count.get(key, (0, 0))
            count[key] = (n + e["additionalEventData"].get("repeatCount", 1), records + 1)
        t.equal(count[("Status", "UnrecognizedClientException")][0], 300, "strangers' requests")
        t.ok(count[("Status", "UnrecognizedClientException")][1] <= 2, "in two records at most: %r" % count)
        t.equal(count[("Status", None)][0], 200, "the same question")
        t.ok(count[("Status", None)][1] <= 2 and count[("Tail", None)][1] <= 3, "likewise: %r" % count)
        t.equal(count[("Tail", None)][0], answers, "all are counted")


def not_when_it_is_off(t):
    t.equal({e["eventName"] for e in audited(S["store"])}, {"PutObject"}, "audit: false; only what the hosts sent")


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        made = fill(d, COUNT, int(time.time()) - 4000, 10**9)
        S["made"] = {made.event_id(i) for i in range(COUNT)}
        with Store(d) as first:
            S["host"] = max(first.call("Status")[1]["Hosts"], key=lambda h: h["Records"])["HostId"]
            own = [h["HostId"] for h in first.call("Status")[1]["Hosts"] if h["HostId"] != S["host"]][0]
        profiles = "".join([profile("plain"), *(profile(r, role=r) for r in ROLES), profile("slow", role="reader", rate=2),
                            profile("here", role="administrator", hosts=S["host"]), profile("store", hosts="nobody, " + own), profile("nowhere", hosts="x"),
                            profile("elsewhere", accounts="123456789012"), profile("manage", categories="Management"),
                            profile("network", hosts=S["host"], categories="NetworkActivity, Insight")])
        S["store"] = Store(d, profiles)
        S["own"] = S["store"].metric("index_records") - COUNT
        tap.main([every_operation_is_in_the_table, each_role_and_each_operation, a_scope_takes_what_shows_all, who_sees_what, too_often, slips_in_the_credentials,
                  tls_beyond_loopback, secrets_are_the_stores_own,
                  secrets_that_others_may_read, metrics_beyond_loopback, every_request_is_a_record, what_repeats_is_one_record, not_when_it_is_off, a_clean_end])
