#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=70
"""hosttraild when its surroundings turn against it: files that vanish or hold garbage, processes that hang, a second agent."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers")]
import daemon  # noqa: E402
import spooldir  # noqa: E402
import tap  # noqa: E402

OPENS = 20000


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def write_cursor(agent, stream, numbers):
    """The forwarder's file: one whole slot, and an empty one."""
    os.makedirs(agent.dir + "/cursor", exist_ok=True)
    body = b"HTC1" + struct.pack("<IQ", len(numbers), 9)
    for chain, number in numbers.items():
        body += bytes.fromhex(stream) + struct.pack("<B7xQ", spooldir.CHAINS.index(chain), number)
    body += struct.pack("<I", crc32c(body))
    with open(agent.dir + "/cursor/cursor", "wb") as f:
        f.write(body.ljust(2 * 12288, b"\0"))


def kill_all(agent):
    """The parent dies; its children with it."""
    worker = agent.worker()
    agent.proc.kill()
    agent.proc.wait()
    agent.wait(lambda: not worker or not os.path.exists("/proc/%d" % worker), 10, "the worker outlives its parent")


def run_agent(config, seconds=30):
    return subprocess.run([tap.program("hosttraild"), "--config", config], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds, cwd="/", check=False)


def restart_without_frames(t, state_too):
    """Frames that were acknowledged are gone from the spool: new ones must not get their numbers."""
    with daemon.Agent(["/bin/cat", "/etc/hostname"]) as a:
        os.mkdir(a.dir + "/cursor")
        a.start()
        time.sleep(0.3)
        stream = spooldir.streams(a.dir + "/spool")[0]
        kill_all(a)
        before = spooldir.everything(a.dir + "/spool")[1]
        shutil.rmtree("%s/spool/%s" % (a.dir, stream))
        if state_too:
            for name in os.listdir(a.dir + "/spool"):
                if os.path.isfile(a.dir + "/spool/" + name):
                    os.unlink(a.dir + "/spool/" + name)
        write_cursor(a, stream, {"control": 1000, "data": 2000})
        a.start()
        t.equal(spooldir.streams(a.dir + "/spool"), [stream], "the stream goes on")
        a.go()
        a.tree.wait(30)
        a.stop()
        frames, records = a.everything()
        for chain, least in (("control", 1000), ("data", 2000)):
            numbers = [f.number for f in frames if f.chain == chain]
            t.equal(numbers[:1], [least], "first number of chain " + chain)
        started = [r for r in records if r.name == "AgentStarted"]
        t.equal([len(r.fields.get("chainsSkipped", [])) for r in started], [2], "AgentStarted says it")
        t.ok("it goes on there" in a.log(), "the log says it")
        ids = {(r.ring_class, r.cpu, r.seq) for r in before if r.ring_class == 15}
        again = [r.name for r in records if (r.ring_class, r.cpu, r.seq) in ids]
        t.ok(not again, "eventIDs used a second time: %r" % again)


def frames_lost_state_kept(t):
    restart_without_frames(t, False)


def frames_and_state_lost(t):
    restart_without_frames(t, True)


def a_cursor_that_runs_ahead(t):
    """While the agent runs, the forwarder's file is put back from somewhere else."""
    with daemon.Agent(["/bin/cat", "/etc/hostname"]) as a:
        a.start()
        write_cursor(a, spooldir.streams(a.dir + "/spool")[0], {"control": 700, "data": 800, "tls": 2 ** 63 + 5})
        time.sleep(1.5)
        a.go()
        a.tree.wait(30)
        a.stop()
        frames, _ = spooldir.everything(a.dir + "/spool", holes=True)
        t.ok([f for f in frames if f.chain == "data"] and all(f.number >= 800 for f in frames if f.chain == "data"), "data frames")
        t.ok(any(f.number >= 700 for f in frames if f.chain == "control"), "control frames")


