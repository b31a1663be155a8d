# SPDX-License-Identifier: Apache-2.0
"""A marked call to its answer in LookupEvents, one open client, while another host's frames arrive at a given rate."""
import os
import subprocess
import threading
import time
import uuid

import boto3
import botocore.config

import shipkit
import tap
from measure import Sample
from sizes import size


class Background(threading.Thread):
    """Another host: ships frames that were made beforehand, so many records a second."""

    def __init__(self, instance, rate, seconds):
        super().__init__(daemon=True)
        self.rate, self.stopping, self.sent, self.behind = rate, False, 0, 0.0
        self.records = max(1, min(rate // 10, 5000))
        self.pki = shipkit.Pki.__new__(shipkit.Pki)
        self.pki.dir, self.pki.ids = instance.path("pki"), {}
        name = "other-%d" % rate
        self.pki.host(name, host_id=str(uuid.uuid4()))
        count = max(1, int(rate * seconds / self.records))
        self.frames = self.pki.frames(name, shipkit.new_stream(), count=count, records=self.records)
        self.client = shipkit.Client(self.pki, name, ports(instance)["ingest"], shipkit.messages(instance.dir))

    def run(self):
        begin = time.monotonic()
        for i, frame in enumerate(self.frames):
            due = begin + i * self.records / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            if self.stopping:
                return
            self.client.ship(frame)
            self.sent += self.records
            self.behind = max(self.behind, time.monotonic() - due)


def ports(instance):
    with open(instance.path("store/ports")) as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


def api(instance):
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = instance.path("credentials")
    return boto3.client("cloudtrail", region_name="local", endpoint_url="http://127.0.0.1:%d" % ports(instance)["api"],
                        config=botocore.config.Config(retries={"max_attempts": 0}))


def one(client, work, path):
    """Seconds from the call to the first answer that holds it."""
    begin = time.monotonic()
    work.stdin.write(path + "\n")
    work.stdin.flush()
    while time.monotonic() < begin + 30:
        found = client.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": path}])
        if found["Events"]:
            work.stdout.readline()
            return time.monotonic() - begin
        time.sleep(0.002)
    raise tap.Failed("%s is not at the store after 30 s" % path)


def run(instance, say):
    n = size("bench.lookups")
    work = subprocess.Popen([tap.workload("opener")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        instance.configure("hosttraild", scope="tree %d" % work.pid)
        instance.start_all()
        client = api(instance)
        one(client, work, instance.path("first"))
        for rate in size("bench.background_rates"):
            background = Background(instance, rate, n * 0.3 + 5)
            begin = time.monotonic()
            background.start()
            values = [1000 * one(client, work, instance.path("mark-%d-%d" % (rate, i))) for i in range(n)]
            background.stopping = True
            background.join()
            took = Sample(values)
            say("latency at %d records/s" % rate, "median %.0f ms, 99th percentile %.0f ms (n=%d; %.0f records/s came)  goal: under 1 s, %s" % (
                took.median, took.quantile(0.99), n, background.sent / (time.monotonic() - begin), "met" if took.quantile(0.99) < 1000 else "MISSED"))
    finally:
        work.kill()
        for name in ("hosttraild", "hosttrail-forward", "hosttrail-store"):
            instance.stop(name)
