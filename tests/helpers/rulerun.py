# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of rulecases and its kind on this kernel, each inside a trace of its own."""
import os
import shlex
import subprocess

import tap
import trail

W = os.path.join(tap.BUILD, "tests/workloads")
LIMIT = 3600 if os.environ.get("HT_LONG") == "1" else 60  # seconds; on a busy machine a race waits for the scheduler at each open


def runnable(case):
    def run(t):
        with tap.Workdir() as d:
            if case.setup:
                subprocess.run(["sh", "-c", case.setup.format(W=W, D=d)], check=True)
            trace = trail.run(shlex.split(case.command.format(W=W, D=d)), timeout=LIMIT, cwd=d)
            if trace.status in case.absent:
                raise tap.Skip(case.why)
            t.equal(trace.status, 0, "exit status (%s)" % trace.err)
            t.equal(trace.lost, 0, "lost")
            t.equal(trace.recorded, len(trace.records), "records counted")
            t.equal([r for r in trace.calls() if not r.executable], [], "calls of nobody knows what program")
            case.check(t, trace, d, W)
    run.title = case.title
    return run
