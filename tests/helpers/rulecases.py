# SPDX-License-Identifier: Apache-2.0
"""Rule 9, row by row, as data: a command and what its trail must say. tests/live/rule9.py runs them here, tests/kernels
inside other kernels. {W} is the folder of the workloads, {D} an empty folder of the case's own.

A case whose program ends with a status in `absent` cannot be tried on that kernel (no 32-bit programs, no x32).
"""
import re

import calltable

NOEXEC = (126, 127, 139, 77)


class Case:
    def __init__(self, title, command, check, setup="", absent=(), why=""):
        self.title, self.command, self.check, self.setup, self.absent, self.why = title, command, check, setup, absent, why

    @property
    def name(self):
        return re.sub(r"\W+", "_", self.title)


def said(trace):
    """The workload's lines as {first word: rest}."""
    return dict(line.split(None, 1) for line in trace.out.splitlines() if " " in line)


def shell_tree(trace):
    return sorted({r.tid for r in trace.calls()})


def asking(trace, path, *names):
    return [r for r in trace.calls(*names) if r.asked() == path]


def one(t, records, text):
    t.must(len(records) == 1, "%s: %d records, want one: %r" % (text, len(records), records))
    return records[0]


# ---- execve, execveat

def exec_succeeds(t, trace, d, w):
    leaves = [r for r in trace.calls("execve") if r.request.get("argv") == ["leaf", "leaf"]]
    t.equal(len(leaves), 5, "execs of the leaf")
    for r in leaves:
        t.equal((r.error, r.abi, r.asked()), (None, "native", "/proc/self/exe"), "exec")
        t.equal(r.executable, w + "/forkexec", "the new program's path")
    t.equal(len(trace.calls("execve")), 6, "all execs")
    t.equal(len(trace.calls("vfork", "clone", "clone3", "fork")), 5, "forks")
    t.equal(len(trace.calls("exit_group")), 6, "exits")


def execveat(t, trace, d, w):
    calls = trace.calls("execveat")
    t.equal([(r.error, r.request.get("argv")) for r in calls], [(None, ["leaf", "--leaf"]), ("ENOENT", ["leaf", "--leaf"])], "execveat")
    if len(calls) == 2:
        t.equal(calls[0].asked(), "/proc/self/exe", "path")
        t.equal(calls[1].request.get("path"), d + "/d/g", "path below a descriptor")


def exec_fails(t, trace, d, w):
    failed = one(t, [r for r in trace.calls("execve") if r.error], "failed exec")
    t.equal((failed.error, failed.asked(), failed.request.get("argv")), ("ENOENT", "./g", ["leaf", "--leaf"]), "exec")
    t.equal(failed.request.get("path"), d + "/g", "path")


def nonleader(t, trace, d, w):
    m = re.search(r"thread (\d+) leader (\d+)", trace.out)
    t.must(m, "the workload said %r" % trace.out)
    last = [r for r in trace.calls("execve") if r.request.get("argv") == ["{W}/raw".format(W=w), "39"]]
    r = one(t, last, "exec from a thread")
    t.equal(r.tid, int(m.group(2)), "the new program's task is the leader")
    t.equal(r.pid, int(m.group(2)), "pid")
    t.equal((r.error, r.asked()), (None, w + "/raw"), "exec")


def widths(t, trace, d, w):
    path = d + "/f"
    t.equal([r.abi for r in asking(trace, path, "open", "openat")], ["native", "i386", "native"], "ABI of the opens")
    chain = [r for r in trace.calls("execve")][1:]
    t.equal([r.abi for r in chain], ["native", "i386"], "ABI of the execs, as at enter")
    t.equal([r.asked() for r in chain], [w + "/exec_abi32", w + "/exec_abi"], "programs")
    t.equal([r.error for r in chain], [None, None], "errors")


# ---- refused by seccomp

