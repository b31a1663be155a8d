#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=70
"""What calls of known APIs are called: curl's requests as the APIs' references have them, and the AWS CLI's, to nginx on loopback, as records of
`hosttrail trace`. nginx's log says that they were made; planted secrets are in nothing that was written."""
import gzip
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers")]
import tap  # noqa: E402
import tlsweb  # noqa: E402

MARK, TOKEN = "S3CR3TPLANT", "rQ2vX8kLmN4pT7wZ9bYcD1"
JSON = ["-H", "content-type: application/json"]
# host, method, target, more of curl's arguments -> api, eventSource, eventName
CALLS = [
    ("10.0.0.1", "GET", "/api/v1/namespaces/d/pods?watch=true", [], "kubernetes", "core.k8s.io", "watch pods"),
    ("10.0.0.1", "POST", "/api/v1/namespaces/d/secrets", JSON + ["-d", '{"metadata":{"name":"%s"},"data":{"x":"%s"}}' % (MARK, MARK)],
     "kubernetes", "core.k8s.io", "create secrets"),
    ("10.0.0.1", "POST", "/api/v1/namespaces/d/pods/p/exec?command=mysql&command=-p" + MARK, [], "kubernetes", "core.k8s.io", "create pods/exec"),
    ("vault.test", "PUT", "/v1/secret/data/x", ["-H", "x-vault-token: " + MARK, "-d", '{"data":{"k":"%s"}}' % MARK], "vault", "vault", "update"),
    ("api.github.com", "PUT", "/repos/o/r/actions/secrets/S", ["-H", "authorization: token " + MARK], "github", "api.github.com",
     "PUT /repos/{owner}/{repo}/actions/secrets/{secret_name}"),
    ("git.test", "GET", "/a.git/info/refs?service=git-upload-pack", [], "git", "git.test", "GitFetch"),
    ("docker.test", "POST", "/v1.43/containers/create", JSON + ["-d", '{"Image":"i","Env":["PW=%s"],"HostConfig":{"Privileged":true}}' % MARK],
     "docker", "docker", "ContainerCreate"),
    ("registry.test", "PUT", "/v2/a/b/manifests/v1", [], "oci", "registry.test", "PushManifest"),
    ("management.azure.com", "DELETE", "/subscriptions/s/resourceGroups/g?api-version=1", [], "azure", "Microsoft.Resources",
     "Microsoft.Resources/subscriptions/resourceGroups/delete"),
    ("pubsub.googleapis.com", "POST", "/v1/projects/p/topics/t:publish?key=" + MARK, [], "google", "pubsub.googleapis.com", "topics.publish"),
    ("api.openai.com", "POST", "/v1/chat/completions", JSON + ["-H", "authorization: Bearer " + MARK, "-d",
     '{"model":"m","messages":[{"content":"%s"}]}' % MARK], "llm", "api.openai.com", "CreateChatCompletion"),
    ("rpc.test", "POST", "/", JSON + ["-d", '{"jsonrpc":"2.0","id":1,"method":"do.it","params":["%s"]}' % MARK], "jsonrpc", "rpc.test", "do.it"),
    ("rpc.test", "POST", "/", JSON + ["-H", "content-encoding: gzip", "--data-binary", "@packed"], "jsonrpc", "rpc.test", "pack.it"),
    ("graph.test", "POST", "/graphql", JSON + ["-d", '{"query":"mutation M { x }","variables":{"p":"%s"}}' % MARK], "graphql", "graph.test", "mutation M"),
    ("a.test", "GET", "/users/42?token=" + MARK, ["-H", "cookie: sid=" + MARK], "http", "a.test", "GET /users/{id}"),
    ("hooks.slack.com", "POST", "/services/T0/B0/" + TOKEN, ["-d", "text=" + MARK], "http", "hooks.slack.com", "POST /services/{id}/{id}/{id}"),
]


def arguments(port):
    """One curl for all: its command line is a file, as a secret in argv would be the shell's to tell."""
    lines = []
    for host, method, target, more, *_ in CALLS:
        lines += ["next", "insecure", "silent", "http1.1", 'output = "/dev/null"', 'request = "%s"' % method, 'url = "https://127.0.0.1:%d%s"' % (port, target),
                  'header = "host: %s"' % host]
        for option, value in zip(more[::2], more[1::2]):
            lines.append('%s = "%s"' % ({"-H": "header", "-d": "data", "--data-binary": "data-binary"}[option], value.replace("\\", "\\\\").replace('"', '\\"')))
    return "\n".join(lines[1:]) + "\n"


