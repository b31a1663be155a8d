# SPDX-License-Identifier: Apache-2.0
"""A store alone, over a journal made beforehand (storekit.h says what is in it), and clients that ask it."""
import atexit
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import signal
import ssl
import subprocess
import time
import uuid

from tap import BUILD, Failed, program

KIT = os.path.join(BUILD, "tests/helpers/storekit")
SHIPKIT = os.path.join(BUILD, "tests/helpers/shipkit")
KEY_ID, SECRET, REGION = "HTAKTESTTESTTEST0001", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "local"
NAMES = ["openat", "unlinkat", "execve", "connect", "fchmodat", "getpriority", "PutObject"]
SOURCES = ["file.linux", "file.linux", "process.linux", "network.linux", "file.linux", "process.linux", "s3.amazonaws.com"]
READ_ONLY = [True, False, False, False, False, True, False]
MANAGEMENT = [False, False, True, False, True, True, False]
FILES = [True, True, True, False, True, False, False]


class Made:
    """What storekit fill wrote: record i's values follow from i."""

    def __init__(self, stream, count, base, step):
        self.stream, self.count, self.base, self.step = stream, count, base, step

    def time(self, i):
        return (int(self.base * 10**9) + i * self.step) // 10**9

    def event_id(self, i):
        value = int(self.stream[:14], 16) << 66 | 2 << 62 | (i % 4) << 50 | i
        top, middle, low = value >> 74, value >> 62 & 0xFFF, value & (1 << 62) - 1
        return str(uuid.UUID(int=top << 80 | 8 << 76 | middle << 64 | 2 << 62 | low))

    def users(self, i):
        return ["alice", "root"] if i % 11 == 10 else ["user%d" % (i % 11)]

    def path(self, i):
        return "/srv/d%d/f%d" % (i % 97, i % 100003) if FILES[i % 7] else None

    def matches(self, i, key, value):
        return {
            "EventId": lambda: self.event_id(i) == value,
            "EventName": lambda: NAMES[i % 7] == value,
            "ReadOnly": lambda: str(READ_ONLY[i % 7]).lower() == value,
            "Username": lambda: value in self.users(i),
            "ResourceType": lambda: FILES[i % 7] and value == "Linux::File",
            "ResourceName": lambda: self.path(i) == value,
            "EventSource": lambda: SOURCES[i % 7] == value,
            "AccessKeyId": lambda: i % 7 == 6 and value == "AKIA%d" % (i % 5),
        }[key]()

    def expected(self, key=None, value=None, start=None, end=None, management=False):
        """Numbers of the records that must be found, newest first."""
        return [i for i in range(self.count - 1, -1, -1)
                if (start is None or self.time(i) >= int(start)) and (end is None or self.time(i) <= int(end)) and
                (not management or MANAGEMENT[i % 7]) and (key is None or self.matches(i, key, value))]


def fill(d, count, base, step, per_frame=500, aged=False, segment=0):
    """aged: the store got each frame when its last record happened, not now. segment: bytes of a segment of the journal."""
    os.makedirs(d, exist_ok=True)
    out = subprocess.run([KIT, "aged" if aged else "fill", d, str(count), str(base), str(step), str(per_frame)], check=True, stdout=subprocess.PIPE,
                         env={**os.environ, **({"KIT_SEGMENT": str(segment)} if segment else {})})
    return Made(out.stdout.split()[0].decode(), count, base, step)


def frames(pki, host, count, base, step, per_frame=500, seed=0):
    """Frames with such records, as that host signs them; seed: records made by chance."""
    out = subprocess.run([KIT, "frames", pki.file(host + ".sign"), pki.ids[host], str(count), str(base), str(step), str(per_frame), str(seed)],
                         check=True, stdout=subprocess.PIPE).stdout
    made, at = [], 0
    while at < len(out):    # ten minutes of a bench are 600 MB: what is left must not be copied for each frame
        n = int.from_bytes(out[at:at + 4], "little")
        made.append(out[at + 4:at + 4 + n])
        at += 4 + n
    return made


