#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=60
"""Where a CA is set, only what it signed is trusted: not what one of the system's CAs has signed, for whom it may be. In a mount namespace
in which a CA of the test's is the system's only one."""
import ctypes
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap
from authority import Authority
from shipkit import Place
from storekit import Store

PLACE = Place("a")
S = {}


def system_trusts(ca):
    """In a mount namespace of our own from now on. False: we may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, ctypes.c_ulong(0x44000), None):
        return False
    d = PLACE.next("certs")
    os.makedirs(d)
    name = subprocess.run(["openssl", "x509", "-in", ca.path, "-noout", "-hash"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    for x in (name + ".0", "ca-certificates.crt"):
        with open(ca.path, "rb") as f, open(os.path.join(d, x), "wb") as to:
            to.write(f.read())
    return libc.mount(d.encode(), b"/etc/ssl/certs", None, ctypes.c_ulong(0x1000), None) == 0


class Server:
    """Whatever is asked, it is counted. Its certificate is of the system's CA."""

    def __init__(self, ca):
        self.requests, outer = [], self
        ca.issue(PLACE.dir + "/web", "127.0.0.1")

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                outer.requests.append((self.command, self.path))
                body = json.dumps({"Version": "the wrong one"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = answer

            def log_message(self, *args):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *args):  # a client that does not trust it hangs up
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PLACE.dir + "/web.crt", PLACE.dir + "/web.key")
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = "https://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def store(**settings):
    keys = {x: PLACE.pki.file(y) for x, y in (("ca", "ca.crt"), ("cert", "store.crt"), ("key", "store.key"))}
    return Store(PLACE.next("store"), ready=False, **keys, **settings)


def cluster(ca):
    return dict(engine="clickhouse", clickhouse_servers=[S["web"].url], **({"clickhouse_ca": ca} if ca else {}))


def without_one_the_systems_count(t):
    with store(**cluster(None)):
        t.ok(tap.wait_for(lambda: S["web"].requests), "a cluster's server is talked to")
    S["web"].requests.clear()


def a_clusters_server(t):
    with store(**cluster(S["other"].path)) as s:
        t.ok(tap.wait_for(lambda: "shows no certificate that clickhouse_ca vouches for" in s.stderr()), "it is said: %r" % s.stderr())
    t.equal(S["web"].requests, [], "nothing was sent to it")
    with store(**cluster(S["system"].path)):
        t.ok(tap.wait_for(lambda: S["web"].requests), "its own CA's certificate is good")
    S["web"].requests.clear()


def a_bucket(t):
    credentials = PLACE.next("s3")
    with open(os.open(credentials, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("[default]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n")
    how = "trail-logs %s region=local credentials=%s ca=%s" % (S["web"].url, credentials, S["other"].path)
    with store(buckets=[how], delivery_interval="1s") as s:
        s.until(lambda: s.get("/readyz")[0] == 200, "readiness")
        status, said = s.call("CreateTrail", {"Name": "far", "S3BucketName": "trail-logs"}, prefix="CloudTrail_20131101")
        t.ok(status == 400 and "certificate" in str(said), "no trail is made: %r" % said)
    t.equal(S["web"].requests, [], "nothing was sent to it")


def the_command_lines_store(t):
    for ca, status in ((S["other"], 1), (S["system"], 0)):
        d = PLACE.next("instance")
        for x in ("store", "pki"):
            os.makedirs(os.path.join(d, x))
        os.symlink(ca.path, d + "/pki/ca.crt")
        with open(os.open(d + "/credentials", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("[default]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n")
        with open(d + "/store/ports", "w") as f:
            f.write("api %d\ningest 1\ntls 1\n" % S["web"].server.server_port)
        r = subprocess.run([tap.program("hosttrail"), "lookup", "--dir", d], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        t.equal((r.returncode, bool(S["web"].requests)), (status, not status), r.stderr)


if __name__ == "__main__":
    try:
        S["system"], S["other"] = (Authority(PLACE.next("authority")) for _ in range(2))
        if not system_trusts(S["system"]):
            sys.exit(77)
        S["web"] = Server(S["system"])
        tap.main([without_one_the_systems_count, a_clusters_server, a_bucket, the_command_lines_store])
    finally:
        PLACE.end()
