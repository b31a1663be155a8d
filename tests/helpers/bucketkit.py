# SPDX-License-Identifier: Apache-2.0
"""Log files and digests as their readers see them: with Python's gzip, json and hashlib, and AWS's own validate-logs."""
import atexit
import contextlib
import datetime
import glob
import gzip
import json
import os
import re
import sqlite3
import subprocess
import zlib

from storekit import REGION
from tap import program

ACCOUNT = "000000000000"
LOG_NAME = re.compile(r"AWSLogs/(\d{12})/CloudTrail/([^/]+)/(\d{4})/(\d\d)/(\d\d)/\1_CloudTrail_\2_\3\4\5T\d{4}Z_[A-Za-z0-9]{16}\.json\.gz$")
DIGEST_NAME = re.compile(r"AWSLogs/(\d{12})/CloudTrail-Digest/([^/]+)/(\d{4})/(\d\d)/(\d\d)/\1_CloudTrail-Digest_\2_([^/]+)_([^/_]+)_"
                         r"\3\4\5T\d{6}Z\.json\.gz$")


def files(bucket, kind):
    """Paths of log files ("CloudTrail") or digests ("CloudTrail-Digest"), oldest first."""
    return sorted(p for p in glob.glob(os.path.join(bucket, "**", kind, "**", "*.json.gz"), recursive=True))


def one_member(path):
    """What the file holds; an error unless it is one gzip member and nothing else."""
    with open(path, "rb") as f:
        data = f.read()
    d = zlib.decompressobj(31)
    text = d.decompress(data) + d.flush()
    if not d.eof or d.unused_data:
        raise ValueError("%s: not one whole gzip member" % path)
    return text


def records(bucket):
    return [r for p in files(bucket, "CloudTrail") for r in json.loads(one_member(p))["Records"]]


def headers(path):
    with open(path + ".headers") as f:
        return dict(line.rstrip("\n").split(": ", 1) for line in f)


def everything(*categories):
    return [{"Name": c, "FieldSelectors": [{"Field": "eventCategory", "Equals": [c]}]} for c in categories or ("Management", "Data", "NetworkActivity")]


def data_path(d, port):
    """A folder for AWS_DATA_PATH that leads botocore's S3 to 127.0.0.1:port; Debian's CLI knows no other way."""
    parameters = {"Bucket": {"type": "String", "required": False, "documentation": ""},
                  "Region": {"builtIn": "AWS::Region", "type": "String", "required": False, "documentation": ""},
                  "UseFIPS": {"builtIn": "AWS::UseFIPS", "type": "Boolean", "required": True, "default": False, "documentation": ""},
                  "UseDualStack": {"builtIn": "AWS::UseDualStack", "type": "Boolean", "required": True, "default": False, "documentation": ""},
                  "Endpoint": {"builtIn": "SDK::Endpoint", "type": "String", "required": False, "documentation": ""},
                  "ForcePathStyle": {"builtIn": "AWS::S3::ForcePathStyle", "type": "Boolean", "required": True, "default": False,
                                     "documentation": ""}}
    auth = {"authSchemes": [{"name": "sigv4", "signingName": "s3", "signingRegion": "{Region}", "disableDoubleEncoding": True}]}
    rules = [{"conditions": [{"fn": "isSet", "argv": [{"ref": "Bucket"}]}], "type": "endpoint",
              "endpoint": {"url": "http://127.0.0.1:%d/{Bucket}" % port, "properties": auth, "headers": {}}},
             {"conditions": [], "type": "endpoint", "endpoint": {"url": "http://127.0.0.1:%d" % port, "properties": {}, "headers": {}}}]
    folder = os.path.join(d, "s3", "2006-03-01")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "endpoint-rule-set-1.json"), "w") as f:
        json.dump({"version": "1.0", "parameters": parameters, "rules": rules}, f)
    return d


def drained(d):
    """Has each trail that was stopped delivered all, its last digest too? By the store's own database."""
    with contextlib.closing(sqlite3.connect("file:%s/trails.db?mode=ro" % d, uri=True)) as db:
        return db.execute("SELECT (SELECT count(*) FROM spans WHERE stop > 0) + (SELECT count(*) FROM digests WHERE delivered = 0)").fetchone()[0] == 0


def validate(store, d, trail, start, end=None, port=None, environment=None, fresh=True, region=REGION, account=None):
    """Debian's aws cloudtrail validate-logs, as it is: (exit status, what it says). fresh: in a process of its own. region, account: whose
    files of a trail at home in REGION."""
    arn = "arn:aws:cloudtrail:%s:%s:trail/%s" % (REGION, ACCOUNT, trail)
    env = {**store.environment(), **(environment or {}), "AWS_DATA_PATH": data_path(os.path.join(d, "aws-data"), port or store.ports["api"])}
    args = ["cloudtrail", "validate-logs", "--endpoint-url", store.endpoint, "--region", region, "--trail-arn", arn, "--verbose",
            *(["--account-id", account] if account else []),
            "--start-time", iso(start), *(["--end-time", iso(end)] if end else [])]
    if not fresh:
        return in_loop(args, env)
    r = subprocess.run(["/usr/bin/aws", *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
    return r.returncode, r.stdout.decode()


LOOP = []


def in_loop(args, env):
    """The same program, started once (awsloop.py)."""
    if not LOOP:
        LOOP.append(subprocess.Popen(["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "awsloop.py")],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        atexit.register(LOOP[0].kill)
    print(json.dumps([args, env]), file=LOOP[0].stdin, flush=True)
    return tuple(json.loads(LOOP[0].stdout.readline()))


def instance(d):
    """Makes a store alone in d one that the command line finds, as d/instance."""
    os.makedirs(d + "/instance", exist_ok=True)
    for name, where in (("credentials", "credentials"), ("store", ".")):
        if not os.path.lexists(d + "/instance/" + name):
            os.symlink("../" + where, d + "/instance/" + name)


def verify(d, *args, environ=None):
    """hosttrail verify: (exit status, its faults, all it says)."""
    instance(d)
    r = subprocess.run([program("hosttrail"), "verify", "--dir", d + "/instance", "--format", "json", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={**os.environ, **(environ or {})})
    rows = [json.loads(line) for line in r.stdout.decode().splitlines() if line.startswith("{")]
    return r.returncode, [x["fault"] for x in rows if "fault" in x], r.stdout.decode()


def iso(seconds):
    return datetime.datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def rewrite_text(path, change):
    text = change(one_member(path))
    with open(path, "wb") as f:
        f.write(gzip.compress(text))


def append_member(path, text):
    with open(path, "ab") as f:
        f.write(gzip.compress(text))
