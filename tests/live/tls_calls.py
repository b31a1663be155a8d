#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=900 long
"""API calls inside TLS, of real clients and servers on loopback: every request of the server's access log is a record, once, with method,
path, status, and both ports, and none is invented. Planted secrets are in nothing that was written."""
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tlsweb  # noqa: E402
from sizes import size  # noqa: E402

LONG = os.environ.get("HT_LONG") == "1"
PYTHON = "/usr/bin/python3"

URLLIB = "import ssl,sys,urllib.request as u\nfor p in sys.argv[1:]:\n u.urlopen(p,context=ssl._create_unverified_context()).read()"
ASYNCIO = """
import asyncio, ssl, sys
async def main(port):
    c = ssl._create_unverified_context()
    async def one(k):
        r, w = await asyncio.open_connection("127.0.0.1", port, ssl=c)
        for i in range(3):
            w.write(b"GET /asyncio/%c/%d HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n" % (97 + k, i)); await w.drain()
            await r.readuntil(b"hello\\n")
        w.close()
    await asyncio.gather(*[one(k) for k in range(4)])
asyncio.run(main(int(sys.argv[1])))
"""
NODE = """
const https = require("https"), agent = new https.Agent({keepAlive: true, maxSockets: 2});
let left = 6;
for (let i = 0; i < 6; i++)
  https.get({port: process.argv[1], host: "127.0.0.1", path: "/node/" + "abcdef"[i], agent, rejectUnauthorized: false},
    r => { r.resume(); r.on("end", () => { if (!--left) agent.destroy(); }); });
"""


def check_client(t, web, d, name, argv, paths=True, env=None, least=1):
    web.log()
    status, err, records = tlsweb.trace(argv, d + "/out", env=env)
    log = web.log()
    t.ok(len(log) >= least, "%s made %d requests: %s" % (name, len(log), err[-300:]))
    n = tlsweb.compare(t, tlsweb.calls(records), log, "client", paths)
    t.ok(err.rstrip().endswith("records, 0 lost"), "%s: %s" % (name, err[-200:]))
    t.note("%s: %d calls" % (name, n))


def clients(t):
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        u = web.url
        check_client(t, web, d, "curl", ["curl", "-sk", "--http1.1", u("/a/b?x=1"), u("/missing/c"), u("/d")], least=3)
        check_client(t, web, d, "curl, post", ["curl", "-sk", "--http1.1", "-d", "k=v", u("/store/x")])
        check_client(t, web, d, "openssl", ["sh", "-c", "printf 'GET /s/client HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -connect 127.0.0.1:%d" % web.port])
        if not LONG:  # one trace each; the others every day in one, with both ends recorded: tls_matrix.py
            return
        check_client(t, web, d, "wget", ["wget", "-q", "--no-check-certificate", "-O", "/dev/null", u("/w/a"), u("/w/b")], least=2)
        check_client(t, web, d, "python", [PYTHON, "-c", URLLIB, u("/py/a"), u("/py/b")], least=2)
        check_client(t, web, d, "asyncio", [PYTHON, "-c", ASYNCIO, str(web.port)], least=12)
        if shutil.which("node"):
            check_client(t, web, d, "node", ["node", "-e", NODE, str(web.port)], least=6)
        check_client(t, web, d, "git", ["git", "-c", "http.sslVerify=false", "ls-remote", u("/repo.git")], paths=False)


def http2(t):
    with tap.Workdir() as d, tlsweb.Nginx(d, http2=True) as web:
        check_client(t, web, d, "curl", ["curl", "-sk", "--http2", "-Z"] + [web.url("/h2/" + c) for c in "abcdefgh"], least=8)
        if LONG:
            check_client(t, web, d, "git", ["git", "-c", "http.sslVerify=false", "ls-remote", web.url("/repo.git")], paths=False)
        if LONG and shutil.which("h2load"):
            check_client(t, web, d, "h2load", ["h2load", "-n", "400", "-c", "4", "-m", "10", web.url("/load")], least=400)


