#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120
"""The records of one task come out of `hosttrail trace` in the order of their calls, however long a pass over the rings takes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import trail  # noqa: E402

W = os.path.join(tap.BUILD, "tests/workloads")

# Passes that take long, because of the opens; meanwhile programs that were never seen, so that each pass begins with hashes.
SCRIPT = """
%s/opens 100000 1 /none/n & flood=$!
i=0
while kill -0 $flood 2>/dev/null; do
	i=$((i + 1))
	cp /bin/cat ./cat.$i
	./cat.$i /dev/null ./none 2>/dev/null
done
wait
echo "$i programs"
""" % W


def ordered(t):
    with tap.Workdir() as d:
        trace = trail.run(["/bin/sh", "-c", SCRIPT], cwd=d)
    t.equal(trace.status, 0, "exit status (%s)" % trace.err)
    t.ok(int(trace.out.split()[-2]) > 5, "programs that ran meanwhile: " + trace.out)
    last, late = {}, []
    for r in trace.calls():
        before = last.get(r.tid)
        if before and r.nanos < before.nanos:
            late.append("%r after %r" % (r, before))
        last[r.tid] = r
    t.equal(late[:3], [], "out of order, %d in all" % len(late))


ordered.title = "a task's records are in the order of its calls"

if __name__ == "__main__":
    tap.main([ordered])
