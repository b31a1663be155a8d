#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=20
"""AWS calls of every protocol as boto3 makes them over TLS to an endpoint on loopback: two hundred operations and more, of twenty services and more, each is
a record, in order, of the connection that the endpoint's log has; and names, parameters, answers and errors are what botocore's models say (as
e2e/aws_models.py computes it of requests without a connection). Planted secrets are in nothing that was written.

    tls_boto3.py CALLS URL: makes the calls (that is what is traced)
"""
import collections
import http.server
import os
import pickle
import re
import ssl
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, ".."), os.path.join(HERE, "..", "e2e")]
import tap  # noqa: E402
from sizes import size  # noqa: E402

S3_CALLS, FAIL_EACH = 40, 5
SESSION, SECRET = "PLANTED-SECRET-of-a-session", "planted-secret-key"
UNSIGNED = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")  # by clients, whatever the model says
NUMBER = "x-number"  # of the call: which answer is its


# ---- what is traced

def make_calls(path, url):
    import boto3
    import botocore.config
    import urllib3
    urllib3.disable_warnings()
    with open(path, "rb") as f:
        calls = pickle.load(f)
    numbered, clients, config = {}, {}, botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=False, inject_host_prefix=False)
    for i, (service, name, params) in enumerate(calls):
        numbered[NUMBER] = str(i)
        if service not in clients:
            clients[service] = boto3.client(service, endpoint_url=url, region_name="eu-west-1", verify=False, aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
                                            aws_secret_access_key=SECRET, aws_session_token=SESSION, config=config)
            clients[service].meta.events.register_last("before-send.*", lambda request, **_: request.headers.update(numbered))
        try:
            getattr(clients[service], botocore.xform_name(name))(**params)
        except Exception as e:  # whatever an answer is to it: that it asked says the endpoint
            print(i, service, name, repr(e)[:200])


# ---- what must come out

Call = collections.namedtuple("Call", "service model op params want loose answer output failed")


def planned(port):
    """Calls whose service the signature alone says, as the endpoint's host does not; or a form. What takes a bearer's token (CodeCatalyst) boto3 does not
    ask for without one."""
    import aws_models
    import awsmodel
    import awss3
    names = collections.Counter(awsmodel.load(f).signing_name for f in awsmodel.services())
    for service, model, op, params, _ in aws_models.calls():
        if op.auth_type is None and names[model.signing_name] == 1 and model.signature_version != "bearer":
            yield service, model, op, params, aws_models.expected(service, model, op, params), ()
    model, every = awsmodel.load("s3"), list(awss3.calls())
    for op, params in aws_models.some(every, S3_CALLS):
        yield ("s3", model, op, params) + awss3.expected(op, params, "127.0.0.1:%d" % port)


def with_answers(calls):
    """One of FAIL_EACH fails. Where no answer can be made it is an empty one."""
    import aws_models
    import awsanswer
    import awsmodel
    import botocore.parsers
    for i, (service, model, op, params, want, loose) in enumerate(calls):
        protocol = model.metadata["protocol"]
        if i % FAIL_EACH == 0 and op.http["method"] != "HEAD" and service != "s3":
            yield Call(service, model, op, params, want, loose, aws_models.ERRORS[protocol], None, True)
            continue
        answer, output = (200, {}, b""), None
        try:
            made = awsmodel.Maker(service, answer=True).structure(op.output_shape, 0, False) if op.output_shape and service != "s3" else None
            if made is not None:
                answer = awsanswer.answer(model, op, made)
                output = made if awsanswer.parsed(model, op, *answer) == made else None
        except (awsmodel.Unmakeable, botocore.parsers.ResponseParserError):
            answer = (200, {}, b"")
        yield Call(service, model, op, params, want, loose, answer if output is not None else (200, {}, b""), output, False)


