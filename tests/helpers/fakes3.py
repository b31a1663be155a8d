# SPDX-License-Identifier: Apache-2.0
"""An S3 endpoint for tests: one bucket in memory with versions, that checks each signature with botocore's signer and fails as it is told to."""
import base64
import hashlib
import http.server
import re
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials


class FakeS3:
    def __init__(self, bucket, key_id, secret, region):
        self.bucket, self.key_id, self.region = bucket, key_id, region
        self.signer = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(key_id, secret), "s3", region)
        self.versions = {}          # key: [(body, headers)]
        self.requests = []          # (method, path, status)
        self.faults = []            # what the next PUTs meet: a status, "cut" (kept, but no answer), "hang up" (neither)
        self.refuse = None          # (status, code): all requests, until it is None again
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                outer.handle(self)

            do_GET = do_PUT = do_HEAD = handle_any

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def signature_is_good(self, r, body):
        """As botocore would have signed what came."""
        m = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$",
                     r.headers.get("Authorization", ""))
        if not m or m[1] != self.key_id or m[3] != self.region:
            return False
        names = m[4].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names) or \
                any(n.lower().startswith("x-amz-") and n.lower() not in names for n in r.headers):
            return False
        if r.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return False
        request = botocore.awsrequest.AWSRequest(method=r.command, url="http://%s%s" % (r.headers["Host"], r.path), data=body,
                                                 headers={n: r.headers[n] for n in names})
        request.context["timestamp"] = r.headers["x-amz-date"]
        text = self.signer.string_to_sign(request, self.signer.canonical_request(request))
        return self.signer.signature(text, request) == m[5]

    def handle(self, r):
        body = r.rfile.read(int(r.headers.get("Content-Length") or 0))
        with self.lock:
            fault = self.faults.pop(0) if self.faults and r.command == "PUT" else None
            status, answer, headers = self.answer(r, body, fault)
            self.requests.append((r.command, r.path, status))
        if fault in ("cut", "hang up"):
            r.close_connection = True
            r.connection.close()
            return
        r.send_response(status)
        for n, v in headers.items():
            r.send_header(n, v)
        r.send_header("Content-Length", str(len(answer)))
        r.end_headers()
        if r.command != "HEAD":
            r.wfile.write(answer)

    def answer(self, r, body, fault):
        def error(status, code):
            return status, ("<?xml version=\"1.0\"?><Error><Code>%s</Code></Error>" % code).encode(), {}
        if not self.signature_is_good(r, body):
            return error(403, "SignatureDoesNotMatch")
        if self.refuse:
            return error(*self.refuse)
        if isinstance(fault, int):
            return error(fault, "SlowDown" if fault == 503 else "InternalError")
        if fault == "hang up":
            return 0, b"", {}
        _, bucket, *key = urllib.parse.unquote(r.path).split("/", 2)
        if bucket != self.bucket:
            return error(404, "NoSuchBucket")
        if not key:
            return 200, b"", {}
        if r.command == "PUT":
            if r.headers.get("Content-MD5") != base64.b64encode(hashlib.md5(body).digest()).decode():
                return error(400, "BadDigest")
            self.versions.setdefault(key[0], []).append((body, {n.lower(): v for n, v in r.headers.items()}))
            return 200, b"", {}
        if key[0] not in self.versions:
            return error(404, "NoSuchKey")
        data, sent = self.versions[key[0]][-1]
        return 200, data, {"ETag": '"%s"' % hashlib.md5(data).hexdigest(), **{n: v for n, v in sent.items() if n.startswith("x-amz-meta-")}}
