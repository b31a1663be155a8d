#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=90
"""The invariant across SIGKILL: floods on all CPUs over pinned rings that are far too small, while the agent is killed and
restarted. In every class generated = at the store + counted as lost, exactly; the other classes lose nothing."""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "live"), os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import invariant  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
from instance import Instance  # noqa: E402
from sizes import size  # noqa: E402

CPUS = os.cpu_count() or 1
# of each class, so small that what comes while no agent reads does not fit
SMALL = {"control": "16K", "process": "16K", "data": "16K"}


def of_stream(records, stream):
    """Those of this stream: its first 48 bits stand in an event id before the version."""
    return [r for r in records if r.event_id.replace("-", "")[:12] == stream[:12]]


def while_killed(t, instance, ring, command):
    """What the store has of command, recorded over a small ring of this class by an agent that is killed meanwhile; and the
    workload's output."""
    work = subprocess.Popen(["/bin/sh", "-c", 'read go; exec "$@"', "sh", *command], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    kills = 0
    try:
        # without its self-test, whose calls a flood of root's would cut, too
        instance.configure("hosttraild", scope="tree %d" % work.pid, self_test=False, **{"ring_" + ring: SMALL[ring]})
        instance.start_all()
        stream = instance.status("hosttraild")["stream"]
        work.stdin.write("go\n")
        work.stdin.close()
        while work.poll() is None and kills < size("restarts.kills"):
            time.sleep(0.05)
            instance.kill("hosttraild")
            kills += 1
            instance.start("hosttraild")
        out = work.stdout.read()
        t.equal(work.wait(), 0, "the workload's exit status")
        time.sleep(1)
        t.equal(instance.status("hosttraild")["stream"], stream, "one stream all the time")
        t.equal(instance.stop("hosttraild"), 0, "the agent's exit status at SIGTERM")
        t.ok(instance.drained(), "the forwarder did not ship everything")
        time.sleep(1)
    finally:
        work.kill()
        if t.failures:
            t.note(instance.logs().replace("\n", "\n# "))
    t.note("%d kills" % kills)
    t.ok(kills >= 1, "killed in the flood")
    records = of_stream(instance.lookup(), stream)
    trace = trail.Trace(records, len(records), 0, 0, out, "")
    trace.lost = sum(invariant.lost(trace).values())
    return trace


def flood(ring, command, generated):
    def run(t):
        with tap.Workdir() as d, Instance() as instance:
            trace = while_killed(t, instance, ring, [w.format(D=d) for w in command])
            invariant.settle(t, trace, generated(d, invariant.numbers(trace.out)), ring)
    run.title = "flood of " + os.path.basename(command[0])
    return run


CASES = [
    flood("data", [tap.workload("opens"), str(size("restarts.opens")), str(CPUS), "{D}/n"],
          lambda d, done: invariant.calls_of("opens", "data", d, done, d + "/n")),
    flood("process", [tap.workload("execs"), str(size("restarts.execs")), str(CPUS)],
          invariant.calls_of_execs),
    flood("control", [tap.workload("creds"), str(size("restarts.creds")), str(CPUS)],
          lambda d, done: invariant.calls_of("creds", "control", d, done)),
]

if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main(CASES)
