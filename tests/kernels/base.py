# SPDX-License-Identifier: Apache-2.0
"""The agent's base tests inside one of Debian's kernels: one boot, all commands, then the checks on what they left.

    probes load and attach (`hosttrail doctor`); every case of rule 9 and every path that is hard to name, with int 0x80, 32-bit programs and x32, which the
    reference machine's kernel lacks; strace as oracle for 32-bit calls; the counting invariant with a small ring.
"""
import functools
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..", "live"), os.path.join(HERE, "..")]
import attackcases  # noqa: E402
import budget  # noqa: E402
import guest  # noqa: E402
import hookcases  # noqa: E402
import invariant  # noqa: E402
import oracle  # noqa: E402
import pathcases  # noqa: E402
import racecases  # noqa: E402
import rowcheck  # noqa: E402
import rulecases  # noqa: E402
import stracelog  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
import uringcases  # noqa: E402
from onetrace import Parts, losses, script, slowest, slug  # noqa: E402

W = "/w"
NEEDED_ABIS = {"int 0x80", "32-bit program", "x32 numbers", "64-bit to 32-bit and back", "calls behind socketcall and ipc"}
# a race that the native kernel runs, too, tells nothing new here, but where hooks see what it was about
HOOKED = ("open", "nofollow", "truncate", "unlink", "mkdir", "rename")
HOOKS = os.environ.get("HT_GUEST_HOOKS", "1") == "1"  # arm64 has none on 6.1
ATTACKS = [c for c in attackcases.cases(10, 4, 100, HOOKS) if not c.title.startswith("swap by race") or c.title.split(": ")[1] in HOOKED]
# these are about what hooks see, which the reference machine's kernel has not
HOOK_ATTACKS = [c for c in ATTACKS if c.title.startswith("paths: ") or c.title.startswith("swap by ") and c.title.split(": ")[1] in HOOKED]
RULES = rulecases.CASES + pathcases.cases(HOOKS) + list(hookcases.cases(HOOKS)) + uringcases.CASES + racecases.cases(200, 4, 31)
ORACLE = {  # name: (setup, command)
    "strace of a 32-bit program": ("", "/w/hello32 {D}/f"),
    "strace of int 0x80": ("echo x >{D}/f", "/w/int80 {D}/f"),
    "strace of socketcall and ipc": ("", "/w/socketcall32"),
    "strace of a shell with pipes": ("", "/bin/sh /pipes.sh"),
}
PIPES = "cd /tmp\nfor i in 1 2 3; do cat /etc/passwd | grep root | cut -d: -f1 | sort >out.$i; done\ncat out.* | wc -l; rm out.?\nmkdir -p q/r; mv q/r q/s; rmdir q/s q; (exit 3)\n"
DEEP = "t/d" + 9 * "/d"  # in the thousands of records of how the deep path is put together, which nobody asks for: they would be packed and sent for long, and were 650 MB with a kernel that takes long
FLOOD = 20000
TURNS = 2
SELECTORS = """[{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "process.euid", "Equals": ["0"]},
    {"Field": "path", "StartsWith": ["/etc/pass"], "EndsWith": [".pem"], "NotEquals": ["/etc/passwd-"]}]}]"""
SMALLRINGS, VERIFIED = (os.path.join(tap.BUILD, "tests/live", name) for name in ("smallrings", "verified"))
ROWS = {"rows32": 45}  # workload: calls that are made both ways at least


def is_built(command):
    """Some workloads speak one machine's instructions, and are not built for others."""
    return all(os.path.exists(tap.workload(name)) for name in re.findall(r"(?:/w|\{W\})/(\w+)", command))


def rules(brief):
    return [c for c in RULES + (HOOK_ATTACKS if brief else ATTACKS) if is_built(c.setup + c.command)]


def oracles():
    return {title: (setup, command) for title, (setup, command) in ORACLE.items() if is_built(setup + command)}


def commands(brief):
    return [(c.title, c.setup, c.command) for c in rules(brief)] + oracle_commands()


def oracle_commands():
    return [(title, setup, "/bin/strace %s -o /out/%s.strace %s" % (" ".join(stracelog.OPTIONS), slug(title), command))
                 for title, (setup, command) in oracles().items()]


def script_of(commands):
    return "\n".join(script(commands, W, "/tmp", "/out")) + "\n"


def is_short(brief):
    return brief or not os.path.exists(SMALLRINGS)


