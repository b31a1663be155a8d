#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""Nobody reads, and large bodies go both ways over HTTP/1.1 inside TLS: they are held back instead of filling the ring, so nothing is lost and every call is whole."""
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tlsmatrix  # noqa: E402
from invariant import run_small  # noqa: E402
from sizes import size  # noqa: E402

RING = 1 << 20
BODY = """
import http.client, http.server, os, ssl, sys, threading, time
folder, n = sys.argv[1], int(sys.argv[2]) << 20

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 16384)))
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def do_GET(self):
        k = n if self.path.startswith("/large") else 2
        self.send_response(200)
        self.send_header("Content-Length", str(k))
        self.end_headers()
        while k:
            k -= self.wfile.write(bytes(min(k, 16384)))

def wait(name):
    while not os.path.exists(folder + name):
        time.sleep(0.01)

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/ck.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
c = http.client.HTTPSConnection("127.0.0.1", server.server_port, context=ssl._create_unverified_context(), blocksize=16384)

def ask(method, path, body=None):
    c.request(method, path, body, {"Content-Length": str(n)} if body else {})
    r = c.getresponse()
    while r.read(16384):
        pass

def pieces():
    for i in range(n >> 14):
        yield bytes(16384)

ask("GET", "/before")
open(folder + "/ready", "w").close()
wait("/go")
ask("PUT", "/large/put", pieces())
ask("GET", "/large/get")
ask("GET", "/after")
open(folder + "/done", "w").close()
wait("/end")
ask("GET", "/end")
"""
NAMES = ["/before", "/large/put", "/large/get", "/after", "/end"]


def until(path, what):
    for _ in range(6000):
        if os.path.exists(path):
            return
        time.sleep(0.01)
    raise tap.Failed(what)


def bodies_are_held_back(t):
    with tap.Workdir() as d:
        tlsmatrix.certificate(d)

        def stopped(pid):
            until(d + "/ready", "the program did not begin")
            time.sleep(0.3)
            os.kill(pid, signal.SIGSTOP)
            try:
                open(d + "/go", "w").close()
                until(d + "/done", "the program did not go on")
            finally:
                os.kill(pid, signal.SIGCONT)
            open(d + "/end", "w").close()

        trace = run_small(["/usr/bin/python3", "-c", BODY, d, str(size("tls.body_mib"))], {"tls": RING}, d, stopped)
    calls = [r for r in trace.records if r.raw["eventType"] == "HostTlsApiCall"]
    t.equal(trace.lost, 0, "pieces lost")
    for role in ("client", "server"):
        mine = [r for r in calls if r.more["tls"]["role"] == role]
        t.equal([r.raw["requestParameters"]["path"] for r in mine], NAMES, "the %s's calls" % role)
        for r in mine:
            t.ok("piecesLost" not in r.more["tls"], "%s of the %s lost pieces: %s" % (r.raw["eventName"], role, r.more["tls"]))
            t.ok("truncated" not in str(r.raw), "%s of the %s is not whole" % (r.raw["eventName"], role))


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([bodies_are_held_back])
