#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=420 long san
"""Calls while the four programs are SIGKILLed at random moments and restarted: every call is at the store exactly once, or is
counted in a RecordsLost. Seed: HT_SEED."""
import collections
import os
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
from instance import Instance  # noqa: E402
from sizes import size  # noqa: E402

CALLS, ROUNDS = size("kill.calls"), size("kill.rounds")
SECONDS = ROUNDS * 1.5
VICTIMS = ("hosttraild", "hosttrail-forward", "hosttrail-store", "hosttrail")


def start_workload(prefix):
    return subprocess.Popen([tap.workload("paced"), str(CALLS), str(SECONDS), prefix], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


class Tail:
    """The fourth program: `hosttrail tail`, which only reads."""

    def __init__(self, instance):
        self.argv, self.process = [tap.program("hosttrail"), "tail", "--dir", instance.dir], None

    def start(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


def kill_one(instance, tail, victim, rng):
    if victim == "hosttrail":
        tail.kill()
        tail.start()
        return victim
    what = victim
    if victim == "hosttraild":
        # its parent, or one of the processes that the parent watches over
        pid = rng.choice(instance.pids(victim))
        what += " (parent)" if pid == instance.running[victim].pid else " (child)"
        os.kill(pid, signal.SIGKILL)
        if "child" in what:
            time.sleep(0.2)
    instance.kill(victim)
    time.sleep(rng.uniform(0, 0.4))
    instance.start(victim, wait=False)
    return what


def settle(t, instance, prefix, done):
    opens = [r for r in instance.lookup("EventName=openat") if (r.asked() or "").startswith(prefix)]
    mounts = [r for r in instance.lookup("EventName=mount") if (r.asked("target") or r.asked() or "").startswith(prefix)]
    lost = collections.Counter()
    for r in instance.lookup("EventName=RecordsLost"):
        lost[r.raw["serviceEventDetails"]["ringClass"]] += int(r.raw["serviceEventDetails"]["count"])
    for ring, records in (("data", opens), ("control", mounts)):
        ids, names = {r.event_id for r in records}, {r.asked("target") or r.asked() for r in records}
        t.equal(len(ids), len(records), "%s: an event id twice" % ring)
        t.equal(len(names), len(records), "%s: a call twice" % ring)
        t.equal(len(records) + lost[ring], done[ring], "%s: at the store %d + lost %d against made" % (ring, len(records), lost[ring]))
        t.note("%s: %d at the store, %d counted as lost" % (ring, len(records), lost[ring]))
    t.equal(lost["process"], 0, "process records lost")


def killed_and_restarted(t):
    seed = int(os.environ.get("HT_SEED", random.SystemRandom().randrange(1 << 30)))
    rng, killed = random.Random(seed), []
    t.note("seed %d" % seed)
    with Instance() as instance:
        prefix = instance.path("no/call")
        work, tail = start_workload(prefix), Tail(instance)
        try:
            instance.configure("hosttraild", scope="tree %d" % work.pid)
            instance.start_all()
            tail.start()
            work.stdin.write("go\n")
            work.stdin.close()
            for i in range(ROUNDS):
                time.sleep(rng.uniform(0.2, 1.2))
                victim = VICTIMS[i % 4] if i < 4 else rng.choice(VICTIMS)
                killed.append(kill_one(instance, tail, victim, rng))
            out = work.stdout.read()
            t.equal(work.wait(), 0, "the workload's exit status")
            for name in ("hosttrail-store", "hosttrail-forward", "hosttraild"):
                instance.wait_ready(name)
            time.sleep(1)
            t.equal(instance.stop("hosttraild"), 0, "the agent's exit status at SIGTERM")
            t.ok(instance.drained(), "the forwarder did not ship everything: %r" % instance.status("hosttrail-forward"))
            time.sleep(1)
            done = {k: int(v) for k, v in (line.split() for line in out.splitlines())}
            settle(t, instance, prefix, done)
        finally:
            work.kill()
            tail.kill()
            if t.failures:
                t.note("killed: " + ", ".join(killed))
                t.note(instance.logs().replace("\n", "\n# "))
    t.note("killed: " + ", ".join(killed))


if __name__ == "__main__":
    tap.main([killed_and_restarted])