def end(child):
    if child.poll() is None:
        child.kill()
        child.wait()


class Store:
    """hosttrail-store over d; d may hold a journal already."""

    def __init__(self, d, profiles="", environ=None, patience=120, ready=True, executable=None, **settings):
        """profiles: more lines of the credentials file; patience: seconds until it must be ready, if that is waited for; executable: what
        is run in place of the store's program."""
        self.dir, self.patience, self.executable = d, patience, executable or program("hosttrail-store")
        os.makedirs(os.path.join(d, "pki"), exist_ok=True)
        if not os.path.exists(os.path.join(d, "pki/ca.crt")):
            subprocess.run([SHIPKIT, "ca", os.path.join(d, "pki")], check=True)
            subprocess.run([SHIPKIT, "store", os.path.join(d, "pki"), "127.0.0.1"], check=True)
        self.credentials = os.path.join(d, "credentials")
        with open(os.open(self.credentials, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\nhosttrail_role = administrator\n%s" % (KEY_ID, SECRET, profiles))
        c = {"data_dir": d, "api_listen": "127.0.0.1:0", "ingest_listen": "127.0.0.1:0", "ca": d + "/pki/ca.crt",
             "cert": d + "/pki/store.crt", "key": d + "/pki/store.key", "credentials": self.credentials, "audit": "false", **settings}
        self.config = os.path.join(d, "store.yaml")
        with open(self.config, "w") as f:
            for k, v in c.items():
                f.write("%s:\n%s" % (k, "".join('  - "%s"\n' % x for x in v)) if isinstance(v, list) else '%s: "%s"\n' % (k, v))
        self.child = None
        self.environ = environ or {}
        self.start(ready)

    def start(self, wait=True):
        ports = os.path.join(self.dir, "ports")
        if os.path.exists(ports):
            os.unlink(ports)
        self.errors = open(os.path.join(self.dir, "stderr"), "ab")
        self.child = subprocess.Popen([self.executable, "--config", self.config], stderr=self.errors, env={**os.environ, **self.environ})
        atexit.register(end, self.child)  # where only some cases run, the last one, which stops it, may be left out
        self.until(lambda: os.path.exists(ports), "the ports file", self.patience)
        with open(ports) as f:
            self.ports = {line.split()[0]: int(line.split()[1]) for line in f}
        self.endpoint = "%s://127.0.0.1:%d" % ("https" if self.ports["tls"] else "http", self.ports["api"])
        if wait:
            self.until(lambda: self.get("/readyz")[0] == 200, "readiness", self.patience)

    def until(self, cond, what, seconds=30):
        end = time.monotonic() + seconds
        while not cond():
            if self.child.poll() is not None or time.monotonic() > end:
                raise Failed("no %s: %s" % (what, self.stderr()))
            time.sleep(0.02)

    def stderr(self):
        with open(os.path.join(self.dir, "stderr"), errors="replace") as f:
            return f.read()

    def connection(self, timeout):
        if self.ports["tls"]:
            context = ssl.create_default_context(cafile=self.dir + "/pki/ca.crt")
            return http.client.HTTPSConnection("127.0.0.1", self.ports["api"], timeout=timeout, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.ports["api"], timeout=timeout)

    def get(self, path, who=None):
        """who: a key and its secret, shown as they are (Basic)."""
        headers = {"Authorization": "Basic " + base64.b64encode(("%s:%s" % who).encode()).decode()} if who else {}
        c = self.connection(self.patience)
        try:
            c.request("GET", path, headers=headers)
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith("hosttrail_store_%s " % name):
                return int(line.split()[1])
        raise Failed("no metric " + name)

    def workers(self):
        """Processes that it made for queries, and that have not ended."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    state, parent = f.read().rsplit(")", 1)[1].split()[:2]
            except OSError:
                continue
            if int(parent) == self.child.pid and state != "Z":
                found.append(int(pid))
        return found

    def rss(self, alone=False):
        """Of all its processes, or of the store itself."""
        sums = {"VmRSS": 0, "VmHWM": 0}
        for pid in [self.child.pid, *([] if alone else self.workers())]:
            try:
                with open("/proc/%d/status" % pid) as f:
                    for line in f:
                        if line.startswith(("VmRSS", "VmHWM")):
                            sums[line.split(":")[0]] += int(line.split()[1]) * 1024
            except OSError:
                pass    # it has ended meanwhile
        return sums

    def open_files(self):
        """How many, of all its processes."""
        n = 0
        for pid in [self.child.pid, *self.workers()]:
            try:
                n += len(os.listdir("/proc/%d/fd" % pid))
            except OSError:
                pass
        return n

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.errors.close()

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(timeout=30)
            self.errors.close()
        return self.child.returncode

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.child.poll() is None:
            self.stop()

    # ---- asking

    def environment(self):
        return {**os.environ, "AWS_SHARED_CREDENTIALS_FILE": self.credentials, "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": "/nonexistent", "AWS_PAGER": "", **({"AWS_CA_BUNDLE": self.dir + "/pki/ca.crt"} if self.ports["tls"] else {})}

    def aws(self, *args, check=True, region=REGION):
        r = subprocess.run(["aws", "cloudtrail", *args, "--endpoint-url", self.endpoint, "--region", region, "--output", "json"],
                           env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if check and r.returncode:
            raise Failed("aws %s: %s" % (" ".join(args), r.stderr.decode()))
        return json.loads(r.stdout) if check else (r.returncode, r.stderr.decode())

    def boto(self, key_id=KEY_ID, secret=SECRET, region=REGION, **how):
        """how: of botocore's Config."""
        import boto3
        import botocore.config
        return boto3.client("cloudtrail", endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key_id,
                            aws_secret_access_key=secret, config=botocore.config.Config(**{"retries": {"max_attempts": 0}, **how}))

    def call(self, operation, body=None, prefix="Hosttrail_20261122", **how):
        """(status, answer) of a request that we sign ourselves, from AWS's description alone."""
        text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers, sent = sign(text, "%s.%s" % (prefix, operation), self.ports["api"], **how)
        c = self.connection(60)
        try:
            c.putrequest("POST", how.get("path", "/"), skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                c.putheader(name, value)
            c.putheader("Content-Length", str(len(sent)))
            c.endheaders(sent)
            r = c.getresponse()
            data = r.read()
            return r.status, json.loads(data) if data.startswith(b"{") else data
        finally:
            c.close()


def sign(body, target, port, key_id=KEY_ID, secret=SECRET, region=REGION, service="cloudtrail", when=None, scope_date=None,
         drop=(), unsigned=(), sent_body=None, changed=(), path="/", extra=(), authorization=None, date_header="X-Amz-Date"):
    """Headers and body of a signed request; each keyword spoils it in one way."""
    when = when or datetime.datetime.utcnow()
    amz = when.strftime("%Y%m%dT%H%M%SZ")
    date = when.strftime("%a, %d %b %Y %H:%M:%S GMT") if date_header == "Date" else amz
    headers = [("Host", "127.0.0.1:%d" % port), (date_header, date), ("X-Amz-Target", target),
               ("Content-Type", "application/x-amz-json-1.1"), *extra]
    signed = sorted({n.lower() for n, _ in headers} - {n.lower() for n in unsigned})
    values = {n: ",".join(" ".join(v.split()) for k, v in headers if k.lower() == n) for n in signed}
    uri, _, query = path.partition("?")
    canonical = "\n".join(["POST", uri, query, *("%s:%s" % (n, values[n]) for n in signed), "", ";".join(signed),
                           hashlib.sha256(body).hexdigest()])
    scope = "%s/%s/%s/aws4_request" % (scope_date or amz[:8], region, service)
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (amz, scope, hashlib.sha256(canonical.encode()).hexdigest())
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    auth = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (key_id, scope, ";".join(signed), signature)
    headers.append(("Authorization", auth if authorization is None else authorization(auth)))
    headers = [(n, dict(changed).get(n, v)) for n, v in headers if n not in drop]
    return headers, body if sent_body is None else sent_body
