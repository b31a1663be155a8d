#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=280 later=40
"""Strangers, forgers and abusers against the ingest server: refused with a clear error, bounded in cost, and honest
senders are served beside them and afterwards."""
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import grpc
import tap
from shipkit import (HEADS, REJECTED, RETRY, SHIP, STORED, Client, Ingest, Pki, frame_hash, messages, new_stream, read, tls)

W = tap.Workdir()
D = W.__enter__()
PB = messages(D)
PKI = Pki(os.path.join(D, "pki"))
for _name in ("a", "b"):
    PKI.host(_name)
_count = [0]
RSS_MAX = 48 << 20  # of growth, under any abuse here
SAN = "san" in tap.BUILD

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CALM = 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def server(*limits):
    _count[0] += 1
    return Ingest(os.path.join(D, "s%d" % _count[0]), PKI, *limits)


def rss(s):
    for line in read("/proc/%d/status" % s.child.pid).decode().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) << 10
    return 0


def still_serves(t, s):
    with Client(PKI, "a", s.port, PB) as c:
        t.equal(c.ship(*PKI.frames("a", new_stream())), [(STORED, "")], "an honest sender is served")


# ---- HTTP/2 by hand

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """HPACK: literal without indexing."""
    def text(b):
        n, out = len(b), b""
        if n < 127:
            return bytes([n]) + b
        n -= 127
        out = b"\x7f"
        while n >= 128:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n]) + b
    return b"\x00" + text(name) + text(value)


def request_headers(path=SHIP, extra=b""):
    return b"".join(literal(n, v) for n, v in ((b":method", b"POST"), (b":scheme", b"https"), (b":path", path.encode()),
                                                (b":authority", b"x"), (b"te", b"trailers"),
                                                (b"content-type", b"application/grpc"))) + extra


