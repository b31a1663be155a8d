#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1200 long
"""Attacks on the recording of all there is: floods that would hide an exec, a fork bomb, the agent killed, stopped, without a disk,
among a million processes. What was done is told by the programs that did it and by strace, never by counters of ours."""
import collections
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import attacks_counted as counting  # noqa: E402
import daemon  # noqa: E402
import flood  # noqa: E402
import invariant  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
from sizes import size  # noqa: E402


# ---- a flood to hide an exec

FLOOD_TRIES = 8


def a_flood_hides_no_exec(how, ring, ring_bytes, count):
    """The execs between the flooder's own calls are there, each with its argument, although the flood itself is cut or merged. On a
    busy machine the flood may be too slow for the ring: then again."""
    def once(t):
        with tap.Workdir() as d:
            command = [tap.workload("attacks_flood"), how, d, str(count)]
            trace = invariant.run_small(command, {ring: ring_bytes}, d, invariant.blinking(0.006, 0.003, "attacks_flood"))
            _, by_who = flood.losses(trace.records)
            said = counting.made(trace.out)
            t.equal(trace.status, 0, "exit status")
            told = [r.request["argv"][2] for r in trace.calls("execve") if not r.error and r.request["argv"][1:2] == ["flood"]]
            t.equal(told, [str(i) for i in range(said["execve"])], "the execs")
            t.equal({r.process["uids"]["uid"] for r in trace.calls("execve") if r.request["argv"][1:2] == ["flood"]}, {64321}, "whose")
            counting.settled(t, trace, counting.generated_by(command, d, trace.out))
            t.equal({w for w in by_who if w[1] == "execve"}, set(), "execs that were cut")
            return sum(by_who.values()) or any(r.repeats > 1 for r in trace.records)

    def run(t):
        t.ok(any(once(t) for _ in range(FLOOD_TRIES)), "the ring was never pressed: nothing was tested")
    run.title = "a flood hides no exec: " + how
    return run


# ---- a fork bomb

def a_fork_bomb(t):
    """Held by a limit on its processes: every attempt is a record, refused or not, and so is every end. What a busy machine's reader
    did not keep up with is counted, and was the bomber's alone."""
    with tap.Workdir() as d:
        trace = trail.run([tap.workload("attacks_flood"), "bomb", d, str(size("attacks.bomb"))], timeout=120)
        said = counting.made(trace.out)
        forks = [r for r in trace.calls("clone") if r.process["uids"]["uid"] == 64322]
        ends = len(trace.calls("exit_group"))
        attempts = sum(r.repeats for r in forks)  # equal ones of one process are merged where the ring is pressed
        refused = sum(r.repeats for r in forks if r.error == "EAGAIN")
        children = len({r.response["pid"] for r in forks if not r.error})
        t.equal(trace.status, 0, "exit status")
        t.equal(attempts + 1 + ends + trace.lost, said["clone"] + said["exit_group"] + 1, "attempts, ends and lost ones")
        _, by_who = flood.losses(trace.records)
        t.equal(set(by_who) - {(64322, "clone"), (64322, "exit_group")}, set(), "who was cut, in what")
        if not trace.lost:
            t.equal((attempts + 1, refused, ends, children), (said["clone"], said["refused"], said["exit_group"] + 1, said["clone"] - said["refused"] - 1),
                    "attempts, refused ones, ends, children")
        t.note("%d of %d lost: %r" % (trace.lost, said["clone"] + said["exit_group"], dict(by_who)))


# ---- short-lived processes

def memory_kib(pids):
    """(what is theirs alone, what they have with shared pages divided) of all processes together."""
    alone, divided = 0, 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                text = f.read()
        except OSError:
            continue
        alone += int((re.search(r"^Anonymous:\s+(\d+)", text, re.M) or [0, 0])[1])
        divided += int((re.search(r"^Pss:\s+(\d+)", text, re.M) or [0, 0])[1])
    return alone, divided


def family(agent):
    with open("/proc/%d/task/%d/children" % (agent.proc.pid, agent.proc.pid)) as f:
        return [agent.proc.pid] + [int(p) for p in f.read().split()]


