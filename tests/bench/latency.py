# SPDX-License-Identifier: Apache-2.0
"""A marked call to its answer in LookupEvents, and in SQL, one open client, while another host's frames arrive at a given rate."""
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
        self.pki = shipkit.Pki(instance.path("pki"), made=True)
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
            self.client.ship(frame, timeout=60)	# acknowledgements may be withheld
            self.sent += self.records
            self.behind = max(self.behind, time.monotonic() - due)


def ports(instance):
    with open(instance.path("store/ports")) as f:
        return {k: int(v) for k, v in (line.split() for line in f)}


def api(instance):
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = instance.path("credentials")
    return boto3.client("cloudtrail", region_name="local", endpoint_url="http://127.0.0.1:%d" % ports(instance)["api"],
                        config=botocore.config.Config(retries={"max_attempts": 0}))


def by_lookup(client, path):
    return client.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": path}])["Events"]


def by_sql(client, path):
    """Of the last minutes, as whoever waits for a record asks: segments of other times are not opened."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 120))
    query = client.start_query(QueryStatement="SELECT eventid FROM events WHERE eventtime >= timestamp '%s' AND element_at(requestparameters, 'path') = '%s'" % (
        since, path))["QueryId"]
    while True:
        got = client.get_query_results(QueryId=query)
        if got["QueryStatus"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.002)
    if got["QueryStatus"] != "FINISHED":
        raise tap.Failed("query: %r" % got)
    return got["QueryResultRows"]


def one(client, work, path, ask):
    """Seconds from the call to the first answer that holds it."""
    begin = time.monotonic()
    work.stdin.write(path + "\n")
    work.stdin.flush()
    while time.monotonic() < begin + 30:
        if ask(client, path):
            work.stdout.readline()
            return time.monotonic() - begin
        time.sleep(0.002)
    raise tap.Failed("%s is not at the store after 30 s" % path)


def both(instance, client, work, rate, n):
    """Milliseconds of n calls until they are in LookupEvents, and of n others until they are in SQL, in turns; and records a second that came meanwhile."""
    background = Background(instance, rate, n * 0.8 + 5)
    begin, took = time.monotonic(), ([], [])
    background.start()
    for i in range(n):
        for k, ask in enumerate((by_lookup, by_sql)):
            took[k].append(1000 * one(client, work, instance.path("mark-%d-%d-%d" % (rate, i, k)), ask))
    came = background.sent / (time.monotonic() - begin)
    background.stopping = True
    background.join()
    return Sample(took[0]), Sample(took[1]), came


def run(instance, say):
    work = subprocess.Popen([tap.workload("opener")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        instance.configure("hosttraild", scope="tree %d" % work.pid)
        instance.start_all()
        client = api(instance)
        one(client, work, instance.path("first"), by_sql)
        for rate in size("bench.background_rates"):
            try:
                found, asked, came = both(instance, client, work, rate, size("bench.lookups"))
            except tap.Failed as e:
                say("call to LookupEvents and SQL at %d records/s" % rate, "MISSED: %s" % e)
                continue
            for what, took in (("LookupEvents", found), ("SQL", asked)):
                say("call to %s at %d records/s" % (what, rate), "median %.0f ms, 99th percentile %.0f ms (n=%d; %.0f records/s came)  goal: under 1 s, %s" % (
                    took.median, took.quantile(0.99), len(took.values), came, "met" if took.quantile(0.99) < 1000 else "MISSED"))
    finally:
        work.kill()
        for name in ("hosttraild", "hosttrail-forward", "hosttrail-store"):
            instance.stop(name)
