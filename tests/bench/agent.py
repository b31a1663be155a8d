# SPDX-License-Identifier: Apache-2.0
"""The agent under measurement, what a loop says beside it, and what its processes take: CPU and memory."""
import os
import shutil
import subprocess
import threading
import time

from instance import PROGRAMS

WATCH_SECONDS = 0.5
PINS = "/sys/fs/bpf/hosttrail/"


def numbers(argv, gate=None, **kw):
    """What a loop prints: one number a line. With gate, the loop starts when gate(pid) has returned."""
    if not gate:
        out = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, **kw).stdout
        return [float(x) for x in out.split()]
    with Gated(argv, **kw) as loop:
        gate(loop.pid)
        return [float(x) for x in loop.go().split()]


class Gated:
    """A command that waits until go(): the shell's own read is the last thing it does before it becomes the command."""

    def __init__(self, argv, **kw):
        self.p = subprocess.Popen(["/bin/sh", "-c", 'read go; exec "$@"', "sh", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, **kw)
        self.pid = self.p.pid

    def __enter__(self):
        return self

    def go(self, feed="", timeout=600):
        """Feeds it; what it prints until it ends."""
        out, _ = self.p.communicate("go\n" + feed, timeout=timeout)
        if self.p.returncode:
            raise subprocess.CalledProcessError(self.p.returncode, self.p.args)
        return out

    def __exit__(self, *exc):
        self.p.kill()
        self.p.wait()


def pss_kib(pids):
    """Memory of some processes, what they share counted once."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def cpu_seconds(pids):
    """CPU that processes used, their ended children included."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as f:
                total += sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


class Agent:
    """The daemon alone, writing to its spool; or with whole, forwarder and store as well. The most memory that its processes
    ever had together is kept over all figures."""

    peak_kib, peak_figure, figure = 0, None, None

    def __init__(self, instance):
        self.instance, self.watching = instance, None

    def start_on(self, pid, whole=False, **config):
        self.instance.configure("hosttraild", scope="tree %d" % pid, self_test=True)
        self.instance.configure("hosttraild", **config)
        for name in PROGRAMS if whole else ("hosttraild",):
            self.instance.start(name)
        self.watching = threading.Event()
        threading.Thread(target=self.watch, args=(self.watching,), daemon=True).start()

    def watch(self, end):
        while not end.wait(WATCH_SECONDS):
            self.look()

    def look(self):
        kib = pss_kib(self.pids())
        if kib > Agent.peak_kib:
            Agent.peak_kib, Agent.peak_figure = kib, Agent.figure

    def pids(self, name="hosttraild"):
        return self.instance.pids(name) if name in self.instance.running else []

    def status(self):
        return self.instance.status("hosttraild") or {}

    def stop(self):
        """The agent's last word before it went: its status."""
        time.sleep(0.3)
        self.look()
        status = self.status()
        self.watching.set()
        for name in reversed(PROGRAMS):
            self.instance.stop(name)
        shutil.rmtree(PINS + self.instance.config("hosttraild")["instance"], ignore_errors=True)
        return status
