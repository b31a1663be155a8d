#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=30
"""Secrets planted in every place of calls of every kind of API, over HTTP/1.1 and HTTP/2, and in their answers, are in nothing that the agent writes: not in
its frames (unpacked), its log at debug level, its status, what stands in its folder, nor in cores that a debugger takes; and, once the calls are
recorded, in no memory of its processes but the rings, which the kernel writes and use overwrites."""
import glob
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tlsmatrix  # noqa: E402
import tls_optout  # noqa: E402
import tlsweb  # noqa: E402

MARK, SHOWN = "S3CR3TPLANT", "shown-of-the-test"
FORM, JSON = "content-type: application/x-www-form-urlencoded", "content-type: application/json"
ANSWER = json.dumps({"access_token": MARK, "SecretString": MARK, "Plaintext": MARK, "data": {"password": MARK, "data": {"x": MARK}}, "token": MARK, "IdentityToken": MARK,
                     "message": MARK, "error_description": MARK, "auth": {"client_token": MARK}, "choices": [{"message": {"content": MARK}}],
                     "Credentials": {"SecretAccessKey": MARK, "SessionToken": MARK}, "errors": [{"message": MARK}], "metadata": {"annotations": {"x": MARK}}})


def amz(service, *more):
    return ["authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/%s/aws4_request, SignedHeaders=host, Signature=%s" % (service, MARK),
            "x-amz-security-token: " + MARK, *more]


def target(service, op):
    return amz(service, "content-type: application/x-amz-json-1.1", "x-amz-target: " + op)


def body(**members):
    return json.dumps(members)


