# SPDX-License-Identifier: Apache-2.0
"""The same loops alone, recorded by us, and recorded by others: auditd, bpftrace, opensnoop and execsnoop of libbpf-tools. In each
round everyone has one turn, beginning with another one each time.

All of them are asked for one user's calls only, whose processes are the loop. Each writes to a file; how many of the loop's
events are in there is told, because a recorder that loses half costs less. Times are told twice: CPU of the loop, and elapsed,
because a recorder may make it wait.
"""
import collections
import os
import re
import shutil
import signal
import subprocess
import time

import tap
from agent import Agent, Gated
from measure import Sample, ratio_text
from sizes import size

UID = 64320  # a user that nobody is
PRINT = '/uid == %d/ { printf("%%d %%s %%s\\n", pid, comm, str(args->filename)); }' % UID
EPOLL_WAITS = {"x86_64": "232", "aarch64": "22"}
# the tools want tracefs, which not every host has mounted: in a mount namespace of their own they have it
IN_TRACEFS = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
              'mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing && '
              '{ mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; } && exec "$@"', "sh"]

# a loop: its program and arguments, what it reads, how many it makes in a turn, how many records each of them is to us, its system
# calls for auditd, by what each recorder's output shows one of them, and bpftrace's script
Loop = collections.namedtuple("Loop", "title unit digits argv feed count per calls marks script")


