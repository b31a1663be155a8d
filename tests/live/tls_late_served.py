#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=20
"""Servers of HTTP/2 whose connections are joined late: what they are asked refers to a table of header fields that nobody saw, and no list that a library
was given tells what is in it. The servers are recorded, their clients are not, and stand still while the agent starts. The servers' logs are the oracle:
from the first request on that is recorded, each is a record, once and in order, with its method and status, and with its path or none, but never another's."""
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tls_late  # noqa: E402
import tlsmatrix  # noqa: E402
import tls_matrix  # noqa: E402
from sizes import size  # noqa: E402

BEFORE, PAUSE, REQUESTS = 8, 0.04, size("tlsserved.requests")
SERVERS = ("nginx", "apache", "haproxy", "node", "go", "grpc")
OWN = ("node", "go")  # have their TLS in themselves
CURL, GO, GRPC = "curl", "go", "grpc"
PAIRS = [(s, c) for s in SERVERS for c in ((GRPC,) if s == "grpc" else (CURL, GO))]


def client(d, server, name, port):
    path = "/%s-%s" % (server, name)
    if name == GRPC:
        return ["/usr/bin/python3", tls_matrix.W + "/grpcweb.py", "get", str(REQUESTS), str(port), d + "/c.pem", path + "/Do", str(PAUSE)]
    url = "https://127.0.0.1:%d%s" % (port, path)
    if name == GO:
        return [tls_matrix.B + "/web", "get", "2", str(REQUESTS), "1", url + "/a", str(int(PAUSE * 1000))]
    return ["/usr/bin/curl", "-sk", "--http2", "--rate", "%d/s" % (1 / PAUSE), "-o", "/dev/null", url + "/a/[1-%d]" % REQUESTS]


def told(r):
    """(client's port, server's port, method, path, status) of a record, and whether it says that fields are unknown."""
    f = r.fields
    members = {k: v for part in (1, 3) for k, v in json.loads(f.get("*%d" % part, "{}")).items()}
    method, path = r.name.split(" ")[0], members.get("path")
    if members.get("service"):
        method, path = "POST", "/%s/%s" % (members["service"], members.get("method"))
    return (f.get("tls.peer.port"), f.get("tls.local.port"), method, path, members.get("httpStatus")), bool(members.get("fieldsUnknown"))


def fits(got, want):
    return got[:2] == want[:2] and got[2] == want[2] and got[3] in (None, want[3]) and got[4] in (None, want[4])


