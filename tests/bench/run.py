#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the figures (`make bench`). Ratios are of measurements interleaved in one run; medians with half the
distance between the quartiles. HT_LONG=1: full size. Words on the command line choose some of the figures."""
import argparse
import os
import shutil
import signal
import subprocess
import sys
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
from agent import Agent, cpu_seconds, numbers  # noqa: E402
from instance import Instance  # noqa: E402
from measure import Sample, ratio_text  # noqa: E402
from sizes import size  # noqa: E402

ROUNDS = size("bench.rounds")


def say(name, text):
    print("%-34s %s" % (name, text), flush=True)


def interleaved(argv, instance):
    """Rounds of: alone, under no program at all but the long way of all calls, under empty programs, recorded by the agent. Lists, and what was lost."""
    alone, way, empty, recorded, lost, records = [], [], [], [], 0, 0
    agent = Agent(instance)
    for _ in range(ROUNDS):
        alone += numbers(argv)
        way += numbers([os.path.join(tap.BUILD, "tests/bench/empty"), "way", *argv])
        empty += numbers([os.path.join(tap.BUILD, "tests/bench/empty"), "programs", *argv])
        recorded += numbers(argv, agent.start_on)
        status = agent.stop()
        lost, records = lost + status.get("lost", 0), records + status.get("records", 0)
    return alone, way, empty, recorded, lost, records


def open_close(instance):
    n = size("bench.open_pairs")
    path = os.path.join(instance.dir, "etc/hosttraild.yaml")
    alone, way, empty, recorded, lost, records = interleaved([tap.workload("openclose"), str(n), path], instance)
    say("open+close alone", Sample(alone).text("ns"))
    say("  with a tracepoint of any call", "%s, times %s" % (Sample(way).text("ns"), ratio_text(way, alone)))
    say("  with empty programs", "%s, times %s" % (Sample(empty).text("ns"), ratio_text(empty, alone)))
    say("  recorded", "%s, times %s" % (Sample(recorded).text("ns"), ratio_text(recorded, alone, 1.4)))
    say("  records", "%d of %d opens a round on average, %d lost  goal: zero lost" % (records / ROUNDS, n, lost))


def uncaptured(instance):
    alone, way, empty, attached, _, _ = interleaved([tap.workload("getppid"), str(size("bench.getppids"))], instance)
    say("getppid alone", Sample(alone).text("ns", 1))
    say("  with a tracepoint of any call", "%s, times %s" % (Sample(way).text("ns", 1), ratio_text(way, alone)))
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
    return "%s  goal: at most 30, %s" % (", ".join("%s %s" % f for f in found), "met" if worst <= 30 else "MISSED")


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
        say("replay: records/s/core", "%s  goal: 1000000, %s" % (rate.text("/s"), "met" if rate.median >= 1000000 else "MISSED"))
        # copies of the same records compress to almost nothing: only one pass says what they take
        each = replayed(tool, image, 1, d)[1]
        say("replay: bytes a record on disk", "%.1f (one pass, full frames)  goal: at most 30, better 15, %s" % (each, "met" if each <= 30 else "MISSED"))


def replayed(tool, image, records, d):
    """(records per CPU second, bytes per record) of one run into a fresh spool."""
    spool = os.path.join(d, "spool")
    shutil.rmtree(spool, ignore_errors=True)
    out = subprocess.run([tool, "run", image, str(records), spool], capture_output=True, text=True, check=True).stdout
    return [float(x) for x in out.split()[:2]]


def http(_instance):
    """Connections' plaintext, as the TLS probes give it, parsed into calls."""
    tool, rates = os.path.join(tap.BUILD, "tests/bench/http"), []
    for _ in range(5):
        r = subprocess.run([tool, str(size("bench.http_calls"))], capture_output=True, text=True, check=True)
        rates.append([float(x) for x in r.stdout.split()])
    for name, i in (("HTTP/1.1", 0), ("HTTP/2", 1)):
        rate = Sample([x[i] for x in rates])
        # parsing is one of the steps between plaintext and spool, which are to make 100,000 together
        say("http: %s calls/s/core" % name, "%s  goal: at least 200000, %s" % (rate.text("/s"), "met" if rate.median >= 200000 else "MISSED"))


