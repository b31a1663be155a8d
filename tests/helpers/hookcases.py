# SPDX-License-Identifier: Apache-2.0
"""Paths whose objects a hook sees where the kernel has hooks (fentry): tests/workloads/hooks says of each call what it led to,
through a symbolic link. There the record states just that, as `object`; elsewhere, and where a call fails before anything was
found, it states what was asked, and that it is not sure."""
import json
import re
import subprocess

import tap
from rulecases import Case

SAID = re.compile(r"^did (\w+) (\d+) (object|user) (\S+) (\S+)$", re.M)


def records_of(t, trace):
    """From the first call that the workload speaks of on: what makes its folder is not asked about."""
    names = {m.group(1) for m in SAID.finditer(trace.out)}
    records = [r for r in trace.calls(*names) if str(r.asked() or r.request.get("requestedPath") or "").startswith("link/")]
    t.ok(records, "no record, the workload said %s" % trace.err[-300:])
    return records


def check_path(t, r, field, path, hooked):
    what = "%s %s" % (r.name, r.request)
    grade, doubted = (r.more.get("sources") or {}).get(field), field in r.more.get("unverified", [])
    if hooked:
        t.equal((r.request.get(field), grade, doubted), (path, None, False), what)
        return
    t.ok(grade in ("user", "fdAtExit"), "%s: grade %s" % (what, grade))
    t.equal(doubted, grade == "user", "%s: doubted" % what)


def checker(hooks):
    def check(t, trace, d, w):
        records, said = records_of(t, trace), list(SAID.finditer(trace.out))
        t.equal([(r.name, r.errno or 0) for r in records], [(m.group(1), int(m.group(2))) for m in said], "the calls")
        for r, m in zip(records, said):
            hooked = hooks and m.group(3) == "object"
            if m.group(3) == "user":
                t.equal((r.request.get("path"), r.more.get("sources")), (m.group(4), {"path": "user"}), "%s: nothing was found" % r.name)
            check_path(t, r, "path", m.group(4), hooked)
            if m.group(5) != "-":
                check_path(t, r, "newPath", m.group(5), hooked)
            if hooked:
                t.ok(not r.more.get("argumentChanged") and not r.more.get("pathKind") and r.more.get("device"), "%s: %r" % (r.name, r.more))
    return check


def are_on():
    """On this kernel, as doctor says."""
    lines = subprocess.run([tap.program("hosttrail"), "doctor"], stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()
    hooks = [f for f in map(json.loads, lines) if f["name"].startswith("fentry/")]
    return bool(hooks) and all(f["on"] for f in hooks)


def cases(hooks):
    """hooks: this kernel has them, all that the workload needs."""
    yield Case("hooks: what a call led to", "{W}/hooks {D}", checker(hooks))
