#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=50
"""hosttraild with event selectors: what is selected is recorded once, what is not is settled as filtered, and no number is lost."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import daemon  # noqa: E402
import tap  # noqa: E402
from event_selectors import selector  # noqa: E402
from sizes import size  # noqa: E402

OPENS = size("selectors.opens")


class Agent(daemon.Agent):
    """With selectors in a file of its own; or "all"; None: nothing is said of them."""

    def __init__(self, command, selectors, **config):
        super().__init__(command, **config)
        self.file = self.dir + "/selectors.json"
        self.select(selectors)
        self.configure(selectors=self.file if isinstance(selectors, list) else selectors, **config)

    def select(self, selectors):
        with open(self.file + ".new", "w") as f:
            f.write(selectors if isinstance(selectors, str) else json.dumps(selectors or []))
        os.rename(self.file + ".new", self.file)

    def sha256(self):
        with open(self.file, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

    def run(self, self_test=False):
        self.start()
        if self_test:
            self.wait(lambda: self.status()["self_test"]["state"] == "passed", 15, "the self-test does not pass")
        self.go()
        self.tree.wait(120)
        self.stop()
        return self.everything()


def own(records, name):
    return [r for r in records if r.name == name and r.source == "trail.hosttrail"]


def calls(records):
    return [r for r in records if r.ring_class != 15]


def opens(prefix, n=None):
    return "%s %d 2 %s" % (tap.workload("opens"), (n or OPENS) // 2, prefix)


def sh(*commands):
    return ["/bin/sh", "-c", "; ".join(commands)]


def by_path(t):
    """Every selected open once, no other; what was captured and not selected is counted."""
    with tap.Workdir() as d, Agent(sh(opens(d + "/keep"), opens(d + "/drop")),
                                   [selector(eventCategory="Data", path={"StartsWith": d + "/keep"})]) as a:
        frames, records = a.run()
        daemon.check_once(t, frames, records)
        lost = daemon.lost_of(records, "data")
        t.equal(len([r for r in calls(records) if not r.fields.get("path", r.fields.get("requestedPath", "")).startswith(d + "/keep")]), 0,
                "records of anything else")
        kept = daemon.opens_of(records, d + "/keep")
        t.ok(OPENS - lost <= kept <= OPENS, "selected opens: %d of %d, %d lost" % (kept, OPENS, lost))
        filtered = sum(f.message.filtered for f in frames)
        stopped = own(records, "AgentStopped")[0].fields
        t.equal(sum(stopped["filtered." + c] for c in ("control", "process", "data", "tls")), filtered, "filtered, as AgentStopped says")
        t.ok(filtered >= OPENS - lost, "filtered: %d" % filtered)
        started = own(records, "AgentStarted")[0].fields
        t.equal((started["selectors"], started["selectorsSha256"]), (a.file, a.sha256()), "AgentStarted says which")
        strings = b"".join(s for f in frames for s in f.message.strings)
        t.ok((d + "/drop").encode() not in strings, "what is not selected leaves no trace in the frames")


def high_rate(t):
    """Calls that are recorded where they are named only."""
    with tap.Workdir() as d:
        with open(d + "/data", "w") as f:
            f.write("x" * 100)
        with Agent(["/bin/dd", "if=" + d + "/data", "of=/dev/null", "bs=1", "count=50", "status=none"],
                   [selector(eventCategory="Data", eventName="read", path=d + "/data")]) as a:
            frames, records = a.run()
            daemon.check_once(t, frames, records)
            t.equal([r.name for r in calls(records)], ["read"] * 50, "reads of the file")


def failures(t):
    with tap.Workdir() as d, Agent(sh("cat /etc/hostname", "cat %s/none" % d),
                                   [selector(eventCategory="Data", eventName="openat", errorCode="ENOENT", path={"StartsWith": d})]) as a:
        frames, records = a.run()
        daemon.check_once(t, frames, records)
        t.equal([r.fields.get("requestedPath", r.fields.get("path")) for r in calls(records)], [d + "/none"], "the failed open of it")


def by_user(t):
    """By the effective user's number, asked for and ruled out."""
    command = "/usr/bin/setpriv --reuid=1234 --regid=1234 --clear-groups %s"
    for s in (selector(**{"eventCategory": "Data", "process.euid": "1234", "path": {"StartsWith": "/tmp/by-user"}}),
              selector(**{"eventCategory": "Data", "process.loginuid": {"NotEquals": "7"}, "process.euid": {"NotEquals": "0"}, "path": {"StartsWith": "/tmp/by-user"}})):
        with Agent(sh(opens("/tmp/by-user-a", 1000), command % opens("/tmp/by-user-b", 1000)), [s]) as a:
            frames, records = a.run()
            daemon.check_once(t, frames, records)
            t.equal((daemon.opens_of(records, "/tmp/by-user-a"), daemon.opens_of(records, "/tmp/by-user-b"), len(calls(records))),
                    (0, 1000, 1000), "opens of root and of 1234, all")


