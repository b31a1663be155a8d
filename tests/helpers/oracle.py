# SPDX-License-Identifier: Apache-2.0
"""Compares what strace saw with what the trail says, task by task and call by call."""
import difflib
import functools
import os
import re
import shlex
import subprocess

import calltable
import onetrace
import stracelog
import tap
import trail

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


def traced(command, cwd, extra=()):
    """Runs command under strace inside a trace. (strace's calls, the trace: without strace's own calls, which are most of all)."""
    log, calls = os.path.join(cwd, "strace.log"), []

    def of_its_tasks(path):
        calls.extend(stracelog.parse(log))
        tids = {c.tid for c in calls}
        return [r for r in trail.each(path) if not r.call or r.tid in tids]

    t = trail.run(["strace", *stracelog.OPTIONS, *extra, "-o", log, *command], cwd=cwd, load=of_its_tasks)
    os.unlink(log)
    return calls, t


@functools.lru_cache(maxsize=None)
def strace_knows(name):
    """Debian's strace is older than some calls: it shows their number."""
    return subprocess.run(["strace", "-e", "trace=" + name, "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def compared(name):
    return name in calltable.RECORDED and name not in calltable.NEWPEER and strace_knows(name)


def by_task(items):
    tasks = {}
    for i in items:
        tasks.setdefault(i.tid, []).append(i)
    return tasks


def first_exec(records, command):
    """strace's child makes calls of its own before it executes the command: they are not in strace's log."""
    for i, r in enumerate(records):
        if r.name == "execve" and not r.error and command in (r.asked(), os.path.basename(r.asked() or "")):
            return records[i:]
    return records


def key_of_call(c):
    return c.name, c.error


def key_of_record(r):
    return r.name, r.error


def compare(t, calls, trace, command):
    """Says to t what is missing, invented or different. The number of calls compared."""
    seen = by_task(c for c in calls if compared(c.name))
    root = calls[0].tid if calls else None
    tids = {c.tid for c in calls}
    recorded = by_task(sorted((r for r in trace.calls() if r.tid in tids and compared(r.name)), key=lambda r: r.nanos))
    recorded[root] = first_exec(recorded.get(root, []), command)
    n = 0
    for tid, want in seen.items():
        got = recorded.pop(tid, [])
        n += compare_task(t, want, got)
    for tid, extra in recorded.items():
        for r in extra:
            t.fail("invented: %r" % r)
    compare_peers(t, calls, trace, tids)
    t.equal(trace.lost, 0, "lost")
    return n


def opcodes(ours, theirs):
    """As difflib's, which takes the square of the length, so only between what is the same at both ends."""
    n = min(len(ours), len(theirs))
    head = next((i for i in range(n) if ours[i] != theirs[i]), n)
    tail = next((i for i in range(n - head) if ours[-1 - i] != theirs[-1 - i]), n - head)
    middle = difflib.SequenceMatcher(None, ours[head:len(ours) - tail], theirs[head:len(theirs) - tail], autojunk=False)
    yield "equal", 0, head, 0, head
    for tag, a1, a2, b1, b2 in middle.get_opcodes():
        yield tag, a1 + head, a2 + head, b1 + head, b2 + head
    yield "equal", len(ours) - tail, len(ours), len(theirs) - tail, len(theirs)


def unseen_end(want, got):
    """strace does not see the end of a call in which its task was killed; the kernel did end it, and we say how."""
    if want and got and (want[-1].ret, want[-1].error) == (None, None) and key_of_record(got[-1])[0] == want[-1].name:
        want[-1].error = got[-1].error


def compare_task(t, want, got):
    """One task's calls in order; differences in number are found as a diff, so that one missing call is one failure."""
    n = 0
    unseen_end(want, got)
    for tag, a1, a2, b1, b2 in opcodes([key_of_call(c) for c in want], [key_of_record(r) for r in got]):
        if tag == "equal":
            for c, r in zip(want[a1:a2], got[b1:b2]):
                compare_call(t, c, r)
                n += 1
            continue
        for c in want[a1:a2]:
            t.fail("missing from the trail: %r" % c)
        for r in got[b1:b2]:
            t.fail("in the trail, unseen by strace: %r" % r)
    return n


def compare_call(t, c, r):
    row = calltable.TABLE[c.name]
    if c.error is None and c.ret is not None and row.result not in ("NONE", "ADDRESS", "FDS"):
        values = [r.response[k] for k in trail.RESULTS if k in r.response]
        if not (values and int(str(values[0]), 0) == c.ret) and not (not values and c.ret == 0):
            t.fail("result: strace %r, trail %r" % (c, r))
    for field, arg in row.paths.items():
        want = c.string(arg)
        if want is not None and r.asked(field) != want:
            t.fail("%s: strace %r, trail %r" % (field, c, r))
    if c.path and not c.deleted and row.result == "FD" and "path" in row.paths and not re.match(r"^\w+:", c.path):
        if r.request.get("path") != c.path:
            t.fail("path of the descriptor: strace says %s, trail %r" % (c.path, r))
    for arg in row.argv:
        compare_argv(t, c, r, c.strings(arg))
    compare_restarts(t, c, r)


def compare_argv(t, c, r, want):
    got = r.request.get("argv")
    if got is None or len(got) != len(want) or any(g != w and g != HIDDEN for g, w in zip(got, want)):
        t.fail("argv: strace %r, trail %r" % (c, r))


def compare_restarts(t, c, r):
    if c.restarts and int(r.more.get("restarts", 0)) not in (c.restarts, c.restarts - (c.error == "EINTR")):
        t.fail("restarts: strace %d, trail %r %r" % (c.restarts, r, r.more.get("restarts")))


def compare_peers(t, calls, trace, tids):
    """Sends are recorded for a new peer of a socket: each record is one that strace saw, and every (task, socket, address)
    that strace saw is in the trail."""
    got = {(r.tid, r.name, r.error) for r in trace.calls() if r.name in calltable.NEWPEER and r.tid in tids}
    seen = {(c.tid, c.name, c.error) for c in calls if c.name in calltable.NEWPEER}
    for extra in got - seen:
        t.fail("in the trail, unseen by strace: %r" % (extra,))
    with_address = {(c.tid, c.name, c.error) for c in calls if c.name == "sendto" and len(c.args) > 4 and c.args[4] != "NULL"}
    for missing in with_address - got:
        t.fail("missing from the trail: %r" % (missing,))


def case(title, command, prepare=None, least=20):
    """A test case: command (a list, or a function of the folder) under both."""
    def run(t):
        with tap.Workdir() as d:
            if prepare:
                prepare(d)
            argv = command(d) if callable(command) else command
            calls, trace = traced(argv, d)
            t.must(calls, "strace saw nothing: %s" % trace.err)
            n = compare(t, calls, trace, argv[0])
            t.ok(n >= least, "only %d calls were compared" % n)
            t.note("%d calls compared, %d records" % (n, trace.recorded))
    run.title, run.said = title, (title, command, prepare, least)
    return run


class Together:
    """One of case()'s, as onetrace wants it."""

    setup, absent, why = "", (), ""

    def __init__(self, title, command, prepare, least):
        self.title, self.prepare, self.least = title, prepare or (lambda d: None), least
        self.argv = command(None) if callable(command) else command
        self.command = "strace %s -o strace.log %s" % (shlex.join(stracelog.OPTIONS), shlex.join(self.argv))
        self.command = self.command.replace("{", "{{").replace("}", "}}")

    def check(self, t, trace, d, _):
        calls = stracelog.parse(os.path.join(d, "strace.log"))
        t.must(calls, "strace saw nothing: %s" % trace.err)
        n = compare(t, calls, trace, self.argv[0])
        t.ok(n >= self.least, "only %d calls were compared" % n)
        t.note("%d calls compared, %d records" % (n, trace.recorded))


def together(cases):
    """The same cases in one trace."""
    return onetrace.runnables([Together(*c.said) for c in cases], None)