def installed(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise tap.Failed("%s is not installed" % tool)


class Peer:
    """A recorder: start(loop) returns when it records, stop() when it has written what it has."""

    def __init__(self, folder):
        self.dir, self.p = folder, None

    def output(self):
        return os.path.join(self.dir, self.name + ".out")

    def launch(self, argv):
        self.errors = os.path.join(self.dir, self.name + ".err")
        with open(self.output(), "wb") as out, open(self.errors, "wb") as err:
            self.p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def wait(self, ready, seconds=30):
        end = time.monotonic() + seconds
        while not ready():
            if self.p.poll() is not None or time.monotonic() > end:
                raise tap.Failed("%s: %s" % (self.name, self.said() or "does not begin to record"))
            time.sleep(0.05)
        time.sleep(0.2)

    def said(self):
        with open(self.errors, errors="replace") as f:
            lines = [x.strip() for x in f if x.strip()]
        return "; ".join(lines[-3:])

    def stop(self, sig=signal.SIGINT):
        if not self.p:
            return
        for _ in range(30):  # bpftrace 0.17 does not always hear the first one
            if self.p.poll() is None:
                self.p.send_signal(sig)
            try:
                self.p.wait(1)
                break
            except subprocess.TimeoutExpired:
                pass
        self.p.kill()
        self.p.wait()
        self.p = None

    def recorded(self, loop):
        """Events of the loop in what it wrote."""
        mark, n = loop.marks[self.name].encode(), 0
        with open(self.output(), "rb") as f:
            for line in f:
                n += mark in line
        return n


class Tool(Peer):
    """A program that prints what its BPF programs send it; it records when it waits for that."""
    waits = EPOLL_WAITS  # in which call, by machine

    def start(self, loop):
        installed(self.name)
        self.launch(IN_TRACEFS + self.argv(loop))
        self.wait(self.polls)

    def polls(self):
        try:
            with open("/proc/%d/syscall" % self.p.pid) as f:
                return f.read().split()[0] == self.waits[os.uname().machine]
        except (OSError, IndexError):
            return False


class Opensnoop(Tool):
    name = "opensnoop"

    def argv(self, loop):
        return [self.name, "-u", str(UID)]


class Execsnoop(Opensnoop):
    name = "execsnoop"


class Bpftrace(Tool):
    name = "bpftrace"

    def argv(self, loop):
        return [self.name, "-B", "full", "-e", loop.script]


class Auditd(Peer):
    """auditd with Debian's settings, but a log of its own that is not rotated away, and no other rules than ours."""

    name = "auditd"

    def start(self, loop):
        installed("auditd", "auditctl")
        self.before = audit_status()
        if self.before["pid"] != "0":
            raise tap.Failed("auditd: process %s reads the kernel's audit already" % self.before["pid"])
        self.configure()
        self.rule = ["always,exit", "-F", "arch=b64", "-F", "uid=%d" % UID] + [x for c in loop.calls for x in ("-S", c)]
        self.launch(["auditd", "-f", "-c", self.dir])
        self.wait(lambda: audit_status()["pid"] == str(self.p.pid))
        auditctl("-b", "8192", "--backlog_wait_time", "60000")  # as Debian's rules.d does
        auditctl("-a", *self.rule)

    def configure(self):
        with open("/etc/audit/auditd.conf") as f:
            text = f.read()
        for key, value in (("log_file", self.output()), ("max_log_file_action", "IGNORE"), ("plugin_dir", self.dir + "/plugins"),
                           ("log_group", "root")):
            text = re.sub(r"^%s *=.*\n" % key, "", text, flags=re.M) + "%s = %s\n" % (key, value)
        os.makedirs(self.dir + "/plugins", exist_ok=True)
        with open(os.path.join(self.dir, "auditd.conf"), "w") as f:
            os.fchmod(f.fileno(), 0o640)
            f.write(text)
        os.chmod(self.dir, 0o750)

    def stop(self):
        if not self.p:
            return
        auditctl("-d", *self.rule, check=False)
        end, before = time.monotonic() + 60, None
        while self.p.poll() is None and time.monotonic() < end:
            now = (audit_status()["backlog"], os.path.getsize(self.output()))
            if now == before and now[0] == "0":
                break
            before = now
            time.sleep(1)
        super().stop(signal.SIGTERM)
        b = self.before
        auditctl("-e", b["enabled"], "-b", b["backlog_limit"], "--backlog_wait_time", b["backlog_wait_time"], check=False)


def auditctl(*argv, check=True):
    r = subprocess.run(["auditctl", *argv], capture_output=True, text=True, check=False)
    if check and r.returncode:
        raise tap.Failed("auditctl: " + r.stderr.strip())
    return r.stdout


def audit_status():
    return dict(line.split(None, 1) for line in auditctl("-s").splitlines() if " " in line)


class Nobody:
    """No recorder."""

    name = "alone"

    def start(self, loop):
        pass

    def stop(self):
        pass

    def recorded(self, loop):
        return 0


class Ours:
    """hosttraild into its spool, on the loop's tree."""

    name = "hosttrail"

    def __init__(self, instance):
        self.agent = Agent(instance)

    def recorded(self, loop):
        # the programs that start the loop are in the class as well
        return min(loop.count, self.status["records_by_class"][loop.marks[self.name]] // loop.per)


class Turn:
    """What one loop of a subject took, and how much of it was recorded."""

    def __init__(self, loop, subject):
        ours = isinstance(subject, Ours)
        # a fork more, of that user: the kernel's audit decides at a fork, by who forks, whether it will look at a task
        with Gated([loop.argv[0] + "/together", *loop.argv[1:]], user=UID, group=UID, extra_groups=[]) as gated:
            if ours:
                subject.agent.start_on(gated.pid, self_test=False)
            begin = time.monotonic()
            self.cpu = float(gated.go(loop.feed))
            self.elapsed = (time.monotonic() - begin) / loop.count
        if ours:
            subject.status = subject.agent.stop()
            self.lost = subject.status.get("lost", 0)


class NotAudited:
    """A kernel whose audit was ever on looks at every task that is forked from then on: nobody but auditd is to pay for that."""

    RULE = ("never,task", "-F", "uid=%d" % UID)

    def __init__(self, but):
        self.wanted = not but and shutil.which("auditctl") is not None

    def __enter__(self):
        self.wanted = self.wanted and subprocess.run(["auditctl", "-a", *self.RULE], capture_output=True, check=False).returncode == 0

    def __exit__(self, *exc):
        if self.wanted:
            auditctl("-d", *self.RULE, check=False)


def one_turn(loop, subject):
    ours = isinstance(subject, Ours)
    try:
        if not ours:
            subject.start(loop)
        with NotAudited(subject.name == "auditd"):
            turn = Turn(loop, subject)
    finally:
        if not ours:
            subject.stop()
    turn.recorded = subject.recorded(loop)
    return turn


def rounds(loop, subjects):
    """{name: [turn of each round]}, and {name: why} of those that cannot take part."""
    turns, faults = collections.defaultdict(list), {}
    for i in range(size("bench.peer_rounds")):
        for subject in subjects[i % len(subjects):] + subjects[:i % len(subjects)]:
            if subject.name in faults:
                continue
            try:
                turns[subject.name].append(one_turn(loop, subject))
            except (tap.Failed, subprocess.SubprocessError, OSError) as e:
                if isinstance(subject, (Nobody, Ours)):
                    raise
                faults[subject.name] = str(e)
    return turns, faults


def compare(loop, subjects, say):
    turns, faults = rounds(loop, subjects)
    alone = turns["alone"]
    say(loop.title + " alone", Sample([t.cpu for t in alone]).text(loop.unit, loop.digits))
    for subject in subjects[1:]:
        if subject.name in faults:
            say("  " + subject.name, "could not be measured: " + faults[subject.name])
            continue
        mine = turns[subject.name]
        say("  " + subject.name, "%s, times %s; elapsed times %s; %.1f %% recorded" % (
            Sample([t.cpu for t in mine]).text(loop.unit, loop.digits), ratio_text([t.cpu for t in mine], [t.cpu for t in alone]),
            ratio_text([t.elapsed for t in mine], [t.elapsed for t in alone]),
            100 * sum(t.recorded for t in mine) / loop.count / len(mine)))


def loops(folder):
    """(loop, the libbpf-tool that records the same) of each."""
    for name in ("together", "openclose", "spawn", "leaf_nolibc"):
        shutil.copy(tap.workload(name), folder)  # where that user can execute it
    path, leaf, n = os.path.join(folder, "opened"), os.path.join(folder, "leaf_nolibc"), size("bench.peer_opens")
    with open(path, "w"):
        pass
    yield Loop("open+close", "ns", 0, [folder, folder + "/openclose", str(n), path], "", n, 1, ["open", "openat"],
               {"auditd": path, "opensnoop": path, "bpftrace": path, "hosttrail": "data"},
               "tracepoint:syscalls:sys_enter_open,tracepoint:syscalls:sys_enter_openat " + PRINT), Opensnoop
    n = size("bench.peer_processes")
    # three records of each: the fork, the exec and the exit
    yield Loop("fork+exec+exit", "µs", 1, [folder, folder + "/spawn", leaf, str(n)], "\n", n, 3, ["vfork", "execve", "exit_group"],
               {"auditd": 'a0="leaf"', "execsnoop": "   0 " + leaf, "bpftrace": leaf, "hosttrail": "process"},
               "tracepoint:syscalls:sys_enter_execve " + PRINT), Execsnoop


def run(instance, say):
    with tap.Workdir() as d:
        for loop, tool in loops(d):
            subjects = [Nobody(), Ours(instance)]
            for peer in (Auditd, Bpftrace, tool):
                folder = os.path.join(d, tool.name + "-" + peer.name)
                os.mkdir(folder)
                subjects.append(peer(folder))
            compare(loop, subjects, say)
