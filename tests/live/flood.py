#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 full=7200 long
"""A flood costs its principal records, and nobody else one: everything cut is counted to who flooded, exactly.

Rings are small, so that one process at full speed overruns them; beside it somebody else makes a slow series of calls.
"""
import collections
import contextlib
import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import daemon  # noqa: E402
import tap  # noqa: E402
import invariant  # noqa: E402
import spooldir  # noqa: E402
import trail  # noqa: E402
from invariant import blinking, numbers  # noqa: E402
from sizes import size  # noqa: E402

FLOODER, OTHER = 64311, 64312
OPENS = size("flood.opens")
PACED = 200
KIND = re.compile("/nonexistent/([a-z]+)")
RING = 1 << 19  # a seventh of it holds all that the slow one does: a reader that gets no CPU changes nothing


def as_user(uid, *command):
    return ["/usr/bin/setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups", *command]


def paced(uid, count, seconds, prefix):
    return as_user(uid, tap.workload("paced"), str(count), str(seconds), prefix)


def together(*commands):
    argv = [tap.workload("together")]
    for c in commands:
        argv += [*c, "--"]
    return argv[:-1]


def count_loss(r, by_cause, by_who):
    if r.name == "RecordsLost":
        d = r.raw["serviceEventDetails"]
        by_cause[(d.get("ringClass"), d["cause"])] += int(d["count"])
        if d["cause"] == "flood":
            by_who[(d.get("uid"), d.get("call"))] += int(d["count"])


def losses(records):
    """{(ring class, cause): count}, and of floods {(uid or None, call or None): count}."""
    by_cause, by_who = collections.Counter(), collections.Counter()
    for r in records:
        count_loss(r, by_cause, by_who)
    return by_cause, by_who


class Told:
    """What a trail tells of a flood, gone through once: it has millions of records, and none is kept."""

    def __init__(self, path):
        self.by_cause, self.by_who = collections.Counter(), collections.Counter()  # as losses()
        self.calls = collections.Counter()  # (name, what its string begins with)
        self.merged = False
        self.ends = 0  # openat of what ends so
        for r in trail.each(path):
            self.take(r)

    def take(self, r):
        count_loss(r, self.by_cause, self.by_who)
        self.merged |= r.repeats > 1
        text = r.asked() or r.asked("target") or ""
        self.ends += r.name == "openat" and text.endswith("ended")
        kind = KIND.match(text)
        if kind:
            self.calls[(r.name, kind.group(1))] += r.repeats

    def asked(self, kind, name):
        """Calls of this name on /nonexistent/KIND..."""
        return self.calls[(name, kind)]


def run_small(command, small, d, during=None):
    return invariant.run_small(command, small, d, during, Told)


def until(path):
    end = time.monotonic() + 60
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.02)


