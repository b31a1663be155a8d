#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1200 long
"""Generated = recorded + lost, exactly, under every attack of attacks.py. What was done is told by the programs that did it and by
strace, never by counters of ours."""
import collections
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import calltable  # noqa: E402
import invariant  # noqa: E402
import tap  # noqa: E402
from sizes import size  # noqa: E402

CLASSES = ("control", "process", "data")


def made(text):
    """{call: how many}, all attacks together."""
    n = collections.Counter()
    for name, count in re.findall(r"^did (\w+) (\d+)$", text, re.M):
        n[name] += int(count)
    return n


def by_class(calls):
    n = collections.Counter()
    for name, count in calls.items():
        if name in calltable.RECORDED:
            n[calltable.TABLE[name].ring.lower()] += count
    return n


def strace_says(command, cwd):
    """{call: how many} of a run of command, and what it printed. Raw: strace must not read what a userfaultfd guards."""
    log = os.path.join(cwd, "strace.log")
    out = subprocess.run(["strace", "-f", "-qq", "-e", "raw=all", "-o", log, *command], stdout=subprocess.PIPE, text=True, check=False)
    if out.returncode == 77:
        raise tap.Skip("not possible on this kernel")
    with open(log) as f:
        text = f.read()
    os.unlink(log)
    calls = collections.Counter(re.findall(r"^\d+\s+(\w+)\(", text, re.M))
    calls.subtract(re.findall(r"^\d+\s+(?:<\.\.\. )?(\w+).*= (?:\?|-1) ERESTART", text, re.M))  # it is made again
    return calls, out.stdout


def generated_by(command, cwd, out):
    """What a run of command generated, by class: as strace saw another run of it, but for what the two runs say of their own
    that they did. What an io_uring did is no system call: strace does not see it."""
    calls, said = strace_says(command, cwd)
    now, then = made(out), made(said)
    for name in now:
        twin = re.sub("^uring_", "", name)
        calls[twin] += now[name] - (0 if name.startswith("uring_") else then[name])
    return by_class(calls)


def settled(t, trace, generated):
    got, gone = invariant.recorded(trace), invariant.lost(trace)
    for c in CLASSES:
        t.equal(got[c] + gone[c], generated[c], "%s: recorded %d + lost %d against generated" % (c, got[c], gone[c]))
    t.equal(trace.lost, sum(gone.values()), "lost as the last line says")
    ids = [r.event_id for r in trace.records]
    t.equal(len(set(ids)), len(ids), "event ids are unique")
    t.note(", ".join("%s: %d recorded, %d lost" % (c, got[c], gone[c]) for c in CLASSES))


def counted(title, *attacks):
    """Attacks (workload and its first arguments, count), one after the other, over rings that are far too small for them."""
    def run(t):
        with tap.Workdir() as d:
            trace = invariant.run_small(sequence(d + "/run", attacks), invariant.SMALL, d)
            if trace.status == 77:
                raise tap.Skip("not possible on this kernel")
            t.equal(trace.status, 0, "exit status: " + trace.err[-300:])
            settled(t, trace, generated_by(sequence(d + "/strace", attacks), d, trace.out))
    run.title = "counted: " + title
    return run


def sequence(folder, attacks):
    lines = []
    for attack, count in attacks:
        program, *how = attack.split()
        d = os.path.join(folder, *how)
        os.makedirs(d)
        lines.append(shlex.join([tap.workload(program), *how, d, str(count)]))
    return ["/bin/sh", "-c", " && ".join(lines) + " && exit 0"]  # not the last one in the shell's place


def counted_cases():
    n, processes = size("attacks.counted"), size("attacks.processes")
    swaps = [("attacks_swap " + how, n) for how in ("race open", "fault connect", "race sqpoll", "race truncate")]
    hidden = [("attacks_swap race argv", processes), ("attacks_hide reuse", processes), ("attacks_hide memfd", processes), ("attacks_flood bomb", n)]
    moved = [("attacks_paths symlink", n), ("attacks_paths parents", n), ("pathraces dup", n), ("pathraces close", n)]
    others = [("attacks_shared " + how, 1) for how in ("magic", "empty", "overlay", "memfd")] + \
        [("attacks_hide " + how, 1) for how in ("spoof", "deleted", "detached")] + [("attacks_paths " + how, 1) for how in ("mounts", "roots", "cloned")]
    return [counted("exchanged arguments", *swaps), counted("processes", *hidden), counted("paths and descriptors", *moved), counted("what others gave, have or hide", *others)]


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main(counted_cases())
