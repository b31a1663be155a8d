#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the figures (`make bench`). Ratios are of measurements interleaved in one run; medians with half the
distance between the quartiles. HT_LONG=1: full size. Words on the command line choose some of the figures."""
import argparse
import os
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]


def arguments():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--build", default="build")
    ap.add_argument("figure", nargs="*")
    args = ap.parse_args()
    os.environ["HT_BUILD"] = os.path.abspath(args.build)
    return args


ARGS = arguments()
import earlyexit  # noqa: E402
import tap  # noqa: E402
from instance import Instance  # noqa: E402
from measure import Sample, ratio_text  # noqa: E402
from sizes import size  # noqa: E402

ROUNDS = size("bench.rounds")


def say(name, text):
    print("%-34s %s" % (name, text), flush=True)


def numbers(argv, gate=None, **kw):
    """What a loop prints: one number a line. With gate, the loop starts when gate(pid) has returned."""
    if not gate:
        out = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, **kw).stdout
        return [float(x) for x in out.split()]
    p = subprocess.Popen(["/bin/sh", "-c", 'read go; exec "$@"', "sh", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **kw)
    try:
        gate(p.pid)
        out, _ = p.communicate("go\n", timeout=600)
    finally:
        p.kill()
    return [float(x) for x in out.split()]


class Agent:
    """The daemon alone, writing to its spool: no forwarder, no store."""

    def __init__(self, instance):
        self.instance = instance

    def start_on(self, pid):
        self.instance.configure("hosttraild", scope="tree %d" % pid)
        self.instance.start("hosttraild")

    def stop(self):
        """The agent's last word before it went: its status."""
        time.sleep(0.3)
        status = self.instance.status("hosttraild") or {}
        self.instance.stop("hosttraild")
        remove_pins(self.instance)
        return status


def remove_pins(instance):
    shutil.rmtree("/sys/fs/bpf/hosttrail/" + instance.config("hosttraild")["instance"], ignore_errors=True)


def interleaved(argv, instance):
    """Rounds of: alone, under empty programs, recorded by the agent. Three lists, and what was lost."""
    alone, empty, recorded, lost, records = [], [], [], 0, 0
    agent = Agent(instance)
    for _ in range(ROUNDS):
        alone += numbers(argv)
        empty += numbers([os.path.join(tap.BUILD, "tests/bench/empty"), *argv])
        recorded += numbers(argv, agent.start_on)
        status = agent.stop()
        lost, records = lost + status.get("lost", 0), records + status.get("records", 0)
    return alone, empty, recorded, lost, records


def open_close(instance):
    n = size("bench.open_pairs")
    path = os.path.join(instance.dir, "etc/hosttraild.yaml")
    alone, empty, recorded, lost, records = interleaved([tap.workload("openclose"), str(n), path], instance)
    say("open+close alone", Sample(alone).text("ns"))
    say("  with empty programs", "%s, times %s" % (Sample(empty).text("ns"), ratio_text(empty, alone)))
    say("  recorded", "%s, times %s" % (Sample(recorded).text("ns"), ratio_text(recorded, alone, 1.6)))
    say("  records", "%d of %d opens a round on average, %d lost  goal: zero lost" % (records / ROUNDS, n, lost))


def uncaptured(instance):
    alone, empty, attached, _, _ = interleaved([tap.workload("getppid"), str(size("bench.getppids"))], instance)
    say("getppid alone", Sample(alone).text("ns", 1))
    say("  with empty programs", "%s, times %s" % (Sample(empty).text("ns", 1), ratio_text(empty, alone)))
    say("  with the agent's, uncaptured", "%s, times %s; times empty programs %s" % (
        Sample(attached).text("ns", 1), ratio_text(attached, alone), ratio_text(attached, empty)))
    say("instructions to the early exit", early_exit(instance))


