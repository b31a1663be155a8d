# SPDX-License-Identifier: Apache-2.0
"""How large each test is: everyday (`make check`) and full (`make check-long`, HT_LONG=1). The one table of sizes.

    from sizes import size
    n = size("kill.calls")

In C the same with tests/sizes.h. `tests/sizes.py` prints the table, `tests/sizes.py --rows` what sizes.h has of it.
"""
import os
import sys

SIZES = {
    # name: (everyday, full, what it counts)
    "aws.operations": (300, 20_000, "operations of AWS of which a request is made, all there are at most"),
    "kill.calls": (10_000, 100_000, "calls made while the four programs are killed and restarted"),
    "kill.rounds": (8, 60, "kills"),
    "invariant.opens": (60_000, 1_000_000, "opens of one thread in a flood"),
    "invariant.execs": (600, 10_000, "execs of one process in a flood"),
    "invariant.creds": (60_000, 1_000_000, "credential changes of one thread in a flood"),
    "invariant.ring_opens": (20_000, 500_000, "opens by io_uring in a flood"),
    "restarts.kills": (3, 20, "times that the agent is killed in a flood, if it lasts so long"),
    "restarts.opens": (200_000, 1_000_000, "opens of one thread meanwhile"),
    "restarts.execs": (600, 10_000, "execs of one process meanwhile"),
    "restarts.creds": (200_000, 1_000_000, "credential changes of one thread meanwhile"),
    "daemon.opens": (60_000, 400_000, "opens of a tree while the agent's processes are killed"),
    "daemon.idle_seconds": (10, 30, "seconds over which idle CPU is measured"),
    "forward.frames": (400, 3_200, "frames of a chain while forwarder or store are killed"),
    "lake.oracle_records": (8_000, 10_000_000, "generated records over which the lake and SQLite are asked the same"),
    "lake.oracle_odd": (2_000, 100_000, "and such that are made by chance"),
    "lake.real_records": (3_000, 1_000_000, "records of real work over which the lake and SQLite are asked the same"),
    "lake.segments": (40, 3_600, "segments, a day each, over which a query goes"),
    "lake.kills": (4, 100, "times that the store is killed while its lake seals and merges"),
    "store.kills": (6, 100, "times that the store is killed under ingest, sealing, merging, delivery, queries and lookups at once"),
    "retention.kills": (2, 60, "times that the store is killed while it removes what is past"),
    "retention.files": (0, 1, "whether the store is also killed while it removes log files"),
    "delivery.kills": (4, 100, "times that the store is killed while a trail delivers"),
    "clickhouse.frames": (400, 20_000, "frames that a cluster takes while a server or a store is killed"),
    "clickhouse.patience": (60, 300, "seconds that a busy cluster may take for the first of them, and to see doubled ones"),
    "clickhouse.records": (3_000, 50_000, "records of which a cluster and the embedded engine are asked the same"),
    "clickhouse.takeovers": (1, 20, "times that a store is killed which delivers a cluster's trails"),
    "clickhouse.victims": (1, 2, "servers of a cluster that are killed, one after the other, while its trails are delivered"),
    "clickhouse.shards": (0, 1, "whether a second cluster, of two shards, is started"),
    "clickhouse.today": (0, 1, "whether today's engine, chDB, is fetched and asked"),
    "delivery.forgeries": (4, 7, "ways in which delivered files are forged, with all digests signed anew"),
    "lake.scopes": (2, 4, "keys that see some records of whom every shape of query is asked"),
    "clang.others": (0, 1, "whether the probes are also compiled by other versions of clang, and loaded"),
    "delivery.ceph": (0, 1, "whether a real Ceph is started and delivered to"),
    "attacks.swaps": (100, 20_000, "calls of each kind whose argument is exchanged while the kernel copies it"),
    "attacks.processes": (30, 2_000, "execs of each such kind, and processes that get one pid after the other"),
    "attacks.counted": (1_000, 50_000, "calls of each attack over rings that are too small for it"),
    "attacks.flood": (20_000, 500_000, "calls among which a thousandth is hidden"),
    "attacks.groups": (12, 200, "lists of groups that a program has one after the other"),
    "attacks.bomb": (1_000, 50_000, "attempts of a fork bomb"),
    "attacks.short": (100_000, 1_000_000, "short-lived processes while the agent's memory is watched"),
    "attacks.agent_opens": (5_000, 200_000, "opens of one thread while the agent is attacked"),
    "attacks.agent_execs": (150, 3_000, "execs of one process meanwhile"),
    "attacks.agent_kills": (3, 20, "times that all of the agent is killed"),
    "races.opens": (10_000, 1_000_000, "opens while another thread exchanges their descriptors, or renames folders"),
    "selectors.opens": (20_000, 200_000, "opens of which event selectors want a part"),
    "selectors.paced": (6_000, 20_000, "calls, evenly over the seconds below, while selectors are exchanged"),
    "selectors.seconds": (5, 20, "seconds"),
    "selectors.turns": (6, 20, "exchanges"),
    "rules.every": (10, 1, "every how manyth set of selectors is compared, with the kernel's help and without"),
    "rules.opens": (20_000, 2_000_000, "opens that no event selector wants, each way"),
    "flood.opens": (60_000, 1_000_000, "opens of one user in a flood"),
    "flood.many": (300, 900, "users, or cgroups, of one container that floods"),
    "flood.each": (30, 300, "opens of each of 1,500 users in a flood"),
    "trace.patience": (1_200, 7_200, "seconds that one trace may take on a busy machine"),
    "strace.large": (0, 1, "whether a clone, the build of a package and Python's own tests are run"),
    "strace.files": (100, 20_000, "files of the repository that is cloned"),
    "strace.sources": (4, 100, "C files of the package that is built"),
    "strace.python_tests": (1, 9, "files of Python's own tests"),
    "strace.stressors": (1, 24, "stress-ng's stressors"),
    "strace.stress_ops": (5, 20, "operations of each of stress-ng's stressors"),
    "tls.first_uses": (12, 100, "programs that are each the first and only user of their connection"),
    "tls.first_users": (3, 100, "times that the agent is started, and one program is the first that uses its library"),
    "tls.requests": (2_000, 10_000, "requests at full speed"),
    "tls.body_mib": (64, 1_000, "MiB of a body, each way"),
    "audit.files": (50, 1_000, "files that the audited program makes, renames and removes"),
    "store.lookup_records": (200_000, 10_000_000, "records behind one lookup"),
    "store.paging_events": (1_200, 5_000, "events that AWS CLI and boto3 page over"),
    "tlslate.requests": (80, 1_000, "requests over each HTTP/2 connection that is joined late"),
    "tlsboto3.operations": (400, 2_000, "operations of AWS that boto3 calls over TLS, as many as the models that are loaded have at most"),
    "tlsserved.requests": (40, 400, "requests over each HTTP/2 connection of a server that is joined late"),
    "tlsmatrix.copies": (10, 100, "programs that are each the first user of a library"),
    "tlsmapped.users": (20, 100, "programs that are each the first user of a library of their own, as a daemon sees them"),
    "tlsmatrix.kept": (100, 1_000, "requests over one connection"),
    "tlsmatrix.pointers": (100, 5_000, "TLS connections of one program, one after the other"),
    "tlsmatrix.load": (1_000, 20_000, "requests of a load generator"),
    "tlsflood.turns": (100, 2_000, "turns of 100 requests of each of three flooders inside TLS"),
    "tlsplan.go": (0, 1, "whether Go's programs are linked in all six ways"),
    "http1.late": (200, 4_000, "HTTP/1 connections that are joined at any byte"),
    "http1.gaps": (250, 5_000, "HTTP/1 connections with gaps"),
    "http1.changed": (1_500, 30_000, "HTTP/1 connections with bytes that are others, which llhttp judges, too"),
    "http2.late": (120, 2_400, "HTTP/2 connections that are joined at any byte"),
    "http2.gaps": (160, 3_200, "HTTP/2 connections with gaps"),
    "http2.left_out": (9, 180, "HTTP/2 connections whose bodies the kernel side leaves out"),
    "http2.lost": (24, 480, "the same with gaps"),
    "hashdir.kills": (20, 2_000, "times that who writes hash directories is killed"),
    "proof.bytes": (11, 1, "every how manyth byte of a proof's file is changed"),
    "proof.bits": (61, 1, "every how manyth bit of each part of a proof is changed"),
    "record.full": (10, 10_000, "records of 4 MiB of text that a batch is given, or as many as it takes"),
    "recordread.batches": (80, 2_000, "batches by chance that are read and held against json-c"),
    "recordread.damage": (3, 1, "every how manyth byte of a batch is damaged, and every how manyth prefix of it read"),
    "parquet.records": (1_500, 60_000, "records by chance, of which DuckDB is asked what every column of theirs must hold"),
    "parquet.long": (200, 1_000, "records of which every other one has 300 KiB of text"),
    "parquet.batches": (25, 600, "batches by chance, of which a file is written with what the reader remembers, and without"),
    "bench.open_pairs": (100_000, 500_000, "open+close pairs a round"),
    "bench.getppids": (300_000, 2_000_000, "uncaptured calls a round"),
    "bench.process_pairs": (300, 3_000, "pairs of blocks of fork+exec+exit, recorded and not"),
    "bench.rounds": (7, 25, "interleaved rounds"),
    "bench.replay_records": (1_000_000, 10_000_000, "records replayed through the reader into the spool"),
    "bench.http_calls": (100_000, 1_000_000, "HTTP calls parsed, of each version"),
    "bench.tls_calls": (20_000, 50_000, "API calls inside TLS from plaintext to the spool, of a round"),
    "bench.tls_rounds": (5, 15, "rounds of that, and rounds of calls with capture and without"),
    "bench.tls_turns": (150, 1500, "turns of a loop of TLS calls, captured and not"),
    "bench.tls_wrk_seconds": (2, 10, "seconds of a turn of nginx and wrk over TLS"),
    "bench.tls_wrk_rounds": (5, 15, "rounds of that: captured, not, and by two peers"),
    "bench.lookup_records": (1_000_000, 100_000_000, "records behind one lookup whose time is measured"),
    "bench.lake_records": (100_000, 1_000_000, "records that are sealed and then asked for in SQL"),
    "bench.ingest_frames": (2_000, 8_000, "frames of 20,000 records that a round of ingest has acknowledged"),
    "bench.ingest_seconds": (60, 600, "seconds over which a whole store is sent 150,000 records a second"),
    "bench.cluster_records": (200_000, 1_000_000, "records that a cluster takes, of which their cost is measured"),
    "bench.cluster_small": (40_000, 200_000, "and in small frames"),
    "bench.lookups": (40, 400, "marked calls looked up, at each background rate"),
    "bench.background_rates": ((1, 1_000, 100_000), (1, 1_000, 100_000), "other records per second meanwhile"),
    "bench.short_processes": (5_000, 100_000, "processes while the agent's memory is watched"),
    "bench.idle_seconds": (10, 120, "seconds over which idle CPU is measured"),
    "bench.peer_rounds": (5, 25, "rounds in which we and our peers each have a turn"),
    "bench.peer_opens": (5_000, 300_000, "open+close pairs of a turn"),
    "bench.peer_processes": (1_000, 10_000, "processes of a turn"),
    "bench.live_opens": (200_000, 3_000_000, "opens of each producer at full speed"),
    "bench.exec_seconds": (5, 30, "seconds of a round of 1,600 processes a second"),
    "bench.exec_rounds": (5, 15, "rounds of that, recorded and not"),
    "bench.redis_requests": (50_000, 1_000_000, "requests of a turn of redis-benchmark"),
    "bench.redis_rounds": (7, 25, "turns with the agent and without"),
}


def size(name, long=None):
    everyday, full, _ = SIZES[name]
    return full if (os.environ.get("HT_LONG", "0") == "1" if long is None else long) else everyday


def main():
    rows = "--rows" in sys.argv[1:]
    for name, (everyday, full, what) in sorted(SIZES.items()):
        if not rows:
            print("%-24s %14s %16s  %s" % (name, everyday, full, what))
        elif isinstance(everyday, int):
            print('{ "%s", %d, %d },' % (name, everyday, full))


if __name__ == "__main__":
    main()
