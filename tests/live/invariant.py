#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""generated = recorded + lost, exactly, in floods over rings that are far too small; other classes lose nothing.

Generated is what the workload says that it did, plus what every start of a program adds (counted by strace).
"""
import collections
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import calltable  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
from sizes import size  # noqa: E402

SMALL = {"control": 1 << 14, "process": 1 << 12, "data": 1 << 14}
CPUS = os.cpu_count() or 1


def run_small(command, small, cwd, during=None, load=trail.load):
    """Runs command inside a trace with rings of these sizes ({class: bytes}), the others as they are by default. Meanwhile
    during(pid of the trace). load(path) makes of the trail what the trace's `records` are."""
    path = os.path.join(cwd, "trail")
    sizes = [str(small.get(c, 0)) for c in ("control", "process", "data")]
    argv = [os.path.join(tap.BUILD, "tests/live/smallrings"), path, *sizes, "tls=%d" % small["tls"] if "tls" in small else "--", *command]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd) as p:
        if during:
            during(p.pid)
        out, err = p.communicate()
    m = re.search(r"^hosttrail: (\d+) records, (\d+) lost$", err, re.M)
    if not m:
        raise tap.Failed("smallrings said: " + err[-400:])
    trace = trail.Trace(load(path), int(m.group(1)), int(m.group(2)), p.returncode, out, err)
    os.unlink(path)
    return trace


