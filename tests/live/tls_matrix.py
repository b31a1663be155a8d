#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=900 long later=40
"""Clients of many TLS libraries against servers of many, both ends recorded: every request of a server's access log is in the trail exactly
once for its client and once for its server, with method, path, status and both ports, and nothing else is. Under load answers are, byte for byte, what they
are without."""
import collections
import hashlib
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tlsmatrix  # noqa: E402
from sizes import size  # noqa: E402
from tlsmatrix import Case  # noqa: E402

PYTHON, NODE, W, B = "/usr/bin/python3", "/usr/bin/node", tlsmatrix.SOURCES, tap.BUILD + "/tls"
KEPT, LOAD, COPIES = size("tlsmatrix.kept"), size("tlsmatrix.load"), size("tlsmatrix.copies")
SAME = max(10, LOAD // 50)
BIG = hashlib.sha256(b"of 300,000 bytes").digest() * 9375	# nginx's file
OPEN = 100	# requests that load generators may have open when they stop
SERVERS = ("nginx", "haproxy", "apache", "python", "node", "go")
TWO = ("nginx", "haproxy", "apache", "node", "go")	# those that speak HTTP/2
LIBRARIES = {"many": "-lssl -lcrypto", "retry": "-lssl -lcrypto", "filtered": "", "wolf": "-lwolfssl", "mbed": "-lmbedtls -lmbedx509 -lmbedcrypto",
             "nss": "-l:libcurl-nss.so.4", "gnutls": "-lgnutls", "early": "-lssl -lcrypto", "ktls": "-lssl -lcrypto"}


def python(way, n, server="nginx", name=None, requests=None, module=None):
    return Case(name or "python-" + way, server, [PYTHON, W + "/web.py", way, str(n), "{u}/a"], requests or n, module and "/usr/lib/python3/dist-packages/" + module)


def curl(name, server, *options, paths=("/a", "/b/missing"), requests=None):
    return Case(name, server, ["/usr/bin/curl", "-sk", *options] + ["{u}" + p for p in paths], requests or len(paths))


CASES = [
    *[curl("curl-" + s, s, "--http1.1") for s in SERVERS],
    *[curl("curl-two-" + s, s, "--http2", "-Z", paths=("/a", "/b", "/c", "/d/missing")) for s in TWO],
    curl("curl-kept", "nginx", "--http1.1", paths=("/a?n=[1-%d]" % KEPT,), requests=KEPT),
    curl("curl-two-kept", "nginx", "--http2", paths=("/a?n=[1-%d]" % KEPT,), requests=KEPT),
    curl("curl-two-post", "node", "--http2", "-d", "k=v"),
    curl("curl-post", "go", "--http1.1", "-d", "k=v"),
    Case("wget", "nginx", ["/usr/bin/wget", "-q", "--no-check-certificate", "-O", "/dev/null", "{u}/a", "{u}/b"], 2),
    Case("git", "nginx", ["/usr/bin/git", "-c", "http.sslVerify=false", "ls-remote", "{u}/a.git"], 1),
    Case("git-one", "nginx", ["/usr/bin/git", "-c", "http.sslVerify=false", "-c", "http.version=HTTP/1.1", "ls-remote", "{u}/a.git"], 1),
    python("urllib", 3), python("kept", KEPT), python("pipelined", 20, requests=40), python("asyncio", 5, requests=20),
    python("pipelined", 20, "haproxy", "python-pipelined-haproxy", 40), python("requests", 3, module="requests"),
    python("aiohttp", 5, module="aiohttp"), python("httpx1", 3, module="httpx"), python("httpx2", 3, module="h2"),
    python("asyncio", 5, "go", "python-asyncio-go", 20), python("asyncio", 5, "python", "python-asyncio-python", 20),
    *[Case("node-" + v, "nginx", [NODE, W + "/web.js", "get", v[-1], "5", "{u}/a"], 5) for v in ("h1", "h2")],
    Case("node-node", "node", [NODE, W + "/web.js", "get", "2", "20", "{u}/a"], 20),
    *[Case("go-%s-h%s" % (s, v), s, [B + "/web", "get", v, "5", "4", "{u}/a"], 20) for s in SERVERS for v in "12" if s + v != "python2"],
    Case("go-stripped-first", "nginx", ["/bin/sh", "-c", "for i in $(seq 10); do %s/web-stripped get 1 1 1 {u}/a && sleep 0.3; done" % B], 10,
         B + "/web-stripped", kind="first"),
    *[Case("go-stripped-h%s" % v, "nginx", [B + "/web-stripped", "get", v, "5", "4", "{u}/a"], 20) for v in "12"],
    Case("ruby", "nginx", ["/usr/bin/ruby", W + "/web.rb", "5", "{u}/a"], 5),
    Case("php", "nginx", ["/usr/bin/php", W + "/web.php", "3", "{u}/a"], 3),
    Case("perl", "nginx", ["/usr/bin/perl", W + "/web.pl", "5", "127.0.0.1", "{port}", "{path}/a"], 5),
    Case("wolfssl", "nginx", [B + "/wolf", "5", "{port}", "{path}/a"], 5),
    Case("mbedtls", "nginx", [B + "/mbed", "5", "{port}", "{path}/a"], 5),
    Case("nss", "nginx", [B + "/nss", "5", "{u}/a"], 5),
    *[Case("gnutls-" + way, "nginx", [B + "/gnutls", way, "5", "{port}", "{path}/a"], 5, kind="part" if way == "packet" else "")
      for way in ("cork", "send2", "packet")],
    Case("early", "nginx", [B + "/early", "5", "{port}", "{path}/a"], 6),
    Case("ktls", "go", [B + "/ktls", "3", "{port}", "{path}/a"], 3),
    Case("pointers", "nginx", [B + "/many", str(size("tlsmatrix.pointers")), "{port}", "{path}/a"], size("tlsmatrix.pointers")),
    Case("retries", "go", [B + "/retry", str(4 << 20), "{port}", "{path}/a"], 1),
    Case("grpc", "grpc", [PYTHON, W + "/grpcweb.py", "get", "5", "{port}", "{dir}/c.pem", "{path}/Do"], 5, "/usr/lib/python3/dist-packages/grpc"),
    *[Case("seccomp-" + k, "nginx", [B + "/filtered", k, "/usr/bin/curl", "-sk", "{u}/a", "{u}/b"], 2) for k in ("kill", "errno")],
    Case("copies", "nginx", [W + "/first.sh", str(COPIES), "{dir}", "/usr/bin/curl", "-sk", "{u}/a"], COPIES, kind="copies"),
    *[Case("late-h" + v, "nginx", ["/bin/sh", "-c", "cp %s/web {dir}/late%s && {dir}/late%s get %s 40 1 {u}/a 50" % (B, v, v, v)], 40, B + "/web", "late")
      for v in "12"],
    *[Case("wrk-" + s, s, ["/usr/bin/wrk", "-d", "1s", "-c", "8", "-t", "2", "{u}/a"], 100, kind="load") for s in ("nginx", "go")],
    *[Case("h1load-" + s, s, ["/usr/bin/h2load", "--h1", "-n", str(LOAD), "-c", "4", "{u}/a"], LOAD, kind="load") for s in SERVERS if s != "python"],
    *[Case("same-" + s, s, [PYTHON, W + "/web.py", "same", str(SAME), "{u}/" + ("big" if s == "nginx" else "a")], 41 * SAME, "/usr/bin/h2load", "load")
      for s in ("nginx", "go", "node")],
    *[Case("h2load-" + s, s, ["/usr/bin/h2load", "-n", str(LOAD), "-c", "4", "-m", "10", "{u}/a"], LOAD, kind="load") for s in TWO],
]


def build(name, argv, source, env=None):
    """Compiles a client, if that can be done here and was not."""
    out = os.path.join(B, name)
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(source):
        subprocess.run([a.format(out=out) for a in argv], env=env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def build_all():
    os.makedirs(B, exist_ok=True)
    for name, libraries in LIBRARIES.items():
        source = "%s/%s.c" % (W, name)
        build(name, ["gcc", "-O1", "-D_GNU_SOURCE", "-o", "{out}", source] + libraries.split(), source)
    env = dict(os.environ, GOCACHE=os.path.join(tap.BUILD, "go-cache"), GO111MODULE="off", GOPATH=B, CGO_ENABLED="0")
    if os.path.exists(tlsmatrix.GO):
        build("web", [tlsmatrix.GO, "build", "-o", "{out}", W + "/web.go"], W + "/web.go", env)
        build("web-stripped", [tlsmatrix.GO, "build", "-ldflags", "-s -w", "-o", "{out}", W + "/web.go"], W + "/web.go", env)


class Matrix:
    """Runs when the first case asks, all that was asked for by then."""

    def __init__(self, cases):
        self.cases, self.error, self.logs, self.gone = cases, None, None, 0

    def possible(self, c):
        if c.server not in self.servers:
            return "no " + c.server
        for path in (c.argv[0], c.needs):
            if path and not os.path.exists(path):
                return "no " + path
        return None

    def client(self, c):
        port = self.servers[c.server][0]
        path = "/" + c.name
        return [a.format(dir=self.dir, u="https://127.0.0.1:%d%s" % (port, path), port=port, path=path) if "{" in a else a for a in c.argv]

    def run(self):
        build_all()
        with tap.Workdir() as d:
            self.dir = d
            tlsmatrix.certificate(d)
            with open(d + "/big", "wb") as f:
                f.write(BIG)
            found = {s: tlsmatrix.server(d, s, tap.BUILD) for s in {c.server for c in self.cases}}
            self.servers = {s: v for s, v in found.items() if v}
            clients = {c.name: self.client(c) for c in self.cases if not self.possible(c)}
            with open(d + "/plan", "w") as f:
                json.dump({"dir": d, "servers": self.servers, "clients": clients}, f)
            argv = [tap.program("hosttrail"), "trace", "-o", d + "/trail", "--", PYTHON, tlsmatrix.__file__, d + "/plan"]
            p = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
            if p.returncode:
                raise tap.Failed("status %d: %s" % (p.returncode, p.stderr[-1500:]))
            self.lost = int(re.search(r"(\d+) lost$", p.stderr.strip()).group(1))
            self.read(d)

    def read(self, d):
        self.unobserved, self.both = collections.Counter(), []
        logs, where, records = collections.defaultdict(collections.Counter), {}, collections.defaultdict(collections.Counter)
        for s, (port, _) in self.servers.items():
            for key in tlsmatrix.log_lines(d, s, port):
                logs[tlsmatrix.case_of(key[3])][key] += 1
                where[key[:2]] = tlsmatrix.case_of(key[3])
        silent, late = [], {c.name for c in self.cases if c.kind == "late"}
        of_pid, names, of_case = set(), {c.name for c in self.cases}, {}
        with open(d + "/trail") as f:
            for line in f:
                r = json.loads(line)
                of_case.update((tlsmatrix.pid(r), name) for name in tlsmatrix.executed_for(r) if name in names)
                if r["eventName"] == "TlsUnobserved":
                    silent.append(tlsmatrix.unobserved(r) + (tlsmatrix.pid(r),))
                elif r["eventType"] in tlsmatrix.TYPES:
                    role, key = tlsmatrix.seen(r)
                    name = tlsmatrix.case_of(key[3]) or of_case.get(tlsmatrix.pid(r)) or where.get(key[:2])
                    records[role, name][key] += 1
                    if name not in late:
                        of_pid.add((role, key[:2], tlsmatrix.pid(r)))
        self.unobserved.update((role, ports) for role, ports, _ in silent)
        # thousands of connections use ports again: whose it was says the process
        self.silent = [(ports, of_case.get(pid)) for role, ports, pid in silent if role == "client"]
        self.both = [u for u in silent if u in of_pid]	# by process, for thousands of connections use ports again
        self.logs, self.records, self.said = logs, records, {}
        for c in self.cases:
            self.said[c.name] = [tlsmatrix.text("%s/%s.%s" % (d, c.name, what)) for what in ("rc", "err", "out", "seconds")]

    def must_run(self):
        if self.logs is None and not self.error:
            try:
                self.run()
            except tap.Failed as e:
                self.error = str(e)
        if self.error:
            raise tap.Failed(self.error)

    def check(self, t, c):
        self.must_run()
        why = self.possible(c)
        if why:
            raise tap.Skip(why)
        status, err, out, seconds = self.said[c.name]
        log = self.logs[c.name]
        total = sum(log.values())
        t.ok(status in (("0", "128") if c.name.startswith("git") else ("0",)), "exit status %s: %s" % (status, err[-500:]))
        t.ok(total >= c.requests, "%d requests in the log, %d were made" % (total, c.requests))
        for role in ("client", "server"):
            if c.kind in ("first", "copies", "late", "part", "silent") and role == "client":
                getattr(self, "check_" + c.kind)(t, log, self.records[role, c.name], c)
            else:
                self.check_role(t, c, role, log, self.records[role, c.name])
        if c.name == "retries":
            t.ok(re.search("asked again [1-9]", out), out)
            t.note(out.strip())
        if c.name == "early":
            t.equal(out, "accepted early 5\n", "what the client says")
        if c.name == "ktls":
            t.note("bodies were encrypted " + out.strip())
        if c.name.startswith("same"):
            body = BIG if c.server == "nginx" else b"hello\n"
            answers = json.loads(re.search("^answers (.*)", out, re.M).group(1))
            t.equal(answers, [[200, len(body), hashlib.sha256(body).hexdigest(), SAME]], "what was answered")
            t.equal(re.findall(r"(\d+) succeeded", out), [str(20 * SAME)] * 2, "answers to the load generators")
        if c.kind == "load":
            t.note("%d requests in %s s: %s" % (total, seconds, " ".join(out.split())[-200:]))
            t.ok(not re.search("Socket errors|Non-2xx|[1-9][0-9]* (failed|errored|timeout)", out), out)

    def check_role(self, t, c, role, log, got):
        missing, more, parts = tlsmatrix.differences(log, got)
        if c.kind == "load":	# where pieces are lost, a request and its answer may be told apart
            parts += sum(n for key, n in more.items() if tlsmatrix.in_part(key))
            more = [(key, n) for key, n in more.items() if not tlsmatrix.in_part(key)]
        else:
            more = list(more.items())
        gone = sum(missing.values())
        self.gone += gone + parts
        text = "%s: of %d requests %d are missing, %d are known in part" % (role, sum(log.values()), gone, parts)
        t.ok(not more and (c.kind == "load" or not gone + parts), "%s; missing %s; more %s" % (text, list(missing.items())[:2], more[:2]))
        if gone + parts:
            t.note(text)

    def check_first(self, t, log, got, c):
        """A program that nobody ran before is probed soon after its first exec, and then for good."""
        self.check_copies(t, log, got, c)
        seen = "".join("01"[key in got] for key in log)
        t.ok(re.fullmatch("0*1+", seen), "one run after the other, recorded or not: " + seen)

    def check_copies(self, t, log, got, c):
        """Each is recorded, or said to be unobserved; or its answer is, where the library was probed between the two."""
        parts = {key for key in got if tlsmatrix.in_part(key)}
        said = {ports for ports, name in self.silent if name in (None, c.name)} | {key[:2] for key in parts}
        wrong = [(key, "both" if key in got else "neither") for key in log if (key in got) == (key[:2] in said)]
        # an answer whose bytes had been read before the library was probed: a record without its connection
        nowhere = sum(n for key, n in self.records["client", None].items() if key[:2] == (None, None))
        neither = [w for w in wrong if w[1] == "neither"]
        t.ok(len(neither) == len(wrong) and len(neither) <= nowhere,
             "neither recorded nor said to be unobserved, or both: %r; %d of nowhere; unobserved %r, in part %r" % (wrong, nowhere, self.silent, parts))
        t.ok(len(parts) <= max(2, len(log) // 10) and {key[:2] for key in parts} <= {key[:2] for key in log}, "known in part: %r" % parts)
        got = collections.Counter({key: n for key, n in got.items() if key not in parts})
        seen = "".join("01"[key in got] for key in log)
        t.ok(not got - log, "invented: %s" % (got - log))
        t.ok("1" in seen, "none was seen")
        t.note("of %d runs %d were missed: %s" % (len(seen), seen.count("0"), seen))

    def check_part(self, t, log, got, _):
        """Its answers are not read: each request is known, and no status."""
        t.equal(+got, collections.Counter({key[:4] + (None,): n for key, n in log.items()}), "records")

    def check_silent(self, t, log, got, _):
        """Nothing of it is recorded, and each of its connections is said to be unobserved."""
        t.ok(not got, "recorded: %s" % list(got.items())[:3])
        t.equal({key[:2] for key in log} - {ports for role, ports in self.unobserved if role == "client"}, set(), "connections of which nothing is said")

    def check_late(self, t, log, got, _):
        """What was said before the program was probed is not known: neither those requests nor what later ones refer to."""
        missing, more, parts = tlsmatrix.differences(log, got)
        t.ok(got and not more, "%d records; more %s" % (sum(got.values()), list(more.items())[:3]))
        t.note("of %d requests %d were missed, %d are known in part" % (sum(log.values()), sum(missing.values()), parts))

    def said_once(self, t):
        """What is recorded is not unobserved as well."""
        self.must_run()
        t.equal(self.both, [], "unobserved, but recorded")
        t.note("%d connections are said to be unobserved" % len(self.unobserved))

    def invented(self, t):
        """Behind all others. Clients that are stopped leave a request a connection open."""
        self.must_run()
        names = {c.name for c in self.cases}
        # an entry that was lost may have held many requests, and have parted later ones from their answers
        t.ok(self.gone <= OPEN or self.lost, "%d requests are missing or known in part, %d entries were lost" % (self.gone, self.lost))
        t.note("%d requests are missing or known in part, %d entries were lost" % (self.gone, self.lost))
        for (role, name), keys in self.records.items():
            keys = keys if name else keys - self.logs[None]	# what servers answered to nobody
            t.ok(not keys or (role in ("client", "server") and name in names), "%s of %s: %s" % (role, name, list(keys.items())[:3]))


def runnables(cases):
    chosen = [c for c in cases if len(sys.argv) < 2 or any(a in c.name for a in sys.argv[1:])]
    m = Matrix(chosen)
    for c in chosen:
        def run(t, c=c):
            m.check(t, c)
        run.title = c.name
        yield run

    def said_once(t):
        m.said_once(t)
    yield said_once

    def invented(t):
        m.invented(t)
    invented.title = "nothing invented, nothing lost" + "".join(" " + a for a in sys.argv[1:])
    yield invented


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main(list(runnables(CASES)))
