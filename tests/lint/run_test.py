#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of tests/run.py: what counts as passed, failed and skipped."""
import collections
import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("run", os.path.join(os.path.dirname(HERE), "run.py"))
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)

# name, shell program, limit in seconds, (passed, failed, skipped)
PROGRAMS = [
    ("all ok", "echo 1..2; echo ok 1 - a; echo ok 2 - b", 10, (2, 0, 0)),
    ("one not ok", "echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1", 10, (1, 1, 0)),
    ("skip with reason", "echo 1..1; echo 'ok 1 - a # SKIP no qemu'", 10, (0, 0, 1)),
    ("whole file skipped", "echo '1..0 # SKIP needs root'", 10, (0, 0, 1)),
    ("no plan", "echo ok 1 - a", 10, (1, 1, 0)),
    ("says nothing", "true", 10, (0, 1, 0)),
    ("too few results", "echo 1..3; echo ok 1 - a; echo ok 2 - b", 10, (2, 1, 0)),
    ("too many results", "echo 1..1; echo ok 1 - a; echo ok 2 - b", 10, (2, 1, 0)),
    ("dies after all results", "echo 1..1; echo ok 1 - a; kill -SEGV $$", 10, (1, 1, 0)),
    ("exit status alone", "echo 1..1; echo ok 1 - a; exit 3", 10, (1, 1, 0)),
    ("hangs", "echo 1..1; echo ok 1 - a; sleep 60", 1, (1, 1, 0)),
    ("plan at the end", "echo ok 1 - a; echo 1..1", 10, (1, 0, 0)),
]


def runner(folder, **more):
    args = types.SimpleNamespace(build=folder, long=False, only=None)
    args.__dict__.update(more)
    return run.Runner(args)


def program_cases(folder):
    for name, text, limit, want in PROGRAMS:
        test = run.Test("live", name.replace(" ", "-"), ["/bin/sh", "-c", text], folder, limit)
        outcome = runner(folder).execute(test)
        yield name, (outcome.passed, outcome.failed, outcome.skipped), want


def unsteady_cases(folder):
    """What a script says at each of its turns ("f": that it failed), and what the run says of it."""
    def said(stage, turns, r):
        count = os.path.join(folder, "turn")
        with open(count, "w") as f:
            f.write(turns)
        text = "echo 1..1; case $(head -c1 %s) in f) echo not ok 1 - a; x=1;; *) echo ok 1 - a;; esac; sed -i s/^.// %s; exit $x" % (count, count)
        outcome = r.verdict(run.Test(stage, "turns", ["/bin/sh", "-c", text], folder, 10))
        with open(count) as f:
            return outcome.passed, outcome.failed, len(r.unsteady), len(turns) - len(f.read().strip())

    yield "what passes is run once", said("live", "pppp", runner(folder)), (1, 0, 0, 1)
    yield "what failed and passes twice more is unsteady", said("live", "fppp", runner(folder)), (1, 0, 1, 3)
    yield "what fails at its second turn has failed", said("e2e", "ffpp", runner(folder)), (0, 1, 0, 2)
    yield "and at its third", said("e2e", "fpfp", runner(folder)), (0, 1, 0, 3)
    yield "a unit test has one turn", said("unit", "fppp", runner(folder)), (0, 1, 0, 1)
    yield "what was asked for by name has one", said("live", "fppp", runner(folder, only=["live"])), (0, 1, 0, 1)
    r = runner(folder)
    yield "not more than two scripts are unsteady", [said("live", "fppp", r) for _ in range(3)], [(1, 0, 1, 3), (1, 0, 2, 3), (0, 1, 2, 1)]
    outcome = runner(folder).verdict(run.Test("live", "turns", ["/bin/sh", "-c", "echo 1..1; test -e %s/was && echo ok 1 && exit; touch %s/was; echo '# why'; echo not ok 1 - a; exit 1" % (folder, folder)], folder, 10))
    yield "and why it failed at first is printed", [bool([n for n in outcome.notes if w in n]) for w in ("UNSTEADY", "failed at first: a", "# why")], [True] * 3


def resumed_cases(folder):
    """A full-size run goes by docs/long-runs.md and by what git says has changed since."""
    was = run.LONG_RUNS, run.TOP
    tree = os.path.join(folder, "tree")
    os.makedirs(tree + "/docs")
    git = ["git", "-C", tree, "-c", "user.name=t", "-c", "user.email=t@localhost"]

    def commit():
        for more in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x", "--allow-empty"]):
            subprocess.run(git + more, check=True, stdout=subprocess.DEVNULL)
        return run.commit_id()

    def left():
        return [t.name for t in runner(folder, long=True).pending(run.Test("live", n, [], folder) for n in "abc")]
    run.LONG_RUNS, run.TOP = tree + "/docs/long-runs.md", tree
    try:
        with open(tree + "/code", "w") as f:
            f.write("1")
        at = commit()
        with open(run.LONG_RUNS, "w") as f:
            f.write(run.LONG_HEAD + "".join("| 2026-01-01 00:00 | %s | live/%s | 1 passed, %d failed, 0 skipped | 5 |\n" % (at, n, n == "b")
                                            for n in "ab"))
        yield "what passed is not run again", left(), ["b", "c"]
        commit()
        yield "nor when only its line was committed", left(), ["b", "c"]
        with open(tree + "/code", "w") as f:
            f.write("2")
        yield "but when something changed", left(), ["a", "b", "c"]
    finally:
        run.LONG_RUNS, run.TOP = was