class Raw:
    """A connection that may say anything. Sending never fails: the peer may be gone already."""

    def __init__(self, s, name="a", settings=b""):
        self.s = tls(PKI, name, s.port, timeout=15)
        self.gone = False
        self.buffer = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            self.gone = True
        return not self.gone

    def frames(self, timeout):
        """What it says until it closes, or for `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            while len(self.buffer) >= 9:
                n = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + n:
                    break
                kind, flags, stream = self.buffer[3], self.buffer[4], struct.unpack(">I", self.buffer[5:9])[0]
                payload, self.buffer = self.buffer[9:9 + n], self.buffer[9 + n:]
                yield kind, flags, stream, payload
            left = end - time.monotonic()
            if left <= 0:
                return
            self.s.settimeout(left)
            try:
                more = self.s.recv(65536)
            except socket.timeout:
                return
            except OSError:
                more = b""
            if not more:
                self.gone = True
                return
            self.buffer += more

    def goaway(self, timeout=5):
        """(code, text) of the GOAWAY, or None. Reads to the end."""
        said = None
        for kind, _, _, payload in self.frames(timeout):
            if kind == GOAWAY and said is None:
                said = struct.unpack(">I", payload[4:8])[0], payload[8:].decode(errors="replace")
        return said

    def close(self):
        self.s.close()


# ---- who may connect

def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def odd_cert(name, san, usage="clientAuth", ca=None):
    """A certificate of our CA (or another) with any subject alternative names."""
    ca = ca or PKI.dir
    d = PKI.dir
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-keyout", "%s/%s.key" % (d, name), "-out", "%s/%s.csr" % (d, name))
    with open("%s/%s.ext" % (d, name), "w") as f:
        f.write("extendedKeyUsage=%s\n" % usage + ("subjectAltName=%s\n" % san if san else ""))
    openssl("x509", "-req", "-in", "%s/%s.csr" % (d, name), "-CA", ca + "/ca.crt", "-CAkey", ca + "/ca.key", "-CAcreateserial",
            "-days", "30", "-extfile", "%s/%s.ext" % (d, name), "-out", "%s/%s.crt" % (d, name))


def admitted(s, context):
    """Does the server talk HTTP/2 with whoever has this context?"""
    try:
        with socket.create_connection(("127.0.0.1", s.port), timeout=5) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as c:
                c.sendall(PREFACE + frame(SETTINGS, 0, 0))
                return bool(c.recv(9))
    except OSError:
        return False


def only_hosts_of_our_ca_are_admitted(t):
    host, key, account = ("URI:hosttrail://host/" + PKI.ids["a"], "URI:hosttrail://key/" + "ab" * 32,
                          "URI:hosttrail://account/000000000000/local")
    other = Pki(os.path.join(D, "other"))
    now = int(time.time())
    PKI.host("late", now - 7200, now - 3600)
    PKI.host("early", now + 3600, now + 7200)
    odd_cert("good", ",".join((host, key, account)))
    odd_cert("stranger", ",".join((host, key, account)), ca=other.dir)
    odd = {
        "nosan": "", "nohost": ",".join((key, account)), "nokey": ",".join((host, account)), "noaccount": ",".join((host, key)),
        "twohosts": ",".join((host, host.replace(PKI.ids["a"], PKI.ids["b"]), key, account)),
        "twokeys": ",".join((host, key, key.replace("ab", "cd"), account)),
        "unknown": ",".join((host, key, account, "URI:hosttrail://root/x")),
        "shortkey": ",".join((host, key[:-2], account)), "badhost": ",".join((host + "/..", key, account)),
        "badaccount": ",".join((host, key, "URI:hosttrail://account/x")), "dns": "DNS:localhost",
        "badregion": ",".join((host, key, "URI:hosttrail://account/1/a/b")),
    }
    for name, san in odd.items():
        odd_cert(name, san)
    odd_cert("serveronly", ",".join((host, key, account)), usage="serverAuth")
    with server() as s:
        t.ok(admitted(s, PKI.context("good")), "a good certificate, made by openssl")
        t.ok(not admitted(s, PKI.context()), "no certificate")
        for name in ["stranger", "late", "early", "serveronly", "store"] + sorted(odd):
            t.ok(not admitted(s, PKI.context(name)), name)
        old = PKI.context("a")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        t.ok(not admitted(s, old), "TLS 1.2")
        for protocols in (["http/1.1"], ["h2c", "spdy/3"]):
            c = PKI.context("a")
            c.set_alpn_protocols(protocols)
            t.ok(not admitted(s, c), "protocols %r" % protocols)
        m = s.metrics()
        t.ok(m["handshakes_failed"] >= len(odd) + 8, "counted: %d" % m["handshakes_failed"])
        t.equal(m["calls"], 0, "calls")
        with Client(PKI, "a", s.port, PB, grpc.ssl_channel_credentials(read(PKI.file("ca.crt")))) as c:
            try:
                c.ship(b"x", timeout=2)
                t.fail("a call without a certificate was answered")
            except grpc.RpcError as e:
                t.ok(e.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), "status %s" % e.code())
        still_serves(t, s)


def a_certificate_that_expires_ends_its_connection(t):
    now = int(time.time())
    PKI.host("brief", now - 60, now + 3)
    with server() as s:
        r = Raw(s, "brief")
        said = r.goaway(8)
        t.ok(said and "expired" in said[1] and r.gone, "goodbye: %r" % (said,))


def noise_is_hung_up_on(t):
    with server("handshake_ms=700") as s:
        for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(5000), b"\x16\x03\x01\xff\xff" + b"\0" * 100, b""):
            with socket.create_connection(("127.0.0.1", s.port), timeout=5) as c:
                begin = time.monotonic()
                c.sendall(noise)
                try:
                    while c.recv(4096):
                        pass
                except ConnectionError:
                    pass
                t.ok(time.monotonic() - begin < 3, "hung up on %r" % noise[:10])
        for text in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(3000), PREFACE + os.urandom(3000),
                     PREFACE + frame(DATA, 0, 1, b"x"), PREFACE + frame(SETTINGS, 0, 0, b"abc"),
                     PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 2, request_headers()),
                     PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
                     PREFACE + frame(SETTINGS, 0, 0) + frame(77, 255, 5, b"x" * 100) + frame(PUSH, 4, 1, b"\0\0\0\2")):
            c = tls(PKI, "a", s.port)
            c.settimeout(5)
            try:
                c.sendall(text)
                while c.recv(4096):
                    pass
                over = True
            except socket.timeout:
                over = False
            except OSError:
                over = True
            t.ok(over, "hung up on %r" % text[:40])
            c.close()
        still_serves(t, s)


# ---- abuse of HTTP/2

def header_floods_are_refused(t):
    with server() as s:
        base = rss(s)
        # 100 MB of header fields in CONTINUATION frames
        r = Raw(s)
        block = literal(b"x", b"y" * 16000)
        r.send(frame(HEADERS, 0, 1, request_headers()))
        sent = 0
        while sent < 100 << 20 and r.send(frame(CONTINUATION, 0, 1, block)):
            sent += len(block)
        said = r.goaway()
        t.ok(r.gone and sent < 100 << 20, "cut after %d KiB" % (sent >> 10))
        t.ok(said is None or said[0] in (1, CALM), "reason: %r" % (said,))
        # the same, patiently: the reason can be read
        r = Raw(s)
        r.send(frame(HEADERS, 0, 1, request_headers()) + frame(CONTINUATION, 0, 1, block) + frame(CONTINUATION, 0, 1, block))
        said = r.goaway()
        t.ok(said and said[0] == CALM and "header" in said[1], "reason: %r" % (said,))
        # empty CONTINUATIONs, for ever
        r = Raw(s)
        r.send(frame(HEADERS, 0, 1, request_headers()))
        n = 0
        while n < 100000 and r.send(frame(CONTINUATION, 0, 1) * 100):
            n += 100
        r.goaway()
        t.ok(r.gone, "cut off while it sent %d empty continuations" % n)
        # one entry of the dynamic table, referred to again and again
        r = Raw(s)
        bomb = b"\x40" + literal(b"b", b"z" * 3900)[1:] + b"\xbe" * 12000
        r.send(frame(HEADERS, END_HEADERS, 1, request_headers() + bomb))
        said = r.goaway()
        t.ok(said and said[0] == CALM, "header bomb: %r" % (said,))
        t.ok(rss(s) - base < RSS_MAX or SAN, "memory grew by %d KiB" % ((rss(s) - base) >> 10))
        t.ok(s.metrics()["abuses"] >= 3, "counted")
        still_serves(t, s)


def resets_and_idle_frames_are_rationed(t):
    floods = {
        "rapid reset": lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers()) + frame(RST, 0, 2 * i + 1, b"\0\0\0\x08"),
        "pings": lambda i: frame(PING, 0, 0, b"12345678"),
        "settings": lambda i: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535 + i % 7)),
        "priorities": lambda i: frame(PRIORITY, 0, 2 * i + 1, b"\0\0\0\0\x10"),
        "window updates": lambda i: frame(WINDOW, 0, 0, b"\0\0\0\1"),
    }
    with server() as s:
        base = rss(s)
        for name, one in floods.items():
            r = Raw(s)
            n = 0
            while n < 200000 and r.send(b"".join(one(i) for i in range(n, n + 100))):
                n += 100
            r.goaway(3)
            t.ok(r.gone, "%s: cut off, while it sent %d" % (name, n))
            r.close()
        r = Raw(s)  # empty DATA
        r.send(frame(HEADERS, END_HEADERS, 1, request_headers()))
        n = 0
        while n < 200000 and r.send(frame(DATA, 0, 1) * 100):
            n += 100
        said = r.goaway(3)
        t.ok(r.gone and said and said[0] == CALM, "empty data: %r" % (said,))
        t.ok(rss(s) - base < RSS_MAX or SAN, "memory grew by %d KiB" % ((rss(s) - base) >> 10))
        still_serves(t, s)


def unfinished_requests_are_bounded(t):
    with server("connection_bytes=1000000", "total_bytes=3000000") as s:
        base = rss(s)
        rs = []
        for _ in range(6):
            r = Raw(s)
            for i in range(60):
                r.send(frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers()) +
                       frame(DATA, 0, 2 * i + 1, b"\0\0\x50\0\0" + b"x" * 16000) + frame(DATA, 0, 2 * i + 1, b"x" * 16000))
            rs.append(r)
        time.sleep(0.5)
        t.ok(s.metrics()["calls_failed"] > 0, "some were refused")
        t.ok(rss(s) - base < RSS_MAX or SAN, "memory grew by %d KiB" % ((rss(s) - base) >> 10))
        statuses = [x for x in rs[0].frames(1)]
        t.ok(any(k == HEADERS and (b"8" in p or huffman_digits(b"8") in p) for k, _, _, p in statuses), "RESOURCE_EXHAUSTED was said")
        t.ok(any(k == GOAWAY for k, _, _, _ in statuses), "and goodbye, so that nothing is overtaken")
        for r in rs:
            r.close()
        time.sleep(0.3)
        still_serves(t, s)
    with server() as s:  # more streams than allowed
        r = Raw(s)
        for i in range(200):
            r.send(frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers()))
        refused = [x for x in r.frames(1.5) if x[0] == RST and x[3] == b"\0\0\0\x07"]
        t.ok(len(refused) >= 100 or r.gone, "streams refused: %d" % len(refused))
        still_serves(t, s)


def wrong_lengths_are_refused(t):
    cases = {
        "4 GiB declared": (b"\0\xff\xff\xff\xff" + b"x" * 100, b"8"),
        "compressed flag": (b"\1\0\0\0\4xxxx", b"13"),
        "cut short": (b"\0\0\0\0\x10xxx", b"13"),
        "no prefix": (b"\0\0", b"13"),
        "nothing": (b"", b"13"),
        "two messages": (b"\0\0\0\0\1x\0\0\0\0\1x", b"12"),
    }
    with server() as s:
        for name, (body, status) in cases.items():
            r = Raw(s)
            r.send(frame(HEADERS, END_HEADERS, 1, request_headers()) + frame(DATA, END_STREAM, 1, body))
            headers = b"".join(p for k, _, st, p in r.frames(0.5) if k == HEADERS and st == 1)
            t.ok(huffman_digits(status) in headers or status in headers, "%s: %r" % (name, headers))
            r.close()
        r = Raw(s)  # not POST
        r.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request_headers().replace(b"\x04POST", b"\x03GET")))
        t.ok(any(k == HEADERS for k, _, _, _ in r.frames(0.5)), "GET is answered")
        still_serves(t, s)


def huffman_digits(text):
    """HPACK's Huffman code of digits, as nghttp2 sends them."""
    codes = {"0": (0, 5), "1": (1, 5), "2": (2, 5)}
    codes.update({str(d): (0x19 + d - 3, 6) for d in range(3, 10)})
    bits = "".join(format(codes[c][0], "0%db" % codes[c][1]) for c in text.decode())
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


