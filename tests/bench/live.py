# SPDX-License-Identifier: Apache-2.0
"""Producers at full speed: what comes through, and that recorded + lost is what they made, to the last one."""
import os
import time

import tap
from agent import Agent, Gated
from measure import Sample
from sizes import size

ROUNDS = 3


def give_core(agent, cpu):
    """All threads of the agent's processes on one core."""
    for pid in agent.pids():
        for tid in os.listdir("/proc/%d/task" % pid):
            os.sched_setaffinity(int(tid), {cpu})


def settled(agent, made, seconds=30):
    """Recorded and lost of the data class, once they are as many as were made, or do not grow any more."""
    end, before, still = time.monotonic() + seconds, None, 0
    while time.monotonic() < end and still < 20:
        status = agent.status()
        now = (status.get("calls_by_class", {}).get("data", 0), status.get("lost", 0))
        if sum(now) == made:
            return now
        still = still + 1 if now == before else 0
        before = now
        time.sleep(0.2)
    return before


def one(instance, producers, agent_cpu):
    """(opens made, recorded (a merged record for as many as it stands for), lost, seconds). The programs are static, so that no other opens are in the data class."""
    n, path = size("bench.live_opens"), instance.path("etc/hosttraild.yaml")
    loop = [tap.workload("openclose"), str(n), path]
    agent = Agent(instance)
    with Gated([tap.workload("together"), *(loop + ["--"]) * (producers - 1), *loop]) as gated:
        if agent_cpu is not None:
            os.sched_setaffinity(gated.pid, {1 - agent_cpu})
        # of the self-test's calls some are opens, too
        agent.start_on(gated.pid, self_test=False)
        before = agent.status()["calls_by_class"]["data"]
        if agent_cpu is not None:
            give_core(agent, agent_cpu)
        begin = time.monotonic()
        gated.go()
        seconds = time.monotonic() - begin
    recorded, lost = settled(agent, n * producers + before)
    agent.stop()
    return n * producers, recorded - before, lost, seconds


def say_rounds(title, rounds, say, zero):
    made, recorded, lost = (sum(r[i] for r in rounds) for i in range(3))
    rate = Sample([r[0] / r[3] for r in rounds])
    kept = Sample([r[1] / r[3] for r in rounds])
    good = made == recorded + lost and (lost == 0 or not zero)
    say(title, "%s made, %s recorded" % (rate.text("opens/s"), kept.text("/s")))
    say("  counted", "%d made = %d recorded + %d lost%s  goal: %s, %s" % (
        made, recorded, lost, "" if made == recorded + lost else ": NOT EQUAL", "zero lost" if zero else "equal", "met" if good else "MISSED"))


def run(instance, say):
    if os.cpu_count() < 2:
        say("live", "could not be measured: one core only")
        return
    say_rounds("one producer, agent on the other core", [one(instance, 1, 1) for _ in range(ROUNDS)], say, True)
    say_rounds("a producer on each of two cores", [one(instance, 2, None) for _ in range(ROUNDS)], say, False)
