# SPDX-License-Identifier: Apache-2.0
"""What calls are about, changed while they are made (tests/workloads/pathraces.c): no record may state what was never true
without saying that it could not be sure."""
import collections
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from rulecases import Case  # noqa: E402


def doubted(r):
    return "path" in r.more.get("unverified", []) or r.more.get("argumentChanged") is True


def made(t, trace):
    m = re.search(r"^done (\d+)$", trace.out, re.M)
    t.must(m, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    return int(m.group(1))


def held_against(t, records, count, allowed, sure_at_all=False):
    """COUNT records; each states one of the allowed paths, or says that it is not sure (not all of them, with sure_at_all)."""
    t.equal(len(records), count, "records of the calls")
    seen, where = collections.Counter(), os.path.commonpath(allowed or {"/"})
    for r in records:
        path, sure = r.request.get("path"), not doubted(r)
        seen["%s, %s" % ((path or "none").replace(where + "/", ""), "sure" if sure else "doubted")] += 1
        if sure and path not in allowed:
            t.fail("stated without doubt: %r" % r)
    t.ok(not sure_at_all or any(not doubted(r) for r in records), "every record is in doubt")
    t.note(", ".join("%s: %d" % kv for kv in sorted(seen.items())))


def descriptors(t, trace, d, w):
    opens = [r for r in trace.calls("open", "openat") if r.asked() == "real" and "O_NOFOLLOW" in r.request.get("flags", [])]
    held_against(t, opens, made(t, trace), {d + "/real"})


def renames(t, trace, d, w):
    opens = [r for r in trace.calls("openat") if r.asked() == "f"]
    held_against(t, opens, made(t, trace), {d + "/A/x/f", d + "/B/x/f", d + "/B2/x/f"}, True)


def mounts(t, trace, d, w):
    """While it is moved a mount hangs nowhere: then the path is from its own root, and the record says `detached`."""
    opens = [r for r in trace.calls("openat") if r.asked() == "f"]
    hanging = [r for r in opens if r.request.get("path") == "/f" and r.more.get("pathKind") == "detached"]
    held_against(t, [r for r in opens if r not in hanging], made(t, trace) - len(hanging), {d + "/m1/f", d + "/m2/f"}, True)


def swaps(t, trace, d, w):
    """Nothing opened: the string was read twice, and is never more than that."""
    calls = trace.calls("truncate")
    held_against(t, calls, made(t, trace), set())
    for r in calls:
        both = {r.request.get("requestedPath"), r.request.get("requestedPathAtEnter")} - {None}
        if len(both) == 2 and not r.more.get("argumentChanged"):
            t.fail("two readings, and no word of it: %r" % r)


def tracer(t, trace, d, w):
    t.equal(made(t, trace), 1, "the tracer exchanged both")
    opens = [r for r in trace.calls("openat") if (r.asked() or "") in ("real", "decoy")]
    t.equal([(r.asked(), r.request.get("path"), r.error) for r in opens], [("decoy", d + "/decoy", None)], "what the kernel was given")
    t.ok(opens and opens[0].response.get("fd", 1234) < 1000, "the kernel's result, not the tracer's: %r" % opens)


def execs(t, trace, d, w):
    count = made(t, trace)
    ran = dict(re.findall(r"^ran (\d+) (\w+)$", trace.out, re.M))
    t.equal(len(ran), count, "programs that ran")
    good = [r for r in trace.calls("execve") if not r.error and not r.more.get("noResult") and r.request.get("argv", [0])[1:2] == ["ran"]]
    t.equal({str(r.pid): r.request["argv"][2] for r in good}, ran, "each process's one exec that came true, by its arguments")
    t.equal(len(good), count, "execs that came true")


def bomb(t, trace, d, w):
    count = made(t, trace)
    opens = [r for r in trace.calls("open", "openat") if r.asked() == "bomb"]
    t.equal((len(opens), len({r.pid for r in opens})), (count, count), "an open of each process")
    t.equal(len([r for r in trace.calls("exit_group")]), count, "exits")


def race(name, count, check):
    return Case("races: " + name, "{W}/pathraces %s {D} %d" % (name, count), check, "", (77,), "not possible on this kernel")


def cases(opens, rounds=40, processes=511):
    return [race("dup", opens, descriptors), race("close", opens, descriptors), race("rename", opens, renames),
            race("mount", opens // 4, mounts), race("swap", opens // 4, swaps), race("ptrace", 1, tracer),
            race("execs", rounds, execs), race("bomb", processes, bomb)]