def jobs(brief):
    """Each but the first loads the probes, up to a minute under TCG, so there are few. brief: without what asks the same of every kernel, and of this machine's.
    The rules are run under those programs whose numbers are compared: that is one load less."""
    yield "doctor", "/bin/hosttrail doctor", 60
    if os.path.exists(VERIFIED):
        yield "rules", "HT_LEFT_OUT=%s exec /w/verified /out/rules.trail /bin/sh /rules.sh" % DEEP, 500
    else:
        yield "rules", "/bin/hosttrail trace -o /out/rules.trail -- /bin/sh /rules.sh; r=$?; grep -v %s /out/rules.trail >/out/t; mv /out/t /out/rules.trail; exit $r" % DEEP, 500
    if is_short(brief):
        return
    for name in ROWS:
        yield name, "mkdir -p /tmp/rows/%s; exec /w/smallrings /out/%s.trail 16777216 16777216 16777216 all /w/%s /tmp/rows/%s" % ((name,) * 4), 300
    yield "selectors", "exec /w/smallrings /out/selectors.trail 0 0 65536 kernel=/selectors.json /bin/sh -c '/w/opens 6000 0 /tmp/n create; cat /etc/passwd'", 120
    yield "flood", "exec /w/smallrings /out/flood.trail 0 0 32768 -- /bin/sh -c '/w/opens %d 2 /none/n; sleep 1; exec /w/repeats %d 1000 0 /none/r'" % (FLOOD, FLOOD), 180


def last_line(job):
    m = trail.LAST_LINE.match(job.err.splitlines()[-1]) if job.err.splitlines() else None
    if not m:
        raise tap.Failed("hosttrail trace said at the end: %r (exit status %s)" % (job.err[-500:], job.rc))
    return int(m.group(1)), int(m.group(2))


@functools.lru_cache(maxsize=None)
def records_of(done, name):
    lines = done.files.get(name + ".trail", b"").split(b"\n")
    if lines.pop():
        raise tap.Failed("%s.trail ends within a line, behind %d whole ones" % (name, len(lines)))
    found = []
    for n, line in enumerate(lines, 1):
        try:
            found.append(trail.Record(json.loads(line)))
        except ValueError as e:
            raise tap.Failed("line %d of %d of %s.trail: %s: ...%r" % (n, len(lines), name, e, line[-300:]))
    return found


@functools.lru_cache(maxsize=None)
def parts_of(done, name):
    return Parts(records_of(done, name))


def trace_of(done, name):
    """The case's part of the whole trace: from its command's exec on."""
    _, lost = last_line(done.job("rules"))
    job, root = done.job(name), done.text(name + ".pid").strip()
    if not root or job.rc is None:
        raise tap.Failed("the case did not run to its end: %s" % job.err[-300:])
    records = parts_of(done, "rules").part(int(root))
    return trail.Trace(records, len(records), lost, job.rc, job.out, job.err)


class Machine:
    """Boots once, when the first case asks. patience: how many times as long as others it may take."""

    def __init__(self, kernel, patience, brief):
        self.kernel, self.patience, self.brief, self.done, self.error = kernel, patience, brief, None, None

    def result(self):
        """Of another boot where the rules' trace lost records, which it says: a guest whose host is busy reads late, and what the rules are about is something else."""
        if not self.done and not self.error:
            try:
                for _ in range(TURNS):
                    self.done = self.boot()
                    if not self.was_lost():
                        break
            except guest.GuestError as e:
                self.error = str(e)
        if self.error:
            raise tap.Failed(self.error)
        return self.done

    def was_lost(self):
        try:
            _, lost = last_line(self.done.job("rules"))
        except tap.Failed:
            return 0  # which the cases will say
        if lost:
            tap.say(losses(records_of(self.done, "rules"), lost))
        return lost

    def boot(self):
        programs = [(p, "/w/" + os.path.basename(p)) for p in guest.ours(tap.BUILD)]
        programs += [(tap.program("hosttrail"), "/bin/hosttrail"), (guest.KERNELS[self.kernel][0].root + "/usr/bin/strace", "/bin/strace")]
        programs += [(p, "/w/" + os.path.basename(p)) for p in (SMALLRINGS, VERIFIED) if os.path.exists(p)]
        with tap.Workdir() as d:
            files = []
            for name, text in (("pipes.sh", PIPES), ("rules.sh", script_of(commands(self.brief))),
                               ("selectors.json", SELECTORS)):
                files.append((os.path.join(d, name), "/" + name))
                with open(files[-1][0], "w") as f:
                    f.write(text)
            limited = [(name, command, limit * self.patience) for name, command, limit in jobs(self.brief)]
            return guest.boot(self.kernel, limited, programs, files, timeout=560 * self.patience)


