#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=20
"""Probes do no harm: who is not recorded does not return through them, and where return probes would crash programs that have seccomp filters there
are none at all, which is said. On x86 from 6.11 on a function returns from a probe by a system call (335) that the kernel puts into the
program: strace, which does not know its name, sees whether it does."""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers")]
import tap  # noqa: E402
import tlsweb  # noqa: E402

URETPROBE = re.compile(r"\bsyscall_0x14f\(|\buretprobe\(")
LOOP = "echo x | strace -f -o %s %s socket 10"
UNSAFE = "6.12.29-of-a-test"
SAYS = "on this kernel return probes crash programs that have seccomp filters: no API calls inside TLS are recorded"


def returned(path):
    """How often functions returned through probes."""
    with open(path) as f:
        return len(URETPROBE.findall(f.read()))


def loop(d, name):
    return LOOP % ("%s/%s" % (d, name), tap.workload("tlsloop"))


def who_is_not_recorded(t):
    with tap.Workdir() as d:
        argv = [tap.program("hosttrail"), "trace", "-o", d + "/trail", "--", "sh", "-c", "echo up; read go; " + loop(d, "inside")]
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        t.equal(p.stdout.readline(), "up\n", "what the command says when it is recorded")
        subprocess.run(["sh", "-c", loop(d, "outside")], check=True, stdout=subprocess.DEVNULL)
        _, err = p.communicate("\n")
        inside, outside = returned(d + "/inside"), returned(d + "/outside")
        if not inside:
            raise tap.Skip("strace does not see how functions return from probes here")
        t.ok(inside >= 40, "recorded: %d returns through probes of 40 calls: %s" % (inside, err[-200:]))
        t.note("%d calls of the recorded loop returned through probes, %d of the other" % (inside, outside))
        t.ok(not outside or feature("uprobe_session") is not True, "returns through probes of who is not recorded: %d" % outside)


def doctor(env=None):
    out = subprocess.run([tap.program("hosttrail"), "doctor"], env=env, capture_output=True, text=True, check=False).stdout
    return [json.loads(line) for line in out.splitlines()]


def feature(name, env=None):
    return next((f["on"] or f["why"] for f in doctor(env) if f.get("name") == name), None)


def where_filters_would_kill(t):
    """As on a kernel before the repair: a preloaded library says that this is one."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", d + "/olduname.so", tap.TOP + "/tests/workloads/tls/olduname.c"], check=True)
        env = dict(os.environ, LD_PRELOAD=d + "/olduname.so", OLDUNAME=UNSAFE)
        script = "strace -f -o %s/calls curl -sk --http1.1 %s" % (d, web.url("/a"))
        status, err, records = tlsweb.trace(["sh", "-c", script], d + "/trail", env=env)
        t.equal((status, [e["status"] for e in web.log()]), (0, [200]), "exit status of curl, what it was answered")
        t.ok(SAYS in err, "said: " + err)
        t.equal(returned(d + "/calls"), 0, "returns through probes")
        t.equal(tlsweb.calls(records), [], "API calls")
        t.equal(feature("uretprobe", env), SAYS, "doctor")
        with open(d + "/config", "w") as f:
            f.write("instance: dry-run-of-a-test\n")
        plan = subprocess.run([tap.program("hosttraild"), "--config", d + "/config", "--dry-run"], env=env, capture_output=True, text=True, check=False)
        t.ok(SAYS in plan.stdout + plan.stderr, "--dry-run: %s %s" % (plan.stdout[-500:], plan.stderr))


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx") or not os.path.exists("/usr/bin/strace"):
        print("1..0 # SKIP needs root, nginx and strace")
        sys.exit(0)
    tap.main([who_is_not_recorded, where_filters_would_kill])
