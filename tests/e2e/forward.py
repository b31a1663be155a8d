#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=280 long
"""hosttrail-forward against our ingest, and against gRPC's own Python server: everything arrives, once, in order."""
import concurrent.futures
import glob
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import grpc
import tap
import shipkit
from sizes import size
from shipkit import (KIT, REJECTED, RETRY, STORED, Ingest, Lines, Pki, frame_hash, frame_number, kit, messages,
                     new_stream, read)

W = tap.Workdir()
D = W.__enter__()
PB = messages(D)
PKI = Pki(os.path.join(D, "pki"))
PKI.host("a")
PKI.host("b")
FRAMES = size("forward.frames")
_count = [0]


def fresh():
    _count[0] += 1
    d = os.path.join(D, "t%d" % _count[0])
    for x in ("spool", "cursor"):
        os.makedirs(os.path.join(d, x))
    return d


def server(d, *limits):
    return Ingest(os.path.join(d, "store"), PKI, *limits)


class Forwarder(shipkit.Forwarder):
    def __init__(self, d, *ports, **settings):
        super().__init__(PKI, d, *ports, **settings)


def spool(*args, **how):
    return shipkit.spool(PKI, *args, **how)


def by_chain(p):
    chains = {}
    p.lines.thread.join(10)
    for line in p.lines.all():
        chains.setdefault(int(line.split()[3]), []).append(bytes.fromhex(line.split()[1]))
    return chains


def stored(s, stream, chain):
    """Numbers and hashes in the journal's order."""
    return [(r[3], r[5]) for r in s.journal() if r[1] == stream and r[2] == chain]


def whole(t, s, stream, chain, hashes, text):
    got, want = stored(s, stream, chain), list(enumerate(hashes))
    at = next((i for i, (x, y) in enumerate(zip(got, want)) if x != y), min(len(got), len(want)))
    t.ok(got == want, "%s: %d of %d frames, the first that differs is %d" % (text, len(got), len(want), at))


def wait_for(what, timeout=20):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def what_is_spooled_arrives(t):
    d, stream, other = fresh(), new_stream(), new_stream()
    control, data, tls = spool(d, stream, 0, 50), spool(d, stream, 1, 300), spool(d, stream, 2, 30)
    second = spool(d, other, 1, 70)
    with server(d) as s, Forwarder(d, s.port) as f:
        t.ok(f.drained(), "all acknowledged")
        m = s.metrics()
        t.equal((m["frames"], m["gaps"], m["duplicates"], m["breaks"]), (450, 0, 0, 0), "frames, gaps, duplicates, breaks")
        st = f.status()
        t.equal((st["connected"], st["acked"], st["inflight"], st["rejected"]), (True, 450, 0, 0), "status")
        time.sleep(0.4)
        cursor = kit("cursor", d + "/cursor/cursor", stream, other).decode().split("\n")
        t.equal(cursor[:-1], ["%s 0 50" % stream, "%s 1 300" % stream, "%s 2 30" % stream, "%s 1 70" % other], "cursor")
        t.equal(f.stop(), 0, "exit status of the forwarder")
        s.kill()
        for chain, hashes in enumerate((control, data, tls)):
            whole(t, s, stream, chain, hashes, "chain %d" % chain)
        whole(t, s, other, 1, second, "second stream")