# ---- slowness

def the_slow_are_cut_off(t):
    with server("handshake_ms=600", "slow_ms=1000", "slow_bytes=2000", "idle_ms=1500") as s:
        quiet = socket.create_connection(("127.0.0.1", s.port), timeout=10)
        begin = time.monotonic()
        t.ok(quiet.recv(1) == b"" and time.monotonic() - begin < 3, "a handshake that never comes")
        r = Raw(s)  # a byte now and then
        r.send(frame(HEADERS, END_HEADERS, 1, request_headers()) + frame(DATA, 0, 1, b"\0\0\0\xff\xff"))
        begin = time.monotonic()
        while time.monotonic() - begin < 8 and r.send(frame(DATA, 0, 1, b"x")):
            time.sleep(0.1)
            if any(k == GOAWAY for k, _, _, _ in r.frames(0.01)):
                break
        t.ok(time.monotonic() - begin < 4, "a body that drips: %.1f s" % (time.monotonic() - begin))
        r = Raw(s)  # headers that never end
        r.send(frame(HEADERS, 0, 1, request_headers()))
        begin = time.monotonic()
        said = r.goaway(8)
        t.ok(r.gone and time.monotonic() - begin < 4, "headers that never end: %r" % (said,))
        r = Raw(s)
        begin = time.monotonic()
        said = r.goaway(8)
        t.ok(said and said[1] == "idle" and time.monotonic() - begin < 4, "nothing at all: %r" % (said,))
        m = s.metrics()
        t.ok(m["timeouts"] >= 4, "counted: %d" % m["timeouts"])
        still_serves(t, s)


