#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of one build directory and adds up what they say.

Stages: lint, unit, fuzz (corpora replayed), two at a time; then, in two lanes side by side, live and e2e in one, san (unit, fuzz and
one end-to-end test, built with ASan and UBSan) and kernels, which never wait, in the other. What is left of live and e2e then, which wait more than they
work, is run three at a time. So a live test must hold beside anything else. With --long everything runs alone. Every test is a program that prints TAP; it gets HT_BUILD (the
build directory), HT_LONG (0 or 1), and a time limit. A program that prints no plan, prints fewer results
than planned, dies, or exceeds its limit is a failure, whatever it printed before.

A script may say things to this runner in one of its first 20 lines:
    # ht-test: timeout=600 san long
timeout in seconds (default 300); `full=7200`: that with --long, where four times the timeout is not enough on a busy machine; `san`: the end-to-end test to repeat with the sanitized build;
`long`: it has a larger size, which --long runs and whose result goes to docs/long-runs.md; `extra`: only where --only names it or
its stage, and with --long, because the everyday run has no time for it; `later=60`: behind all others; it takes so many seconds on a slow machine,
and an everyday run begins it only if half more are left, and ends it, as skipped, when the budget ends; `san-long`: a unit test
that is built with sanitizers every day, but run so as if it were `extra`, because what it waits for is the kernel; `first`: one that takes
seconds, so that nothing waits for it alone at the end.

What is unsteady, a script that failed and then passed two more turns, is said in the line before the last, and where it ran: it is a bug of the product or of the test, and
not known yet which. Two scripts a run may be so; more have failed, and so has what `--only` or --long asked for.

The last line is exactly "N passed, N failed, N skipped". Exit status 1 if anything failed.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import datetime
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPT_STAGES = ("live", "e2e", "kernels")
STAGES = ("lint", "unit", "fuzz") + SCRIPT_STAGES + ("san",)
BUDGET = 23 * 60 + 30  # seconds of the tests
WHOLE = 24 * 60 + 15  # from the beginning of `make check`, which HT_BEGAN tells: what is run late ends then, so that all of it takes under 25 minutes
DEFAULT_TIMEOUT = 300
LANES = 3  # when nothing is left that never waits
AGAIN = 2  # turns that a script which failed must pass, and how many scripts of a run may have them
SHOWN_LINES = 60

RESULT = re.compile(r"^(ok|not ok)\b\s*(\d+)?\s*(?:- )?(.*?)(?:\s*#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*SKIP\b\s*(.*))?$", re.I)
DIRECTIVE = re.compile(r"^(?:#|//|/\*)\s*ht-test:\s*(.*?)\s*(?:\*/)?$")


