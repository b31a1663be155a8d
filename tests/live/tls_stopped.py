#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""Nobody reads, and large bodies go both ways over HTTP/1.1 and HTTP/2 inside TLS: they are held back instead of filling the ring, so nothing is lost and every call is whole."""
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
PROGRAM = os.path.join(HERE, "..", "workloads/tls/bodies.py")
NAMES = ["/before", "/large/put", "/large/get", "/after", "/end"]


def until(path, what):
    for _ in range(6000):
        if os.path.exists(path):
            return
        time.sleep(0.01)
    raise tap.Failed(what)


def bodies_are_held_back(t, version):
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

        trace = run_small(["/usr/bin/python3", PROGRAM, d, version, str(size("tls.body_mib")), "stopped"], {"tls": RING}, d, stopped)
    calls = [r for r in trace.records if r.raw["eventType"] == "HostTlsApiCall"]
    t.equal(trace.lost, 0, "pieces lost")
    for role in ("client", "server"):
        mine = [r for r in calls if r.more["tls"]["role"] == role]
        t.equal([r.raw["requestParameters"]["path"] for r in mine], NAMES, "the %s's calls" % role)
        for r in mine:
            t.ok("piecesLost" not in r.more["tls"], "%s of the %s lost pieces: %s" % (r.raw["eventName"], role, r.more["tls"]))
            t.ok("truncated" not in str(r.raw), "%s of the %s is not whole" % (r.raw["eventName"], role))


def http1(t):
    bodies_are_held_back(t, "1.1")


def http2(t):
    bodies_are_held_back(t, "2")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([http1, http2])
