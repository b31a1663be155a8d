# SPDX-License-Identifier: Apache-2.0
"""Many cases (see rulecases.py) in one trace, because loading the probes takes longer than most cases: a shell script that runs
them one after the other, and each case's part of what the trace says."""
import os
import re
import subprocess

import tap
import trail


def slug(title):
    return re.sub(r"\W+", "_", title)


def script(commands, w, folder, out):
    """Runs (title, setup, command) in FOLDER/title; OUT gets each one's output, status and pid, which tells its records."""
    for title, setup, command in commands:
        name, d = slug(title), os.path.join(folder, slug(title))
        yield "mkdir -p %s; cd %s; %s" % (d, d, setup.format(W=w, D=d) or ":")
        yield "(exec %s) </dev/null >%s/%s.out 2>%s/%s.err &" % (command.format(W=w, D=d), out, name, out, name)
        yield "echo $! >%s/%s.pid; wait $!; echo $? >%s/%s.rc" % (out, name, out, name)


def tree_of(records, root):
    """Tasks that root started, and theirs."""
    started = {}
    for r in records:
        if r.name in ("fork", "vfork", "clone", "clone3") and r.response.get("pid"):
            started.setdefault(r.tid, []).append(r.response["pid"])
    found, todo = set(), [root]
    while todo:
        task = todo.pop()
        found.add(task)
        todo += [c for c in started.get(task, []) if c not in found]
    return found


def part_of(everything, root):
    """The records of root's tree, from its command's exec on."""
    tasks = tree_of(everything, root)
    records = [r for r in everything if r.tid in tasks or r.pid in tasks]  # the threads of io_uring are nobody's fork
    begin = next((i for i, r in enumerate(records) if r.tid == root and r.name == "execve" and not r.error), 0)
    return records[begin:]


def text(path):
    with open(path, errors="replace") as f:
        return f.read()


class OneTrace:
    """Runs when the first case asks."""

    def __init__(self, cases, w):
        self.cases, self.w, self.traces, self.error = cases, w, None, None

    def run(self):
        with tap.Workdir() as self.d:
            out = self.d + "/out"
            os.mkdir(out)
            with open(out + "/script", "w") as f:
                f.write("\n".join(script([(c.title, c.setup, c.command) for c in self.cases], self.w, self.d, out)) + "\n")
            argv = [tap.program("hosttrail"), "trace", "--no-tls", "-o", out + "/trail", "--", "/bin/sh", out + "/script"]
            p = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            m = trail.LAST_LINE.match((p.stderr.splitlines() or [""])[-1])
            if not m:
                raise tap.Failed("hosttrail trace said at the end: " + p.stderr[-500:])
            everything, lost = trail.load(out + "/trail"), int(m.group(2))
            self.traces = {c.title: self.trace(everything, lost, out + "/" + slug(c.title)) for c in self.cases}

    @staticmethod
    def trace(everything, lost, name):
        records = part_of(everything, int(text(name + ".pid")))
        return trail.Trace(records, len(records), lost, int(text(name + ".rc")), text(name + ".out"), text(name + ".err"))

    def runnable(self, case):
        def run(t):
            if not self.traces and not self.error:
                try:
                    self.run()
                except tap.Failed as e:
                    self.error = str(e)
            t.must(not self.error, self.error)
            trace = self.traces[case.title]
            if trace.status in case.absent:
                raise tap.Skip(case.why)
            t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
            case.check(t, trace, os.path.join(self.d, slug(case.title)), self.w)
        run.title = case.title
        return run


def runnables(cases, w):
    one = OneTrace(cases, w)
    return [one.runnable(c) for c in cases]