def tlscalls(_instance):
    """From plaintext, as the TLS probes give it, to records in the spool."""
    tool = os.path.join(tap.BUILD, "tests/bench/tlscalls")
    with tap.Workdir() as d:
        spool = os.path.join(d, "spool")

        def rate(*kinds):
            shutil.rmtree(spool, ignore_errors=True)
            r = subprocess.run([tool, "run", str(size("bench.tls_calls")), spool, *kinds], capture_output=True, text=True, check=True)
            return float(r.stdout.split()[0])

        names = subprocess.run([tool, "kinds"], capture_output=True, text=True, check=True).stdout.split()
        rounds = [(rate(), [rate(k) for k in names]) for _ in range(size("bench.tls_rounds"))]
        mix = Sample([r[0] for r in rounds])
        say("tls: API-call records/s/core", "%s  goal: at least 100000, %s" % (mix.text("/s"), "met" if mix.median >= 100000 else "MISSED"))
        say("  of these", ", ".join("%s %.0f" % (k, Sample([r[1][i] for r in rounds]).median) for i, k in enumerate(names)))


def tlscost(instance):
    import tlscost as measured
    measured.run(instance, say)


def tlsserver(instance):
    import tlsserver as measured
    measured.run(instance, say)


def short_processes(instance):
    """What takes the agent most memory: processes that it has to know, and that are gone at once."""
    n, agent = size("bench.short_processes"), Agent(instance)
    numbers([tap.workload("forkexec"), str(n)], agent.start_on)
    status = agent.stop()
    say("short processes", "%d ran, %d lost" % (n, status.get("lost", 0)))


def idle(instance):
    seconds, p = size("bench.idle_seconds"), subprocess.Popen(["/bin/sleep", "600"])
    agent = Agent(instance)
    try:
        agent.start_on(p.pid)
        time.sleep(2)
        before = cpu_seconds(agent.pids())
        time.sleep(seconds)
        used = cpu_seconds(agent.pids()) - before
        agent.stop()
    finally:
        p.kill()
        p.wait()
    share = 100 * used / seconds
    say("agent's idle CPU", "%.2f %% of a core over %d s  goal: under 0.5, %s" % (share, seconds, "met" if share < 0.5 else "MISSED"))


def latency(instance):
    import latency as measured
    measured.run(instance, say)


def live(instance):
    import live as measured
    measured.run(instance, say)


def ingest(instance):
    import ingest as measured
    measured.run(instance, say)


def lake(_instance):
    import lake as measured
    measured.run(size("bench.lake_records"))


def lookup(_instance):
    import lookup as measured
    with tap.Workdir() as d:
        measured.run(d, size("bench.lookup_records"))


def execs(instance):
    import execs as measured
    measured.run(instance, say)


def cluster(_instance):
    import cluster as measured
    measured.run(None, say)


def redis(instance):
    import redis as measured
    measured.run(instance, say)


def peers(instance):
    import peers as measured
    measured.run(instance, say)


def memory():
    """Over all figures that ran."""
    if Agent.peak_figure:
        mib = Agent.peak_kib / 1024
        say("agent's memory, peak", "%.1f MiB (all its processes, looked at twice a second), in %s  goal: under 60 throughout, %s" % (
            mib, Agent.peak_figure, "met" if mib < 60 else "MISSED"))


# peers last: once the kernel's audit was on, every process that is started later pays for it
FIGURES = [open_close, uncaptured, processes, execs, replay, http, tlscalls, tlscost, tlsserver, live, ingest, latency, lake, lookup, short_processes, idle, redis, cluster, peers]


def main():
    # out of time, or Ctrl-C: audit rules, pins and processes are still taken away
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say("machine", "%s, %d CPUs, load %.2f before" % (os.uname().release, os.cpu_count(), os.getloadavg()[0]))
    failed = 0
    with Instance() as instance:
        for figure in FIGURES:
            if ARGS.figure and figure.__name__ not in ARGS.figure:
                continue
            Agent.figure = figure.__name__
            try:
                figure(instance)
            except (tap.Failed, subprocess.SubprocessError, OSError) as e:
                failed += 1
                say(figure.__name__, "could not be measured: %s" % e)
        memory()
    say("machine", "load %.2f after" % os.getloadavg()[0])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
