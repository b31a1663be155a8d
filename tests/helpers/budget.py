# SPDX-License-Identifier: Apache-2.0
"""What each program costs the verifier, against tests/verified.json: instructions processed, by kernel and program.

A verifier gives up at 1,000,000, and how far a program is from that differs between kernels, so each has its own record.
A program may cost half as much again as its record; a new program without one, at most UNRECORDED.
To record anew: HT_RECORD_VERIFIED=1 tests/live/verifier_budget.py, and the same with tests/kernels/linux-*.py.
"""
import json
import os
import re

import tap

PATH = os.path.join(tap.TOP, "tests/verified.json")
HEADROOM = 1.5
UNRECORDED = 250_000


def parse(out):
    return {name: int(n) for name, n in re.findall(r"^(\w+) (\d+)$", out, re.M)}


def load():
    if not os.path.exists(PATH):
        return {}
    with open(PATH) as f:
        return json.load(f)


def record(kernel, got):
    table = load()
    table[kernel] = got
    with open(PATH, "w") as f:
        json.dump(table, f, indent=1, sort_keys=True)
        f.write("\n")


def check(t, kernel, got):
    """kernel: "6.1". One that has no record is held to UNRECORDED."""
    t.must(got, "no program was measured")
    if os.environ.get("HT_RECORD_VERIFIED") == "1":
        record(kernel, got)
    known = load().get(kernel, {})
    for name, n in sorted(got.items()):
        most = known[name] * HEADROOM if name in known else UNRECORDED
        t.ok(n <= most, "%s: %d instructions processed, at most %d" % (name, n, most))
    t.note(", ".join("%s %d" % kv for kv in sorted(got.items())))
