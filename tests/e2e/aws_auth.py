#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may ask the store: Signature Version 4 as AWS's clients make it, and each way to get it wrong; and HTTP as nobody
should speak it."""
import datetime
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from storekit import SECRET, Store, fill  # noqa: E402

S = {}
DAY = datetime.timedelta(days=1)


def now(seconds=0):
    return datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)


def refused(t, name, why, words="", **how):
    status, answer = S["store"].call("Status", **how)
    t.ok(status == 400 and isinstance(answer, dict) and answer.get("__type") == name, "%s: %s %r" % (why, status, answer))
    if isinstance(answer, dict):
        t.ok(words in answer.get("message", ""), "%s: message %r" % (why, answer.get("message")))


def taken(t, why, **how):
    status, answer = S["store"].call("Status", **how)
    t.equal(status, 200, "%s: %r" % (why, answer))


def good_signatures(t):
    taken(t, "plain")
    taken(t, "Date instead of X-Amz-Date", date_header="Date")
    taken(t, "four minutes early", when=now(-240))
    taken(t, "four minutes late", when=now(240))
    taken(t, "folded header", extra=[("X-Amz-Meta-A", "  a   b\t c ")])
    taken(t, "a header twice", extra=[("X-Amz-Meta-A", "1"), ("X-Amz-Meta-A", "2")])
    taken(t, "x-amz-user-agent may stay unsigned", extra=[("X-Amz-User-Agent", "aws-sdk-js")], unsigned=["X-Amz-User-Agent"])
    taken(t, "query", path="/?a=b&c=d%20e")


def no_or_malformed_authorization(t):
    refused(t, "MissingAuthenticationTokenException", "no Authorization", drop=["Authorization"])
    for text in ["", "Basic YTpi", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512 Credential=a/b/c/d/aws4_request"]:
        refused(t, "IncompleteSignatureException", repr(text), authorization=lambda a, text=text: text)
    for part in ["Credential", "SignedHeaders", "Signature"]:
        def without(a, part=part):
            algorithm, rest = a.split(" ", 1)
            return algorithm + " " + ", ".join(p for p in rest.split(", ") if not p.startswith(part + "="))
        refused(t, "IncompleteSignatureException", "without " + part, "'%s'" % part, authorization=without)
        refused(t, "IncompleteSignatureException", part + " twice",
                authorization=lambda a, part=part: a + ", " + next(p for p in a.split(" ", 1)[1].split(", ") if p.startswith(part)))
    refused(t, "IncompleteSignatureException", "short credential", authorization=lambda a: a.replace("/aws4_request", ""))
    refused(t, "IncompleteSignatureException", "65 signed headers",
            authorization=lambda a: a.replace("SignedHeaders=", "SignedHeaders=" + "a;" * 65))


def headers_that_must_be_signed(t):
    refused(t, "IncompleteSignatureException", "Host unsigned", "SignedHeader", unsigned=["Host"])
    refused(t, "IncompleteSignatureException", "date unsigned", "SignedHeader", unsigned=["X-Amz-Date"])
    refused(t, "IncompleteSignatureException", "target unsigned", "SignedHeader", unsigned=["X-Amz-Target"])
    refused(t, "IncompleteSignatureException", "no date", "Date", drop=["X-Amz-Date"])
    refused(t, "IncompleteSignatureException", "malformed date", changed=[("X-Amz-Date", "yesterday")])
    refused(t, "InvalidSignatureException", "a signed header is missing", drop=["Content-Type"])


def wrong_keys(t):
    refused(t, "UnrecognizedClientException", "unknown key", "security token", key_id="AKIAUNKNOWN")
    refused(t, "InvalidSignatureException", "wrong secret", "does not match", secret=SECRET[:-1])
    refused(t, "InvalidSignatureException", "signature cut", authorization=lambda a: a[:-1])
    refused(t, "InvalidSignatureException", "signature of another case", authorization=lambda a: a[:-64] + a[-64:].upper())
    client = S["store"].boto(secret="x" * 40)
    try:
        client.lookup_events()
        t.fail("boto3 with a wrong secret")
    except client.exceptions.ClientError as e:
        t.equal(e.response["Error"]["Code"], "InvalidSignatureException", "boto3 with a wrong secret")


def altered_requests(t):
    refused(t, "InvalidSignatureException", "altered body", sent_body=b'{"MaxResults":1}')
    refused(t, "InvalidSignatureException", "altered target",
            changed=[("X-Amz-Target", "CloudTrail_20131101.ListTrails")])
    refused(t, "InvalidSignatureException", "altered date", changed=[("X-Amz-Date", now(-60).strftime("%Y%m%dT%H%M%SZ"))])
    refused(t, "InvalidSignatureException", "altered host", changed=[("Host", "elsewhere:1")])
    refused(t, "InvalidSignatureException", "content hash of another body", extra=[("X-Amz-Content-Sha256", "0" * 64)])
    refused(t, "InvalidSignatureException", "unsigned payload", extra=[("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")])


def replays_and_clocks(t):
    refused(t, "InvalidSignatureException", "six minutes old", "Signature expired", when=now(-360))
    refused(t, "InvalidSignatureException", "six minutes ahead", "not yet current", when=now(360))
    refused(t, "InvalidSignatureException", "a year old", "Signature expired", when=now() - 365 * DAY)
    yesterday = (now() - DAY).strftime("%Y%m%d")
    refused(t, "InvalidSignatureException", "yesterday's key", "Date in Credential scope", scope_date=yesterday)


def wrong_scopes(t):
    refused(t, "InvalidSignatureException", "another service", "correct service: 'cloudtrail'", service="s3")
    refused(t, "InvalidSignatureException", "another region", "valid region", region="us-east-1")
    code, text = S["store"].aws("lookup-events", region="eu-west-1", check=False)
    t.ok(code and "InvalidSignatureException" in text, "the CLI in another region: " + text)


def bodies(t):
    store, trail = S["store"], "CloudTrail_20131101"
    for body in [b"[]", b"1", b"{", b"{} {}", b'{"MaxResults":"five"}', b'{"LookupAttributes":{}}', b'{"LookupAttributes":[1]}',
                 b'{"StartTime":"now"}', b'{"NextToken":7}', b"{" + b'"a":{' * 40 + b"}" * 41, b'{"a":"\xff"}', b'{"StartTime":1e999}']:
        status, answer = store.call("LookupEvents", body, prefix=trail)
        t.ok(status == 400 and answer["__type"] == "SerializationException", "%r: %r" % (body[:40], answer))
    t.equal(store.call("LookupEvents", b"", prefix=trail)[0], 200, "an empty body is {}")
    t.equal(store.call("LookupEvents", b"{}\n", prefix=trail)[0], 200, "a newline behind")
    t.equal(store.call("LookupEvents", {"Colour": 1, "MaxResults": 1}, prefix=trail)[0], 200, "unknown members are ignored")
    status, answer = store.call("LookupEvents", b" " * 70000, prefix=trail)
    t.equal((status, answer["__type"]), (413, "RequestEntityTooLargeException"), "a large body")


def connect():
    return socket.create_connection(("127.0.0.1", S["store"].ports["api"]), timeout=60)


def raw(data, chunk=1 << 16):
    """What comes back, however rude the request."""
    out = b""
    with connect() as s:
        try:
            for i in range(0, len(data), chunk):
                s.sendall(data[i:i + chunk])
        except OSError:
            pass
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                out += piece
                if b"\r\n\r\n" in out:
                    break
        except OSError:
            pass
    return out.split(b"\r\n")[0].decode(errors="replace")


def hostile_http(t):
    def answered(line, *codes):
        return line == "" or any(" %d" % c in line for c in codes)
    big = raw(b"POST / HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * (100 << 20))
    t.ok(answered(big, 400, 413, 414, 431), "a header of 100 MB: %r" % big)
    many = raw(b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(5_000_000 // 10)))
    t.ok(answered(many, 400, 413, 431), "half a million headers: %r" % many)
    some = raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: AWS4-HMAC-SHA256 a\r\n" +
               b"".join(b"X-%d: 1\r\n" % i for i in range(300)) + b"\r\n")
    t.ok(answered(some, 400, 413, 431), "300 headers: %r" % some)
    t.ok(answered(raw(b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n"), 400, 404, 414, 431), "a long path")
    t.ok(answered(raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"), 400, 413), "absurd length")
    t.ok(answered(raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n" + b"x" * (1 << 20)), 413), "100 MB declared")
    t.ok(answered(raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(600)), 400), "TLS to the plain port")
    t.ok(" 405" in raw(b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n"), "DELETE")
    t.ok(" 404" in raw(b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), "GET of a file")
    chunks = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"8000\r\n" + b"x" * 32768 + b"\r\n"
    t.ok(answered(raw(chunks + (b"8000\r\n" + b"x" * 32768 + b"\r\n") * 8 + b"0\r\n\r\n"), 413), "a large body in chunks")
    taken(t, "and then a good request")


def slow_clients(t):
    clients = [connect() for _ in range(40)]
    for c in clients:
        c.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
    begin, closed = time.monotonic(), 0
    taken(t, "others are served meanwhile")
    clients_left = list(clients)
    while clients_left and time.monotonic() - begin < 45:
        for c in list(clients_left):
            try:
                c.sendall(b"X")
                c.setblocking(False)
                if c.recv(10) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                c.setblocking(True)
            except OSError:
                clients_left.remove(c)
                closed += 1
        time.sleep(1)
    for c in clients:
        c.close()
    t.equal(closed, 40, "clients that send a byte a second lose their connections")
    t.ok(time.monotonic() - begin < 40, "within their deadline")
    t.ok(S["store"].metric("api_slow_total") >= 40, "and are counted")


def many_connections(t):
    idle = []
    try:
        for _ in range(600):
            idle.append(connect())
    except OSError:
        pass
    for c in idle:
        c.close()
    time.sleep(0.3)
    taken(t, "after 600 connections")


NUMBER = re.compile(r"^\d+(\.\d+)?$")  # seconds have a fraction


def without_a_signature(t):
    t.equal(S["store"].get("/healthz"), (200, "ok\n"), "/healthz")
    t.equal(S["store"].get("/readyz"), (200, "ready\n"), "/readyz")
    status, text = S["store"].get("/metrics")
    t.equal(status, 200, "/metrics")
    for line in text.splitlines():
        t.ok(line.startswith("# ") or (line.startswith("hosttrail_store_") and NUMBER.match(line.split()[1])), "line " + line)
    names = [line.split()[0] for line in text.splitlines() if not line.startswith("#")]
    t.equal(len(names), len(set(names)), "each metric once")
    t.ok(S["store"].metric("api_unauthenticated_total") > 20, "refused requests are counted")


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        S["made"] = fill(d, 1000, int(time.time()) - 4000, 50_000_000)
        S["store"] = Store(d)
        tap.main([good_signatures, no_or_malformed_authorization, headers_that_must_be_signed, wrong_keys, altered_requests,
                  replays_and_clocks, wrong_scopes, bodies, hostile_http, slow_clients, many_connections, without_a_signature,
                  a_clean_end])