def first_use(t):
    """A program that is the first and only user of its connection, many times."""
    n = size("tls.first_uses")
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        check_client(t, web, d, "curl after curl", ["sh", "-c", "for i in $(seq %d); do curl -sk --http1.1 %s; done" % (n, web.url("/first"))], least=n)


def begun_anew(t):
    """The first program at all that uses its library after the agent's start, as many times: each is seen, for the library was probed before."""
    n, seen = size("tls.first_users"), 0
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        for i in range(n):
            _, err, records = tlsweb.trace(["curl", "-sk", "--http1.1", web.url("/only/%d" % i)], d + "/out")
            found = [tlsweb.seen(r, "client") for r in tlsweb.calls(records)]
            want = [(e["port"], e["own"], e["status"], e["method"], e["uri"]) for e in web.log()]
            t.ok(len(want) == 1 and err.rstrip().endswith("records, 0 lost"), "%d: %r: %s" % (i, want, err[-200:]))
            seen += found == want
    t.equal(seen, n, "of %d first users so many were seen" % n)
    t.note("%d of %d were seen" % (seen, n))


def full_speed(t):
    n = size("tls.requests")
    if not shutil.which("h2load"):
        raise tap.Skip("no h2load")
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        check_client(t, web, d, "%d requests" % n, ["h2load", "--h1", "-n", str(n), "-c", "8", "-t", "2", web.url("/fast")], least=n)


def large_bodies(t):
    whole = size("tls.body_mib") << 20
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        with open(d + "/files/big", "wb") as f:
            f.truncate(whole)
        for name, argv, key in (("down", ["curl", "-sk", "--http1.1", "-o", "/dev/null", web.url("/files/big")], "bytesTransferredOut"),
                                ("up", ["curl", "-sk", "--http1.1", "-T", d + "/files/big", web.url("/store/big")], "bytesTransferredIn")):
            status, err, records = tlsweb.trace(argv, d + "/out")
            found = tlsweb.calls(records)
            t.equal(len(found), 1, name + ": calls")
            t.equal([r["additionalEventData"].get(key) for r in found], [whole], name + ": bytes")
            t.ok(err.rstrip().endswith(", 0 lost"), err[-200:])
            t.equal([k for r in found for k in ("truncated", "lengthUnknown") if k in r["additionalEventData"]], [], name + ": flags")


def served(t):
    with tap.Workdir() as d:
        web = tlsweb.Nginx(d, [tap.program("hosttrail"), "trace", "-o", d + "/records", "--"])
        with web:
            subprocess.run(["curl", "-sk", "--http1.1", web.url("/served/a"), web.url("/missing/b"), web.url("/served/c")], check=True, stdout=subprocess.DEVNULL)
            for i in range(3):
                subprocess.run(["wget", "-q", "--no-check-certificate", "-O", "/dev/null", web.url("/served/w/%c" % (97 + i))], check=True)
            web.stop()
            with open(d + "/records") as f:
                records = [json.loads(line) for line in f]
            n = tlsweb.compare(t, tlsweb.calls(records), web.log(), "server")
            t.equal(n, 6, "calls that nginx served")
            t.ok(all(r["sourceIPAddress"] == "127.0.0.1" for r in tlsweb.calls(records)), "sourceIPAddress of what is served is the peer's")


SECRETS = {"header": "c2VjcmV0LWhlYWRlci1WYWx1ZQ", "query": "qs-5ecretQuery7Value", "body": "b0dy-5ecretValue-91", "cookie": "ck-Sess10nSecret55",
           "basic": "dXNlcjpQYTU1dzByZC1wbGFudGVk", "answer": "answer-5ecret-44"}


