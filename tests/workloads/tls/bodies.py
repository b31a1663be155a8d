# SPDX-License-Identifier: Apache-2.0
"""bodies.py FOLDER 1.1|2 MIB stopped|marked [gnutls]: large bodies each way over TLS, client and server in one program, framed by hand, so that what is written is known.

stopped: says FOLDER/ready after a first call, makes the large ones after FOLDER/go, says FOLDER/done, and makes a last call after FOLDER/end.
marked: in each large body, behind its first MiB, a call is made over another connection, and the rest goes on when FOLDER/trail has the record of that: what
was before it has been read then. Of HTTP/2 two bodies go at once, too, frame by frame.
gnutls: the client's TLS is that library's.
"""
import ctypes
import os
import socket
import ssl
import struct
import sys
import threading
import time

PIECE = 16384
LEAD = 1 << 20
FOLDER, VERSION, SIZE, MODE = sys.argv[1], sys.argv[2], int(sys.argv[3]) << 20, sys.argv[4]
BODY = bytes(PIECE)
go_on = threading.Event()


def wait(name):
    while not os.path.exists(FOLDER + "/" + name):
        time.sleep(0.01)


def say(name):
    with open(FOLDER + "/" + name, "w"):
        pass


def length_of(path):
    return 0 if not path.startswith("/large") else SIZE // 2 if "/two" in path else SIZE


class GnuTls:
    """A socket, as far as it is used here."""

    def __init__(self, sock):
        self.lib, self.sock, self.session, none = ctypes.CDLL("libgnutls.so.30"), sock, ctypes.c_void_p(), ctypes.c_void_p()
        for f in (self.lib.gnutls_record_send, self.lib.gnutls_record_recv):
            f.restype, f.argtypes = ctypes.c_ssize_t, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        self.lib.gnutls_certificate_allocate_credentials(ctypes.byref(none))
        self.lib.gnutls_init(ctypes.byref(self.session), 2)
        self.lib.gnutls_set_default_priority(self.session)
        self.lib.gnutls_credentials_set(self.session, 1, none)
        self.lib.gnutls_transport_set_int2(self.session, sock.fileno(), sock.fileno())
        r = self.lib.gnutls_handshake(self.session)
        if r < 0:
            sys.exit("gnutls_handshake: %d" % r)
        self.room = ctypes.create_string_buffer(PIECE)

    def sendall(self, data):
        if self.lib.gnutls_record_send(self.session, data, len(data)) != len(data):
            sys.exit("gnutls_record_send")

    def recv(self, n):
        r = -28
        while r in (-28, -52):
            r = self.lib.gnutls_record_recv(self.session, self.room, min(n, PIECE))
        return self.room.raw[:r] if r > 0 else b""

    def close(self):
        self.lib.gnutls_bye(self.session, 1)
        self.lib.gnutls_deinit(self.session)
        self.sock.close()


