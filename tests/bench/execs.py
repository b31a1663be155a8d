# SPDX-License-Identifier: Apache-2.0
"""What 1,600 processes a second cost a host, with all that is known of who made them: the CPU of our processes, and what the
kernel does more. The latter is by the CPU time of the loop itself, against an equal one outside of the agent's scope that takes turns
with it: it has the probes in it, and what they do to the caches. (Both pay for the early exit of calls that are not captured:
`uncaptured` tells that.) All is per process made, times 1,600. On a machine that is too busy for that rate it is too much, because
what does not depend on the rate is multiplied as well.

Agent and forwarder are what a recorded host has; the store is told apart, because it is elsewhere.
"""
import time

from agent import Agent, cpu_seconds
from measure import Sample
from processes import Loop, take_turns
from sizes import size

RATE, BLOCK = 1600, 16
CORES = 2
GOAL = 8


class Paced(Loop):
    """A block of processes every 10 ms at most."""

    def __init__(self):
        super().__init__(BLOCK)
        self.due = 0.0

    def turn(self):
        time.sleep(max(0.0, self.due - time.monotonic()))
        self.due = max(self.due + BLOCK / RATE, time.monotonic())
        return super().turn()


class Round:
    """Percent of all cores, at that rate, by who used it."""

    def __init__(self, agent, inside, outside):
        blocks = size("bench.exec_seconds") * RATE // BLOCK
        per_second = RATE / (blocks * BLOCK)
        before, begin = used(agent), time.monotonic()
        added, _ = take_turns(inside, outside, blocks)
        self.rate = blocks * BLOCK / (time.monotonic() - begin)
        self.kernel = 100 * Sample(added).median * RATE / 1e6 / CORES
        self.percent = {name: 100 * (now - before[name]) * per_second / CORES for name, now in used(agent).items()}

    @property
    def host(self):
        return self.kernel + self.percent["hosttraild"] + self.percent["hosttrail-forward"]


def used(agent):
    return {name: cpu_seconds(agent.pids(name)) for name in agent.instance.running}


def measured(instance):
    inside, outside, agent = Paced(), Loop(BLOCK), Agent(instance)
    try:
        agent.start_on(inside.p.pid, whole=True)
        time.sleep(2)  # the start and its self-test are over
        take_turns(inside, outside, 20)
        return [Round(agent, inside, outside) for _ in range(size("bench.exec_rounds"))], agent.stop()
    finally:
        inside.end()
        outside.end()


def run(instance, say):
    rounds, status = measured(instance)
    total, rate = Sample([r.host for r in rounds]), Sample([r.rate for r in rounds])
    held = rate.median > 0.95 * RATE
    say("%d execs/s, of two cores" % RATE, "%s  goal: under %d, %s" % (total.text("%", 1), GOAL, verdict(total, held)))
    say("  of that", "agent %s, forwarder %s, in the kernel (the loop's CPU time) %s" % tuple(
        Sample(values).text("%", 1) for values in ([r.percent["hosttraild"] for r in rounds],
                                                   [r.percent["hosttrail-forward"] for r in rounds], [r.kernel for r in rounds])))
    say("  apart from that", "the store on the same host %s" % Sample([r.percent["hosttrail-store"] for r in rounds]).text("%", 1))
    say("  records", "%s made%s; %d records of processes, %d lost, %d without full identity" % (
        rate.text("execs/s"), "" if held else ": the machine was too busy for more",
        status.get("records_by_class", {}).get("process", 0), status.get("lost", 0),
        status.get("unknown_identity", 0) + status.get("minimal_identity", 0)))


def verdict(total, held):
    if total.quantile(0.25) < GOAL <= total.quantile(0.75):
        return "unresolved"
    if total.median < GOAL:
        return "met"
    return "MISSED" if held else "unresolved: at most that, the rate was not held"
