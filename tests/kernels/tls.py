#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1500 extra long
"""API calls inside TLS in guests with Debian's kernels 6.1 (a link for each probe) and 6.12 (all places of a file in one; return probes and seccomp filters):
apicalls.py. Not in the everyday run, whose guests have no time for it. Reproduce by hand: tests/kernels/tls.py 6.12"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import apicalls  # noqa: E402
import guest  # noqa: E402
import tap  # noqa: E402


def in_guest(kernel):
    def run(t):
        with tap.Workdir() as d:
            more = apicalls.programs(d)
            names = apicalls.clients(more)
            programs = [(p, "/w/" + os.path.basename(p)) for p in guest.ours(tap.BUILD)] + [(tap.program("hosttrail"), "/bin/hosttrail")]
            jobs = [("trace", "exec /bin/hosttrail trace -o /out/trail -- /bin/sh %s/tls.sh" % apicalls.PLACE, 400)]
            try:
                done = guest.boot(kernel, jobs, programs + more, apicalls.files(d, names), timeout=600, cache=True)
            except guest.GuestError as e:
                raise tap.Failed(str(e)) from e
        t.ok(done.job("trace").err.rstrip().endswith(" 0 lost"), "the trace: " + done.job("trace").err[-500:])
        apicalls.check(t, done, [json.loads(line) for line in done.files.get("trail", b"").splitlines()], names)
        t.note("guest ran for %d s" % done.seconds)
    run.title = kernel
    return run


if __name__ == "__main__":
    tap.main([in_guest("6.1"), in_guest("6.12")])
