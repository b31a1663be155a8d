#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1800 long later=50
"""A real trail: the agent records a tree of ordinary work that this test starts (git, tar, a compiler, Python, find, SQLite, shells, stress-ng), a trail delivers
it, and the lake answers the same questions as SQLite does over the delivered files (lakeoracle.py). Notes the bytes of a record at rest."""
import glob
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import bucketkit  # noqa: E402
import lakeoracle  # noqa: E402
import tap  # noqa: E402
from instance import Instance  # noqa: E402
from sizes import size  # noqa: E402

RECORDS = size("lake.real_records")
PATIENCE = 4 * 3600  # seconds; only what never ends takes so long
# One round of work in a folder of its own; it waits for a line before each.
WORK = r"""
cd "$1"
while read -r n; do
  mkdir "$n"; (
    cd "$n"
    git init -q repo; cd repo; git config user.email a@example.org; git config user.name A
    for i in 1 2 3 4; do mkdir d$i; for k in 1 2 3 4 5 6; do echo "$i $k" >d$i/f$k.c; done; git add .; git commit -q -m "commit $i"; done
    git mv d1/f1.c d1/g1.c; git commit -q -m moved; git log --stat | wc -l; cd ..
    git clone -q repo clone; tar -czf t.tgz clone; mkdir x; tar -xzf t.tgz -C x; find x -type f -exec grep -c 1 {} +
    printf '#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n' >a.c; gcc -O1 -o a a.c; ./a
    for i in 1 2 3; do cut -d: -f1 /etc/passwd | sort -u | tee out.$i; done
    sqlite3 t.db "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2); PRAGMA journal_mode=WAL; UPDATE t SET a=3; SELECT * FROM t;"
    /usr/bin/python3 -m test -q test_glob test_tempfile test_shutil
    stress-ng --temp-path . --timeout 5 --dentry 1 --dentry-ops 20 --rename 1 --rename-ops 20 --xattr 1 --xattr-ops 2 --fork 1 --fork-ops 10 --sock 1 --sock-ops 2
    chmod -R go-w .
  ) >/dev/null 2>&1
  rm -rf "$n"; echo "$n"
done
"""
S = {}


def client(instance):
    import boto3
    import botocore.config
    with open(instance.path("credentials")) as f:
        known = dict(line.strip().split(" = ") for line in f if " = " in line)
    with open(instance.path("store/ports")) as f:
        port = re.search(r"^api (\d+)$", f.read(), re.M).group(1)
    return boto3.client("cloudtrail", endpoint_url="http://127.0.0.1:" + port, region_name="local", aws_access_key_id=known["aws_access_key_id"],
                        aws_secret_access_key=known["aws_secret_access_key"], config=botocore.config.Config(**lakeoracle.PATIENT))


def sealed(instance):
    """Records and bytes of all segments."""
    import sqlite3
    db = sqlite3.connect("file:%s?mode=ro" % instance.path("store/lake.db"), uri=True)
    try:
        return db.execute("SELECT coalesce(sum(nrows), 0), coalesce(sum(bytes), 0), count(*) FROM segment").fetchone()
    finally:
        db.close()


def start_all(instance, pid):
    instance.configure("hosttrail-store", delivery_interval="1s", audit="false")  # what is asked is no record
    with open(instance.path("etc/hosttrail-store.yaml")) as f:
        S["bucket"] = re.search(r'^\s+- "?logs ([^"\n]+)', f.read(), re.M).group(1)
    instance.configure("hosttraild", scope="tree %d" % pid)
    instance.start("hosttrail-store")
    c = client(instance)
    c.create_trail(Name="all", S3BucketName="logs")
    c.put_event_selectors(TrailName="all", AdvancedEventSelectors=bucketkit.everything())
    c.start_logging(Name="all")
    instance.start("hosttrail-forward")
    instance.start("hosttraild")
    return c


def ordinary_work_is_recorded(t):
    instance = S["instance"]
    os.mkdir(instance.path("work"))
    work = subprocess.Popen(["sh", "-c", WORK, "work", instance.path("work")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        S["client"] = start_all(instance, work.pid)
        rounds, begin = 0, time.monotonic()
        while not rounds or sealed(instance)[0] < RECORDS * 1.01:  # some are the trail's own
            rounds += 1
            work.stdin.write("%d\n" % rounds)
            work.stdin.flush()
            t.must(work.stdout.readline() == "%d\n" % rounds, "the work ended")
        work.stdin.close()
        t.equal(work.wait(60), 0, "the work's exit status")
        t.equal(instance.stop("hosttraild"), 0, "the agent's exit status")
        t.ok(instance.drained(600), "the forwarder did not ship everything")
        t.note("%d rounds of work in %.0f s" % (rounds, time.monotonic() - begin))
    finally:
        work.kill()


def answers_are_the_same(t):
    instance, c = S["instance"], S["client"]
    c.stop_logging(Name="all")
    t.must(tap.wait_for(lambda: bucketkit.drained(instance.path("store")), PATIENCE), "all is delivered")
    db, n = lakeoracle.read_files(S["bucket"], instance.path("oracle.db"))
    t.ok(n >= RECORDS, "%d records" % n)
    ours, theirs = lakeoracle.compare(t, c, db, answered=False)
    t.note("%d questions over %d real records: the lake %.1f s, SQLite %.1f s" % (len(lakeoracle.QUESTIONS), n, ours, theirs))
    S["n"] = n
    db.close()


def bytes_at_rest(t):
    """What the segments take, and the log files of the same records: not asserted, the goal is for a trail of full size."""
    rows, size_of, segments = sealed(S["instance"])
    logs = sum(os.path.getsize(p) for p in bucketkit.files(S["bucket"], "CloudTrail"))
    journal = sum(os.path.getsize(p) for p in glob.glob(S["instance"].path("store/journal/*.jnl")))
    t.ok(rows > 0, "segments")
    t.note("bytes of a record: %.1f in Parquet (%d segments, %d records), %.1f in JSON.gz, %.1f in the journal" %
           (size_of / rows, segments, rows, logs / S["n"], journal / S["n"]))


if __name__ == "__main__":
    with Instance() as S["instance"]:
        tap.main([ordinary_work_is_recorded, answers_are_the_same, bytes_at_rest])