class Outcome:
    """What one test program said, and what we think of it."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.notes = []  # lines for people: failures and reasons of skips
        self.seconds, self.cpu = 0.0, 0.0  # cpu: of it and of those of its children that were waited for

    def fail(self, text):
        self.failed += 1
        self.notes.append("FAILED  " + text)

    def skip(self, text):
        self.skipped += 1
        self.notes.append("skipped " + text)


def parse_tap(text, status, outcome):
    """Adds the results in a TAP text to outcome; status is the exit status (negative: a signal), None: out of time."""
    planned, seen, diagnostics = None, 0, []
    for line in text.splitlines():
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan and planned is None:
            planned = int(plan.group(1))
            if planned == 0:
                outcome.skip(plan.group(2) or "no reason given")
        elif result:
            seen += 1
            count_result(result, diagnostics, outcome)
            diagnostics = []
        elif line.strip():
            diagnostics.append(line)
    if planned is None:
        outcome.fail("no plan (1..N) was printed")
    elif seen != planned:
        outcome.fail("%d results of %d planned" % (seen, planned))
    if status is None:
        outcome.fail("out of time")
    elif status < 0:
        outcome.fail("killed by signal %d (%s)" % (-status, signal.Signals(-status).name))
    elif status and not outcome.failed:
        outcome.fail("exit status %d although every result is ok" % status)
    if outcome.failed:
        outcome.notes += ["        " + d for d in diagnostics[-SHOWN_LINES:]]


def count_result(result, diagnostics, outcome):
    verdict, number, name, directive, reason = result.groups()
    name = name or number or "?"
    if directive and directive.upper() == "SKIP":
        outcome.skip("%s: %s" % (name, reason or "no reason given"))
    elif verdict.lower() == "ok":
        outcome.passed += 1
    else:
        outcome.fail(name)
        outcome.notes += ["        " + d for d in diagnostics[-SHOWN_LINES:]]


class Test:
    """One program to run: its stage, its name in the report, its command line."""

    def __init__(self, stage, name, argv, build, timeout=DEFAULT_TIMEOUT, tags=(), later=None, full=None):
        self.stage, self.name, self.argv, self.build = stage, name, argv, build
        self.timeout, self.tags, self.later = timeout, frozenset(tags), later
        self.full = full or timeout * 4

    @property
    def label(self):
        return "%s/%s" % (self.stage, self.name)


def directives(path):
    """From a script's ht-test line: a dict with `tags`, `timeout`, `full` and `later` (seconds, or None)."""
    numbers, tags = {"timeout": None, "full": None, "later": None}, set()
    with open(path, errors="replace") as f:
        for line, _ in zip(f, range(20)):
            m = DIRECTIVE.match(line)
            for word in m.group(1).split() if m else ():
                name, _, value = word.partition("=")
                if name in numbers:
                    numbers[name] = int(value)
                else:
                    tags.add(word)
    return dict(numbers, tags=tags)


def scripts(folder, stage, build):
    """Executable files of a folder under tests/."""
    where = os.path.join(TOP, "tests", folder)
    for name in sorted(os.listdir(where)) if os.path.isdir(where) else ():
        path = os.path.join(where, name)
        if name.startswith(".") or not os.path.isfile(path) or not os.access(path, os.X_OK):
            continue
        said = directives(path)
        yield Test(stage, name, [path], build, said["timeout"] or DEFAULT_TIMEOUT, said["tags"], said["later"], said["full"])


def sources(folder, prefix):
    where = os.path.join(TOP, "tests", folder)
    for name in sorted(os.listdir(where)) if os.path.isdir(where) else ():
        if name.startswith(prefix) and name.endswith(".c"):
            yield name[:-2]


def unit_tests(build, stage="unit"):
    for name in sources("unit", "test_"):
        said = directives(os.path.join(TOP, "tests/unit", name + ".c"))
        if stage == "san" and "san-long" in said["tags"]:
            said["tags"].add("extra")
        yield Test(stage, name, [os.path.join(build, "tests/unit", name)], build, said["timeout"] or 120, said["tags"])


def fuzz_replays(build, stage="fuzz"):
    for name in sources("fuzz", "fuzz_"):
        corpus = os.path.join(TOP, "tests/fuzz/corpus", name[len("fuzz_"):])
        yield Test(stage, name, [os.path.join(build, "tests/fuzz", name), corpus], build, 120)


