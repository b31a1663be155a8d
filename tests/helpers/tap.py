# SPDX-License-Identifier: Apache-2.0
"""TAP from a Python test: a table of cases, each a function; what it raises is its failure.

    def opens(t): t.equal(1 + 1, 2, "sum")
    if __name__ == "__main__": tap.main([opens, ...])
"""
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HT_BUILD", os.path.join(TOP, "build")))
SHOWN = 25


class Failed(Exception):
    pass


class Skip(Exception):
    """Raised with the reason by a case that cannot run here."""


class Case:
    """What a case may say: checks collect failures, so that one run shows all of them."""

    def __init__(self):
        self.failures = []

    def fail(self, text):
        self.failures.append(text)

    def ok(self, cond, text):
        if not cond:
            self.fail(text)
        return bool(cond)

    def equal(self, got, want, text):
        return self.ok(got == want, "%s: got %r, want %r" % (text, got, want))

    def must(self, cond, text):
        if not cond:
            raise Failed(text)

    def note(self, text):
        say("# " + text)


def say(text):
    print(text, flush=True)


def wait_for(cond, seconds=40):
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not cond():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def run_case(number, case):
    t, begin = Case(), time.monotonic()
    name = getattr(case, "title", case.__name__.replace("_", " "))
    try:
        case(t)
    except Skip as e:
        say("ok %d - %s # SKIP %s" % (number, name, e))
        return True
    except Failed as e:
        t.fail(str(e))
    except Exception:  # a broken test is a failed test
        t.fail(traceback.format_exc())
    for text in t.failures[:SHOWN]:
        for line in text.splitlines():
            say("# " + line)
    if len(t.failures) > SHOWN:
        say("# ... and %d more" % (len(t.failures) - SHOWN))
    say("%s %d - %s" % ("not ok" if t.failures else "ok", number, name))
    if time.monotonic() - begin > 60:
        say("# took %d s" % (time.monotonic() - begin))
    return not t.failures


def main(cases):
    """Runs the cases; words on the command line choose some of them by their names."""
    # out of time, or Ctrl-C at the runner: folders, pins and audit rules are still put back
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    only = sys.argv[1:]
    chosen = [c for c in cases if not only or any(o in getattr(c, "title", c.__name__) for o in only)]
    say("1..%d" % len(chosen))
    passed = [run_case(i + 1, c) for i, c in enumerate(chosen)]
    sys.exit(0 if all(passed) else 1)


class Workdir:
    """A folder that goes when the test ends: with Workdir() as d."""

    def __enter__(self):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="hosttrail-test-"))
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)


def workload(name):
    return os.path.join(BUILD, "tests/workloads", name)


def program(name):
    return os.path.join(BUILD, "bin", name)
