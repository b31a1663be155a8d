# SPDX-License-Identifier: Apache-2.0
"""CloudTrail records of hosts, as `hosttrail trace` writes them, and how to get them."""
import errno
import json
import os
import re
import subprocess
import sys

import tap
sys.path.append(os.path.join(tap.TOP, "tests"))
from sizes import size  # noqa: E402

RESULTS = ("fd", "pid", "bytes", "result", "key", "id", "address", "sid", "value")
LAST_LINE = re.compile(r"^hosttrail: (\d+) records, (\d+) lost$")


class Record:
    """One record, with the words that tests ask for."""

    def __init__(self, raw):
        self.raw = raw
        self.name, self.source = raw["eventName"], raw["eventSource"]
        self.request = raw.get("requestParameters") or {}
        self.response = raw.get("responseElements") or {}
        self.more = raw.get("additionalEventData") or {}
        self.process = self.more.get("process") or {}
        self.error = raw.get("errorCode")
        self.event_id = raw["eventID"]
        tid, dot, _ = (raw.get("requestID") or "").partition(".")
        self.tid = int(tid) if dot and tid.isdecimal() else None

    @property
    def pid(self):
        return self.process.get("pid")

    @property
    def executable(self):
        return (self.process.get("executable") or {}).get("path")

    @property
    def nanos(self):
        return int(self.more.get("eventTimeNanos", "0"))

    @property
    def repeats(self):
        """How many calls it stands for."""
        return int(self.more.get("repeatCount", 1))

    @property
    def call(self):
        """A call of a program, not one of the trail's own events."""
        return self.raw.get("eventType") == "HostApiCall"

    @property
    def abi(self):
        return self.more.get("abi", "native")

    @property
    def errno(self):
        return getattr(errno, self.error, None) if self.error else None

    def asked(self, field="path"):
        """The string that the program passed, whatever it turned out to be."""
        for name in ("requested" + field[0].upper() + field[1:], field):
            if name in self.request:
                return self.request[name]
        return None

    def __repr__(self):
        said = self.error or json.dumps(self.response)
        return "%s %s(%s) = %s" % (self.tid, self.name, json.dumps(self.request), said)


def each(path):
    """Records of a JSON Lines file, one at a time. A line that is not whole JSON is an error of the trail."""
    with open(path, "rb") as f:
        for line in f:
            yield Record(json.loads(line))


def load(path):
    return list(each(path))


class Trace:
    """What one run of `hosttrail trace` gave."""

    def __init__(self, records, recorded, lost, status, out, err):
        self.records, self.recorded, self.lost, self.status, self.out, self.err = records, recorded, lost, status, out, err

    def calls(self, *names):
        return [r for r in self.records if r.call and (not names or r.name in names)]

    def lost_events(self):
        return [r for r in self.records if r.name == "RecordsLost"]


def run(command, options=(), timeout=size("trace.patience"), load=load, **kw):
    """Runs command inside `hosttrail trace`. tap.Failed if the trace itself does not work.

    Without TLS capture, whose programs take as long to load as all others: that is what tests/live/tls_*.py and daemons are run with.
    """
    with tap.Workdir() as d:
        path = os.path.join(d, "trail")
        argv = [tap.program("hosttrail"), "trace", "--no-tls", "-o", path, *options, "--", *command]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           errors="replace", timeout=timeout, check=False, **kw)
        lines = p.stderr.splitlines()
        m = LAST_LINE.match(lines[-1]) if lines else None
        if not m:
            raise tap.Failed("hosttrail trace said at the end: %r (exit status %d)" % (lines[-3:], p.returncode))
        records = load(path)
        return Trace(records, int(m.group(1)), int(m.group(2)), p.returncode, p.stdout, "\n".join(lines[:-1]))
