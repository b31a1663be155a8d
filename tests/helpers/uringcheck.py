# SPDX-License-Identifier: Apache-2.0
"""Records of io_uring operations against those of the system calls that do the same (tests/workloads/uring_ops.c)."""
import errno
import json
import re

TWINS = {
    "OPENAT": "openat", "OPENAT2": "openat2", "MKDIRAT": "mkdirat", "SYMLINKAT": "symlinkat", "LINKAT": "linkat",
    "RENAMEAT": "renameat2", "UNLINKAT": "unlinkat", "FALLOCATE": "fallocate", "FTRUNCATE": "ftruncate",
    "FSETXATTR": "fsetxattr", "SETXATTR": "setxattr", "SOCKET": "socket", "BIND": "bind", "LISTEN": "listen",
    "CONNECT": "connect", "ACCEPT": "accept4", "SEND": "sendto", "SENDMSG": "sendmsg",
}
TAKE_FILE = {"FALLOCATE", "FTRUNCATE", "FSETXATTR", "BIND", "LISTEN", "CONNECT", "ACCEPT", "SEND", "SENDMSG"}
SAME = ("eventName", "eventSource", "eventCategory", "eventType", "readOnly", "managementEvent", "requestParameters", "resources")
FLAG = {"async": "ASYNC", "sqpoll": "SQPOLL", "personality": "PERSONALITY"}


class Op:
    def __init__(self, number, opcode, result):
        self.number, self.opcode, self.result = int(number), opcode, int(result)
        self.error = errno.errorcode[-self.result] if self.result < 0 else None

    def __repr__(self):
        return "op %d %s = %d" % (self.number, self.opcode, self.result)


def ring_of(r):
    return r.more.get("ioUring") or {}


def by_data(trace, tgid=None):
    """{user_data: [records]} of the operations (of one process)."""
    found = {}
    for r in trace.calls():
        if r.more.get("via") == "io_uring" and tgid in (None, r.pid):
            found.setdefault(int(ring_of(r).get("userData", "0x0"), 16), []).append(r)
    return found


def parts(out):
    """[(pid, [Op])]: the ring's part of the workload's lines, and the calls'."""
    found = []
    for line in out.splitlines():
        w = line.split()
        if w[0] in ("ring", "call"):
            found.append((int(w[1]), []))
        elif w[0] == "op":
            found[-1][1].append(Op(*w[1:]))
    return found


def by_mark(trace, tid):
    """{number: record}: the call after each prctl(PR_SET_NAME, "op N")."""
    found, number = {}, None
    for r in sorted((r for r in trace.calls() if r.tid == tid), key=lambda r: r.nanos):
        m = re.match(r"op (\d+)$", str(r.request.get("name", ""))) if r.name == "prctl" else None
        if m:
            number = int(m.group(1))
        elif number is not None:
            found[number], number = r, None
    return found


def plain(value, d):
    """What two runs of the same must agree on: the folder's name and the kernel's choice of numbers (ports, pipes) aside."""
    text = json.dumps(value, sort_keys=True).replace(d + "/ring", d + "/call")
    text = re.sub(r"pipe:\[\d+\]", "pipe:[1]", re.sub(r'"port": \d{4,}', '"port": 1', text))
    return re.sub(r"(socket/127\.0\.0\.\d:)\d+", r"\1P", text)


def compare(t, way, op, r, twin, d):
    text = "%s %r" % (way, op)
    for field in SAME:
        a, b = r.raw.get(field), twin.raw.get(field)
        if field == "requestParameters" and way in ("fixed", "direct") and op.opcode in TAKE_FILE:
            a, b = dict(a or {}), dict(b or {})	# slots instead of descriptors, or other ones
            a.pop("fd", None), b.pop("fd", None)
        t.equal(plain(a, d), plain(b, d), "%s: %s" % (text, field))


