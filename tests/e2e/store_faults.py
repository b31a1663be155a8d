#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A store whose disk is full, or fails, or which is killed at bad moments: what it acknowledged stays, what it did not
comes once, and it goes on when it can."""
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import grpc  # noqa: E402
import tap  # noqa: E402
from shipkit import RETRY, STORED, Client, Pki, messages, new_stream  # noqa: E402
from storekit import Store  # noqa: E402

W = tap.Workdir()
D = W.__enter__()
PB = messages(D)
PKI = Pki(os.path.join(D, "pki"))
PKI.host("host")

FAILING_SYNC = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int fdatasync(int fd)
{
	if (access(getenv("HT_FAIL_SYNC"), F_OK) == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}
"""


def pki_of(d):
    shutil.copytree(os.path.join(D, "pki"), os.path.join(d, "pki"), dirs_exist_ok=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(cond, seconds=15):
    end = time.monotonic() + seconds
    while not cond():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def fill_up(d):
    with open(os.path.join(d, "filler"), "wb", buffering=0) as f:
        for size in (65536, 4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass


def all_ids(store, **parameters):
    pages = store.boto().get_paginator("lookup_events").paginate(**parameters)
    return [e["EventId"] for page in pages for e in page["Events"]]


def shipped(store, frames):
    """Statuses, or None when the store did not answer."""
    try:
        with Client(PKI, "host", store.ports["ingest"], PB) as c:
            return [r[0] for r in c.ship(*frames)]
    except grpc.RpcError:
        return None


def a_full_disk_at_start_is_no_end(t):
    d = os.path.join(D, "full")
    os.makedirs(d)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", d]).returncode:
        raise tap.Skip("cannot mount a tmpfs")
    try:
        pki_of(d)
        ports = {"api": free_port(), "ingest": free_port()}
        listen = {"%s_listen" % k: "127.0.0.1:%d" % v for k, v in ports.items()}
        frames = PKI.frames("host", new_stream(), count=300)
        s = Store(d, **listen)
        t.equal(set(shipped(s, frames[:200])), {STORED}, "with room")
        t.ok(wait_for(lambda: s.metric("tailer_records_total") >= 800), "indexed")
        before = all_ids(s, LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "file.linux"}])
        s.kill()
        os.unlink(d + "/ports")
        shutil.rmtree(d + "/chains")  # a full disk may have had it half made
        fill_up(d)
        s.child = subprocess.Popen([tap.program("hosttrail-store"), "--config", s.config], stderr=subprocess.DEVNULL)
        s.errors = open(os.devnull)

        def ready():
            try:
                return s.get("/readyz")[0] == 200
            except OSError:
                return False
        t.ok(wait_for(ready), "it starts, and is ready to be asked")
        t.equal(all_ids(s, LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "file.linux"}]), before,
                "the same answers")
        got = shipped(s, frames[200:])
        t.ok(got is None or set(got) == {RETRY}, "frames are put off: %r" % (got and set(got)))
        t.ok(s.child.poll() is None, "it still runs")
        os.unlink(d + "/filler")
        t.ok(wait_for(lambda: set(shipped(s, frames[200:]) or [0]) == {STORED}), "taken once there is room")
        t.equal(set(shipped(s, frames) or [0]), {STORED}, "all are known")
        t.ok(wait_for(lambda: s.metric("ingest_duplicates_total") >= 300), "as repeats")
        t.equal(s.metric("ingest_gaps_total"), 0, "no gap")
        t.ok(wait_for(lambda: os.path.exists(d + "/ports")), "the ports file comes too")
        t.ok(wait_for(lambda: len(all_ids(s, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StoreStarted"}])) == 2),
             "both starts are said")
        t.equal(s.stop(), 0, "clean end")
    finally:
        subprocess.run(["umount", "-l", d])


def a_failed_sync_acknowledges_nothing(t):
    d = os.path.join(D, "sync")
    os.makedirs(d)
    pki_of(d)
    with open(d + "/fail.c", "w") as f:
        f.write(FAILING_SYNC)
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", d + "/fail.so", d + "/fail.c"]).returncode:
        raise tap.Skip("no compiler")
    flag = d + "/fail-now"
    frames = PKI.frames("host", new_stream(), count=30)
    os.environ.update(LD_PRELOAD=d + "/fail.so", HT_FAIL_SYNC=flag)
    try:
        s = Store(d)
    finally:
        del os.environ["LD_PRELOAD"], os.environ["HT_FAIL_SYNC"]
    t.equal(set(shipped(s, frames[:10])), {STORED}, "at first")
    open(flag, "w").close()
    t.equal(shipped(s, frames[10:20]), None, "no acknowledgement after a failed sync")
    os.unlink(flag)
    t.equal(shipped(s, frames[10:20]), None, "nor later, by the same process")
    t.ok(wait_for(lambda: s.child.poll() is not None), "it ends")
    t.ok(s.child.returncode != 0, "as failed")
    s.errors.close()
    s.start()
    # What was never synced may be in the page cache only: the new process must not take it for kept.
    t.equal(set(shipped(s, frames[10:]) or [0]), {STORED}, "then all is taken")
    t.equal(s.metric("ingest_frames_total"), 20, "and appended, not taken for repeats")
    t.ok(wait_for(lambda: s.metric("tailer_records_total") - s.metric("own_records_total") >= 30), "indexed")
    ids = all_ids(s)
    t.equal(len(ids), len(set(ids)), "nothing twice")
    t.equal(s.metric("ingest_gaps_total"), 0, "no gap")
    t.equal(s.stop(), 0, "clean end")


if __name__ == "__main__":
    try:
        tap.main([a_full_disk_at_start_is_no_end, a_failed_sync_acknowledges_nothing])
    finally:
        W.__exit__()