def replies_that_nobody_reads_are_bounded(t):
    """The peer's window stays shut: replies cannot leave, requests keep coming."""
    stream = new_stream()
    with server() as s:
        base = rss(s)
        r = Raw(s, settings=struct.pack(">HI", 4, 0))
        heads = PB.HeadsRequest(stream=bytes.fromhex(stream)).SerializeToString()
        n = 0
        for i in range(20000):
            if not r.send(frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers(HEADS)) +
                          frame(DATA, END_STREAM, 2 * i + 1, b"\0" + struct.pack(">I", len(heads)) + heads)):
                break
            n += 1
        t.ok(rss(s) - base < RSS_MAX or SAN, "memory grew by %d KiB after %d calls" % ((rss(s) - base) >> 10, n))
        r.close()
        still_serves(t, s)


def connections_are_bounded(t):
    with server("connections=8") as s:
        shy = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(30)]  # never show a certificate
        time.sleep(0.3)
        t.ok(s.metrics()["connections"] >= 30 or s.metrics()["handshakes_failed"] > 0, "the oldest give way")
        still_serves(t, s)
        for c in shy:
            c.close()
        time.sleep(0.3)
        known = [Raw(s) for _ in range(8)]
        for r in known:
            list(r.frames(0.1))
        late = socket.create_connection(("127.0.0.1", s.port), timeout=5)
        try:
            over = late.recv(1) == b""
        except ConnectionError:
            over = True
        t.ok(over, "one more is refused")
        t.equal(s.metrics()["connections_refused"], 1, "refused")
        known[0].close()
        time.sleep(0.3)
        still_serves(t, s)