def seccomp(t, trace, d, w):
    mkdir = one(t, trace.calls("mkdir"), "refused mkdir")
    t.equal((mkdir.error, mkdir.asked()), ("EACCES", d + "/f"), "mkdir")
    unlink = one(t, trace.calls("unlink"), "refused unlink")
    t.equal((unlink.error, unlink.asked()), ("ENOTBLK", d + "/f"), "unlink")
    refused = one(t, trace.calls("execveat"), "refused execveat")
    t.equal((refused.error, refused.asked(), refused.request.get("argv")), ("EUCLEAN", w + "/opener", [w + "/opener", "refused"]), "execveat")
    rename = one(t, trace.calls("rename"), "rename")
    t.equal((rename.error, rename.asked(), rename.request.get("newPath")), (None, d + "/f", d + "/f.renamed"), "rename")
    last = trace.calls("execve")[-1]
    t.equal((last.error, last.request.get("argv")), (None, [w + "/opener"]), "the exec after it")


# ---- fork, clone

def forks(name):
    def check(t, trace, d, w):
        made = [line.split(None, 3)[:3] for line in trace.out.splitlines() if line.startswith(name + " ")]
        for _, pid, result in made:
            r = one(t, [r for r in trace.calls(name) if r.tid == int(pid) and (r.error or r.response.get("pid", 0) > 0)], name)
            want = int(result)
            t.equal(-(r.errno or 0) if r.error else r.response.get("pid"), want, "result")
            if want > 0:
                t.equal([x.name for x in trace.calls() if x.tid == want], ["exit_group"], "the child's calls")
        t.ok(made, "nothing was tried: %r" % trace.out)
    return check


# ---- restarted calls

def fifo_opens(trace, d):
    pid = int(said(trace)["pid"])
    return [r for r in trace.calls() if r.tid == pid and r.name in ("open", "openat")]


def restarted(t, trace, d, w):
    r = one(t, fifo_opens(trace, d), "open, restarted three times")
    t.equal((r.error, r.asked(), r.more.get("restarts")), (None, d + "/fifo", 3), "open")
    t.ok("fd" in r.response, "the descriptor: %r" % r)


def interrupted(t, trace, d, w):
    r = one(t, fifo_opens(trace, d), "open, interrupted")
    t.equal((r.error, r.asked()), ("EINTR", d + "/fifo"), "open")


def stopped(t, trace, d, w):
    r = one(t, fifo_opens(trace, d), "open, stopped and continued")
    t.equal((r.error, r.asked()), (None, d + "/fifo"), "open")
    t.ok(int(r.more.get("restarts") or 0) >= 1, "restarts: %r" % r.more.get("restarts"))


def abandoned(t, trace, d, w):
    opens = fifo_opens(trace, d)
    t.equal([(r.error, r.asked()) for r in opens], [("EINTR", d + "/fifo"), ("ENOENT", d + "/fifo.next")], "opens")


# ---- rt_sigreturn, exit, death inside a call

def sigreturn(t, trace, d, w):
    names = [r.name for r in trace.calls()]
    t.equal(names.count("kill"), 10, "kill")
    t.equal(len(asking(trace, d + "/f", "open", "openat")), 10, "opens in the handler")
    t.equal(len(asking(trace, d + "/f.after", "open", "openat")), 10, "opens after it")
    t.equal(names.count("open") + names.count("openat"), 20, "all opens")
    t.ok("rt_sigreturn" not in names and "unknown_syscall" not in names, "a record from rt_sigreturn's exit: %r" % set(names))


def died_in(r, path):
    """Kernels before 6.13 give up the memory before they tell of the exit: the string cannot be read then, and the record says so."""
    return r.asked() == path or r.asked() is None and "path" in r.more.get("unreadable", [])


