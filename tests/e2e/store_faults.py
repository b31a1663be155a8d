#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=60
"""A store whose disk is full, or fails, or which is killed at bad moments: what it acknowledged stays, what it did not
comes once, and it goes on when it can."""
import contextlib
import http.client
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


REMOVING = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* found, and gone before the next look */
int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	const char *flag = getenv("HT_REMOVE");
	int r = (int)syscall(SYS_newfstatat, dirfd, path, st, flags);

	if (!r && flag && !access(flag, F_OK) && strstr(path, ".jnl")) {
		unlink(flag);
		unlinkat(dirfd, path, 0);
	}
	return r;
}

int fstatat64(int dirfd, const char *path, struct stat64 *st, int flags)
{
	return fstatat(dirfd, path, (struct stat *)st, flags);
}
"""


def preloaded(d, source, **environment):
    """A store with this in its process."""
    with open(d + "/preload.c", "w") as f:
        f.write(source)
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", d + "/preload.so", d + "/preload.c"]).returncode:
        raise tap.Skip("no compiler")
    os.environ.update(LD_PRELOAD=d + "/preload.so", **environment)
    try:
        return Store(d)
    finally:
        for name in ("LD_PRELOAD", *environment):
            del os.environ[name]


def pki_of(d):
    shutil.copytree(os.path.join(D, "pki"), os.path.join(d, "pki"), dirs_exist_ok=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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
        t.ok(tap.wait_for(lambda: s.metric("tailer_records_total") >= 800), "indexed")
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
        t.ok(tap.wait_for(ready), "it starts, and is ready to be asked")
        t.equal(all_ids(s, LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "file.linux"}]), before,
                "the same answers")
        got = shipped(s, frames[200:])
        t.ok(got is None or set(got) == {RETRY}, "frames are put off: %r" % (got and set(got)))
        t.ok(s.child.poll() is None, "it still runs")
        os.unlink(d + "/filler")
        t.ok(tap.wait_for(lambda: set(shipped(s, frames[200:]) or [0]) == {STORED}), "taken once there is room")
        t.equal(set(shipped(s, frames) or [0]), {STORED}, "all are known")
        t.ok(tap.wait_for(lambda: s.metric("ingest_duplicates_total") >= 300), "as repeats")
        t.equal(s.metric("ingest_gaps_total"), 0, "no gap")
        t.ok(tap.wait_for(lambda: os.path.exists(d + "/ports")), "the ports file comes too")
        t.ok(tap.wait_for(lambda: len(all_ids(s, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StoreStarted"}])) == 2),
             "both starts are said")
        t.equal(s.stop(), 0, "clean end")
    finally:
        subprocess.run(["umount", "-l", d])


def a_failed_sync_acknowledges_nothing(t):
    d = os.path.join(D, "sync")
    os.makedirs(d)
    pki_of(d)
    flag = d + "/fail-now"
    frames = PKI.frames("host", new_stream(), count=30)
    s = preloaded(d, FAILING_SYNC, HT_FAIL_SYNC=flag)
    t.equal(set(shipped(s, frames[:10])), {STORED}, "at first")
    open(flag, "w").close()
    t.equal(shipped(s, frames[10:20]), None, "no acknowledgement after a failed sync")
    os.unlink(flag)
    t.equal(shipped(s, frames[10:20]), None, "nor later, by the same process")
    t.ok(tap.wait_for(lambda: s.child.poll() is not None), "it ends")
    t.ok(s.child.returncode != 0, "as failed")
    s.errors.close()
    s.start()
    # What was never synced may be in the page cache only: the new process must not take it for kept.
    t.equal(set(shipped(s, frames[10:]) or [0]), {STORED}, "then all is taken")
    t.equal(s.metric("ingest_frames_total"), 20, "and appended, not taken for repeats")
    t.ok(tap.wait_for(lambda: s.metric("tailer_records_total") - s.metric("own_records_total") >= 30), "indexed")
    ids = all_ids(s)
    t.equal(len(ids), len(set(ids)), "nothing twice")
    t.equal(s.metric("ingest_gaps_total"), 0, "no gap")
    t.equal(s.stop(), 0, "clean end")


def a_removed_segment_acknowledges_nothing(t):
    """Under the running store: what is written to it would be gone with the store."""
    d = os.path.join(D, "removed")
    os.makedirs(d)
    pki_of(d)
    frames = PKI.frames("host", new_stream(), count=30)
    s = Store(d)
    t.equal(set(shipped(s, frames[:10])), {STORED}, "at first")
    t.ok(tap.wait_for(lambda: s.metric("tailer_records_total") - s.metric("own_records_total") >= 10), "indexed")
    segment = d + "/journal/0000000001.jnl"
    os.rename(segment, d + "/kept")
    t.equal(shipped(s, frames[10:20]), None, "no acknowledgement")
    t.ok(tap.wait_for(lambda: s.child.poll() is not None), "it ends")
    t.ok(s.child.returncode != 0, "as failed")
    s.errors.close()
    with open(d + "/stderr") as f:
        said = f.read()
    t.ok("was removed or replaced" in said, "and says why: " + said[-500:])
    os.rename(d + "/kept", segment)
    s.start()
    t.equal(set(shipped(s, frames[10:]) or [0]), {STORED}, "then all is taken")
    t.ok(tap.wait_for(lambda: s.metric("tailer_records_total") - s.metric("own_records_total") >= 30), "indexed")
    t.equal(s.metric("ingest_gaps_total"), 0, "no gap")
    t.equal(s.stop(), 0, "clean end")


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def what_is_gone_is_not_looked_for_without_pause(t):
    """Removed when it was kept already, and before it was indexed."""
    d = os.path.join(D, "gone")
    os.makedirs(d)
    pki_of(d)
    flag = d + "/remove-now"
    frames = PKI.frames("host", new_stream(), count=2)
    s = preloaded(d, REMOVING, HT_REMOVE=flag)
    t.ok(tap.wait_for(lambda: s.metric("tailer_records_total") >= 1), "indexed")
    open(flag, "w").close()
    t.equal(shipped(s, frames[:1]), [STORED], "kept")
    t.ok(not os.path.exists(flag), "and removed")
    before = cpu_seconds(s.child.pid)
    time.sleep(3)
    used = cpu_seconds(s.child.pid) - before
    t.ok(used < 1, "%.1f seconds of CPU in 3" % used)
    t.equal(shipped(s, frames[1:]), None, "nothing more is acknowledged")
    t.ok(tap.wait_for(lambda: s.child.poll() is not None), "it ends")
    s.errors.close()
    with open(d + "/stderr") as f:
        t.ok("what was written to the journal last cannot be read" in f.read(), "it says so")


def a_kill_does_not_take_a_gap_along(t):
    d = os.path.join(D, "gap")
    os.makedirs(d)
    pki_of(d)
    frames = PKI.frames("host", new_stream(), count=6)
    with Store(d) as s:
        t.equal(shipped(s, [frames[0], frames[2], frames[5]]), [STORED] * 3, "with two gaps")
        t.ok(tap.wait_for(lambda: s.metric("gaps_pending") == 2), "they wait")
        s.kill()
        with contextlib.suppress(FileNotFoundError):  # as if the kill had come before they were written down, as it may have
            os.unlink(d + "/gaps")
        s.start()
        t.ok(tap.wait_for(lambda: s.metric("gaps_pending") == 2), "found again in the journal")
        t.equal(shipped(s, frames[1:2]), [STORED], "one is filled")
        t.ok(tap.wait_for(lambda: s.metric("gaps_pending") == 1), "and waits no longer")
        s.kill()
        s.start()
        t.equal(s.metric("gaps_pending"), 1, "the other waits on, once")


def ask_until(stop, store, failures):
    while not stop.is_set():
        try:
            status, answer = store.call("LookupEvents", {"MaxResults": 50}, prefix="CloudTrail_20131101")
            ids = [e["EventId"] for e in answer.get("Events", [])]
            if status not in (200, 503) or len(ids) != len(set(ids)):
                failures.append((status, answer))
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)


def ship_until_stored(store, frames, stop):
    while frames and not stop.is_set():
        if set(shipped(store, frames[:3]) or [0]) == {STORED}:
            del frames[:3]


def twenty_kills_and_a_new_index(t):
    d = os.path.join(D, "kills")
    os.makedirs(d)
    pki_of(d)
    frames = PKI.frames("host", new_stream(), count=600)
    count, left, stop, failures = sum(int.from_bytes(f[100:104], "little") for f in frames), list(frames), threading.Event(), []
    with Store(d) as s:
        threads = [threading.Thread(target=ask_until, args=(stop, s, failures)),
                   threading.Thread(target=ship_until_stored, args=(s, left, stop))]
        for x in threads:
            x.start()
        try:
            for _ in range(20):
                time.sleep(random.uniform(0.02, 0.2))
                s.kill()
                s.start(wait=False)
            t.ok(tap.wait_for(lambda: not left, 60), "all is shipped: %d left" % len(left))
        finally:
            stop.set()
            for x in threads:
                x.join()
        t.equal(failures, [], "answers meanwhile")
        mine = {"LookupAttributes": [{"AttributeKey": "EventSource", "AttributeValue": "file.linux"}]}
        t.ok(tap.wait_for(lambda: s.metric("index_records") - len(own_ids(s)) >= count), "all is indexed")
        before = all_ids(s, **mine)
        t.equal((len(before), len(set(before))), (count, count), "each record once")
        t.equal(s.metric("gaps_pending"), 0, "no gap")
        s.stop()
        shutil.rmtree(d + "/index")
        s.start()
        t.equal(all_ids(s, **mine), before, "a new index gives the same answers")


def own_ids(s):
    return all_ids(s, LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "trail.hosttrail"}])


if __name__ == "__main__":
    try:
        tap.main([a_full_disk_at_start_is_no_end, a_failed_sync_acknowledges_nothing, a_removed_segment_acknowledges_nothing,
                  what_is_gone_is_not_looked_for_without_pause, a_kill_does_not_take_a_gap_along, twenty_kills_and_a_new_index])
    finally:
        W.__exit__()
