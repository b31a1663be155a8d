# SPDX-License-Identifier: Apache-2.0
"""The agent's base tests inside one of Debian's kernels: one boot, all commands, then the checks on what they left.

    probes load and attach (`hosttrail doctor`); every case of rule 9, with int 0x80, 32-bit programs and x32, which the
    reference machine's kernel lacks; strace as oracle for 32-bit calls; the counting invariant with a small ring.
"""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..", "live"), os.path.join(HERE, "..")]
import guest  # noqa: E402
import invariant  # noqa: E402
import oracle  # noqa: E402
import rulecases  # noqa: E402
import stracelog  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402

W = "/w"
NEEDED_ABIS = {"int 0x80", "32-bit program", "x32 numbers", "64-bit to 32-bit and back"}
ORACLE = {  # name: (setup, command)
    "strace of a 32-bit program": ("", "/w/hello32 {D}/f"),
    "strace of int 0x80": ("echo x >{D}/f", "/w/int80 {D}/f"),
    "strace of every call": ("mkdir {D}/calls", "/w/all_calls {D}/calls"),
    "strace of a shell with pipes": ("", "/bin/sh /pipes.sh"),
}
PIPES = "cd /tmp\nfor i in 1 2 3; do cat /etc/passwd | grep root | cut -d: -f1 | sort >out.$i; done\ncat out.* | wc -l; rm out.?\nmkdir -p q/r; mv q/r q/s; rmdir q/s q; (exit 3)\n"
FLOOD = 20000


def slug(title):
    return re.sub(r"\W+", "_", title)


def trace_job(title, setup, command, prefix=""):
    """A job that runs command inside a trace; the trail comes back as /out/NAME.trail."""
    d = "/tmp/" + slug(title)
    lines = ["mkdir -p %s; cd %s" % (d, d), setup.format(W=W, D=d),
             "exec /bin/hosttrail trace -o /out/%s.trail -- %s%s" % (slug(title), prefix, command.format(W=W, D=d))]
    return slug(title), "\n".join(lines), 60


def jobs():
    yield "doctor", "/bin/hosttrail doctor", 60
    for case in rulecases.CASES:
        yield trace_job(case.title, case.setup, case.command)
    for title, (setup, command) in ORACLE.items():
        log = "/bin/strace %s -o /out/%s.strace " % (" ".join(stracelog.OPTIONS), slug(title))
        yield trace_job(title, setup, command, log)
    yield "flood", "cd /tmp; exec /w/smallrings /out/flood.trail 0 0 16384 -- /w/opens %d 2 /none/n" % FLOOD, 120


def trace_of(done, name):
    job = done.job(name)
    m = trail.LAST_LINE.match(job.err.splitlines()[-1]) if job.err.splitlines() else None
    if not m:
        raise tap.Failed("hosttrail trace said at the end: %r (exit status %s)" % (job.err[-500:], job.rc))
    records = [trail.Record(json.loads(line)) for line in done.files.get(name + ".trail", b"").splitlines()]
    return trail.Trace(records, int(m.group(1)), int(m.group(2)), job.rc, job.out, job.err)


class Machine:
    """Boots once, when the first case asks."""

    def __init__(self, kernel):
        self.kernel, self.done, self.error = kernel, None, None

    def result(self):
        if not self.done and not self.error:
            try:
                self.done = self.boot()
            except guest.GuestError as e:
                self.error = str(e)
        if self.error:
            raise tap.Failed(self.error)
        return self.done

    def boot(self):
        programs = [(p, "/w/" + os.path.basename(p)) for p in guest.ours(tap.BUILD)]
        programs += [(tap.program("hosttrail"), "/bin/hosttrail"), ("/usr/bin/strace", "/bin/strace"),
                     (os.path.join(tap.BUILD, "tests/live/smallrings"), "/w/smallrings")]
        with tap.Workdir() as d:
            pipes = os.path.join(d, "pipes")
            with open(pipes, "w") as f:
                f.write(PIPES)
            return guest.boot(self.kernel, list(jobs()), programs, [(pipes, "/pipes.sh")], timeout=400)


def rule_case(machine, case):
    def run(t):
        trace = trace_of(machine.result(), slug(case.title))
        if trace.status in case.absent:
            if case.title in NEEDED_ABIS:
                raise tap.Failed("not possible in the guest, although it was booted for it: %s" % case.why)
            raise tap.Skip(case.why)
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err)
        case.check(t, trace, "/tmp/" + slug(case.title), W)
    run.title = case.title
    return run


def oracle_case(machine, title, command):
    def run(t):
        done = machine.result()
        with tap.Workdir() as d:
            path = os.path.join(d, "log")
            with open(path, "wb") as f:
                f.write(done.files.get(slug(title) + ".strace", b""))
            calls = stracelog.parse(path)
        t.must(calls, "strace saw nothing: " + done.job(slug(title)).err)
        n = oracle.compare(t, calls, trace_of(done, slug(title)), command.split()[0])
        t.note("%d calls compared" % n)
    run.title = title
    return run


def cases(kernel):
    machine = Machine(kernel)

    def probes_load(t):
        doctor = machine.result().job("doctor")
        t.equal(doctor.rc, 0, "hosttrail doctor: " + doctor.out + doctor.err)
        t.note("guest ran for %d s" % machine.result().seconds)

    def flood(t):
        trace = trace_of(machine.result(), "flood")
        made = invariant.numbers(trace.out)["data"]
        got, gone = invariant.recorded(trace), invariant.lost(trace)
        t.equal(got["data"] + gone["data"], made, "recorded %d + lost %d against generated" % (got["data"], gone["data"]))
        t.ok(gone["data"] > 0, "the ring was not overrun")

    def kernel_is_quiet(t):
        bad = re.findall(r"^.*\b(?:BUG|WARNING|Oops|Call Trace)\b.*$", machine.result().text("dmesg"), re.M)
        t.equal(bad, [], "the kernel complained")

    probes_load.title, flood.title, kernel_is_quiet.title = "probes load and attach", "flood of opens, small ring", "the kernel is quiet"
    return [probes_load] + [rule_case(machine, c) for c in rulecases.CASES] \
        + [oracle_case(machine, title, command) for title, (_, command) in ORACLE.items()] + [flood, kernel_is_quiet]