def new_frames_leave_at_once(t):
    """From the frame's sync in the spool to the store's journal."""
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 1)
    with server(d) as s, Forwarder(d, s.port) as f:
        t.ok(f.drained(), "first frame")
        before = s.metrics()["frames"]
        p = spool(d, stream, 1, 40, pause=30, wait=False)
        late = []
        while True:
            line = p.lines.next(10)
            if line is None:
                break
            at = int(line.split()[2]) / 1e9
            number = int(line.split()[0])
            wait_for(lambda: f.status()["acked"] > number, 5)
            late.append(time.time() - at)
        p.wait()
        late.sort()
        t.note("synced to acknowledged: median %.1f ms, worst %.1f ms" % (late[len(late) // 2] * 1e3, late[-1] * 1e3))
        t.ok(late[len(late) // 2] < 0.1, "median under 100 ms: %r" % late[len(late) // 2])
        t.equal(s.metrics()["frames"], before + 40, "frames")


def a_stream_that_begins_later_is_found(t):
    d, stream = fresh(), new_stream()
    os.rmdir(d + "/spool")
    with server(d) as s, Forwarder(d, s.port) as f:
        t.ok(wait_for(lambda: f.status()["failures"] == 0), "no spool yet")
        os.makedirs(d + "/spool")
        hashes = spool(d, stream, 0, 5)
        t.ok(wait_for(lambda: f.status()["acked"] == 5, 5), "acknowledged")
        late = spool(d, stream, 2, 5)
        t.ok(wait_for(lambda: f.status()["acked"] == 10, 5), "a chain that begins later too")
        s.kill()
        whole(t, s, stream, 0, hashes, "control")
        whole(t, s, stream, 2, late, "tls")


def killed_forwarders_lose_and_repeat_nothing(t):
    d, stream = fresh(), new_stream()
    r = random.Random(7)
    with server(d) as s:
        p = spool(d, stream, "012", FRAMES, pause=5, wait=False, records=40)
        f = Forwarder(d, s.port)
        kills = 0
        while p.poll() is None:
            time.sleep(r.uniform(0.02, 0.4))
            f.kill()
            kills += 1
            f.start()
        with f:
            t.ok(f.drained(), "drained after %d kills" % kills)
            m = s.metrics()
            t.equal((m["frames"], m["gaps"], m["forks"], m["breaks"]), (3 * FRAMES, 0, 0, 0), "frames, gaps, forks, breaks")
            t.note("%d kills, %d frames sent again" % (kills, m["duplicates"]))
            s.kill()
            for c, hashes in sorted(by_chain(p).items()):
                whole(t, s, stream, c, hashes, "chain %d" % c)


def killed_stores_lose_and_repeat_nothing(t):
    d, stream = fresh(), new_stream()
    r = random.Random(8)
    with server(d) as s, Forwarder(d, s.port) as f:
        p = spool(d, stream, "01", FRAMES, pause=5, wait=False, records=40)
        kills = 0
        while p.poll() is None:
            time.sleep(r.uniform(0.05, 0.4))
            s.kill()
            kills += 1
            s.start()
        t.ok(f.drained(), "drained after %d kills of the store" % kills)
        s.kill()
        for c, hashes in sorted(by_chain(p).items()):
            whole(t, s, stream, c, hashes, "chain %d" % c)


class Cutter:
    """A TCP proxy that cuts each connection after a random number of bytes, in either direction."""

    def __init__(self, port, seed, low, high):
        self.port_to, self.r, self.low, self.high = port, random.Random(seed), low, high
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.cuts, self.open = self.listener.getsockname()[1], 0, True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.listener.accept()
                b = socket.create_connection(("127.0.0.1", self.port_to))
            except OSError:
                return
            left = [self.r.randrange(self.low, self.high)] if self.open else [1 << 60]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.pump, args=(x, y, left, (a, b)), daemon=True).start()

    def pump(self, x, y, left, both):
        try:
            while True:
                data = x.recv(65536)
                if not data:
                    break
                if len(data) >= left[0]:
                    y.sendall(data[:left[0]])
                    self.cuts += 1
                    break
                left[0] -= len(data)
                y.sendall(data)
        except OSError:
            pass
        for s in both:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def cut_connections_lose_and_repeat_nothing(t):
    d, stream = fresh(), new_stream()
    hashes = [spool(d, stream, c, 1500, records=60) for c in (0, 1)]
    with server(d) as s:
        cutter = Cutter(s.port, 9, 2000, 400000)
        with Forwarder(d, cutter.port, retry_min="5ms", retry_max="20ms") as f:
            wait_for(lambda: cutter.cuts >= 40 or f.drained(0.01), 30)
            cutter.open = False
            t.ok(f.drained(40), "drained")
            m = s.metrics()
            t.note("%d cuts, %d frames sent again" % (cutter.cuts, m["duplicates"]))
            t.ok(cutter.cuts > 10 and m["duplicates"] > 0, "cuts: %d" % cutter.cuts)
            t.equal((m["frames"], m["gaps"], m["forks"], m["breaks"]), (3000, 0, 0, 0), "frames, gaps, forks, breaks")
            s.kill()
            for c in (0, 1):
                whole(t, s, stream, c, hashes[c], "chain %d" % c)


def corrupt_segments_are_skipped_past(t):
    d, stream = fresh(), new_stream()
    hashes = spool(d, stream, 1, 60, records=20, segment=4096)
    segments = sorted(glob.glob(d + "/spool/*/data/*.seg"))
    t.must(len(segments) > 5, "several segments")
    with open(segments[2], "r+b") as f:
        f.seek(300)
        f.write(b"\xff" * 40)
    with open(segments[4], "r+b") as f:
        f.truncate(os.path.getsize(segments[4]) - 30)
    with server(d) as s, Forwarder(d, s.port) as f:
        t.ok(f.drained(), "drained")
        t.ok(f.status()["corrupt"] >= 2, "corrupt places: %d" % f.status()["corrupt"])
        s.kill()
        got = dict(stored(s, stream, 1))
        t.ok(len(got) < 60 and all(hashes[n] == h for n, h in got.items()), "only whole frames arrived: %d" % len(got))
        t.ok(0 in got and 59 in got and len(got) > 50, "and all the whole ones: %d of 60" % len(got))


def without_a_cursor_the_store_is_asked(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 200, records=2)
    with server(d) as s:
        with Forwarder(d, s.port) as f:
            t.ok(f.drained(), "drained")
            f.kill()
        os.unlink(d + "/cursor/cursor")
        more = spool(d, stream, 1, 3)
        with Forwarder(d, s.port) as f:
            t.ok(wait_for(lambda: s.metrics()["frames"] == 203), "the new ones arrive")
            t.ok(s.metrics()["duplicates"] == 0, "and nothing is sent again")
            f.kill()


def a_twin_of_the_stream_loses_nothing(t):
    """A clone continued our stream, and our cursor is lost: what the store says is the twin's."""
    d, stream = fresh(), new_stream()
    hashes = spool(d, stream, 1, 20, seed=1)
    with server(d) as s:
        twin = fresh()
        spool(twin, stream, 1, 40, seed=2)
        with Forwarder(twin, s.port) as f:
            t.ok(f.drained(), "the twin's frames")
            f.kill()
        with Forwarder(d, s.port) as f:
            t.ok(f.drained(), "ours")
            f.kill()
        m = s.metrics()
        t.equal((m["frames"], m["forks"]), (60, 1), "frames, forks")
        s.kill()
        t.ok(set(hashes) <= {h for _, h in stored(s, stream, 1)}, "all of ours are there")


def refused_frames_do_not_stop_the_chain(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 5, name="b")  # of another host, in our spool
    mine = new_stream()
    spool(d, mine, 1, 5)
    with server(d) as s, Forwarder(d, s.port) as f:
        t.ok(f.drained(), "drained")
        st = f.status()
        t.equal((st["acked"], st["rejected"]), (5, 5), "acknowledged, rejected")
        t.ok("refused" in f.said() and "another key" in f.said(), "said")


def the_cursor_is_kept_in_memory_while_its_disk_is_full(t):
    d, stream = fresh(), new_stream()
    full = os.path.join(d, "full")
    os.makedirs(full)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", full])
    if r.returncode:
        raise tap.Skip("cannot mount a tmpfs")
    try:
        with open(full + "/filler", "wb") as f:
            try:
                f.write(b"x" * (1 << 20))
            except OSError:
                pass
        spool(d, stream, 1, 100)
        with server(d) as s, Forwarder(d, s.port, cursor_dir=full) as f:
            t.ok(f.drained(), "drained")
            t.ok(wait_for(lambda: not f.status()["cursorSaved"], 3), "the status says so")
            t.ok("going on with it in memory" in f.said(), "the log says so: " + f.said())
            os.unlink(full + "/filler")
            t.ok(wait_for(lambda: f.status()["cursorSaved"], 5), "saved once there is room")
            t.equal(kit("cursor", full + "/cursor", stream).decode(), "%s 1 100\n" % stream, "cursor")
            f.kill()
    finally:
        subprocess.run(["umount", "-l", full])


def dead_addresses_are_passed_over(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 10)
    with socket.create_server(("127.0.0.1", 0)) as dead, server(d) as s:
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        with Forwarder(d, port, "nowhere.invalid:1", "localhost:%d" % s.port) as f:
            t.ok(f.drained(), "drained")
            f.kill()


def strangers_are_not_trusted(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 3)
    other = Pki(os.path.join(d, "other"))
    other.host("x")
    with Ingest(os.path.join(d, "evil"), other) as evil:
        with Forwarder(d, evil.port) as f:
            t.ok(wait_for(lambda: "certificate" in f.said()), "a store of another CA: " + f.said())
            t.equal(f.status()["sent"], 0, "nothing was sent")
    # a host of our CA that poses as the store
    for ext in (".crt", ".key"):
        os.replace(other.file("store" + ext), other.file("old" + ext))
        with open(other.file("store" + ext), "wb") as o:
            o.write(read(PKI.file("b" + ext)))
    with Ingest(os.path.join(d, "evil2"), other) as evil:
        with Forwarder(d, evil.port) as f:
            t.ok(wait_for(lambda: "certificate" in f.said().split("\n", 3)[-1] and f.status()["failures"] > 2), "a host as store")
            t.equal(f.status()["sent"], 0, "nothing was sent")
    # our store under a name that its certificate has not
    with server(d) as s, Forwarder(d, "localhost.:%d" % s.port) as f:
        t.ok(wait_for(lambda: f.status()["failures"] > 2 or f.status()["connected"]), "tried")
        t.equal(f.status()["sent"], 0, "another name: nothing was sent")


# ---- gRPC's Python server

class Peer:
    """An independent store: keeps what it gets, answers what `judge` says."""

    def __init__(self, judge=None):
        self.got, self.judge, self.lock = [], judge, threading.Lock()
        self.lateness = []		# of each request, ns
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(16),
                                  options=[("grpc.max_receive_message_length", 16 << 20), ("grpc.so_reuseport", 0)])
        handler = grpc.method_handlers_generic_handler("hosttrail.v1.Trail", {
            "Ship": grpc.unary_unary_rpc_method_handler(self.ship, PB.ShipRequest.FromString,
                                                        PB.ShipReply.SerializeToString),
            "Heads": grpc.unary_unary_rpc_method_handler(lambda r, c: PB.HeadsReply(), PB.HeadsRequest.FromString,
                                                         PB.HeadsReply.SerializeToString)})
        self.server.add_generic_rpc_handlers((handler,))
        creds = grpc.ssl_server_credentials([(read(PKI.file("store.key")), read(PKI.file("store.crt")))],
                                            read(PKI.file("ca.crt")), True)
        self.port = self.server.add_secure_port("127.0.0.1:0", creds)
        self.server.start()

    def ship(self, request, context):
        self.lateness.append(time.time_ns() - request.sent_at_ns)
        reply = PB.ShipReply()
        for frame in request.frames:
            status = self.judge(frame, context) if self.judge else STORED
            if status == STORED:
                with self.lock:
                    self.got.append(frame)
            reply.results.add(status=status, reason="" if status == STORED else "as told")
        return reply

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.stop(0)


def another_implementation_of_the_server_is_served(t):
    d, stream = fresh(), new_stream()
    hashes = spool(d, stream, 1, 500, records=50)
    with Peer() as peer, Forwarder(d, peer.port) as f:
        t.ok(f.drained(), "drained: " + f.said())
        t.equal(sorted((frame_number(x), frame_hash(x)) for x in peer.got), list(enumerate(hashes)), "frames")
        t.ok(all(0 <= x < 10e9 for x in peer.lateness), "each request says when it was made: %r" % peer.lateness[:3])


def retry_is_obeyed(t):
    d, stream = fresh(), new_stream()
    hashes = spool(d, stream, 1, 100)
    refusals = [6]

    def judge(frame, context):
        if frame_number(frame) >= 30 and refusals[0] > 0:
            if frame_number(frame) == 30:
                refusals[0] -= 1
            return RETRY
        return STORED
    with Peer(judge) as peer, Forwarder(d, peer.port) as f:
        t.ok(f.drained(), "drained: " + f.said())
        t.equal({frame_number(x) for x in peer.got}, set(range(100)), "all arrived")
        t.ok(f.status()["retries"] >= 6, "retries: %d" % f.status()["retries"])
        t.ok("asks to wait: as told" in f.said(), "said")


def errors_of_the_server_are_retried(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 20)
    errors = [3]

    def judge(frame, context):
        if errors[0] > 0:
            errors[0] -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "too busy")
        return STORED
    with Peer(judge) as peer, Forwarder(d, peer.port) as f:
        t.ok(f.drained(), "drained: " + f.said())
        t.equal({frame_number(x) for x in peer.got}, set(range(20)), "all arrived")
        t.ok("too busy" in f.said(), "said")


def odd_answers_move_nothing(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 3)
    with Peer(lambda frame, context: 0) as peer, Forwarder(d, peer.port) as f:
        t.ok(wait_for(lambda: f.status()["failures"] >= 3), "unknown status: the link is ended")
        t.equal(f.status()["acked"], 0, "nothing is acknowledged")
        t.ok(f.child.poll() is None, "still running")


def a_slow_store_costs_bounded_memory(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 200, records=20000)
    size = sum(os.path.getsize(x) for x in glob.glob(d + "/spool/*/data/*.seg"))
    with server(d) as s:
        open(os.path.join(s.dir, "hold"), "w").close()
        with Forwarder(d, s.port) as f:
            time.sleep(3)
            st = f.status()
            with open("/proc/%d/status" % f.child.pid) as p:
                rss = [int(x.split()[1]) for x in p if x.startswith("VmHWM")][0]
            t.note("spool %d MiB, %d MiB in flight, peak memory %d MiB" % (size >> 20, st["inflightBytes"] >> 20, rss >> 10))
            t.ok(st["acked"] == 0 and 0 < st["inflightBytes"] <= 36 << 20, "window")
            t.ok(rss < 64 << 10, "peak memory %d KiB" % rss)
            os.unlink(os.path.join(s.dir, "hold"))
            t.ok(f.drained(60), "drained")
            t.equal(s.metrics()["duplicates"], 0, "nothing was sent again")


def idle_costs_nothing(t):
    d, stream = fresh(), new_stream()
    spool(d, stream, 1, 10)
    with server(d) as s, Forwarder(d, s.port) as f:
        t.ok(f.drained(), "drained")
        time.sleep(0.5)

        def ticks():
            return sum(int(x) for x in read("/proc/%d/stat" % f.child.pid).split()[13:15])
        before = ticks()
        time.sleep(8)
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK") / 8
        t.ok(used < 0.005, "idle CPU %.3f %% of a core" % (used * 100))


def settings_are_checked(t):
    d = fresh()

    def run(text, *args):
        with open(d + "/c.yaml", "w") as f:
            f.write(text)
        return subprocess.run([tap.program("hosttrail-forward"), "--config", d + "/c.yaml", *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=10)
    t.equal(run('stores: ["s:1"]\n', "--check").returncode, 0, "good")
    t.equal(run('stores: []\n', "--check").returncode, 1, "no store")
    r = run('stores: ["s:1"]\nstore: x\n', "--check")
    t.ok(r.returncode == 1 and b"c.yaml:2" in r.stderr, "unknown key: %r" % r.stderr)
    t.equal(run('stores: ["s"]\n', "--check").returncode, 1, "no port")
    t.equal(run('', "--nonsense").returncode, 2, "usage")
    t.equal(run('', "extra").returncode, 2, "usage")
    t.equal(run('', "--help").returncode, 0, "help")
    t.equal(run('', "--version").returncode, 0, "version")
    r = run('stores: ["s:1"]\nca: /nowhere\n')
    t.ok(r.returncode == 1 and b"/nowhere" in r.stderr, "no CA: %r" % r.stderr)


if __name__ == "__main__":
    try:
        tap.main([what_is_spooled_arrives, new_frames_leave_at_once, a_stream_that_begins_later_is_found,
                  killed_forwarders_lose_and_repeat_nothing, killed_stores_lose_and_repeat_nothing,
                  cut_connections_lose_and_repeat_nothing, corrupt_segments_are_skipped_past,
                  without_a_cursor_the_store_is_asked, a_twin_of_the_stream_loses_nothing,
                  refused_frames_do_not_stop_the_chain, the_cursor_is_kept_in_memory_while_its_disk_is_full,
                  dead_addresses_are_passed_over, strangers_are_not_trusted,
                  another_implementation_of_the_server_is_served, retry_is_obeyed, errors_of_the_server_are_retried,
                  odd_answers_move_nothing, a_slow_store_costs_bounded_memory, idle_costs_nothing, settings_are_checked])
    finally:
        W.__exit__()