def peers_that_vanish_leave_nothing_behind(t):
    """Their replies are still waiting when the connection is gone."""
    with server() as s:
        hold = os.path.join(s.dir, "hold")
        open(hold, "w").close()
        frames = PKI.frames("a", new_stream(), count=20)
        for f in frames:
            r = Raw(s)
            body = PB.ShipRequest(frames=[f]).SerializeToString()
            r.send(frame(HEADERS, END_HEADERS, 1, request_headers()) +
                   frame(DATA, END_STREAM, 1, b"\0" + struct.pack(">I", len(body)) + body))
            r.send(frame(HEADERS, END_HEADERS, 3, request_headers()) + frame(DATA, 0, 3, b"\0\0\0\1\0half"))
            list(r.frames(0.05))
            r.s.shutdown(socket.SHUT_RDWR) if len(s.lines.seen) % 2 else r.close()
        t.ok(s.metrics()["waiting"] >= 19, "replies wait")
        os.unlink(hold)
        time.sleep(0.3)
        m = s.metrics()
        t.equal((m["waiting"], m["frames"]), (0, 20), "waiting, frames")
        with Client(PKI, "a", s.port, PB) as c:
            t.equal(c.ship(*frames), [(STORED, "")] * 20, "the frames are there")
        t.equal(s.stop(), 0, "clean end: nothing leaked (ASan)")
        t.equal(s.stderr(), "", "standard error")


# ---- frames

def bombs_are_refused_by_their_header(t):
    good = PKI.frames("a", new_stream())[0]
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        base = rss(s)
        for at, size, value, name in ((104, "<I", 0xffffffff, "payload"), (104, "<I", (4 << 20) + 1, "payload"),
                                      (108, "<I", 0xffffffff, "uncompressed"), (108, "<I", (64 << 20) + 1, "uncompressed"),
                                      (4, "<H", 0xffff, "header length"), (4, "<H", 4097, "header length"),
                                      (136, "<H", 0xffff, "ranges"), (6, "<H", 2, "version"), (8, "<B", 3, "chain"),
                                      (9, "<B", 2, "kind")):
            bad = bytearray(good)
            struct.pack_into(size, bad, at, value)
            r = c.ship(bytes(bad))
            t.ok(r[0][0] == REJECTED and r[0][1], "%s = %d: %r" % (name, value, r))
        t.ok(rss(s) - base < RSS_MAX or SAN, "memory")
        t.equal(s.metrics()["frames"], 0, "frames")


