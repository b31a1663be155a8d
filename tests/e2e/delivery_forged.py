#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=180 long later=40
"""Somebody owns the bucket, the keys that sign digests, and the store's ledger: files that AWS's validate-logs calls valid, and
hosttrail verify does not, because no host signed what is in them."""
import calendar
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import shipkit  # noqa: E402
import tap  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: E402
from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: E402
from shipkit import Pki, messages  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store  # noqa: E402

S = {}


def ship():
    shipkit.ship(S["store"], S["pki"], S["pb"])


def delivered(n):
    S["store"].until(lambda: len(bucketkit.records(S["bucket"])) == n, "%d delivered records" % n)


def write(path, text, headers=None):
    os.chmod(path, 0o640)
    with open(path, "wb") as f:
        f.write(gzip.compress(text))
    if headers:
        os.chmod(path + ".headers", 0o640)
        with open(path + ".headers", "w") as f:
            f.write("".join("%s: %s\n" % h for h in headers.items()))


def private_key(fingerprint):
    with open("%s/digest-keys/%s.pem" % (S["dir"], fingerprint), "rb") as f:
        return load_pem_private_key(f.read(), None)


def sign_again(ledger):
    """All digests over the files as they are now, chained and signed by the store's own keys. Returns what the ledger would have to say."""
    last = {}
    rows = []
    for path in digests():
        d = json.loads(bucketkit.one_member(path))
        logs = [(log, os.path.join(S["bucket"], log["s3Object"])) for log in d["logFiles"]]
        d["logFiles"] = [dict(log, hashValue=hashlib.sha256(bucketkit.one_member(p)).hexdigest()) for log, p in logs if os.path.exists(p)]
        if d["previousDigestS3Object"]:
            d["previousDigestHashValue"], d["previousDigestSignature"] = last[d["previousDigestS3Object"]]
        text = json.dumps(d, separators=(",", ":")).encode()
        digest = hashlib.sha256(text).hexdigest()
        to_sign = "%s\n%s/%s\n%s\n%s" % (d["digestEndTime"], d["digestS3Bucket"], d["digestS3Object"], digest, d["previousDigestSignature"] or "null")
        signature = private_key(d["digestPublicKeyFingerprint"]).sign(to_sign.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
        write(path, text, {**bucketkit.headers(path), "x-amz-meta-signature": signature})
        last[d["digestS3Object"]] = (digest, signature)
        rows.append((digest, signature, d["digestS3Object"]))
    if ledger:
        ledger_says(rows)


def ledger_says(rows):
    with contextlib.closing(sqlite3.connect(S["dir"] + "/trails.db", timeout=30)) as db, db:
        db.executemany("UPDATE digests SET hash = ?, signature = ? WHERE key = ?", rows)


def restore():
    shutil.rmtree(S["bucket"])
    shutil.copytree(S["dir"] + "/untouched", S["bucket"])
    ledger_says(S["ledger"])


def digests():
    return sorted(bucketkit.files(S["bucket"], "CloudTrail-Digest"), key=lambda p: p.rsplit("_", 1)[1])


def log_files():
    """Oldest first."""
    return [os.path.join(S["bucket"], log["s3Object"]) for p in digests() for log in json.loads(bucketkit.one_member(p))["logFiles"]]


def change(fn, which=0):
    """The records of a log file, as text each, changed by fn."""
    path = log_files()[which]
    text = bucketkit.one_member(path).decode()
    rows = [json.dumps(r, separators=(",", ":"), ensure_ascii=False) for r in json.loads(text)["Records"]]
    if '{"Records":[' + ",".join(rows) + "]}" != text:
        raise tap.Failed("Python writes the records otherwise")
    ids = [json.loads(r)["eventID"] for r in rows]
    write(path, ('{"Records":[' + ",".join(fn(rows)) + "]}").encode())
    return ids


def alter():
    return change(lambda rows: [rows[0].replace("/srv/", "/opt/")] + rows[1:])[0], "is not as the host signed it"


def spell_otherwise():
    return change(lambda rows: [rows[0].replace('"eventVersion":', '"eventVersion": ', 1)] + rows[1:])[0], "is not as the host signed it"


def leave_out():
    return change(lambda rows: rows[1:])[0], "is in none of the log files that should have it"


def double():
    return change(lambda rows: rows + rows[:1])[0], "was delivered before"


def double_elsewhere():
    first = json.loads(bucketkit.one_member(log_files()[0]))["Records"][0]
    change(lambda rows: rows + [json.dumps(first, separators=(",", ":"), ensure_ascii=False)], 1)
    return first["eventID"], "was delivered before"


def invent():
    made = "01234567-89ab-8def-8123-456789abcdef"
    change(lambda rows: rows + [rows[0].replace(json.loads(rows[0])["eventID"], made)])
    return made, "no host signed its record"


def remove_a_file():
    path = log_files()[0]
    ids = [r["eventID"] for r in json.loads(bucketkit.one_member(path))["Records"]]
    os.unlink(path)
    return ids[-1], "is in none of the log files that should have it"


ATTACKS = [alter, leave_out, double, invent, spell_otherwise, double_elsewhere, remove_a_file]


def trail_of_three_parts(t):
    """Everything; then two kinds only; then it is stopped."""
    b = S["store"].boto()
    b.create_trail(Name="main", S3BucketName="logs", EnableLogFileValidation=True)
    b.put_event_selectors(TrailName="main", AdvancedEventSelectors=bucketkit.everything())
    ship()				# before it logs
    b.start_logging(Name="main")
    for _ in range(3):
        ship()
        time.sleep(0.3)
    delivered(24)
    b.put_event_selectors(TrailName="main", AdvancedEventSelectors=bucketkit.everything("Management"))
    ship()				# data events; the trail may come to them with these selectors or the next
    b.put_event_selectors(TrailName="main", AdvancedEventSelectors=bucketkit.everything("Data"))
    time.sleep(1.1)
    for _ in range(2):
        ship()
        time.sleep(0.3)
    b.stop_logging(Name="main")
    ship()				# after it
    S["store"].until(lambda: bucketkit.drained(S["dir"]), "the last digest")
    status, faults, said = bucketkit.verify(S["dir"])
    t.equal((status, faults), (0, []), "no fault: " + said)
    S["records"] = len(bucketkit.records(S["bucket"]))
    t.ok(S["records"] in (40, 48) and '"delivered":%d}' % S["records"] in said, said)


def a_restart_repeats_nothing(t):
    b = S["store"].boto()
    b.start_logging(Name="main")
    ship()
    S["store"].stop()
    S["store"].start()
    ship()
    S["store"].boto().stop_logging(Name="main")
    S["store"].until(lambda: bucketkit.drained(S["dir"]), "the last digest")
    status, faults, said = bucketkit.verify(S["dir"])
    t.equal((status, faults), (0, []), "no fault: " + said)
    t.ok('"delivered":%d}' % (S["records"] + 16) in said, said)


def forgeries_are_found(t):
    shutil.copytree(S["bucket"], S["dir"] + "/untouched")
    with contextlib.closing(sqlite3.connect(S["dir"] + "/trails.db", timeout=30)) as db:
        S["ledger"] = db.execute("SELECT hash, signature, key FROM digests").fetchall()
    for attack in ATTACKS[:size("delivery.forgeries")]:
        restore()
        event, want = attack()
        sign_again(True)
        name = attack.__name__
        if attack is alter or size("delivery.forgeries") == len(ATTACKS):
            status, said = bucketkit.validate(S["store"], S["dir"], "main", S["begin"] - 5, fresh=False)
            t.ok(status == 0 and "INVALID" not in said, "validate-logs finds nothing: %s: %s" % (name, said[-300:]))
        status, faults, said = bucketkit.verify(S["dir"])
        hits = [x for x in faults if event in x and want in x]
        t.ok(status == 1 and len(hits) == 1, "hosttrail verify: %s: %r %s" % (name, faults, said[-300:]))
        t.ok(len(faults) == 1 or name == "remove_a_file", "and nothing else: %r" % faults)
    restore()
    t.equal(bucketkit.verify(S["dir"])[:2], (0, []), "as it was: no fault")


def without_the_ledger(t):
    """Digests signed by the right key, of which the store knows nothing."""
    alter()
    sign_again(False)
    status, faults, said = bucketkit.verify(S["dir"])
    t.ok(status == 1 and any("not the one that the store remembers" in x for x in faults) and any("not as the host signed it" in x for x in faults), said)


def a_range_of_time(t):
    """Of the first part something is altered: a range without it is sound, one with it is not."""
    whole = lambda *args: bucketkit.verify(S["dir"], *args)
    restore()
    first = json.loads(bucketkit.one_member(next(p for p in digests() if json.loads(bucketkit.one_member(p))["logFiles"])))
    at = "%.3f" % (calendar.timegm(time.strptime(first["digestEndTime"], "%Y-%m-%dT%H:%M:%SZ")) + 0.5)
    for args in (("--start", at), ("--end", at), ("--start", "%.3f" % S["begin"], "--end", at)):
        status, faults, said = whole(*args)
        t.equal((status, faults), (0, []), "untouched, %s: %s" % (" ".join(args), said))
    event, _ = alter()
    sign_again(True)
    status, faults, said = whole("--start", at)
    t.equal((status, faults), (0, []), "what comes after it: " + said)
    status, faults, said = whole("--end", at)
    t.ok(status == 1 and any(event in x for x in faults), "what has it: " + said)


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as top:
        S.update(dir=top, bucket=top + "/bucket", pb=messages(top), pki=Pki(top + "/pki"), begin=time.time())
        S["pki"].host("host")
        S["store"] = Store(top, buckets=["logs %s/bucket" % top], delivery_interval="200ms", digest_period="1s")
        tap.main([trail_of_three_parts, a_restart_repeats_nothing, forgeries_are_found, without_the_ledger, a_range_of_time, a_clean_end])
