#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""One test for each row of rule 9, and for the trees that a trace must follow: on this kernel."""
import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import rulecases  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402

W = os.path.join(tap.BUILD, "tests/workloads")


def runnable(case):
    def run(t):
        with tap.Workdir() as d:
            if case.setup:
                subprocess.run(["sh", "-c", case.setup.format(W=W, D=d)], check=True)
            trace = trail.run(shlex.split(case.command.format(W=W, D=d)), timeout=60, cwd=d)
            if trace.status in case.absent:
                raise tap.Skip(case.why)
            t.equal(trace.status, 0, "exit status (%s)" % trace.err)
            t.equal(trace.lost, 0, "lost")
            t.equal(trace.recorded, len(trace.records), "records counted")
            case.check(t, trace, d, W)
    run.title = case.title
    return run


if __name__ == "__main__":
    tap.main([runnable(c) for c in rulecases.CASES])
