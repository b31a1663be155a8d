# SPDX-License-Identifier: Apache-2.0
"""CloudWatch Logs for tests: PutLogEvents and CreateLogStream, with the limits that AWS documents, signatures checked by botocore's signer."""
import hashlib
import http.server
import json
import re
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials


class Refused(Exception):
    pass


class FakeLogs:
    def __init__(self, group, key_id, secret, region):
        self.group, self.key_id, self.region = group, key_id, region
        self.signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key_id, secret), "logs", region)
        self.streams = {}           # name: [(timestamp, message)]
        self.calls = []             # (operation, events)
        self.refuse = None          # (status, error)
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.handle(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def signature_is_good(self, r, body):
        m = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/logs/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$",
                     r.headers.get("Authorization", ""))
        if not m or (m[1], m[3]) != (self.key_id, self.region) or not {"host", "x-amz-date", "x-amz-target"} <= set(m[4].split(";")):
            return False
        if r.headers.get("x-amz-content-sha256", "") != hashlib.sha256(body).hexdigest():
            return False
        request = botocore.awsrequest.AWSRequest(method="POST", url="http://%s%s" % (r.headers["Host"], r.path), data=body,
                                                 headers={n: r.headers[n] for n in m[4].split(";")})
        request.context["timestamp"] = r.headers["x-amz-date"]
        text = self.signer.string_to_sign(request, self.signer.canonical_request(request))
        return self.signer.signature(text, request) == m[5]

    def handle(self, r):
        body = r.rfile.read(int(r.headers.get("Content-Length") or 0))
        with self.lock:
            try:
                status, answer = 200, self.answer(r, body)
            except Refused as e:
                status, answer = e.args[0], {"__type": "com.amazonaws.logs#" + e.args[1]}
        data = json.dumps(answer).encode()
        r.send_response(status)
        r.send_header("Content-Length", str(len(data)))
        r.end_headers()
        r.wfile.write(data)

    def answer(self, r, body):
        if not self.signature_is_good(r, body):
            raise Refused(400, "InvalidSignatureException")
        if self.refuse:
            raise Refused(*self.refuse)
        if r.headers.get("Content-Type") != "application/x-amz-json-1.1":
            raise Refused(400, "SerializationException")
        q, operation = json.loads(body), r.headers["X-Amz-Target"].replace("Logs_20140328.", "")
        self.calls.append((operation, len(q.get("logEvents", ()))))
        if q["logGroupName"] != self.group:
            raise Refused(400, "ResourceNotFoundException")
        if operation == "CreateLogStream":
            if q["logStreamName"] in self.streams:
                raise Refused(400, "ResourceAlreadyExistsException")
            self.streams[q["logStreamName"]] = []
            return {}
        if operation != "PutLogEvents":
            raise Refused(400, "UnknownOperationException")
        if q["logStreamName"] not in self.streams:
            raise Refused(400, "ResourceNotFoundException")
        times, sizes = [e["timestamp"] for e in q["logEvents"]], [len(e["message"].encode()) + 26 for e in q["logEvents"]]
        now = time.time() * 1000
        if not times or len(times) > 10000 or sum(sizes) > 1048576 or max(sizes) > 262144 or times != sorted(times) or \
                times[-1] - times[0] > 86400000:
            raise Refused(400, "InvalidParameterException")
        # as AWS: what is too old or too new is left out, and the call succeeds
        taken = [(e["timestamp"], e["message"]) for e in q["logEvents"] if now - 14 * 86400000 <= e["timestamp"] <= now + 7200000]
        self.streams[q["logStreamName"]] += taken
        return {"nextSequenceToken": "1", **({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 0}} if len(taken) != len(times) else {})}
