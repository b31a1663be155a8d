#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's self-test: a call of each family arrives, marked; what does not is said; nobody else's calls are marked."""
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers")]
import daemon  # noqa: E402
import tap  # noqa: E402

FAMILIES = {"process", "file", "network", "credential", "mount", "namespace", "module", "bpf", "memory", "ipc", "signal", "time",
            "device", "key", "system", "iouring"}


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(child) for child in f.read().split()]


def prober(agent):
    """Of the agent's children, the one with that name."""
    for pid in children(agent.proc.pid):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as c:
                if b"--prober" in c.read().split(b"\0"):
                    return pid
        except (FileNotFoundError, ProcessLookupError):  # it ended since it was listed
            pass
    return None


def tested(agent):
    return (agent.status() or {}).get("self_test", {})


def passed(agent):
    agent.wait(lambda: tested(agent).get("state") == "passed", 15, "the self-test does not pass: %s" % tested(agent))


def marked(agent):
    return [r for r in agent.everything()[1] if r.fields.get("selfTest")]


def in_a_tree(t):
    with daemon.Agent(["/bin/cat", "/etc/hostname"], self_test=True) as a:
        before = time.monotonic()
        a.start()
        passed(a)
        t.note("passed %.0f ms after the start, slowest call %d us" % ((time.monotonic() - before) * 1000,
                                                                      tested(a)["latency_us"]))
        pid = prober(a)
        a.go()
        a.tree.wait(30)
        a.wait(lambda: tested(a)["disk_us"] > 0, 5, "the canary does not get to the disk")
        t.ok(tested(a)["disk_us"] < 2000000, "call to disk: %d us" % tested(a)["disk_us"])
        with open("/proc/%d/status" % pid) as f:
            s = dict(line.split(":", 1) for line in f.read().splitlines() if ":" in line)
        t.equal([int(s[c], 16) for c in ("CapPrm", "CapEff", "CapBnd")], [0] * 3, "the prober's capabilities")
        a.stop()
        mine = marked(a)
        t.equal({r.source.split(".")[0] for r in mine}, FAMILIES, "families of the marked records")
        t.equal(len(mine), len(FAMILIES), "one each")
        t.equal({r.executable for r in mine}, {os.path.realpath(tap.program("hosttraild"))}, "who made them")
        records = a.everything()[1]
        t.ok(any(r.name == "openat" and r.fields.get("path") == "/etc/hostname" and "selfTest" not in r.fields for r in records),
             "the command's own calls are not marked")
        t.ok(not any(r.name == "SelfTestFailed" for r in records), "no failure")


def in_a_cgroup(t):
    """Of which the agent's processes are not part."""
    root = "/sys/fs/cgroup" if os.path.exists("/sys/fs/cgroup/cgroup.procs") else "/sys/fs/cgroup/unified"
    name = "/hosttrail-selftest-%d" % os.getpid()
    try:
        os.mkdir(root + name)
    except OSError as e:
        raise tap.Skip("no cgroup can be made: %s" % e)
    try:
        with daemon.Agent(["/bin/true"], scope="cgroup " + name, self_test=True) as a:
            a.start()
            passed(a)
            a.stop()
            t.equal({r.source.split(".")[0] for r in marked(a)}, FAMILIES, "families")
            others = [r.name for r in a.everything()[1] if r.ring_class != 15 and "selfTest" not in r.fields]
            t.equal(others, [], "nothing else of this host is recorded")
    finally:
        os.rmdir(root + name)


