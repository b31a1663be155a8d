#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""Every call of all_calls, high-rate ones included, made to succeed and made to fail: its record says what helpers/rows.py states,
field by field: nothing missing, nothing more, every value equal."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import hookcases  # noqa: E402
import rowcheck  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402

RING = str(1 << 25)


def traced(d):
    path = os.path.join(d, "trail")
    os.mkdir(os.path.join(d, "calls"))
    argv = [os.path.join(tap.BUILD, "tests/live/smallrings"), path, RING, RING, RING, "all", tap.workload("all_calls"), os.path.join(d, "calls")]
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    m = re.search(r"^hosttrail: (\d+) records, (\d+) lost$", p.stderr, re.M)
    if not m:
        raise tap.Failed("smallrings said: " + p.stderr[-400:])
    return trail.Trace(trail.load(path), int(m.group(1)), int(m.group(2)), p.returncode, p.stdout, p.stderr)


def every_row(t):
    with tap.Workdir() as d:
        trace = traced(d)
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
        rowcheck.check(t, trace, hooks=hookcases.are_on())


if __name__ == "__main__":
    tap.main([every_row])
