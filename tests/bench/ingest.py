# SPDX-License-Identifier: Apache-2.0
"""Acknowledged ingest: frames made beforehand, of one host, through the forwarder, TLS, verification and the journal's sync, in turns with
`dd` of the same bytes with fsync, and with the same bytes over a TLS connection with the same certificates to a program that throws them away.
And 150,000 records a second of two hosts into a whole store, which indexes and seals them meanwhile, for a while."""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import shipkit
import storekit
import tap
from measure import Sample, ratio_text
from sizes import size

ROUNDS = 5
RATE = 150_000		# records a second into a whole store
RECORDS = 20000		# of a frame: some 250 kB, as those that a busy agent fills
PIECE = 1 << 20
SINK = """
import socket, ssl, sys
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.minimum_version = ssl.TLSVersion.TLSv1_3
c.load_cert_chain(sys.argv[1] + "/store.crt", sys.argv[1] + "/store.key")
c.load_verify_locations(sys.argv[1] + "/ca.crt")
c.verify_mode = ssl.CERT_REQUIRED
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
room = bytearray(1 << 20)
while True:
    s = c.wrap_socket(l.accept()[0], server_side=True)
    left = int.from_bytes(s.recv(8), "little")
    while left:
        left -= s.recv_into(room)
    s.sendall(b"k")
    s.close()
"""


def spooled(pki, d, frames):
    """(records, bytes) in a spool at d/spool."""
    os.makedirs(d, exist_ok=True)
    shipkit.spool(pki, d, shipkit.new_stream(), 1, frames, records=RECORDS, name="host")
    paths = [os.path.join(p, n) for p, _, names in os.walk(os.path.join(d, "spool")) for n in sorted(names)]
    with open(os.path.join(d, "bytes"), "wb") as out:
        for path in paths:
            out.write(shipkit.read(path))
    return frames * RECORDS, os.path.getsize(os.path.join(d, "bytes"))


def spent(pid):
    """CPU seconds of a process so far."""
    return time.clock_gettime(~pid << 3 | 2)


def acknowledged(pki, d):
    """From the connection until all of the spool is acknowledged, by an ingest server with a fresh journal: (seconds, CPU seconds of both programs)."""
    for name in ("cursor", "store"):
        shutil.rmtree(os.path.join(d, name), ignore_errors=True)
    os.makedirs(os.path.join(d, "cursor"))
    with shipkit.Ingest(os.path.join(d, "store"), pki) as server:
        with shipkit.Forwarder(pki, d, server.port, host="host", log_level="error") as forwarder:
            while not server.metrics()["connections"]:
                time.sleep(0.002)
            begin = time.monotonic()
            while any((forwarder.status()["lag"] or {"": 1}).values()):
                if time.monotonic() > begin + 300:
                    raise tap.Failed("the spool does not drain: " + forwarder.said())
                time.sleep(0.01)
            return time.monotonic() - begin, spent(server.child.pid) + spent(forwarder.child.pid)


def written(d):
    """Seconds of dd with fsync."""
    out = os.path.join(d, "copy")
    begin = time.monotonic()
    subprocess.run(["dd", "if=" + os.path.join(d, "bytes"), "of=" + out, "bs=1M", "conv=fsync", "status=none"], check=True)
    seconds = time.monotonic() - begin
    os.unlink(out)
    return seconds


class Sink:
    def __init__(self, pki):
        self.pki = pki
        self.child = subprocess.Popen([sys.executable, "-c", SINK, pki.dir], stdout=subprocess.PIPE)
        self.port = int(self.child.stdout.readline())

    def take(self, path):
        """Reading the file and sending it, until the sink says that it has all: (seconds, CPU seconds of both ends)."""
        begin, used = time.monotonic(), time.process_time() + spent(self.child.pid)
        context = self.pki.context("host")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="127.0.0.1") as s, open(path, "rb") as f:
            s.sendall(os.path.getsize(path).to_bytes(8, "little"))
            while True:
                piece = f.read(PIECE)
                if not piece:
                    break
                s.sendall(piece)
            s.recv(1)
        return time.monotonic() - begin, time.process_time() + spent(self.child.pid) - used

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.child.kill()
        self.child.wait()


