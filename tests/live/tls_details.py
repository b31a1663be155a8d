#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""tlsDetails of API calls, made and served: version and cipher suite are what openssl s_server's own page says of the connection, for several
TLS libraries as clients; the server name is the one that was asked for."""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers")]
import tap  # noqa: E402

PYTHON = "/usr/bin/python3"
URLLIB = "import ssl,sys,urllib.request as u\nprint(u.urlopen(sys.argv[1],context=ssl._create_unverified_context()).read().decode())"
SERVERS = (
    ("a", ["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"]),
    ("b", ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-groups", "P-384"]),     # makes clients of X25519 try again
    ("c", ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"]),
    ("d", ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]),
    ("e", ["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"]),
    ("f", ["-tls1_2", "-cipher", "AES256-GCM-SHA384"]),
    ("g", ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA"]),
)
CLIENTS = {
    "curl": ["curl", "-sk", "--tls-max", "1.3", "https://localhost:{port}/{path}"],
    "wget": ["wget", "-q", "--no-check-certificate", "-O", "-", "https://localhost:{port}/{path}"],
    "python": [PYTHON, "-c", URLLIB, "https://localhost:{port}/{path}"],
    "openssl": ["sh", "-c", "printf 'GET /{path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' | openssl s_client -quiet -servername localhost -connect localhost:{port}"],
}


def driver(d):
    """Runs inside the trace: servers, and every client against each of them. What they said goes into files."""
    for name, options in SERVERS:
        server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-key", d + "/key", "-cert", d + "/cert"] + options,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            while True:
                line = server.stdout.readline()
                found = re.match(r"ACCEPT .*:(\d+)", line)
                if found or not line:
                    break
            for client, argv in CLIENTS.items():
                path = "%s-%s" % (client, name)
                with open("%s/%s.page" % (d, path), "w") as page:
                    subprocess.run([a.format(port=found.group(1), path=path) for a in argv], stdout=page, stderr=subprocess.DEVNULL,
                                   stdin=subprocess.DEVNULL, timeout=30, check=False)
        finally:
            server.kill()
            server.wait()


def told(d, path):
    with open("%s/%s.page" % (d, path)) as f:
        page = f.read()
    return tuple(re.search(r"%s\s*: (\S+)" % key, page).group(1) for key in ("Protocol", "Cipher "))


def details(t):
    if os.geteuid():
        raise tap.Skip("needs root")
    with tap.Workdir() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d + "/key", "-out", d + "/cert", "-days", "2",
                        "-subj", "/CN=localhost"], check=True, stderr=subprocess.DEVNULL)
        out = subprocess.run([tap.program("hosttrail"), "trace", "-o", d + "/records", "--", PYTHON, os.path.abspath(__file__), "driver", d],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        t.equal(out.returncode, 0, "trace: " + out.stderr[-300:])
        t.ok(out.stderr.rstrip().endswith(" 0 lost"), out.stderr[-200:])
        with open(d + "/records") as f:
            records = [json.loads(line) for line in f]
        calls = {}
        for r in records:
            if r["eventType"] == "HostTlsApiCall":
                tls = r["additionalEventData"]["tls"]
                calls.setdefault((r["requestParameters"]["path"].lstrip("/"), tls.get("role")), []).append(r)
        for name, _ in SERVERS:
            for client in CLIENTS:
                path = "%s-%s" % (client, name)
                version, cipher = told(d, path)
                for role in ("client", "server"):
                    found = calls.pop((path, role), [])
                    t.equal([r.get("tlsDetails", {}).get("tlsVersion") for r in found], [version], "%s, %s: version" % (path, role))
                    t.equal([r.get("tlsDetails", {}).get("cipherSuite") for r in found], [cipher], "%s, %s: cipher suite" % (path, role))
                    t.equal([r.get("tlsDetails", {}).get("clientProvidedHostHeader") for r in found], ["localhost"], "%s, %s: host" % (path, role))
                    t.equal([r["additionalEventData"]["tls"].get("serverName") for r in found], ["localhost"], "%s, %s: server name" % (path, role))
        t.equal(sorted(calls), [], "other calls")
        t.equal([r["serviceEventDetails"] for r in records if r["eventName"] == "TlsUnobserved"], [], "TlsUnobserved")


if __name__ == "__main__":
    if sys.argv[1:2] == ["driver"]:
        driver(sys.argv[2])
    else:
        tap.main([details])