def nothing(t):
    """No selector: nothing but the trail's own records, the self-test's among them."""
    with tap.Workdir() as d, Agent(sh(opens(d + "/x")), [], self_test=True) as a:
        frames, records = a.run(self_test=True)
        daemon.check_once(t, frames, records)
        t.equal([r.name for r in calls(records) if not r.fields.get("selfTest")], [], "calls")
        t.equal(daemon.lost_of(records, "data"), 0, "lost")


def default(t):
    """Where nothing is said: management, network, changes of files and reads of sensitive ones; nothing else. Most never gets a number."""
    with tap.Workdir() as d, Agent(sh("cat /etc/hostname", "cat /etc/shadow", "echo x >%s/made" % d, "mkdir %s/dir" % d, opens(d + "/x", 2000) + " create", "cat %s/x-0-* %s/x-1-*" % (d, d)), None) as a:
        frames, records = a.run()
        daemon.check_once(t, frames, records)
        paths = {(r.name, r.fields.get("path")) for r in calls(records)}
        for want in (("openat", "/etc/shadow"), ("openat", d + "/made"), ("mkdir", d + "/dir"), ("execve", "/usr/bin/cat")):
            t.ok(want in paths, "recorded: %s %s" % want)
        t.ok(("openat", "/etc/hostname") not in paths, "an open of a file that is not sensitive")
        t.equal(daemon.opens_of(records, d + "/x"), 2000, "files made; not read")
        t.ok(numbers_taken(frames) < 2400, "numbers taken: %d" % numbers_taken(frames))
        t.equal(own(records, "AgentStarted")[0].fields["selectors"], "default", "AgentStarted")


def killed(t):
    """Filtered numbers are settled exactly once, too, when worker and agent are killed."""
    n = 10 * OPENS
    with tap.Workdir() as d, Agent(sh(opens(d + "/keep", n) + "& " + opens(d + "/drop", n) + "& wait"),
                                   [selector(eventCategory="Data", path={"StartsWith": d + "/keep"})], ring_data="4M") as a:
        a.start()
        a.go()
        kills = 0
        while a.tree.poll() is None and kills < 10:
            time.sleep(0.1)
            if kills % 3 == 2:
                a.proc.kill()
                a.proc.wait()
                a.start()
                kills += 1
            elif a.worker():
                os.kill(a.worker(), signal.SIGKILL)
                kills += 1
        a.tree.wait(120)
        a.wait(a.worker, 60, "no worker comes back")
        a.stop()
        frames, records = a.everything()
        daemon.check_once(t, frames, records)
        kept, lost = daemon.opens_of(records, d + "/keep"), daemon.lost_of(records, "data")
        t.note("%d kills, %d recorded, %d lost, %d filtered" % (kills, kept, lost, sum(f.message.filtered for f in frames)))
        t.ok(n - lost <= kept <= n, "selected opens")
        t.equal(len(calls(records)), kept, "other records")


def paced(prefix, count, seconds, *more):
    return " ".join([tap.workload("paced"), str(count), str(seconds), prefix, *more, "</dev/null"])


def in_force(agent):
    return (agent.status() or {}).get("selectors", {}).get("sha256")


def reloaded(agent, selectors):
    agent.select(selectors)
    agent.proc.send_signal(signal.SIGHUP)
    agent.wait(lambda: in_force(agent) == agent.sha256(), 30, "the selectors do not come into force")


def asked(r):
    return r.fields.get("requestedPath") or r.fields.get("path", "")


def numbers(records, prefix):
    """Which of a paced workload's opens are there, and when."""
    return {int(asked(r)[len(prefix) + 1:]): r.time for r in records
            if r.name == "openat" and asked(r).startswith(prefix + "-")}