def garbage_files(t):
    """Cursor, state and identities that are no such thing."""
    with tap.Workdir() as d, daemon.Agent([tap.workload("opens"), str(OPENS // 2), "2", d + "/f"]) as a:
        os.mkdir(a.dir + "/cursor")
        a.start()
        time.sleep(0.3)
        kill_all(a)
        stream = spooldir.streams(a.dir + "/spool")[0]
        for path in [a.dir + "/cursor/cursor"] + [a.dir + "/spool/" + n for n in os.listdir(a.dir + "/spool")] + \
                [os.path.join(a.dir, "spool", stream, n) for n in os.listdir("%s/spool/%s" % (a.dir, stream))]:
            if not os.path.isdir(path) and not path.endswith("/lock"):
                size = os.path.getsize(path) if os.path.exists(path) else 0
                with open(path, "r+b" if size else "wb") as f:
                    f.write(os.urandom(max(size, 30000)))
        a.start()
        a.go()
        a.tree.wait(60)
        t.equal(a.stop(), 0, "exit status")
        _, records = a.everything()
        seen, lost = daemon.opens_of(records, d + "/f"), daemon.lost_of(records, "data")
        t.equal(seen + lost, OPENS, "opens generated = recorded + lost (%d)" % lost)


def a_stopped_worker(t):
    """Five seconds without a reader under a flood: what does not fit is counted."""
    with tap.Workdir() as d, daemon.Agent([tap.workload("opens"), str(OPENS * 2), "2", d + "/f"], ring_data="1M") as a:
        a.start()
        worker = a.worker()
        os.kill(worker, signal.SIGSTOP)
        a.go()
        a.tree.wait(60)
        time.sleep(3)
        os.kill(worker, signal.SIGCONT)
        a.wait(lambda: a.worker() == worker, 10, "the worker does not go on")
        a.stop()
        frames, records = a.everything()
        daemon.check_once(t, frames, records)
        seen, lost = daemon.opens_of(records, d + "/f"), daemon.lost_of(records, "data")
        t.note("%d recorded, %d lost" % (seen, lost))
        t.ok(seen and lost, "a ring full of records, and losses")
        t.equal(seen + lost, OPENS * 4, "opens generated = recorded + lost")


def a_hung_resolver(t):
    """Names are missing then, records are not; they come within the time that frames take."""
    with daemon.Agent(["/usr/bin/python3", "-S", "-c", "import os; os.setuid(54321); open('/etc/hostname')"]) as a:
        a.start()
        with open("/proc/%d/task/%d/children" % (a.proc.pid, a.proc.pid)) as f:
            resolver = [int(p) for p in f.read().split() if int(p) != a.worker()]
        os.kill(resolver[0], signal.SIGSTOP)
        a.go()
        a.tree.wait(30)
        time.sleep(1)
        _, records = a.everything()
        mine = [r for r in records if r.fields.get("path") == "/etc/hostname"]
        t.equal([r.identity.uids[0] for r in mine], [54321], "the record, a second later, with its number")
        os.kill(resolver[0], signal.SIGCONT)
        t.equal(a.stop(), 0, "exit status")


def a_full_disk_at_start(t):
    """No room for anything: capture goes on, and what could not be written is counted when there is room."""
    with tap.Workdir() as d, daemon.Agent([tap.workload("opens"), str(OPENS // 2), "2", d + "/f"]) as a:
        os.mkdir(a.dir + "/spool")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "hosttrail-test", a.dir + "/spool"], check=True)
        try:
            daemon.fill(a.dir + "/spool/ballast")
            with open(a.dir + "/log", "a") as log:
                a.proc = subprocess.Popen([tap.program("hosttraild"), "--config", a.dir + "/agent.yaml"], stderr=log,
                                          stdin=subprocess.DEVNULL, cwd="/")
            a.wait(lambda: "recording (scope" in a.log() or a.proc.poll() is not None, 30, "it does not come up")
            t.must(a.proc.poll() is None, "the agent ended: " + a.log()[-500:])
            time.sleep(0.5)
            a.go()
            a.tree.wait(60)
            time.sleep(0.5)
            os.unlink(a.dir + "/spool/ballast")
            a.wait(lambda: a.worker(), 60, "no worker")
            time.sleep(2.5)
            a.stop()
            _, records = a.everything()
            seen, lost = daemon.opens_of(records, d + "/f"), daemon.lost_of(records, "data")
            t.note("%d recorded, %d lost" % (seen, lost))
            t.equal(seen + lost, OPENS, "opens generated = recorded + lost")
            t.ok(len(a.log()) < 20000, "the log stays short (%d bytes)" % len(a.log()))
        finally:
            subprocess.run(["umount", "-l", a.dir + "/spool"], check=False)


def a_deleted_spool(t):
    """rm -rf of the spool under a running agent: new records get to a place where a forwarder finds them."""
    with tap.Workdir() as d, daemon.Agent(["/bin/sh", "-c", "read x; exec %s %d 2 %s/f" % (tap.workload("opens"), OPENS // 2, d)]) as a:
        a.start()
        a.go()
        time.sleep(0.5)
        for name in os.listdir(a.dir + "/spool"):
            if len(name) == 32:
                shutil.rmtree(a.dir + "/spool/" + name)
        time.sleep(3)
        a.go()
        a.tree.wait(60)
        time.sleep(1)
        a.stop()
        frames, records = spooldir.everything(a.dir + "/spool", holes=True)
        seen, lost = daemon.opens_of(records, d + "/f"), daemon.lost_of(records, "data")
        t.note("%d recorded, %d lost, %d frames" % (seen, lost, len(frames)))
        t.equal(seen + lost, OPENS, "opens after the deletion = recorded + lost")
        t.ok("spool" in a.log(), "the log says it: " + a.log()[-300:])


def a_forwarder_that_comes_later(t):
    """Its cursor's directory appears after the agent's first start: no reason to replace the pins and begin a new stream."""
    with daemon.Agent(["/bin/true"], unpin_on_stop=False) as a:
        a.start()
        stream = spooldir.streams(a.dir + "/spool")
        t.equal(a.stop(), 0, "exit status")
        os.makedirs(a.dir + "/cursor", exist_ok=True)
        write_cursor(a, stream[0], {"control": 1})
        a.start()
        t.equal(a.stop(), 0, "exit status")
        t.equal(spooldir.streams(a.dir + "/spool"), stream, "the stream goes on")
        _, records = a.everything()
        started = [r.fields for r in records if r.name == "AgentStarted"]
        t.ok(len(started) == 2 and started[1]["adopted"] and "replaced" not in started[1], "the pins go on: %r" % started[-1])
        t.equal([r.fields.get("pinned") for r in records if r.name == "AgentStopped"], [daemon.PINS + "/" + a.name] * 2, "what stays")


def mistakes(t):
    """One clear line on standard error, and the exit status."""
    with daemon.Agent(["/bin/true"]) as a:
        os.rename(a.dir + "/key/host.key", a.dir + "/key/gone")
        r = run_agent(a.dir + "/agent.yaml")
        t.equal(r.returncode, 1, "exit status without a key")
        t.ok(re.fullmatch(r".*host\.key.*\n", r.stderr), "one line that names the key: %r" % r.stderr)
        with open(a.dir + "/key/host.key", "w") as f:
            f.write("-----BEGIN PRIVATE KEY-----\ngarbage\n-----END PRIVATE KEY-----\n")
        r = run_agent(a.dir + "/agent.yaml")
        t.equal(r.returncode, 1, "exit status with a garbage key")
        t.ok(re.fullmatch(r".*host\.key.*\n", r.stderr), "one line that names the key: %r" % r.stderr)
        os.rename(a.dir + "/key/gone", a.dir + "/key/host.key")
        with open(a.dir + "/key/host_id", "w") as f:
            f.write("not an id\n")
        r = run_agent(a.dir + "/agent.yaml")
        t.equal(r.returncode, 1, "exit status with a bad id")
        t.ok(re.fullmatch(r".*host_id.*\n", r.stderr), "one line that names the id: %r" % r.stderr)
        for line, what in (("color: blue", "unknown key"), ("ring_data: [1", "syntax"), ("ring_data: lots", "no size"),
                           ("scope: tree 999999999", "no such process")):
            with open(a.dir + "/agent.yaml") as f:
                good = [l for l in f.read().splitlines() if not l.startswith(line.split(":")[0] + ":")]
            with open(a.dir + "/bad.yaml", "w") as f:
                f.write("\n".join(good + [line]) + "\n")
            r = run_agent(a.dir + "/bad.yaml")
            t.ok(r.returncode in (1, 2), "%s: exit status %d" % (what, r.returncode))
            t.equal(r.stderr.count("\n"), 1, "%s: one line: %r" % (what, r.stderr))
            if what != "no such process":
                t.ok(re.search(r"bad\.yaml:\d+", r.stderr), "%s: FILE:LINE: %r" % (what, r.stderr))


def two_agents(t):
    """The same instance from two configurations: the second says so and goes, the first is not disturbed."""
    with tap.Workdir() as d, daemon.Agent([tap.workload("opens"), str(OPENS // 2), "2", d + "/f"]) as a:
        a.start()
        for what, keys in (("same spool", {}), ("another spool", {"spool_dir": d + "/spool2"})):
            with open(a.dir + "/agent.yaml") as f:
                config = dict(line.rstrip("\n").split(": ", 1) for line in f)
            config.update({k: json.dumps(v) for k, v in dict(keys, status_socket=d + "/second.sock").items()})
            with open(d + "/second.yaml", "w") as f:
                f.writelines("%s: %s\n" % (k, v) for k, v in config.items())
            try:
                r = run_agent(d + "/second.yaml")
                t.equal(r.returncode, 1, what + ": exit status of the second")
                t.ok("another hosttraild" in r.stderr, "%s: it says why: %r" % (what, r.stderr))
            except subprocess.TimeoutExpired:
                t.fail(what + ": the second one runs")
        a.go()
        a.tree.wait(60)
        t.equal(a.stop(), 0, "exit status of the first")
        _, records = a.everything()
        t.equal(daemon.opens_of(records, d + "/f") + daemon.lost_of(records, "data"), OPENS, "opens generated = recorded + lost")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([frames_lost_state_kept, frames_and_state_lost, a_cursor_that_runs_ahead, garbage_files, a_stopped_worker, a_hung_resolver,
              a_full_disk_at_start, a_deleted_spool, a_forwarder_that_comes_later, mistakes, two_agents])