def secrets(t):
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        with open(d + "/files/answer", "w") as f:
            f.write('{"token":"%s"}' % SECRETS["answer"])
        with open(d + "/curl.cfg", "w") as f:	# not in argv: that is another way to redact
            f.write('insecure\nhttp1.1\nsilent\noutput="/dev/null"\nheader="X-Api-Key: %(header)s"\nheader="Authorization: Basic %(basic)s"\n'
                    'header="Cookie: s=%(cookie)s"\nheader="Content-Type: application/json"\ndata="{\\"password\\":\\"%(body)s\\"}"\n' % SECRETS)
            f.write('url="%s"\nnext\ninsecure\nhttp1.1\nsilent\noutput="/dev/null"\nurl="%s"\n'
                    % (web.url("/store/login?access_token=" + SECRETS["query"]), web.url("/files/answer")))
        out = d + "/written"
        os.mkdir(out)
        status, err, records = tlsweb.trace(["curl", "-K", d + "/curl.cfg"], out + "/records")
        with open(out + "/stderr", "w") as f:
            f.write(err)
        t.equal(len(tlsweb.calls(records)), 2, "calls")
        for path in glob.glob(out + "/*"):
            with open(path, "rb") as f:
                text = f.read()
            for name, value in SECRETS.items():
                t.ok(value.encode() not in text, "the secret of %s is in %s" % (name, os.path.basename(path)))


def turned_off(t):
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        status, err, records = tlsweb.trace(["curl", "-sk", web.url("/off")], d + "/out", "--no-tls")
        t.equal(len(web.log()), 1, "requests")
        t.equal(tlsweb.calls(records), [], "API calls with --no-tls")
        t.ok(any(r["eventName"] == "connect" for r in records), "system calls are recorded all the same")


WEBSOCKET = r"""
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/c.pem", sys.argv[1] + "/k.pem")
listener = socket.create_server(("127.0.0.1", 0))
FRAME = b"\x81\x29GET /framed HTTP/1.1\r\nHost: framed.test\r\n\r\n"
def serve():
    c = context.wrap_socket(listener.accept()[0], server_side=True)
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += c.recv(65536)
    c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    for _ in range(20):
        c.recv(65536)
        c.sendall(FRAME)
threading.Thread(target=serve).start()
c = ssl._create_unverified_context().wrap_socket(socket.create_connection(listener.getsockname()))
c.sendall(b"GET /socket HTTP/1.1\r\nHost: chat.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: aGVsbG8=\r\nSec-WebSocket-Version: 13\r\n\r\n")
c.recv(65536)
for _ in range(20):
    c.sendall(FRAME)
    c.recv(65536)
"""


def websocket(t):
    """Its start is one call of each end; what looks like HTTP in its frames is none."""
    with tap.Workdir() as d:
        tlsweb.certificate(d)
        status, err, records = tlsweb.trace([PYTHON, "-c", WEBSOCKET, d], d + "/out")
        t.equal(status, 0, "exit status: " + err[-300:])
        got = tlsweb.calls(records)
        t.equal(sorted((r["eventSource"], r["eventName"], r["requestParameters"]["path"], r["additionalEventData"]["httpStatus"], r["additionalEventData"]["tls"]["role"]) for r in got),
                [("chat.test", "UpgradeToWebSocket", "/socket", 101, role) for role in ("client", "server")], "calls")
        t.ok("framed" not in json.dumps(got), "a frame was read")


GO = """package main
import ("crypto/tls"; "io"; "net/http"; "os"; "strconv"; "sync")
func main() {
	var w sync.WaitGroup
	n, _ := strconv.Atoi(os.Args[2])
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 8, ForceAttemptHTTP2: len(os.Args) > 3}}
	for g := 0; g < 16; g++ {
		w.Add(1)
		go func(g int) {
			defer w.Done()
			for i := 0; i < n; i++ {
				r, e := c.Get(os.Args[1] + "/go/" + string(rune('a'+g)))
				if e != nil { panic(e) }
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
		}(g)
	}
	w.Wait()
}
"""


