#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240 san
"""Our ingest server against gRPC's own Python client: what is stored, what is refused, and what is said."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import grpc
import tap
from shipkit import (HEADS, REJECTED, RETRY, SHIP, STORED, Client, Ingest, Place, frame_hash, new_stream)

HERE = Place("a", "b")
PB, PKI = HERE.pb, HERE.pki


def server(*limits):
    return Ingest(HERE.next("s"), PKI, *limits)


def code(call):
    try:
        call()
        return None
    except grpc.RpcError as e:
        return e.code()


def frames_are_stored_and_synced(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=5)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        t.equal(c.ship(*frames[:3]), [(STORED, "")] * 3, "first call")
        t.equal(c.ship(*frames[3:]), [(STORED, "")] * 2, "second call")
        t.equal(c.heads(stream), {1: (5, frame_hash(frames[4]))}, "heads")
        t.equal(c.heads(new_stream()), {}, "heads of an unknown stream")
        s.kill()  # acknowledged means synced
        rows = s.journal()
        t.equal([(r[0], r[1], r[2], r[3], r[4], r[5]) for r in rows],
                [(PKI.ids["a"], stream, 1, i, 0, frame_hash(f)) for i, f in enumerate(frames)], "journal")


def repeats_are_stored_once(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=300, records=1)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        c.ship(*frames)
        t.equal(c.ship(*frames), [(STORED, "")] * 300, "all again")
        t.equal(s.metrics()["duplicates"], 300, "duplicates")
        s.kill()
        s.start()
        with Client(PKI, "a", s.port, PB) as again:
            t.equal(again.ship(frames[0], frames[150], frames[299]), [(STORED, "")] * 3, "after a restart")
            t.equal(again.heads(stream)[1], (300, frame_hash(frames[-1])), "heads after a restart")
        t.equal(s.metrics()["duplicates"], 3, "duplicates after a restart")
        s.kill()
        t.equal(len(s.journal()), 300, "journal")


def forks_are_kept_and_said_once(t):
    stream = new_stream()
    common = PKI.frames("a", stream, count=4)
    last = frame_hash(common[-1])
    ours = PKI.frames("a", stream, first=4, count=5, seed=2, previous=last)
    twin = PKI.frames("a", stream, first=4, count=5, seed=3, previous=last)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        c.ship(*common)
        for x, y in zip(ours, twin):  # two clones, taking turns
            t.equal(c.ship(x), [(STORED, "")], "ours")
            t.equal(c.ship(y), [(STORED, "")], "the twin's")
        t.equal(c.ship(*ours, *twin), [(STORED, "")] * 10, "both again")
        m = s.metrics()
        t.equal((m["forks"], m["breaks"], m["gaps"], m["duplicates"]), (1, 0, 0, 10), "forks, breaks, gaps, duplicates")
        said = [x for x in s.lines.seen if x.startswith("broken")]
        t.equal(len(said), 1, "ChainBroken")
        s.kill()
        rows = s.journal()
        t.equal(sorted(r[5] for r in rows), sorted(frame_hash(f) for f in common + ours + twin), "all are in the journal")
        t.equal(sum(r[4] & 1 for r in rows), 5, "entries marked as a fork")
        s.start()
        with Client(PKI, "a", s.port, PB) as again:
            again.ship(*twin)
        t.equal(s.metrics()["duplicates"], 5, "the twin's frames are known after a restart")


def gaps_are_accepted_and_said(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=10)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        c.ship(*frames[:2])
        t.equal(c.ship(*frames[7:]), [(STORED, "")] * 3, "ahead")
        line = s.lines.wait("gap")
        t.ok(line and line.split()[3:6] == ["1", "2", "7"], "the gap is said: %s" % line)
        t.equal(c.heads(stream)[1][0], 10, "head")
        t.equal(c.ship(*frames), [(STORED, "")] * 10, "late frames fill it")
        m = s.metrics()
        t.equal((m["gaps"], m["forks"], m["breaks"], m["frames"]), (1, 0, 0, 10), "gaps, forks, breaks, frames")
        t.equal(len([x for x in s.lines.all() if x.startswith("filled")]), 5, "filled")


def a_wrong_previous_hash_is_said(t):
    stream = new_stream()
    first = PKI.frames("a", stream, count=2)
    odd = PKI.frames("a", stream, first=2, count=2, previous=b"\x55" * 32)
    begun = PKI.frames("a", new_stream(), previous=b"\x66" * 32)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        c.ship(*first)
        t.equal(c.ship(*odd), [(STORED, "")] * 2, "kept")
        t.equal(s.metrics()["breaks"], 1, "breaks")
        t.equal(c.ship(*begun), [(STORED, "")], "a chain that begins with a previous hash")
        t.equal(s.metrics()["breaks"], 2, "breaks")


def cloned_machines_lose_nothing(t):
    """Same certificate and key, two streams, at the same time."""
    streams = [new_stream(), new_stream()]
    frames = [PKI.frames("a", x, count=40, seed=i) for i, x in enumerate(streams)]
    with server() as s:
        def run(mine):
            with Client(PKI, "a", s.port, PB) as c:
                for f in mine:
                    c.ship(f)
        threads = [threading.Thread(target=run, args=(f,)) for f in frames]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        m = s.metrics()
        t.equal((m["frames"], m["forks"], m["gaps"], m["breaks"], m["chains"]), (80, 0, 0, 0, 2), "counts")


def another_hosts_frames_are_set_aside(t):
    stream = new_stream()
    stolen = PKI.frames("b", stream, count=2)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        r = c.ship(*stolen)
        t.equal([x[0] for x in r], [REJECTED] * 2, "status")
        t.ok("another key" in r[0][1], "reason: " + r[0][1])
        m = s.metrics()
        t.equal((m["mismatches"], m["frames"], m["chains"]), (2, 0, 0), "mismatches, frames, chains")
        line = s.lines.wait("mismatch")
        t.ok(line and PKI.ids["a"] in line, "HostMismatch names the certificate's host: %s" % line)
        aside = os.listdir(os.path.join(s.dir, "journal", "aside"))
        t.equal(len(aside), 2, "files set aside")
        t.equal(s.stop(), 0, "clean end")
        t.equal(s.journal(), [], "journal")


def altered_frames_are_refused(t):
    good = PKI.frames("a", new_stream())[0]
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        for at in (0, 5, 8, 9, 30, 70, 101, 105, 110, 137, 150, 190, 230, len(good) - 1):
            bad = bytearray(good)
            bad[at] ^= 0x41
            r = c.ship(bytes(bad))
            t.ok(r[0][0] == REJECTED and r[0][1], "byte %d: %r" % (at, r))
        for n in (1, 100, 137, 138, 200, len(good) - 1):
            t.equal(c.ship(good[:n])[0][0], REJECTED, "cut at %d" % n)
        t.equal(c.ship(good + b"x")[0][0], REJECTED, "a byte too many")
        t.equal(c.ship(b"")[0][0], REJECTED, "empty frame")
        t.equal(c.ship(good), [(STORED, "")], "and the good one is still welcome")
        t.equal(s.metrics()["frames"], 1, "frames")


def good_frames_beside_bad_ones_are_stored(t):
    stream = new_stream()
    f = PKI.frames("a", stream, count=3)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        t.equal([x[0] for x in c.ship(f[0], b"junk", f[1], f[2])], [STORED, REJECTED, STORED, STORED], "results, in order")


def calls_that_are_not_ours_get_grpcs_status(t):
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        raw = lambda method: c.channel.unary_unary(method, lambda b: b, lambda b: b)
        t.equal(code(lambda: raw("/hosttrail.v1.Trail/Nothing")(b"", timeout=5)), grpc.StatusCode.UNIMPLEMENTED, "method")
        t.equal(code(lambda: raw("/x")(b"", timeout=5)), grpc.StatusCode.UNIMPLEMENTED, "service")
        t.equal(code(lambda: raw(SHIP)(b"", timeout=5)), grpc.StatusCode.INVALID_ARGUMENT, "no frames")
        t.equal(code(lambda: raw(SHIP)(b"\xff\xff\xff", timeout=5)), grpc.StatusCode.INVALID_ARGUMENT, "not protobuf")
        t.equal(code(lambda: raw(SHIP)(b"\x0a\xff\xff\xff\xff\x0f", timeout=5)), grpc.StatusCode.INVALID_ARGUMENT, "length")
        t.equal(code(lambda: raw(HEADS)(b"\x0a\x02ab", timeout=5)), grpc.StatusCode.INVALID_ARGUMENT, "short stream id")
        t.equal(code(lambda: raw(SHIP)(b"x" * ((8 << 20) + 1), timeout=10)), grpc.StatusCode.RESOURCE_EXHAUSTED, "8 MiB + 1")
        call = c.channel.unary_unary(SHIP, lambda b: b, lambda b: b)
        t.equal(code(lambda: call(b"x" * 100, timeout=5, compression=grpc.Compression.Gzip)),
                grpc.StatusCode.UNIMPLEMENTED, "gzip")
        stream = c.channel.stream_unary(SHIP, lambda b: b, lambda b: b)
        t.equal(code(lambda: stream(iter([b"a", b"b"]), timeout=5)), grpc.StatusCode.UNIMPLEMENTED, "two messages")
        t.equal(c.ship(*PKI.frames("a", new_stream())), [(STORED, "")], "still serving")


def a_large_message_is_taken(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=24, records=20000)
    batch, size = [], 0
    for f in frames:
        if size + len(f) + 8 > 8 << 20:
            break
        batch.append(f)
        size += len(f) + 8
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        t.ok(size > 2 << 20, "the message is large: %d bytes" % size)
        t.equal(c.ship(*batch, timeout=30), [(STORED, "")] * len(batch), "stored")


def withheld_acknowledgements_come_later(t):
    frames = PKI.frames("a", new_stream(), count=2)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        hold = os.path.join(s.dir, "hold")
        open(hold, "w").close()
        f = c.ship_call.future(PB.ShipRequest(frames=frames), timeout=20)
        time.sleep(0.5)
        t.ok(not f.done(), "nothing while held")
        m = s.metrics()
        t.equal((m["frames"], m["held"], m["waiting"]), (2, 1, 1), "frames, held, waiting")
        os.unlink(hold)
        t.equal([x.status for x in f.result().results], [STORED] * 2, "then STORED")
        t.equal(s.metrics()["waiting"], 0, "waiting")


def many_calls_share_a_sync(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=400, records=1)
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        calls = [c.ship_call.future(PB.ShipRequest(frames=[f]), timeout=30) for f in frames]
        t.ok(all(x.result().results[0].status == STORED for x in calls), "all stored")
        m = s.metrics()
        t.ok(m["syncs"] < 400, "syncs: %d" % m["syncs"])
        t.equal(m["frames"], 400, "frames")


def a_clean_stop_leaks_nothing(t):
    with server() as s:
        with Client(PKI, "a", s.port, PB) as c:
            c.ship(*PKI.frames("a", new_stream(), count=3))
            open(os.path.join(s.dir, "hold"), "w").close()
            c.ship_call.future(PB.ShipRequest(frames=PKI.frames("a", new_stream())), timeout=5)
            time.sleep(0.3)
            t.equal(s.stop(), 0, "exit status")
            t.equal(s.stderr(), "", "standard error")


if __name__ == "__main__":
    try:
        tap.main([frames_are_stored_and_synced, repeats_are_stored_once, forks_are_kept_and_said_once,
                  gaps_are_accepted_and_said, a_wrong_previous_hash_is_said, cloned_machines_lose_nothing,
                  another_hosts_frames_are_set_aside, altered_frames_are_refused, good_frames_beside_bad_ones_are_stored,
                  calls_that_are_not_ours_get_grpcs_status, a_large_message_is_taken,
                  withheld_acknowledgements_come_later, many_calls_share_a_sync, a_clean_stop_leaks_nothing])
    finally:
        HERE.end()