def nobody_else_pays(t):
    """The slow one's opens and mounts are all there; the flooder's are there or counted to it by name."""
    with tap.Workdir() as d:
        flood = [tap.workload("floods"), str(OPENS), "1", str(FLOODER), "0", "/nonexistent/flood"]
        wait = ["/bin/sh", "-c", 'echo >began; until [ -e go ]; do sleep 0.02; done; exec "$@"', "sh"]

        def unread(pid):
            """The reader stands still for a moment: it may be faster than the flood."""
            until(d + "/began")
            os.kill(pid, signal.SIGSTOP)
            open(d + "/go", "w").close()
            time.sleep(0.5)
            os.kill(pid, signal.SIGCONT)

        trace = run_small(wait + together(flood, paced(OTHER, PACED, 1, "/nonexistent/slow")), {"data": RING}, d, unread)
        by_cause, by_who = trace.records.by_cause, trace.records.by_who
        t.equal(trace.status, 0, "exit status")
        t.ok(by_cause[("data", "flood")] > 0, "the ring was not pressed: nothing was tested")
        t.equal(set(by_cause), {("data", "flood")}, "what was lost, and why")
        t.equal(set(by_who), {(FLOODER, "openat")}, "whose it was")
        t.equal(trace.records.asked("slow", "openat"), PACED * 9 // 10, "the other user's opens")
        t.equal(trace.records.asked("flood", "openat") + by_who[(FLOODER, "openat")], OPENS, "the flooder's opens, recorded + cut")
        t.equal(trace.lost, sum(by_cause.values()), "lost as the last line says")
        t.note("%d of %d cut" % (by_who[(FLOODER, "openat")], OPENS))


def a_flood_of_one_call_hides_no_other(t):
    """A flooder's own rare calls of the same class are recorded, however many opens it makes."""
    with tap.Workdir() as d:
        command = [tap.workload("floods"), str(OPENS), "1", str(FLOODER), str(OPENS // 30), "/nonexistent/flood"]
        trace = run_small(command, {"data": 1 << 16}, d)
        by_cause, by_who = trace.records.by_cause, trace.records.by_who
        t.equal(set(by_who), {(FLOODER, "openat")}, "what was cut")
        t.equal(set(by_cause), {("data", "flood")}, "what was lost, and why")
        t.equal(trace.records.asked("flood", "unlink"), numbers(trace.out)["unlinks"], "unlinks between the opens")


def a_flood_of_control_calls(t):
    """Root's credential changes fill the ring of the control class; another user's mounts still get in."""
    with tap.Workdir() as d:
        flood = [tap.workload("creds"), str(OPENS), "2"]
        trace = run_small(together(flood, paced(OTHER, PACED, 1, "/nonexistent/slow")), {"control": 1 << 16}, d)
        by_cause, by_who = trace.records.by_cause, trace.records.by_who
        t.ok(by_cause[("control", "flood")] > 0, "the ring was not pressed: nothing was tested")
        t.equal(set(by_cause), {("control", "flood")}, "what was lost, and why")
        t.equal({u for u, _ in by_who}, {0}, "whose it was")
        t.equal(trace.records.asked("slow", "mount"), PACED // 10, "the other user's mounts")


def more_principals_than_slots(t):
    """Users without a slot share one: what is cut of them is counted, but not by name. Nothing is lost silently."""
    with tap.Workdir() as d:
        users, each = 1500, size("flood.each")
        script = 'echo >began; until [ -e go ]; do sleep 0.02; done; "$@"; echo >ended'
        command = ["/bin/sh", "-c", script, "sh", tap.workload("floods"), str(each), str(users), str(FLOODER), "0", "/nonexistent/flood"]

        def unread(pid):
            """The reader stands still while they flood, so that no slot gets free."""
            until(d + "/began")
            os.kill(pid, signal.SIGSTOP)
            open(d + "/go", "w").close()
            until(d + "/ended")
            os.kill(pid, signal.SIGCONT)

        # the more each makes, the larger, or a few users fill it before the others come
        ring = 1 << (23 + ((each - 1) // 30).bit_length())
        trace = run_small(command, {"data": ring}, d, unread)
        by_cause, by_who = trace.records.by_cause, trace.records.by_who
        lost = sum(n for (ring, _), n in by_cause.items() if ring == "data")
        t.equal(trace.status, 0, "exit status")
        ends = trace.records.ends
        t.equal(trace.records.asked("flood", "openat") + ends + lost, users * each + 1, "opens and the shell's, recorded + lost")
        t.equal(sum(by_who.values()), by_cause[("data", "flood")], "by principal and in all")
        t.ok(by_who[(None, None)] > 0, "all found a slot: nothing was tested")
        cut = {u for u, _ in by_who if u is not None} - set(range(FLOODER, FLOODER + users))
        # the shell opens `ended` where 1,500 users have filled the ring: cut by its name or, without a slot, as one of the others
        t.equal(cut - (set() if ends else {0}), set(), "users that never flooded")
        t.note("%s; %d to others" % (dict(by_cause), sum(n for (u, _), n in by_who.items() if u is None)))


class Cgroups:
    """Directories 0, 1, ... below a cgroup of the test's own."""

    made = 0

    def __init__(self, count):
        Cgroups.made += 1
        root = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
        self.path, self.count = "%s/hosttrail-flood-%d-%d" % (root, os.getpid(), Cgroups.made), count

    def __enter__(self):
        try:
            for n in range(self.count):
                os.makedirs("%s/%d" % (self.path, n))
        except OSError as e:
            raise tap.Skip("no cgroups of one's own: %s" % e)
        return self.path

    def __exit__(self, *exc):
        for name in [*map(str, range(self.count)), ""]:
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(self.path, name))


def crowd(processes, first, users, cgroups, count, seconds, delay, prefix):
    return [tap.workload("crowd"), *map(str, (processes, first, users, cgroups, count, seconds, delay)), prefix]


def newcomers_among(t, flood, uids, ring=1 << 23):
    """Two hundred quiet principals (fifty users in four cgroups), and thirty (ten of the users, in three cgroups) that come in the flood."""
    quiet, new = (200, FLOODER + 1000, 50), (30, FLOODER + 2000, 10)
    with tap.Workdir() as d, Cgroups(4) as cgroups:
        commands = [flood, crowd(*quiet, cgroups, 5, 1.5, 0.7, "/nonexistent/quiet"), crowd(*new, cgroups, 20, 0.4, 1, "/nonexistent/new")]
        trace = run_small(together(*commands), {"data": ring}, d, blinking(0.3, 0.2))
    by_cause, by_who = trace.records.by_cause, trace.records.by_who
    t.equal(trace.status, 0, "exit status")
    t.ok(by_cause[("data", "flood")] > 0 or trace.records.merged, "the ring was not pressed: nothing was tested")
    t.equal(set(by_cause) - {("data", "flood")}, set(), "what else was lost")
    t.equal({u for u, _ in by_who if u is not None} - set(uids), set(), "whose losses, but the flooders'")
    t.equal(trace.records.asked("quiet", "openat"), 200 * 5, "quiet ones' opens")
    t.equal(trace.records.asked("new", "openat"), 30 * 20, "newcomers' opens")
    cut = sum(by_who.values())
    t.note("%d opens cut" % cut)
    return trace.records.asked("flood", "openat") + cut


def newcomers_among_many(t, flooders):
    each = OPENS * 4 // flooders
    # when the others are in their cgroups: that is root's doing, whose calls are many, too
    flood = ["/bin/sh", "-c", 'sleep 0.7; exec "$@"', "sh", tap.workload("floods"), str(each), str(flooders), str(FLOODER), "0",
             "/nonexistent/flood"]
    t.equal(newcomers_among(t, flood, range(FLOODER, FLOODER + flooders)), each * flooders, "the flooders' opens, recorded + cut")


def newcomers_beside_a_container(t, users, cgroups):
    """One cgroup with many users, or one user with many cgroups in it."""
    many, each = users * cgroups, OPENS * 3 // (users * cgroups)
    with Cgroups(cgroups) as container:
        flood = crowd(many, FLOODER, users, container, each, 0, 1, "/nonexistent/flood")
        t.equal(newcomers_among(t, flood, range(FLOODER, FLOODER + users), 1 << 24), each * many, "the flooders' opens, recorded + cut")


def newcomers_beside_many_users(t):
    newcomers_beside_a_container(t, size("flood.many"), 1)


def newcomers_beside_many_cgroups(t):
    newcomers_beside_a_container(t, 1, size("flood.many"))


def newcomers_in_one_flood(t):
    newcomers_among_many(t, 1)


def newcomers_in_many_floods(t):
    newcomers_among_many(t, 40)


def killed_agent(t):
    """The counts by principal are pinned with the rings: killed workers and parents lose none of them."""
    with tap.Workdir() as d:
        flood = [tap.workload("floods"), str(OPENS * 4), "1", str(FLOODER), "0", d + "/f"]
        command = together(flood, paced(OTHER, PACED, 2, d + "/s"))
        with daemon.Agent(command, ring_data=str(RING)) as a:
            a.start()
            a.go()
            a.go()  # `paced` waits for a line too
            kills = a.killed_by_turns()
            a.stop()
            once, lost, opens = daemon.Once(), [], collections.Counter()
            for frame in spooldir.each(a.dir + "/spool"):
                once.frame(frame)
                for r in spooldir.records(frame) if frame.kind == 0 else ():
                    once.record(r)
                    lost += [r] if r.name == "RecordsLost" else []
                    opens.update({k: daemon.opens_of([r], d + k) for k in ("/f", "/s")})
        once.check(t)
        causes = {r.fields["cause"] for r in lost}
        t.note("%d kills, %d cut" % (kills, sum(r.fields["count"] for r in lost)))
        t.equal(causes, {"flood"}, "causes")
        t.equal({r.fields.get("uid") for r in lost}, {FLOODER}, "whose it was")
        t.equal(opens["/f"] + daemon.lost_of(lost, "data"), OPENS * 4, "the flooder's opens, recorded + cut")
        t.equal(opens["/s"], PACED * 9 // 10, "the other user's opens")


def stopped_behind_a_flood(t):
    """The agent is stopped while the losses of so many users wait that one frame has no room for all: each is said, and its end comes last."""
    users, each = 900, size("flood.each")
    with tap.Workdir() as d:
        command = [tap.workload("floods"), str(each), str(users), str(FLOODER), "0", d + "/f"]
        with daemon.Agent(command, ring_data=str(1 << 20)) as a:
            a.start()
            worker = a.worker()
            os.kill(worker, signal.SIGSTOP)
            try:
                a.go()
                t.equal(a.tree.wait(60), 0, "exit status")
                a.proc.send_signal(signal.SIGTERM)
                time.sleep(0.3)  # the worker finds that it is to stop when it goes on
            finally:
                os.kill(worker, signal.SIGCONT)
            t.equal(a.proc.wait(30), 0, "the agent's exit status")
            frames, records = a.everything()
    daemon.check_once(t, frames, records)
    named = {r.fields.get("uid") for r in records if r.name == "RecordsLost"} - {None}
    t.ok(len(named) > 150, "%d users' losses: nothing was tested" % len(named))
    t.equal(daemon.opens_of(records, d + "/f") + daemon.lost_of(records, "data"), users * each, "opens, recorded + lost")
    t.equal([r.name for r in records if r.ring_class == 15][-1], "AgentStopped", "the last record")


def pressure_shows_before_a_loss(t):
    """`status` says how full a ring was, and whose it was, while nothing is lost."""
    with tap.Workdir() as d:
        command = [tap.workload("floods"), "2000", "1", str(FLOODER), "0", d + "/f"]
        with daemon.Agent(command, ring_data=str(1 << 20)) as a:
            a.start()
            worker = a.worker()
            t.equal(a.status()["rings"]["data"]["filled_by"], [], "before the flood")
            os.kill(worker, signal.SIGSTOP)
            try:
                a.go()
                a.tree.wait(30)
            finally:
                os.kill(worker, signal.SIGCONT)
            a.wait(lambda: a.status()["records_by_class"]["data"] >= 2000, 30, "the opens do not arrive")
            s = a.status()
            a.stop()
        ring = s["rings"]["data"]
        t.note("%d %%, %r" % (ring["fullest_percent"], ring["filled_by"]))
        t.ok(25 < ring["fullest_percent"] < 50, "between a quarter and a half")
        t.equal(s["lost"], 0, "lost")
        t.equal([ring["most"] * 100 // ring["size"], s["merged_ms"]], [ring["fullest_percent"], 250], "the same in bytes; how long calls are merged")
        t.equal([(w["uid"], w["percent"] > 90) for w in ring["filled_by"][:1]], [(FLOODER, True)], "who filled it")
        t.ok(ring["filled_by"][:1] and ring["filled_by"][0].get("cgroup", "").startswith("/"), "its cgroup's path")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([nobody_else_pays, a_flood_of_one_call_hides_no_other, a_flood_of_control_calls, newcomers_in_one_flood, newcomers_in_many_floods, newcomers_beside_many_users,
              newcomers_beside_many_cgroups, more_principals_than_slots, killed_agent, stopped_behind_a_flood,
              pressure_shows_before_a_loss])