def reload(t):
    """Under load, there and back, of opens that the kernel drops where they are not selected: what both select is there once and
    whole; what one selects is there while it was in force, without a hole; that by the times of the records themselves."""
    count, seconds, turns = size("selectors.paced"), size("selectors.seconds"), size("selectors.turns")
    with tap.Workdir() as d:
        a_only, b_only, both = d + "/a", d + "/b", d + "/c"
        sets = [[selector(eventCategory="Data", eventName="openat", path={"StartsWith": x}) for x in (both, one)] for one in (a_only, b_only)]
        sets[1].append(selector(eventCategory="Management", eventName="mount"))  # not captured at all by the other one
        with Agent(sh(" & ".join(paced(p, count, seconds, "create") for p in (a_only, b_only, both)) + " & wait"), sets[0], ring_data="64M") as a:
            a.start()
            a.go()
            turn = 0
            while a.tree.poll() is None and turn < turns:
                time.sleep(0.3)
                turn += 1
                reloaded(a, sets[turn % 2])
            t.ok(a.tree.poll() is None or turn >= 2, "turns under load: %d" % turn)
            a.tree.wait(120)
            a.stop()
            frames, records = a.everything()
            daemon.check_once(t, frames, records)
            t.equal([r.fields["count"] for r in own(records, "RecordsLost")], [], "lost")
            changed = own(records, "SelectorsChanged")
            t.equal(len(changed), turn, "SelectorsChanged")
            opens_made = [i for i in range(count) if i % 10 != 9]
            t.equal(sorted(set(opens_made) - set(numbers(records, both)))[:5], [], "missing of what both select")
            starts = [0] + [r.fields["bootTime"] for r in changed] + [1 << 63]
            for which, prefix in ((0, a_only), (1, b_only)):
                check_turns(t, prefix, numbers(records, prefix), opens_made, starts, which)
            mounts = [r.time for r in records if r.name == "mount"]
            t.ok(mounts and all(turn_of(starts, at) % 2 == 1 for at in mounts), "mounts, while they were selected: %d" % len(mounts))
            t.ok(any(s == a.file for s in (r.fields["selectors"] for r in changed)), "the record says which")


def reload_of_a_slow_worker(t):
    """Until it answers, what the old selectors want goes on being captured, and is judged by them."""
    with tap.Workdir() as d, Agent(sh(paced(d + "/a", 1000, 0)), [selector(eventCategory="Data", eventName="openat")]) as a:
        a.start()
        worker = a.worker()
        os.kill(worker, signal.SIGSTOP)
        try:
            a.select([selector(eventCategory="Management", eventName="mount")])
            a.proc.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            a.go()
            a.tree.wait(60)
        finally:
            os.kill(worker, signal.SIGCONT)
        a.wait(lambda: in_force(a) == a.sha256(), 30, "the selectors do not come into force")
        a.stop()
        frames, records = a.everything()
        daemon.check_once(t, frames, records)
        t.equal(len(numbers(records, d + "/a")), 900, "opens")
        t.equal([r.name for r in records if r.name == "mount"], [], "mounts, which were not selected yet")


def turn_of(starts, at):
    return max(i for i, s in enumerate(starts) if s <= at)


def check_turns(t, prefix, there, made, starts, which):
    wrong = [(n, at) for n, at in there.items() if turn_of(starts, at) % 2 != which]
    t.equal(wrong[:3], [], "%s: recorded while it was not selected" % prefix)
    # calls are made in order: between two of one turn there is none that is not recorded
    order = sorted(there)
    holes = [(x, y) for x, y in zip(order, order[1:]) if made.index(y) - made.index(x) > 1]
    same = [(x, y) for x, y in holes if turn_of(starts, there[x]) == turn_of(starts, there[y])]
    t.note("%s: %d of %d recorded, %d pauses" % (os.path.basename(prefix), len(there), len(made), len(holes)))
    t.equal(same[:3], [], "%s: missing while it was selected" % prefix)


