#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=50
"""API calls inside TLS, all the way: boto3 against an HTTPS endpoint in a recorded tree, found in the trail by the unmodified AWS CLI.

The endpoint's own log says what was called. Nothing that is secret is in any file that was written.
"""
import http.server
import os
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import upkit  # noqa: E402
from upkit import Up, check, pins  # noqa: E402

KEY, SECRET, TOKEN, PASSWORD = "ASIAHOSTTRAILE2ETEST", "planted-secret-key", "planted-session-token", "planted-password"
CLIENT = """
import boto3, botocore, sys, urllib3
urllib3.disable_warnings()
def client(name):
    return boto3.client(name, endpoint_url=sys.argv[1], region_name="eu-central-1", verify=False, aws_access_key_id="%s",
                        aws_secret_access_key="%s", aws_session_token="%s", config=botocore.config.Config(retries={"max_attempts": 1}))
def call(service, name, **parameters):
    try:
        getattr(client(service), name)(**parameters)
    except botocore.exceptions.ClientError as e:
        print(name, e.response["Error"]["Code"])
call("s3", "put_object", Bucket="bucket-of-e2e", Key="a/b.txt", Body=b"content")
call("s3", "delete_bucket", Bucket="bucket-of-e2e")
call("iam", "create_login_profile", UserName="alice", Password="%s")
call("dynamodb", "describe_table", TableName="table-of-e2e")
call("lambda", "list_functions")
""" % (KEY, SECRET, TOKEN, PASSWORD)
PROFILE = b'<CreateLoginProfileResponse><CreateLoginProfileResult><LoginProfile><UserName>alice</UserName></LoginProfile></CreateLoginProfileResult></CreateLoginProfileResponse>'
DENIED = b'{"__type":"AccessDeniedException","message":"no"}'
# what the endpoint was asked -> what CloudTrail calls it
CALLS = {  # EventName: (EventSource, ReadOnly)
    "DeleteBucket": ("s3.amazonaws.com", "false"), "PutObject": ("s3.amazonaws.com", "false"), "CreateLoginProfile": ("iam.amazonaws.com", "false"),
    "DescribeTable": ("dynamodb.amazonaws.com", "true"), "ListFunctions20150331": ("lambda.amazonaws.com", "true"),
}


class Endpoint(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = []

    def answer(self):
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        denied = "DescribeTable" in self.headers.get("X-Amz-Target", "")
        body = DENIED if denied else b'{"Functions":[]}' if self.command == "GET" else PROFILE if self.command == "POST" else b""
        self.log.append((self.client_address[1], self.command, self.path, 400 if denied else 200))
        self.send_response(400 if denied else 200)
        self.send_header("x-amzn-RequestId", "request-%d" % len(self.log))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, *_):
        pass


def endpoint(folder):
    """Runs outside of the recorded tree, so each call is seen once: by who made it."""
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def found_by_name(up):
    for name, (source, read_only) in CALLS.items():
        events = up.wait_for(lambda: up.aws("--lookup-attributes", "AttributeKey=EventName,AttributeValue=" + name), 20) or []
        check("%s is found, once" % name, len(events) == 1, "%r\n%s" % (events, up.said()[-1500:]))
        if len(events) == 1:
            check("%s: source, readOnly, access key" % name, (events[0]["EventSource"], events[0]["ReadOnly"], events[0].get("AccessKeyId")) == (source, read_only, KEY),
                  repr(events[0]))


def joined(up):
    """A record has the caller's identity, the endpoint's address, and what the answer said."""
    records = up.records("AccessKeyId=" + KEY)
    by_name = {r["eventName"]: r for r in records}
    check("by access key: the same five", sorted(by_name) == sorted(CALLS) and len(records) == len(CALLS), repr(sorted(by_name)))
    if sorted(by_name) != sorted(CALLS):
        return
    table, profile, put = by_name["DescribeTable"], by_name["CreateLoginProfile"], by_name["PutObject"]
    ports = {r["additionalEventData"]["tls"]["local"]["port"] for r in records}
    check("the connections are those of the endpoint's log", ports == {port for port, *_ in Endpoint.log}, "%r %r" % (ports, Endpoint.log))
    check("every request of the log is there", len(Endpoint.log) == len(records), repr(Endpoint.log))
    check("who: the interpreter that ran the client", {r["additionalEventData"]["process"]["executable"]["path"] for r in records}
          == {os.path.realpath("/usr/bin/python3")}, repr(records[0]["additionalEventData"]["process"]))
    check("one process made them all", len({r["additionalEventData"]["process"]["pid"] for r in records}) == 1)
    check("region", {r["awsRegion"] for r in records} == {"eu-central-1"}, repr([r["awsRegion"] for r in records]))
    check("an error's code", table.get("errorCode") == "AccessDeniedException", repr(table))
    check("request parameters", (table["requestParameters"], put["requestParameters"]["key"]) == ({"tableName": "table-of-e2e"}, "a/b.txt"), repr((table, put)))
    check("a password is hidden, whole", profile["requestParameters"] == {"userName": "alice", "password": "HIDDEN_DUE_TO_SECURITY_REASONS"}
          or profile["requestParameters"].get("password") == "HIDDEN_DUE_TO_SECURITY_REASONS", repr(profile["requestParameters"]))
    names = {r["eventName"] for r in up.records("ResourceName=arn:aws:s3:::bucket-of-e2e")}
    check("by the bucket's ARN", names == {"DeleteBucket", "PutObject"}, repr(names))


def no_secrets(directory):
    leaks = []
    os.unlink(os.path.join(directory, "client.py"))
    for folder, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                text = f.read()
            leaks += [(os.path.join(folder, name), s) for s in (SECRET, TOKEN, PASSWORD) if s.encode() in text]
    check("no file holds what is secret", leaks == [], repr(leaks))


def whole_way(folder):
    server, made, client = endpoint(folder), os.path.join(folder, "made"), os.path.join(folder, "client.py")
    with open(client, "w") as f:
        f.write(CLIENT)
    up = Up(folder, "/usr/bin/python3 %s https://127.0.0.1:%d; touch %s" % (client, server.server_address[1], made))
    try:
        check("the client made its calls", bool(up.wait_for(lambda: os.path.exists(made), 120)), up.said()[-2000:])
        if os.path.exists(made):
            found_by_name(up)
            joined(up)
    finally:
        status = up.end()
    check("it ends with its command", status == 7, "%d\n%s" % (status, up.said()[-1000:]))
    check("nothing stays in the kernel", not pins(up.dir))
    no_secrets(folder)
    server.shutdown()


if __name__ == "__main__":
    upkit.main(whole_way)