def blinking(still, reading, flooder=None):
    """A `during` for run_small(): once its child runs the program `flooder` (None: any), the reader stands still and reads by turns of so
    many seconds, so that a flood presses the ring however fast the machine is. Not before: a signal interrupts the loading of the probes."""
    def state(pid):
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0]

    def begun(pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return any(flooder in (None, os.path.basename(os.readlink("/proc/%s/exe" % p))) for p in f.read().split())

    def during(pid):
        while state(pid) != "Z" and not begun(pid):
            time.sleep(0.005)
        while state(pid) != "Z":
            os.kill(pid, signal.SIGSTOP)
            time.sleep(still)
            os.kill(pid, signal.SIGCONT)
            time.sleep(reading)
    return during


def smallrings(command, small, cwd):
    """The ring of class `small` is far too small."""
    return run_small(command, {small: SMALL[small]}, cwd)


RINGS = {"0": "control", "1": "process", "2": "data", "3": "tls"}


def ring_of(record):
    """The ring class is in the event's id: behind the version and 8 of the stream's bits."""
    return RINGS[record.event_id.split("-")[2][3]]


def recorded(trace):
    """Records by ring class: a merged record counts for as many as it stands for."""
    n = collections.Counter()
    for r in trace.calls():
        n[ring_of(r)] += int(r.more.get("repeatCount", 1))
    return n


def lost(trace):
    n = collections.Counter()
    for r in trace.lost_events():
        details = r.raw["serviceEventDetails"]
        n[details["ringClass"]] += int(details["count"])
    return n


def counted(command, cwd):
    """Calls of the table that strace counts in a run of command, by ring class. The first exec is the trace's too."""
    log = os.path.join(cwd, "strace.log")
    subprocess.run(["strace", "-f", "-qq", "-o", log, *command], stdout=subprocess.DEVNULL, check=True)
    n = collections.Counter()
    with open(log) as f:
        for m in re.finditer(r"^\d+\s+(\w+)\(", f.read(), re.M):
            if m.group(1) in calltable.RECORDED:
                n[calltable.TABLE[m.group(1)].ring.lower()] += 1
    os.unlink(log)
    return n


def numbers(out):
    return {k: int(v) for k, v in re.findall(r"^(\w+) (\d+)$", out, re.M)}


def start_of_program(cwd):
    """Process-class calls of one start of `execs leaf` (exec, what libc does, exit)."""
    return counted([tap.workload("execs"), "leaf"], cwd)


def settle(t, trace, generated, flooded):
    """The invariant in every class, and loss only in the flooded one."""
    got, gone = recorded(trace), lost(trace)
    for ring in ("control", "process", "data"):
        t.equal(got[ring] + gone[ring], generated[ring], "%s: recorded %d + lost %d against generated" % (ring, got[ring], gone[ring]))
        if ring != flooded:
            t.equal(gone[ring], 0, "lost in the class that was not flooded: " + ring)
    t.equal(trace.lost, sum(gone.values()), "lost as the last line says")
    ids = [r.event_id for r in trace.records]
    t.equal(len(set(ids)), len(ids), "event ids are unique")
    t.ok(gone[flooded] > 0, "the ring was not overrun: nothing was tested")
    t.note("%s: %d recorded, %d lost" % (flooded, got[flooded], gone[flooded]))


def calls_of(workload, ring, cwd, done, *more):
    """All calls of a run of a workload that says how many of one class it did: a run of one a thread tells what else there is."""
    small = counted([tap.workload(workload), "1", str(CPUS), *more], cwd)
    if small[ring] != CPUS:
        raise tap.Failed("%s: %d calls of class %s in a run of one a thread" % (workload, small[ring], ring))
    return small + collections.Counter({ring: done[ring] - small[ring]})


def calls_of_execs(cwd, done):
    """The same for `execs`: each start of a program is its exec, libc's own calls and an exit; every fork's child ends once."""
    per_start = start_of_program(cwd)["process"] - 2
    return collections.Counter({"process": done["forks"] + done["execs"] + 1 + done["exits"] + per_start * (done["execs"] + 1)})


def flood(ring, workload, count, *more):
    def run(t):
        with tap.Workdir() as d:
            command = [tap.workload(workload), str(count), str(CPUS), *more]
            trace = smallrings(command, ring, d)
            t.equal(trace.status, 0, "exit status")
            settle(t, trace, calls_of(workload, ring, d, numbers(trace.out), *more), ring)
    run.title = "flood of " + workload
    return run


def flood_of_execs(t):
    with tap.Workdir() as d:
        command = [tap.workload("execs"), str(size("invariant.execs")), str(CPUS)]
        trace = smallrings(command, "process", d)
        t.equal(trace.status, 0, "exit status")
        settle(t, trace, calls_of_execs(d, numbers(trace.out)), "process")


def a_flood_leaves_the_other_rings_alone(t):
    """All three at once; only the data ring is small."""
    with tap.Workdir() as d:
        start = start_of_program(d)
        n, execs, creds = size("invariant.opens"), size("invariant.execs") // 4, 250
        command = [tap.workload("together"), tap.workload("opens"), str(n), str(CPUS), d + "/n",
                   "--", tap.workload("execs"), str(execs), "2", "--", tap.workload("creds"), str(creds), "2"]
        trace = smallrings(command, "data", d)
        t.equal(trace.status, 0, "exit status")
        base = counted([tap.workload("opens"), "1", str(CPUS), d + "/n"], d) + counted([tap.workload("creds"), "1", "2"], d)
        per_start, forks = start["process"] - 2, 2 * (execs + 1)
        made = base["process"] + (forks + 2 * execs + 1 + forks + 1 + per_start * (2 * execs + 1))  # the three programs
        made += 3 + start["process"]  # together: its forks, its start and exit
        settle(t, trace, collections.Counter({"process": made, "data": n * CPUS, "control": 2 * creds}), "data")


def flood_of_ring_operations(t):
    """Opens by io_uring, half of them by the kernel's workers: none is a system call, each is a record or a loss."""
    with tap.Workdir() as d:
        command = [tap.workload("uring_odd"), "flood", d]
        base = counted([*command, "0"], d)
        for n in (size("invariant.ring_opens") * times for times in (1, 4, 16)):  # until the reader, on a fast machine, does not keep up
            trace = smallrings([*command, str(n)], "data", d)
            if trace.status == 77:
                raise tap.Skip("no io_uring")
            if lost(trace)["data"]:
                break
        t.equal(trace.status, 0, "exit status")
        settle(t, trace, base + collections.Counter({"data": n}), "data")


CASES = [
    flood("data", "opens", size("invariant.opens"), "/nonexistent/n"),
    flood("control", "creds", size("invariant.creds")),
    flood_of_execs,
    flood_of_ring_operations,
    a_flood_leaves_the_other_rings_alone,
]

if __name__ == "__main__":
    tap.main(CASES)