class Endpoint(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answered(self):
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.readline()
            self.rfile.readline()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = int(self.headers[NUMBER])
        status, headers, body = self.server.answers[number]
        scope = re.search("Credential=([^,]*)", self.headers.get("Authorization", ""))
        self.server.log.append((number, self.client_address[1], scope and scope[1].split("/")))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = answered

    def log_message(self, *_):
        pass


def endpoint(folder):
    import tlsweb
    tlsweb.certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/c.pem", folder + "/k.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.log, server.answers = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def check_request(t, c, r, scope, what):
    """scope: as the endpoint saw it. Version 2 has none, and the endpoint's name says no region: it is the host's."""
    import aws_models
    import awsmodel
    import awss3
    name = awss3.RENAMED.get(c.op.name, c.op.name) if c.service == "s3" else aws_models.names_of(c.service, c.op)
    t.equal((r["eventType"], r["eventSource"], r["awsRegion"], r["userIdentity"].get("accessKeyId")),
            ("AwsApiCall", awsmodel.source(c.model), scope[2] if scope else "local", None if c.op.name in UNSIGNED else awsmodel.KEY), what)
    t.equal(r["additionalEventData"].get("SignatureVersion"), "SigV4" if scope else None if c.op.name in UNSIGNED else "SigV2", what)
    t.ok(aws_models.same_name(c.service, r["eventName"], name), "%s: eventName %s" % (what, r["eventName"]))
    got = r["requestParameters"]
    t.equal(aws_models.strip(got or {}, c.want, c.loose) if c.service == "s3" else got, c.want, what + ": requestParameters")
    t.equal(r["readOnly"], awsmodel.aws_rules.read_only(c.service, c.op.name), what + ": readOnly")


def check_answer(t, c, r, what):
    import awsanswer
    import aws_models
    import awsmodel
    rules, have = awsmodel.aws_rules, r["responseElements"]
    if c.failed:
        code = "Client.AccessDenied" if c.service == "ec2" else "AccessDenied"
        t.equal((r.get("errorCode"), r.get("errorMessage"), r["requestID"], have), (code, "no & no", "r-1", None), what)
        return False
    if "x-amzn-RequestId" in c.answer[1]:
        t.equal(r["requestID"], awsanswer.REQUEST_ID, what + ": requestID")
    t.ok("errorCode" not in r, "%s: error %s" % (what, r.get("errorCode")))
    if rules.read_only(c.service, c.op.name) or rules.TOKEN_ANSWERS.fullmatch(c.service + ":" + c.op.name):
        t.equal(have, None, what + ": responseElements")
        return False
    if c.output is None:
        return False
    want = aws_models.without_payload(c.op, awsmodel.Expect(c.service).structure(c.op.output_shape, c.output))
    if c.service == "ec2":
        want = {"requestId": awsanswer.REQUEST_ID, **awsmodel.ExpectEc2(c.op).answer(c.op.output_shape, c.output)}
    t.ok((have or {}) == want or ((have or {}).get("omitted") and aws_models.part_of(have, want)), "%s: responseElements %r, not %r" % (what, have, want))
    return bool(want)


def every_call_is_its_record(t):
    import aws_models
    import tlsweb
    with tap.Workdir() as d:
        server = endpoint(d)
        port = server.server_address[1]
        calls = list(with_answers(aws_models.some(list(planned(port)), size("tlsboto3.operations"))))
        server.answers = [c.answer for c in calls]
        with open(d + "/calls", "wb") as f:
            pickle.dump([(c.service, c.op.name, c.params) for c in calls], f)
        os.mkdir(d + "/written")
        _, err, records = tlsweb.trace(["/usr/bin/python3", "-W", "ignore", os.path.abspath(__file__), d + "/calls", "https://127.0.0.1:%d" % port], d + "/written/trail",
                                       timeout=900)
        server.shutdown()
        with open(d + "/written/trail") as f:
            text = f.read()
        got, log = tlsweb.calls(records), server.log
        t.equal([n for n, _, _ in log], list(range(len(calls))), "calls that the endpoint was asked for: " + err[-500:])
        t.equal([r["additionalEventData"]["tls"]["local"]["port"] for r in got], [p for _, p, _ in log], "each of them is a record, in order")
        t.ok(err.rstrip().endswith(" 0 lost"), err[-200:])
        told = 0
        for (n, _, scope), r in zip(log, got):
            what = "%s %s" % (calls[n].service, calls[n].op.name)
            check_request(t, calls[n], r, scope, what)
            told += check_answer(t, calls[n], r, what)
        for secret in ("PLANTED-SECRET", SECRET):
            t.ok(secret not in text, "a planted secret was written: " + text[max(0, text.find(secret) - 300):][:400])
        t.must("sdb" in {calls[n].service for n, _, scope in log if not scope}, "no call has its signature in the form")
        services, protocols = {c.service for c in calls}, {c.model.metadata["protocol"] for c in calls}
        t.ok(len(calls) >= 200 and len(services) >= 20 and len(protocols) == 5, "%d operations of %d services" % (len(calls), len(services)))
        t.note("%d operations of %d services, %s; %d answers told" % (len(calls), len(services), ", ".join(sorted(protocols)), told))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        make_calls(*sys.argv[1:])
        sys.exit(0)
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([every_call_is_its_record])
