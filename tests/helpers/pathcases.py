# SPDX-License-Identifier: Apache-2.0
"""Paths that are hard to name, as cases like those of rulecases: tests/workloads/paths says what is true of each call, and
every record is held against it. tests/live/paths.py runs them here, tests/kernels inside other kernels."""
import functools
import json
import re

from rulecases import Case

LIST = ["bind", "overlay", "chroot", "pivot", "detached", "deleted", "deep", "long", "names", "pages"]


class Want:
    """One line of the workload: a call and what is true of it."""

    def __init__(self, line):
        _, self.call, asked, result, path, self.kind, in_root = line.split()
        self.asked, self.path, self.in_root = unhex(asked), unhex(path), unhex(in_root)
        self.errno = 0 if result == "ok" else int(result)


def unhex(s):
    return None if s == "-" else bytes.fromhex(s)


def text_bytes(s):
    """A record's text back to the bytes that it stands for: U+FFFD and two digits are one byte."""
    if s is None:
        return None
    out = bytearray()
    for part in re.split("(\ufffd[0-9a-f]{2})", s):
        out += bytes([int(part[1:], 16)]) if part.startswith("\ufffd") else part.encode()
    return bytes(out)


def same(record, want):
    return record.name == want.call and (want.asked is None or text_bytes(record.asked()) == want.asked or
                                         (record.asked() and "path" in record.more.get("cut", []) and
                                          want.asked.startswith(text_bytes(record.asked()))))


def short(b):
    return b if b is None or len(b) < 100 else b[:60] + b"..." + b[-30:]


def check_one(t, r, want, hooks):
    what = "%s(%r)" % (want.call, short(want.asked))
    t.equal(r.errno or 0, want.errno, "%s: error" % what)
    got, kind = text_bytes(r.request.get("path")), r.more.get("pathKind")
    truncated = bool(r.more.get("pathTruncated"))
    if want.asked is None:
        t.equal((got, r.more.get("unreadable")), (None, ["path"]), "%s: a string that nobody could read" % what)
        return
    if want.path is not None and want.path != b"-":
        t.ok(got == want.path, "%s: path %r, true is %r" % (what, short(got), short(want.path)))
        t.ok(not truncated, "%s: said to be truncated" % what)
    t.equal(kind, None if want.kind == "-" else want.kind, "%s: kind" % what)
    t.equal(text_bytes(r.more.get("pathInRoot")), want.in_root, "%s: as seen from its root" % what)
    t.ok(not r.more.get("argumentChanged"), "%s: said to have changed" % what)
    check_grade(t, r, want, what, hooks)


def check_grade(t, r, want, what, hooks):
    """`object` where a hook saw it, which has no room for the longest paths."""
    grade = (r.more.get("sources") or {}).get("path")
    if hooks and not want.errno and len(got_bytes(r)) < 4096:
        t.equal(grade, None, "%s: grade" % what)
        return
    t.ok(grade in ("fdAtExit", "user") or hooks and not grade, "%s: a grade: %r" % (what, grade))
    if grade == "user":
        t.ok("path" in r.more.get("unverified", []), "%s: `user` is unverified" % what)


def got_bytes(r):
    return text_bytes(r.request.get("path")) or b""


def check(t, trace, d, w, hooks):
    """In the order in which they were made."""
    wants = [Want(line) for line in trace.out.splitlines() if line.startswith("want ")]
    records, at = trace.calls("openat", "truncate"), 0
    t.ok(wants, "the workload said nothing: %s" % trace.err[-300:])
    t.equal(trace.status, 0, "its exit status")
    for want in wants:
        found = next((i for i in range(at, len(records)) if same(records[i], want)), None)
        if found is None:
            t.fail("no record of %s(%r)" % (want.call, short(want.asked)))
            continue
        check_one(t, records[found], want, hooks)
        at = found + 1


def arguments(t, trace, d, w):
    """2,048 arguments, three widths, a refused exec and one that comes true: whole where CloudTrail's 100 KB allow."""
    calls = [r for r in trace.calls("execve") if len(r.request.get("argv") or []) > 100]
    t.equal([r.error for r in calls], ["ENOENT", None] * 3, "execs")
    for r, width in zip(calls, (4, 4, 43, 43, 200, 200)):
        whole = ["paths"] + ["%0*d" % (width, i) for i in range(1, 2048)]
        argv, cut = r.request["argv"], r.request.get("argvCut")
        size = len(json.dumps(r.request, ensure_ascii=False, separators=(",", ":")).encode())
        t.ok(size <= 100 * 1024, "requestParameters of %d bytes" % size)
        if width < 200:
            t.ok(argv == whole and cut is None, "%d wide: %d of 2048, %r" % (width, len(argv), cut))
            continue
        if r.error:  # a refused exec's strings are read in order, as far as there is room
            t.ok(cut and "[...]" in argv or argv == whole[:len(argv)] and len(argv) > 400, "the beginning: %d, %r" % (len(argv), cut))
            continue
        t.ok("[...]" in argv and size > 90 * 1024, "cut in the middle, and no more than must be: %d bytes" % size)
        at = argv.index("[...]") if "[...]" in argv else 0
        t.ok(argv[:at] == whole[:at] and argv[at + 1:] == whole[len(whole) - (len(argv) - at - 1):], "both ends")
        t.ok(cut and (cut.get("originalSize") == 6 + 2047 * 201), "its size: %r" % cut)


def cases(hooks):
    """hooks: this kernel has those that see what a call leads to."""
    checked = functools.partial(check, hooks=hooks)
    return [Case("paths: " + name, "{W}/paths %s {D}" % name, checked, "", (77,), "not possible on this kernel") for name in LIST] + \
        [Case("paths: argv", "{W}/paths argv {D}", arguments)]