def deaths(t, trace, d, w):
    by_pid = {}
    for r in trace.calls():
        by_pid.setdefault(r.pid, []).append(r)
    pids = {k: int(v.split()[0]) for k, v in said(trace).items()}
    killed = [r for r in by_pid.get(pids["killed"], []) if r.name in ("open", "openat")]
    r = one(t, killed, "open inside which the task was killed")
    t.ok(died_in(r, d + "/fifo"), "open inside which the task died: %r %r" % (r, r.more))
    t.equal(r.response, {}, "a call without a result")
    t.ok(r.error is None or r.error in ("EINTR",), "error of a call that never returned: %r" % r)
    exits = [r.request.get("status") for r in by_pid.get(pids["exit_group"], []) if r.name == "exit_group"]
    t.equal(exits, [7], "exit_group")
    exits = [(r.name, r.request.get("status")) for r in by_pid.get(pids["thread_exit"], []) if r.name in ("exit", "exit_group")]
    # before 6.14 the thread is joined before its exit's tracepoint, so the two may come in either order
    t.equal(sorted(exits), [("exit", 5), ("exit_group", 0)], "a thread's exit and its process's")
    other = by_pid.get(pids["other_thread"], [])
    t.equal([r.request.get("status") for r in other if r.name == "exit_group"], [3], "exit_group of the first thread")
    opens = [r for r in other if r.name in ("open", "openat")]
    t.ok(len(opens) == 1 and died_in(opens[0], d + "/fifo"), "open of the thread that died with it: %r" % opens)


def deaths_around_calls(t, trace, d, w):
    pids = {k: int(v.split()[0]) for k, v in said(trace).items()}
    for how in ("process", "thread", "trapped"):
        opens = [r for r in trace.calls() if r.name == "openat" and r.pid == pids[how]]
        r = one(t, opens, "openat that seccomp refused (%s)" % how)
        t.equal(r.response, {}, "a refused call has no result (%s)" % how)
        if how != "thread":  # the memory of a thread that seccomp kills may be gone
            t.equal(r.request.get("path"), d + "/f." + how, "its path")
        want = ("seccomp refused the call", "ENOSYS") if how == "trapped" else ("the task ended inside the call", None)
        t.equal((r.more.get("noResult"), r.error), want, "what it says (%s)" % how)
    calls = [r for r in trace.calls() if r.pid == pids["enosys"] and r.name == "unknown_syscall"]
    t.ok(calls and all(r.error == "ENOSYS" for r in calls), "calls that answered ENOSYS, none inside which the task died: %r" % calls[-1:])


# ---- trees and ABIs

def orphan(t, trace, d, w):
    r = one(t, asking(trace, d + "/f", "open", "openat"), "the orphan's open")
    sid = one(t, trace.calls("setsid"), "setsid")
    t.equal(sid.error, None, "setsid")
    t.ok(r.tid not in (sid.tid, trace.calls("execve")[0].tid), "the open is the grandchild's")
    t.equal(len(trace.calls("exit_group")), 3, "exits: the trace waited for the last of the tree")


def io_uring(t, trace, d, w):
    setup = one(t, trace.calls("io_uring_setup"), "io_uring_setup")
    t.ok(setup.response, "its descriptor: %r" % setup)
    r = one(t, asking(trace, d + "/f.after", "open", "openat"), "the open after it")
    t.equal((r.error, r.tid), ("ENOENT", setup.tid), "the open")


def unknown(t, trace, d, w):
    r = one(t, trace.calls("unknown_syscall"), "a call of number 999")
    t.equal(r.error, "ENOSYS", "its error")


def entry32(t, trace, d, w):
    want = [("open", d + "/f", None), ("open", d + "/f.none", "ENOENT"), ("unlink", d + "/f.none", "ENOENT")]
    t.equal([(r.name, r.asked(), r.error) for r in trace.calls() if r.abi == "i386"], want, "calls through int 0x80")
    r = one(t, [r for r in asking(trace, d + "/f", "openat")], "the native open")
    t.equal(r.abi, "native", "its ABI")


def program32(t, trace, d, w):
    p, o = d + "/f", d + "/f.other"
    want = [("O", p, None), ("ftruncate64", None, None), ("truncate64", p, None), ("fchmod", None, None), ("chmod", p, None),
            ("rename", p, None), ("unlink", o, None), ("O", p, "ENOENT")]
    got = [("O" if r.name in ("open", "openat") else r.name, r.asked() if r.name not in ("ftruncate64", "fchmod") else None, r.error)
           for r in trace.calls() if r.source == "file.linux" and r.abi == "i386"]
    t.equal(got, want, "a 32-bit program's calls")
    pid = trace.calls("execve")[0].tid
    t.equal({r.abi for r in trace.calls() if r.tid == pid and r.name == "exit_group"}, {"i386"}, "ABI of its exit")