# host, method, target, headers, body. AWS's own are answered well only: its error messages are recorded as CloudTrail has them.
AWS = [
    ("iam.amazonaws.com", "POST", "/", amz("iam", FORM), "Action=CreateLoginProfile&Version=2010-05-08&UserName=u&Password=" + MARK),
    ("iam.amazonaws.com", "POST", "/", amz("iam", FORM), "Action=CreateAccessKey&Version=2010-05-08&UserName=u"),
    ("sts.amazonaws.com", "POST", "/", amz("sts", FORM), "Action=AssumeRole&Version=2011-06-15&RoleArn=a&RoleSessionName=s"),
    ("sts.amazonaws.com", "POST", "/", [FORM], "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=a&WebIdentityToken=" + MARK),
    ("secretsmanager.eu-west-1.amazonaws.com", "POST", "/", target("secretsmanager", "secretsmanager.PutSecretValue"), body(SecretId="s", SecretString=MARK)),
    ("secretsmanager.eu-west-1.amazonaws.com", "POST", "/", target("secretsmanager", "secretsmanager.GetSecretValue"), body(SecretId="s")),
    ("ssm.eu-west-1.amazonaws.com", "POST", "/", target("ssm", "AmazonSSM.PutParameter"), body(Name="n", Value=MARK, Type="SecureString")),
    ("ssm.eu-west-1.amazonaws.com", "POST", "/", target("ssm", "AmazonSSM.SendCommand"), body(DocumentName="d", Parameters={"commands": [MARK]})),
    ("kms.eu-west-1.amazonaws.com", "POST", "/", target("kms", "TrentService.Encrypt"), body(KeyId="k", Plaintext=MARK)),
    ("kms.eu-west-1.amazonaws.com", "POST", "/", target("kms", "TrentService.Decrypt"), body(CiphertextBlob="x")),
    ("dynamodb.eu-west-1.amazonaws.com", "POST", "/", target("dynamodb", "DynamoDB_20120810.PutItem"), body(TableName="t", Item={"v": {"S": MARK}})),
    ("sns.eu-west-1.amazonaws.com", "POST", "/", amz("sns", FORM), "Action=Publish&Version=2010-03-31&TopicArn=t&Message=" + MARK),
    ("lambda.eu-west-1.amazonaws.com", "POST", "/2015-03-31/functions", amz("lambda", JSON), body(FunctionName="f", Environment={"Variables": {"PW": MARK}})),
    ("b.s3.eu-west-1.amazonaws.com", "PUT", "/k", amz("s3", "x-amz-server-side-encryption-customer-key: " + MARK, "x-amz-meta-pw: " + MARK), "content " + MARK),
    ("b.s3.amazonaws.com", "GET", "/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
     "&X-Amz-Signature=" + MARK + "&X-Amz-Security-Token=" + MARK, [], None),
]
OTHERS = [
    ("10.0.0.1", "POST", "/api/v1/namespaces/d/secrets", [JSON, "authorization: Bearer " + MARK], body(metadata={"name": MARK}, data={"x": MARK})),
    ("10.0.0.1", "GET", "/api/v1/namespaces/d/secrets/" + SHOWN, ["authorization: Bearer " + MARK], None),
    ("10.0.0.1", "POST", "/api/v1/namespaces/d/serviceaccounts/s/token", [JSON], body(spec={"audiences": [MARK]})),
    ("10.0.0.1", "POST", "/api/v1/namespaces/d/pods/p/exec?command=mysql&command=-p" + MARK, [], None),
    ("vault.test", "PUT", "/v1/secret/data/x", ["x-vault-token: " + MARK], body(data={"k": MARK})),
    ("vault.test", "POST", "/v1/auth/userpass/login/bob", ["x-vault-request: true"], body(password=MARK)),
    ("vault.test", "POST", "/v1/auth/token/lookup/" + MARK, ["x-vault-request: true"], None),
    ("docker.test", "POST", "/v1.43/auth", [JSON], body(username="u", password=MARK, serveraddress="r")),
    ("docker.test", "POST", "/v1.43/images/create?fromImage=i", ["x-registry-auth: " + MARK], None),
    ("docker.test", "POST", "/v1.43/containers/create", [JSON], body(Image="i", Env=["PW=" + MARK], Cmd=["x", "--password=" + MARK])),
    ("registry.test", "GET", "/v2/a/manifests/v1", ["authorization: Basic " + MARK], None),
    ("registry.test", "GET", "/token?service=r&scope=" + MARK, ["authorization: Basic " + MARK], None),
    ("login.test", "POST", "/oauth2/token", [FORM], "grant_type=password&client_secret=%s&code=%s&refresh_token=%s&password=%s" % ((MARK,) * 4)),
    ("api.github.com", "PUT", "/repos/o/r/actions/secrets/S", ["authorization: token " + MARK, JSON], body(encrypted_value=MARK)),
    ("git.test", "POST", "/a.git/git-receive-pack", ["authorization: Basic " + MARK, "content-type: application/x-git-receive-pack-request"], "pack " + MARK),
    ("storage.googleapis.com", "POST", "/upload/storage/v1/b/b/o?key=%s&access_token=%s" % (MARK, MARK), ["x-goog-api-key: " + MARK], MARK),
    ("oauth2.googleapis.com", "POST", "/token", [FORM], "assertion=" + MARK),
    ("management.azure.com", "POST", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a/listKeys?api-version=1", [], None),
    ("a.blob.core.windows.net", "PUT", "/c/b?sv=1&sig=" + MARK, [], MARK),
    ("api.openai.com", "POST", "/v1/chat/completions", [JSON, "authorization: Bearer " + MARK], body(model="m", messages=[{"role": "user", "content": MARK}])),
    ("api.anthropic.com", "POST", "/v1/messages", [JSON, "x-api-key: " + MARK], body(model="m", system=MARK, max_tokens=1, messages=[{"content": MARK}])),
    ("rpc.test", "POST", "/", [JSON], body(jsonrpc="2.0", id=1, method="do.it", params=[MARK])),
    ("graph.test", "POST", "/graphql", [JSON], body(query="mutation M { login(password: \"%s\") }" % MARK, variables={"p": MARK})),
    ("grpc.test", "POST", "/p.S/M", ["content-type: application/grpc", "authorization: Bearer " + MARK, "x-secret-bin: " + MARK], "message " + MARK),
    ("ws.test", "GET", "/socket?token=" + MARK, ["connection: Upgrade", "upgrade: websocket", "sec-websocket-protocol: " + MARK], None),
    ("a.test", "GET", "/%s/password=%s/x?q=%s&page=token%%3D%s" % (SHOWN, MARK, MARK, MARK), ["cookie: sid=" + MARK, "referer: https://u:%s@h/" % MARK], None),
    ("hooks.slack.com", "POST", "/services/T0/B0/" + MARK, [], "text=" + MARK),
]


class Telling(tlsweb.Nginx):
    """Every answer has secrets; who asks for it gets them as an error."""

    def __init__(self, folder):
        super().__init__(folder, http2=True)
        with open(folder + "/nginx.conf") as f:
            text = f.read()
        for path in ("/missing", "/files/", "/store/"):
            text = re.sub(r" *location %s \{.*\n" % path, "", text)
        text = text.replace('location / { return 200 "hello\\n"; }', "add_header set-cookie 'sid=%s' always; add_header x-auth-token '%s' always; default_type application/json;\n"
                            "    location / { if ($http_x_fail) { return 403 '%s'; } return 200 '%s'; }" % (MARK, MARK, ANSWER, ANSWER))
        with open(folder + "/nginx.conf", "w") as f:
            f.write(text)


def config(path, port, calls, *options):
    """A file for curl: in its command line they would be another matter."""
    def quoted(s):
        return s.replace("\\", "\\\\").replace('"', '\\"')
    lines = []
    for host, method, where, headers, data in calls:
        lines += ["next", "insecure", "silent", 'output = "/dev/null"', 'request = "%s"' % method, 'url = "https://127.0.0.1:%d%s"' % (port, where), 'header = "host: %s"' % host]
        lines += list(options) + ['header = "%s"' % quoted(h) for h in headers]
        lines += ['data-raw = "%s"' % quoted(data)] if data else []
    with open(path, "w") as f:
        f.write("\n".join(lines[1:]) + "\n")


def own_memory(pid):
    """All of a process's own memory: not the rings."""
    found = b""
    if not os.path.exists("/proc/%d/maps" % pid):
        return found
    with open("/proc/%d/maps" % pid) as f, open("/proc/%d/mem" % pid, "rb") as m:
        for line in f:
            at = re.match("([0-9a-f]+)-([0-9a-f]+) rw", line)
            if at and "bpf" not in line and "[v" not in line and int(at.group(2), 16) - int(at.group(1), 16) <= 1 << 28:
                m.seek(int(at.group(1), 16))
                try:
                    found += m.read(int(at.group(2), 16) - int(at.group(1), 16))
                except OSError:
                    pass
    return found


def around(text, what):
    at = text.find(what)
    return text[max(0, at - 200):at + 100]


def core(path, pid):
    """What a debugger takes of a process; some end when they have nothing to do."""
    r = subprocess.run(["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "gcore " + path], capture_output=True, text=True, timeout=60, check=False)
    if not os.path.exists(path):
        if os.path.exists("/proc/%d/maps" % pid):
            raise tap.Failed("gcore: " + r.stderr[-500:])
        return b""
    with open(path, "rb") as f:
        return f.read()


def calls_of(agent):
    return [r for r in agent.everything()[1] if r.ring_class == 3 and r.name != "TlsUnobserved"]


def nothing_tells_a_secret(t):
    n = 2 * (len(AWS) + len(OTHERS)) + len(OTHERS)
    with tap.Workdir() as d, Telling(d + "/web") as web:
        config(d + "/one", web.port, AWS + OTHERS, "http1.1")
        config(d + "/two", web.port, AWS + OTHERS, "http2")
        config(d + "/failing", web.port, OTHERS, "http1.1", 'header = "x-fail: 1"')
        script = "; ".join("curl -K %s/%s" % (d, name) for name in ("one", "two", "failing"))
        with tls_optout.Agent(["/bin/sh", "-c", script], selectors=None, log_level="debug") as a:
            a.start()
            a.go()
            a.tree.wait(60)
            t.equal(len(web.log()), n, "requests")
            a.wait(lambda: len(calls_of(a)) >= n, 20, "not all calls are recorded")
            pids, status = tls_optout.processes(a), json.dumps(a.status())
            time.sleep(0.5)  # its last pass may be going on
            for pid in pids:
                mine = own_memory(pid)
                t.ok(MARK.encode() not in mine, "in memory of %d: %r" % (pid, around(mine, MARK.encode())))
            t.ok(any(MARK.encode() in tls_optout.memory(pid) for pid in pids), "no plaintext was there at all: nothing is asked here")
            for pid in pids if os.path.exists("/usr/bin/gdb") else ():
                t.ok(MARK.encode() not in core("%s/core.%d" % (d, pid), pid), "in the core that gcore took of %d" % pid)
            a.stop()
            frames, _ = a.everything()
            told = "\n".join(str(f.message) for f in frames)
            t.ok(told.count(SHOWN) >= 3 and "HIDDEN_DUE_TO_SECURITY_REASONS" in told, "nothing is shown: nothing is asked here")
            for name, text in (("frames", told), ("log", a.log()), ("status", status)):
                t.ok(MARK not in text, "in %s: %s" % (name, around(text, MARK)))
            for path in glob.glob(a.dir + "/**", recursive=True):
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        t.ok(MARK.encode() not in f.read(), "in " + path)
        t.note("%d calls, %d bytes of records" % (n, len(told)))


# both ends of it, with marks that are in no file: lines, which are answered turned around
OTHER = """
import socket, ssl, sys, threading
mark = "%s"[::-1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/c.pem", sys.argv[1] + "/k.pem")
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    c = context.wrap_socket(listener.accept()[0], server_side=True)
    while line := c.recv(1000):
        c.sendall(line.strip()[::-1] + b"\\n")
threading.Thread(target=serve).start()
c = ssl._create_unverified_context().wrap_socket(socket.create_connection(listener.getsockname()))
for i in range(30):
    c.sendall(b"hello %%s\\n" %% mark.encode())
    print(c.recv(1000).decode().strip())
c.close()
"""


def what_is_no_http_stays_where_it_is(t):
    """A connection that begins otherwise, and is known from its handshake on: none of its bytes come out of the kernel, in either direction."""
    foreign = "F0REIGNMARK"
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        with open(d + "/one", "w") as f:
            f.write('insecure\nsilent\noutput = "/dev/null"\nheader = "x-y: %s"\nurl = "%s"\n' % (MARK, web.url("/seen")))
        with open(d + "/other.py", "w") as f:
            f.write(OTHER % foreign)
        script = "curl -K %s/one; /usr/bin/python3 %s/other.py %s/web >%s/answers" % (d, d, d, d)
        with tls_optout.Agent(["/bin/sh", "-c", script], selectors=None) as a:
            a.start()
            a.go()
            a.tree.wait(60)
            a.wait(lambda: calls_of(a), 20, "no call is recorded")
            read = b"".join(tls_optout.memory(pid) for pid in tls_optout.processes(a))
            a.stop()
            t.equal(tlsmatrix.text(d + "/answers").count(foreign), 30, "lines that the server answered")
            t.ok(MARK.encode() in read, "what is HTTP is read: else nothing is asked here")
            for mark in (foreign, foreign[::-1]):
                t.ok(mark.encode() not in read, "what is not HTTP is in the agent's memory: %s" % mark)
            t.equal([r.name for r in a.everything()[1] if r.ring_class == 3], ["GET /seen"], "records")


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs root and nginx")
        sys.exit(0)
    tap.main([nothing_tells_a_secret, what_is_no_http_stays_where_it_is])