def rule_case(machine, case):
    def run(t):
        trace = trace_of(machine.result(), slug(case.title))
        if trace.status in case.absent:
            if case.title in NEEDED_ABIS and not guest.KERNELS[machine.kernel][0].root:
                raise tap.Failed("not possible in the guest, although it was booted for it: %s" % case.why)
            raise tap.Skip(case.why)
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
        t.equal([r for r in trace.calls() if not r.executable], [], "calls of nobody knows what program")
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


def rows_case(machine, workload, least):
    def run(t):
        job = machine.result().job(workload)
        trace = trail.Trace(records_of(machine.result(), workload), *last_line(job), job.rc, job.out, job.err)
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
        rowcheck.check(t, trace, least, True)
    run.title = "every field of %s" % workload
    return run


def cases(kernel, patience=1, brief=False):
    machine = Machine(kernel, patience, brief)

    def probes_load(t):
        doctor = machine.result().job("doctor")
        t.equal(doctor.rc, 0, "hosttrail doctor: " + doctor.out + doctor.err)
        t.note("guest ran for %d s; jobs began: %s" % (machine.result().seconds, ", ".join(re.findall(r"guest: (\w+ at \d+)", machine.result().console))))
        t.note(slowest([(machine.result().text(slug(title) + ".at"), title) for title, *_ in commands(brief)], 25))

    def verifier(t):
        job = machine.result().job("rules")
        t.equal(job.rc, 0, "verified: " + job.err)
        budget.check(t, kernel, budget.parse(job.out))

    def flood(t):
        """First by two threads, each open another one; then, when the ring is read, by another user who repeats one open."""
        job = machine.result().job("flood")
        trace = trail.Trace(records_of(machine.result(), "flood"), *last_line(job), job.rc, job.out, job.err)
        made = invariant.numbers(trace.out)["data"] + FLOOD
        opens = [r for r in trace.calls("openat") if (r.asked() or "").startswith("/none/")]
        gone = invariant.lost(trace)["data"]
        t.equal((trace.status, sum(r.repeats for r in opens) + gone), (0, made), "exit status, opens: recorded, with those merged, and lost")
        t.ok(gone > 0, "the ring was not overrun")
        t.ok(any(r.repeats > 1 for r in opens if r.asked() == "/none/r-same"), "nothing was merged")

    def selectors(t):
        job = machine.result().job("selectors")
        got = records_of(machine.result(), "selectors")
        t.equal(([r.request.get("path") for r in got if r.call], last_line(job)[1]), (["/etc/passwd"], 0), "recorded opens, lost")

    def kernel_is_quiet(t):
        bad = re.findall(r"^.*\b(?:BUG|WARNING|Oops|Call Trace)\b.*$", machine.result().text("dmesg"), re.M)
        t.equal(bad, [], "the kernel complained")

    def disk_has_room(t):
        """Else what the jobs left is cut off, and what they would have said of that with it."""
        left = {where: int(blocks) * int(size) >> 20 for where, blocks, size in map(str.split, machine.result().text("room").splitlines())}
        t.note(", ".join("%s: %d MiB" % x for x in left.items()))
        t.ok(set(left) == {"/out", "/tmp"} and min(left.values()) >= 4, "MiB left: %r" % left)

    verifier.title = "verifier budget"
    selectors.title = "unwanted opens are dropped in the kernel"
    probes_load.title, flood.title, kernel_is_quiet.title = "probes load and attach", "floods of opens, small ring", "the kernel is quiet"
    disk_has_room.title = "the guest's disk has room"
    return [probes_load] + ([verifier] if os.path.exists(VERIFIED) else []) + [rule_case(machine, c) for c in rules(brief)] \
        + [oracle_case(machine, title, command) for title, (_, command) in oracles().items()] \
        + ([] if is_short(brief) else [rows_case(machine, workload, least) for workload, least in ROWS.items()] + [selectors, flood]) + [disk_has_room, kernel_is_quiet]