def check_result(t, way, op, r):
    text, direct = "%s %r" % (way, op), way == "direct" and op.opcode in ("OPENAT", "OPENAT2", "SOCKET")
    t.equal((r.name, r.errno), (TWINS[op.opcode], -op.result if op.error else None), text)
    t.equal(ring_of(r).get("opcode"), op.opcode, text + ": opcode")
    if direct and not op.error:
        t.equal((ring_of(r).get("fixedFile"), r.response), (op.number % 8, {}), text + ": its slot")
    elif not op.error and op.opcode in ("OPENAT", "OPENAT2", "SOCKET", "ACCEPT"):
        t.equal(r.response.get("fd"), op.result, text + ": its descriptor")
    if way in FLAG:
        t.ok(FLAG[way] in ring_of(r).get("flags", []), "%s: marked %s: %r" % (text, FLAG[way], ring_of(r)))
    if way == "fixed" and op.opcode in TAKE_FILE and op.error != "EINVAL":
        t.ok("FIXED_FILE" in ring_of(r).get("flags", []), "%s: marked FIXED_FILE: %r" % (text, ring_of(r)))


def copies_addresses(r):
    """Kernels from 6.10 on copy the addresses of connect and of sends when they prepare."""
    return tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", r.raw["apiVersion"]).groups()) >= (6, 10)


def check_truth(t, way, op, r):
    """Strings are the kernel's copies: nothing of the user's."""
    sources = r.more.get("sources") or {}
    t.ok("user" not in [v for k, v in sources.items() if k != "address"], "%s %r: sources %r" % (way, op, sources))
    if op.opcode in ("SEND", "SENDMSG") or (op.opcode == "CONNECT" and op.error):
        want = None if copies_addresses(r) else "user"
        t.equal(sources.get("address"), want, "%s %r: how its address is known" % (way, op))
    t.ok("noResult" not in r.more and "argumentChanged" not in r.more, "%s %r: %r" % (way, op, r.more))
    euid = 1000 if way == "personality" else 0
    t.equal(r.process.get("uids", {}).get("euid"), euid, "%s %r: whose credentials" % (way, op))


def same_as_calls(way):
    def check(t, trace, d, _w):
        (ring_pid, ring_ops), (call_pid, call_ops) = parts(trace.out)
        found, twins = by_data(trace, ring_pid), by_mark(trace, call_pid)
        t.equal(len(ring_ops), len(call_ops), "operations both ways")
        older = {op.opcode for op, call in zip(ring_ops, call_ops) if op.error == "EINVAL" != call.error}	# not in this kernel
        for op, call in zip(ring_ops, call_ops):
            records = found.pop(op.number, [])
            if op.opcode == "SENDMSG" and "SEND" in [o.opcode for o in ring_ops[op.number - 2:op.number - 1]]:
                t.equal(records, [], "%s %r: to the peer that is known" % (way, op))
                continue
            t.must(len(records) == 1, "%s %r: %d records" % (way, op, len(records)))
            if op.opcode in older:
                t.equal((records[0].name, records[0].error), (TWINS[op.opcode], "EINVAL"), "%s %r, not known" % (way, op))
                continue
            check_result(t, way, op, records[0])
            check_truth(t, way, op, records[0])
            t.must(op.number in twins, "%r by a system call" % op)
            if op.error == call.error:
                compare(t, way, op, records[0], twins[op.number], d)
        t.equal(found, {}, "%s: records of nothing that was asked" % way)
        t.equal([r for r in trace.calls() if r.more.get("argumentChanged")], [], "%s: no tracer was there: an end that its workers did not ask for" % way)
    return check


# ---- what only io_uring can do (tests/workloads/uring_odd.c)

def results(out):
    """{number: [results]} of the workload's completions."""
    found = {}
    for line in out.splitlines():
        w = line.split()
        if w[:1] == ["op"]:
            found.setdefault(int(w[1]), []).append(int(w[3]))
    return found


def told(r):
    """A record's result as the completion has it; None where it says that it does not know."""
    if "noResult" in r.more:
        return None
    return -r.errno if r.error else r.response.get("fd", r.response.get("result", 0))


def all_told(t, trace, missing=()):
    """Each completion's result is in a record of that operation, one each, but for what has none."""
    want, found = results(trace.out), by_data(trace)
    for number, values in want.items():
        if number not in missing:
            t.equal([told(r) for r in found.get(number, [])], values, "operation %d" % number)
    return found