def absurd_numbers_are_refused(t):
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        for n in (1 << 36, 1 << 60, (1 << 64) - 1):
            r = c.ship(*PKI.frames("a", new_stream(), first=n, records=1, previous=b"\1" * 32))
            t.ok(r[0][0] == REJECTED and "bounds" in r[0][1], "%d: %r" % (n, r))
        t.equal(c.ship(*PKI.frames("a", new_stream(), first=(1 << 36) - 1, previous=b"\1" * 32)), [(STORED, "")], "the last one")
        used = sum(os.stat(os.path.join(s.dir, "chains", x)).st_blocks for x in os.listdir(os.path.join(s.dir, "chains")))
        t.ok(used * 512 < 1 << 20, "its place costs little: %d KiB" % (used // 2))
        t.equal(s.metrics()["gaps"], 1, "gaps")


def forks_without_end_are_bounded(t):
    stream = new_stream()
    with server() as s, Client(PKI, "a", s.port, PB) as c:
        first = PKI.frames("a", stream, count=2, records=1)
        c.ship(*first)
        results = [c.ship(*PKI.frames("a", stream, first=1, records=1, seed=100 + i, previous=frame_hash(first[0])))[0]
                   for i in range(300)]
        kept = sum(x[0] == STORED for x in results)
        t.ok(200 <= kept < 300, "forks kept: %d" % kept)
        t.ok("too many" in results[-1][1], "then refused: %r" % (results[-1],))
        t.equal(s.metrics()["forks"], kept, "each said once")


def a_full_disk_puts_off(t):
    d = os.path.join(D, "full")
    os.makedirs(d)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", d]).returncode:
        raise tap.Skip("cannot mount a tmpfs")
    try:
        stream = new_stream()
        frames = PKI.frames("a", stream, count=120, records=300)
        with Ingest(os.path.join(d, "s"), PKI) as s:
            n = 0
            with Client(PKI, "a", s.port, PB) as c:
                while n < len(frames):
                    r = c.ship(frames[n])
                    if r[0][0] != STORED:
                        break
                    n += 1
                t.equal(r[0][0], RETRY, "status: %r after %d" % (r, n))
                t.ok("full" in r[0][1], "reason: " + r[0][1])
            for _ in range(3):
                with Client(PKI, "a", s.port, PB) as c:  # all of it, in one call: nothing behind the first is taken
                    t.equal({x[0] for x in c.ship(*frames[n:n + 5])}, {RETRY}, "still full")
            t.equal(s.metrics()["gaps"], 0, "gaps")
            subprocess.run(["mount", "-o", "remount,size=8m", d], check=True)
            with Client(PKI, "a", s.port, PB) as c:
                t.equal({x[0] for x in c.ship(*frames[n:])}, {STORED}, "with room again")
                t.equal({x[0] for x in c.ship(*frames)}, {STORED}, "all known")
            m = s.metrics()
            t.equal((m["frames"], m["gaps"], m["forks"], m["breaks"]), (120, 0, 0, 0), "frames, gaps, forks, breaks")
            s.kill()
            t.equal([r[5] for r in s.journal()], [frame_hash(f) for f in frames], "journal: each once, none halved")
    finally:
        subprocess.run(["umount", "-l", d])


def behind_a_put_off_frame_nothing_is_taken(t):
    """Requests that were already under way when the disk was full must not look like a gap."""
    d = os.path.join(D, "full2")
    os.makedirs(d)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", d]).returncode:
        raise tap.Skip("cannot mount a tmpfs")
    try:
        frames = PKI.frames("a", new_stream(), count=100, records=300)
        with Ingest(os.path.join(d, "s"), PKI) as s:
            r = Raw(s)
            bodies = [PB.ShipRequest(frames=[f]).SerializeToString() for f in frames[:60]]
            r.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers()) +
                            frame(DATA, END_STREAM, 2 * i + 1, b"\0" + struct.pack(">I", len(x)) + x)
                            for i, x in enumerate(bodies[:50])))
            end = time.monotonic() + 20
            while not s.metrics()["retries"] and time.monotonic() < end:
                time.sleep(0.01)
            subprocess.run(["mount", "-o", "remount,size=8m", d], check=True)
            r.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers()) +
                            frame(DATA, END_STREAM, 2 * i + 1, b"\0" + struct.pack(">I", len(x)) + x)
                            for i, x in enumerate(bodies) if i >= 50))
            t.ok(any(x[0] == GOAWAY for x in r.frames(20)), "goodbye")
            stored = s.metrics()["frames"]
            t.ok(10 < stored < 60, "stored %d, and nothing behind the one that was put off" % stored)
            with Client(PKI, "a", s.port, PB) as c:
                t.equal({x[0] for x in c.ship(*frames)}, {STORED}, "then all")
            m = s.metrics()
            t.equal(m["gaps"], 0, "gaps")
    finally:
        subprocess.run(["umount", "-l", d])


if __name__ == "__main__":
    try:
        tap.main([only_hosts_of_our_ca_are_admitted, a_certificate_that_expires_ends_its_connection, noise_is_hung_up_on,
                  header_floods_are_refused, resets_and_idle_frames_are_rationed, unfinished_requests_are_bounded,
                  wrong_lengths_are_refused, the_slow_are_cut_off, replies_that_nobody_reads_are_bounded,
                  connections_are_bounded, peers_that_vanish_leave_nothing_behind, bombs_are_refused_by_their_header,
                  absurd_numbers_are_refused, forks_without_end_are_bounded, a_full_disk_puts_off,
                  behind_a_put_off_frame_nothing_is_taken])
    finally:
        W.__exit__()
