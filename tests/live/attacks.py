#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1200 long
"""Attacks: what programs do to be recorded wrongly, as others, or not at all. What was done is told by the programs that did it,
never by counters of ours. Whether all of it is recorded or counted: attacks_counted.py, attacks_agent.py."""
import collections
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import attackcases  # noqa: E402
import hookcases  # noqa: E402
import onetrace  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402
from sizes import size  # noqa: E402

ROUND = 20_000  # calls in one trace: a million are more than one should hold in memory


# ---- what is recorded is true (tests/helpers/attackcases.py)

def truth_cases():
    opens = size("races.opens")
    cases = attackcases.cases(size("attacks.swaps"), size("attacks.processes"), min(opens, ROUND), hookcases.are_on())
    if opens <= ROUND:  # everyday: one trace for all
        return onetrace.runnables(cases, rulerun.W)
    return [repeated(c, -(-opens // ROUND) if c.title in ("paths: symlink", "paths: parents") else 1) for c in cases]


def repeated(case, n):
    """The case, in as many traces of its own as it needs."""
    def run(t):
        for _ in range(n):
            rulerun.runnable(case)(t)
    run.title = case.title
    return run


UNSEEN = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "eventName", "Equals": ["openat"]}]}]


def groups_changed_unseen(t):
    """Nobody selects the calls that change them."""
    with tap.Workdir() as d:
        with open(d + "/selectors", "w") as f:
            json.dump(UNSEEN, f)
        trace = trail.run([tap.workload("attacks_change"), "groups", d, str(size("attacks.groups"))], ("--selectors", d + "/selectors"))
        t.equal((trace.status, trace.calls("setgroups")), (0, []), "exit status, calls that are not selected")
        attackcases.changed(t, trace, d, rulerun.W)


def became_selected(t):
    """Selectors, and what of them the kernel decides, ask for who called, not for whom that made of the caller."""
    for uid in (0, 1000):
        with tap.Workdir() as d:
            os.chmod(d, 0o755)
            with open(d + "/selectors", "w") as f:
                json.dump([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "process.euid", "Equals": [str(uid)]}]}], f)
            trace = trail.run([tap.workload("attacks_became"), d], ("--selectors", d + "/selectors"))
            t.equal((trace.status, trace.lost), (0, 0), "exit status, lost (%s)" % trace.err)
            made = attackcases.steps_of(t, trace)
            names = {name for _, name, *_ in made}
            wanted = collections.Counter(name for _, name, _, before, _ in made if before["uids"]["euid"] == uid)
            first = {0: {"setresuid": 2, "unshare": 1, "prctl": 4}, 1000: {}}[uid]  # what comes before a step
            found = collections.Counter(r.name for r in trace.calls() if r.name in names)
            t.equal(found, wanted + collections.Counter(first), "calls by %d" % uid)


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main(truth_cases() + [groups_changed_unseen, became_selected])
