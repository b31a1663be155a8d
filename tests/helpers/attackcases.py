# SPDX-License-Identifier: Apache-2.0
"""Attacks on what a record says, as cases for tests/live/attacks.py and the kernel matrix (see rulecases.py). The workloads
(tests/workloads/attacks_*.c) say how many calls they made and what was true of each; that, and not a counter of ours, is what
records are held against."""
import collections
import hashlib
import json
import re

import calltable
import sharedcases
import tap
from racecases import doubted
from rulecases import NOEXEC, Case, died_in

ABSENT, WHY = (77,), "not possible on this kernel"


def did(trace):
    """{call: how many} of the calls that are recorded without being asked for."""
    made = {k: int(v) for k, v in re.findall(r"^did (\w+) (\d+)$", trace.out, re.M)}
    return collections.Counter({k: n for k, n in made.items() if k in calltable.RECORDED})


def truths(t, trace):
    m = re.search(r"^truth (\w*)$", trace.out, re.M)
    t.must(m, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    return m.group(1)


# ---- arguments exchanged while the kernel copies them (attacks_swap.c)

REAL, FAKE = "realpart", "fakepart"
ADDRESSES = {"r": "127.0.0.1", "f": "127.0.0.2"}


def path_of(r):
    return r.request.get("path")


def address_of(r):
    return r.request.get("address", {}).get("address")


def argument_of(r):
    return (r.request.get("argv") or [None] * 3)[2]


def mode_of(r):
    return "O_RDWR" if "O_RDWR" in r.request.get("flags", []) else "O_RDONLY"


def namespace_of(r):
    return "CLONE_NEWUTS" in r.request.get("flags", [])


SURE = "sure"


class Victim:
    """CALLS are those whose argument FIELD was exchanged; `object`: the kernel's own object tells what it was, and if that is
    SURE, the record has no doubt."""

    def __init__(self, name, calls, field, value, is_object, mine=lambda r: True, says="{d}/%s-file"):
        self.name, self.calls, self.field, self.value, self.object, self.mine, self.says = name, calls, field, value, is_object, mine, says

    def wanted(self, c, d):
        if isinstance(self.says, dict):
            return self.says[c].format(d=d) if isinstance(self.says[c], str) else self.says[c]
        return (self.says % {"r": REAL, "f": FAKE}[c]).format(d=d)

    def doubted(self, r):
        return self.field in r.more.get("unverified", []) or self.field in r.more.get("unreadable", []) or \
            r.more.get("argumentChanged") is True

    def check(self, t, trace, d, w):
        found = [r for r in trace.calls(*self.calls) if self.mine(r)]
        said, seen, wrong = truths(t, trace), collections.Counter(), []
        t.equal(len(found), len(said), "records of the calls")
        for r, c in zip(found, said):
            got, sure = self.value(r), not self.doubted(r)
            seen["%s, %s" % (got, "sure" if sure else "doubted")] += 1
            if c == "e" or not self.object:
                wrong += [r] if sure else []
            elif got != self.wanted(c, d) or self.object == SURE and self.field in r.more.get("unverified", []):
                wrong.append(r)
        t.ok(not wrong, "%d records of %d state what is not known, or doubt what is, as %r" % (len(wrong), len(said), wrong[:1]))
        t.note(", ".join("%s: %d" % kv for kv in sorted(seen.items())))


def attacks_open(r):
    return "O_CLOEXEC" in r.request.get("flags", [])


def nofollow(t, trace, d, w):
    """Nobody could follow a link: where the string names something else than what was opened, it was exchanged."""
    Victim("nofollow", ("openat",), "path", path_of, SURE, attacks_open).check(t, trace, d, w)
    for r in filter(attacks_open, trace.calls("openat")):
        asked = r.request.get("requestedPath")
        t.ok(asked is None or r.request["path"].endswith(asked) or r.more.get("argumentChanged"), "the string is another one's: %r" % r)


def executed(r):
    return not r.error and r.request.get("argv", [None])[:2] == ["attacks_swap", "said"]


def victims(hooks):
    """hooks: the kernel has those that see what the calls lead to."""
    seen = SURE if hooks else False
    return [*VICTIMS,
            Victim("truncate", ("truncate",), "path", path_of, seen),
            Victim("unlink", ("unlink", "unlinkat"), "path", path_of, seen),
            Victim("empty", ("fchownat",), "path", path_of, seen, says={"r": "{d}/realpart-file", "f": "{d}"}),
            Victim("mkdir", ("mkdir", "mkdirat"), "path", path_of, seen, says="{d}/%s-none"),
            Victim("rename", ("rename", "renameat"), "path", path_of, seen, lambda r: r.request["newPath"].endswith("/renamed"))]


VICTIMS = [
    Victim("open", ("openat",), "path", path_of, SURE, attacks_open),
    Victim("missing", ("openat",), "path", path_of, False, attacks_open),
    Victim("sqpoll", ("openat",), "path", path_of, True, attacks_open),  # the ring's thread shares the descriptors
    Victim("connect", ("connect",), "address", address_of, True, says=ADDRESSES),  # threads share the descriptors
    Victim("refused", ("connect",), "address", address_of, False, says=ADDRESSES),
    Victim("sendto", ("sendto",), "address", address_of, False, says=ADDRESSES),
    Victim("how", ("openat2",), "flags", mode_of, False),
    Victim("xattr", ("setxattr",), "name", lambda r: r.request.get("name"), False),
    Victim("target", ("symlink", "symlinkat"), "target", lambda r: r.request.get("target"), False),
    Victim("clone", ("clone3",), "flags", namespace_of, True, says={"r": True, "f": False}),
    Victim("argv", ("execve",), "argv", argument_of, SURE, executed, "%s-file"),
    Victim("noexec", ("execve",), "argv", argument_of, False, lambda r: r.error == "ENOEXEC"),
    Victim("program", ("execve",), "path", path_of, SURE, executed),
]


def worst(call, rank):
    """Where it was exchanged so that it could be seen, or cannot have been read before, the record has the rank of what was really done."""
    def check(t, trace, d, w):
        found, said = trace.calls(call), truths(t, trace)
        wrong = [r for r, c in zip(found, said) if c == "r" and not rank(r)]
        t.ok(not wrong, "%d ranked by what was not done: %r" % (len(wrong), wrong[:1]))
    return check


def ranks(count):
    for how in ("fault", "race"):
        yield Case("rank by %s: how" % how, "{W}/attacks_swap %s how {D} %d" % (how, count), worst("openat2", lambda r: r.raw["readOnly"] is False), "", ABSENT, WHY)
    yield Case("rank by fault: xattr", "{W}/attacks_swap fault xattr {D} %d" % count, worst("setxattr", lambda r: r.raw["managementEvent"]), "", ABSENT, WHY)


def swaps(count, processes, hooks):
    for how in ("fault", "race"):
        for v in victims(hooks):
            n = processes if v.name in ("argv", "program", "clone") else count
            yield Case("swap by %s: %s" % (how, v.name), "{W}/attacks_swap %s %s {D} %d" % (how, v.name, n), v.check, "", ABSENT, WHY)
        yield Case("swap by %s: nofollow" % how, "{W}/attacks_swap %s nofollow {D} %d" % (how, count), nofollow, "", ABSENT, WHY)


# ---- programs that would be taken for others (attacks_hide.c)

class Who:
    def __init__(self, line):
        n, pid, uid, self.executable = line.split(None, 3)
        self.n, self.pid, self.uid = int(n), int(pid), int(uid)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def opens_by(t, trace, d):
    """[(Who, record of its open)]"""
    found = []
    for line in re.findall(r"^who (.*)$", trace.out, re.M):
        who = Who(line)
        records = [r for r in trace.calls("openat") if r.asked() == "%s/who-%d" % (d, who.n)]
        t.equal(len(records), 1, "opens by number %d" % who.n)
        found += [(who, r) for r in records[:1]]
    t.must(found, "the workload said %r %s" % (trace.out[-300:], trace.err[-300:]))
    return found


def check_who(t, who, r, program):
    exe = r.process.get("executable", {})
    want = program if who.executable == "self" else who.executable
    t.equal((r.pid, r.process.get("uids", {}).get("euid"), exe.get("path")), (who.pid, who.uid, want), "who made open %d" % who.n)


def reuse(t, trace, d, w):
    """One pid: each process is told apart by when it began, and nothing of one is said of the next."""
    found = opens_by(t, trace, d)
    for who, r in found:
        check_who(t, who, r, w + "/attacks_hide")
    t.equal(len({who.pid for who, _ in found}), 1, "pids")
    starts = [int(r.process["startTime"]) for _, r in found]
    t.equal(sorted(set(starts)), starts, "each began at a time of its own, in order")
    killed = [r for r in trace.calls("openat") if r.pid == found[0][0].pid and died_in(r, d + "/fifo")]
    children = [r for r in trace.calls("clone3") if r.response.get("pid") == found[0][0].pid]
    t.equal(len(killed) + len(found), len(children), "children")
    t.equal({r.process.get("executable", {}).get("path") for r in killed} - {w + "/attacks_hide"}, set(), "what the killed ones ran")
    t.equal({(r.errno, bool(r.response)) for r in killed} - {(None, False), (4, False)}, set(), "opens that never came back")
    t.equal(len({r.process["startTime"] for r in killed} | set(map(str, starts))), len(children), "processes of that pid")


def spoof(t, trace, d, w):
    for who, r in opens_by(t, trace, d):
        check_who(t, who, r, None)
        true = sha256(tap.workload("attacks_hide"))
        t.equal(r.process["executable"].get("sha256", true), true, "its hash, once it is known")
        t.equal(r.raw["userAgent"], d + "/evil", "user agent")
    exec_of(t, trace, d, "spoof")


def exec_of(t, trace, d, how):
    execs = [r for r in trace.calls("execve") if r.request.get("path") == d + "/evil"]
    t.equal([r.request["argv"][:3] for r in execs], [["attacks_hide", "here", how]], "argv of the exec")


def exefile(t, trace, d, w):
    """The kernel itself says afterwards that it runs the decoy; that it was made so is a record, and what it executed stays known."""
    exec_of(t, trace, d, "exefile")
    changes = [r for r in trace.calls("prctl") if r.request.get("option") == "PR_SET_MM"]
    t.equal([(r.error, r.request.get("arg2")) for r in changes], [(None, "0xe")], "PR_SET_MM_MAP")
    for who, r in opens_by(t, trace, d):
        check_who(t, who, r, None)


def memfd(t, trace, d, w):
    found = opens_by(t, trace, d)
    true = sha256(tap.workload("attacks_hide"))
    for who, r in found:
        check_who(t, who, r, None)
        exe = r.process["executable"]
        t.equal((exe.get("deleted"), exe.get("sha256", true)), (True, true), "a memfd: %r" % exe)
    execs = [r for r in trace.calls("execve", "execveat") if r.more.get("pathKind") == "memfd" and not r.error]
    t.equal(collections.Counter(r.name for r in execs), collections.Counter("execve" if who.n % 2 else "execveat" for who, _ in found), "execs")
    t.equal({r.request.get("path") for r in execs}, {"/memfd:evil"}, "what was executed")


def deleted(t, trace, d, w):
    """The file that now has the executable's name is not what runs."""
    for who, r in opens_by(t, trace, d):
        check_who(t, who, r, None)
        exe, true = r.process["executable"], sha256(tap.workload("attacks_hide"))
        t.equal((exe.get("deleted"), exe.get("sha256", true)), (True, true), "a file without a name: %r" % exe)


def detached(t, trace, d, w):
    """Whose mount nobody can reach has no whole path, whatever it is called there."""
    for who, r in opens_by(t, trace, d):
        check_who(t, who, r, None)
        t.equal(r.raw["userAgent"], ".../usr/sbin/sshd", "user agent")
        t.ok("/usr/sbin/sshd" not in (r.raw["userIdentity"].get("invokedBy"), r.raw["sourceIPAddress"]), "who: %r" % r.raw["userIdentity"])
    t.equal([r.more.get("pathKind") for r in trace.calls("execveat")], ["detached"], "the exec")


def numbers(t, trace, d, w):
    """A number of another pid namespace is no process of the host's: no resource."""
    inside, = numbers_after(t, trace, "inside #")
    outside, = numbers_after(t, trace, "outside #")
    found = [(r.request["pid"], [x["ARN"].rsplit("/", 2)[-2:] for x in r.raw.get("resources", [])]) for r in trace.calls("kill")]
    t.equal(found, [(inside, []), (outside, [["process", str(outside)]])], "whom they ended")


def hidden(count):
    yield Case("hide: reuse", "{W}/attacks_hide reuse {D} %d" % count, reuse, "", ABSENT, WHY)
    yield Case("hide: memfd", "{W}/attacks_hide memfd {D} 4", memfd, "", ABSENT, WHY)
    yield Case("hide: deleted", "{W}/attacks_hide deleted {D} 1", deleted, "", ABSENT, WHY)
    yield Case("hide: spoof", "{W}/attacks_hide spoof {D} 1", spoof, "", ABSENT, WHY)
    yield Case("hide: detached", "{W}/attacks_hide detached {D} 1", detached, "", ABSENT, WHY)
    yield Case("hide: numbers", "{W}/attacks_hide numbers {D} 1", numbers, "", ABSENT, WHY)
    yield Case("hide: exefile", "{W}/attacks_hide exefile {D} 1", exefile, "", ABSENT, WHY)


# ---- paths that change, and what mounts hide (attacks_paths.c)

def symlink(t, trace, d, w):
    """Where the link led is told by the file that was opened."""
    found, said = list(filter(attacks_open, trace.calls("openat"))), truths(t, trace)
    t.equal(len(found), len(said), "records of the opens")
    wrong = [r for r, c in zip(found, said) if not doubted(r) and path_of(r) != d + {"r": "/real/f", "d": "/decoy/f"}[c]]
    t.ok(not wrong, "%d stated without doubt: %r" % (len(wrong), wrong[:1]))
    t.ok(len(said) < 1000 or len(set(said)) == 2, "the link never changed: nothing was tested")
    t.note("%d, %d doubted" % (len(found), len(list(filter(doubted, found)))))


def parents(t, trace, d, w):
    """Folders get their new names from the lowest up: a path that was true at some time has at most one change in it."""
    found, seen = list(filter(attacks_open, trace.calls("openat"))), collections.Counter()
    t.equal(len(found), did(trace)["openat"] - 2, "records of the opens")
    for r in found:
        names = re.fullmatch(re.escape(d) + r"((?:/\d(?:old|new)){8})/f", path_of(r) or "")
        ages = re.findall("old|new", names.group(1)) if names else []
        mixed = sum(a != b for a, b in zip(ages, ages[1:])) > 1 or not names
        seen[(mixed, doubted(r))] += 1
        if mixed and not doubted(r):
            t.fail("never true: %r" % r)
    t.ok(any(not doubt for _, doubt in seen), "every record is in doubt")
    t.note(", ".join("%s, %s: %d" % ("mixed" if m else "whole", "doubted" if x else "sure", n) for (m, x), n in sorted(seen.items())))


def mounts(t, trace, d, w):
    found = list(filter(attacks_open, trace.calls("openat")))
    said = [line.split() for line in re.findall(r"^at (.*)$", trace.out, re.M)]
    t.equal(len(found), len(said), "records of the opens")
    for r, (name, device, inode, path, kind) in zip(found, said):
        got = (r.more.get("device"), r.more.get("inode"), path_of(r), r.more.get("pathKind", "-"))
        path = "/" + path if kind == "detached" else d + path
        t.equal(got, (device, int(inode), path, kind), "open of " + name)


def roots(t, trace, d, w):
    """When it ends its name starts at another root."""
    t.equal([path_of(r) for r in trace.calls("chroot")], [d + "/a", d + "/a/b", d + "/a/b/c"], "roots")


def cloned(t, trace, d, w):
    """What lies in no mount namespace is not what has that name in the caller's."""
    found = [r for r in trace.calls("openat", "open", "unlink") if r.asked() in ("/none", "/f")]
    t.equal([(r.asked(), r.error, r.more.get("pathKind")) for r in found], [("/none", "ENOENT", "detached"), ("/f", None, "detached")], "in the copy")


def by_handle(t, trace, d, w):
    """Nobody knows its name: no path that looks whole."""
    found = trace.calls("open_by_handle_at")
    m = re.search(r"^by handle (\d+)$", trace.out, re.M)
    t.must(m, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    t.equal([(path_of(r), r.more.get("pathTruncated"), r.more.get("pathKind"), r.more.get("inode")) for r in found],
            [(".../", True, None, int(m.group(1)))], "the file")


def in_slot(t, trace, d, w):
    """A ring without a descriptor: its number is not one."""
    found = [r.response for r in trace.calls("io_uring_setup") if "IORING_SETUP_REGISTERED_FD_ONLY" in r.request["flags"]]
    t.equal(found, [{"slot": int(n)} for n in re.findall(r"^slot (\d+)$", trace.out, re.M)], "rings in slots")


def moved(count):
    yield Case("paths: symlink", "{W}/attacks_paths symlink {D} %d" % count, symlink, "", ABSENT, WHY)
    yield Case("paths: parents", "{W}/attacks_paths parents {D} %d" % count, parents, "", ABSENT, WHY)
    yield Case("paths: mounts", "{W}/attacks_paths mounts {D} 1", mounts, "", ABSENT, WHY)
    yield Case("paths: roots", "{W}/attacks_paths roots {D} 1", roots, "", ABSENT, WHY)
    yield Case("paths: cloned", "{W}/attacks_paths cloned {D} 1", cloned, "", ABSENT, WHY)
    yield Case("paths: handle", "{W}/attacks_paths handle {D} 1", by_handle, "", ABSENT, WHY)


# ---- calls that a tracer changes inside, and calls that somebody else answers (attacks_forge.c)

def said_pids(trace, what):
    return [int(pid) for pid in re.findall(r"^%s (\d+)$" % what, trace.out, re.M)]


def calls_of(t, trace, *names):
    """Of the tracees, which are said to be that: nobody else is."""
    tracees = said_pids(trace, "tracee")
    t.must(tracees and re.search("^kept$", trace.out, re.M), "the workload said %r %s" % (trace.out, trace.err[-200:]))
    supervised = {r.tid for r in trace.calls() if r.more.get("supervisedBy")}
    t.equal(supervised, set(tracees), "who is supervised")
    return [r for r in trace.calls(*names) if r.tid in tracees]


def made_for_sure(r):
    return "call" not in r.more.get("unverified", [])


def forged(t, trace):
    """What the tracer wrote is a record, for it may have been made, and is not stated as made."""
    t.equal([made_for_sure(r) for r in calls_of(t, trace, "unlink")], [False], "the forged unlink is in doubt")


def forge_number(t, trace, d, w):
    """Changed before the kernel looks: it is what the kernel did."""
    t.equal([(r.asked(), r.error, made_for_sure(r)) for r in calls_of(t, trace, "unlink")], [(d + "/gone", None, True)], "unlinks")


def forge_fork(t, trace, d, w):
    forged(t, trace)
    forks = calls_of(t, trace, "fork")
    t.equal([(r.response.get("pid"), r.error, made_for_sure(r), r.more.get("argumentChanged")) for r in forks],
            [(pid, None, True, True) for pid in said_pids(trace, "child")], "forks")


def forge_exec(t, trace, d, w):
    forged(t, trace)
    t.equal([(r.request["argv"][1], r.error, made_for_sure(r)) for r in calls_of(t, trace, "execve")],
            [("again", None, True), ("last", None, True)], "execs")


def forge_exit(t, trace, d, w):
    t.equal([(r.name, r.request.get("status"), made_for_sure(r), r.more.get("argumentChanged")) for r in calls_of(t, trace, "exit_group", "unlink")],
            [("exit_group", 7, True, True), ("exit_group", 8, True, True)], "ends")


def answered(who):
    def check(t, trace, d, w):
        """Nothing tells that it was not the kernel who did; that somebody could is said."""
        t.equal([(r.asked(), r.error, r.more.get("supervisedBy")) for r in calls_of(t, trace, "unlink")], [(d + "/kept", None, [who])], "the unlink that never was")
    return check


def forge_info(t, trace, d, w):
    """Entry and seccomp's stop: what the kernel was given. Exit: what it had said before."""
    t.equal([(r.name, r.asked(), r.error, made_for_sure(r)) for r in calls_of(t, trace, "unlink", "mkdir", "rmdir")],
            [("unlink", d + "/gone", None, True), ("unlink", d + "/asked", None, True), ("rmdir", d + "/kept", "ENOTDIR", True)], "calls")


def forge_suspended(t, trace, d, w):
    t.equal([(r.asked(), r.error, r.more.get("supervisedBy")) for r in calls_of(t, trace, "unlink")],
            [(d + "/gone", None, ["tracer", "seccomp"])], "the unlink that the filter did not answer")


def forgeries():
    for how, check in (("number", forge_number), ("fork", forge_fork), ("exec", forge_exec), ("exit", forge_exit), ("info", forge_info),
                       ("suspended", forge_suspended), ("emulate", answered("tracer")), ("notify", answered("seccomp"))):
        yield Case("forge: " + how, "{W}/attacks_forge %s {D}" % how, check, "", ABSENT, WHY)


# ---- calls that are answered as if they had been made, or go on as another one (attacks_pretend.c)

def unmade(t, trace, d, w):
    """Nobody did it, and nothing tells who answered: a record in doubt, and no program."""
    child, = numbers_after(t, trace, "child #")
    found = [r for r in trace.calls("execve", "execveat", "fork") if r.more.get("supervisedBy")]
    t.equal([(r.name, r.error, r.response.get("pid"), made_for_sure(r), r.pid == child) for r in found],
            [("execve", None, None, False, False), ("execveat", None, None, False, False), ("fork", None, 0, False, False), ("fork", None, 0, False, True)], "answered")
    t.equal([(r.request["path"], r.executable) for r in found if r.name != "fork"], [("/bin/true", w + "/attacks_pretend")] * 2, "execs that were none")
    t.equal([r.response.get("pid") for r in trace.calls("clone") if made_for_sure(r)], [child], "children")


def only_asked(t, trace, d, w):
    found = trace.calls("execveat")
    t.equal([(path_of(r), r.error, "AT_EXECVE_CHECK" in r.request["flags"], made_for_sure(r), r.executable) for r in found],
            [(path, error, True, True, w + "/attacks_pretend") for path, error in ((w + "/attacks_pretend", None), (w + "/attacks_pretend", None), (d + "/real", "EACCES"))], "asked")


def resumed(t, trace, d, w):
    fd, = numbers_after(t, trace, "opened #")
    t.equal([(path_of(r), r.error, r.response) for r in trace.calls("open") if r.more.get("restarts")], [(d + "/fifo", None, {"fd": fd})], "the one open that was interrupted")


def handed(t, trace, d, w):
    """The descriptor's file; that somebody else can have answered is said."""
    pid, = numbers_after(t, trace, "supervised #")
    found = [r for r in trace.calls("open") if r.pid == pid]
    t.equal([(path_of(r), r.error, r.more.get("supervisedBy")) for r in found],
            [(d + "/" + name, error, ["seccomp"]) for name, error in (("decoy", None), ("decoy", None), ("real", "ENXIO"), ("real", None))], "opens")
    t.equal([r.request.get("requestedPath") for r in found], ["real"] * 4, "what was asked for")


def dispatched(t, trace, d, w):
    """What the kernel never saw is no record; what it saw is one, whatever the signal that ended it looks like."""
    pids = {how: numbers_after(t, trace, how + " #")[0] for how in ("ended", "handled", "within")}
    opens = {how: [r for r in trace.calls("open") if r.pid == pid] for how, pid in pids.items()}
    t.equal({how: [r.more.get("noResult") for r in found] for how, found in opens.items()},
            {"ended": [], "handled": [None], "within": ["the task ended inside the call"]}, "opens")
    t.equal([path_of(r) for r in opens["handled"]], [d + "/decoy"], "what the handler let through")
    t.ok(all(died_in(r, "fifo") for r in opens["within"]), "what it was ended in: %r" % opens["within"])


def pretences():
    for how, check in (("unmade", unmade), ("asked", only_asked), ("resumed", resumed), ("handed", handed), ("dispatched", dispatched)):
        yield Case("pretend: " + how, "{W}/attacks_pretend %s {D}" % how, check, "", ABSENT, WHY)


# ---- calls that would leave no record, or one that is not true (attacks_evade.c)

def numbers_after(t, trace, words):
    m = re.search("^" + words.replace("#", r"(\d+)") + "$", trace.out, re.M)
    t.must(m, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    return [int(n) for n in m.groups()]


def port_of(r):
    return r.request.get("address", {}).get("port")


def left_connect(t, trace, d, w):
    """The kernel goes on with it, whatever its program does then."""
    pid, port = numbers_after(t, trace, "left # #")
    t.equal([(r.error, port_of(r), r.executable) for r in trace.calls("connect") if r.pid == pid],
            [("EINTR", port, w + "/attacks_evade")], "the connect that was left")
    t.equal(len(trace.calls("connect")), did(trace)["connect"], "connects")
    t.equal(len([r for r in trace.calls("exit_group") if r.pid == pid]), 1, "its end")


def sends_to(trace):
    return [address_of(r) for r in trace.calls("sendto")]


def evade_peers(t, trace, d, w):
    t.equal([a or "unix" for a in sends_to(trace)], re.search("^sends (.*)$", trace.out, re.M).group(1).split(), "sends")


def evade_messages(t, trace, d, w):
    t.equal([(r.request["messages"], r.response) for r in trace.calls("sendmmsg")], [(2, {"result": 2})], "sendmmsg")


def evade_payload(t, trace, d, w):
    """Which it was cannot be told."""
    t.equal([("address" in r.more["unverified"], r.error) for r in trace.calls("sendto")], [(True, None)] * 2, "sends")


def exchanged(t, trace, d, w):
    real, _ = numbers_after(t, trace, "real # decoy #")
    wrong = [r for r in trace.calls("connect") if r.request["fd"] == numbers_after(t, trace, "victim #")[0] and port_of(r) != real]
    t.ok(all("address" in r.more.get("unverified", []) for r in wrong), "stated without doubt: %r" % wrong[:1])
    t.equal(len(trace.calls("connect")), did(trace)["connect"], "connects")


def evade_idle(t, trace, d, w):
    t.equal([r.more.get("unverified") for r in trace.calls("connect")], [None] * 3, "in doubt without need")
    t.equal({port_of(r) > 0 for r in trace.calls("connect")}, {True}, "ports")


def evade_filled(t, trace, d, w):
    """All but the first were of the real file, and exchanged."""
    found = [(path_of(r), doubted(r)) for r in trace.calls("fallocate")]
    t.equal(found[:1], [("/memfd:real", False)], "before there was a thread")
    t.equal([path for path, doubt in found[1:] if path != "/memfd:real" and not doubt], [], "stated without doubt")
    t.equal(len(found), did(trace)["fallocate"], "calls")
    t.ok("/memfd:decoy" in dict(found), "nothing was exchanged in time")


def evade_disarmed(t, trace, d, w):
    pid = numbers_after(t, trace, "opened #")[0]
    opens = [r for r in trace.calls("open", "openat") if r.pid == pid and r.asked() == d + "/fifo"]
    t.equal([(r.error, r.more.get("restarts")) for r in opens], [(None, 1)], "the one open")


def evade_zero(t, trace, d, w):
    """What a filter can answer with success is said; what it refuses, or lets through, is not."""
    t.must("kept" in trace.out, "the workload said %r %s" % (trace.out, trace.err[-200:]))
    t.equal([(r.name, r.error, r.more.get("supervisedBy")) for r in trace.calls("rmdir", "chmod", "mkdir", "unlink")],
            [("rmdir", "ENOTDIR", None), ("chmod", None, None), ("mkdir", "EACCES", None), ("unlink", None, ["seccomp"])], "calls")


def evade_quiet(t, trace, d, w):
    pid = numbers_after(t, trace, "quiet #")[0]
    t.equal([r.request["status"] for r in trace.calls("exit_group") if r.pid == pid], [7], "its end")


def evasions():
    for how, check in (("jump", left_connect), ("exit", left_connect), ("exec", left_connect), ("peers", evade_peers), ("messages", evade_messages),
                       ("payload", evade_payload), ("thread", exchanged), ("process", exchanged), ("stays", exchanged),
                       ("idle", evade_idle), ("filled", evade_filled), ("disarmed", evade_disarmed), ("zero", evade_zero), ("quiet", evade_quiet)):
        yield Case("evade: " + how, "{W}/attacks_evade %s {D} 1" % how, check, "", ABSENT, WHY)


# ---- programs that become others between two records (attacks_change.c)

def changed(t, trace, d, w):
    said = re.findall(r"^is (\d+) (\w+) (.*)$", trace.out, re.M)
    t.must(said, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    for n, what, value in said:
        found = [r for r in trace.calls("openat") if r.asked() == "%s/is-%s" % (d, n)]
        t.equal([str(r.process.get(what)) for r in found], [value], "%s at open %s" % (what, n))


SAME = 3  # steps of attacks_became that change nothing: refused by the kernel, by a filter, and answered by one


def who_of(r, like):
    """What the record says of its maker, of what `like` says."""
    said = {key: r.process.get(key) for key in like}
    said["sessionId"] = said["sessionId"] or 0  # init's
    if "groups" in said:
        said["groups"] = said["groups"] or []
    said["namespaces"] = {n: (r.process.get("namespaces") or {}).get(n) for n in like["namespaces"]}
    return said


def steps_of(t, trace):
    """(number, call, result, who made it, who that was then)"""
    steps = re.findall(r"^who (\d+) (\w+) (-?\d+) (\S+) (\S+)$", trace.out, re.M)
    t.must(len(steps) >= 19, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    return [(n, name, result, json.loads(before), json.loads(after)) for n, name, result, before, after in steps]


def became(t, trace, d, w):
    """The record of a call that changes who its maker is says who that was before, the next one who it is then."""
    same = 0
    for n, name, result, before, after in steps_of(t, trace):
        what = "%s, step %s" % (name, n)
        opened = [r for r in trace.calls("open", "openat") if r.asked() == "%s/is-%s" % (d, n)]
        t.must(len(opened) == 1, "%s: opens behind it: %r" % (what, opened))
        made = [r for r in trace.calls(name) if r.tid == opened[0].tid and r.nanos < opened[0].nanos]
        t.must(made, what + ": no record")
        t.equal(-(made[-1].errno or 0), min(int(result), 0), what + ": result")
        t.equal(who_of(made[-1], before), before, what)
        t.equal(who_of(opened[0], after), after, "behind %s" % what)
        same += before == after
    t.equal(same, SAME, "steps that changed nothing")


def changes():
    for program in ("attacks_became", "attacks_became32"):
        yield Case("become: " + program, "{W}/%s {D}" % program, became, "chmod 777 {D}", (*ABSENT, *NOEXEC), WHY)
    for how, count in (("named", 3), ("mapped", 1), ("groups", 2)):
        yield Case("change: " + how, "{W}/attacks_change %s {D} %d" % (how, count), changed, "chmod 777 {D}", ABSENT, WHY)


# ---- operations of io_uring that end, or are made, when something else is there (attacks_ring.c)

def ring_number(r):
    return int((r.more.get("ioUring") or {}).get("userData", "0x0"), 16)


def ringed(t, trace, d, w):
    """Each path is the true one, or in doubt; and not all are."""
    said = {int(n): path for n, path in re.findall(r"^truth (\d+) (\S+)$", trace.out, re.M)}
    t.must(said, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    records = {ring_number(r): r for r in trace.calls("openat", "unlinkat") if ring_number(r) in said}
    t.equal(set(records), set(said), "operations")
    wrong = [r for n, r in records.items() if r.request.get("path") != said[n] and not doubted(r)]
    t.ok(not wrong, "stated without doubt: %r" % wrong[:1])
    sure = [int(n) for n in re.findall(r"^sure (\d+)$", trace.out, re.M)]
    t.equal([n for n in sure if doubted(records[n])], [], "in doubt without need")
    t.equal([r for r in records.values() if r.error and "result" not in r.more.get("unverified", [])], [], "ends that never were")


def untold(t, trace, d, w):
    """Nothing tells how it ended; what others in its memory came to is not its end."""
    ends = [(r.request.get("path"), r.error, "noResult" in r.more) for r in trace.calls("unlinkat") if ring_number(r) == 1]
    t.equal(ends, [(d + "/real", None, True)], "records of the unlink")


def refused(t, trace, d, w):
    """It was read a second time for its record."""
    t.equal([(r.error, r.more.get("unverified")) for r in trace.calls("mkdirat") if ring_number(r) == 1], [("EINVAL", ["path", "call"])], "the refused mkdir")


def rings():
    for how in ("batch", "chain", "slots", "cwd", "dirfd", "root", "same", "own", "unshared", "forged"):
        yield Case("ring: " + how, "{W}/attacks_ring %s {D} 1" % how, ringed, "", ABSENT, WHY)
    yield Case("ring: slot", "{W}/attacks_ring slot {D} 1", in_slot, "", ABSENT, WHY)
    yield Case("ring: refused", "{W}/attacks_ring refused {D} 1", refused, "", ABSENT, WHY)
    for how in ("untold", "untold-ok"):
        yield Case("ring: " + how, "{W}/attacks_ring %s {D} 1" % how, untold, "", ABSENT, WHY)


# ---- memory that another process writes to (attacks_foreign.c)

def foreign(t, trace, d, w):
    """What the kernel took, or in doubt; and without anybody writing not in doubt."""
    found, said = trace.calls("mount"), truths(t, trace)
    t.equal(len(found), len(said), "records of the mounts")
    wrong = [r for r, c in zip(found, said) if r.request["source"] != {"r": REAL, "f": FAKE}[c] and "source" not in r.more.get("unverified", [])]
    t.ok(not wrong, "stated without doubt: %r" % wrong[:1])


def nobody(t, trace, d, w):
    foreign(t, trace, d, w)
    t.equal(["source" in r.more.get("unverified", []) for r in trace.calls("mount")], [False] * 3, "in doubt without need")


def written(count):
    def check(t, trace, d, w):
        """All were given the same."""
        execs = [r for r in trace.calls("execve") if r.request.get("argv", [])[:2] == ["attacks_foreign", "said"]]
        t.equal(len(execs), 1 + count, "execs")
        wrong = [r for r in execs if r.request["argv"][2] != REAL]
        t.equal([r for r in wrong if "argv" not in r.more.get("unverified", [])], [], "stated without doubt")
        t.equal("argv" in execs[0].more.get("unverified", []), False, "in doubt without need")
        t.note("%d of %d show what was written" % (len(wrong), len(execs)))
    return check


def block(sure):
    def check(t, trace, d, w):
        """They are those of the entry; the kernel may have taken others, unless nobody else could write there (attacks_block.c)."""
        found = [(r.request.get("fd"), made_for_sure(r)) for r in trace.calls("accept", "socketcall")]
        t.equal(found, [(numbers_after(t, trace, "real #")[0], sure)], "accepts, and whether they are sure")
    return check


def foreigners(processes, hooks):
    """hooks: the kernel has those that see /proc/PID/mem written to."""
    for how, check in (("nobody", nobody), ("vm", foreign), ("pinned", foreign), ("image", foreign), *([("mem", foreign)] if hooks else [])):
        yield Case("foreign: " + how, "{W}/attacks_foreign %s {D} 3" % how, check, "", ABSENT, WHY)
    yield Case("foreign: argv", "{W}/attacks_foreign argv {D} %d" % processes, written(processes), "", ABSENT, WHY)
    for how in ("nobody", "thread", "process", "gone"):
        yield Case("block: " + how, "{W}/attacks_block %s {D} 1" % how, block(how == "nobody"), "", ABSENT, WHY)


def cases(count, processes, opens, hooks):
    return [*foreigners(processes, hooks), *swaps(count, processes, hooks), *ranks(count), *hidden(processes), *moved(opens), *forgeries(), *pretences(), *evasions(), *changes(), *rings(), *sharedcases.cases()]
