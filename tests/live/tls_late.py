#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=30
"""HTTP/2 connections that are joined late: their requests refer to a table of header fields that nobody saw, and the lists that programs give
nghttp2 tell what is in it. The agent starts when its clients have made requests, and stand still. nginx's log says what was asked: of each connection
every request from the first that is recorded on is, with path, host and user agent, and none is invented. Where connections could be meant that ask for the
same of different hosts at once (batch), the host is the true one or none."""
import json
import os
import shlex
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tlsmatrix  # noqa: E402
import tlsweb  # noqa: E402
from daemon import Agent  # noqa: E402
from sizes import size  # noqa: E402

BEFORE, RATE, OPEN, LEAST, TLS = 8, 20, 8, 8, 3
WAYS, CONNS, UNKNOWN = ("threads", "turns", "batch"), 3, "127.0.0.1"
SECRET = "S3CR3T" + "plant-of-the-late"
LATE = tlsmatrix.SOURCES + "/late.c"
PROGRAMS = [(n, LATE) for n in WAYS] + [("curl", "/usr/bin/curl"), ("together", "/usr/bin/curl"), ("node", "/usr/bin/node"), ("go", tlsmatrix.GO),
                                        ("goroutines", tlsmatrix.GO)]
REQUESTS = size("tlslate.requests")
CONF = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/pid; error_log %(dir)s/error.log;
events { worker_connections 512; }
http {
  log_format oracle escape=json '{"method":"$request_method","path":"$request_uri","host":"$http_host","agent":"$http_user_agent","port":$remote_port,"status":$status}';
  access_log %(dir)s/access.log oracle;
  limit_req_zone $remote_port zone=paced:1m rate=%(rate)dr/s;
  keepalive_requests 1000000; default_type text/plain;
  server {
    listen 127.0.0.1:%(port)d ssl http2; ssl_certificate %(dir)s/c.pem; ssl_certificate_key %(dir)s/k.pem;
    location / { limit_req zone=paced burst=10000; root %(dir)s/files; try_files /hello =404; }
  }
}
"""
NODE = """
const c = require("http2").connect(process.argv[1], {rejectUnauthorized: false}), n = +process.argv[2];
let made = 0, done = 0;
const one = () => {
  if (made == n) return;
  const i = made++, r = c.request({":path": "/node/" + i, ":authority": "abcd"[i % 4] + ".late.test", "user-agent": "late/" + i % 3, "x-more": "" + i % 5});
  r.resume(); r.on("end", () => { if (++done == n) c.close(); else one(); });
};
for (let i = 0; i < 4; i++) one();
"""


CGROUP2 = next((p for p in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(p + "/cgroup.controllers")), None)


class Paced(tlsweb.Nginx):
    """Answers RATE requests a second of a connection."""

    def __init__(self, folder):
        super().__init__(folder)
        with open(folder + "/nginx.conf", "w") as f:
            f.write(CONF % {"dir": folder, "port": self.port, "rate": RATE})
        with open(folder + "/files/hello", "w") as f:
            f.write("hello\n")

    def so_far(self):
        with open(self.dir + "/access.log") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]


def curl(web, name, *options):
    """All over one connection: each four hosts later the same one."""
    lines = []
    for i in range(REQUESTS):
        lines += ["next", "insecure", "silent", "http2", 'output = "/dev/null"', 'url = "%s"' % web.url("/%s/%d" % (name, i)),
                  'header = "host: %s.late.test"' % "abcd"[i % 4], 'user-agent = "late/%d"' % (i % 3), 'header = "x-more: %d"' % (i % 5),
                  'header = "authorization: Bearer %s"' % SECRET, 'header = "cookie: s=%s"' % SECRET]
    config = "%s/%s.config" % (web.dir, name)
    with open(config, "w") as f:
        f.write("\n".join(lines[1:]) + "\n")
    return ["/usr/bin/curl", "--no-progress-meter", *options, "-K", config]


def own_client(out):
    r = subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-o", out, LATE, "-lnghttp2", "-lssl", "-lcrypto"], capture_output=True, text=True, check=False)
    if r.returncode:
        raise tap.Failed(r.stderr[-1000:])
    return out


def go_client(out):
    if not os.path.exists(tlsmatrix.GO):
        return None
    env = dict(os.environ, GOCACHE=os.path.join(tap.BUILD, "go-cache"), GO111MODULE="off", GOPATH=os.path.dirname(out), CGO_ENABLED="0")
    r = subprocess.run([tlsmatrix.GO, "build", "-ldflags", "-s -w", "-o", out, tlsmatrix.SOURCES + "/late.go"], env=env, capture_output=True, text=True, check=False)
    if r.returncode:
        raise tap.Failed(r.stderr[-1000:])
    return out


def clients(web):
    late, go = own_client(web.dir + "/late"), go_client(web.dir + "/go")
    return {**{way: [late, way, str(CONNS), str(REQUESTS), str(web.port), way] for way in WAYS}, "curl": curl(web, "curl"), "together": curl(web, "together", "-Z", "--parallel-max", str(OPEN)),
            "node": ["/usr/bin/node", "-e", NODE, web.url(""), str(REQUESTS)],
            **{n: [go, str(REQUESTS), p, web.url("/" + n)] for n, p in (("go", "1"), ("goroutines", str(OPEN)))}}


def asked(e):
    return e["port"], e["method"], e["path"], e["host"], e["agent"], e["status"]


def told(r):
    f = r.fields
    members = {k: v for part in (1, 3) for k, v in json.loads(f.get("*%d" % part, "{}")).items()}
    return f.get("tls.local.port"), r.name.split(" ")[0], members.get("path"), r.source, r.user_agent, members.get("httpStatus")


def name_of(path):
    return (path or "//").split("/")[1]


def fits(r, e):
    """What the record says of host and program is true, or nothing."""
    return r[:3] + r[5:] == e[:3] + e[5:] and r[3] in (UNKNOWN, e[3]) and r[4] in (None, e[4])


def check_connection(t, log, got, in_part):
    """Libraries are probed one after the other: what is asked in between is known in part. in_part: so is all the rest."""
    t.equal(len(log), REQUESTS, "requests")
    unasked = [r for r in got if r[1] == "UnknownRequest"]  # answers to what was asked before
    t.ok(len(unasked) <= OPEN and not [r for r in unasked if r[2] or r[4]], "answers to nothing: %s" % unasked)
    got = [r for r in got if r not in unasked]
    t.equal([r for r in got if not any(fits(r, e) for e in log) or got.count(r) > 1], [], "recorded, but not asked so")
    seen = [i for i, e in enumerate(log) if any(fits(r, e) for r in got)]
    whole = [i for i, e in enumerate(log) if e in got]
    t.ok(seen and BEFORE <= seen[0], "of %d requests the first that was seen: %s" % (len(log), seen[:1]))
    t.equal([e for e in log[seen[0] if seen else 0:] if not any(fits(r, e) for r in got)], [], "asked later, but not recorded")
    t.ok(in_part or (whole and whole[0] < REQUESTS - LEAST), "none is known wholly, or too late: %s" % whole)
    t.equal([e for e in log[whole[0]:] if e not in got] if whole and not in_part else [], [], "asked later, but not known wholly")
    t.note("%d of %d requests were seen, %d of them wholly" % (len(got), len(log), len(whole)))


class Late:
    """Runs all clients when the first case asks."""

    names = [n for n, program in PROGRAMS if os.path.exists(program)]

    def __init__(self):
        self.log = self.records = None

    def run(self):
        top = "%s/hosttrail-late-%d" % (CGROUP2, os.getpid())
        os.mkdir(top)
        try:
            with tap.Workdir() as d, Paced(d) as web:
                self.watch(web, top)
        finally:
            os.rmdir(top)

    def watch(self, web, top):
        """A cgroup is recorded, because of a tree the threads that it has already are not."""
        made = clients(web)
        run = "echo $$ >%s/cgroup.procs; %s & wait" % (top, " & ".join(shlex.join(made[n]) for n in self.names))
        with Agent(["/bin/sh", "-c", run], scope="cgroup " + top[len(CGROUP2):], tls=True) as agent:
            agent.go()
            agent.wait(lambda: self.asked_enough(web), 60, "no requests")
            self.signal(agent, signal.SIGSTOP)
            agent.start()
            self.signal(agent, signal.SIGCONT)
            agent.tree.wait(100)
            agent.stop()
            self.written = str(agent.everything()[1]) + agent.log()
            self.records = [told(r) for r in agent.everything()[1] if r.ring_class == TLS and r.name != "TlsUnobserved"]
            self.log = [asked(e) for e in web.so_far()]

    def asked_enough(self, web):
        names = [name_of(e["path"]) for e in web.so_far()]
        return all(names.count(n) >= BEFORE * (CONNS if n in WAYS else 1) for n in self.names)

    def signal(self, agent, number):
        with open("/proc/%d/task/%d/children" % (agent.tree.pid, agent.tree.pid)) as f:
            for pid in f.read().split():
                os.kill(int(pid), number)

    def check(self, t, name):
        if self.log is None:
            self.run()
        ports = sorted({e[0] for e in self.log if name_of(e[2]) == name})
        t.equal(len(ports), CONNS if name in WAYS else 1, "connections")
        for port in ports:
            check_connection(t, [e for e in self.log if e[0] == port], [r for r in self.records if r[0] == port], name == "batch")


    def secrets(self, t):
        """What was told to find a list is in no record."""
        if self.log is None:
            self.run()
        t.ok(SECRET not in self.written and "b.late.test" in self.written, "a planted secret was written")


def runnables():
    late = Late()
    for name in late.names:
        def run(t, name=name):
            late.check(t, name)
        run.title = name
        yield run

    def secrets(t):
        late.secrets(t)
    yield secrets


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    if not os.path.exists("/usr/sbin/nginx") or not CGROUP2:
        print("1..0 # SKIP needs nginx, and cgroups of version 2")
        sys.exit(0)
    tap.main(list(runnables()))