class Http1:
    """One connection, either end."""

    def __init__(self, sock):
        self.sock, self.kept = sock, b""

    def begin(self):
        pass

    def head(self):
        while b"\r\n\r\n" not in self.kept:
            more = self.sock.recv(PIECE)
            if not more:
                return None
            self.kept += more
        head, self.kept = self.kept.split(b"\r\n\r\n", 1)
        return head.decode().split(" ")[1]

    def ask(self, method, path, n):
        self.sock.sendall(("%s %s HTTP/1.1\r\nHost: bodies.test\r\nContent-Length: %d\r\n\r\n" % (method, path, n)).encode())

    def answer(self, n):
        self.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n)

    def send(self, n, _last):
        for _ in range(n // PIECE):
            self.sock.sendall(BODY)

    def take(self, n):
        n -= len(self.kept)
        self.kept = b""
        while n > 0:
            n -= len(self.sock.recv(min(n, PIECE)))


class Http2:
    """The same. Windows are as large as can be, and updated all the same."""

    def __init__(self, sock, client):
        self.sock, self.client, self.stream, self.kept, self.frames = sock, client, -1 if client else 0, b"", 0

    def frame(self, kind, flags, stream, payload=b""):
        self.sock.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def begin(self):
        if self.client:
            self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(4, 0, 0, struct.pack(">HI", 4, 0x7fffffff))

    def next(self):
        while len(self.kept) < 9 or len(self.kept) < 9 + int.from_bytes(self.kept[:3], "big"):
            more = self.sock.recv(PIECE)
            if not more:
                return None
            self.kept += more
            if not self.client and self.kept.startswith(b"PRI "):
                self.kept = self.kept[24:]
        n = int.from_bytes(self.kept[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.kept[3:9])
        payload, self.kept = self.kept[9:9 + n], self.kept[9 + n:]
        if kind == 0:
            self.frames += 1
            if self.frames % 64 == 0:
                self.frame(8, 0, 0, struct.pack(">I", 64 * PIECE))
        return kind, flags, stream, payload

    def head(self):
        while True:
            f = self.next()
            if not f:
                return None
            if f[0] == 1:
                self.stream = f[2]
                return f[3][f[3].index(b"/"):].decode() if not self.client else ""

    def ask(self, method, path, n):
        self.stream += 2
        block = b"\x02" + bytes([len(method)]) + method.encode() + b"\x87\x01\x0bbodies.test\x04" + bytes([len(path)]) + path.encode()
        self.frame(1, 4 if n else 5, self.stream, block)

    def answer(self, n):
        self.frame(1, 4 if n else 5, self.stream, b"\x88")

    def send(self, n, last):
        for i in range(n // PIECE):
            self.frame(0, int(last and i == n // PIECE - 1), self.stream, BODY)

    def take(self, n):
        while n > 0:
            f = self.next()
            n -= len(f[3]) if f[0] == 0 else 0

    def send_two(self, streams, n, last):
        for i in range(n // PIECE):
            for s in streams:
                self.frame(0, int(last and i == n // PIECE - 1), s, BODY)


def end(sock, client):
    return Http1(sock) if VERSION == "1.1" else Http2(sock, client)


def serve_one(sock):
    e = end(sock, False)
    e.begin()
    while True:
        path = e.head()
        if path is None:
            return
        n = length_of(path)
        if path.startswith("/large/two"):
            first = e.stream
            e.head()
            second = e.stream
            e.take(2 * n)
            for e.stream in (first, second):
                e.answer(0)
        elif "/put" in path:
            e.take(n)
            e.answer(0)
        else:
            e.answer(n)
            if n and MODE == "marked":
                e.send(LEAD, False)
                go_on.wait()
                n -= LEAD
            e.send(n, True)


def serve(listener, context):
    def one(s):
        with context.wrap_socket(s, server_side=True) as sock:
            serve_one(sock)
    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def connect(address):
    sock = socket.create_connection(address)
    e = end(GnuTls(sock) if "gnutls" in sys.argv[5:] else ssl._create_unverified_context().wrap_socket(sock), True)
    e.begin()
    return e


def get(e, path):
    e.ask("GET", path, 0)
    e.head()
    e.take(length_of(path))


def mark(e, name):
    """Until the record of such a call is there, of both ends."""
    get(e, "/mark/" + name)
    while True:
        with open(FOLDER + "/trail") as f:
            if sum('/mark/%s"' % name in line for line in f) >= 2:
                return
        time.sleep(0.02)


def stopped(e):
    get(e, "/before")
    say("ready")
    wait("go")
    e.ask("PUT", "/large/put", SIZE)
    e.send(SIZE, True)
    e.head()
    get(e, "/large/get")
    get(e, "/after")
    say("done")
    wait("end")
    get(e, "/end")


def marked(e, other):
    get(e, "/before")
    e.ask("PUT", "/large/put", SIZE)
    e.send(LEAD, False)
    mark(other, "put")
    e.send(SIZE - LEAD, True)
    e.head()
    e.ask("GET", "/large/get", 0)
    e.head()
    e.take(LEAD)
    mark(other, "get")
    go_on.set()
    e.take(SIZE - LEAD)
    if VERSION == "2":
        e.ask("PUT", "/large/two/a", SIZE // 2)
        e.ask("PUT", "/large/two/b", SIZE // 2)
        streams = (e.stream - 2, e.stream)
        e.send_two(streams, LEAD, False)
        mark(other, "two")
        e.send_two(streams, SIZE // 2 - LEAD, True)
        e.head()
        e.head()
    get(e, "/after")


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER + "/ck.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, context), daemon=True).start()
    e = connect(listener.getsockname())
    if MODE == "stopped":
        stopped(e)
    else:
        marked(e, connect(listener.getsockname()))
    e.sock.close()


main()
