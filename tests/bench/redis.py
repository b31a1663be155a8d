# SPDX-License-Identifier: Apache-2.0
"""redis-benchmark against a redis-server of our own, with everything on (agent, forwarder, store; both of redis's programs are
recorded), without, under programs that do nothing at every call, and with no program at all but a tracepoint of a call that nobody makes: empty.c
says what these two are the floor of. One server for all turns; who begins a round changes with each, so that what drifts goes out."""
import os
import re
import shutil
import subprocess
import time

import tap
from agent import Agent
from measure import Sample, ratio
from sizes import size

GOAL = 1.03
TESTS = ("GET", "SET")


class Redis:
    """A shell that starts the server, then whatever it is told: the tree that is recorded."""

    def __init__(self, folder):
        for tool in ("redis-server", "redis-benchmark"):
            if not shutil.which(tool):
                raise tap.Failed("%s is not installed" % tool)
        self.socket = os.path.join(folder, "redis.sock")
        self.shell = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)

    def __enter__(self):
        self.tell('redis-server --port 0 --unixsocket "%s" --save "" --appendonly no --loglevel warning >log 2>&1 & server=$!' % self.socket)
        end = time.monotonic() + 30
        while not os.path.exists(self.socket):
            if time.monotonic() > end:
                raise tap.Failed("redis-server does not start")
            time.sleep(0.1)
        return self

    def __exit__(self, *exc):
        try:
            self.shell.communicate("kill $server; wait\n", timeout=30)
        except subprocess.TimeoutExpired:
            self.shell.kill()
            self.shell.wait()

    def tell(self, command):
        self.shell.stdin.write(command + "\n")
        self.shell.stdin.flush()

    def benchmark(self):
        """Seconds per request of each test, added up."""
        self.tell('redis-benchmark -s "%s" -t %s -n %d --csv; echo end' % (self.socket, ",".join(TESTS).lower(), size("bench.redis_requests")))
        found = {}
        for line in iter(self.shell.stdout.readline, ""):
            if line == "end\n":
                break
            m = re.match(r'"(\w+)","([\d.]+)"', line)
            if m:
                found[m.group(1)] = float(m.group(2))
        if set(found) != set(TESTS):
            raise tap.Failed("redis-benchmark printed no rates")
        return sum(1 / found[t] for t in TESTS)


def run(instance, say):
    plain, way, empty, recorded, lost, records, agent = [], [], [], [], 0, 0, Agent(instance)

    def without():
        plain.append(redis.benchmark())

    def under(what, times):
        holder = subprocess.Popen([os.path.join(tap.BUILD, "tests/bench/empty"), what, "/bin/cat"], stdin=subprocess.PIPE)
        time.sleep(1)
        times.append(redis.benchmark())
        holder.communicate()

    def with_way():
        under("way", way)

    def with_empty():
        under("programs", empty)

    def with_us():
        nonlocal lost, records
        agent.start_on(redis.shell.pid, whole=True)
        time.sleep(1)  # the start and its self-test are over
        recorded.append(redis.benchmark())
        status = agent.stop()
        lost, records = lost + status.get("lost", 0), records + status.get("records", 0)

    with tap.Workdir() as d, Redis(d) as redis:
        redis.benchmark()
        for i in range(size("bench.redis_rounds")):
            turns = (without, with_way, with_empty, with_us)
            for turn in turns if i % 2 else reversed(turns):
                turn()
    slower = ratio(recorded, plain)
    say("redis-benchmark alone", Sample([len(TESTS) / s for s in plain]).text("requests/s"))
    for name, times in (("a tracepoint of any call", way), ("empty programs", empty)):
        floor = ratio(times, plain)
        say("  with " + name, "%s; %.1f %% slower (quartiles %.1f to %.1f)" % (
            Sample([len(TESTS) / s for s in times]).text("requests/s"), percent(floor.median), percent(floor.quantile(0.25)),
            percent(floor.quantile(0.75))))
    say("  with everything on", "%s; %.1f %% slower (quartiles %.1f to %.1f); %d records, %d lost  goal: at most 3, %s" % (
        Sample([len(TESTS) / s for s in recorded]).text("requests/s"), percent(slower.median), percent(slower.quantile(0.25)),
        percent(slower.quantile(0.75)), records, lost, verdict(slower)))


def percent(r):
    return 100 * (r - 1)


def verdict(slower):
    if slower.quantile(0.25) <= GOAL < slower.quantile(0.75):
        return "unresolved"
    return "met" if slower.median <= GOAL else "MISSED"
