#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120
"""A store in front of servers that are played here, one a shard, so that it is known what each was sent and when: rows go to no shard before all
have been seen, and a block that a server took without saying so goes to no other shard, whatever numbers shards have by then."""
import hashlib
import http.server
import os
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import grpc
import tap
from chkit import free_ports
from shipkit import STORED, Client, Place, frame_hash, new_stream
from storekit import Store

PLACE = Place()
PB, PKI = PLACE.pb, PLACE.pki
SERVERS, SHIPPED = [], {}  # of a case; SHIPPED: what the cluster says of a host's frame when it has it


class Server(http.server.ThreadingHTTPServer):
    """Says what a store asks about the cluster, and what it was sent. mute: a host; it takes rows of that one, and answers nothing then until back()."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, shard, defined, mute=None):
        self.shard, self.defined, self.mute, self.blocks, self.away = shard, defined, mute, [], False
        SERVERS.append(self)
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def has(self, name):
        """How many times it was sent a frame of this host."""
        return sum(PKI.ids[name].encode() in x for x in self.blocks)

    def back(self):
        self.mute, self.away = None, False

    def end(self):
        SERVERS.remove(self)
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.away:
            self.close_connection = True
            return
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if "INSERT INTO trail_rows_2" in query.get("query", [""])[0]:
            self.server.blocks.append(body)
            if self.server.mute and self.server.has(self.server.mute):
                self.server.away = self.close_connection = True
                return
        answer = self.answer(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer(self, sql):
        if b"version()" in sql:
            return "18.16.1\n"
        if b"system.macros" in sql:
            return self.server.shard + "\n"
        if b"system.clusters" in sql:
            return "%d\n" % self.server.defined
        if sql.startswith(b"SELECT host, stream, chain, number, hash"):
            return "".join(line for name, line in SHIPPED.items() if any(s.has(name) for s in SERVERS))
        if sql.startswith(b"SELECT max(epoch)"):    # nobody has claimed the ledger
            return "0\t0\t0\t0\n" if b"kind = 4" in sql else "0\t0\n"
        if b"SELECT countIf" in sql:
            return "0\t0\t0\n"
        if sql.startswith(b"SELECT count() FROM trail_rows_2"):
            return "%d\n" % len(self.server.blocks)
        return ""

    def log_message(self, *args):
        pass


def host_of(shard):
    """A new host of the first or of the second of two shards."""
    while True:
        name = "host%d" % len(PKI.ids)
        if hashlib.sha256(PKI.host(name).encode()).digest()[7] % 2 == shard:
            return name


def started(ports):
    # its own rows go where those of the hosts of the second shard go
    own = PKI.ids[host_of(1)]
    keys = {x: PKI.file(y) for x, y in (("ca", "ca.crt"), ("cert", "store.crt"), ("key", "store.key"))}
    return Store(PLACE.next("store"), ready=False, engine="clickhouse", clickhouse_servers=["http://127.0.0.1:%d" % p for p in ports],
                 clickhouse_linger="10ms", host_id=own, **keys)


def shipping(s, name, answers):
    """In a thread, as a forwarder does: until it is stored. Frames are the same each time."""
    stream, until = new_stream(), time.monotonic() + 40
    frames = PKI.frames(name, stream)
    SHIPPED[name] = "%s\t%s\t1\t0\t%s\n" % (PKI.ids[name], stream, frame_hash(frames[0]).hex())

    def run():
        with Client(PKI, name, s.ports["ingest"], PB) as c:
            while time.monotonic() < until and not answers:
                try:
                    answers.extend(c.ship(*frames, timeout=30))
                except grpc.RpcError:
                    time.sleep(0.2)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


class Scene:
    """Two places for servers, of which the first is there and falls silent with a new host's rows; a store in front, and who ships them."""

    def __init__(self, of, shard, defined):
        """of: the shard that the host's rows belong to; shard, defined: the first server's, and how many its settings know of."""
        self.ports, self.name, self.answers, self.servers, self.store = free_ports(2), host_of(of), [], [], None
        self.first = self.serve(shard, defined, mute=self.name)

    def serve(self, *what, **how):
        self.servers.append(Server(self.ports[len(self.servers)], *what, **how))
        return self.servers[-1]

    def __enter__(self):
        try:
            self.store = started(self.ports)
            self.store.until(lambda: self.store.metric("clickhouse_servers") == 1, "server")
            self.thread = shipping(self.store, self.name, self.answers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.store:
            self.store.stop()
        for server in self.servers:
            server.end()

    def second_comes(self, shard):
        """And the first one answers again: until the rows are stored."""
        second = self.serve(shard, 2)
        tap.wait_for(lambda: second.has(self.name), 5)
        self.first.back()
        self.thread.join()
        return second


def no_rows_before_all_shards_are_seen(t):
    """One of two shards is away when the store starts. The other one would take rows without an answer."""
    with Scene(1, "01", 2) as s:
        tap.wait_for(lambda: s.first.has(s.name), 3)
        t.equal(s.first.has(s.name), 0, "rows that the first shard was sent while the second is away")
        t.ok("has not been seen" in s.store.stderr(), "the store says why")
        t.equal(s.answers, [], "acknowledged")
        second = s.second_comes("02")
        t.equal(s.answers, [(STORED, "")], "acknowledged when it is there")
        t.equal((s.first.has(s.name), second.has(s.name)), (0, 1), "sent to the host's shard, once, and to no other")


def a_block_in_doubt_stays_with_its_shard(t):
    """A server whose settings know of one shard only takes rows and falls silent; then another one comes, whose shard is before it in their order."""
    with Scene(0, "01", 1) as s:
        t.must(tap.wait_for(lambda: s.first.has(s.name)), "rows are sent")
        second = s.second_comes("00")
        t.equal(s.answers, [(STORED, "")], "acknowledged")
        t.equal((s.first.has(s.name), second.has(s.name)), (1, 0), "sent once")
        t.ok(tap.wait_for(lambda: s.store.metric("clickhouse_servers") == 2), "both are seen")


if __name__ == "__main__":
    try:
        tap.main([no_rows_before_all_shards_are_seen, a_block_in_doubt_stays_with_its_shard])
    finally:
        PLACE.end()
