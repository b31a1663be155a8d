#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""TLS that nobody can read is noticed whatever calls carry it: a relay, of 64 and of 32 bits, speaks it with curl and with a server by each way in
turn, and is one TlsUnobserved for either side."""
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), HERE]
import tap  # noqa: E402
import tls_unobserved  # noqa: E402

RELAY = os.path.join(tap.BUILD, "tests/workloads/tlsrelay")
BOTH = ["write", "writev", "send", "sendmsg", "sendmmsg", "splice", "sendfile", "uring_send", "uring_provided", "uring_write", "uring_writev", "uring_sendmsg",
        "sqpoll_send"]
CHOSEN = "uring_provided"  # newer kernels do not say where they put what came: who sees only what goes out knows it as TLS 1.3's client
WAYS = [(RELAY, w) for w in BOTH] + [(RELAY + "32", w) for w in BOTH + ["socketcall", "socketcall_msg"]]


def said(path, pattern, process):
    """What a relay says of itself; None: io_uring is not allowed."""
    for _ in range(12000):
        with open(path) as f:
            found = re.match(pattern, f.read())
        if found:
            return [int(x) for x in found.groups()]
        if process.poll() is not None:
            return None
        time.sleep(0.005)
    raise tap.Failed("%s says nothing" % path)


def of_each_way(t):
    if os.geteuid():
        raise tap.Skip("needs root")
    with tap.Workdir() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d + "/key", "-out", d + "/cert", "-days", "2",
                        "-subj", "/CN=localhost"], check=True, stderr=subprocess.DEVNULL)
        with tls_unobserved.Server(d, "-www", "-tls1_3") as new, tls_unobserved.Server(d, "-www", "-tls1_2") as old:
            pids, answers, ports = {}, {}, {}
            outs = [d + "/%d" % i for i in range(len(WAYS))]
            for out in outs:
                open(out, "w").close()
            servers = [new if way[1] == CHOSEN else (new, old)[i % 2] for i, way in enumerate(WAYS)]
            script = "".join("%s %s %d > %s &\n" % (*way, servers[i].port, outs[i]) for i, way in enumerate(WAYS))
            trace = subprocess.Popen([tap.program("hosttrail"), "trace", "-o", d + "/records", "--", "sh", "-c", script + "wait\n"],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for i, way in enumerate(WAYS):
                here = said(outs[i], r"(\d+) (\d+)\n", trace)
                if not here:
                    continue
                pids[way] = here[1]
                ports[way] = servers[i].port
                got = subprocess.run(["curl", "-sk", "--max-time", "20", "-w", "%{http_code}", "-o", "/dev/null", "https://localhost:%d/x" % here[0]],
                                     stdout=subprocess.PIPE, text=True, check=False)
                answers[way] = got.stdout
            err = trace.communicate()[1]
        t.ok(err.rstrip().endswith(" 0 lost"), err[-300:])
        records = tls_unobserved.read(d)
        found = [r for r in records if r["eventName"] == "TlsUnobserved"]
        for way in WAYS:
            name = "%s by %s" % (os.path.basename(way[0]), way[1])
            if way not in pids:
                t.note("%s: not allowed here" % name)
                continue
            t.equal(answers[way], "200", "%s: what curl was answered" % name)
            mine = [r["serviceEventDetails"] for r in found if r["additionalEventData"]["process"]["pid"] == pids[way]]
            roles = sorted(r["role"] for r in mine)
            t.ok(roles == ["client", "server"] or (roles == ["client"] and way[1] == CHOSEN), "%s: roles: %s" % (name, roles))
            t.equal({(r.get("serverName"), r["reason"]) for r in mine}, {("localhost", "NoKnownLibrary")}, "%s: names, reasons" % name)
            t.equal([r["peer"]["port"] for r in mine if r["role"] == "client"], [ports[way]], "%s: peer" % name)
        t.equal({r["additionalEventData"]["process"]["pid"] for r in found}, set(pids.values()), "processes")


if __name__ == "__main__":
    tap.main([of_each_way])
