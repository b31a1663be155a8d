#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=20
"""A flood of TLS costs its user pieces of plaintext, and nobody else one: what was cut is counted to who flooded, and told by its connections' calls.

The ring is small, so that three loops of TLS calls at full speed overrun it; beside them another user makes a slow series of requests.
"""
import collections
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
from flood import as_user, losses  # noqa: E402
from invariant import run_small  # noqa: E402
from sizes import size  # noqa: E402

FLOODER, OTHER = 64311, 64312
PACED = 200
RING = 1 << 18
LOOP = tap.workload("tlsloop")


def loop(uid, kind, requests, lines):
    return " ".join(as_user(uid, "sh", "-c", "'%s | %s %s %d >/dev/null'" % (lines, LOOP, kind, requests)))


def nobody_else_pays(t):
    turns = size("tlsflood.turns")
    flood = loop(FLOODER, "socket", 100, "yes x | head -n %d" % turns)
    slow = loop(OTHER, "socket", 1, "for i in $(seq %d); do echo; sleep 0.005; done" % PACED)
    with tap.Workdir() as d:
        trace = run_small(["sh", "-c", "%s & %s & %s & %s; wait" % (flood, flood, flood, slow)], {"tls": RING}, d)
    calls = collections.defaultdict(list)
    for r in trace.records:
        if r.raw["eventType"] == "HostTlsApiCall":
            calls[int(r.more["process"]["uids"]["uid"])].append(r.more["tls"])
    by_cause, by_who = losses(trace.records)
    t.ok(by_cause[("tls", "flood")] > 0, "the ring was not pressed: nothing was tested")
    t.equal(set(by_who), {(FLOODER, None)}, "whose it was")
    roles = collections.Counter((c["role"], c.get("piecesLost", 0)) for c in calls[OTHER])
    t.equal(roles, {("client", 0): PACED, ("server", 0): PACED}, "the other user's calls, by role and pieces lost")
    told = sum(c.get("piecesLost", 0) for c in calls[FLOODER])
    t.ok(told > 0, "the flooder's calls say nothing of what was lost")
    t.equal(trace.lost, sum(by_cause.values()), "lost as the last line says")
    t.note("%s lost; of %d calls of the flooder %d records" % (dict(by_cause), turns * 600, len(calls[FLOODER])))


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([nobody_else_pays])
