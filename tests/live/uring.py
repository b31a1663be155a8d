#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240
"""io_uring on equal terms: every operation's record against that of the system call that does the same; and what only
io_uring has: linked, skipped, overflowing, multishot and refused operations. Cases are in tests/helpers/uringcases.py,
which the kernel matrix runs, too."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import trail  # noqa: E402
import uringcases  # noqa: E402

W = os.path.join(tap.BUILD, "tests/workloads")


def runnable(case):
    def run(t):
        run_case(case, t)
    run.title = case.title
    return run


def run_case(case, t):
    with tap.Workdir() as d:
        os.chmod(d, 0o755)
        here = os.path.join(d, "d")
        os.mkdir(here)
        os.chmod(here, 0o777)
        trace = trail.run(case.command.format(W=W, D=here).split())
        if trace.status in case.absent:
            raise tap.Skip(case.why)
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
        case.check(t, trace, here, W)


if __name__ == "__main__":
    tap.main([runnable(c) for c in uringcases.CASES])
