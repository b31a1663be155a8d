# SPDX-License-Identifier: Apache-2.0
"""Attacks on what a record says, as cases for tests/live/attacks.py and the kernel matrix (see rulecases.py). The workloads
(tests/workloads/attacks_*.c) say how many calls they made and what was true of each; that, and not a counter of ours, is what
records are held against."""
import collections
import re

import calltable
from rulecases import Case

ABSENT, WHY = (77,), "not possible on this kernel"


def did(trace):
    """{call: how many} of the calls that are recorded without being asked for."""
    made = {k: int(v) for k, v in re.findall(r"^did (\w+) (\d+)$", trace.out, re.M)}
    return collections.Counter({k: n for k, n in made.items() if k in calltable.RECORDED})


def truths(t, trace):
    m = re.search(r"^truth (\w*)$", trace.out, re.M)
    t.must(m, "the workload said %r %s" % (trace.out[-200:], trace.err[-200:]))
    return m.group(1)


# ---- arguments exchanged while the kernel copies them (attacks_swap.c)

REAL, FAKE = "realpart", "fakepart"
ADDRESSES = {"r": "127.0.0.1", "f": "127.0.0.2"}


def path_of(r):
    return r.request.get("path")


def address_of(r):
    return r.request.get("address", {}).get("address")


def argument_of(r):
    return (r.request.get("argv") or [None] * 3)[2]


SURE = "sure"


class Victim:
    """CALLS are those whose argument FIELD was exchanged; `object`: the kernel's own object tells what it was, and if that is
    SURE, the record has no doubt."""

    def __init__(self, name, calls, field, value, is_object, mine=lambda r: True, says="{d}/%s-file"):
        self.name, self.calls, self.field, self.value, self.object, self.mine, self.says = name, calls, field, value, is_object, mine, says

    def wanted(self, c, d):
        if self.value is address_of:
            return ADDRESSES[c]
        return (self.says % {"r": REAL, "f": FAKE}[c]).format(d=d)

    def doubted(self, r):
        return self.field in r.more.get("unverified", []) or self.field in r.more.get("unreadable", []) or \
            r.more.get("argumentChanged") is True

    def check(self, t, trace, d, w):
        found = [r for r in trace.calls(*self.calls) if self.mine(r)]
        said, seen, wrong = truths(t, trace), collections.Counter(), []
        t.equal(len(found), len(said), "records of the calls")
        for r, c in zip(found, said):
            got, sure = self.value(r), not self.doubted(r)
            seen["%s, %s" % (got, "sure" if sure else "doubted")] += 1
            if c == "e" or not self.object:
                wrong += [r] if sure else []
            elif got != self.wanted(c, d) or self.object == SURE and self.field in r.more.get("unverified", []):
                wrong.append(r)
        t.ok(not wrong, "%d records of %d state what is not known, or doubt what is, as %r" % (len(wrong), len(said), wrong[:1]))
        t.note(", ".join("%s: %d" % kv for kv in sorted(seen.items())))


def attacks_open(r):
    return "O_CLOEXEC" in r.request.get("flags", [])


def nofollow(t, trace, d, w):
    """Nobody could follow a link: where the string names something else than what was opened, it was exchanged."""
    Victim("nofollow", ("openat",), "path", path_of, SURE, attacks_open).check(t, trace, d, w)
    for r in filter(attacks_open, trace.calls("openat")):
        asked = r.request.get("requestedPath")
        t.ok(asked is None or r.request["path"].endswith(asked) or r.more.get("argumentChanged"), "the string is another one's: %r" % r)


def executed(r):
    return not r.error and r.request.get("argv", [None])[:2] == ["attacks_swap", "said"]


VICTIMS = [
    Victim("open", ("openat",), "path", path_of, SURE, attacks_open),
    Victim("missing", ("openat",), "path", path_of, False, attacks_open),
    Victim("truncate", ("truncate",), "path", path_of, False),
    Victim("sqpoll", ("openat",), "path", path_of, True, attacks_open),  # the ring's thread shares the descriptors
    Victim("connect", ("connect",), "address", address_of, SURE),
    Victim("refused", ("connect",), "address", address_of, False),
    Victim("sendto", ("sendto",), "address", address_of, False),
    Victim("argv", ("execve",), "argv", argument_of, SURE, executed, "%s-file"),
    Victim("noexec", ("execve",), "argv", argument_of, False, lambda r: r.error == "ENOEXEC"),
    Victim("program", ("execve",), "path", path_of, SURE, executed),
]


def swaps(count, processes):
    for how in ("fault", "race"):
        for v in VICTIMS:
            n = processes if v.name in ("argv", "program") else count
            yield Case("swap by %s: %s" % (how, v.name), "{W}/attacks_swap %s %s {D} %d" % (how, v.name, n), v.check, "", ABSENT, WHY)
        yield Case("swap by %s: nofollow" % how, "{W}/attacks_swap %s nofollow {D} %d" % (how, count), nofollow, "", ABSENT, WHY)