def link(t, trace, d, _w):
    found = all_told(t, trace)
    t.equal([found[n][0].error for n in sorted(found)], [None, "ENOENT", "ECANCELED", "ECANCELED", "ENOENT", None], "a chain's errors")
    t.equal([found[n][0].request.get("path") for n in (3, 4, 6)], [d + "/never", d + "/never", d + "/made"], "paths of what was cancelled")
    t.equal(ring_of(found[2][0]).get("flags"), ["IO_LINK"], "flags of a link")


def skip(t, trace, d, _w):
    found = by_data(trace)
    t.equal([told(r) for r in found.get(1, [])], [None], "a success that nobody is told")
    t.equal(sorted(str(told(r)) for r in found.get(2, [])), ["-2", "None"], "a failure after that")
    t.equal([told(r) for r in found.get(4, [])], [-errno.ECANCELED], "the link after one")
    t.equal([told(r) for r in found.get(5, [])], [0], "one with an event")
    t.equal(found[1][0].request.get("path"), d + "/f", "path of the silent one")


def overflow(t, trace, d, _w):
    found = all_told(t, trace)
    t.equal(len(found), 8, "operations")
    for n, records in found.items():
        t.equal(records[0].request.get("path"), d + ("/f" if n % 2 else "/none"), "path of %d" % n)


def multishot(t, trace, _d, _w):
    found = all_told(t, trace, missing=(2,))
    accepted = [r for r in found.get(1, []) if not r.error]
    t.equal(len(accepted), 3, "connections")
    for r in accepted:
        t.equal((r.name, r.response.get("address", {}).get("address")), ("accept4", "127.0.0.1"), "a connection's peer")
        t.ok("MULTISHOT" in ring_of(r).get("flags", []), "marked: %r" % ring_of(r))


def refused(t, trace, d, _w):
    found = all_told(t, trace)
    names = [(found[n][0].name, found[n][0].error) for n in sorted(found)]
    t.equal(names, [("unknown_io_uring_op", "EINVAL"), ("openat", "EFAULT"), ("openat", "EINVAL"), ("openat", "EINVAL"), ("openat", "EBADF")],
            "refused submissions")
    t.equal(found[1][0].request, {"opcode": 250, "fd": 7}, "what is known of an unknown one")
    for n in (3, 4, 5):
        r = found[n][0]
        t.equal((r.request.get("path"), r.more.get("sources")), (d + "/f", {"path": "user"}), "the string is the user's")


def others(t, trace, d, _w):
    found = all_told(t, trace, missing=(4, 5, 6))
    names = {n: found[n][0].name for n in found}
    t.equal([names.get(n) for n in (1, 2, 3, 4, 6)], ["io_uring_register", "io_uring_cmd", "io_uring_msg_ring", None, None], "names")
    t.equal(found[1][0].request.get("opcode"), ["IORING_REGISTER_FILES_UPDATE"], "as which registration")
    t.equal(found[2][0].request, {"fd": found[2][0].request.get("fd"), "path": d + "/f", "command": "0x1234"}, "a command")
    r = found[5][0]
    want = "unknown_io_uring_op" if r.error == "EINVAL" and r.name.startswith("unknown") else "io_uring_fixed_fd_install"
    t.equal(r.name, want, "a registered file becomes a descriptor")
    if not r.error:
        t.equal((r.request.get("path"), r.response.get("fd")), (d + "/f", results(trace.out)[5][0]), "which")


def swap(t, trace, d, _w):
    found = all_told(t, trace)
    paths = {r.request.get("path") for records in found.values() for r in records}
    t.equal((len(found), paths), (50, {d + "/f"}), "the kernel's copies of names that were overwritten")


def death(t, trace, _d, _w):
    r = by_data(trace).get(1, [])
    t.must(len(r) == 1, "an accept that its program did not live to see: %r" % r)
    t.equal((r[0].name, r[0].error), ("accept4", "ECANCELED"), "its end")
