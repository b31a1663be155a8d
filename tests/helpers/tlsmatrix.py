# SPDX-License-Identifier: Apache-2.0
"""Many clients against many servers over TLS, all of them in one trace, because loading the probes takes longer than most cases; and each
case's part of the servers' access logs and of the trail. A request's path begins with the name of its case.

    tlsmatrix.py PLAN: starts the servers of PLAN, runs its clients one after the other, ends the servers (that is what is traced).
"""
import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

TYPES = ("HostTlsApiCall", "AwsApiCall")
UNKNOWN = ("UnknownRequest", "UnknownMethod")
GO = "/usr/lib/go-1.19/bin/go"
SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "workloads/tls")
NGINX = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/nginx.pid; error_log %(dir)s/nginx.error;
events { worker_connections 512; }
http {
  log_format oracle escape=json '{"method":"$request_method","path":"$uri","status":$status,"port":$remote_port}';
  access_log %(dir)s/nginx.log oracle;
  client_body_temp_path %(dir)s/t1; proxy_temp_path %(dir)s/t2; fastcgi_temp_path %(dir)s/t3; uwsgi_temp_path %(dir)s/t4; scgi_temp_path %(dir)s/t5;
  client_max_body_size 0; keepalive_requests 1000000; keepalive_timeout 600; default_type text/plain;
  server {
    listen 127.0.0.1:%(port)d ssl http2; ssl_certificate %(dir)s/c.pem; ssl_certificate_key %(dir)s/k.pem;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on;
    location / { return 200 "hello\\n"; }
    location ~ /missing$ { return 404 "no\\n"; }
    location ~ /big$ { alias %(dir)s/big; }
  }
}
"""
# haproxy has one thread: of two that log at once, one may drop its line
HAPROXY = """
global
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  timeout client 60s
  timeout connect 60s
  timeout server 60s
  log global
frontend f
  bind 127.0.0.1:%(port)d ssl crt %(dir)s/ck.pem alpn h2,http/1.1
  log-format '{"method":"%%HM","path":"%%HPO","status":%%ST,"port":%%cp}'
  http-request return status 404 if { path_end /missing }
  http-request return status 200 content-type text/plain string "hello\\n"
