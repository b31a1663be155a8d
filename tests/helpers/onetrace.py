# SPDX-License-Identifier: Apache-2.0
"""Many cases (see rulecases.py) in one trace, because loading the probes takes longer than most cases: a shell script that runs
them one after the other, and each case's part of what the trace says."""
import atexit
import json
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
        yield "read up idle </proc/uptime; echo $up >%s/%s.at; mkdir -p %s; cd %s; %s" % (out, name, d, d, setup.format(W=w, D=d) or ":")
        yield "(exec %s) </dev/null >%s/%s.out 2>%s/%s.err &" % (command.format(W=w, D=d), out, name, out, name)
        yield "echo $! >%s/%s.pid; wait $!; echo $? >%s/%s.rc" % (out, name, out, name)


class Parts:
    """Records by task, looked through once."""

    def __init__(self, records):
        self.records, self.started, self.of = records, {}, {}
        for i, r in enumerate(records):
            tid = r.tid
            for task in {tid, r.pid}:  # the threads of io_uring are nobody's fork
                self.of.setdefault(task, []).append(i)
            if r.name in ("fork", "vfork", "clone", "clone3") and r.response.get("pid"):
                self.started.setdefault(tid, []).append(r.response["pid"])

    def tree(self, root):
        """Tasks that root started, and theirs."""
        found, todo = set(), [root]
        while todo:
            task = todo.pop()
            found.add(task)
            todo += [c for c in self.started.get(task, []) if c not in found]
        return found

    def part(self, root):
        """The records of root's tree, from its command's exec on."""
        places = sorted({i for task in self.tree(root) for i in self.of.get(task, [])})
        records = [self.records[i] for i in places]
        begin = next((i for i, r in enumerate(records) if r.tid == root and r.name == "execve" and not r.error), 0)
        return records[begin:]


def slowest(began, n=9):
    """began: (uptime as text, title) of each case, in order; for people."""
    took = sorted(((float(after[0] or 0) - float(before[0] or 0), before[1]) for before, after in zip(began, began[1:])), reverse=True)
    return "slowest: " + ", ".join("%s %.1f s" % (title, seconds) for seconds, title in took[:n])


def text(path):
    with open(path, errors="replace") as f:
        return f.read()


def losses(records, lost):
    return "# lost: " + (", ".join(json.dumps(r.raw.get("serviceEventDetails")) for r in records if r.name == "RecordsLost") or "%d, of which no record tells" % lost)


class OneTrace:
    """Runs when the first case asks, and again where records were lost, which the trail says: on a machine that is too busy for
    its reader that is no fault of what the cases are about. Losses have tests of their own."""

    TURNS = 3

    def __init__(self, cases, w):
        self.cases, self.w, self.traces, self.error = cases, w, None, None

    def run(self):
        for _ in range(self.TURNS):
            everything, lost, out = self.turn()
            if not lost:
                break
            tap.say(losses(everything.records, lost))
        self.traces = {c.title: self.trace(everything, lost, out + "/" + slug(c.title)) for c in self.cases}

    def turn(self):
        work = tap.Workdir()
        self.d = work.__enter__()
        atexit.register(work.__exit__)  # what commands wrote is checked, too
        out = self.d + "/out"
        os.mkdir(out)
        for c in self.cases:
            if getattr(c, "prepare", None):
                os.mkdir(os.path.join(self.d, slug(c.title)))
                c.prepare(os.path.join(self.d, slug(c.title)))
        with open(out + "/script", "w") as f:
            f.write("\n".join(script([(c.title, c.setup, c.command) for c in self.cases], self.w, self.d, out)) + "\n")
        argv = [tap.program("hosttrail"), "trace", "--no-tls", "-o", out + "/trail", "--", "/bin/sh", out + "/script"]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        m = trail.LAST_LINE.match((p.stderr.splitlines() or [""])[-1])
        if not m:
            raise tap.Failed("hosttrail trace said at the end: " + p.stderr[-500:])
        tap.say("# " + slowest([(text(out + "/" + slug(c.title) + ".at"), c.title) for c in self.cases]))
        return Parts(trail.load(out + "/trail")), int(m.group(2)), out

    @staticmethod
    def trace(everything, lost, name):
        records = everything.part(int(text(name + ".pid")))
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
            t.equal([r for r in trace.calls() if not r.executable], [], "calls of nobody knows what program")
            case.check(t, trace, os.path.join(self.d, slug(case.title)), self.w)
        run.title = case.title
        return run


def runnables(cases, w):
    """Beside what rulecases.Case has, a case may have a prepare(folder), which is called before all of them."""
    one = OneTrace(cases, w)
    return [one.runnable(c) for c in cases]
