#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120 later=30
"""`hosttrail verify --event`: the proof of a record, checked here and by a third party; and a store that lies is not believed."""
import base64
import hashlib
import http.server
import json
import os
import random
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import tap  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key  # noqa: E402
from shipkit import STORED, Client, Pki, frame_hash, messages, new_stream  # noqa: E402
from storekit import Store  # noqa: E402

S = {}


def public_key(name):
    with open(S["pki"].file(name + ".sign"), "rb") as f:
        return load_pem_private_key(f.read(), None).public_key()


def hex_key(name):
    return public_key(name).public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def run(*args):
    """(exit status, the answer as JSON or None, all that was said)"""
    r = subprocess.run([tap.program("hosttrail"), "verify", "--format", "json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return r.returncode, json.loads(r.stdout) if r.stdout else None, r.stderr + r.stdout


def ask(event, *args):
    return run("--dir", S["dir"] + "/instance", "--event", event, *args)


def ship(stream, frames, host="host"):
    with Client(S["pki"], host, S["store"].ports["ingest"], S["pb"]) as c:
        got = [x[0] for x in c.ship(*frames)]
    if got != [STORED] * len(frames):
        raise tap.Failed("not stored: %r" % got)


def ids_of(stream):
    """eventIDs of a stream's records, oldest first."""
    S["store"].until(lambda: S["store"].metric("index_behind_bytes") == 0, "the index")
    pages = S["store"].boto().get_paginator("lookup_events").paginate()
    mine = [e["EventId"] for page in pages for e in page["Events"] if e["EventId"].replace("-", "")[:12] == stream[:12]]
    return mine[::-1]


def a_record_is_proven(t):
    bucketkit.instance(S["dir"])
    stream = S["stream"] = new_stream()
    S["frames"] = S["pki"].frames("host", stream, count=6)
    ship(stream, S["frames"])
    S["ids"] = ids_of(stream)
    t.equal(len(S["ids"]), 24, "records")
    event = S["event"] = S["ids"][9]		# in frame 2
    status, said, text = ask(event)
    t.equal((status, said and said["verdict"]), (1, "unvouched"), "only the store knows the key: " + text)
    status, said, text = ask(event, "--key", hex_key("host"))
    t.equal((status, said and said["verdict"], said["faults"]), (0, "valid", []), text)
    t.equal((said["hostId"], said["publicKey"], said["vouchedBy"]), (S["pki"].ids["host"], hex_key("host"), "key"), "who")
    t.equal((said["stream"], said["chain"], said["frame"], said["record"], said["before"], said["after"]), (stream, "data", 2, 1, True, 3), "where")
    t.equal(ask(event, "--key", hex_key("other"))[:1] + (ask(event, "--key", hex_key("other"))[1]["verdict"],), (1, "invalid"), "another host's key")
    status, said, text = ask(event, "--ca", S["dir"] + "/pki/ca.crt")
    t.equal((status, said and said["verdict"], said["vouchedBy"]), (0, "valid", "ca"), "by the certificate that the host showed: " + text)
    status, said, text = ask(event, "--ca", S["other_ca"])
    t.equal((status, said and said["verdict"]), (1, "invalid"), "another CA: " + text)
    t.equal(ask("4c1f0000-0000-4000-8000-000000000009")[0], 1, "no such record")
    t.equal(ask("nonsense")[0], 1, "no eventID")


def all_records_are(t):
    for i in random.sample(range(24), 6):
        status, said, text = ask(S["ids"][i], "--key", hex_key("host"))
        t.equal((status, said["frame"], said["record"]), (0, i // 4, i % 4), text)


def the_stores_own_record(t):
    own = S["store"].boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StoreStarted"}])["Events"]
    status, said, text = ask(own[0]["EventId"])
    t.equal((status, said["verdict"]), (1, "unvouched"), text)
    status, said, text = ask(own[0]["EventId"], "--key", said["publicKey"])
    t.equal((status, said["verdict"]), (0, "valid"), text)


def a_third_party_checks_the_file(t):
    path = S["proof"] = S["dir"] + "/proof"
    t.equal(ask(S["event"], "--key", hex_key("host"), "--output", path)[0], 0, "written")
    with open(S["dir"] + "/pub.pem", "wb") as f:
        subprocess.run(["openssl", "pkey", "-in", S["pki"].file("host.sign"), "-pubout"], stdout=f, check=True)
    for how in (("--key", hex_key("host")), ("--key", S["dir"] + "/pub.pem"), ("--ca", S["dir"] + "/pki/ca.crt")):
        status, said, text = run("--proof", path, *how)
        t.equal((status, said["verdict"], said["after"]), (0, "valid", 3), "%s: %s" % (how[0], text))
    status, said, text = run("--proof", path)
    t.equal((status, said["verdict"]), (1, "unvouched"), "without a key")
    r = subprocess.run([tap.program("hosttrail"), "verify", "--proof", path, "--key", hex_key("host"), "--format", "compact"], stdout=subprocess.PIPE, text=True)
    t.ok(r.returncode == 0 and r.stdout.splitlines()[-1].startswith("VALID "), r.stdout)


def python_finds_the_same(t):
    """Without our code: hashes, signatures and the chain from the file's bytes."""
    with open(S["proof"]) as f:
        p = json.load(f)
    key = public_key("host")
    t.equal(p["publicKey"], hex_key("host"), "the key")
    frame = base64.b64decode(p["frame"])
    t.ok(frame == S["frames"][2], "the frame is the one that was shipped")
    n = int.from_bytes(frame[4:6], "little")
    key.verify(frame[n - 68:n - 4], frame[:n - 68])
    t.equal(frame[68:100], hashlib.sha256(frame[n:]).digest(), "it names its payload")
    last = frame_hash(S["frames"][1])
    t.equal(frame[36:68], last, "and the frame before it")
    last = frame_hash(frame)
    for b in p["after"]:
        h = base64.b64decode(b)
        key.verify(h[-64:], h[:-64])
        t.equal(h[36:68], last, "each follows from the one before")
        last = hashlib.sha256(h[:-64]).digest()
    shown = S["store"].boto().lookup_events(LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": S["event"]}])["Events"][0]
    t.equal(p["record"], shown["CloudTrailEvent"], "the record is the one that is shown")
    t.ok(isinstance(key, Ed25519PublicKey), "Ed25519")


def a_changed_file_is_not_valid(t):
    with open(S["proof"], "rb") as f:
        text = f.read()
    for at in random.sample(range(len(text)), 40):
        data = bytearray(text)
        data[at] ^= 1 << random.randrange(8)
        with open(S["proof"] + "2", "wb") as f:
            f.write(data)
        status, said, all_said = run("--proof", S["proof"] + "2", "--key", hex_key("host"), "--ca", S["dir"] + "/pki/ca.crt")
        t.ok(status == 1 and (said is None or said["verdict"] == "invalid"), "byte %d: %s" % (at, all_said))


class Liar(http.server.BaseHTTPRequestHandler):
    """Hands requests on to the store, and changes its answers."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].split(".")[-1]
        prefix = self.headers["X-Amz-Target"].rsplit(".", 1)[0]
        status, answer = S["store"].call(operation, body, prefix=prefix)
        data = json.dumps(S["lie"](operation, answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def flip(text):
    data = bytearray(base64.b64decode(text))
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return base64.b64encode(data).decode()


def lie_about(where):
    def lie(operation, answer):
        if operation == "LookupEvents" and where == "record":
            answer["Events"][0]["CloudTrailEvent"] = answer["Events"][0]["CloudTrailEvent"].replace("/srv/", "/opt/", 1)
        if operation == "Prove" and where in ("Header", "Payload"):
            answer["Frame"][where] = flip(answer["Frame"][where])
        if operation == "Prove" and where == "chain":
            one = random.choice(answer["Chain"])
            header = bytearray(base64.b64decode(one["Header"]))
            header[random.randrange(12, len(header) - 4)] ^= 1
            one["Header"] = base64.b64encode(header).decode()
        if operation == "Prove" and where == "certificate":
            answer["Certificate"] = flip(answer["Certificate"])
        if operation == "Prove" and where == "key":
            answer["Frame"]["PublicKey"] = hex_key("other")
        if operation == "Prove" and where == "another":	# a sound frame, but not of this record
            return S["store"].call("Prove", {"EventId": S["ids"][0]})[1]
        return answer
    return lie


def a_store_that_lies(t):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    d = S["dir"] + "/liar"
    os.makedirs(d + "/store")
    os.symlink(S["store"].credentials, d + "/credentials")
    with open(d + "/store/ports", "w") as f:
        f.write("api %d\ningest 1\ntls 0\n" % server.server_port)
    how = ("--dir", d, "--event", S["event"], "--ca", S["dir"] + "/pki/ca.crt")
    S["lie"] = lambda operation, answer: answer
    status, said, text = run(*how)
    t.equal((status, said and said["verdict"]), (0, "valid"), "an honest one in between: " + text)
    for where in ("record", "Header", "Payload", "chain", "certificate", "key", "another"):
        S["lie"] = lie_about(where)
        for _ in range(4):
            status, said, text = run(*how)
            t.ok(status == 1 and (said is None or said["verdict"] == "invalid"), "%s: %s" % (where, text))
    server.shutdown()


def gaps_and_forks(t):
    stream = new_stream()
    frames = S["pki"].frames("host", stream, count=6)
    ship(stream, frames[:3] + frames[4:])
    fork = S["pki"].frames("host", stream, first=2, count=2, seed=7, previous=frame_hash(frames[1]))
    ids = ids_of(stream)
    status, said, text = ask(ids[1], "--key", hex_key("host"))
    t.equal((status, said["frame"], said["after"], said["gap"]), (0, 0, 2, True), "up to the gap: " + text)
    ship(stream, fork)
    ids_of(stream)
    status, said, text = ask(ids[1], "--key", hex_key("host"))
    t.equal((status, said["verdict"], said["after"]), (0, "valid", 3), "a clone's frames go on behind the same: " + text)
    ship(stream, frames[3:4])
    status, said, text = ask(ids[1], "--key", hex_key("host"))
    t.equal((status, said["verdict"]), (0, "valid"), "the gap filled: " + text)


def who_may_ask(t):
    status, answer = S["store"].call("Prove", {"EventId": "x"})
    t.equal((status, answer["__type"]), (400, "ValidationException"), "not an eventID")
    status, answer = S["store"].call("Prove", {})
    t.equal((status, answer["__type"]), (400, "ValidationException"), "none")
    status, answer = S["store"].call("Prove", {"EventId": S["event"], "NextToken": "x"})
    t.equal((status, answer["__type"]), (400, "InvalidNextTokenException"), "a wrong token")
    for args in (("--event", "a", "--proof", "b"), ("--key", "zz", "--proof", "x"), ("--ca", "x"), ("--event", "a", "--start", "2026-01-01")):
        t.equal(run(*args)[0], 2, "usage: %r" % (args,))


def many_frames(t):
    """More than one answer holds."""
    stream = new_stream()
    frames = S["pki"].frames("host", stream, count=1100, records=1)
    for i in range(0, len(frames), 100):
        ship(stream, frames[i:i + 100])
    ids = ids_of(stream)
    status, said, text = ask(ids[0], "--key", hex_key("host"))
    t.equal((status, said["after"]), (0, 1099), text)


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as top:
        S.update(dir=top, pb=messages(top), pki=Pki(top + "/pki"))
        S["other_ca"] = Pki(top + "/other").file("ca.crt")
        S["pki"].host("host")
        S["pki"].host("other")
        S["store"] = Store(top)
        tap.main([a_record_is_proven, all_records_are, the_stores_own_record, a_third_party_checks_the_file, python_finds_the_same,
                  a_changed_file_is_not_valid, a_store_that_lies, gaps_and_forks, who_may_ask, many_frames, a_clean_end])
