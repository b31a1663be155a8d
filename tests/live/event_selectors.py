#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120
"""`hosttrail trace --selectors FILE`: what is selected is recorded, high-rate calls that are named too, and nothing else."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import trail  # noqa: E402

READS = 7


def selector(**fields):
    """Field=value: Equals; Field={operator: value}: that operator."""
    return {"FieldSelectors": [dict(Field=f, **({o: [x] for o, x in v.items()} if isinstance(v, dict) else {"Equals": [v]}))
                               for f, v in fields.items()]}


def traced(selectors, *command):
    with tap.Workdir() as d:
        path = os.path.join(d, "selectors.json")
        with open(path, "w") as f:
            json.dump(selectors, f)
        return trail.run(command, ("--selectors", path))


def dd(path):
    return "/bin/dd", "if=" + path, "of=/dev/null", "bs=1", "count=%d" % READS, "status=none"


def named(t):
    """Reads are high-rate: recorded where a selector names them, of the file that it names, and all of them."""
    with tap.Workdir() as d:
        path = os.path.join(d, "data")
        with open(path, "w") as f:
            f.write("x" * 100)
        got = traced([selector(eventCategory="Data", eventName="read", path=path)], *dd(path))
        t.equal([r.name for r in got.calls()], ["read"] * READS, "reads of the file")
        t.equal([r.response.get("bytes") for r in got.calls()], [1] * READS, "bytes")
        t.equal(got.lost, 0, "lost")
        t.equal(got.recorded, len(got.records), "the last line counts what is written")


def by_prefix(t):
    """A beginning names calls as well; a negative operator does not."""
    got = traced([selector(eventCategory="Management", eventName={"StartsWith": "getp"})], "/bin/sh", "-c", "echo $PPID")
    t.ok(got.calls("getpid", "getppid"), "a call is named by its beginning")
    t.equal([r.name for r in got.calls() if not r.name.startswith("getp")], [], "others")
    got = traced([selector(eventCategory="Data", eventName={"NotEquals": "openat"})], *dd("/etc/hostname"))
    t.equal(got.calls("read", "openat"), [], "not named: high-rate calls, and what is ruled out")


def by_outcome(t):
    """What only the result tells is decided by the whole record."""
    both = "cat /etc/hostname >/dev/null; cat /none/such 2>/dev/null"
    got = traced([selector(eventCategory="Data", eventName="openat", errorCode="ENOENT", path={"StartsWith": "/none"})],
                 "/bin/sh", "-c", both)
    t.equal([(r.name, r.error, r.asked()) for r in got.calls()], [("openat", "ENOENT", "/none/such")], "failed opens of it")


def executable(t):
    """What a process really executed is known, also where nobody asked for the call by which it claims another file."""
    with tap.Workdir() as d:
        got = traced([selector(eventCategory="Data", eventName="openat", path={"StartsWith": d + "/who-"})],
                     tap.workload("attacks_hide"), "exefile", d, "1")
        if got.status == 77:
            raise tap.Skip("this kernel lets no process name its executable")
        t.equal([r.process["executable"]["path"] for r in got.calls()], [d + "/" + n for n in ("evil", "evil", "evil2")], "who opened")


def one_exec(t):
    """Which exec it was is told although the kernel makes execve of every one's number; and what follows it is not in doubt."""
    for name in ("execve", "execveat"):
        with tap.Workdir() as d:
            got = traced([selector(eventCategory="Management", eventName=name), selector(eventCategory="Data", eventName="openat")],
                         tap.workload("all_calls"), d, "execveat")
            t.equal({r.name for r in got.calls() if r.raw["managementEvent"]}, {name}, "execs")
            t.equal([r for r in got.calls() if r.more.get("enterMissed") or "call" in r.more.get("unverified", [])], [], "in doubt")


def exchanged(t):
    """Who exchanges the descriptor of what was opened for another one does not rule the open out by that."""
    with tap.Workdir() as d:
        got = traced([selector(eventCategory="Data", eventName="openat", path=d + "/real")], tap.workload("pathraces"), "dup", d, "3000")
        opens = [r for r in got.calls("openat") if r.asked() in ("real", d + "/real") and "O_NOFOLLOW" in r.request["flags"]]
        t.equal((len(opens), got.lost), (3000, 0), "opens of it, lost")


def unwanted(t):
    """Calls that no selector wants do not go through the rings: a flood of them loses nothing in rings of one page."""
    got = traced([selector(eventCategory="Management")], "/bin/sh", "-c", "cat /etc/hostname; exit 3")
    t.equal(got.status, 3, "the command's status")
    t.ok(got.calls("execve"), "management calls")
    t.equal([r for r in got.calls() if r.raw["eventCategory"] != "Management"], [], "other categories")
    got = traced([selector(eventCategory="NetworkActivity")], tap.workload("opens"), "400000", "2", "/none/n")
    t.equal((got.calls(), got.lost), ([], 0), "800,000 opens that nobody asked for: calls, lost")


def refused(t):
    """Bad selectors are one clear line, and the command is not run."""
    with tap.Workdir() as d:
        path = os.path.join(d, "s.json")
        for text, says in (('[{"FieldSelectors":[{"Field":"eventNam","Equals":["x"]}]}]', "eventNam"), ("[{", path), (None, "No such file")):
            if text is None:
                os.unlink(path)
            else:
                with open(path, "w") as f:
                    f.write(text)
            p = subprocess.run([tap.program("hosttrail"), "trace", "--selectors", path, "--", "/usr/bin/touch", d + "/ran"],
                               capture_output=True, text=True, check=False)
            t.equal((p.returncode, len(p.stderr.splitlines()), p.stdout), (2, 1, ""), "status, lines, output")
            t.ok(says in p.stderr, "it says %r: %r" % (says, p.stderr))
            t.ok(not os.path.exists(d + "/ran"), "the command was not run")


named.title = "high-rate calls that a selector names"
by_prefix.title = "named by a beginning, not by what is ruled out"
by_outcome.title = "what only the result tells"
one_exec.title = "one of the execs"
exchanged.title = "a descriptor that is exchanged meanwhile"
executable.title = "what was executed, whatever is claimed later"
unwanted.title = "unwanted calls cost no ring space"
refused.title = "bad selectors are refused"

if __name__ == "__main__":
    tap.main([named, by_prefix, by_outcome, executable, one_exec, exchanged, unwanted, refused])
