#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=200 later=30
"""Rings that another build (here: of other sizes) replaces while calls lie in them that nobody has read: RecordsLost says how many, by class.

The tree makes the same calls twice: once recorded, and once while no agent runs. So what the first time was records is lost the second
time, to the number, whether it lay in a ring, did not fit there, was cut as a flood, or waited in the kernel's merge slots.
"""
import collections
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers")]
import daemon  # noqa: E402
import spooldir  # noqa: E402
import tap  # noqa: E402

CLASSES = ("control", "process", "data")
AGAIN = 'while read x; do "$@"; : >"$DONE"; done'  # the shell is the tree's root: it outlives what it starts


class Again(daemon.Agent):
    """An agent whose tree runs a command each time that it is told to."""

    def __init__(self, command, work, **config):
        os.environ["DONE"] = self.done = work + "/done"
        super().__init__(["/bin/sh", "-c", AGAIN, "sh", *command], unpin_on_stop=False, **config)
        self.config = config

    def begin(self):
        self.start()
        self.go()  # the shell becomes one that waits

    def run(self):
        if os.path.exists(self.done):
            os.unlink(self.done)
        self.go()
        self.wait(lambda: os.path.exists(self.done), 30, "the command does not end")
        time.sleep(0.2)  # the shell is asleep again

    def recorded(self):
        """Calls by class, as often as they were made."""
        n = collections.Counter()
        for r in self.everything()[1]:
            if r.ring_class < len(CLASSES):
                n[CLASSES[r.ring_class]] += r.repeats
        return n

    def once_recorded(self):
        """What a run of the command makes, by class: a first run reads its files for the first time, so the second counts."""
        self.begin()
        self.run()
        before = self.settled()
        self.run()
        return self.settled() - before

    def settled(self):
        last = None
        while last != self.status()["records"]:
            last = self.status()["records"]
            time.sleep(0.3)
        return self.recorded()

    def replace(self, **config):
        self.configure(unpin_on_stop=False, **dict(self.config, **config))
        self.start()
        time.sleep(0.2)
        self.stop()
        return [r for r in self.everything()[1] if r.name == "RecordsLost" and r.fields["cause"] == "replaced"]


def check(t, a, lost, made, begin):
    streams = spooldir.streams(a.dir + "/spool")
    started = [r for r in a.everything()[1] if r.name == "AgentStarted" and r.fields.get("replaced")]
    t.equal([r.fields["replaced"] for r in started], ["other ring sizes"], "that the pins were replaced")
    t.equal({r.fields["ringClass"]: r.fields["count"] for r in lost}, {c: n for c, n in made.items() if n}, "lost by class")
    t.equal(len(streams), 2, "streams")
    for r in lost:
        t.ok(r.fields["stream"] in streams, "a stream of this host: %s" % r.fields["stream"])
        t.ok(begin <= r.fields["firstBootTime"] <= r.fields["lastBootTime"] <= started[0].time, "between when: %r" % r.fields)
        t.equal(r.fields["firstTime"][:10], time.strftime("%Y-%m-%d", time.gmtime()), "as people write it")


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def unread(t):
    """They lie in rings that have room."""
    with tap.Workdir() as d, Again([tap.workload("opens"), "300", "1", d + "/f"], d) as a:
        made = a.once_recorded()
        t.ok(made["data"] > 300 and made["process"] >= 2, "of each class: %r" % made)
        t.equal(a.stop(), 0, "exit status")
        begin = now()
        a.run()
        lost = a.replace(ring_data="1M")
        check(t, a, lost, made, begin)
        t.equal(len(a.replace(ring_data="2M")), len(lost), "said again, after everything was read")


def overrun(t):
    """By a killed agent, in a ring that has no room: most are cut or do not fit, and equal ones wait to be merged, without a number."""
    distinct, same = 3000, 5000
    script = "%s %d 64331 0 /nonexistent/s; %s %d 1 /nonexistent/f" % (tap.workload("repeats"), same, tap.workload("opens"), distinct)
    with tap.Workdir() as d, Again(["/bin/sh", "-c", script], d, ring_data="64K") as a:
        a.begin()
        a.settled()
        worker = a.worker()
        a.proc.kill()
        a.proc.wait()
        a.wait(lambda: not os.path.exists("/proc/%d" % worker), 10, "the worker does not end with its parent")
        begin = now()
        a.run()
        merged = merged_waiting(a.name)
        lost = {r.fields["ringClass"]: r.fields for r in a.replace(ring_data="1M")}
        t.note("%d of %d waited" % (merged, same))
        t.ok(merged > same // 2, "so few were merged that nothing was tested")
        t.ok(distinct + same <= lost["data"]["count"] < distinct + same + 100, "the opens, and few others: %r" % lost)
        t.ok(begin <= lost["data"]["firstBootTime"], "since when")


def merged_waiting(instance):
    out = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", "%s/%s/counters" % (daemon.PINS, instance)], capture_output=True,
                         text=True, check=True).stdout
    values = [e["formatted"]["value"] for e in json.loads(out)]
    return sum(v["merged"] - v["merged_sent"] for v in values)


def state_is_gone(t):
    """Nothing says what was settled: what still lies in the rings is counted."""
    with tap.Workdir() as d, Again([tap.workload("opens"), "300", "1", d + "/f"], d) as a:
        a.begin()
        a.stop()
        a.run()
        os.rename(a.dir + "/spool", a.dir + "/spool.old")
        lost = {r.fields["ringClass"]: r.fields["count"] for r in a.replace(ring_data="1M")}
        t.ok(300 <= lost["data"] < 350 and 2 <= lost["process"] < 20, "the opens, one fork, exec and exit, and few others: %r" % lost)


def not_even_a_stream(t):
    """Pins that an interrupted start left: that something was lost is said, and that nobody knows how much."""
    with tap.Workdir() as d, Again([tap.workload("opens"), "30", "1", d + "/f"], d) as a:
        a.begin()
        a.stop()
        a.run()
        os.unlink("%s/%s/meta" % (daemon.PINS, a.name))
        lost = a.replace()
        t.equal([sorted(r.fields) for r in lost], [["cause", "lastBootTime", "lastTime"]], "one record without a count")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([unread, overrun, state_is_gone, not_even_a_stream])