BEHIND = [("socket", None), ("bind", None), ("listen", None), ("socket", None), ("connect", None), ("accept4", None), ("socket", None),
          ("socket", None), ("sendto", None), ("sendmsg", None), ("msgget", None), ("shmget", None), ("semget", None), ("shmat", None),
          ("shmdt", None), ("msgctl", None), ("shmctl", None), ("semctl", None), ("connect", "EBADF"), ("socketcall", "EFAULT"),
          ("socketcall", "EINVAL"), ("shmget", "ENOENT"), ("ipc", "ENOSYS")]


def behind(t, trace, d, w):
    """What stands behind socketcall(2) and ipc(2) is recorded as the direct call is."""
    tid = trace.calls("execve")[0].tid
    calls = [r for r in trace.calls() if r.tid == tid and r.source in ("network.linux", "ipc.linux")]
    t.must([(r.name, r.error) for r in calls] == BEHIND, "calls: %r" % [(r.name, r.error) for r in calls])
    t.equal({r.more.get("via") for r in calls if r.name not in ("socketcall", "ipc")}, {"socketcall", "ipc"}, "via")
    port, key = int(said(trace)["port"]), int(said(trace)["key"])
    to = {"family": "AF_INET", "address": "127.0.0.1", "port": port}
    by_name = {r.name: r for r in reversed(calls)}
    for name in ("connect", "sendto", "sendmsg"):
        got = by_name[name].request
        t.equal({k: got.get("address", {}).get(k) for k in to}, to, "address of %s: %r" % (name, got))
    t.equal(by_name["accept4"].request["flags"], ["SOCK_CLOEXEC"], "accept4: %r" % by_name["accept4"].request)
    t.equal(by_name["bind"].request["address"]["address"], "127.0.0.1", "bind")
    t.equal(by_name["sendto"].response, {"bytes": "1"} if isinstance(by_name["sendto"].response.get("bytes"), str) else {"bytes": 1}, "sendto's result")
    t.equal((by_name["shmget"].request["key"], by_name["shmget"].request["size"], by_name["shmget"].request["flags"]),
            (hex(key), 4096, ["IPC_CREAT"]), "shmget: %r" % by_name["shmget"].request)
    t.equal((by_name["msgctl"].request["command"], by_name["semctl"].request["command"]), ("IPC_RMID", "IPC_RMID"), "msgctl, semctl")
    t.equal(by_name["shmat"].response.get("address"), by_name["shmdt"].request["address"], "the address that shmat gave")
    unread = [r for r in calls if r.name == "socketcall"]
    t.equal([(r.request.get("call"), r.more.get("unreadable"), r.more.get("via")) for r in unread],
            [("connect", ["arguments"], None), ("99", ["arguments"], None)], "calls whose arguments cannot be read")


def bit30(t, trace, d, w):
    calls = [r for r in trace.calls() if r.abi == "x32"]
    t.equal([(r.name, r.error) for r in calls], [("openat", None), ("mkdirat", "EEXIST"), ("execve", None)], "x32 calls")
    t.equal([r.asked() for r in calls], [d + "/f", d + "/f", "/proc/self/exe"], "their paths")
    if len(calls) == 3:
        t.equal(calls[2].request.get("argv"), ["/proc/self/exe", "--x32-child"], "argv of 32-bit pointers")


def highbits(t, trace, d, w):
    """The number is what the kernel takes for it, whatever else the register holds."""
    made = [int(line.split()[2]) for line in trace.out.splitlines() if line.startswith("open ")]
    t.must(len(made) == 5 and min(made) >= 0, "opens: %r" % made)
    opens = [r for r in trace.calls("open") if r.asked() == d + "/f"]
    t.equal([(r.request.get("path"), r.response.get("fd")) for r in opens], [(d + "/f", fd) for fd in made], "opens by numbers with upper bits")
    t.equal([(r.request.get("arg1"), r.error) for r in trace.calls("unknown_syscall")], [("0x1", "ENOSYS")], "a number below 0")


