# SPDX-License-Identifier: Apache-2.0
"""What records cost with `engine: clickhouse`, which docs/capacity.md is made from: CPU of the store, of each replica and of ZooKeeper, bytes on the wire and at rest, and how long
lookups take. Two of Debian's ClickHouse 18.16 as replicas, ZooKeeper, one store, four senders (Python), all on this machine, their files in memory where there is room.
The kit's records, 1.1 KB of JSON each. With HT_LONG=1 also bytes at rest in today's engine (chDB)."""
import contextlib
import os
import threading
import time

import chdb
import shipkit
import storekit
import tap
from chkit import Clustered, quick_dir
from ingest import spent
from measure import Sample
from sizes import size

HOSTS = ["host%d" % i for i in range(4)]
AT_ONCE = 4000  # records of a request, in 200 frames at most: an agent with more than it can ship has as much ready
ASKED = 20
PARTS = "SELECT sum(%s) FROM system.%s WHERE database = 'hosttrail' AND table = 'trail_rows_2'%s"


class Sender(threading.Thread):
    def __init__(self, place, name, port, frames, each):
        super().__init__(daemon=True)
        # made beforehand
        self.frames = storekit.frames(place.pki, name, frames * each, time.time() - 600, 1000, each)
        self.client, self.stored, self.at_once = shipkit.Client(place.pki, name, port, place.pb), 0, min(200, AT_ONCE // each)

    def run(self):
        for i in range(0, len(self.frames), self.at_once):
            got = self.client.ship(*self.frames[i:i + self.at_once], timeout=120)
            self.stored += sum(x[0] == shipkit.STORED for x in got)


def send(place, store, records, each):
    """(seconds, bytes of frames, how many) until all is acknowledged."""
    senders = [Sender(place, name, store.ports["ingest"], records // each // len(HOSTS), each) for name in HOSTS]
    begin = time.monotonic()
    for s in senders:
        s.start()
    for s in senders:
        s.join()
    took, n = time.monotonic() - begin, sum(len(s.frames) for s in senders)
    if sum(s.stored for s in senders) != n:
        raise tap.Failed("%d of %d frames stored" % (sum(s.stored for s in senders), n))
    return took, sum(len(f) for s in senders for f in s.frames), n


def at_rest(servers):
    """Replicas have fetched all, and merge nothing any more."""
    busy = ("SELECT (SELECT count() FROM system.merges) + (SELECT count() FROM system.replication_queue)", "SELECT count() FROM hosttrail.trail_rows_2 WHERE kind = 1")

    def quiet():
        return {s.ask(busy[0]) for s in servers} == {"0\n"} and len({s.ask(busy[1]) for s in servers}) == 1
    tap.wait_for(lambda: quiet() and (time.sleep(1) or quiet()), 120)


def costs(place, say, name, records, each, quorum):
    cluster = place.cluster()
    with place.store(clickhouse_quorum=str(quorum), clickhouse_linger="1s") as store:
        store.until(lambda: store.metric("clickhouse_servers") == 2, "both servers")
        programs = [store.child, *(s.child for s in cluster.servers), cluster.keeper]
        before, inserts = [spent(p.pid) for p in programs], store.metric("clickhouse_inserts_total")
        took, nbytes, frames = send(place, store, records, each)
        at_rest(cluster.servers)
        used = [(spent(p.pid) - b) * 1e6 / records for p, b in zip(programs, before)]
        inserts = store.metric("clickhouse_inserts_total") - inserts
        leader = next(s for s in cluster.servers if s.ask("SELECT is_leader FROM system.replicas WHERE table = 'trail_rows_2'") == "1\n")
        with contextlib.suppress(tap.Failed):  # 18.16 fails at times: then what it has merged by itself is told
            leader.ask("OPTIMIZE TABLE hosttrail.trail_rows_2 FINAL", timeout=300)
        at_rest(cluster.servers)
        kept, text, frame = (int(cluster.servers[0].ask(PARTS % how)) / records for how in (
            ("bytes_on_disk", "parts", " AND active"), ("data_compressed_bytes", "columns", " AND name = 'eventjson'"), ("data_compressed_bytes", "columns", " AND name = 'frame'")))
        say("cluster: %s" % name, "%.0f records/s acknowledged, %d inserts for %d records in %d frames; %.0f bytes/record on the wire" % (
            records / took, inserts, records, frames, nbytes / records))
        say("  CPU seconds per million", "store %.1f, the replicas %.0f and %.0f, ZooKeeper %.1f" % (used[0], max(used[1:3]), min(used[1:3]), used[3]))
        say("  at rest, merged", "%.0f bytes/record on a replica, of which the record's JSON %.0f, its frame %.0f" % (kept, text, frame))


def lookups(place, say, records):
    with place.store() as store:
        client = store.boto()
        asked = {"the latest fifty": {}, "an EventId that is not there": {"EventId": "11111111-2222-8333-8444-555555555555"}, "a user's": {"Username": "user3"}}
        for name, attributes in asked.items():
            times = []
            for _ in range(ASKED):
                begin = time.monotonic()
                client.lookup_events(LookupAttributes=[{"AttributeKey": k, "AttributeValue": v} for k, v in attributes.items()])
                times.append((time.monotonic() - begin) * 1000)
            say("  lookup: " + name, "%s over %d records" % (Sample(times).text("ms"), records))


def today(say, records, each):
    """One table of today's engine, merged."""
    with tap.Workdir() as d:
        pki = shipkit.Pki(os.path.join(d, "pki"))
        pki.host("host")
        server = chdb.Server(quick_dir())
        with storekit.Store(os.path.join(d, "store"), engine="clickhouse", clickhouse_servers=[server.url], ca=pki.file("ca.crt"), cert=pki.file("store.crt"), key=pki.file("store.key")) as store:
            with shipkit.Client(pki, "host", store.ports["ingest"], shipkit.messages(d)) as client:
                for frame in storekit.frames(pki, "host", records, time.time() - 600, 1000, each):
                    client.ship(frame, timeout=120)
            server.engine.ask("OPTIMIZE TABLE hosttrail.trail_rows_2 FINAL")
            kept = int(server.engine.ask(PARTS % ("bytes_on_disk", "parts", " AND active"))[0]) / records
            say("  today's engine (chDB), merged", "%.0f bytes/record" % kept)
        server.end()


def run(_instance, say):
    records, small = size("bench.cluster_records"), size("bench.cluster_small")
    for name, n, each, quorum in (("500 records a frame", records, 500, 0), ("the same, quorum 2", records, 500, 2), ("10 records a frame", small, 10, 0), ("1 record a frame", small // 4, 1, 0)):
        place = Clustered(*HOSTS)
        try:
            costs(place, say, name, n, each, quorum)
            if each == 500 and not quorum:
                lookups(place, say, n)
        finally:
            place.end()
    if size("clickhouse.today"):
        today(say, small, 500)