def go_programs(t):
    """Goroutines that change threads, stripped and not, HTTP/1 and 2: nothing crashes, nothing is missed."""
    go = shutil.which("go") or "/usr/lib/go-1.19/bin/go"
    if not os.path.exists(go):
        raise tap.Skip("no Go")
    with tap.Workdir() as d, tlsweb.Nginx(d, http2=True) as web:
        os.mkdir(d + "/src")
        for name, text in (("main.go", GO), ("go.mod", "module storm\ngo 1.19\n")):
            with open(d + "/src/" + name, "w") as f:
                f.write(text)
        env = dict(os.environ, HOME=d, GOPATH=d + "/path", GOCACHE=d + "/cache")
        for name, flags in (("plain", []), ("stripped", ["-ldflags", "-s -w"])):
            subprocess.run([go, "build", "-o", d + "/" + name] + flags + ["."], cwd=d + "/src", env=env, check=True)
            check_client(t, web, d, "go, " + name, [d + "/" + name, web.url(""), "25"], least=400)
        check_client(t, web, d, "go, HTTP/2", [d + "/stripped", web.url(""), "10", "h2"], least=160)


def under_seccomp(t):
    """Where return probes would make a filter kill the program (6.11 and later without the repair) there are none; here it is not killed."""
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        filtered = tap.workload("seccomp_noprobe")
        status, err, records = tlsweb.trace([filtered, "curl", "-sk", "--http1.1", web.url("/filtered/a"), web.url("/filtered/b")], d + "/out")
        t.equal(status, 0, "exit status of curl: " + err[-200:])
        log = web.log()
        t.equal(len(log), 2, "requests")
        if "are not recorded" not in err:
            tlsweb.compare(t, tlsweb.calls(records), log, "client")


ATTACHES = re.compile(r"BPF_LINK_CREATE|BPF_RAW_TRACEPOINT_OPEN|BPF_PROG_ATTACH|BPF_OBJ_PIN|perf_event_open\(")


