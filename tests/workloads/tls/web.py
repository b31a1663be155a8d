# SPDX-License-Identifier: Apache-2.0
"""web.py serve PORT CERT KEY: http.server behind ssl, one JSON object a request on standard output.
web.py WAY N URL: N requests in one of the ways below."""
import asyncio
import http.client
import http.server
import json
import socket
import ssl
import sys
import threading
import urllib.parse
import urllib.request

WAY, N, URL = sys.argv[1], int(sys.argv[2]), sys.argv[3]
LOCK = threading.Lock()
CONTEXT = ssl._create_unverified_context()
WHERE = urllib.parse.urlsplit(URL)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        status = 404 if path.endswith("/missing") else 200
        with LOCK:
            print(json.dumps({"port": self.client_address[1], "method": self.command, "path": path, "status": status}), flush=True)
        self.send_response(status)
        self.send_header("Content-Length", "6")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"hello\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *args):
        pass


def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", N), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def urllib_each():
    for _ in range(N):
        urllib.request.urlopen(URL, context=CONTEXT).read()


def kept():
    c = http.client.HTTPSConnection(WHERE.hostname, WHERE.port, context=CONTEXT)
    for _ in range(N):
        c.request("GET", WHERE.path)
        c.getresponse().read()


def requests_session():
    import requests
    with requests.Session() as s:
        s.trust_env = False
        for _ in range(N):
            s.get(URL, verify=False)


def request_text():
    return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % WHERE.path.encode()


def pipelined():
    """All requests in one write, and then in writes that end in the middle of a request."""
    for step in (N * 1000, 37):
        with CONTEXT.wrap_socket(socket.create_connection((WHERE.hostname, WHERE.port))) as s:
            text, got = request_text() * N, b""
            for at in range(0, len(text), step):
                s.sendall(text[at:at + step])
            while got.count(b"hello\n") < N:
                more = s.recv(100)
                if not more:
                    raise SystemExit("closed after %d" % got.count(b"hello\n"))
                got += more


async def asyncio_one():
    r, w = await asyncio.open_connection(WHERE.hostname, WHERE.port, ssl=CONTEXT)
    for _ in range(N):
        w.write(request_text())
        await w.drain()
        await r.readuntil(b"hello\n")
    w.close()


async def asyncio_four():
    await asyncio.gather(*[asyncio_one() for _ in range(4)])


async def aiohttp_session():
    import aiohttp
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as s:
        async def one():
            async with s.get(URL) as r:
                await r.read()
        await asyncio.gather(*[one() for _ in range(N)])


def httpx_client(http2):
    import httpx
    with httpx.Client(verify=False, http2=http2, trust_env=False) as c:
        for _ in range(N):
            c.get(URL)


def same():
    """N requests while load generators make N * 20 of the same by each version: what they are answered is said, each kind of answer once."""
    import collections
    import hashlib
    import subprocess
    load = [subprocess.Popen(["h2load", "-n", str(N * 20), "-c", "4", *more, URL], stdout=subprocess.PIPE, text=True) for more in ([], ["--h1"])]
    c, kinds = http.client.HTTPSConnection(WHERE.hostname, WHERE.port, context=CONTEXT), collections.Counter()
    for _ in range(N):
        c.request("GET", WHERE.path)
        r = c.getresponse()
        body = r.read()
        kinds[r.status, len(body), hashlib.sha256(body).hexdigest()] += 1
    for p in load:
        print(p.communicate()[0])
    print("answers", json.dumps([[*kind, n] for kind, n in kinds.items()]))
    sys.exit(any(p.returncode for p in load))


WAYS = {
    "serve": serve, "same": same, "urllib": urllib_each, "kept": kept, "requests": requests_session, "pipelined": pipelined,
    "asyncio": lambda: asyncio.run(asyncio_four()), "aiohttp": lambda: asyncio.run(aiohttp_session()),
    "httpx1": lambda: httpx_client(False), "httpx2": lambda: httpx_client(True),
}
WAYS[WAY]()
