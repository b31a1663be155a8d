#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 later=30
"""Plaintext is in no core: what handles it is not dumpable, leaves none when it crashes, whatever its limits are then, and what a debugger takes of
it (gcore) has no memory in it. A process that is dumped as usual shows that the kernel would have written one; core_pattern stays as it is."""
import glob
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tls_optout  # noqa: E402
import tlsweb  # noqa: E402

SECRET = "MARKDUMPMARK"
FOREVER = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def cores(folder):
    """Where the kernel would put one, if it puts them into files."""
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    where = os.path.join(folder, pattern)
    return None if pattern.startswith("|") else set(glob.glob(re.sub("%.", "*", where) + "*"))


def crash(pid):
    """New files where its core would be; None: that cannot be told."""
    folder = os.readlink("/proc/%d/cwd" % pid)
    before = cores(folder)
    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, FOREVER)
    except PermissionError:  # nobody here may raise what the process has set for good
        pass
    os.kill(pid, signal.SIGSEGV)
    for _ in range(500):
        if not os.path.exists("/proc/%d/maps" % pid) or state(pid) in "Z":
            break
        time.sleep(0.02)
    return None if before is None else cores(folder) - before


def state(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def rings(pid):
    """[(name, flags)] of mappings of BPF maps, as smaps has them."""
    found, name = [], ""
    with open("/proc/%d/smaps" % pid) as f:
        for line in f:
            head = re.match("[0-9a-f]+-[0-9a-f]+ .{4} [0-9a-f]+ [0-9a-f:]+ [0-9]+ *(.*)", line)
            if head:
                name = head.group(1)
            elif line.startswith("VmFlags:") and "bpf-map" in name:
                found.append((name, line.split()[1:]))
    return found


def usual(t, d):
    """A process like others leaves a core here."""
    p = subprocess.Popen(["sleep", "60"], cwd=d)
    left = crash(p.pid)
    p.wait()
    for path in left or ():
        os.unlink(path)
    t.note("cores go to a program here" if left is None else "a usual process leaves %d core" % len(left))


def check_process(t, pid):
    with open("/proc/%d/coredump_filter" % pid) as f:
        t.equal(int(f.read(), 16), 0, "coredump_filter of %d" % pid)
    with open("/proc/%d/status" % pid) as f:
        uid = int(re.search(r"\nUid:\t(\d+)", f.read()).group(1))
    t.ok(not uid or os.stat("/proc/%d/maps" % pid).st_uid == 0, "%d is dumpable: its files in /proc are its own" % pid)


def taken_by_debugger(t, d, pid):
    if not shutil.which("gdb"):
        t.note("no gdb")
        return
    r = subprocess.run(["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "set pagination off", "-ex", "gcore %s/taken" % d], capture_output=True,
                       text=True, timeout=60, check=False)
    t.ok(os.path.exists(d + "/taken"), "gcore: " + r.stderr[-500:])
    with open(d + "/taken", "rb") as f:
        t.ok(SECRET.encode() not in f.read(), "the core that gcore took has plaintext in it")


def daemon_leaves_none(t):
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        with open(d + "/curl", "w") as f:
            f.write('insecure\noutput = "/dev/null"\nheader = "authorization: Bearer %s"\nurl = "https://localhost:%d/a"\n' % (SECRET, web.port))
        usual(t, d)
        os.chmod(d, 0o777)  # a core of the worker's user could be here
        with tls_optout.Agent(["curl", "-sK", d + "/curl"], selectors=None) as a:
            a.cwd = d
            a.start()
            a.go()
            a.tree.wait(60)
            a.wait(lambda: tls_optout.web_seen(a), 20, "no call")
            worker = a.worker()
            t.ok(SECRET.encode() in tls_optout.memory(worker), "the worker's memory has no plaintext: nothing is asked here")
            for pid in tls_optout.processes(a):
                check_process(t, pid)
            t.ok(rings(worker) and all("dd" in flags for _, flags in rings(worker)), "rings: %r" % rings(worker))
            taken_by_debugger(t, d, worker)
            t.ok(not crash(worker), "the worker left a core")
            a.wait(lambda: a.worker() not in (None, worker), 30, "no worker comes back")
            t.ok(not crash(a.proc.pid), "the parent left a core")
            t.equal(a.proc.wait(30), -signal.SIGSEGV, "how the parent ended")
            t.ok(not cores(d), "cores: %r" % cores(d))


def trace_leaves_none(t):
    """And the command of a trace is dumped as it would be without."""
    with tap.Workdir() as d:
        script = "cat /proc/self/coredump_filter; cat /proc/$PPID/coredump_filter"
        out = subprocess.run([tap.program("hosttrail"), "trace", "-o", d + "/trail", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True,
                             check=False).stdout.split()
        with open("/proc/self/coredump_filter") as f:
            t.equal([int(x, 16) for x in out], [int(f.read(), 16), 0], "coredump_filter of the command and of the trace")


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs root and nginx")
        sys.exit(0)
    tap.main([daemon_leaves_none, trace_leaves_none])
