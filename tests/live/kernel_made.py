#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program that the kernel executes by itself (a cgroup's release agent, as core_pattern's and modprobe are), which is how one leaves a container: no
call of anybody's begins it, and it is a record all the same. In scope `host`, for it is nobody's child; the selectors want that file alone."""
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
from daemon_selectors import Agent, calls  # noqa: E402
from event_selectors import selector  # noqa: E402


class Hierarchy:
    """A cgroup hierarchy (version 1) of the test's own, without a controller."""

    def __init__(self, folder):
        self.at, self.name = folder + "/cgroup", "ht-made-%d" % os.getpid()

    def __enter__(self):
        os.mkdir(self.at)
        if subprocess.run(["mount", "-t", "cgroup", "-o", "none,name=" + self.name, "none", self.at], stderr=subprocess.DEVNULL, check=False).returncode:
            raise tap.Skip("no cgroups of version 1")
        return self

    def put(self, name, text):
        with open(os.path.join(self.at, name), "w") as f:
            f.write(text)

    def empty(self):
        """A cgroup that a process comes into, and leaves by its end."""
        os.mkdir(self.at + "/left")
        self.put("left/notify_on_release", "1")
        subprocess.run(["/bin/sh", "-c", "echo $$ >%s/left/cgroup.procs" % self.at], check=True)

    def __exit__(self, *exc):
        if os.path.isdir(self.at + "/left"):
            os.rmdir(self.at + "/left")
        subprocess.run(["umount", self.at], check=True)


def release_agent(t):
    with tap.Workdir() as d:
        program = d + "/agent"
        shutil.copy(tap.workload("highbits"), program)  # opens its argument five times
        wanted = [selector(eventCategory=category, **{"process.executable": {"Equals": program}}) for category in ("Management", "Data")]
        with Agent(["/bin/true"], wanted, scope="host") as a, Hierarchy(d) as h:
            h.put("release_agent", program)
            a.start()
            a.wait(a.worker, 30, "no worker")
            h.empty()
            a.wait(lambda: a.status()["records_by_class"]["data"] >= 5, 30, "no records of what the program does")
            a.stop()
            made = [r for r in calls(a.everything()[1]) if r.name != "kill"]  # of the agent, by this test
            execs = [r for r in made if r.name in ("execve", "execveat")]
            t.equal([(r.fields.get("path"), r.fields.get("argv"), bool(r.fields.get("enterMissed"))) for r in execs], [(program, [program, "/left"], True)], "execs")
            t.equal([r.fields.get("path") for r in made if r.name == "open"], ["/left"] * 5, "what it did")
            t.equal({r.executable for r in made}, {program}, "who did it")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([release_agent])