def names(t):
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        os.chdir(d)
        with open("packed", "wb") as f:
            f.write(gzip.compress(b'{"jsonrpc":"2.0","id":1,"method":"pack.it","params":["%s"]}' % MARK.encode()))
        with open(d + "/curl", "w") as f:
            f.write(arguments(web.port))
        status, err, records = tlsweb.trace(["curl", "-K", d + "/curl"], d + "/trail")
        log = web.log()
        t.equal([(e["method"], e["uri"]) for e in log], [(c[1], c[2]) for c in CALLS], "what nginx was asked")
        got = [(r["additionalEventData"].get("api"), r["eventSource"], r["eventName"]) for r in tlsweb.calls(records)]
        t.equal(got, [c[4:] for c in CALLS], "api, eventSource, eventName")
        with open(d + "/trail") as f:
            text = f.read()
        t.ok(MARK not in text and TOKEN not in text, "a planted secret was written: " + next((line for line in text.split("\n") if MARK in line or TOKEN in line), "")[:1500])
        t.ok('"requestParameters":{"resource":"secrets","namespace":"d","apiVersion":"v1"}' in text, "the secret's own record")
        t.ok('"responseElements":null' in text and err.rstrip().endswith("records, 0 lost"), err[-200:])


# the AWS CLI, a service of each of AWS's protocols -> eventSource, eventName, what must be in requestParameters
CLI = [
    ("sts assume-role --role-arn arn:aws:iam::123456789012:role/r --role-session-name sess", "sts", "AssumeRole", {"roleSessionName": "sess"}),     # query
    ("iam create-user --user-name alice", "iam", "CreateUser", {"userName": "alice"}),
    ("ec2 describe-instances --instance-ids i-0123456789abcdef0", "ec2", "DescribeInstances", None),                                                # ec2
    ("dynamodb describe-table --table-name table-of-test", "dynamodb", "DescribeTable", {"tableName": "table-of-test"}),                             # json 1.0
    ("kms describe-key --key-id alias/of-test", "kms", "DescribeKey", {"keyId": "alias/of-test"}),                                                   # json 1.1
    ("lambda get-function --function-name fn-of-test", "lambda", "GetFunction20150331v2", {"functionName": "fn-of-test"}),                           # rest-json
    ("s3api get-bucket-policy --bucket bucket-of-test", "s3", "GetBucketPolicy", {"bucketName": "bucket-of-test"}),                                  # rest-xml
    ("s3api delete-object --bucket bucket-of-test --key a/b", "s3", "DeleteObject", {"bucketName": "bucket-of-test", "key": "a/b"}),
]


def aws_cli(t):
    """Debian's, unmodified: it does not like nginx's answers, but asks as ever."""
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        script = "".join("/usr/bin/aws --no-verify-ssl --endpoint-url https://127.0.0.1:%d %s\n" % (web.port, c[0]) for c in CLI)
        env = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIAHOSTTRAILCLITEST", "AWS_SECRET_ACCESS_KEY": MARK, "AWS_MAX_ATTEMPTS": "1", "AWS_REGION": "eu-west-1",
               "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent", "PYTHONWARNINGS": "ignore"}
        status, err, records = tlsweb.trace(["/bin/sh", "-c", script + "exit 0"], d + "/trail", env=env)
        log, calls = web.log(), tlsweb.calls(records)
        t.equal((len(log), status), (len(CLI), 0), "requests that nginx was asked; " + err[-300:])
        t.equal([r["additionalEventData"]["tls"]["local"]["port"] for r in calls], [e["port"] for e in log], "each of them is a record, in order")
        t.equal([(r["eventSource"], r["eventName"]) for r in calls], [(s + ".amazonaws.com", n) for _, s, n, _ in CLI], "eventSource, eventName")
        for r, (what, _, _, want) in zip(calls, CLI):
            t.equal((r["eventType"], r["userIdentity"].get("accessKeyId"), r["awsRegion"]), ("AwsApiCall", "AKIAHOSTTRAILCLITEST", "eu-west-1"), what)
            got = r["requestParameters"] or {}
            t.ok(want is None or all(got.get(k) == v for k, v in want.items()), "%s: %r" % (what, got))
        with open(d + "/trail") as f:
            t.ok(MARK not in f.read(), "the secret key was written")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    if not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs nginx")
        sys.exit(0)
    tap.main([names] + ([aws_cli] if os.path.exists("/usr/bin/aws") else []))