class Served:
    """Runs all pairs when the first case asks."""

    def __init__(self):
        self.logs = self.error = None

    def run(self):
        tls_matrix.build_all()
        top = "%s/hosttrail-served-%d" % (tls_late.CGROUP2, os.getpid())
        os.mkdir(top)
        try:
            with tap.Workdir() as d:
                self.watch(d, top)
        finally:
            empty(top)
            os.rmdir(top)

    def watch(self, d, top):
        tlsmatrix.certificate(d)
        os.chmod(d, 0o711)
        found = {s: tlsmatrix.server(d, s, tap.BUILD) for s in SERVERS}
        self.servers = {s: v for s, v in found.items() if v}
        begin = "".join("%s >%s/%s.stdout 2>%s/%s.stderr & p=\"$p $!\"; " % (shlex.join(argv), d, s, d, s) for s, (_, argv) in self.servers.items())
        script = "cd %s; echo $$ >%s/cgroup.procs; %s read end; kill $p; wait" % (d, top, begin)
        with tls_late.Agent(["/bin/sh", "-c", script], scope="cgroup " + top[len(tls_late.CGROUP2):], tls=True, log_level="debug") as agent:
            agent.go()
            for port, _ in self.servers.values():
                listening(port)
            clients = {"%s-%s" % (s, c): subprocess.Popen(client(d, s, c, self.servers[s][0]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                       for s, c in PAIRS if s in self.servers}
            try:
                self.stand_still(d, clients)
                agent.start()
                agent.wait(lambda: all("probed for TLS: %s" % os.path.realpath(s[1][0]) in agent.log() for n, s in self.servers.items() if n in OWN), 60,
                           "not probed")
                for p in clients.values():
                    p.send_signal(signal.SIGCONT)
                self.status = {name: p.wait(100) for name, p in clients.items()}
            finally:
                for p in clients.values():
                    if p.poll() is None:
                        p.kill()
            agent.go()
            agent.tree.wait(60)
            agent.stop()
            self.logs = self.read(d)
            self.records = [r for r in agent.everything()[1] if r.ring_class == tls_late.TLS]

    def stand_still(self, d, clients):
        """Each after its first requests."""
        going, end = set(clients), time.monotonic() + 60
        while going and time.monotonic() < end:
            for name, log in self.read(d).items():
                if name in going and len(log) >= BEFORE:
                    clients[name].send_signal(signal.SIGSTOP)
                    going.discard(name)
            time.sleep(0.01)
        if going:
            raise tap.Failed("no requests of %s" % sorted(going))
        time.sleep(0.2)
        self.before = {k: len(v) for k, v in self.read(d).items()}

    def read(self, d):
        """{server and client: log}"""
        logs = {"%s-%s" % p: [] for p in PAIRS if p[0] in self.servers}
        for s, (port, _) in self.servers.items():
            for key in tlsmatrix.log_lines(d, s, port):
                name = tlsmatrix.case_of(key[3])
                if name in logs:
                    logs[name].append(key)
        return logs

    def must_run(self):
        if self.error is None:
            self.error = ""
            try:
                self.run()
            except tap.Failed as e:
                self.error = str(e)
        if self.error:
            raise tap.Failed(self.error)

    def check(self, t, server, name):
        self.must_run()
        if server not in self.servers:
            raise tap.Skip("no " + server)
        key = "%s-%s" % (server, name)
        log, before = self.logs[key], self.before[key]
        t.equal((len(log), len({e[:2] for e in log})), (REQUESTS, 1), "requests, connections")
        mine = [told(r) for r in self.records if r.fields.get("tls.peer.port") == log[0][0] and r.name != "TlsUnobserved"]
        got = [r for r, _ in mine]
        t.equal(self.status[key], 0, "exit status of the client")
        # what a server was waiting for when it was probed is known by its answer alone
        rest = got[1:] if got and got[0][2] == "UnknownRequest" else got
        t.equal([r for r, e in zip(rest, log[REQUESTS - len(rest):]) if not fits(r, e)], [], "recorded, but not asked so")
        t.ok(REQUESTS - before - 1 <= len(got) <= REQUESTS, "%d of %d were before, %d are recorded" % (before, REQUESTS, len(got)))
        t.equal([r for r in got if r[4] is None], [], "without a status")
        known = [r for r in rest if r[3] is not None]
        t.ok(name != CURL or len(known) == len(rest), "of %d records %d have their paths, which this client's encoder never refers to" % (len(rest), len(known)))
        t.equal([r for r, unknown in mine if r in rest and r[3] is None and not unknown], [], "a path is missing, and nothing says so")
        t.note("%d were before, %d are recorded, %d with their paths" % (before, len(got), len(known)))


def empty(cgroup):
    """Of servers that a failure left."""
    def left():
        with open(cgroup + "/cgroup.procs") as f:
            return f.read().split()
    for pid in left():
        os.kill(int(pid), signal.SIGKILL)
    tap.wait_for(lambda: not left())


def listening(port):
    if not tap.wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), 30):
        raise tap.Failed("nobody listens on port %d" % port)


def runnables():
    served = Served()
    for server, name in PAIRS:
        def run(t, server=server, name=name):
            served.check(t, server, name)
        run.title = "%s, asked by %s" % (server, name)
        yield run


if __name__ == "__main__":
    if os.geteuid() or not tls_late.CGROUP2:
        print("1..0 # SKIP needs root, and cgroups of version 2")
        sys.exit(0)
    tap.main(list(runnables()))
