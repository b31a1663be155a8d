#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""Every call of all_calls, high-rate ones included: made to succeed and made to fail, it is a record with its result and its fields."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import calltable  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402

RING = str(1 << 25)
LEAST = 300
# a call that comes back otherwise than it was asked, or whose arguments are gone when its record is made
NO_FIELDS = {"execve", "execveat", "vfork", "fork"}


def traced(d):
    path = os.path.join(d, "trail")
    os.mkdir(os.path.join(d, "calls"))
    argv = [os.path.join(tap.BUILD, "tests/live/smallrings"), path, RING, RING, RING, "all", tap.workload("all_calls"), os.path.join(d, "calls")]
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    m = re.search(r"^hosttrail: (\d+) records, (\d+) lost$", p.stderr, re.M)
    if not m:
        raise tap.Failed("smallrings said: " + p.stderr[-400:])
    return trail.Trace(trail.load(path), int(m.group(1)), int(m.group(2)), p.returncode, p.stdout, p.stderr)


def check_result(t, r, result):
    if result < 0:
        t.equal(-(r.errno or 0), result, "error of %r" % r)
    else:
        t.equal(r.error, None, "error of %r" % r)


def every_row(t):
    with tap.Workdir() as d:
        trace = traced(d)
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
        by_task = {}
        for r in trace.calls():
            by_task.setdefault((r.tid, r.name), []).append(r)
        made = [line.split() for line in trace.out.splitlines() if not line.startswith("none ")]
        seen = set()
        for name, pid, result in made:
            got = by_task.get((int(pid), name))
            if not got:
                if result != "-38":
                    t.fail("missing from the trail: %s of %s = %s" % (name, pid, result))
                continue
            seen.add(name)
            if result != "never":
                check_result(t, got[-1], int(result))
            missing = set() if name in NO_FIELDS else calltable.TABLE[name].always - set(got[-1].request)
            t.equal(missing, set(), "fields that %r lacks" % got[-1])
        t.ok(len(seen) >= LEAST, "only %d calls" % len(seen))
        t.note("%d calls, made %d times" % (len(seen), len(made)))


if __name__ == "__main__":
    tap.main([every_row])