class Runner:
    def __init__(self, args):
        self.args = args
        self.build = os.path.abspath(args.build)
        self.logs = os.path.join(self.build, "test-logs")
        self.started = self.began = time.monotonic()
        if os.environ.get("HT_BEGAN"):
            self.began -= max(0, time.time() - int(os.environ["HT_BEGAN"]))
        self.total = Outcome()
        self.running = set()
        self.reporting = threading.Lock()
        self.again, self.unsteady = threading.Semaphore(AGAIN), []
        os.makedirs(self.logs, exist_ok=True)

    def left(self):
        """Seconds of the budget that are left; None: no budget."""
        return None if self.args.long else BUDGET - (time.monotonic() - self.started)

    def left_late(self):
        """The same for what need not be run."""
        return min(self.left(), WHOLE - (time.monotonic() - self.began))

    def wanted(self, test):
        if not self.args.only:
            return self.args.long or "extra" not in test.tags
        return any(
            test.label == o or test.label.startswith(o.rstrip("/") + "/") or test.label.rsplit(".", 1)[0] == o
            for o in self.args.only)

    def limit(self, test):
        if self.args.long:
            return test.full
        return min(test.timeout, self.left_late() if self.may_skip(test) else self.left())

    def may_skip(self, test):
        return test.later is not None and not self.args.only and not self.args.long

    def execute(self, test, long=None):
        """Runs one program; its output goes to a log file. Returns an Outcome."""
        outcome, begin = Outcome(), time.monotonic()
        log = self.log_names(test)[0]
        limit = self.limit(test)
        if self.may_skip(test) and self.left_late() < test.later * 1.5:
            outcome.skip("it is run when %d s are left" % (test.later * 1.5))
            return outcome
        if limit <= 0:
            outcome.fail("not run: the budget of %d minutes is spent" % (BUDGET // 60))
            return outcome
        env = dict(os.environ, HT_BUILD=test.build, HT_LONG="1" if (self.args.long if long is None else long) else "0",
                   ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "detect_leaks=1"),
                   UBSAN_OPTIONS=os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1"))
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "HOSTTRAIL_DIR"):
            env.pop(name, None)
        with open(log, "wb") as out:
            status = self.spawn(test, out, env, limit, outcome)
        with open(log, errors="replace") as text:
            if status is None and self.may_skip(test) and limit < test.timeout:
                outcome.skip("the budget of %d minutes ended while it ran" % (BUDGET // 60))
            elif status != "absent":
                parse_tap(text.read(), status, outcome)
        outcome.seconds = time.monotonic() - begin
        if outcome.failed:
            outcome.notes.append("        whole output: " + os.path.relpath(log, TOP))
        return outcome

    def verdict(self, test):
        """What is reported of a test. A script of an everyday run, which shares two CPUs with two others, may fail by what happened beside it: what fails
        is run again, and has passed, as unsteady, if it passes all of two more turns. Not more than two scripts a run, and none that was asked for by its name."""
        first = self.execute(test)
        steady = test.stage not in ("live", "e2e") or self.args.only or self.args.long
        if not first.failed or steady or not self.again.acquire(blocking=False):
            return first
        log, kept = self.log_names(test)
        if os.path.exists(log):
            os.replace(log, kept)
        for _ in range(AGAIN):
            outcome = self.execute(test)
            if outcome.failed or not outcome.passed:
                return first
        outcome.notes.insert(0, "UNSTEADY: it failed, then passed %d times; whole output: %s" % (AGAIN, os.path.relpath(kept, TOP)))
        outcome.notes += [n.replace("FAILED  ", "failed at first: ") for n in first.notes if "whole output: " not in n]
        self.unsteady.append(test.label)
        return outcome

    def log_names(self, test):
        """The log of a test, and where that of its first turn is kept."""
        stem = os.path.join(self.logs, test.label.replace("/", "-"))
        return stem + ".log", stem + ".first.log"

    def spawn(self, test, out, env, limit, outcome):
        """Exit status; None: out of time (its process group was killed); "absent": it could not be started."""
        try:
            p = subprocess.Popen(test.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=TOP,
                                 env=env, start_new_session=True)
        except OSError as e:
            outcome.fail("cannot run: %s" % e)
            return "absent"
        self.running.add(p)
        try:
            return ended(p, limit, outcome)
        finally:
            self.running.discard(p)

    def report(self, test, outcome):
        with self.reporting:
            self.add_up(test, outcome)

    def add_up(self, test, outcome):
        t = self.total
        t.passed, t.failed, t.skipped = t.passed + outcome.passed, t.failed + outcome.failed, t.skipped + outcome.skipped
        said = "%4d ok" % outcome.passed
        said += "  %d skipped" % outcome.skipped if outcome.skipped else ""
        said += "  %d FAILED" % outcome.failed if outcome.failed else ""
        print("  %-36s %-28s %6.1f s  %6.1f cpu" % (test.label, said, outcome.seconds, outcome.cpu), flush=True)
        for note in outcome.notes:
            print("      " + note, flush=True)

    def run_all(self, tests, parallel=1):
        tests = sorted((t for t in tests if self.wanted(t)), key=lambda t: "first" not in t.tags)
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            for test, outcome in zip(tests, pool.map(self.verdict, tests)):
                self.report(test, outcome)
                if self.args.long and "long" in test.tags:
                    note_long_run(test, outcome)

    def drain(self, tests):
        """Runs what is left of a queue that another lane may take from, too."""
        while True:
            try:
                test = tests.popleft()
            except IndexError:
                return
            self.run_all([test])

    def drain_by(self, tests, lanes):
        with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
            for lane in [pool.submit(self.drain, tests) for _ in range(lanes)]:
                lane.result()

    def lanes(self):
        """live and e2e beside kernels and san; at full size one after the other."""
        tests = [t for stage in ("live", "e2e") for t in self.pending(scripts(stage, stage, self.build))]
        first = collections.deque(sorted(tests, key=lambda t: (t.later is not None, -(t.later or 0))))  # none that is long is begun last
        second = collections.deque(self.pending(scripts("kernels", "kernels", self.build)))
        if self.args.long:
            self.drain(first)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            beside = pool.submit(self.drain, first)
            if os.environ.get("SAN") != "1" and os.path.basename(self.build) != "san":
                self.san()
            self.drain(second)
            if not self.args.long:
                self.drain_by(first, LANES - 1)
            beside.result()

    # ---- full size: resumable; what passed is not run again before anything but docs/ changes
    def pending(self, tests):
        past = long_runs() if self.args.long else {}
        for test in tests:
            run = past.get(test.label)
            if run and run.failed == 0 and same_code(run.commit):
                print("  %-36s passed on %s with this code" % (test.label, run.date))
            else:
                yield test

    # ---- sanitized build
    def san(self):
        build = os.path.join(self.build, "san")
        tests = list(unit_tests(build, "san")) + list(fuzz_replays(build, "san"))
        e2e = [t for t in scripts("e2e", "san", build)]
        marked = [t for t in e2e if "san" in t.tags] or e2e
        tests += marked[:1]
        if not any(self.wanted(t) for t in tests):
            return
        if self.build_sanitized(build):
            self.run_all(tests[:len(tests) - len(marked[:1])], 2)
            self.run_all(marked[:1])

    def build_sanitized(self, build):
        probe = Test("san", "build", ["make", "--no-print-directory", "-j%d" % (os.cpu_count() or 1), "SAN=1",
                                      "O=" + os.path.relpath(build, TOP), "all", "tests-build"], build, 1200)
        outcome, begin = Outcome(), time.monotonic()
        log = os.path.join(self.logs, "san-build.log")
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
        limit = self.limit(probe)
        with open(log, "wb") as out:
            status = self.spawn(probe, out, env, limit, outcome) if limit > 0 else None
        outcome.seconds = time.monotonic() - begin
        if status == 0:
            outcome.passed = 1
        elif status != "absent":
            outcome.fail("out of time" if status is None else "make failed")
            with open(log, errors="replace") as text:
                outcome.notes += ["        " + line for line in text.read().splitlines()[-SHOWN_LINES:]]
        self.report(probe, outcome)
        return status == 0

    def spare_time(self):
        """Everyday runs use what is left of the budget for the long test that has not run for longest."""
        past = long_runs()
        candidates = [t for stage in SCRIPT_STAGES for t in scripts(stage, stage, self.build) if "long" in t.tags]
        candidates = sorted((t for t in candidates if t.label in past), key=lambda t: past[t.label].date)
        for test in candidates:
            if past[test.label].seconds * 1.5 < self.left_late() - 60:
                test.timeout = self.left_late() - 30
                test.name += " (full size)"
                self.report(test, self.execute(test, long=True))
                return

    def run(self):
        self.run_all([*scripts("lint", "lint", self.build), *unit_tests(self.build), *fuzz_replays(self.build)], 2)
        self.lanes()
        if not self.args.only and not self.args.long and not self.total.failed:
            self.spare_time()
        t = self.total
        if not (t.passed or t.failed or t.skipped):
            t.fail("nothing was run")
            print("  nothing was run: no test matches")
        if self.unsteady:
            print("UNSTEADY, to be looked into: " + " ".join(self.unsteady))
        print("%d passed, %d failed, %d skipped" % (t.passed, t.failed, t.skipped), flush=True)
        return 1 if t.failed else 0


def ended(p, limit, outcome):
    """Waits for p, which the limit may end; its exit status, or None. Adds what it cost."""
    in_time = False
    with contextlib.closing(select.epoll()) as poll:
        fd = os.pidfd_open(p.pid)
        try:
            poll.register(fd, select.EPOLLIN)
            in_time = bool(poll.poll(limit))
            if not in_time:
                stop_group(p)
        finally:
            os.close(fd)
    if p.returncode is None:
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        outcome.cpu += used.ru_utime + used.ru_stime
    return p.returncode if in_time else None


def stop_group(p):
    """Ends a test that we started, with everything that it left in its process group."""
    for sig, grace in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(p.pid, sig)
        except ProcessLookupError:
            return
        try:
            p.wait(grace)
        except subprocess.TimeoutExpired:
            pass


LONG_RUNS = os.path.join(TOP, "docs", "long-runs.md")
LONG_HEAD = """# Full-size test runs

`make check-long` appends a line for every test that has a full size. Newest last. It is also what a run that is begun again
goes by: a test whose last line says that nothing failed is not run again before anything outside of docs/ differs from
that line's commit. So the lines are committed.

| date (UTC) | commit | test | result | seconds |
|---|---|---|---|---|
"""


def commit_id():
    r = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return r.stdout.strip() or "unknown"


def same_code(commit):
    """Nothing outside of docs/ differs from what that commit had, committed or not."""
    r = subprocess.run(["git", "-C", TOP, "diff", "--quiet", commit, "--", ".", ":(exclude)docs"], capture_output=True, check=False)
    return r.returncode == 0


def note_long_run(test, outcome):
    new = not os.path.exists(LONG_RUNS)
    with open(LONG_RUNS, "a") as f:
        f.write(LONG_HEAD if new else "")
        f.write("| %s | %s | %s | %d passed, %d failed, %d skipped | %d |\n" % (
            datetime.datetime.utcnow().strftime("%Y-%m-%d %H:%M"), commit_id(), test.label, outcome.passed,
            outcome.failed, outcome.skipped, outcome.seconds))


LongRun = collections.namedtuple("LongRun", "date commit failed seconds")


def long_runs():
    """label -> LongRun, the last one of each test."""
    runs = {}
    try:
        with open(LONG_RUNS) as f:
            for line in f:
                cells = [c.strip() for c in line.strip().strip("|").split("|")]
                failed = re.search(r"(\d+) failed", cells[3]) if len(cells) == 5 else None
                if failed and cells[4].isdigit():
                    runs[cells[2]] = LongRun(cells[0], cells[1], int(failed.group(1)), int(cells[4]))
    except OSError:
        pass
    return runs


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--build", default="build", help="build directory (default: build)")
    ap.add_argument("--long", action="store_true", help="full size, resumable, results to docs/long-runs.md")
    ap.add_argument("--only", action="append", metavar="FILTER",
                    help="a stage (%s) or stage/test; may be repeated" % ", ".join(STAGES))
    args = ap.parse_args()
    runner = Runner(args)

    def interrupted(signum, _frame):
        for p in list(runner.running):
            stop_group(p)
        os._exit(128 + signum)

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    sys.exit(runner.run())


if __name__ == "__main__":
    main()
