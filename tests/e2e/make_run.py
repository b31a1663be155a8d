#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""`hosttrail up --scope tree`, as `make run SCOPE=tree CMD=...` starts it, up to the unmodified AWS CLI that answers while
the command still runs; then what is left of it: nothing. Also that each of its programs comes back when killed."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import tlsweb  # noqa: E402
import upkit  # noqa: E402
from upkit import HOSTTRAIL, Up, check, pins  # noqa: E402


PAGED = 1000  # events, and more, behind one answer


def ask_while_it_runs(up, path):
    opened = up.wait_for(lambda: up.records("ResourceName=" + path), 30) or []
    check("aws lookup-events finds the open while the command runs", bool(opened), up.said())
    record = opened[0] if opened else {}
    check("it is a CloudTrail record of that open", record.get("eventName") == "openat" and
          record.get("requestParameters", {}).get("path") == path and record.get("eventSource") == "file.linux", str(record))
    check("it names a user", record.get("userIdentity", {}).get("type") not in (None, ""), str(record.get("userIdentity")))
    execs = [r for r in up.records("EventName=execve") if "argv" in r.get("requestParameters", {})]
    check("the command's execs are there", any("cat" in " ".join(r["requestParameters"]["argv"]) for r in execs), str(execs)[:2000])
    outside = "/tmp/ht-outside-%s" % uuid.uuid4().hex
    subprocess.run(["/bin/cat", outside], stderr=subprocess.DEVNULL, check=False)
    time.sleep(1.5)
    check("a call of a process outside the tree is not recorded", up.records("ResourceName=" + outside) == [])


def ask_inside_tls(up, web):
    """API calls inside TLS are recorded without anybody's settings."""
    found = up.wait_for(lambda: up.records("EventName=POST /made"), 30) or []
    told = [(r["eventType"], r["additionalEventData"]["tls"]["local"]["port"], r["additionalEventData"]["httpStatus"]) for r in found]
    check("an API call inside TLS is recorded, once", told == [("HostTlsApiCall", e["port"], e["status"]) for e in web.log()], str(found)[:2000])


def attributes(event):
    """What LookupEvents can ask of an event, as the event itself says it."""
    yield from ((key, event.get(key)) for key in ("EventId", "EventName", "ReadOnly", "Username", "EventSource", "AccessKeyId"))
    for resource in event.get("Resources", []):
        yield from (("ResourceType", resource["ResourceType"]), ("ResourceName", resource["ResourceName"]))