def refused_reload(t):
    """A bad file, or none: one line says why, and those from before stay; a good one later is taken. Also other pins' selectors."""
    with tap.Workdir() as d, Agent(sh(opens(d + "/keep", 1000)), [selector(eventCategory="Data", path={"StartsWith": d + "/keep"})]) as a:
        a.start()
        good = in_force(a)
        for i, (text, says) in enumerate(BAD + ((None, "No such file"),)):
            before = len(a.log().splitlines())
            if text is None:
                os.unlink(a.file)
            else:
                a.select(text)
            a.proc.send_signal(signal.SIGHUP)
            a.wait(lambda: len(a.log().splitlines()) > before, 10, "nothing is said of %r" % text)
            said = a.log().splitlines()[before:]
            t.ok(len(said) == 1 and says in said[0] and "stay in force" in said[0], "said of %r: %r" % (text and text[:60], said))
            a.wait(lambda: (a.status() or {}).get("selectors", {}).get("reloads_refused") == i + 1, 15, "status does not count it")
        t.equal(in_force(a), good, "in force")
        a.go()
        a.tree.wait(60)
        a.wait(lambda: a.status()["records"] >= 1000, 10, "opens are recorded")
        reloaded(a, [])
        a.configure(selectors="all")        # the key is read anew, too
        a.proc.send_signal(signal.SIGHUP)
        a.wait(lambda: a.status()["selectors"]["source"] == "all", 10, "the key is not read anew")
        a.stop()
        frames, records = a.everything()
        daemon.check_once(t, frames, records)
        t.equal(daemon.opens_of(records, d + "/keep"), 1000, "opens")
        t.equal([r.fields["selectors"] for r in own(records, "SelectorsChanged")], [a.file, "all"], "SelectorsChanged")


def restarted(t):
    """Another start with other selectors adopts the rings: what waits there is judged by those of its time."""
    with tap.Workdir() as d, Agent(sh(opens(d + "/a", 1000), "read x <%s/fifo" % d, opens(d + "/b", 1000)),
                                   [selector(eventCategory="Data", path={"StartsWith": d + "/a"})]) as a:
        os.mkfifo(d + "/fifo")
        a.start()
        a.proc.kill()
        a.proc.wait()
        a.go()
        with open(d + "/fifo", "w") as f:  # opened when the first workload has ended, with nobody reading the rings
            a.select([selector(eventCategory="Data", path={"StartsWith": d + "/b"})])
            a.start()
            f.write("\n")
        a.tree.wait(60)
        a.stop()
        frames, records = a.everything()
        daemon.check_once(t, frames, records)
        t.equal((daemon.opens_of(records, d + "/a"), daemon.opens_of(records, d + "/b")), (1000, 1000), "opens before and after")
        t.equal(own(records, "AgentStarted")[-1].fields.get("adopted"), 1, "adopted")


def cut_in_the_kernel(t):
    """What is decided early takes no number: successes where failures alone are asked for, the self-test's calls of others."""
    with tap.Workdir() as d, Agent(["/bin/sh", "-c", "i=0; while [ $i -lt 200 ]; do : <%s/made; i=$((i+1)); done; cat %s/none" % (d, d)],
                                   [selector(eventCategory="Data", errorCode="ENOENT")], self_test=True) as a:
        with open(d + "/made", "w"):
            pass
        frames, records = a.run(self_test=True)
        daemon.check_once(t, frames, records)
        t.ok(any(r.fields.get("requestedPath", r.fields.get("path")) == d + "/none" for r in records), "the open that failed")
        t.ok(numbers_taken(frames) < 150, "numbers taken by calls on files: %d" % numbers_taken(frames))


def numbers_taken(frames):
    return sum(last - first + 1 for f in frames for c, _, first, last in f.ranges if c == 2)


