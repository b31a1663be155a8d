# SPDX-License-Identifier: Apache-2.0
"""What the shipping tests share: certificates, frames, servers, and gRPC as grpcio speaks it (not our code)."""
import hashlib
import importlib
import json
import os
import queue
import secrets
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import uuid

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc

from tap import BUILD, TOP, Failed, Workdir, program

KIT = os.path.join(BUILD, "tests/helpers/shipkit")
SHIP = "/hosttrail.v1.Trail/Ship"
HEADS = "/hosttrail.v1.Trail/Heads"
STORED, REJECTED, RETRY = 1, 2, 3


def kit(*args, data=None, check=True, place=None):
    """place: account and region, if they are not the usual ones."""
    env = {**os.environ, "SHIPKIT_ACCOUNT": place[0], "SHIPKIT_REGION": place[1]} if place else None
    r = subprocess.run([KIT, *[str(a) for a in args]], input=data, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and r.returncode:
        raise Failed("shipkit %s: %s" % (" ".join(map(str, args)), r.stderr.decode()))
    return r.stdout


def messages(d):
    """The module that protoc makes of hosttrail.proto."""
    if not os.path.exists(os.path.join(d, "hosttrail_pb2.py")):
        subprocess.run(["protoc", "-I", os.path.join(TOP, "proto"), "--python_out", d, "hosttrail.proto"], check=True)
    if d not in sys.path:
        sys.path.insert(0, d)
    return importlib.import_module("hosttrail_pb2")


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Pki:
    def __init__(self, d, made=False):  # made: somebody did already
        self.dir = d
        self.ids = {}
        self.places = {}
        if made:
            return
        os.makedirs(d, exist_ok=True)
        kit("ca", d)
        kit("store", d, "127.0.0.1", "localhost")

    def host(self, name, *term, host_id=None, place=None):
        self.places[name] = place
        self.ids[name] = host_id or self.ids.get(name) or str(uuid.uuid4())
        kit("host", self.dir, name, self.ids[name], *term, place=place)
        return self.ids[name]

    def file(self, name):
        return os.path.join(self.dir, name)

    def credentials(self, name, ca=None):
        return grpc.ssl_channel_credentials(read(ca or self.file("ca.crt")), read(self.file(name + ".key")),
                                            read(self.file(name + ".crt")))

    def context(self, name=None):
        c = ssl.create_default_context(cafile=self.file("ca.crt"))
        c.set_alpn_protocols(["h2"])
        if name:
            c.load_cert_chain(self.file(name + ".crt"), self.file(name + ".key"))
        return c

    def frames(self, name, stream, chain=1, first=0, count=1, records=4, seed=1, previous=None, host_id=None):
        out = kit("frames", self.file(name + ".sign"), host_id or self.ids[name], stream, chain, records, seed, first,
                  count, *([previous.hex()] if previous else []), place=self.places.get(name))
        frames = []
        while out:
            n = struct.unpack_from("<I", out)[0]
            frames.append(out[4:4 + n])
            out = out[4 + n:]
        return frames


def new_stream():
    return secrets.token_hex(16)


def frame_hash(frame):
    """As 4-frame.md says, from the bytes alone: the header without signature and CRC."""
    n = struct.unpack_from("<H", frame, 4)[0]
    return hashlib.sha256(frame[:n - 68]).digest()


def frame_number(frame):
    return struct.unpack_from("<Q", frame, 28)[0]


class Lines:
    """A child's standard output, line by line, without blocking."""

    def __init__(self, stream):
        self.queue, self.seen = queue.Queue(), []
        self.thread = threading.Thread(target=self.pump, args=(stream,), daemon=True)
        self.thread.start()

    def pump(self, stream):
        for line in stream:
            self.queue.put(line.decode(errors="replace").rstrip("\n"))
        self.queue.put(None)

    def next(self, timeout):
        try:
            line = self.queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if line is not None:
            self.seen.append(line)
        return line

    def wait(self, prefix, timeout=10):
        """The first line, now or later, that begins with the prefix."""
        for line in self.seen:
            if line.startswith(prefix):
                return line
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            line = self.next(end - time.monotonic())
            if line is None:
                break
            if line.startswith(prefix):
                return line
        return None

    def all(self, settle=0.3):
        while self.next(settle) is not None:
            pass
        return self.seen


class Ingest:
    """Our ingest server alone (shipkit serve)."""

    def __init__(self, d, pki, *limits):
        self.dir, self.pki, self.limits, self.port = d, pki, list(limits), 0
        os.makedirs(d, exist_ok=True)
        self.start()

    def start(self):
        extra = ["listen=127.0.0.1:%d" % self.port] if self.port else []
        self.errors = open(os.path.join(self.dir, "stderr"), "ab")
        self.child = subprocess.Popen([KIT, "serve", self.dir, self.pki.dir, *self.limits, *extra], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=self.errors)
        self.lines = Lines(self.child.stdout)
        line = self.lines.wait("port ")
        if not line:
            raise Failed("ingest did not start: " + self.stderr())
        self.port = int(line.split()[1])

    def stderr(self):
        return read(os.path.join(self.dir, "stderr")).decode(errors="replace")

    def metrics(self):
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        values = {}
        while True:
            line = self.lines.next(10)
            if line is None:
                raise Failed("ingest is gone: " + self.stderr())
            if line == "metrics end":
                return values
            if line.startswith("metric "):
                _, name, value = line.split()
                values[name.replace("ingest_", "").replace("_total", "")] = int(value)

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.errors.close()

    def stop(self):
        """Clean end; 0 means also: no leak, under ASan."""
        if self.child.poll() is None:
            self.child.stdin.close()
            self.child.wait(timeout=30)
        self.errors.close()
        return self.child.returncode

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.child.poll() is None:
            self.kill()

    def journal(self):
        """[(host, stream, chain, number, flags, hash, records)] once the server has ended."""
        rows = []
        for line in kit("journal", self.dir).decode().splitlines():
            f = line.split()
            if f[0] != "bad":
                rows.append((f[0], f[1], int(f[2]), int(f[3]), int(f[4]), bytes.fromhex(f[5]), int(f[6])))
        return rows


class Client:
    """grpcio against our server."""

    def __init__(self, pki, name, port, pb, credentials=None):
        options = [("grpc.max_receive_message_length", 1 << 26), ("grpc.max_send_message_length", 1 << 26),
                   ("grpc.initial_reconnect_backoff_ms", 100)]
        self.pb = pb
        self.channel = grpc.secure_channel("127.0.0.1:%d" % port, credentials or pki.credentials(name), options)
        self.ship_call = self.channel.unary_unary(SHIP, lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
                                                  pb.ShipReply.FromString)
        self.heads_call = self.channel.unary_unary(HEADS, pb.HeadsRequest.SerializeToString, pb.HeadsReply.FromString)

    def ship(self, *frames, timeout=10):
        r = self.ship_call(self.pb.ShipRequest(frames=frames), timeout=timeout)
        return [(x.status, x.reason) for x in r.results]

    def heads(self, stream, timeout=10):
        r = self.heads_call(self.pb.HeadsRequest(stream=bytes.fromhex(stream)), timeout=timeout)
        return {h.chain: (h.next_number, h.last_hash) for h in r.heads}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.channel.close()


def ship(store, pki, pb, count=2, host="host", stream=None, **how):
    """Makes frames of a host (Pki.frames() says how) and has a store take them. How many records."""
    with Client(pki, host, store.ports["ingest"], pb) as c:
        got = [x[0] for x in c.ship(*pki.frames(host, stream or new_stream(), count=count, **how))]
    if got != [STORED] * count:
        raise Failed("not stored: %r" % got)
    return count * how.get("records", 4)


def tls(pki, name, port, timeout=10):
    """A bare TLS connection to our server."""
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return pki.context(name).wrap_socket(s, server_hostname="127.0.0.1")


class Forwarder:
    """hosttrail-forward over d/spool and d/cursor."""

    def __init__(self, pki, d, *ports, host="a", **settings):
        self.dir, self.config = d, os.path.join(d, "forward.yaml")
        self.socket = os.path.join(d, "fwd.sock")
        values = dict(spool_dir=d + "/spool", cursor_dir=d + "/cursor", ca=pki.file("ca.crt"), cert=pki.file(host + ".crt"),
                      key=pki.file(host + ".key"), retry_min="50ms", retry_max="500ms", status_socket=self.socket,
                      log_level="debug")
        values.update(settings)
        with open(self.config, "w") as f:
            f.write("".join("%s: %s\n" % x for x in values.items()))
            f.write("stores:\n" + "".join('  - "%s"\n' % (p if isinstance(p, str) else "127.0.0.1:%d" % p) for p in ports))
        self.start()

    def start(self):
        self.log = open(os.path.join(self.dir, "forward.log"), "ab")
        self.child = subprocess.Popen([program("hosttrail-forward"), "--config", self.config], stderr=self.log)

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.log.close()

    def stop(self):
        self.child.terminate()
        self.child.wait(timeout=20)
        self.log.close()
        return self.child.returncode

    def said(self):
        return read(os.path.join(self.dir, "forward.log")).decode()

    def status(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            end = time.monotonic() + 10
            while True:
                try:
                    s.connect(self.socket)
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.02)
            text = b""
            while True:
                more = s.recv(65536)
                if not more:
                    return json.loads(text)
                text += more

    def drained(self, timeout=30):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            lag = self.status()["lag"]
            if lag and not any(lag.values()):
                return True
            time.sleep(0.05)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.child.poll() is None:
            self.kill()


def spool(pki, d, stream, chain, count, records=4, seed=1, pause=0, segment=0, name="a", wait=True):
    """chain: a digit or several. A stream has one writer only: two of these at once would recover each other's files."""
    args = [KIT, "spool", pki.file(name + ".sign"), pki.ids[name], stream, chain, records, seed, d + "/spool", count, pause,
            segment]
    p = subprocess.Popen([str(x) for x in args], stdout=subprocess.PIPE)
    if not wait:
        p.lines = Lines(p.stdout)
        return p
    out = p.communicate()[0].decode()
    if p.returncode:
        raise Failed("shipkit spool failed")
    return [bytes.fromhex(x.split()[1]) for x in out.splitlines()]


class Place:
    """Where a test works: a folder that goes with it, keys of a CA, a store and hosts, the messages' types."""

    def __init__(self, *hosts):
        self.work = Workdir()
        self.dir = self.work.__enter__()
        self.pb = messages(self.dir)
        self.pki = Pki(os.path.join(self.dir, "pki"))
        self.count = 0
        for x in hosts:
            self.pki.host(x)

    def next(self, name):
        """A folder's name that nobody had before."""
        self.count += 1
        return os.path.join(self.dir, "%s%d" % (name, self.count))

    def end(self):
        self.work.__exit__(None, None, None)