def every_call(t, trace, d, w):
    """What all_calls says that the kernel answered, and what the trail says."""
    made = [line.split(None, 3)[:3] for line in trace.out.splitlines() if not line.startswith("none ")]
    t.ok(len(made) > 100, "only %d calls were made" % len(made))
    for name, pid, result in made:
        got = [r for r in trace.calls(name) if r.tid == int(pid)]
        if name in calltable.HIGHRATE:
            t.equal(got, [], "records of a high-rate call that nobody asked for")
        elif not got and result != "-38":  # ENOSYS: a kernel without this call
            t.fail("missing from the trail: %s of %s = %s" % (name, pid, result))
        elif got and result != "never" and int(result) < 0:
            t.equal(-(got[-1].errno or 0), int(result), "error of %r" % got[-1])
        elif got and result != "never":
            t.equal(got[-1].error, None, "error of %r" % got[-1])


def no_loss(t, trace, d, w):
    t.equal(trace.lost, 0, "lost")
    opens = [r.asked() for r in trace.calls("open", "openat") if (r.asked() or "").startswith(d + "/n-")]
    t.equal(sorted(opens), sorted("%s/n-%d-%d" % (d, i, j) for i in range(4) for j in range(250)), "names opened by four threads")


FILE = "echo x >{D}/f"
CASES = [
    Case("execve succeeds", "{W}/forkexec 5", exec_succeeds),
    Case("execve fails", "{W}/all_calls {D} execve", exec_fails),
    Case("execveat", "{W}/all_calls {D} execveat", execveat),
    Case("exec from a non-leader thread", "{W}/nonleader_exec {W}/raw 39", nonleader),
    Case("64-bit to 32-bit and back", "{W}/exec_abi 2 {D}/f", widths, FILE, NOEXEC + (1,), "this kernel runs no 32-bit programs"),
    Case("refused by seccomp", "{W}/seccomp_errno {D}/f {W}/opener", seccomp, FILE, ()),
    Case("fork", "{W}/all_calls {D} fork", forks("fork")),
    Case("vfork", "{W}/all_calls {D} vfork", forks("vfork")),
    Case("clone", "{W}/all_calls {D} clone", forks("clone")),
    Case("clone3", "{W}/all_calls {D} clone3", forks("clone3")),
    Case("restarted with SA_RESTART", "{W}/restart restart {D}/fifo", restarted),
    Case("interrupted without SA_RESTART", "{W}/restart eintr {D}/fifo", interrupted),
    Case("stopped and continued", "{W}/restart stop {D}/fifo", stopped),
    Case("left by longjmp", "{W}/restart abandon {D}/fifo", abandoned),
    Case("rt_sigreturn", "{W}/sigreturn 10 {D}/f", sigreturn),
    Case("exit and death inside a call", "{W}/killed_in_call {D}/fifo", deaths),
    Case("refused by seccomp, and death after a call", "{W}/deaths {D}/f", deaths_around_calls),
    Case("double fork and setsid", "{W}/daemonize {D}/f 300", orphan, FILE),
    Case("io_uring", "{W}/iouring plain {D}/f", io_uring, FILE, (77,), "no io_uring"),
    Case("io_uring with a kernel thread", "{W}/iouring sqpoll {D}/f", io_uring, FILE, (77,), "no io_uring"),
    Case("number that no table knows", "{W}/raw 999 1 2", unknown),
    Case("int 0x80", "{W}/int80 {D}/f", entry32, FILE, NOEXEC, "this kernel has no 32-bit entry"),
    Case("32-bit program", "{W}/hello32 {D}/f", program32, "", NOEXEC, "this kernel runs no 32-bit programs"),
    Case("calls behind socketcall and ipc", "{W}/socketcall32", behind, "", NOEXEC, "this kernel runs no 32-bit programs"),
    Case("x32 numbers", "{W}/bit30 {D}/f", bit30, FILE, (77,), "this kernel has no x32"),
    Case("upper bits in a number", "{W}/highbits {D}/f", highbits, FILE),
    Case("every call once each way", "{W}/all_calls {D}", every_call),
    Case("opens of four threads", "{W}/opens 250 4 {D}/n", no_loss),
]
