#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""What flood control would cut is merged where it repeats: one record, how often, first and last time; and nothing is miscounted.

Made by the workload = the sum of repeatCount (1 where it is absent) + lost, exactly, also when workers and agents are killed.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import daemon  # noqa: E402
import tap  # noqa: E402
from flood import FLOODER, OTHER, PACED, RING, losses, paced, together  # noqa: E402
from invariant import blinking, numbers, run_small  # noqa: E402
from sizes import size  # noqa: E402

OPENS = size("flood.opens")
HIDDEN = 30


def asked(records, prefix, *names):
    """Calls of these names whose string begins with the prefix."""
    return sum(r.repeats for r in records if r.name in names and (r.asked() or r.asked("target") or "").startswith(prefix))


def opens(records, name):
    return [r for r in records if r.name == "openat" and r.asked() == name]


def stood_for(records):
    return sum(r.repeats for r in records)


def a_flood_of_the_same(t):
    """Every one of the flooder's opens is counted in a record or lost; the other user's are all there, one by one."""
    with tap.Workdir() as d:
        flood = [tap.workload("repeats"), str(OPENS), str(FLOODER), "0", "/nonexistent/flood"]
        trace = run_small(together(flood, paced(OTHER, PACED, 1, "/nonexistent/slow")), {"data": RING}, d, blinking(0.3, 0.2))
    same = opens(trace.records, "/nonexistent/flood-same")
    merged = [r for r in same if r.repeats > 1]
    _, by_who = losses(trace.records)
    said = numbers(trace.out)
    t.equal(trace.status, 0, "exit status")
    t.ok(merged, "nothing was merged: nothing was tested")
    t.equal(stood_for(same) + by_who[(FLOODER, "openat")], OPENS, "recorded and merged + lost")
    t.equal(set(by_who) - {(FLOODER, "openat")}, set(), "whose losses")
    t.equal(asked(trace.records, "/nonexistent/slow", "openat"), PACED * 9 // 10, "the other user's opens")
    t.equal([r for r in trace.records if r.repeats > 1 and r not in same], [], "merged, but not the flood's")
    for r in merged:
        first = int(r.more["firstEventTimeNanos"])
        t.must(said["begin"] <= first <= r.nanos <= said["end"], "times %d to %d, made %r" % (first, r.nanos, said))
        t.must((r.error, r.raw["userIdentity"].get("userName"), bool(r.executable)) == (same[0].error, same[0].raw["userIdentity"].get("userName"), True),
               "another result or somebody else: %r" % r.raw)
    t.note("%d records stand for %d, %d of them merged; %d lost" % (len(same), stood_for(same), len(merged), by_who[(FLOODER, "openat")]))


def distinct_ones_are_recorded(t):
    """A call that nobody made before hides in no flood of the same call: it is a record of its own."""
    with tap.Workdir() as d:
        flood = [tap.workload("repeats"), str(OPENS), str(FLOODER), str(OPENS // HIDDEN), "/nonexistent/flood"]
        trace = run_small(flood, {"data": 1 << 16}, d, blinking(0.01, 0.01))
    same = opens(trace.records, "/nonexistent/flood-same")
    _, by_who = losses(trace.records)
    t.ok(any(r.repeats > 1 for r in same), "nothing was merged: nothing was tested")
    hidden = [r for r in trace.records if r.name == "openat" and (r.asked() or "").startswith("/nonexistent/flood-hidden-")]
    t.equal(sorted(int(r.asked().rsplit("-", 1)[1]) for r in hidden), list(range(HIDDEN)), "hidden opens that were recorded")
    t.equal({r.repeats for r in hidden}, {1}, "each of its own")
    t.equal(stood_for(same) + by_who[(FLOODER, "openat")], OPENS, "recorded and merged + lost")


PR_GET_DUMPABLE = 3


def control_is_never_merged(t):
    """A flood of equal calls of that class, which change nothing of who makes them, is records and losses, nothing else."""
    calls = "import ctypes\nprctl = ctypes.CDLL(None).prctl\nfor _ in range(%d):\n    prctl(%d)" % (OPENS, PR_GET_DUMPABLE)
    with tap.Workdir() as d:
        trace = run_small(["/usr/bin/python3", "-c", calls], {"control": 1 << 14}, d, blinking(0.01, 0.01))
    by_cause, _ = losses(trace.records)
    asked = [r for r in trace.records if r.name == "prctl" and r.request["option"] == "PR_GET_DUMPABLE"]
    t.equal(len(asked) + by_cause[("control", "flood")] + by_cause[("control", "ringFull")], OPENS, "recorded + lost")
    t.ok(by_cause[("control", "flood")] > 0, "the ring was not pressed: nothing was tested")
    t.equal([r for r in trace.records if r.repeats > 1], [], "merged records")


def killed_agents(t):
    """What was merged waits in the kernel for the next worker or agent."""
    with tap.Workdir() as d:
        flood = [tap.workload("repeats"), str(OPENS * 4), str(FLOODER), "0", d + "/f"]
        with daemon.Agent(together(flood, paced(OTHER, PACED, 2, d + "/s")), ring_data=str(RING)) as a:
            a.start()
            a.go()
            a.go()  # `paced` waits for a line too
            kills = a.killed_by_turns()
            a.wait(lambda: a.status()["merged_by_class"]["data"], 30, "nothing was merged")
            a.stop()
            frames, records = a.everything()
        daemon.check_once(t, frames, records)
        stand_for, lost = daemon.opens_of(records, d + "/f"), daemon.lost_of(records, "data")
        t.note("%d kills, %d records, the opens stand for %d, %d lost" % (kills, len(records), stand_for, lost))
        t.ok(max(r.repeats for r in records) > 1, "no merged record")
        t.equal([r for r in records if r.first_time > r.time], [], "first after last")
        t.equal(stand_for + lost, OPENS * 4, "the flooder's opens: recorded and merged + lost")
        t.equal(daemon.opens_of(records, d + "/s"), PACED * 9 // 10, "the other user's opens")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([a_flood_of_the_same, distinct_ones_are_recorded, control_is_never_merged, killed_agents])
