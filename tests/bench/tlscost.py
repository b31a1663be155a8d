# SPDX-License-Identifier: Apache-2.0
"""What a call of a TLS library costs with capture on, times what it costs under programs that do nothing on the same instructions.

Equal loops take turns in blocks of a few ms: one in the agent's scope, one whose copy of the library has the empty programs (attached as ours
are), one with a copy that nobody probes. Neighbours give a ratio each; the middle of them, and between what bounds it lies with
95 % certainty. It is CPU time of the loop's one thread, which is client and server: over memory no system call is made; over a socket,
what the programs of sys_enter and sys_exit take is in it as well, which the empty pair does not have.

The kernel's own count of the time inside our programs is told apart.
"""
import ctypes.util
import os
import shutil
import subprocess
import time

import tap
from agent import Agent
from measure import Sample
from processes import fields, median_between, programs, run_time_counted, verdict
from sizes import size

GOAL = 1.2
KINDS = ("memory", "socket")
BLOCK = 100	# requests, four calls each
PAUSE = 0.01	# the reader's share: a loop alone makes more than anybody's calls


def library():
    """The file that a loop of ours has mapped."""
    end = ("/" + ctypes.util.find_library("ssl")).encode()	# once: it runs programs
    with open("/etc/ld.so.cache", "rb") as f:
        return os.path.realpath(next(x for x in f.read().split(b"\0") if x.endswith(end)).decode())


class Loop:
    def __init__(self, kind, folder=None, empty=False):
        env = dict(os.environ, LD_LIBRARY_PATH=folder) if folder else None
        argv = [tap.workload("tlsloop"), kind, str(BLOCK)]
        if empty:
            argv = [os.path.join(tap.BUILD, "tests/bench/emptytls"), os.path.join(folder, os.path.basename(library())), *argv]
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=env)

    def turn(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise tap.Failed("a loop ended")
        return float(line)

    def end(self):
        self.p.stdin.close()
        self.p.wait(30)


def rounds(loops, n):
    """A list of each loop's times; who is first changes with each round."""
    times = [[] for _ in loops]
    for i in range(n):
        for k in range(len(loops)):
            who = (i + k) % len(loops)
            times[who].append(loops[who].turn())
        time.sleep(PAUSE)
    return times


def counted(loop, pid, n):
    """ns per call in each of our programs, by the kernel."""
    with programs(pid) as every, run_time_counted():
        found = {path: name for path, name in every.items() if name.startswith("ht_tls")}
        before = [int(fields(path)["run_time_ns"]) for path in found]
        for _ in range(n):
            loop.turn()
            time.sleep(PAUSE)
        return ["%s %.0f" % (name, (int(fields(path)["run_time_ns"]) - was) / (4 * BLOCK * n)) for (path, name), was in zip(found.items(), before)]


def between(values):
    return "%.2f (95 %%: %.2f to %.2f)" % median_between(values)


def measure(instance, kind, folders, say):
    ours, agent = Loop(kind), Agent(instance)
    loops = [ours]
    try:
        agent.start_on(ours.p.pid, tls=True)
        loops += [Loop(kind, folders[0], empty=True), Loop(kind, folders[1])]	# later than the agent: else it would probe what they have mapped
        rounds(loops, 5)
        mine, empty, alone = rounds(loops, size("bench.tls_turns"))
        inside = counted(ours, instance.running["hosttraild"].pid, 20)
        status = agent.stop()
    finally:
        for loop in loops:
            loop.end()
    ratios = [a / b for a, b in zip(mine, empty)]
    _, low, high = median_between(ratios)
    say("TLS call over %s, alone" % kind, Sample(alone).text("ns"))
    say("  with an empty uprobe pair", "%s, times %s" % (Sample(empty).text("ns"), between([a / b for a, b in zip(empty, alone)])))
    say("  captured", "%s; times the empty pair %s  goal: at most %s, %s" % (Sample(mine).text("ns"), between(ratios), GOAL, verdict(low, high, GOAL)))
    say("  of that", "in our programs by the kernel's count: %s ns; %d API calls, %d pieces lost" % (
        ", ".join(inside), status.get("records_by_class", {}).get("tls", 0), status.get("lost", 0)))


def run(instance, say):
    with tap.Workdir() as d:
        folders = [os.path.join(d, name) for name in ("empty", "alone")]
        for folder in folders:
            os.mkdir(folder)
            shutil.copy(library(), folder)
        for kind in KINDS:
            measure(instance, kind, folders, say)
