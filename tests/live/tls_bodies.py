#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=900 long
"""What a large body costs once the reader has said that nobody wants it: no plaintext comes out of the kernel any more, and at most one small entry a call of the library.

The programs pause in the middle of each body until the reader has got that far (workloads/tls/bodies.py), so what comes behind that is counted, whatever the machine does.
"""
import ctypes.util
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tlsmatrix  # noqa: E402
from invariant import run_small  # noqa: E402
from sizes import size  # noqa: E402

WORKLOADS = os.path.join(HERE, "../workloads/tls")
PIECE, LEAD = 16384, 1 << 20	# of bodies.py
LONG = os.environ.get("HT_LONG") == "1"
SAID = re.compile(r"^smallrings: (\d+) pieces of plaintext, (\d+) bytes$", re.M)
ENDS = 2


def plaintext(trace):
    return [int(x) for x in SAID.search(trace.err).groups()]


def whole_calls(t, trace, paths, lengths):
    calls = [r for r in trace.records if r.raw["eventType"] == "HostTlsApiCall" and "/mark/" not in r.raw["requestParameters"]["path"]]
    t.equal(trace.lost, 0, "pieces lost")
    for role in ("client", "server"):
        mine = [r for r in calls if r.more["tls"]["role"] == role]
        t.equal(sorted(r.raw["requestParameters"]["path"] for r in mine), sorted(paths), "the %s's calls" % role)
        for r in mine:
            way = "bytesTransferredIn" if "put" in r.raw["requestParameters"]["path"] or "two" in r.raw["requestParameters"]["path"] else "bytesTransferredOut"
            want = lengths.get(r.raw["requestParameters"]["path"])
            t.ok(not want or r.more.get(way) == want, "%s of the %s: %s bytes, not %s" % (r.raw["requestParameters"]["path"], role, r.more.get(way), want))
            t.equal([k for k in ("truncated", "lengthUnknown") if k in r.more], [], "flags")


def bounded(t, trace, bodies, events):
    """Of each body each end's beginning came, and then no plaintext; `events`: entries without plaintext that may."""
    pieces, came = plaintext(trace)
    most = ENDS * bodies * (LEAD + 8 * PIECE)
    t.ok(came <= most, "%d bytes of plaintext came, of %d bodies at most %d were to" % (came, bodies, most))
    at_most = ENDS * bodies * (3 * LEAD // PIECE + 20) + events
    t.ok(pieces <= at_most, "%d entries came, not at most %d" % (pieces, at_most))
    t.note("%d entries, %d bytes" % (pieces, came))


def run(d, program, *args):
    tlsmatrix.certificate(d)
    argv = [program] if program.startswith("/") else ["/usr/bin/python3", os.path.join(WORKLOADS, program)]
    return run_small([*argv, d, *args], {"tls": 0}, d)


def http1(t):
    mib = size("tls.body_mib")
    with tap.Workdir() as d:
        trace = run(d, "bodies.py", "1.1", str(mib), "marked")
    t.equal(trace.status, 0, "exit status: " + trace.err[-300:])
    whole_calls(t, trace, ["/before", "/large/put", "/large/get", "/after"], {"/large/put": mib << 20, "/large/get": mib << 20})
    bounded(t, trace, 2, 0)


def http2(t):
    """Of one body at a time nothing comes at all; of two at once the head of each frame."""
    mib = size("tls.body_mib")
    with tap.Workdir() as d:
        trace = run(d, "bodies.py", "2", str(mib), "marked")
    t.equal(trace.status, 0, "exit status: " + trace.err[-300:])
    lengths = {"/large/put": mib << 20, "/large/get": mib << 20, "/large/two/a": mib << 19, "/large/two/b": mib << 19}
    whole_calls(t, trace, ["/before", "/after"] + list(lengths), lengths)
    bounded(t, trace, 4, ENDS * (mib << 20) // PIECE * 5 // 4)


def nginx(t):
    """curl and nginx, whose frames are as their libraries make them."""
    mib = size("tls.body_mib")
    if not os.path.exists("/usr/sbin/nginx"):
        raise tap.Skip("no nginx")
    with tap.Workdir() as d:
        trace = run(d, "bodies_nginx.py", str(mib))
    t.equal(trace.status, 0, "exit status: " + trace.err[-300:])
    whole_calls(t, trace, ["/large/put", "/large/get"], {"/large/put": mib << 20, "/large/get": mib << 20})
    bounded(t, trace, 2, 200)


def gnutls(t):
    """GnuTLS on the client's side."""
    mib = size("tls.body_mib")
    if not ctypes.util.find_library("gnutls"):
        raise tap.Skip("no GnuTLS")
    with tap.Workdir() as d:
        trace = run(d, "bodies.py", "1.1", str(mib), "marked", "gnutls")
    t.equal(trace.status, 0, "exit status: " + trace.err[-300:])
    whole_calls(t, trace, ["/before", "/large/put", "/large/get", "/after"], {"/large/put": mib << 20, "/large/get": mib << 20})
    bounded(t, trace, 2, 0)


def go(t):
    """net/http at both ends; at full size over both versions."""
    mib = size("tls.body_mib")
    if not os.path.exists(tlsmatrix.GO):
        raise tap.Skip("no Go")
    with tap.Workdir() as d:
        env = dict(os.environ, GOCACHE=os.path.join(tap.BUILD, "go-cache"), GO111MODULE="off", GOPATH=d, CGO_ENABLED="0")
        subprocess.run([tlsmatrix.GO, "build", "-o", d + "/bodies", os.path.join(WORKLOADS, "bodies.go")], env=env, check=True)
        for version, events in (("2", ENDS * (mib << 20) // PIECE), ("1.1", 0))[:1 + LONG]:
            trace = run(d, d + "/bodies", version, str(mib))
            t.equal(trace.status, 0, "exit status: " + trace.err[-300:])
            whole_calls(t, trace, ["/before", "/large/put", "/large/get", "/after"], {"/large/put": mib << 20, "/large/get": mib << 20})
            bounded(t, trace, 2, events)


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([http1, http2, nginx, gnutls, go])