def ask_every_attribute(up, path):
    """By each key: all that a list of everything showed before, and nothing else."""
    one = (up.aws("--lookup-attributes", "AttributeKey=ResourceName,AttributeValue=" + path) or [None])[0]
    all_of_it = up.aws()
    check("aws lookup-events pages over more than 1,000 events", len(all_of_it) > PAGED, str(all_of_it)[:500])
    check("none of them twice", len({e["EventId"] for e in all_of_it}) == len(all_of_it))
    asked = dict(attributes(one), AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    check("the event has every attribute but an access key", len(asked) == 8 and all(asked.values()), str(asked))
    for key, value in asked.items():
        found = up.aws("--lookup-attributes", "AttributeKey=%s,AttributeValue=%s" % (key, value))
        known = {e["EventId"] for e in all_of_it if (key, value) in attributes(e)}
        check("by %s" % key, isinstance(found, list) and known <= {e["EventId"] for e in found} and
              all((key, value) in attributes(e) for e in found) and bool(found) == (key != "AccessKeyId"),
              "%s: %d known, %s" % (value, len(known), str(found)[:500]))
    for words, error in ((("--lookup-attributes", "AttributeKey=Nonsense,AttributeValue=x"), "InvalidLookupAttributesException"),
                         (("--max-results", "51", "--no-paginate"), "InvalidMaxResultsException"),
                         (("--next-token", "x", "--no-paginate"), "InvalidNextTokenException"),
                         (("--start-time", "2026-02-02", "--end-time", "2026-02-01"), "InvalidTimeRangeException")):
        said = up.aws(*words)
        check("%s is refused with %s" % (" ".join(words), error), isinstance(said, str) and error in said, str(said)[:500])


def ask_boto3(up):
    """The same pages by boto3, as another process, so that nobody's settings are used."""
    script = """
import boto3, sys
c = boto3.client("cloudtrail", endpoint_url=sys.argv[1], region_name="local")
ids = [e["EventId"] for p in c.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 50}) for e in p["Events"]]
print(len(ids), len(set(ids)))
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env.update(AWS_SHARED_CREDENTIALS_FILE=os.path.join(up.dir, "credentials"), AWS_CONFIG_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")
    r = subprocess.run(["/usr/bin/python3", "-c", script, "http://127.0.0.1:%d" % up.port()], env=env, capture_output=True, text=True, check=False)
    numbers = [int(x) for x in r.stdout.split()]
    check("boto3 pages over more than 1,000 events, none twice", r.returncode == 0 and numbers[0] > PAGED and numbers[0] == numbers[1],
          r.stdout + r.stderr)


def ask_with_hosttrail(up, path):
    r = up.hosttrail("lookup", "--attribute", "ResourceName=" + path, "--format", "json")
    check("hosttrail lookup", r.returncode == 0 and path in r.stdout, r.stdout + r.stderr)
    r = up.hosttrail("lookup", "--attribute", "ResourceName=" + path, "--format", "compact")
    check("hosttrail lookup, compact", r.returncode == 0 and "openat" in r.stdout and path in r.stdout, r.stdout + r.stderr)
    r = up.hosttrail("status", "--format", "json")
    programs = [json.loads(line) for line in r.stdout.splitlines()]
    check("hosttrail status: three programs are up", r.returncode == 0 and [p["up"] for p in programs] == [True] * 3,
          r.stdout + r.stderr)
    r = up.hosttrail("verify", "--format", "json")
    last = json.loads(r.stdout.splitlines()[-1]) if r.stdout else {}
    check("hosttrail verify finds no fault", r.returncode == 0 and last.get("faults") == 0 and last.get("frames", 0) > 0,
          r.stdout + r.stderr)
    r = up.hosttrail("lookup", "--attribute", "Nonsense=1")
    check("an error is one line, status 1", r.returncode == 1 and len(r.stderr.splitlines()) == 1, r.stderr)


SELECTORS = [  # each with what it means, written a second time
    ({"eventCategory": {"Equals": ["Management"]}}, lambda r: r["eventCategory"] == "Management"),
    ({"eventCategory": {"Equals": ["Data"]}, "path": {"StartsWith": ["/etc/"], "NotEndsWith": [".cache"]}, "readOnly": {"Equals": ["true"]}},
     lambda r: r["eventCategory"] == "Data" and r["readOnly"] and any(x.startswith("/etc/") for x in files(r)) and
     not any(x.endswith(".cache") for x in files(r))),
    ({"eventCategory": {"Equals": ["Data"]}, "errorCode": {"Equals": ["ENOENT"]}, "process.executable": {"EndsWith": ["/cat", "/sh", "/dash"]}},
     lambda r: r["eventCategory"] == "Data" and r.get("errorCode") == "ENOENT" and
     r["additionalEventData"]["process"]["executable"]["path"].endswith(("/cat", "/sh", "/dash"))),
]


def files(record):
    return ["/" + x["ARN"].split("/file/", 1)[1] for x in record.get("resources", []) if x["type"] == "Linux::File" and "/file/" in x["ARN"]]


def estimate(up):
    """The volume that `selectors check` tells, against a count of the records themselves before and after."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump([{"FieldSelectors": [dict(Field=k, **v) for k, v in fields.items()]} for fields, _ in SELECTORS], f)
        f.flush()
        wanted = []
        for _ in range(2):
            records = [json.loads(line) for line in up.hosttrail("lookup", "--max", "100000", "--format", "json").stdout.splitlines()]
            wanted.append([sum(bool(meant(r)) for r in records) for _, meant in SELECTORS] +
                          [sum(any(meant(r) for _, meant in SELECTORS) for r in records)])
            if len(wanted) == 1:
                r = subprocess.run([HOSTTRAIL, "selectors", "check", "--dir", up.dir, "--max", "100000", f.name],
                                   capture_output=True, text=True, check=False)
    told = [int(x) for x in re.findall(r"^  (\d+) of the \d+ newest records", r.stdout, re.M)]
    check("hosttrail selectors check counts what they select", r.returncode == 0 and len(told) == len(SELECTORS) + 1 and min(told) > 0 and
          all(a <= x <= b for a, x, b in zip(wanted[0], told, wanted[1])), "%s %s %s" % (wanted, told, r.stdout + r.stderr))


def kill_each(up):
    for name in ("hosttraild", "hosttrail-forward", "hosttrail-store"):
        before = up.pid(name)
        os.kill(before, signal.SIGKILL)
        after = up.wait_for(lambda: up.pid(name) not in (0, before) and up.hosttrail("status").returncode == 0, 30)
        check("%s comes back when it is killed" % name, bool(after), up.said())


def damage(up):
    """One bit of the journal on disk, behind the store's back."""
    journal = os.path.join(up.dir, "store", "journal")
    segment = os.path.join(journal, sorted(n for n in os.listdir(journal) if n.endswith(".jnl"))[0])
    with open(segment, "r+b") as f:
        f.seek(os.path.getsize(segment) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 4]))
    r = up.hosttrail("verify", "--format", "compact")
    check("hosttrail verify finds one flipped bit", r.returncode == 1 and "FAULT" in r.stdout and "0 faults" not in
          r.stdout.splitlines()[-1], r.stdout + r.stderr)


