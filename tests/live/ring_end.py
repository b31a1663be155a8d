#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120
"""Large entries that lie across the end of a ring are read whole: execs with long arguments, several times round the ring."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import trail  # noqa: E402

EXECS, BYTES = 150, 90_000  # thirteen megabytes through a ring of four, no faster than a busy machine reads them
SCRIPT = """
import os, time
for i in range(%d):
    pid = os.fork()
    if not pid:
        os.execv("/bin/true", ["true", "%%06d" %% i + "x" * %d])
    os.waitpid(pid, 0)
    time.sleep(0.01)
""" % (EXECS, BYTES)


def long_arguments(t):
    trace = trail.run(["/usr/bin/python3", "-S", "-c", SCRIPT])
    execs = [r for r in trace.calls("execve") if r.executable and r.request["argv"][0] == "true"]
    t.equal(sorted(r.request["argv"][1][:6] for r in execs), ["%06d" % i for i in range(EXECS)], "execs")
    t.equal({len(r.request["argv"][1]) for r in execs}, {BYTES + 6}, "lengths")
    t.equal((trace.lost, trace.lost_events()), (0, []), "lost")


long_arguments.title = "entries across the ring's end"

if __name__ == "__main__":
    tap.main([long_arguments])
