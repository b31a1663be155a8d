#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=40
"""Segments that are sealed beside one another and merged on a disk that is full or fails at each step on their way, and a store that is killed there: all records
are in SQL, once, and no file is left that the manifest does not know: while the store goes on where it can clean up, and after the next start in any case."""
import concurrent.futures
import errno
import glob
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
from faults import KILLED, KILLED_AFTER, Faults  # noqa: E402
from movedclock import MovedClock  # noqa: E402
from shipkit import STORED, Client, Pki, messages  # noqa: E402
from storekit import Store, fill, frames  # noqa: E402

AWS, RECORDS, PER_FRAME, SEGMENT = "CloudTrail_20131101", 4000, 100, 400     # ten segments, small enough to be merged
MERGE = 11     # those and one of the rest
ON_DISK = (  # call, path, which of them, behind so many segments: what fails there
    ("open", ".parquet.tmp", 2, 0), ("write", ".parquet.tmp", 2, 0), ("sync", ".parquet.tmp", 2, 0), ("rename", ".parquet", 2, 0), ("syncdir", "/day=", 2, 0),
    ("mkdir", "/day=", 1, 0), ("pwrite", "lake.db-wal", 1, 1), ("sync", "lake.db-wal", 2, 1),
    ("write", ".parquet.tmp", 1, MERGE), ("rename", ".parquet", 1, MERGE), ("syncdir", "/day=", 1, MERGE + 1), ("pwrite", "lake.db-wal", 1, MERGE + 1))


class Killed(Store):
    """That may be killed before it is there."""

    def start(self, wait=True):
        try:
            super().start(wait)
        except tap.Failed:
            if self.child.poll() is None:
                raise


class Sealed:
    """A store over a journal that was there before it, on a disk with faults."""

    def __init__(self, d):
        self.dir, self.faults = d, Faults(d)
        fill(d, RECORDS, time.time() - 100, 1_000_000, per_frame=PER_FRAME)

    def start(self):
        self.store = Killed(self.dir, environ=self.faults.environ, ready=False, lake_seal_records=str(SEGMENT), lake_seal_time="100ms", lake_memory="256M")

    def again(self):
        self.store.start(wait=False)

    def files(self):
        return sorted(glob.glob(os.path.join(self.dir, "lake", "*-*-*-*-*", "day=*", "*")))

    def manifest(self):
        db = sqlite3.connect("file:%s/lake.db?mode=ro" % self.dir, uri=True)
        try:
            return sorted(os.path.join(self.dir, "lake", r[0]) for r in db.execute("SELECT path FROM segment"))
        finally:
            db.close()

    def rows(self, sql):
        self.store.until(lambda: self.store.get("/readyz")[0] == 200 and self.store.metric("lake_ready") == 1, "a lake")
        query = self.store.call("StartQuery", {"QueryStatement": sql}, prefix=AWS)[1]["QueryId"]
        while True:
            got = self.store.call("GetQueryResults", {"QueryId": query}, prefix=AWS)[1]
            if got["QueryStatus"] not in ("QUEUED", "RUNNING"):
                return [[v for cell in row for v in cell.values()] for row in got.get("QueryResultRows", [])] or got
            time.sleep(0.02)

    def count(self):
        return self.rows("SELECT count(*) AS n, count(DISTINCT eventid) AS ids FROM events WHERE hostname = 'kit'")

    def settled(self):
        """All is sealed, and what can be merged is: the manifest does not change any more."""
        self.store.until(lambda: self.store.metric("lake_ready") == 1 and self.store.metric("lake_unsealed_records") == 0, "sealing")
        self.store.until(lambda: self.store.metric("lake_merges_total") or len(self.manifest()) < 8, "merging")


def all_is_there(t, s, what):
    s.settled()
    t.equal(s.count(), [[str(RECORDS)] * 2], "%s: all records, once" % what)
    t.ok(tap.wait_for(lambda: s.files() == s.manifest(), 10), "%s: files that the manifest does not know: %s" % (what, sorted(set(s.files()) ^ set(s.manifest()))))


def both(ways, rows):
    """At everyday size one of them each, in turns."""
    return [(way, *x) for i, x in enumerate(rows) for k, way in enumerate(ways) if os.environ.get("HT_LONG") == "1" or i % 2 == k]


def all_at_once(t, one, rows):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: one(t, *row), rows))


def failed(t, code, call, part, at, segments):
    what = "%s of %s no. %d behind %d: %s" % (call, part, at, segments, os.strerror(code))
    with tap.Workdir() as d:
        s = Sealed(d)
        s.faults.begin(call, part, code, at, segments=segments)
        s.start()
        t.ok(tap.wait_for(lambda: "sealed" in s.store.stderr(), 20), "%s: %s" % (what, s.store.stderr()))
        time.sleep(0.1)
        t.equal(s.store.child.poll(), None, "%s: it goes on" % what)
        t.ok(tap.wait_for(lambda: set(s.files()) <= set(s.manifest()), 10), "%s: files that are left while it fails: %s" % (what, set(s.files()) - set(s.manifest())))
        s.faults.end()
        all_is_there(t, s, what)
        t.equal(s.store.stop(), 0, "%s: its end" % what)


def killed(t, how, call, part, at, segments):
    what = "%s %s of %s no. %d behind %d" % ("before" if how == KILLED else "after", call, part, at, segments)
    with tap.Workdir() as d:
        s = Sealed(d)
        s.faults.begin(call, part, how, at, count=1, segments=segments)
        s.start()
        t.ok(tap.wait_for(lambda: s.store.child.poll() is not None, 20), "%s: killed" % what)
        s.store.errors.close()
        s.faults.end()
        s.again()
        all_is_there(t, s, what)
        t.equal(s.store.stop(), 0, "%s: its end" % what)


def each_step_fails(t):
    """And then it does not any more."""
    all_at_once(t, failed, both((errno.ENOSPC, errno.EIO), ON_DISK))


def killed_at_each_step(t):
    steps = [x for x in ON_DISK if x[0] != "mkdir"] + [("rename", ".parquet", 1, 0), ("rename", ".parquet", 3, 0), ("unlink", ".parquet", 1, MERGE)]
    all_at_once(t, killed, both((KILLED, KILLED_AFTER), steps))


def a_clock_that_is_set_back_holds_no_sealing_up(t):
    """Records that came tomorrow, as the clock then said, do not wait for that day."""
    with tap.Workdir() as d:
        clock, pb, pki = MovedClock(d), messages(d), Pki(os.path.join(d, "pki"))
        pki.host("host")
        store = Store(d, environ=clock.environ, lake_seal_time="3s", lake_memory="256M")
        sent = frames(pki, "host", 3000, time.time() - 100, 1_000_000, 500)
        with Client(pki, "host", store.ports["ingest"], pb) as c:
            for at, ahead in ((0, 0), (2, 86400), (4, 3600)):
                clock.set(ahead)
                t.equal({r[0] for r in c.ship(*sent[at:at + 2])}, {STORED}, "frames at +%d s" % ahead)
        clock.set(0)
        store.until(lambda: store.metric("lake_unsealed_records") == 0, "sealing", 20)
        s = Sealed.__new__(Sealed)
        s.store, s.dir = store, d
        t.equal(s.count(), [["3000"] * 2], "all records, once")
        t.ok(tap.wait_for(lambda: s.files() == s.manifest(), 10), "files: %s" % sorted(set(s.files()) ^ set(s.manifest())))
        t.equal(store.stop(), 0, "its end")


if __name__ == "__main__":
    tap.main([each_step_fails, killed_at_each_step, a_clock_that_is_set_back_holds_no_sealing_up])