def early_exit(instance):
    p = subprocess.Popen(["/bin/sleep", "60"])
    try:
        agent = Agent(instance)
        agent.start_on(p.pid)
        found = [(name, earlyexit.measure(name, instance.running["hosttraild"].pid)) for name in ("ht_sys_exit", "ht_sys_enter")]
        agent.stop()
    finally:
        p.kill()
        p.wait()
    worst = max(n for _, n in found if n)
    return "%s  goal: at most 40, %s" % (", ".join("%s %s" % f for f in found), "met" if worst <= 40 else "MISSED")


def processes(instance):
    import processes as measured
    measured.run(Agent(instance), say)


def replay(instance):
    """A recorded ring image through the real reader, decoder, framer and spool."""
    tool = os.path.join(tap.BUILD, "tests/bench/replay")
    with tap.Workdir() as d:
        image = os.path.join(d, "image")
        work = os.path.join(HERE, "replay.sh")
        r = subprocess.run([tool, "record", image, "/bin/sh", work, d], capture_output=True, text=True, check=False)
        if r.returncode:
            say("replay", "cannot record a ring image: " + r.stderr.strip())
            return
        say("replay: image", r.stdout.strip())
        rates = []
        for _ in range(3):
            rates.append(replayed(tool, image, size("bench.replay_records") // 3, d)[0])
        rate = Sample(rates)
        say("replay: records/s/core", "%s  goal: 500000, %s" % (rate.text("/s"), "met" if rate.median >= 500000 else "MISSED"))
        # copies of the same records compress to almost nothing: only one pass says what they take
        each = replayed(tool, image, 1, d)[1]
        say("replay: bytes a record on disk", "%.1f (one pass, full frames)  goal: 40, %s" % (each, "met" if each <= 40 else "MISSED"))


def replayed(tool, image, records, d):
    """(records per CPU second, bytes per record) of one run into a fresh spool."""
    spool = os.path.join(d, "spool")
    shutil.rmtree(spool, ignore_errors=True)
    out = subprocess.run([tool, "run", image, str(records), spool], capture_output=True, text=True, check=True).stdout
    return [float(x) for x in out.split()[:2]]


def rss_kib(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def cpu_ticks(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total


def memory(instance):
    n, peak, stop = size("bench.short_processes"), [0], threading.Event()
    agent = Agent(instance)

    def watch():
        while not stop.wait(0.1):
            peak[0] = max(peak[0], rss_kib(instance.pids("hosttraild")))

    def gate(pid):
        agent.start_on(pid)
        threading.Thread(target=watch, daemon=True).start()

    numbers([tap.workload("forkexec"), str(n)], gate)
    stop.set()
    status = agent.stop()
    mib = peak[0] / 1024
    say("agent's memory, peak", "%.1f MiB (all its processes) while %d short processes ran, %d lost  goal: under 60, %s" % (
        mib, n, status.get("lost", 0), "met" if mib < 60 else "MISSED"))


def idle(instance):
    seconds, p = size("bench.idle_seconds"), subprocess.Popen(["/bin/sleep", "600"])
    agent = Agent(instance)
    try:
        agent.start_on(p.pid)
        time.sleep(2)
        pids = instance.pids("hosttraild")
        before = cpu_ticks(pids)
        time.sleep(seconds)
        used = (cpu_ticks(pids) - before) / os.sysconf("SC_CLK_TCK")
        agent.stop()
    finally:
        p.kill()
        p.wait()
    share = 100 * used / seconds
    say("agent's idle CPU", "%.2f %% of a core over %d s  goal: under 0.5, %s" % (share, seconds, "met" if share < 0.5 else "MISSED"))


def latency(instance):
    import latency as measured
    measured.run(instance, say)


FIGURES = [open_close, uncaptured, processes, replay, latency, memory, idle]


def main():
    say("machine", "%s, %d CPUs, load %.2f before" % (os.uname().release, os.cpu_count(), os.getloadavg()[0]))
    failed = 0
    with Instance() as instance:
        for figure in FIGURES:
            if ARGS.figure and figure.__name__ not in ARGS.figure:
                continue
            try:
                figure(instance)
            except (tap.Failed, subprocess.SubprocessError, OSError) as e:
                failed += 1
                say(figure.__name__, "could not be measured: %s" % e)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