def containers(t):
    """A container that begins while the agent runs, and is not wanted: once it is known, what it does takes no number."""
    root = next((r for r in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(r + "/cgroup.controllers")), None)
    if not root:
        raise tap.Skip("no cgroup2 here")
    cgroup = "%s/ht-selectors-%d" % (root, os.getpid())
    inside = cgroup + "/docker-%s.scope" % ("cd" * 32)
    try:
        with tap.Workdir() as d, Agent(sh("echo $$ >%s/cgroup.procs" % inside, opens(d + "/in", 5000), "echo $$ >%s/cgroup.procs" % root, opens(d + "/out", 1000)),
                                       [selector(**{"eventCategory": "Data", "process.container": {"NotEquals": "cd" * 32},
                                                    "path": {"StartsWith": d}})]) as a:
            a.start()
            os.makedirs(inside)
            want = os.stat(inside).st_ino.to_bytes(8, "little")
            pin = "%s/%s/rule_ids" % (daemon.PINS, a.name)
            a.wait(lambda: want in b"".join(bytes(int(x, 16) for x in e["key"][:8]) for e in json.loads(
                subprocess.run(["bpftool", "-j", "map", "dump", "pinned", pin], capture_output=True, check=True).stdout)), 20, "the cgroup is not seen")
            a.go()
            a.tree.wait(60)
            a.stop()
            frames, records = a.everything()
            daemon.check_once(t, frames, records)
            t.equal((daemon.opens_of(records, d + "/in"), daemon.opens_of(records, d + "/out")), (0, 1000), "opens inside and outside")
            t.ok(1000 <= numbers_taken(frames) < 1500, "numbers taken: %d" % numbers_taken(frames))
    finally:
        for c in (inside, cgroup):
            if os.path.exists(c):
                os.rmdir(c)


BAD = (('[{"FieldSelectors":[{"Field":"eventNam","Equals":["x"]}]}]', "eventNam"), ("[{", "selectors.json"), ("", "selectors.json"),
       ("[" * 100000, "selectors.json"), ('[{"FieldSelectors":[{"Field":"path","Equals":["%s"]}]}]' % ("x" * 3000), "selectors.json"))


def refused(t):
    """A bad file at the start: one line, and no agent."""
    with Agent(["/bin/true"], []) as a:
        for text, says in BAD + ((None, "No such file"),):
            if text is None:
                os.unlink(a.file)
            else:
                a.select(text)
            for check in ([], ["--check"]):
                p = subprocess.run([tap.program("hosttraild"), "--config", a.dir + "/agent.yaml"] + check, capture_output=True, text=True,
                                   timeout=30, check=False)
                t.equal((p.returncode, len(p.stderr.splitlines())), (1, 1), "status, lines: %r" % p.stderr)
                t.ok(says in p.stderr, "it says %r: %r" % (says, p.stderr))
        a.configure(selectors="relative.json")
        p = subprocess.run([tap.program("hosttraild"), "--config", a.dir + "/agent.yaml"], capture_output=True, text=True, check=False)
        t.ok(p.returncode == 1 and "absolute path" in p.stderr, "a relative path: %r" % p.stderr)


def without_room_for_state(t):
    """A full state directory keeps no agent from starting again."""
    with Agent(["/bin/true"], [selector(eventCategory="Management")]) as a:
        keys = {}
        for name in os.listdir(a.dir + "/key"):
            with open(a.dir + "/key/" + name, "rb") as f:
                keys[name] = f.read()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "hosttrail-test", a.dir + "/key"], check=True)
        try:
            for name, text in keys.items():
                with open(a.dir + "/key/" + name, "wb") as f:
                    f.write(text)
                os.chmod(a.dir + "/key/" + name, 0o600)
            a.start()
            a.stop()
            daemon.fill(a.dir + "/key/ballast")
            for other in (False, True):
                if other:
                    a.select([selector(eventCategory="Data", readOnly="false")])
                a.start()
                t.equal(a.status()["selectors"]["sha256"], a.sha256(), "in force, changed: %s" % other)
                a.stop()
        finally:
            subprocess.run(["umount", "-l", a.dir + "/key"], check=False)


by_path.title = "selected by path: recorded once, the others filtered"
high_rate.title = "high-rate calls that a selector names"
failures.title = "failed calls only"
by_user.title = "by user"
nothing.title = "nothing selected: the self-test alone"
default.title = "the default selectors"
killed.title = "filtered numbers over SIGKILL and restart"
refused.title = "bad selectors at the start"
reload.title = "reload under load"
reload_of_a_slow_worker.title = "reload while the worker does not answer"
refused_reload.title = "a reload that is refused"
restarted.title = "another start with other selectors"
without_room_for_state.title = "another start without room for what is in force"
containers.title = "a container that is not wanted"
cut_in_the_kernel.title = "failures alone, and the self-test's alone, are cut in the kernel"

if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([by_path, high_rate, failures, by_user, nothing, default, killed, refused, reload, reload_of_a_slow_worker,
              refused_reload, restarted, without_room_for_state, cut_in_the_kernel, containers])
