# SPDX-License-Identifier: Apache-2.0
"""API calls inside TLS in a guest: nginx on its loopback, whose log is the oracle, asked by clients of OpenSSL, GnuTLS and Go, also under a seccomp
filter that ends whoever makes the calls by which newer kernels return from probes; and by one that nobody can read.
Run by tls.py.
"""
import collections
import os
import subprocess

import tap
import tlsmatrix

PORT, PARALLEL, PLACE = 4433, 3, "/tls"
U = "https://127.0.0.1:%d" % PORT
CURL = "/bin/curl -sk"
CLIENTS = {  # name, where its paths begin -> (command, requests)
    "curl": (CURL + " --http1.1 --retry-connrefused --retry 60 --retry-delay 1 {u}/a {u}/b/missing", 2),  # nginx may only just have begun
    "curl-two": (CURL + " --http2 -Z {u}/a {u}/b {u}/c/missing", 3),
    "curl-filtered": ("/w/seccomp_noprobe %s --http1.1 {u}/a {u}/b" % CURL, 2),
    "curl-two-filtered": ("/w/seccomp_noprobe %s --http2 {u}/a {u}/b" % CURL, 2),
    "openssl": (r"printf 'GET /openssl/a HTTP/1.0\r\n\r\n' | /bin/openssl s_client -quiet -connect 127.0.0.1:%d" % PORT, 1),
    "wget": ("/bin/wget2 -q --no-check-certificate -O /dev/null {u}/a {u}/b", 2),
    "go": ("/bin/web get 1 4 %d {u}/a" % PARALLEL, 4 * PARALLEL),
    "go-two": ("/bin/web get 2 4 %d {u}/a" % PARALLEL, 4 * PARALLEL),
    "go-filtered": ("/w/seccomp_noprobe /bin/web get 1 2 1 {u}/a", 2),
    "statictls": ("/w/statictls %d hidden.example statictls/a" % PORT, 1),
}
UNREADABLE = ("statictls",)


def go_program(folder):
    """Stripped, as most are; None: there is no Go."""
    out = os.path.join(folder, "web")
    if not os.path.exists(tlsmatrix.GO):
        return None
    env = dict(os.environ, GOCACHE=os.path.join(tap.BUILD, "go-cache"), GO111MODULE="off", GOPATH=folder, CGO_ENABLED="0")
    r = subprocess.run([tlsmatrix.GO, "build", "-ldflags", "-s -w", "-o", out, tlsmatrix.SOURCES + "/web.go"], env=env, capture_output=True, text=True, check=False)
    if r.returncode:
        raise tap.Failed(r.stderr[-1000:])
    return out


def programs(folder):
    """(on the host, in the guest). wget is no applet of busybox's there."""
    found = [("/usr/sbin/nginx", "/bin/nginx"), ("/usr/bin/curl", "/bin/curl"), ("/usr/bin/openssl", "/bin/openssl"), ("/usr/bin/wget", "/bin/wget2"),
             (go_program(folder), "/bin/web")]
    return [(p, to) for p, to in found if p and os.path.exists(p)]


def clients(have):
    """Those that can run with these programs."""
    gone = {to for to in ("/bin/nginx", "/bin/curl", "/bin/openssl", "/bin/wget2", "/bin/web") if to not in {to for _, to in have}}
    return {} if "/bin/nginx" in gone else {n: c for n, c in CLIENTS.items() if not any(g in c[0] for g in gone)}


def script(names):
    lines = ["cd %s" % PLACE, "/bin/nginx -e %s/err -c %s/nginx.conf -g 'user root root;' &" % (PLACE, PLACE)]
    for n in names:
        lines.append("sh -c \"%s\" >/out/tls-%s.out 2>/out/tls-%s.err; echo $? >/out/tls-%s.rc" % (CLIENTS[n][0].format(u="%s/%s" % (U, n)), n, n, n))
    return "\n".join(lines + ["kill $(cat nginx.pid); wait", "cp nginx.log /out/nginx.log"]) + "\n"


def files(folder, names):
    """(on the host, in the guest): nginx's, and the script."""
    tlsmatrix.certificate(folder)
    for name, text in (("nginx.conf", tlsmatrix.NGINX % {"dir": PLACE, "port": PORT}), ("tls.sh", script(names))):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    return [(os.path.join(folder, n), "%s/%s" % (PLACE, n)) for n in ("nginx.conf", "tls.sh", "c.pem", "k.pem")]


def logged(done):
    with tap.Workdir() as d:
        with open(d + "/nginx.log", "wb") as f:
            f.write(done.files.get("nginx.log", b""))
        return list(tlsmatrix.log_lines(d, "nginx", PORT))


def check_calls(t, log, records):
    """Every request of nginx's log is there once for its client and once for the server; but for who is unreadable."""
    got = {"client": collections.Counter(), "server": collections.Counter()}
    for r in records:
        if r["eventType"] in tlsmatrix.TYPES:
            role, key = tlsmatrix.seen(r)
            got[role][key] += 1
    for role, want in (("server", log), ("client", [k for k in log if tlsmatrix.case_of(k[3]) not in UNREADABLE])):
        missing, more, parts = tlsmatrix.differences(collections.Counter(want), got[role])
        t.equal((list(missing.items())[:3], list(more.items())[:3], parts), ([], [], 0), "%s: missing, more, known in part of %d" % (role, len(want)))


def check_unreadable(t, records):
    said = [(r["serviceEventDetails"]["role"], r["serviceEventDetails"].get("serverName"), r["serviceEventDetails"]["reason"])
            for r in records if r["eventName"] == "TlsUnobserved"]
    t.equal(said, [("client", "hidden.example", "NoKnownLibrary")], "TlsUnobserved")


def check(t, done, records, names):
    if not names:
        raise tap.Skip("no nginx")
    log = logged(done)
    for n in names:
        job = done.job("tls-" + n)
        t.equal(job.rc, 0, "%s: %s" % (n, job.err[-300:]))
        t.equal(sum(tlsmatrix.case_of(k[3]) == n for k in log), CLIENTS[n][1], n + ": requests in nginx's log")
    check_calls(t, log, records)
    check_unreadable(t, records)
    t.note("%d requests of %s" % (len(log), ", ".join(names)))