def alone(pki, d, say):
    frames = size("bench.ingest_frames")
    records, nbytes = spooled(pki, d, frames)
    ours, disk, tls = [], [], []
    with Sink(pki) as sink:
        for _ in range(ROUNDS):
            os.sync()  # no measurement is to pay for what the one before it wrote
            disk.append(written(d))
            tls.append(sink.take(os.path.join(d, "bytes")))
            os.sync()
            ours.append(acknowledged(pki, d))
    ours, cpu = zip(*ours)
    tls, tls_cpu = zip(*tls)
    rate = Sample([records / x for x in ours])
    say("ingest alone: records acknowledged", "%s  goal: 1000000, %s" % (rate.text("/s"), "met" if rate.median >= 1e6 else "MISSED"))
    say("  bytes", "%s (%d frames of %d records, %.1f bytes a record)" % (Sample([nbytes / x / 1e6 for x in ours]).text("MB/s", 1), frames, RECORDS, nbytes / records))
    say("  dd with fsync; TLS to a sink", "%s; %s" % (Sample([nbytes / x / 1e6 for x in disk]).text("MB/s", 1), Sample([nbytes / x / 1e6 for x in tls]).text("MB/s", 1)))
    say("  times the slower of the two", ratio_text(ours, [max(a, b) for a, b in zip(disk, tls)], 1.3))
    say("  CPU of forwarder and server", "%s records a second of it; times that of both ends of the TLS connection: %s" % (
        Sample([records / x for x in cpu]).text(""), ratio_text(cpu, tls_cpu)))


class Host(threading.Thread):
    """Ships frames that were made beforehand, so many records a second, each frame when the last is acknowledged."""

    def __init__(self, pki, pb, name, port, rate, seconds):
        super().__init__(daemon=True)
        self.rate = rate
        pki.host(name)
        self.frames = storekit.frames(pki, name, int(rate * seconds), time.time() - 600, 1000, RECORDS)
        self.client = shipkit.Client(pki, name, port, pb)
        self.records, self.stopping, self.failed = 0, False, None

    def run(self):
        begin = time.monotonic()
        for i, frame in enumerate(self.frames):
            time.sleep(max(0.0, begin + i * RECORDS / self.rate - time.monotonic()))
            if self.stopping:
                return
            got = self.client.ship(frame, timeout=120)
            if got[0][0] != shipkit.STORED:
                self.failed = got
                return
            self.records += RECORDS


def watch(store, hosts, seconds):
    """Until the time is over: (seconds, records acknowledged, records sealed, most that were not, share of looks at which acknowledgements were withheld)."""
    begin, most, held, looks = time.monotonic(), 0, 0, 0
    for h in hosts:
        h.start()
    while time.monotonic() < begin + seconds:
        time.sleep(0.5)
        most = max(most, store.metric("lake_unsealed_records"))
        held, looks = held + store.metric("ingest_held"), looks + 1
    took, records, sealed = time.monotonic() - begin, sum(h.records for h in hosts), store.metric("lake_sealed_records_total")
    for h in hosts:
        h.stopping = True
    for h in hosts:
        h.join()
        if h.failed:
            raise tap.Failed("not stored: %r" % h.failed)
    return took, records, sealed, most, held / looks


def sustained(d, say):
    seconds = size("bench.ingest_seconds")
    with storekit.Store(d) as store:
        pki = shipkit.Pki(os.path.join(d, "pki"), made=True)
        hosts = [Host(pki, shipkit.messages(d), "host%d" % i, store.ports["ingest"], RATE / 2, seconds) for i in range(2)]
        used = spent(store.child.pid)
        took, records, sealed, most, held = watch(store, hosts, seconds)
        used = spent(store.child.pid) - used
        # what is only in the journal yet is owed, but for what waits for segments to be full
        good = records >= 0.95 * RATE * took and sealed + RATE * 4 >= records
        say("ingest of %d records/s" % RATE, "%.0f/s acknowledged, %.0f/s sealed over %.0f s  goal: all of it, %s" % (
            records / took, sealed / took, took, "met" if good else "MISSED"))
        say("  not sealed yet, at most", "%d records (acknowledgements were withheld at %.0f %% of the looks)" % (most, 100 * held))
        say("  the store", "%.0f records sealed per second of its CPU, of which it had %.2f; memory %d MiB at most" % (
            sealed / used, used / took, store.rss()["VmHWM"] >> 20))


def run(_instance, say):
    with tap.Workdir() as d:
        pki = shipkit.Pki(os.path.join(d, "pki"))
        pki.host("host")
        alone(pki, d, say)
    with tap.Workdir() as d:
        sustained(d, say)
