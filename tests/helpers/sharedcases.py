# SPDX-License-Identifier: Apache-2.0
"""Attacks, as cases like those of attackcases: ways into the kernel that no library takes (tests/workloads/attacks_enter.c, fast32.c), and calls about what
others gave, have or change (attacks_shared.c). The workloads say what is true."""
import collections
import re

from racecases import doubted
from rulecases import NOEXEC, Case

ABSENT, WHY = (77,), "not possible on this kernel"


def entered(t, trace, d, w):
    """What became of the files tells which calls were made, whatever became of who made them."""
    gone = re.findall(r"^by (\w+) (\S+)$", trace.out, re.M)
    t.must(gone or re.search("^never ", trace.out, re.M), "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    t.equal([(r.abi, r.asked(), r.error) for r in trace.calls("unlink")], [(abi, name, None) for abi, name in gone], "unlinks")


def wide(t, trace, d, w):
    """The number is 32 bits, and so are the arguments of int 0x80. -1 is no call's number: the kernel looks for none."""
    entered(t, trace, d, w)
    t.equal([(r.request["number"], r.error) for r in trace.calls("unknown_syscall")],
            [(2 ** 32 - 2, "ENOSYS"), (2 ** 31 + 87, "ENOSYS"), (2 ** 32 - 2 ** 16 + 87, "ENOSYS")], "numbers of nobody's")
    t.equal(len([line for line in trace.out.splitlines() if line.startswith("by ")]), 4, "files that are gone")


def clocks(t, trace, d, w):
    """No call, and so no record of one that nobody knows."""
    t.must("ended with 0" in trace.out, "the workload said %r" % trace.out)
    entered(t, trace, d, w)
    t.equal(trace.calls("unknown_syscall"), [], "records of what was no call")


class Said:
    def __init__(self, line):
        self.call, self.path, self.kind = line


def said(t, trace):
    lines = re.findall(r"^is (\w+) (\S+) (\S+)$", trace.out, re.M)
    t.must(lines, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    return [Said(line) for line in lines]


def is_about(r, s):
    return r.request.get("path") == s.path and r.more.get("pathKind", "-") == s.kind


def told(ours):
    """ours(record): is it one of those that the workload speaks of?"""
    def check(t, trace, d, w):
        wanted = said(t, trace)
        for call, n in collections.Counter(s.call for s in wanted).items():
            found, want = [r for r in trace.calls(call) if ours(r)], [s for s in wanted if s.call == call]
            t.must(len(found) == n, "%s: %d records, want %d: %r" % (call, len(found), n, found))
            for r, s in zip(found, want):
                t.ok(is_about(r, s), "%s of %s, %s: %r %r" % (call, s.path, s.kind, r, r.more.get("pathKind")))
                t.ok(call != "fchmod" or not doubted(r), "in doubt without need: %r" % r)
    return check


def or_doubted(t, trace, d, w):
    """Where the name that was given begins elsewhere by now, the record says that it is not sure."""
    found, wanted = [r for r in trace.calls("openat") if (r.asked() or "").endswith("fifo") and "O_CLOEXEC" in r.request["flags"]], said(t, trace)
    t.equal([r.error for r in found], ["EINTR", None, "EINTR"], "opens")
    for r, s in zip(found, wanted):
        t.ok(is_about(r, s) or doubted(r), "%s, stated without doubt: %r" % (s.path, r))
    t.ok(is_about(found[1], wanted[1]), "one that succeeds: %r" % found[1])


def by_memfd(t, trace, d, w):
    told(lambda r: True)(t, trace, d, w)
    r, = trace.calls("execveat")
    t.equal((r.tid, r.pid, r.error, r.request["argv"], r.executable), (r.pid, r.pid, None, ["attacks_shared", "arrived"], "/memfd:evil"), "the exec")
    t.equal([x.executable for x in trace.calls("exit_group")], ["/memfd:evil"], "who ended")
    once(t, trace)


def once(t, trace):
    """A call's requestID is its own, also where a thread takes over the number of the process."""
    twice = [name for name, n in collections.Counter(r.raw["requestID"] for r in trace.calls()).items() if n > 1]
    t.equal(twice, [], "requestIDs of several calls")


def by_vfork(t, trace, d, w):
    """What it was given when it was executed; who executed it first runs what it did."""
    said(t, trace)
    child, = [r for r in trace.calls("execve") if r.asked() == "/proc/self/exe"]
    t.equal((child.error, child.request["argv"]), (None, [w + "/attacks_shared", "arrived", "=" + d[1:], "1"]), "the child's exec")
    t.equal("argv" in child.more.get("unverified", []), False, "in doubt without need")
    t.equal({r.executable for r in trace.calls()}, {w + "/attacks_shared"}, "programs")


def cgroups(t, trace, d, w):
    wanted = re.findall(r"^cgroup (\S+)$", trace.out, re.M)
    opens = [r for r in trace.calls("openat") if r.asked() == "here" and "O_CREAT" not in r.request["flags"]]
    t.equal([r.process.get("cgroup") for r in opens], wanted, "where the opens were made")
    moved = [r.process.get("cgroup") for r in trace.calls("open", "openat") if r.pid == opens[0].pid and r.asked() == "fifo"]
    t.equal(moved, wanted[1:2], "an open that ended elsewhere than it began")
    born = [r for r in trace.calls("clone3") if "CLONE_INTO_CGROUP" in r.request.get("flags", [])]
    t.equal([(r.response.get("pid"), r.process.get("cgroup")) for r in born], [(opens[0].pid, wanted[2])], "who made it, and where")


def attacks_call(r):
    return "O_CREAT" not in r.request.get("flags", []) and not {"O_PATH", "O_RDONLY"} <= set(r.request.get("flags", []))


def cases():
    yield Case("enter: wide", "{W}/attacks_enter wide {D} 1", wide, "", ABSENT, WHY)
    for how, check in (("gate", entered), ("sysenter", entered), ("vsyscall", clocks)):
        yield Case("enter: " + how, "{W}/attacks_enter %s {D} 1" % how, check, "", ABSENT, WHY)
    yield Case("enter: vDSO", "{W}/fast32 {D}", entered, "", NOEXEC, "this kernel runs no 32-bit programs")
    for how, check in (("received", told(attacks_call)), ("magic", told(attacks_call)), ("empty", told(attacks_call)), ("overlay", told(attacks_call)),
                       ("memfd", by_memfd), ("vfork-1", by_vfork), ("cwd", or_doubted), ("cgroup", cgroups)):
        yield Case("shared: " + how, "{W}/attacks_shared %s {D} 1" % how, check, "", ABSENT, WHY)