def a_stopped_prober(t):
    """Its test does not end: that is a record, and status says it, until it goes on."""
    with daemon.Agent(["/bin/cat"], self_test=True) as a:
        a.start()
        passed(a)
        pid = prober(a)
        os.kill(pid, signal.SIGSTOP)
        os.kill(a.worker(), signal.SIGKILL)  # a new worker gets a new prober: which is stopped too
        a.wait(lambda: prober(a) not in (None, pid) or tested(a).get("state") == "running", 10, "no new prober")
        seen = set()
        end = time.monotonic() + 12
        while tested(a).get("state") != "failed" and time.monotonic() < end:
            now = prober(a)
            if now and now not in seen:
                os.kill(now, signal.SIGSTOP)
                seen.add(now)
            time.sleep(0.002)
        state = tested(a)
        if state.get("state") == "passed":
            raise tap.Skip("the new prober was faster than the signal")
        t.equal(state.get("state"), "failed", "state")
        t.equal(len(state["missing"]), len(FAMILIES), "what is missing")
        a.stop()
        failed = [r for r in a.everything()[1] if r.name == "SelfTestFailed"]
        t.ok(failed and len(failed[0].fields["missing"]) == len(FAMILIES), "SelfTestFailed: %r" % failed[:1])


def a_killed_prober(t):
    with daemon.Agent(["/bin/cat"], self_test=True) as a:
        a.start()
        passed(a)
        pid = prober(a)
        os.kill(pid, signal.SIGKILL)
        a.wait(lambda: prober(a) not in (None, pid) and tested(a)["runs"] >= 2 and tested(a)["state"] == "passed", 10,
               "no prober comes back")
        a.stop()
        t.equal(len(marked(a)), 2 * len(FAMILIES), "each was made once more")


# the call of the self-test's file family, as fast as two processes can, by the user whose id is read
UNLINKS = """import os, sys
uid = int(sys.stdin.readline())
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
os.fork()
d = os.open("/", os.O_PATH)
while True:
    try:
        os.unlink("nonexistent-flood", dir_fd=d)
    except FileNotFoundError:
        pass
"""


def under_a_flood(t):
    """Of whoever shares the prober's user and cgroup: they are cut or merged, it is not."""
    flood = ["/usr/bin/python3", "-c", UNLINKS]
    with daemon.Agent(flood, self_test=True, ring_data="16K") as a:
        a.start()
        passed(a)
        with open("/proc/%d/status" % prober(a)) as f:
            uid = [line.split()[1] for line in f if line.startswith("Uid:")][0]
        a.go()
        a.tree.stdin.write(uid.encode() + b"\n")
        a.tree.stdin.flush()
        for _ in range(5):
            runs, pid = tested(a)["runs"], prober(a)
            os.kill(pid, signal.SIGKILL)
            a.wait(lambda: tested(a)["runs"] > runs, 20, "no prober comes back")
        t.equal((tested(a)["state"], tested(a)["failures"]), ("passed", 0), "self-tests under the flood: %s" % tested(a))
        for pid in [*children(a.tree.pid), a.tree.pid]:
            os.kill(pid, signal.SIGKILL)
        a.tree.wait(30)
        a.stop()
        cut = sum(int(r.fields["count"]) for r in a.everything()[1] if r.name == "RecordsLost" and r.fields["cause"] == "flood")
        flooded = [r for r in a.everything()[1] if r.name == "unlinkat"]
        merged = sum(r.repeats - 1 for r in flooded if r.repeats > 1)
        t.note("%d cut, %d merged into %d records" % (cut, merged, len(flooded)))
        t.ok(cut + merged > 0, "the ring was not pressed: nothing was tested")


def turned_off(t):
    """It is said, in the record of the start and in the status."""
    with daemon.Agent(["/bin/cat"], self_test=False) as a:
        a.start()
        t.equal(tested(a)["state"], "off", "status")
        t.equal(prober(a), None, "no prober")
        a.stop()
        started = [r for r in a.everything()[1] if r.name == "AgentStarted"]
        t.ok(any(x.startswith("self-test: ") for x in started[0].fields["off"]), "AgentStarted: %r" % started[0].fields["off"])


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([in_a_tree, in_a_cgroup, a_stopped_prober, a_killed_prober, under_a_flood, turned_off])
