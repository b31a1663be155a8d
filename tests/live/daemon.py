#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""hosttraild by itself: what it writes into its spool, and that nothing is missing or there twice when its processes are killed."""
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import spooldir  # noqa: E402
import tap  # noqa: E402
from sizes import size  # noqa: E402

PINS = "/sys/fs/bpf/hosttrail"
OPENS = size("daemon.opens")


class Agent:
    """An agent on a tree of its own: a command that waits until `go`. tls: with TLS capture, whose programs take as long to load as all others."""

    tls = False
    cwd = "/"

    def __init__(self, command, **config):
        self.work = tap.Workdir()
        self.dir = self.work.__enter__()
        self.name = "daemon-%s" % uuid.uuid4().hex[:12]
        self.proc = None
        os.mkdir(self.dir + "/key", 0o700)
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.dir + "/key/host.key"], check=True,
                       stderr=subprocess.DEVNULL)
        os.chmod(self.dir + "/key/host.key", 0o600)
        with open(self.dir + "/key/host_id", "w") as f:
            f.write(str(uuid.uuid4()) + "\n")
        # the shell's own read is the last thing it does before it becomes the command
        self.tree = subprocess.Popen(["/bin/sh", "-c", 'read x; exec "$@"', "sh"] + command, stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL)
        self.configure(**config)

    def configure(self, **config):
        keys = {"state_dir": self.dir + "/key", "spool_dir": self.dir + "/spool", "cursor": self.dir + "/cursor/cursor",
                "instance": self.name, "scope": "tree %d" % self.tree.pid, "selectors": "all", "status_socket": self.dir + "/status.sock",
                "tls": self.tls, "self_test": False}  # its calls would be among those that tests count: selftest.py
        keys.update(config)
        with open(self.dir + "/agent.yaml", "w") as f:
            for k, v in keys.items():
                if v is not None:  # the program's own default
                    f.write("%s: %s\n" % (k, json.dumps(v)))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.tree.poll() is None:
            self.tree.kill()
        self.tree.wait()
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        shutil.rmtree(os.path.join(PINS, self.name), ignore_errors=True)
        self.work.__exit__()

    def start(self):
        if os.path.exists(self.dir + "/status.sock"):
            os.unlink(self.dir + "/status.sock")
        with open(self.dir + "/log", "a") as log:
            self.proc = subprocess.Popen([tap.program("hosttraild"), "--config", self.dir + "/agent.yaml"], stderr=log,
                                         stdin=subprocess.DEVNULL, cwd=self.cwd)
        self.wait(lambda: self.status() is not None, 120, "the agent does not answer")  # a busy machine loads the probes for long

    def wait(self, cond, seconds, text):
        end = time.monotonic() + seconds
        while not cond():
            if time.monotonic() > end:
                raise tap.Failed("%s: %s" % (text, self.log()[-2000:]))
            time.sleep(0.02)

    def log(self):
        with open(self.dir + "/log") as f:
            return f.read()

    def status(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.settimeout(5)
            s.connect(self.dir + "/status.sock")
            return json.loads(b"".join(iter(lambda: s.recv(65536), b"")))
        except (OSError, ValueError):
            return None
        finally:
            s.close()

    def go(self):
        self.tree.stdin.write(b"\n")
        self.tree.stdin.flush()

    def killed_by_turns(self):
        """Kills worker and agent in turns, four times or until the tree has ended, and waits for what comes back. How many kills."""
        kills = 0
        while kills < 4:
            time.sleep(0.3)
            if self.tree.poll() is not None:
                break
            if kills % 2:
                self.proc.kill()
                self.proc.wait()
                self.start()
            else:
                os.kill(self.worker(), signal.SIGKILL)
                self.wait(self.worker, 30, "no worker comes back")
            kills += 1
        self.tree.wait(120)
        self.wait(self.worker, 60, "no worker comes back")
        return kills

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        return self.proc.wait(30)

    def worker(self):
        s = self.status()
        return s and s["worker_pid"]

    def everything(self):
        return spooldir.everything(self.dir + "/spool")


def lost_of(records, ring_class):
    return sum(r.fields["count"] for r in records if r.name == "RecordsLost" and r.fields["ringClass"] == ring_class)


FAR = 1 << 26


class Once:
    """No number is settled twice, none is settled and absent, no eventID twice: of frames and records that need not be in memory together."""

    def __init__(self):
        self.there = collections.defaultdict(bytearray)  # by ring class and CPU: a byte for each number
        self.far = set()  # numbers beyond FAR: who makes records of its own may count from anywhere
        self.spans = collections.defaultdict(list)
        self.twice, self.said = [], 0

    def frame(self, f):
        for c, cpu, first, last in f.ranges:
            self.spans[(c, cpu)].append((first, last))
        self.said += f.message.filtered if f.kind == 0 else 0

    def record(self, r):
        if self.known(r):
            self.twice.append((r.ring_class, r.cpu, r.seq))
        self.said += (r.ring_class != 15) + (r.fields["count"] if r.name == "RecordsLost" else 0)

    def known(self, r):
        if r.seq >= FAR:
            n = len(self.far)
            self.far.add((r.ring_class, r.cpu, r.seq))
            return n == len(self.far)
        there = self.there[(r.ring_class, r.cpu)]
        if r.seq >= len(there):
            there.extend(bytes(r.seq + 65536 - len(there)))
        n, there[r.seq] = there[r.seq], 1
        return n

    def check(self, t):
        t.ok(not self.twice, "records that are there twice: %r" % self.twice[:5])
        for where, v in self.spans.items():
            v.sort()
            for (_, a), (b, _) in zip(v, v[1:]):
                t.ok(b > a, "%r: a number is settled by two frames (%d after %d)" % (where, b, a))
            if where[0] != 15:
                t.equal([v[0][0], sum(b - a + 1 for a, b in v)], [0, v[-1][1] + 1], "%r: settled without a gap" % (where,))
        counted = sum(last - first + 1 for (c, _), v in self.spans.items() for first, last in v if c != 15)
        t.equal(self.said, counted, "recorded + lost + filtered, of what frames settle")


def check_once(t, frames, records):
    once = Once()
    for f in frames:
        once.frame(f)
    for r in records:
        once.record(r)
    once.check(t)


def opens_of(records, prefix):
    """Merged ones are as many as they stand for."""
    return sum(r.repeats for r in records if r.name in ("open", "openat") and
               (r.fields.get("requestedPath") or r.fields.get("path", "")).startswith(prefix))


def check_opens(t, agent, prefix, opens=OPENS):
    frames, records = agent.everything()
    check_once(t, frames, records)
    seen, lost = opens_of(records, prefix), lost_of(records, "data")
    t.note("%d recorded, %d lost, %d frames" % (seen, lost, len(frames)))
    t.equal(seen + lost, opens, "opens generated = recorded + lost")
    return frames, records


def flood(agent, opens=OPENS):
    return [tap.workload("opens"), str(opens // 2), "2", agent]


def check_stopped(t, agent, stopped, records):
    """What it says of itself, against what lies in the spool."""
    started = [r for r in records if r.name == "AgentStarted"][0].fields
    f = stopped.fields
    t.equal({c: f["records." + c] for c in ("control", "process", "data", "own")},
            {c: sum(r.ring_class == n for r in records) for c, n in (("control", 0), ("process", 1), ("data", 2), ("own", 15))},
            "records by class")
    t.equal([f["lost." + c] for c in ("control", "process", "data", "tls")], [0] * 4, "lost")
    t.ok(0 < f["uptimeMillis"] < 120000, "uptime: %d ms" % f["uptimeMillis"])
    t.ok("pinned" not in f, "nothing stays")
    t.ok(all(0 < f["ringBytes." + c] <= started["ringSize." + c] // 4 for c in ("process", "data")), "waited at most: %r" % f)
    t.ok(f["ringBytes.tls"] < 8 << 10, "no TLS was spoken; what is mapped to be executed is told: %r" % f["ringBytes.tls"])
    t.equal([started["ringSize.data"], started["mergedMillis"]], [8 << 20, 250], "rings")
    t.equal(stopped.executable, os.path.realpath(tap.program("hosttraild")), "executable")
    t.ok(stopped.identity.tid == agent.worker_pid and stopped.identity.tid_start > 0, "the worker, and when it began")


def a_tree_into_the_spool(t):
    with Agent(["/bin/cat", "/etc/hostname"]) as a:
        a.start()
        a.go()
        a.tree.wait(30)
        a.worker_pid = a.worker()
        nice = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (a.proc.pid, a.worker_pid)]
        t.equal(nice[0] - nice[1], 4, "the worker comes before who fills its rings")
        t.equal(a.stop(), 0, "exit status")
        frames, records = a.everything()
        check_once(t, frames, records)
        names = [r.name for r in records]
        t.equal(names.count("AgentStarted"), 1, "AgentStarted")
        t.equal(names.count("AgentStopped"), 1, "AgentStopped")
        check_stopped(t, a, [r for r in records if r.name == "AgentStopped"][0], records)
        execs = [r for r in records if r.name == "execve"]
        t.equal([r.fields.get("path") for r in execs], ["/usr/bin/cat"], "what was executed")
        t.ok(any(r.name == "openat" and r.fields.get("path") == "/etc/hostname" and r.executable == "/usr/bin/cat" for r in records),
             "cat's open")
        t.ok(any(r.name == "ExecutableHashed" and r.fields["path"] == "/usr/bin/cat" for r in records), "its hash")
        first = frames[0]
        t.ok(first.chain == "control" and first.number == 0 and first.message.HasField("stream_start"), "the stream's start")
        t.ok(not os.path.exists(os.path.join(PINS, a.name)), "pins are gone after a clean stop")


def losses_add_up(t):
    with tap.Workdir() as d, Agent(flood(d + "/f"), ring_data="64K") as a:
        a.start()
        a.go()
        a.tree.wait(120)
        a.stop()
        _, records = check_opens(t, a, d + "/f")
        t.ok(lost_of(records, "data") > 0, "a ring of 64 KiB overflows")
        t.equal(lost_of(records, "control") + lost_of(records, "process"), 0, "losses in other classes")


def killed_worker(t):
    opens = 5 * OPENS  # a fast machine makes OPENS of them before a worker was killed twice
    with tap.Workdir() as d, Agent(flood(d + "/f", opens)) as a:
        a.start()
        a.go()
        kills = 0
        while a.tree.poll() is None and kills < 12:
            pid = a.worker()
            if pid and os.path.exists("/proc/%d" % pid):
                os.kill(pid, signal.SIGKILL)
                kills += 1
            time.sleep(0.1)
        a.tree.wait(120)
        a.wait(lambda: a.worker(), 60, "no worker comes back")
        a.stop()
        t.note("%d kills" % kills)
        t.ok(kills >= 2, "killed in the flood")
        _, records = check_opens(t, a, d + "/f", opens)
        t.ok(all(r.type != 0 for r in records), "every record has an identity")


def killed_parent(t):
    with tap.Workdir() as d, Agent(flood(d + "/f")) as a:
        a.start()
        a.go()
        kills = 0
        while a.tree.poll() is None and kills < 3:
            time.sleep(0.1)
            a.proc.kill()
            a.proc.wait()
            kills += 1
            a.start()
        a.tree.wait(120)
        a.stop()
        t.note("%d kills" % kills)
        frames, records = check_opens(t, a, d + "/f")
        t.equal(len(spooldir.streams(a.dir + "/spool")), 1, "one stream all the time")
        t.ok(any(r.name == "AgentStarted" and r.fields.get("adopted") for r in records), "the rings were adopted")
        t.ok(all(r.type != 0 for r in records), "every record has an identity")


def resolvers(agent):
    with open("/proc/%d/task/%d/children" % (agent.proc.pid, agent.proc.pid)) as f:
        children = [int(p) for p in f.read().split()]
    found = []
    for pid in children:
        try:
            with open("/proc/%d/cmdline" % pid) as f:
                found += [pid] * ("--resolver" in f.read().split("\0"))
        except OSError:  # it ended since it was listed
            pass
    return found


def killed_resolver(t):
    with Agent(["/bin/cat", "/etc/hostname"]) as a:
        a.start()
        resolver = resolvers(a)
        t.equal(len(resolver), 1, "one resolver")
        os.kill(resolver[0], signal.SIGKILL)
        a.wait(lambda: len([p for p in resolvers(a) if p != resolver[0]]) == 1, 10, "no resolver comes back")
        a.go()
        a.tree.wait(30)
        time.sleep(0.5)
        a.stop()
        _, records = a.everything()
        t.ok(any(r.name == "ExecutableHashed" for r in records), "the new resolver hashes")


def unprivileged_children(t):
    with Agent(["/bin/true"]) as a:
        a.start()
        with open("/proc/%d/status" % a.worker()) as f:
            s = dict(line.split(":", 1) for line in f.read().splitlines() if ":" in line)
        t.equal(s["Uid"].split(), ["64101"] * 4, "uids")
        t.equal([int(s[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [0] * 5, "capabilities")
        t.equal(s["NoNewPrivs"].strip(), "1", "no_new_privs")
        t.equal(s["Seccomp"].strip(), "2", "seccomp filter")
        a.stop()


def the_reader_comes_first(t):
    """By nice values; and where CPUs are shared out by session first, they are its session's."""
    with Agent(["/bin/true"]) as a:
        a.start()
        worker, nice = a.worker(), os.getpriority(os.PRIO_PROCESS, a.proc.pid)
        t.equal(os.getpriority(os.PRIO_PROCESS, worker), max(-20, nice - 4), "the worker's nice value beside the agent's %d" % nice)
        if os.path.exists("/proc/sys/kernel/sched_autogroup_enabled"):
            t.equal(os.getsid(worker), worker, "a session of its own")
            with open("/proc/%d/autogroup" % worker) as f:
                t.equal(f.read().split()[-1], "-4", "the session's nice value")
        a.stop()


def idle(t):
    """A fraction of a core while nothing happens but the self-test."""
    with Agent(["/bin/true"], self_test=True) as a:
        a.start()
        pids = [a.proc.pid, a.worker()]
        time.sleep(1)
        before, seconds = sum(map(cpu_ticks, pids)), size("daemon.idle_seconds")
        time.sleep(seconds)
        ticks = sum(map(cpu_ticks, pids)) - before
        t.note("%d ticks of %d" % (ticks, seconds * 100))
        t.ok(ticks <= max(5, seconds * 100 * 0.005), "idle CPU under 0.5 %")
        a.stop()


def fill(path):
    """A file that takes what is left of its filesystem."""
    with open(path, "wb", buffering=0) as f:
        try:
            while f.write(bytes(4096)):
                pass
        except OSError:
            pass


def a_full_disk(t):
    """Records become counted losses, and one RecordsLost says so when there is space again."""
    with tap.Workdir() as d, Agent(flood(d + "/f")) as a:
        os.mkdir(a.dir + "/spool")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "hosttrail-test", a.dir + "/spool"], check=True)
        try:
            a.start()
            ballast = a.dir + "/spool/ballast"
            fill(ballast)
            a.go()
            a.tree.wait(120)
            time.sleep(1)
            t.ok(a.status()["failed_frames"] > 0, "frames that could not be written")
            os.unlink(ballast)
            time.sleep(2.5)
            a.stop()
            _, records = check_opens(t, a, d + "/f")
            t.ok(any(r.name == "RecordsLost" and r.fields["cause"] == "diskFull" for r in records), "its cause")
        finally:
            subprocess.run(["umount", "-l", a.dir + "/spool"], check=False)


def a_corrupt_frame(t):
    """It is set aside at the next start, and what it held is lost, with that cause."""
    with tap.Workdir() as d, Agent([tap.workload("opens"), str(OPENS // 2), "2", d + "/f"]) as a:
        a.start()
        a.go()
        a.tree.wait(120)
        time.sleep(0.5)
        a.proc.kill()
        a.proc.wait()
        stream = spooldir.streams(a.dir + "/spool")[0]
        frames = spooldir.chain(a.dir + "/spool", stream, "data")
        t.must(len(frames) >= 2, "frames to choose from")
        segment = "%s/spool/%s/data/%020d.seg" % (a.dir, stream, 0)
        with open(segment, "r+b") as f:  # in the first frame's payload
            f.seek(spooldir.FIXED.size + len(frames[0].ranges) * spooldir.RANGE.size + spooldir.TRAILER + 100)
            f.write(b"damaged")
        a.start()
        a.stop()
        frames, records = spooldir.everything(a.dir + "/spool", holes=True)
        check_once(t, frames, records)
        lost = lost_of(records, "data")
        bad = sum(r.fields["count"] for r in records if r.name == "RecordsLost" and r.fields["cause"] == "badSegment")
        t.note("%d lost, %d of them with the frame" % (lost, bad))
        t.ok(bad > 0, "what the frame held is lost")
        t.equal(opens_of(records, d + "/f") + lost, OPENS, "opens generated = recorded + lost")


def a_second_stream(t):
    """It names the first one and its last frame; acknowledged, the first one's folder goes."""
    with Agent(["/bin/cat"]) as a:
        a.start()
        a.stop()
        a.start()
        a.stop()
        streams = spooldir.streams(a.dir + "/spool")
        t.equal(len(streams), 2, "streams")
        chains = {s: spooldir.chain(a.dir + "/spool", s, "control") for s in streams}
        first, second = sorted(chains.values(), key=lambda c: c[0].first_time)
        start = second[0].message.stream_start
        t.equal(start.previous_stream, first[0].stream, "previous stream")
        t.equal(start.previous_hash, first[-1].hash, "its last frame")
        ended = [r for r in spooldir.records(second[0]) if r.name == "StreamEnded"]
        t.equal([r.fields["stream"] for r in ended], [first[0].stream.hex()], "StreamEnded")


def an_over_full_chain(t):
    """The data chain's oldest segments go behind a tombstone that settles their numbers."""
    with tap.Workdir() as d, Agent([tap.workload("opens"), "300000", "1", d + "/" + "x" * 40], spool_data="512K") as a:
        a.start()
        a.go()
        a.tree.wait(240)
        time.sleep(0.5)
        tombstones = a.status()["tombstones"]
        a.stop()
        if not tombstones:
            raise tap.Skip("the segments of this run did not reach the budget")
        frames = spooldir.chain(a.dir + "/spool", spooldir.streams(a.dir + "/spool")[0], "data")
        t.ok(frames[0].number > 0, "the oldest frames are gone")
        dead = [f for f in frames if f.kind == 1]
        t.ok(dead and all(f.message.records == f.records and f.message.first_number == 0 for f in dead[-1:]), "what the tombstone says")


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return int(v[11]) + int(v[12])


def a_trickle(t):
    """Entries that wait for their frame's end do not keep the worker awake."""
    with tap.Workdir() as d, Agent([tap.workload("paced"), "300", "3", d + "/f"]) as a:
        a.start()
        time.sleep(0.5)
        worker = a.worker()
        before = cpu_ticks(worker)
        a.go()
        time.sleep(0.5)
        a.go()  # the workload waits for a line too
        a.tree.wait(60)
        ticks = cpu_ticks(worker) - before
        t.note("%d ticks for 300 records in 3 s" % ticks)
        t.ok(ticks < 40, "CPU of the worker at 100 records a second")
        a.stop()


def who(t):
    """Login users, and what they become: by the audit login uid, which only root may set."""
    script = ("import os; open('/proc/self/loginuid','w').write('12345'); os.setuid(%d); open('/etc/hostname'); "
              "os.path.exists('/')")
    for uid, kind, tail in ((12345, 2, "user/12345"), (0, 3, "assumed-role/root/12345")):
        with Agent(["/usr/bin/python3", "-S", "-c", script % uid]) as a:
            a.start()
            a.go()
            if a.tree.wait(60):
                raise tap.Skip("this kernel has no audit login uid")
            a.stop()
            _, records = a.everything()
            opens = [r for r in records if r.fields.get("path") == "/etc/hostname"]
            t.equal([r.type for r in opens], [kind], "type of uid %d, login 12345" % uid)
            t.equal([r.identity.loginuid for r in opens], [12345], "loginuid")
            started = [r for r in records if r.name == "execve"]
            t.equal([r.type for r in started], [4], "before the login: a service")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    Agent.tls = True
    tap.main([a_tree_into_the_spool, losses_add_up, killed_worker, killed_parent, killed_resolver, unprivileged_children, the_reader_comes_first, idle,
              a_full_disk, a_corrupt_frame, a_second_stream, an_over_full_chain, a_trickle, who])
