#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long
"""Kernel audit as second oracle: every exec, open, unlink, rename, chmod and connect that audit saw is in the trail, with the
same result and path, and nothing that audit did not see."""
import os
import socket
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import audit  # noqa: E402
import errno  # noqa: E402
import oracle  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
import uringcheck  # noqa: E402
from sizes import size  # noqa: E402

AUID = 64250  # a login uid that nobody has
CALLS = ["execve", "execveat", "open", "openat", "creat", "unlink", "unlinkat", "rename", "renameat", "renameat2",
         "chmod", "fchmod", "fchmodat", "connect"]
# operations that audit looks at (the kernel's io_uring/opdef.c says which it skips)
OPCODES = {13: "ACCEPT", 17: "FALLOCATE", 18: "OPENAT", 28: "OPENAT2", 35: "RENAMEAT", 36: "UNLINKAT", 37: "MKDIRAT",
           38: "SYMLINKAT", 39: "LINKAT", 41: "FSETXATTR", 42: "SETXATTR", 55: "FTRUNCATE", 56: "BIND", 57: "LISTEN"}
REPEATED = (9, 16)  # sends: recorded for a new peer; connects: audited at each attempt
WORK = r"""
mkdir -p a/b
i=0
while [ $i -lt %d ]; do
    echo $i >a/f$i
    mv a/f$i "a/b/g $i"
    chmod 600 "a/b/g $i"
    rm "a/b/g $i"
    rm "a/b/g $i" 2>/dev/null
    i=$((i + 1))
done
cat a/none 2>/dev/null; ./none 2>/dev/null; chmod 700 none 2>/dev/null
/usr/bin/python3 -c '
import os, socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
socket.create_connection(s.getsockname())
c = socket.socket(); port = s.getsockname()[1]; s.close()
try: c.connect(("127.0.0.1", port))
except OSError: pass
try: socket.socket(socket.AF_UNIX).connect("a/none")
except OSError: pass
os.fchmod(os.open("a", os.O_RDONLY), 0o711)
'
rmdir a/b a
"""


def error_of(event):
    return errno.errorcode[-event.ret] if event.ret < 0 else None


def address(saddr):
    family = struct.unpack_from("=H", saddr)[0]
    if family == socket.AF_INET:
        return "%s:%d" % (socket.inet_ntoa(saddr[4:8]), struct.unpack_from(">H", saddr, 2)[0])
    if family == socket.AF_UNIX:
        return saddr[2:].split(b"\0")[0].decode()
    return None


def shown_address(record):
    a = record.request.get("address")
    if isinstance(a, dict):
        return "%s:%s" % (a["address"], a["port"]) if "port" in a else a.get("path")
    return a


def after_exec(records):
    """The shell's calls before it took the login uid and executed itself again are not audited."""
    for i, r in enumerate(records):
        if r.name == "execve" and r.request.get("argv", [""])[0] == "audited":
            return records[i:]
    return []


def compare_event(t, name, e, r):
    if e.ret >= 0 and "fd" in r.response:
        t.equal(r.response["fd"], e.ret, "descriptor of %r" % r)
    if name.startswith(("execve", "open", "creat", "chmod", "fchmodat")) and e.paths:
        t.equal(r.asked(), e.path("NORMAL", "CREATE", "UNKNOWN"), "path of %r" % r)
    elif name.startswith("unlink") and e.path("DELETE", "NORMAL", "UNKNOWN"):
        t.equal(r.asked(), e.path("DELETE", "NORMAL", "UNKNOWN"), "path of %r" % r)
    elif name.startswith("rename") and e.ret == 0:
        t.equal((r.asked(), r.asked("newPath")), (e.path("DELETE"), e.path("CREATE")), "paths of %r" % r)
    elif name == "connect" and e.saddr:
        t.equal(shown_address(r), address(e.saddr), "address of %r" % r)


def by_process(calls):
    found = {}
    for c in calls:
        found.setdefault(c.pid, []).append(c)
    return found


def audit_and_trail_agree(t):
    names = audit.numbers()
    with tap.Workdir() as d, audit.Listener(CALLS, AUID) as listener:
        script = os.path.join(d, "work.sh")
        with open(script, "w") as f:
            f.write(WORK % size("audit.files"))
        start = "echo %d >/proc/self/loginuid && exec -a audited /bin/bash %s" % (AUID, script)
        trace = trail.run(["/bin/bash", "-c", start], cwd=d)
        # setting the login uid is an event of its own, which no rule asked for
        events = [e for e in listener.events() if names[e.number] in CALLS]
    t.must(events, "audit saw nothing (exit status %s, %s)" % (trace.status, trace.err))
    t.equal(trace.lost, 0, "lost")
    seen, got, n = by_process(events), by_process(sorted(trace.calls(*CALLS), key=lambda r: r.nanos)), 0
    root = events[0].pid
    got[root] = after_exec(got.get(root, []))
    for pid, mine in seen.items():
        n += compare_process(t, names, mine, got.pop(pid, []))
    for pid, records in got.items():
        t.fail("audit saw nothing of process %s: %r" % (pid, records))
    t.ok(n >= size("audit.files") * 10, "only %d calls were compared" % n)
    t.note("%d calls compared" % n)


def compare_process(t, names, seen, got):
    keys, n = [(names[e.number], error_of(e)) for e in seen], 0
    for tag, a1, a2, b1, b2 in oracle.opcodes(keys, [(r.name, r.error) for r in got]):
        if tag == "equal":
            for i, j in zip(range(a1, a2), range(b1, b2)):
                compare_event(t, keys[i][0], seen[i], got[j])
                n += 1
            continue
        for i in range(a1, a2):
            t.fail("missing from the trail: %s %s %r" % (*keys[i], seen[i].fields))
        for r in got[b1:b2]:
            t.fail("in the trail, not audited: %r" % r)
    return n


def operations_of_rings(t):
    """Audit's filter for io_uring sees the operations of our records, of the same process, in the same order, where the kernel's
    workers carry them out: those that a program carries out inside io_uring_enter it does not show. Audit tells no results and no
    names of them."""
    with tap.Workdir() as d, audit.Listener([], AUID, rings=True) as listener:
        start = "echo %d >/proc/self/loginuid && exec %s async %s" % (AUID, tap.workload("uring_ops"), d)
        trace = trail.run(["/bin/bash", "-c", start], cwd=d)
        if trace.status == 77:
            raise tap.Skip("no io_uring")
        events = [e for e in listener.events() if isinstance(e, audit.Operation)]
    seen = [(e.pid, OPCODES.get(e.opcode, e.opcode)) for e in events if e.opcode not in REPEATED]
    got = [(r.pid, uringcheck.ring_of(r)["opcode"]) for r in trace.calls() if r.more.get("via") == "io_uring"]
    got = [g for g in got if g[1] in OPCODES.values()]
    for tag, a1, a2, b1, b2 in oracle.opcodes(seen, got):
        if tag != "equal":
            t.fail("audit saw %r, the trail has %r" % (seen[a1:a2], got[b1:b2]))
    t.equal(trace.lost, 0, "lost")
    t.ok(len(seen) >= 20, "only %d operations were compared" % len(seen))
    t.note("%d operations compared" % len(seen))


if __name__ == "__main__":
    tap.main([audit_and_trail_agree, operations_of_rings])
