#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240
"""io_uring on equal terms: every operation's record against that of the system call that does the same; and what only
io_uring has: linked, skipped, overflowing, multishot and refused operations. Cases are in tests/helpers/uringcases.py,
which the kernel matrix runs, too."""
import copy
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import onetrace  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
import uringcases  # noqa: E402
import uringcheck  # noqa: E402


def here(case):
    """Other users work in its folder; the root is this system's."""
    case = copy.copy(case)
    case.setup, case.prepare = "", lambda d: os.chmod(d, 0o777)
    return case


RATE = {"WRITEV": "pwritev2", "READV": "preadv2", "WRITE": "pwrite64", "READ": "pread64", "FSYNC": "fsync", "SYNC_FILE_RANGE": "sync_file_range",
        "FADVISE": "fadvise64", "MADVISE": "madvise", "STATX": "statx", "GETXATTR": "getxattr", "FGETXATTR": "fgetxattr", "TEE": "tee", "SPLICE": "splice",
        "RECV": "recvfrom", "RECVMSG": "recvmsg", "SHUTDOWN": "shutdown", "EPOLL_CTL": "epoll_ctl", "EPOLL_WAIT": "epoll_wait", "CLOSE": "close",
        "FSYNC:fdatasync": "fdatasync", "URING_CMD:setsockopt": "setsockopt", "URING_CMD:getsockopt": "getsockopt", "URING_CMD": "io_uring_cmd",
        "PIPE": "pipe2", "WAITID": "waitid", "FUTEX_WAKE": "futex_wake", "FUTEX_WAIT": "futex_wait", "FUTEX_WAITV": "futex_waitv"}


def selected(t):
    """Operations whose calls are recorded where a selector names them: the same of both."""
    with tap.Workdir() as d:
        wanted = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": [c]}, {"Field": "eventName", "Equals": [*RATE.values(), "prctl", "ioctl"]}]}
                  for c in ("Management", "Data", "NetworkActivity")]
        with open(d + "/selectors", "w") as f:
            json.dump(wanted, f)
        trace = trail.run([tap.workload("uring_rate"), d], ("--selectors", d + "/selectors"))
        t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err[-300:])
        (ring_pid, ring_ops), (call_pid, call_ops) = uringcheck.parts(trace.out)
        found, twins = uringcheck.by_data(trace, ring_pid), uringcheck.by_mark(trace, call_pid)
        t.equal({op.opcode for op in ring_ops}, set(RATE), "operations")
        t.equal(set(found), {op.number for op in ring_ops}, "records of the ring's operations, by their number")
        for op, call in zip(ring_ops, call_ops):
            r, twin = found[op.number][0], twins[op.number]
            name = RATE[op.opcode]
            t.equal((r.name, twin.name, r.errno), (name, "ioctl" if op.opcode == "URING_CMD" else name, -op.result if op.error else None), repr(op))
            t.equal(uringcheck.ring_of(r).get("opcode"), op.opcode.split(":")[0], "%r: opcode" % op)
            if "FIXED_FILE" in uringcheck.ring_of(r).get("flags", []):
                r.request.pop("fd"), twin.request.pop("fd")
            if op.error == call.error and op.opcode != "URING_CMD":
                uringcheck.compare(t, "ring", op, r, twin, d)


if __name__ == "__main__":
    tap.main([selected] + onetrace.runnables([here(c) for c in uringcases.CASES], rulerun.W))
