#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""TLS whose plaintext nobody can read is one TlsUnobserved record each, with who, whom, which name and why; what can be read, what is not HTTP, and
what failed is none. With HT_LONG=1 Java's own TLS, too."""
import json
import os
import re
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers")]
import tap  # noqa: E402

JAVA = """
import java.net.*; import java.security.cert.X509Certificate; import javax.net.ssl.*;
public class Get { public static void main(String[] a) throws Exception {
  SSLContext c = SSLContext.getInstance("TLS");
  c.init(null, new TrustManager[]{ new X509TrustManager() {
    public void checkClientTrusted(X509Certificate[] x, String y) {} public void checkServerTrusted(X509Certificate[] x, String y) {}
    public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; } } }, null);
  HttpsURLConnection.setDefaultSSLSocketFactory(c.getSocketFactory());
  HttpsURLConnection.setDefaultHostnameVerifier((h, s) -> true);
  try (var in = new URL(a[0]).openStream()) { in.readAllBytes(); } } }
"""


class Server:
    """openssl s_server, not recorded."""

    def __init__(self, d, *options):
        self.argv = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-key", d + "/key", "-cert", d + "/cert"] + list(options)

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            found = re.match(r"ACCEPT .*:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                return self
        raise tap.Failed("openssl s_server does not start")

    def __exit__(self, *args):
        self.process.kill()
        self.process.communicate()


def read(d):
    with open(d + "/records") as f:
        return [json.loads(line) for line in f]


def trace(t, d, script):
    out = subprocess.run([tap.program("hosttrail"), "trace", "-o", d + "/records", "--", "sh", "-c", script],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    t.ok(out.stderr.rstrip().endswith(" 0 lost"), out.stderr[-300:])
    return read(d)


def udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ports(records, program):
    """Of the connections that a program made: local ports of TlsUnobserved, by its path's end."""
    return [r for r in records if r["eventName"] == "TlsUnobserved" and r["additionalEventData"]["process"]["executable"]["path"].endswith(program)]


def unobserved(t):
    if os.geteuid():
        raise tap.Skip("needs root")
    with tap.Workdir() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d + "/key", "-out", d + "/cert", "-days", "2",
                        "-subj", "/CN=localhost"], check=True, stderr=subprocess.DEVNULL)
        with open(d + "/Get.java", "w") as f:
            f.write(JAVA)
        with Server(d, "-www", "-tls1_3") as new, Server(d, "-www", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") as old, Server(d, "-rev") as other:
            static = tap.BUILD + "/tests/workloads/statictls"
            library = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
            steps = ["%s %d hidden.example a" % (static, new.port),
                     "%s %d hidden.example b 3</dev/null 4</dev/null 5</dev/null" % (static, old.port),  # its socket is no. 6, not 3
                     "cp %s %s/has && %s/has %d mapped.example c %s" % (static, d, d, new.port, library),
                     "curl -sk https://localhost:%d/seen" % new.port,
                     "curl -s https://localhost:%d/refused" % new.port,                           # its certificate is nobody's: no data
                     "(echo hello; sleep 0.3; echo world; sleep 0.3) | timeout 10 openssl s_client -quiet -no_ign_eof -connect localhost:%d" % other.port]      # not HTTP
            # TLS over datagrams, both ends: neither
            steps.append("(sleep 3; echo) | timeout 6 openssl s_server -dtls -quiet -accept %(port)d -key %(d)s/key -cert %(d)s/cert > %(d)s/dtls & server=$!; sleep 0.5; "
                         "(echo hello; sleep 1) | timeout 3 openssl s_client -dtls -quiet -connect 127.0.0.1:%(port)d 2>/dev/null; kill $server; wait" % {"port": udp_port(), "d": d})
            if os.environ.get("HT_LONG") == "1":
                steps.append("java %s/Get.java https://localhost:%d/java" % (d, new.port))
            records = trace(t, d, "; ".join(steps))
        with open(d + "/dtls") as f:
            t.equal(f.read().strip(), "hello", "what went over DTLS")
        found = sorted(ports(records, "/statictls"), key=lambda r: r["serviceEventDetails"]["peer"]["port"] == old.port)  # as made
        t.equal([r["serviceEventDetails"].get("serverName") for r in found], ["hidden.example"] * 2, "server names")
        t.equal([r["serviceEventDetails"]["peer"] for r in found], [{"address": "127.0.0.1", "port": p} for p in (new.port, old.port)], "peers")
        t.equal([r["serviceEventDetails"]["role"] for r in found], ["client"] * 2, "roles")
        t.equal([r["serviceEventDetails"]["reason"] for r in found], ["NoKnownLibrary"] * 2, "reasons")
        t.equal([r["tlsDetails"]["tlsVersion"] for r in found], ["TLSv1.3", "TLSv1.2"], "versions")
        t.equal(found[1]["tlsDetails"]["cipherSuite"] if len(found) > 1 else None, "ECDHE-RSA-AES128-GCM-SHA256", "cipher suite")
        t.equal(len(set(r["additionalEventData"]["process"]["pid"] for r in found)), 2, "processes")
        has = ports(records, "/has")
        t.equal([(r["serviceEventDetails"]["serverName"], r["serviceEventDetails"]["reason"]) for r in has], [("mapped.example", "LibraryNotProbed")],
                "with a library that is known, and not used")
        java = ports(records, "/java")
        t.equal([r["serviceEventDetails"]["reason"] for r in java], ["NoKnownLibrary"] if os.environ.get("HT_LONG") == "1" else [], "Java")
        t.equal([r["serviceEventDetails"] for r in records if r["eventName"] == "TlsUnobserved" and r not in found + has + java], [], "of others")
        t.equal([r["requestParameters"]["path"] for r in records if r["eventType"] == "HostTlsApiCall"], ["/seen"], "API calls")


if __name__ == "__main__":
    tap.main([unobserved])
