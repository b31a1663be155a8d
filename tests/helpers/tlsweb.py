# SPDX-License-Identifier: Apache-2.0
"""Servers over TLS on loopback, whose access log is the oracle; and what `hosttrail trace` recorded of API calls.

nginx writes one JSON object a request: that is somebody else's account of what was asked and answered, and from which port.
"""
import json
import os
import signal
import socket
import subprocess
import time

import tap

TYPES = ("HostTlsApiCall", "AwsApiCall")
CONF = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/pid; error_log %(dir)s/error.log;
events { worker_connections 512; }
http {
  log_format oracle escape=json '{"method":"$request_method","uri":"$request_uri","status":$status,"port":$remote_port,"own":$server_port,"sent":$body_bytes_sent,"proto":"$server_protocol"}';
  access_log %(dir)s/access.log oracle;
  client_body_temp_path %(dir)s/body; proxy_temp_path %(dir)s/proxy; fastcgi_temp_path %(dir)s/fastcgi; uwsgi_temp_path %(dir)s/uwsgi; scgi_temp_path %(dir)s/scgi;
  client_max_body_size 0; keepalive_requests 1000000; keepalive_timeout 600; default_type text/plain;
  server {
    listen 127.0.0.1:%(port)d ssl%(http2)s; ssl_certificate %(dir)s/c.pem; ssl_certificate_key %(dir)s/k.pem;
    location / { return 200 "hello\\n"; }
    location /missing { return 404 "no\\n"; }
    location /files/ { root %(dir)s; }
    location /store/ { client_body_in_single_buffer off; proxy_pass http://127.0.0.1:%(sink)d; }
  }
  server { listen 127.0.0.1:%(sink)d; access_log off; location / { return 201 "stored\\n"; } }
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder + "/k.pem", "-out", folder + "/c.pem",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Nginx:
    """with Nginx(folder) as web: web.port; web.log() what it served since the last time."""

    def __init__(self, folder, prefix=(), http2=False, env=None):
        self.dir, self.port, self.prefix, self.read, self.env = folder, free_port(), list(prefix), 0, env
        os.makedirs(folder + "/files", exist_ok=True)
        certificate(folder)
        with open(folder + "/nginx.conf", "w") as f:
            f.write(CONF % {"dir": folder, "port": self.port, "sink": free_port(), "http2": " http2" if http2 else ""})

    def __enter__(self):
        with open(self.dir + "/out", "w") as out:
            self.proc = subprocess.Popen(self.prefix + ["/usr/sbin/nginx", "-c", self.dir + "/nginx.conf"], stdout=out, stderr=out, env=self.env)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise tap.Failed("nginx does not listen: " + self.errors())

    def errors(self):
        return "".join(open(p).read()[-500:] for p in (self.dir + "/out", self.dir + "/error.log") if os.path.exists(p))

    def stop(self):
        if self.proc.poll() is None:
            with open(self.dir + "/pid") as f:
                os.kill(int(f.read()), signal.SIGTERM)
            self.proc.wait(60)

    def __exit__(self, *exc):
        self.stop()

    def url(self, path):
        return "https://127.0.0.1:%d%s" % (self.port, path)

    def log(self):
        time.sleep(0.05)
        with open(self.dir + "/access.log") as f:
            f.seek(self.read)
            lines = [json.loads(line) for line in f]
            self.read = f.tell()
        return lines


def trace(argv, out, *options, env=None, timeout=300):
    """(exit status, standard error, every record) of hosttrail trace."""
    r = subprocess.run([tap.program("hosttrail"), "trace", "-o", out, *options, "--"] + argv, capture_output=True, text=True,
                       timeout=timeout, env=env, check=False, errors="replace")
    with open(out) as f:
        return r.returncode, r.stderr, [json.loads(line) for line in f]


def calls(records):
    return [r for r in records if r["eventType"] in TYPES]


def seen(r, role):
    """A record as the server's log has it: port of the client, status, and method and path where the record shows them."""
    a = r["additionalEventData"]
    peer, local = a["tls"].get("peer", {}), a["tls"].get("local", {})
    ports = (local.get("port"), peer.get("port")) if role == "client" else (peer.get("port"), local.get("port"))
    path = (r["requestParameters"] or {}).get("path")
    return ports + (a.get("httpStatus"), r["eventName"].split(" ")[0] if path else None, path)


def compare(t, records, log, role, paths=True):
    """Every request of the log is a record, once, and no other is."""
    got = [seen(r, role) for r in records if r["additionalEventData"]["tls"].get("role") == role]
    want = [(e["port"], e["own"], e["status"]) + ((e["method"], e["uri"].split("?")[0]) if paths else ()) for e in log]
    got = sorted(map(str, (g if paths else g[:3] for g in got)))
    want = sorted(map(str, want))
    if got != want:
        missing, extra = list(want), []
        for g in got:
            missing.remove(g) if g in missing else extra.append(g)
        t.fail("%d records of %d requests; missing %s; more %s" % (len(got), len(want), missing[:3], extra[:3]))
    return len(got)