def short_lived(t):
    """Each is a fork, an exec and an exit, recorded or counted; the agent's memory does not grow with their number."""
    count, samples, done = size("attacks.short"), [], threading.Event()
    with daemon.Agent([tap.workload("attacks_flood"), "short", rulerun.W, str(count)], tls=True) as a:
        a.start()
        pids = family(a)

        def watch():
            while not done.wait(0.2):
                samples.append(memory_kib(pids))
        watcher = threading.Thread(target=watch, daemon=True)  # a test that is ended does not wait for it
        watcher.start()
        a.go()
        t.equal(a.tree.wait(3000), 0, "exit status")
        done.set()
        watcher.join()
        a.stop()
        frames, records = a.everything()
    daemon.check_once(t, frames, records)
    lost = daemon.lost_of(records, "process")
    made = sum(r.name in ("clone", "vfork", "execve", "exit_group") for r in records)
    t.equal(made + lost, 3 * count + 6, "calls of %d processes, recorded + lost (%d)" % (count, lost))
    half = max(alone for alone, _ in samples[:len(samples) // 2])
    most = max(alone for alone, _ in samples)
    t.note("%d KiB at first, at most %d, later %d; %d with shared pages; %d lost" % (
        samples[0][0], half, most, max(divided for _, divided in samples), lost))
    t.ok(max(divided for _, divided in samples) < 60 * 1024, "under 60 MiB")
    t.ok(most - half < 4096, "memory does not grow with the number of processes")


# ---- the agent killed, stopped, its disk full

def load(d, times=1):
    return flood.together([tap.workload("opens"), str(times * size("attacks.agent_opens")), "2", d + "/f"],
                          [tap.workload("execs"), str(size("attacks.agent_execs")), "2"],
                          [tap.workload("creds"), str(size("attacks.agent_opens") // 10), "2"])


def agent_settled(t, agent, command, cwd):
    frames, records = agent.everything()
    daemon.check_once(t, frames, records)
    want = counting.by_class(counting.strace_says(command, cwd)[0])
    got = collections.Counter(r.ring_class for r in records)
    for number, name in enumerate(counting.CLASSES):
        lost = daemon.lost_of(records, name)
        t.equal(got[number] + lost, want[name], "%s: recorded %d + lost %d against generated" % (name, got[number], lost))
        t.note("%s: %d recorded, %d lost" % (name, got[number], lost))
    return records


def attacked(during, **config):
    """During the load, during(agent, t) does what it does; afterwards all three classes add up."""
    def run(t):
        with tap.Workdir() as d:
            command = load(d)
            with daemon.Agent(command, **config) as a:
                a.start()
                during(a, t)
                a.tree.wait(120)
                a.wait(a.worker, 60, "no worker comes back")
                a.stop()
                agent_settled(t, a, command, d)
    run.title = "agent " + during.__name__.replace("_", " ")
    return run


def killed_as_a_whole(a, t):
    """Nobody is left to start anybody again; what happens until somebody does is in the rings."""
    a.go()
    for _ in range(size("attacks.agent_kills")):
        time.sleep(0.2)
        for pid in family(a):
            os.kill(pid, signal.SIGKILL)
        a.proc.wait()
        time.sleep(0.1)
        a.start()


def stopped_as_a_whole(a, t):
    """Parent, worker and resolver stand still while it all happens."""
    pids, worker = family(a), a.worker()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        a.go()
        a.tree.wait(120)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    t.equal(a.worker(), worker, "it goes on, the same as before")


def without_room_on_its_disk(t):
    with tap.Workdir() as d:
        command = load(d, 3)  # segments have some room in them
        with daemon.Agent(command) as a:
            os.mkdir(a.dir + "/spool")
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "hosttrail-test", a.dir + "/spool"], check=True)
            try:
                a.start()
                daemon.fill(a.dir + "/spool/ballast")
                a.go()
                a.tree.wait(120)
                time.sleep(1)
                t.ok(a.status()["failed_frames"] > 0, "frames that could not be written")
                os.unlink(a.dir + "/spool/ballast")
                time.sleep(2.5)
                a.stop()
                records = agent_settled(t, a, command, d)
                t.ok(any(r.name == "RecordsLost" and r.fields["cause"] == "diskFull" for r in records), "its cause")
            finally:
                subprocess.run(["umount", "-l", a.dir + "/spool"], check=False)


without_room_on_its_disk.title = "agent without room on its disk"
SMALL = {"ring_data": "64K", "ring_process": "64K", "ring_control": "64K"}

if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([a_flood_hides_no_exec("hide", "data", 1 << 16, size("attacks.flood")),
              a_flood_hides_no_exec("crowd", "process", 1 << 16, size("attacks.flood") // 4), a_fork_bomb,
              attacked(killed_as_a_whole), attacked(stopped_as_a_whole, **SMALL), without_room_on_its_disk, short_lived])
