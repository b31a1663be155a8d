#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 later=20
"""Webhooks get records as EventBridge hands events on, signed, in order; a hook that fails gets what it missed."""
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import shipkit  # noqa: E402
import tap  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from storekit import Store  # noqa: E402

S = {"posts": [], "status": 200, "calls": 0}
SECRET = "hook-secret"


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = S["status"]
        S["calls"] += 1
        if status == 200:
            S["posts"].append((self.path, dict(self.headers), body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def ship(count):
    shipkit.ship(S["store"], S["pki"], S["pb"], count)


def posts(path):
    return [json.loads(body) for p, _, body in list(S["posts"]) if p == path]


def events_have_eventbridges_shape(t):
    ship(10)
    t.ok(tap.wait_for(lambda: len(posts("/data")) == 40), "one request each: %d" % len(posts("/data")))
    records = {e["EventId"]: json.loads(e["CloudTrailEvent"]) for page in S["store"].boto().get_paginator("lookup_events").paginate()
               for e in page["Events"]}
    for e in posts("/data"):
        t.equal(list(e), ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"], "members")
        t.equal((e["version"], e["detail-type"], e["source"], e["account"], e["region"], e["resources"]),
                ("0", "Host API Call via hosttrail", "hosttrail.file.linux", "000000000000", "local", []), "values")
        t.ok(e["detail"] == records.get(e["id"]) and e["time"] == e["detail"]["eventTime"], "the record")
    for path, headers, body in S["posts"]:
        want = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        t.equal(headers.get("X-Hosttrail-Signature"), want if path == "/data" else None, "signed where there is a secret")
        t.equal(headers["Content-Type"], "application/json", "type")
    want = {e["id"] for e in posts("/data") if e["detail"]["requestParameters"]["path"].endswith("7")}
    t.ok(tap.wait_for(lambda: len(posts("/pattern")) >= len(want)) and {e["id"] for e in posts("/pattern")} == want and len(want) == 4,
         "by a pattern: %d of %d" % (len(posts("/pattern")), len(want)))
    t.ok(tap.wait_for(lambda: posts("/plain") == []), "the other one takes management events that change something only: %r" % posts("/plain")[:1])


def what_it_misses_comes_later(t):
    S["status"], calls = 500, S["calls"]
    ship(10)
    t.ok(tap.wait_for(lambda: S["calls"] > calls and S["store"].metric("delivery_trails_failing") == 2), "it is tried, and counted")
    S["store"].kill()
    S["status"] = 200
    S["store"].start()
    t.ok(tap.wait_for(lambda: len({e["id"] for e in posts("/data")}) == 80), "all comes: %d" % len({e["id"] for e in posts("/data")}))
    order = [e["id"] for e in posts("/data")]
    t.equal(len(order), 80, "each once")
    t.ok(tap.wait_for(lambda: S["store"].metric("delivery_trails_failing") == 0), "nothing fails any more")
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "http://127.0.0.1:%d" % server.server_address[1]
        with open(os.open(d + "/hook-key", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("[default]\naws_access_key_id = none\naws_secret_access_key = %s\n" % SECRET)
        with open(d + "/data.json", "w") as f:
            json.dump([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}], f)
        with open(d + "/pattern.json", "w") as f:
            json.dump({"source": [{"prefix": "hosttrail."}], "$or": [{"region": ["nowhere"]}, {"detail": {
                "requestParameters": {"path": [{"wildcard": "/srv/*7"}]}, "errorCode": [{"exists": False}]}}]}, f)
        S.update(dir=d, pb=messages(d), pki=Pki(d + "/pki"))
        S["pki"].host("host")
        S["store"] = Store(d, webhooks=["signed %s/data credentials=%s/hook-key selectors=%s/data.json" % (url, d, d), "plain %s/plain" % url,
                                    "pattern %s/pattern pattern=%s/pattern.json" % (url, d)],
                           delivery_interval="200ms")
        tap.main([events_have_eventbridges_shape, what_it_misses_comes_later])