def explained(t):
    """`hosttrail doctor`: which instruction of which function, what it costs there, and who speaks TLS that nobody can read."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        silent = subprocess.Popen([tap.workload("statictls"), str(s.getsockname()[1]), "n", "p"])
        try:
            c, _ = s.accept()
            c.recv(1)  # it runs, and waits for an answer
            r = subprocess.run([tap.program("hosttrail"), "doctor"], capture_output=True, text=True, check=False)
            c.close()
        finally:
            silent.kill()
            silent.wait()
    found = {e["name"]: e for e in map(json.loads, r.stdout.splitlines())}
    mine = [e for name, e in found.items() if name.startswith("tls: ") and name.endswith("/x86_64-linux-gnu/libssl.so.3")]
    t.equal([(e["on"], e["stack"]) for e in mine], [(True, "openssl")], "libssl.so.3")
    sites = mine[0]["sites"] if mine else []
    t.ok({"entry", "return"} <= {x["kind"] for x in sites} and all(x["offset"] and x["symbol"] and x["instruction"] in ("nop", "emulated", "stepped") for x in sites), "%r" % sites)
    t.ok("ssl_read_internal" in "".join(x["symbol"] for x in sites if x["instruction"] == "emulated"), "reads are probed where it costs least: %r" % sites)
    unread = found.get("tls: " + os.path.realpath(tap.workload("statictls")))
    t.ok(unread and not unread["on"] and not unread["sites"] and "symbol" in unread["why"], "who speaks TLS by itself: %r" % unread)
    user = found.get("tls user: %d" % silent.pid)
    t.equal(user and (user["on"], user["command"], user["file"], user["why"]), (False, "statictls", os.path.realpath(tap.workload("statictls")), unread["why"]), "its process")


def dry_run(t):
    """Who has not written any settings yet wants to know, too."""
    no_file = not os.path.exists("/etc/hosttrail/hosttraild.yaml")
    r = subprocess.run([tap.program("hosttraild"), "--dry-run"], capture_output=True, text=True, check=False)
    t.equal((r.returncode, r.stderr), (0, ""), "without --config")
    t.ok(("no /etc/hosttrail/hosttraild.yaml: with the defaults" in r.stdout) == no_file and "/libssl.so.3\topenssl\t" in r.stdout, "without --config: " + r.stdout)
    r = subprocess.run([tap.program("hosttraild"), "--config", "/no/such/file", "--dry-run"], capture_output=True, text=True, check=False)
    t.ok(r.returncode == 1 and "/no/such/file" in r.stderr, "a file that is not there: " + r.stderr)
    with tap.Workdir() as d:
        with open(d + "/config", "w") as f:
            f.write("instance: dry-run-of-a-test\ntls_exclude_programs: [no-tool, /opt/x*]\ntls_exclude_users: [root]\n")
        watched = ["strace", "-f", "-e", "trace=bpf,perf_event_open", "-o", d + "/calls"]
        r = subprocess.run(watched + [tap.program("hosttraild"), "--config", d + "/config", "--dry-run"], capture_output=True, text=True, check=False)
        t.equal((r.returncode, r.stderr), (0, ""), "status, errors")
        with open(d + "/calls") as f:
            t.equal(ATTACHES.findall(f.read()), [], "calls that attach or pin")
        lines = [line.split("\t") for line in r.stdout.splitlines()]
        t.equal([x for x in lines if x[0].startswith("not recorded: TLS of ")][1:],
                [["not recorded: TLS of programs", "tls_exclude_programs: no-tool, /opt/x*"], ["not recorded: TLS of users", "tls_exclude_users: 0"]], "opted out")
        t.ok(lines[0][0] == "not recorded: TLS of browsers", "browsers: %r" % lines[0])
        t.ok([x for x in lines if "/libssl.so.3" in x[0] and x[1] == "openssl" and "probes" in x[2]], "libssl.so.3 would be probed: " + r.stdout)
        t.ok(re.fullmatch(r"\d+ files would be probed at \d+ places, \d+ not; nothing was attached", lines[-1][0]), "the last line: %r" % lines[-1])
        t.ok(not os.path.exists("/sys/fs/bpf/hosttrail/dry-run-of-a-test"), "it pinned something")


AWS = """
import sys, botocore.session, botocore.config
s = botocore.session.get_session()
s.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret-of-nobody-0123456789")
for service, op, args in [("s3", "list_buckets", {}), ("s3", "get_object", dict(Bucket="b", Key="k/x")), ("sts", "get_caller_identity", {}),
                          ("dynamodb", "list_tables", {}), ("ec2", "describe_instances", {}), ("lambda", "list_functions", {}), ("sqs", "list_queues", {})]:
    c = s.create_client(service, region_name="eu-west-3", endpoint_url=sys.argv[1], verify=False,
                        config=botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))
    try:
        getattr(c, op)(**args)
    except Exception as e:
        pass
"""
AWS_WANT = [("s3.amazonaws.com", "ListBuckets"), ("s3.amazonaws.com", "GetObject"), ("sts.amazonaws.com", "GetCallerIdentity"),
            ("dynamodb.amazonaws.com", "ListTables"), ("ec2.amazonaws.com", "DescribeInstances"), ("lambda.amazonaws.com", "ListFunctions20150331"),
            ("sqs.amazonaws.com", "ListQueues")]


def aws(t):
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        with open(d + "/aws.py", "w") as f:	# not in argv, where its secret key would be
            f.write(AWS)
        status, err, records = tlsweb.trace([PYTHON, "-W", "ignore", d + "/aws.py", web.url("")], d + "/out")
        got = tlsweb.calls(records)
        t.equal([(r["eventSource"], r["eventName"]) for r in got], AWS_WANT, "services and operations")
        t.equal({(r["eventType"], r["awsRegion"], r["userIdentity"].get("accessKeyId")) for r in got},
                {("AwsApiCall", "eu-west-3", "AKIAIOSFODNN7EXAMPLE")}, "type, region and key")
        with open(d + "/out") as f:
            t.ok("secret-of-nobody" not in f.read(), "the secret key was written")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    if not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs nginx")
        sys.exit(0)
    tap.main([clients, http2, first_use, begun_anew, full_speed, large_bodies, served, secrets, turned_off, aws, websocket, under_seccomp, explained, dry_run] + [go_programs] * LONG)
