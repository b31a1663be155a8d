#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 extra
"""TLS to ClickHouse's servers: two of Debian's 18.16 with nothing but https. What is sent is sent to servers that `clickhouse_ca` vouches for, by name and
in time; to others nothing is, it is said which and why, and what hosts have sent meanwhile is there afterwards, once."""
import os
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import grpc
import tap
from authority import Authority
from chcases import lookup, query
from chkit import Clustered, write
from shipkit import STORED, Client, frame_hash, new_stream
from storekit import Store

PLACE = Clustered("a", tls=True)
PB, PKI, cluster, store = PLACE.pb, PLACE.pki, PLACE.cluster, PLACE.store


def ship(s, frames, timeout=10):
    """True: all are acknowledged."""
    with Client(PKI, "a", s.ports["ingest"], PB) as c:
        try:
            return c.ship(*frames, timeout=timeout) == [(STORED, "")] * len(frames)
        except grpc.RpcError as e:
            assert e.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), e
            return False


def there(server, stream):
    return sorted((int(n), h) for n, h in server.rows("SELECT number, hash FROM trail_rows_2 WHERE kind = 1 AND stream = '%s'" % stream))


def all_there(stream, frames):
    want = [(i, frame_hash(f).hex()) for i, f in enumerate(frames)]
    return tap.wait_for(lambda: all(there(s, stream) == want for s in cluster().servers))


def refused(**settings):
    """A store that cannot reach its cluster as these say. It starts, and says so."""
    PLACE.stores.append(Store(PLACE.next("store"), **PLACE.keys(), **cluster().settings(**settings), ready=False))
    return PLACE.stores[-1]


def nothing_goes_to(t, s, what, frames):
    """what: part of the reason that is given."""
    t.ok(not ship(s, frames, 2), "%s: nothing is acknowledged" % what)
    t.equal(s.get("/readyz")[0], 503, "%s: not ready" % what)
    lines = [x for x in s.stderr().splitlines() if "clickhouse: https://" in x or "clickhouse: http://" in x]
    t.ok(any(what in x for x in lines), "it is said why: %r" % lines[:2])
    t.ok(len(lines) <= 2 * len(cluster().servers), "and not over and over: %d lines" % len(lines))


def everything_works_over_tls(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=6)
    with store(clickhouse_quorum="2") as one, store() as two:
        t.ok(ship(one, frames[:3]), "by one store")
        t.ok(ship(two, frames), "and another")
        t.ok(all_there(stream, frames), "both servers have all of it, once")
        t.equal(len(lookup(two, "EventName", "openat")), 24, "looked up")
        t.equal(query(one, "SELECT count(*) FROM events WHERE eventname = 'openat'"), ([["24"]], None), "SQL")


def there_is_no_plain_way(t):
    for s in cluster().servers:
        with socket.create_connection(("127.0.0.1", s.http)) as c:
            c.sendall(b"GET /?query=SELECT+1 HTTP/1.1\r\nHost: x\r\n\r\n")
            c.settimeout(10)
            try:
                got = c.recv(64)
            except ConnectionResetError:
                got = b""
        t.ok(b"HTTP/1.1 200" not in got, "plain HTTP at the port of https: %r" % got)
    s = refused(clickhouse_servers=[x.url.replace("https", "http") for x in cluster().servers])
    t.ok(not ship(s, PKI.frames("a", new_stream(), count=1), 2), "a store that is told http://")
    s.stop()


def an_untrusted_server_gets_nothing(t):
    stream = new_stream()
    frames = PKI.frames("a", stream, count=4)
    by_name = [x.url.replace("127.0.0.1", "localhost") for x in cluster().servers]
    for what, settings in (("unable to get local issuer certificate", {"clickhouse_ca": Authority(PLACE.next("authority")).path}),
                           ("unable to get local issuer certificate", {"clickhouse_ca": ""}),
                           ("'localhost'", {"clickhouse_servers": by_name})):
        s = refused(**settings)
        nothing_goes_to(t, s, what, frames)
        t.equal(s.stop(), 0, "it ends as always")
    with store() as s:
        t.ok(ship(s, frames), "the same frames, where the settings are right")
    t.ok(all_there(stream, frames), "once")


def a_password_is_needed_over_it(t):
    path = PLACE.next("password")
    write(path, "not the password")
    os.chmod(path, 0o600)
    s = refused(clickhouse_password_file=path)
    t.ok(not ship(s, PKI.frames("a", new_stream(), count=1), 2), "with a wrong one")
    t.ok(tap.wait_for(lambda: "says 500, code 193: " in s.stderr() or "Wrong password" in s.stderr()), "it is said: %r" % s.stderr()[-400:])
    t.ok("not the password" not in s.stderr() and cluster().password not in s.stderr(), "and the password is not")
    s.stop()


def an_expired_certificate_is_none(t):
    """One server's, then both; they get good ones again, and what was sent meanwhile is there."""
    stream, servers = new_stream(), cluster().servers
    frames = PKI.frames("a", stream, count=6)

    def again(x, **how):
        x.kill()
        x.certify(**how)
        x.start()
        cluster().until(x.up, "ClickHouse with another certificate")

    again(servers[0], days=(-20, -1))
    with store() as s:
        t.ok(ship(s, frames[:2]), "the other server takes it")
        t.ok("https://127.0.0.1:%d shows no certificate" % servers[0].http in s.stderr() and "certificate has expired" in s.stderr(),
             "it is said which: %r" % s.stderr()[-400:])
        again(servers[1], days=(-20, -1))
        t.ok(not ship(s, frames[2:4], 3), "both: nothing is acknowledged")
        t.ok(tap.wait_for(lambda: s.get("/readyz")[0] == 503), "and the store says that it takes nothing")
        for x in servers:
            again(x)
        t.ok(tap.wait_for(lambda: s.get("/readyz")[0] == 200, 60), "with good ones it goes on by itself")
        t.ok(tap.wait_for(lambda: ship(s, frames)), "all of it")
        # what a replica did not have yet when it was killed may be written anew; the store takes it out again
        t.ok(all_there(stream, frames), "once: %r" % [there(x, stream) for x in servers])


def a_certificate_of_the_future_is_none(t):
    x = cluster().servers[1]
    x.kill()
    x.certify(days=(1, 20))
    x.start()
    cluster().until(x.up, "ClickHouse with another certificate")
    with store() as s:
        t.ok(ship(s, PKI.frames("a", new_stream(), count=1)), "the other server takes it")
        t.ok("certificate is not yet valid" in s.stderr(), "it is said: %r" % s.stderr()[-400:])


if __name__ == "__main__":
    try:
        tap.main([everything_works_over_tls, there_is_no_plain_way, an_untrusted_server_gets_nothing, a_password_is_needed_over_it,
                  an_expired_certificate_is_none, a_certificate_of_the_future_is_none])
    finally:
        PLACE.end()