def other_cases(folder):
    reasons = run.Outcome()
    run.parse_tap("1..1\nok 1 - a # SKIP no qemu here\n", 0, reasons)
    yield "reason of a skip is told", reasons.notes, ["skipped a: no qemu here"]
    detail = run.Outcome()
    run.parse_tap("1..2\n# first\nok 1 - a\n# second\nnot ok 2 - b\n", 1, detail)
    yield "a failure is told with its own detail", detail.notes, ["FAILED  b", "        # second"]
    spent = runner(folder)
    spent.started -= run.BUDGET + 1
    outcome = spent.execute(run.Test("live", "late", ["/bin/true"], folder))
    yield "a spent budget is a failure, not a skip", (outcome.passed, outcome.failed, outcome.skipped), (0, 1, 0)
    outcome = spent.execute(run.Test("e2e", "later", ["/bin/false"], folder, later=0))
    yield "one that is run if there is time", (outcome.passed, outcome.failed, outcome.skipped), (0, 0, 1)
    outcome = runner(folder).execute(run.Test("e2e", "later", ["/bin/sh", "-c", "echo 1..1; echo ok"], folder, later=60))
    yield "there is", (outcome.passed, outcome.failed, outcome.skipped), (1, 0, 0)
    short = runner(folder)
    short.started -= run.BUDGET - 1
    built = runner(folder)
    built.began -= run.WHOLE + 1
    outcome = built.execute(run.Test("e2e", "later", ["/bin/false"], folder, later=0))
    yield "the build is part of the time", (outcome.passed, outcome.failed, outcome.skipped), (0, 0, 1)
    outcome = built.execute(run.Test("live", "not late", ["/bin/sh", "-c", "echo 1..1; echo ok"], folder))
    yield "but costs nothing else", (outcome.passed, outcome.failed, outcome.skipped), (1, 0, 0)
    slow = ["/bin/sh", "-c", "echo 1..2; echo ok; sleep 60"]
    outcome = short.execute(run.Test("e2e", "later", slow, folder, later=0))
    yield "it ends with the budget", (outcome.passed, outcome.failed, outcome.skipped), (0, 0, 1)
    outcome = runner(folder).execute(run.Test("e2e", "later", slow, folder, timeout=1, later=0))
    yield "but its own limit is a failure", (outcome.passed, outcome.failed, outcome.skipped), (1, 2, 0)
    outcome = runner(folder).execute(run.Test("unit", "gone", [folder + "/no-such-program"], folder))
    yield "a program that is not there", (outcome.passed, outcome.failed, outcome.skipped), (0, 1, 0)
    extra = run.Test("kernels", "extra.py", [], folder, tags=("extra",))
    chosen = [runner(folder, only=o, long=l).wanted(extra) for o, l in ((None, False), (["kernels"], False), (["live"], False), (None, True))]
    yield "an extra test runs when it is named", chosen, [False, True, False, True]
    env = run.Test("live", "env", ["/bin/sh", "-c", 'echo 1..1; [ "$HT_LONG$HT_BUILD" = "0%s" ] && echo ok' % folder], folder)
    yield "environment", runner(folder).execute(env).passed, 1
    busy = runner(folder).execute(run.Test("live", "busy", ["/bin/sh", "-c", "echo 1..1; i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done; echo ok"], folder))
    yield "CPU time is measured", 0 < busy.cpu <= busy.seconds + 0.1, True
    queue = [run.Test("live", "q%d" % n, ["/bin/sh", "-c", "echo 1..1; echo ok 1 - a"], folder) for n in range(20)]
    two, shared = runner(folder), collections.deque(queue)
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        lanes = [threading.Thread(target=two.drain, args=(shared,)) for _ in range(2)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
    yield "two lanes run each test of a queue once", (two.total.passed, two.total.failed), (20, 0)
    yield from resumed_cases(folder)
    script = os.path.join(folder, "x.sh")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n# ht-test: timeout=7 san later=9 full=90\n")
    yield "directives", run.directives(script), {"timeout": 7, "later": 9, "full": 90, "tags": {"san"}}
    only = runner(folder, only=["live/a", "unit"])
    picked = [only.wanted(run.Test(s, n, [], folder)) for s, n in
              (("live", "a"), ("live", "a.py"), ("live", "ab.py"), ("unit", "test_x"), ("e2e", "a"))]
    yield "--only", picked, [True, True, False, True, False]


def main():
    with tempfile.TemporaryDirectory(prefix="ht-run.") as folder:
        results = [*program_cases(folder), *other_cases(folder), *unsteady_cases(folder)]
    failed = 0
    print("1..%d" % len(results))
    for number, (name, got, want) in enumerate(results, 1):
        if got != want:
            print("# got %s, want %s" % (got, want))
            failed += 1
        print("%s %d - %s" % ("ok" if got == want else "not ok", number, name))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
