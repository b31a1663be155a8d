#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an uncaptured call pays: instructions on the longest path to the early exit, in the code as the kernel translated it.

Programs of type tracing cannot be test-run, so the path is found in the dump: from the first instruction to an exit without
entering the function that records. An instruction with a 64-bit constant takes two slots and counts as two.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402

LIMIT = 30
LINE = re.compile(r"^\s*(\d+): \(([0-9a-f]{2})\) (.*)$")
GOTO = re.compile(r"goto pc([+-]\d+)")


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def main_program(dump):
    """{slot: text} of the first function of a dump."""
    code = {}
    for line in dump.splitlines():
        m = LINE.match(line)
        if m:
            if int(m.group(1)) in code:
                break
            code[int(m.group(1))] = m.group(3)
        elif code and re.match(r"^\S.*\(.*\):$", line):
            break
    return code


def longest(code):
    """Slots on the longest path from 0 to an exit that never calls another BPF function."""
    order = sorted(code)
    after = {a: b for a, b in zip(order, order[1:])}
    known = {}

    def steps(at):
        if at in known:
            return known[at]
        text, size = code[at], after.get(at, at + 1) - at
        if text.startswith("exit"):
            result = 1
        elif text.startswith("call pc"):
            result = None
        else:
            jump = GOTO.search(text)
            nexts = [at + 1 + int(jump.group(1))] if jump else []
            if not jump or text.startswith("if"):
                nexts.append(after[at])
            found = [n for n in map(steps, nexts) if n is not None]
            result = size + max(found) if found else None
        known[at] = result
        return result

    sys.setrecursionlimit(10000)
    return steps(0)


def attached(pid):
    """{tracepoint: number of the program} of the links that a process holds."""
    found = {}
    for fd in os.listdir("/proc/%d/fdinfo" % pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                info = dict(re.findall(r"^(\w+):\s*(\S+)", f.read(), re.M))
        except FileNotFoundError:  # closed meanwhile
            continue
        if "tp_name" in info:
            found[info["tp_name"]] = info["prog_id"]
    return found


def measure(build):
    """{program: instructions} of the two programs that see every call, as a trace that runs has loaded them."""
    hosttrail = os.path.join(build, "bin", "hosttrail")
    trace = subprocess.Popen([hosttrail, "trace", "-o", "/dev/null", "--", "/bin/sh", "-c", "echo; read x"], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if trace.stdout.read(1) != "\n":
            raise tap.Failed("the probes do not load: " + trace.communicate()[1][-300:])
        ids = attached(trace.pid)
        return {p: longest(main_program(run("bpftool", "prog", "dump", "xlated", "id", ids[p]).stdout)) for p in ("sys_exit", "sys_enter")}
    finally:
        trace.communicate()


def early_exit_is_short(t):
    if os.geteuid():
        raise tap.Skip("needs root")
    for program, n in measure(tap.BUILD).items():
        t.note("%s: at most %s instructions for a call that is not captured" % (program, n))
        t.ok(n is not None and 5 < n <= LIMIT, "%s: %s instructions, not 6 to %d" % (program, n, LIMIT))


if __name__ == "__main__":
    tap.main([early_exit_is_short])
