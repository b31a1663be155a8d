# SPDX-License-Identifier: Apache-2.0
"""What 1,600 processes a second cost a host, with all that is known of who made them: the CPU of our processes, and what the
kernel does more. The latter is by the loop's own CPU time, against the same loop without an agent: it has the probes in it, the
tracepoints, and what they do to the caches; the kernel's own count of BPF run time would not. Rounds with and without take turns.

Agent and forwarder are what a recorded host has; the store is told apart, because it is elsewhere.
"""
import time

from agent import Agent, cpu_seconds
from measure import Sample
from processes import Loop
from sizes import size

RATE, BLOCK = 1600, 16
CORES = 2
GOAL = 8


class Paced(Loop):
    """Processes at an even rate: a block of them every 10 ms."""

    def run(self, seconds):
        """(µs of CPU per process, processes per second)."""
        begin, n, took = time.monotonic(), int(seconds * RATE / BLOCK), []
        for i in range(n):
            time.sleep(max(0.0, begin + i * BLOCK / RATE - time.monotonic()))
            took.append(self.turn())
        return sum(took) / n, n * BLOCK / (time.monotonic() - begin)


def alone(seconds):
    loop = Paced(BLOCK)
    try:
        return loop.run(seconds)[0]
    finally:
        loop.end()


class Recorded:
    """One round under all our programs."""

    def __init__(self, instance, seconds):
        loop, agent = Paced(BLOCK), Agent(instance)
        try:
            agent.start_on(loop.p.pid, whole=True)
            time.sleep(2)  # the start and its self-test are over
            before = self.used(agent)
            self.per_process, self.rate = loop.run(seconds)
            time.sleep(1)  # what is still in rings and spool costs, too
            self.percent = {name: 100 * (used - before[name]) / seconds / CORES for name, used in self.used(agent).items()}
            self.status = agent.stop()
        finally:
            loop.end()

    @staticmethod
    def used(agent):
        return {name: cpu_seconds(agent.pids(name)) for name in agent.instance.running}


def run(instance, say):
    seconds, plain, rounds = size("bench.exec_seconds"), [], []
    for _ in range(size("bench.exec_rounds")):
        plain.append(alone(seconds))
        rounds.append(Recorded(instance, seconds))
    kernel = [100 * (r.per_process - p) * RATE / 1e6 / CORES for r, p in zip(rounds, plain)]
    ours = {name: [r.percent[name] for r in rounds] for name in rounds[0].percent}
    total = Sample([k + a + f for k, a, f in zip(kernel, ours["hosttraild"], ours["hosttrail-forward"])])
    say("%d execs/s, of two cores" % RATE, "%s  goal: under %d, %s" % (total.text("%", 1), GOAL, verdict(total)))
    say("  of that", "agent %s, forwarder %s, in the kernel (the loop's CPU time) %s" % (
        Sample(ours["hosttraild"]).text("%", 1), Sample(ours["hosttrail-forward"]).text("%", 1), Sample(kernel).text("%", 1)))
    say("  apart from that", "the store on the same host %s" % Sample(ours["hosttrail-store"]).text("%", 1))
    came, lost, unknown = (sum(f(r.status) for r in rounds) for f in (
        lambda s: s.get("records_by_class", {}).get("process", 0), lambda s: s.get("lost", 0),
        lambda s: s.get("unknown_identity", 0) + s.get("minimal_identity", 0)))
    say("  records", "%.0f execs/s made; %d records of processes, %d lost, %d without full identity" % (
        Sample([r.rate for r in rounds]).median, came, lost, unknown))


def verdict(total):
    if total.quantile(0.25) < GOAL <= total.quantile(0.75):
        return "unresolved"
    return "met" if total.median < GOAL else "MISSED"
