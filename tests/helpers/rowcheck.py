# SPDX-License-Identifier: Apache-2.0
"""Compares the trail of workloads/all_calls with what the workload says that it passed and with what rows.py states."""
import errno
import os

import calltable
import rows
import rows32
from rowkinds import Made

LEAST = 300
# what every record has beside what its call says: helpers/oracle.py and live/identity.py are about it
OF_EVERY_RECORD = {"eventTimeNanos", "process", "hostname", "hostId", "restarts"}
ENOSYS = -errno.ENOSYS


def ordered(v):
    """Lists of names have no order of their own."""
    if isinstance(v, dict):
        return {k: ordered(x) for k, x in v.items()}
    return sorted(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else v


def compare(t, m, part, got, want):
    """Each field by itself, so that one wrong field is one failure."""
    got, want = ordered(got), ordered(want)
    for field in sorted(set(got) | set(want)):
        if field not in got:
            t.fail("%s: %s.%s is missing, want %r" % (m, part, field, want[field]))
        elif field not in want:
            t.fail("%s: %s.%s is unexpected: %r" % (m, part, field, got[field]))
        else:
            t.equal(got[field], want[field], "%s: %s.%s" % (m, part, field))


def resources_of(record):
    """(type, what stands behind the host in the ARN)"""
    return sorted((r["type"], r["ARN"].split("host/", 1)[1].split("/", 1)[1]) for r in record.raw.get("resources") or [])


def raise_grades(t, m, want, got):
    """Where hooks see what a call's paths led to, a path is the object, with its numbers, as soon as the kernel had found it."""
    sources, first = want.more.get("sources", {}), want.first_path
    for field in [f for f in sources if f in want.request and sources[f] in ("user", "fdAtExit") and m.name in calltable.HOOKED]:
        if field in got.get("sources", {}):
            t.ok(m.failed, "%s: %s is known by %s, although a hook sees it" % (m, field, got["sources"][field]))
            continue
        if sources.pop(field) == "user":
            want.more["unverified"].remove(field)
            if field == first:
                want.more.update({k: got[k] for k in ("mountId", "device", "inode") if k in got})
                t.ok("device" in got, "%s: no object" % m)
    for k in [k for k in ("sources", "unverified") if want.more.get(k) in ({}, [])]:
        del want.more[k]


def check_record(t, m, record, hooks):
    want = rows.row_of(m, rows.ROWS if m.bits == 64 else rows32.ROWS).want(m)
    if m.bits == 32:
        want.more["abi"] = "i386"
    more = {k: v for k, v in record.more.items() if k not in OF_EVERY_RECORD}
    if hooks:
        raise_grades(t, m, want, more)
    compare(t, m, "requestParameters", record.request, want.request)
    compare(t, m, "responseElements", record.response, want.response)
    compare(t, m, "additionalEventData", more, want.more)
    t.equal(resources_of(record), sorted(want.resources), "%s: resources" % m)
    name = errno.errorcode[-m.result] if m.failed else None
    head = {
        "errorCode": name, "errorMessage": os.strerror(-m.result) if name else None, "eventSource": want.source, "readOnly": want.read_only,
        "eventCategory": want.category, "managementEvent": want.category == "Management", "eventType": "HostApiCall",
    }
    compare(t, m, "the record", {k: record.raw.get(k) for k in head}, head)


def check(t, trace, least=LEAST, hooks=False):
    """Calls of which a kernel knows nothing (ENOSYS) need no record in its trail."""
    by_task, skipped, seen = {}, {}, {}
    for r in trace.calls():
        by_task.setdefault((r.tid, r.name), []).append(r)
    for line in trace.out.splitlines():
        if line.startswith("none "):
            name, why = line[5:].split(": ", 1)
            skipped.setdefault(why, []).append(name)
            continue
        m = Made(line)
        got = by_task.get((m.pid, m.name))
        if not got:
            if m.result != ENOSYS:
                t.fail("missing from the trail: %r" % m)
            continue
        seen.setdefault(m.name, set()).add("fails" if m.failed else "succeeds")
        check_record(t, m, got[-1], hooks)
    both = [n for n, how in seen.items() if len(how) == 2]
    t.ok(len(both) >= least, "only %d calls both ways" % len(both))
    t.note("%d calls, %d of them both ways, every field of every record compared" % (len(seen), len(both)))
    for why, names in sorted(skipped.items()):
        t.note("not made to %s: %s: %s" % ("fail" if seen.get(names[0]) == {"succeeds"} else "succeed", " ".join(names), why))