def self_test(up):
    """One call of each family is in the trail, marked, and the store says how long it took."""
    check("it says that each family's call was recorded", "families" in up.said(), up.said())
    found = up.wait_for(lambda: [r for r in up.records("EventName=setns") if r["additionalEventData"].get("selfTest") is True], 15)
    check("the self-test's setns is in the trail, marked", bool(found), str(up.records("EventName=setns"))[:2000])
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % up.port(), timeout=10) as f:
        m = dict(re.findall(r"^hosttrail_store_(canary_\w+) (\S+)$", f.read().decode(), re.M))
    check("the store's latency metric", int(m.get("canary_frames_total", 0)) > 0 and 0 < float(m["canary_latency_seconds"]) < 30, str(m))
    r = up.hosttrail("doctor", "--format", "json")
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    check("doctor lists the running agent's hooks and its self-test", r.returncode == 0 and
          {"agent: tp_btf/sys_exit", "agent: self-test"} <= {x["name"] for x in lines if x["on"]}, r.stdout + r.stderr)


def second_up(up):
    r = subprocess.run([HOSTTRAIL, "up", "--dir", up.dir], capture_output=True, text=True, check=False)
    check("a second `up` for the same directory is refused", r.returncode == 1 and "another" in r.stderr, r.stderr)


def run(folder):
    path = os.path.join(folder, "marked-%s" % uuid.uuid4().hex)
    with open(path, "w") as f:
        f.write("x\n")
    with tlsweb.Nginx(folder + "/web") as web:
        run_with(folder, path, web)


def run_with(folder, path, web):
    up = Up(folder, "cat %s /etc/debian_version; curl -sk -d x %s; %s %d 0 /none/paged" % (path, web.url("/made"), tap.workload("opens"), PAGED + 100))
    try:
        ready = up.wait_for(lambda: "self-test" in up.said() and os.path.exists(os.path.join(up.dir, "store/ports")))
        check("it starts, and its self-test passes", bool(ready), up.said())
        if ready:
            check("its pins are there", pins(up.dir))
            self_test(up)
            ask_while_it_runs(up, path)
            ask_inside_tls(up, web)
            ask_every_attribute(up, path)
            ask_boto3(up)
            ask_with_hosttrail(up, path)
            estimate(up)
            second_up(up)
            kill_each(up)
            damage(up)
    finally:
        names = ("hosttraild", "hosttrail-forward", "hosttrail-store")
        pids = [up.pid(n) for n in names]
        status = up.end()
    check("the exit status is the command's", status == 7, "status %s\n%s" % (status, up.said()))
    check("the live trail was printed", path in up.said().replace(path + ";", ""), up.said()[-2000:])
    check("no process is left", not any(p and os.path.exists("/proc/%d" % p) for p in pids))
    check("no pin is left", not pins(up.dir))


def slow_to_arrive(folder):
    """The self-test's calls are looked for since they were made, not since they are looked for."""
    up = Up(os.path.join(folder, "slow"), "true")
    try:
        forwarder = up.wait_for(lambda: up.pid("hosttraild") and up.pid("hosttrail-forward"))
        if forwarder:
            os.kill(forwarder, signal.SIGSTOP)
            up.wait_for(lambda: os.path.exists(os.path.join(up.dir, "run/hosttraild.sock")))
            time.sleep(5)
            os.kill(forwarder, signal.SIGCONT)
            up.wait_for(lambda: "self-test" in up.said())
    finally:
        status = up.end()
    check("a self-test whose records arrive after seconds passes", status == 7 and re.search(r"an exec after \d{4,} ms", up.said()), up.said())


def where_no_other_user_can_come(folder):
    """A checkout in /root: the instance directory becomes a link to one that the programs' users can reach."""
    closed = os.path.join(folder, "closed")
    os.mkdir(closed, 0o700)
    directory = os.path.join(closed, "run")
    r = subprocess.run(upkit.up(directory, "--quiet", "--scope", "tree", "--", "true"), capture_output=True, text=True, check=False,
                       stdin=subprocess.DEVNULL, timeout=60)
    check("it works in a directory that only root can enter", r.returncode == 0 and os.path.islink(directory), r.stdout + r.stderr)
    if os.path.islink(directory) and os.readlink(directory).startswith("/var/lib/hosttrail-run-"):
        shutil.rmtree(os.readlink(directory))


if __name__ == "__main__":
    upkit.main(run, slow_to_arrive, where_no_other_user_can_come)
