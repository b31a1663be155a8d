# SPDX-License-Identifier: Apache-2.0
"""What a recorded fork+exec+exit costs more than one that is not, in two ways that do not depend on each other.

By CPU time: two equal loops on one CPU, one inside the agent's scope and one outside, take turns in blocks of a few ms;
each pair of neighbours gives one difference. Hundreds of pairs resolve what a single long run drowns in: the middle of them,
and between what bounds it lies with 95 % certainty (by order statistics, so without assuming how the noise is shaped). The loops
start the smallest program there is, so that the differences are not a libc's. It has everything in it that the call itself
pays: programs, tracepoints, caches.

By the kernel's own count: BPF_ENABLE_STATS makes it add up the time inside each of our programs. What the rest of the
host makes them run meanwhile is measured in pauses and taken away. It has the programs alone in it, and the clock reads of counting.
"""
import contextlib
import ctypes
import json
import math
import os
import platform
import subprocess
import time

import tap
from measure import Sample
from sizes import size

GOAL_US = 15
BLOCK = 20		# processes of a turn
BPF_ENABLE_STATS, BPF_STATS_RUN_TIME = 32, 0
NR_BPF = {"x86_64": 321, "aarch64": 280}


@contextlib.contextmanager
def run_time_counted():
    """While it is open, the kernel counts run_time_ns and run_cnt of all programs."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(128)
    attr[0] = BPF_STATS_RUN_TIME
    fd = libc.syscall(ctypes.c_long(NR_BPF[platform.machine()]), BPF_ENABLE_STATS, attr, len(attr))
    if fd < 0:
        raise tap.Failed("BPF_ENABLE_STATS: " + os.strerror(ctypes.get_errno()))
    try:
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def programs(pid):
    """{path of its fdinfo: name} of the programs of a process, each once. The agent keeps its links alone, so each is opened by its number."""
    shown = json.loads(subprocess.run(["bpftool", "--json", "prog", "show"], capture_output=True, check=True).stdout)
    names, found = {p["id"]: p["name"] for p in shown}, {}
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    try:
        for fd in os.listdir("/proc/%d/fdinfo" % pid):
            number = int(fields("/proc/%d/fdinfo/%s" % (pid, fd)).get("prog_id", 0))
            if number not in names:
                continue
            own = libbpf.bpf_prog_get_fd_by_id(ctypes.c_uint(number))
            if own < 0:
                raise tap.Failed("program %d: %s" % (number, os.strerror(ctypes.get_errno())))
            found["/proc/self/fdinfo/%d" % own] = names.pop(number)
        if not found:
            raise tap.Failed("process %d has no programs" % pid)
        yield found
    finally:
        for path in found:
            os.close(int(os.path.basename(path)))


def fields(path):
    try:
        with open(path) as f:
            return dict(line.split(":", 1) for line in f if ":" in line)
    except OSError:
        return {}


def run_times(found):
    """ns that each program ran so far, in the order of `found`."""
    return [int(fields(path)["run_time_ns"]) for path in found]


class Loop:
    def __init__(self, block=BLOCK):
        argv = [tap.workload("spawn"), tap.workload("leaf_nolibc"), str(block)]
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def turn(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        return float(self.p.stdout.readline())

    def end(self):
        self.p.stdin.close()
        self.p.wait(30)


def median_between(values):
    """Median, and the two order statistics between which it lies with 95 % certainty."""
    v, n = sorted(values), len(values)
    off = int(0.98 * math.sqrt(n)) + 1
    return Sample(v).median, v[max(0, n // 2 - off)], v[min(n - 1, n // 2 + off)]


def take_turns(inside, outside, pairs):
    """Differences of neighbours, in either order, so that what drifts goes out; and the plain loop's times."""
    added, plain = [], []
    for i in range(pairs):
        first, second = (inside, outside) if i % 2 else (outside, inside)
        a, b = first.turn(), second.turn()
        a, b = (a, b) if first is inside else (b, a)
        added.append(a - b)
        plain.append(b)
    return added, plain


def programs_alone(loop, found, pairs):
    """µs per process in our programs: each turn less what ran in a pause as long; and the programs with their part."""
    each = []
    with run_time_counted():
        for _ in range(pairs):
            before, begin = run_times(found), time.monotonic()
            loop.turn()
            middle, seconds = run_times(found), time.monotonic() - begin
            begin = time.monotonic()
            time.sleep(seconds)
            after, share = run_times(found), seconds / (time.monotonic() - begin)
            each.append([((m - b) - (a - m) * share) / 1e3 / BLOCK for b, m, a in zip(before, middle, after)])
    parts = sorted(((Sample(v).median, name) for name, v in zip(found.values(), zip(*each))), reverse=True)
    return [sum(v) for v in each], ["%s %.1f" % (name, us) for us, name in parts if us >= 0.05]


def verdict(low, high, goal):
    if high <= goal:
        return "met"
    return "MISSED" if low > goal else "unresolved"


def run(agent, say):
    pairs = size("bench.process_pairs")
    inside, outside = Loop(), Loop()
    try:
        agent.start_on(inside.p.pid)
        take_turns(inside, outside, 20)		# caches, and the agent's first sight of the program
        added, plain = take_turns(inside, outside, pairs)
        with programs(agent.instance.running["hosttraild"].pid) as found:
            totals, parts = programs_alone(inside, found, pairs // 2)
        status = agent.stop()
    finally:
        inside.end()
        outside.end()
    middle, low, high = median_between(added)
    say("fork+exec+exit, not recorded", Sample(plain).text("µs", 1))
    say("  recorded: CPU time added", "%.1f µs (95 %%: %.1f to %.1f, %d pairs of %d), %d lost  goal: at most %d, %s" % (
        middle, low, high, pairs, BLOCK, status.get("lost", 0), GOAL_US, verdict(low, high, GOAL_US)))
    middle, low, high = median_between(totals)
    say("  recorded: in our programs", "%.1f µs (95 %%: %.1f to %.1f, %d pairs): %s" % (middle, low, high, len(totals), ", ".join(parts)))