"""

MODULES = ("mpm_event", "authz_core", "alias", "ssl", "http2")
APACHE = """
ServerRoot %(dir)s
ServerName localhost
PidFile %(dir)s/apache.pid
ErrorLog %(dir)s/apache.error
Listen 127.0.0.1:%(port)d
User www-data
Group www-data
KeepAliveTimeout 600
MaxKeepAliveRequests 0
LogFormat "{\\"method\\":\\"%%m\\",\\"path\\":\\"%%U\\",\\"status\\":%%>s,\\"port\\":%%{remote}p}" oracle
CustomLog %(dir)s/apache.log oracle
SSLEngine on
SSLCertificateFile %(dir)s/c.pem
SSLCertificateKeyFile %(dir)s/k.pem
Protocols h2 http/1.1
RedirectMatch 404 /missing$
AliasMatch ^/.*$ %(dir)s/hello
"""

# kind, if it is not that every request is there once: "load": made as fast as can be, so that entries may be lost; "first": runs of a program
# that nobody ran before; "copies": each has a library that nobody used before; "late": runs while it is found; "part": a library whose answers are not read;
# "silent": one that cannot be read, which is said.
Case = collections.namedtuple("Case", "name server argv requests needs kind", defaults=("", ""))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder + "/k.pem",
                    "-out", folder + "/c.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(folder + "/ck.pem", "w") as out:
        for name in ("/c.pem", "/k.pem"):
            with open(folder + name) as f:
                out.write(f.read())


def server(folder, name, build):
    """(port, argv) of a server that can run here, or None."""
    port, cert, key = free_port(), folder + "/c.pem", folder + "/k.pem"
    if name in ("nginx", "haproxy"):
        with open("%s/%s.conf" % (folder, name), "w") as f:
            f.write({"nginx": NGINX, "haproxy": HAPROXY}[name] % {"dir": folder, "port": port})
    if name == "apache":
        os.chmod(folder, 0o711)  # it gives its privileges up
        with open(folder + "/hello", "w") as f:
            f.write("hello\n")
        with open(folder + "/apache.conf", "w") as f:
            f.write("".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n" % (m, m) for m in MODULES) + APACHE % {"dir": folder, "port": port})
    argv = {
        "apache": ["/usr/sbin/apache2", "-DFOREGROUND", "-f", folder + "/apache.conf"],
        "nginx": ["/usr/sbin/nginx", "-c", folder + "/nginx.conf"],
        "haproxy": ["/usr/sbin/haproxy", "-db", "-f", folder + "/haproxy.conf"],
        "python": ["/usr/bin/python3", SOURCES + "/web.py", "serve", str(port), cert, key],
        "grpc": ["/usr/bin/python3", SOURCES + "/grpcweb.py", "serve", str(port), cert, key],
        "node": ["/usr/bin/node", SOURCES + "/web.js", "serve", str(port), cert, key],
        "go": [build + "/tls/web", "serve", "127.0.0.1:%d" % port, cert, key],
        "rust": [build + "/tls/web-rust", "serve", "127.0.0.1:%d" % port, cert, key],
    }[name]
    return (port, argv) if os.path.exists(argv[0]) else None


# ---- what is traced

def listening(port):
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nobody listens on port %d" % port)


def run_client(argv, name):
    begin = time.monotonic()
    with open(name + ".out", "w") as out, open(name + ".err", "w") as err:
        try:
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=300, check=False).returncode
        except subprocess.TimeoutExpired:
            code = "timeout"
    for what, value in (("rc", code), ("seconds", "%.2f" % (time.monotonic() - begin))):
        with open("%s.%s" % (name, what), "w") as f:
            f.write(str(value))


def run_plan(path):
    with open(path) as f:
        plan = json.load(f)
    os.chdir(plan["dir"])
    servers = []
    try:
        for name, (_, argv) in plan["servers"].items():
            with open(name + ".stdout", "w") as out, open(name + ".stderr", "w") as err:
                servers.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err))
        for port, _ in plan["servers"].values():
            listening(port)
        for name, argv in plan["clients"].items():
            run_client(argv, name)
    finally:
        for p in servers:
            p.send_signal(signal.SIGTERM)
        for p in servers:
            p.wait(60)


# ---- logs and records, as (client's port, server's port, method, path, status)

def log_lines(folder, name, port):
    path = "%s/%s.log" % (folder, name)
    with open(path if os.path.exists(path) else "%s/%s.stdout" % (folder, name)) as f:
        lines = [json.loads(line) for line in f if line.startswith("{")]
    for e in lines:
        client = e["port"] if "port" in e else int(e["client"].rsplit(":", 1)[1])
        if e["method"] == "<BADREQ>":	# haproxy's word for a connection that was closed before it asked
            e["method"], e["path"] = "UnknownRequest", None
        yield client, port, e["method"], e["path"], e["status"]


def seen(r):
    """(role, key) of a record."""
    a, q = r["additionalEventData"], r["requestParameters"] or {}
    tls = a["tls"]
    peer, local = tls.get("peer", {}).get("port"), tls.get("local", {}).get("port")
    method, path = r["eventName"].split(" ")[0], q.get("path")
    if method == "GitFetch" and q.get("step") == "refs":
        method, path = "GET", "/" + q["repository"] + "/info/refs"
    if a.get("api") == "grpc":
        method, path = "POST", "/%s/%s" % (q.get("service"), q.get("method"))
    role = tls.get("role")
    return role, ((peer, local) if role == "server" else (local, peer)) + (method, path, a.get("httpStatus"))


def pid(r):
    return r["additionalEventData"]["process"]["pid"]


def unobserved(r):
    """(role, ports) of a TlsUnobserved."""
    d = r.get("serviceEventDetails") or r["requestParameters"]
    ports = tuple(d.get(end, {}).get("port") for end in ("local", "peer"))
    return d.get("role"), ports[::-1] if d.get("role") == "server" else ports


def executed_for(r):
    """The case that a program was executed for: the first that its arguments name, by URL or path."""
    args = (r["requestParameters"] or {}).get("argv") if r["eventName"] in ("execve", "execveat") else None
    found = [re.search(r"^(?:https://[^/]*)?/([^/]+)/", a) for a in args or () if isinstance(a, str)]
    return [m.group(1) for m in found if m]


def text(path):
    if not os.path.exists(path):
        return ""
    with open(path, errors="replace") as f:
        return f.read()


def in_part(key):
    return None in key or key[2] in UNKNOWN


def matches(part, whole):
    return part[:2] == whole[:2] and part[2] in UNKNOWN + (whole[2],) and all(p in (None, w) for p, w in zip(part[3:], whole[3:]))


def differences(log, got):
    """(requests that are missing, records of none, how many records tell a part of a request)."""
    missing, more, parts = log - got, got - log, 0
    by_ports = collections.defaultdict(list)
    for key in missing:
        by_ports[key[:2]].append(key)
    for part in [k for k in more if in_part(k)]:
        for whole in by_ports[part[:2]]:
            n = min(missing[whole], more[part]) if matches(part, whole) else 0
            missing[whole] -= n
            more[part] -= n
            parts += n
    return +missing, +more, parts


def case_of(path):
    m = re.match(r"/([^/]*)/", path or "")
    return m.group(1) if m else None


if __name__ == "__main__":
    run_plan(sys.argv[1])
