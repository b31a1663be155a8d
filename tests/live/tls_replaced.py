#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=20
"""A library that is replaced under a process, as an upgrade does: who has the old file, deleted now, is recorded as before, each call once; who starts
then has the new one, which is probed, too. And one that no cache names is probed as soon as somebody speaks TLS with it, whatever selectors want. Once nobody has the old one any more its probes go (with HT_LONG=1: that takes two of the agent's scans)."""
import os
import re
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

LONG = os.environ.get("HT_LONG") == "1"
SCANS = 100  # seconds in which two of them are
LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
# one connection, and a request over it for each line of its input
CLIENT = """
import http.client, ssl, sys
c = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=ssl._create_unverified_context())
for line in sys.stdin:
    c.request("GET", line.strip())
    c.getresponse().read()
    print(line, end="", flush=True)
"""

class Client:
    """A process of the recorded tree, told by a pipe what to ask for."""

    def __init__(self, d, name):
        self.asks, self.answers = d + "/%s.in" % name, d + "/%s.out" % name
        os.mkfifo(self.asks)
        open(self.answers, "w").close()

    def command(self, d, port):
        return "LD_LIBRARY_PATH=%s/lib /usr/bin/python3 %s/client.py %d <%s >%s" % (d, d, port, self.asks, self.answers)

    def begin(self):
        self.pipe = os.open(self.asks, os.O_RDWR)  # does not wait for who reads

    def get(self, path):
        os.write(self.pipe, path.encode() + b"\n")
        if not tap.wait_for(lambda: path in open(self.answers).read().split()):
            raise tap.Failed("no answer to " + path)


def held(agent, path):
    """How often the agent has a file open, as it does while it has probes there."""
    where = "/proc/%d/fd/" % agent.proc.pid
    return [os.readlink(where + fd) for fd in os.listdir(where) if os.path.lexists(where + fd)].count(path)


def names(agent):
    return sorted(r.name for r in agent.everything()[1] if r.name.startswith("GET "))


def replaced(t):
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        os.mkdir(d + "/lib")
        library = d + "/lib/libssl.so.3"
        shutil.copy(LIBRARY, library)
        with open(d + "/client.py", "w") as f:
            f.write(CLIENT)
        old, new = Client(d, "old"), Client(d, "new")
        script = "%s & %s & wait" % (old.command(d, web.port), new.command(d, web.port))
        with tls_optout.Agent(["/bin/sh", "-c", script], selectors=None, log_level="debug") as a:
            def said(what, n):
                a.wait(lambda: a.log().count(what + " for TLS: " + library) >= n, SCANS, "not %s for TLS, %d times" % (what, n))
            a.start()
            a.go()
            old.begin()
            old.get("/old/warm")  # its library may be probed while it makes this
            said("probed", 1)
            old.get("/old/before")
            shutil.copy(LIBRARY, d + "/lib/next")
            os.rename(d + "/lib/next", library)
            old.get("/old/after")
            new.begin()
            new.get("/new/warm")
            said("probed", 2)
            new.get("/new/first")
            if LONG:
                check_end(t, a, library, old, new, said)
            for c in (old, new):
                os.close(c.pipe)
            a.tree.wait(20)
            want = ["GET /new/first", "GET /old/after", "GET /old/before"] + ["GET /new/last", "GET /old/last"] * LONG
            a.wait(lambda: len([n for n in names(a) if "warm" not in n]) >= len(want), 20, "calls are missing")
            a.stop()
            t.equal([n for n in names(a) if "warm" not in n], sorted(want), "calls")


def check_end(t, a, library, old, new, said):
    """A scan meets the deleted file, whose time of change is another one since: it is probed once all the same."""
    gone = library + " (deleted)"
    time.sleep(SCANS / 2)
    t.equal((held(a, gone), held(a, library), a.log().count("probed for TLS: " + library), a.log().count("no longer")), (1, 1, 2, 0),
            "files held, how often they were probed, given up")
    old.get("/old/last")
    os.close(old.pipe)
    old.pipe = os.open("/dev/null", os.O_RDONLY)
    said("no longer probed", 1)
    tap.wait_for(lambda: not held(a, gone))
    t.equal((held(a, gone), held(a, library)), (0, 1), "files held when nobody has the old one")
    new.get("/new/last")


def slow(url):
    """A client that is there for a second whatever the machine does: a limit of its rate holds for no small file."""
    return "curl -sk --http1.1 --rate 1/s -o /dev/null %s -o /dev/null %s" % (url, url)


def found_by_who_uses_it(t):
    """Before a scan meets it: a program that is over soon, with a library of its own. Its opens are captured by no default selector."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        os.mkdir(d + "/lib")
        shutil.copy(LIBRARY, d + "/lib/libssl.so.3")
        run = "LD_LIBRARY_PATH=%s/lib %s" % (d, slow(web.url("/files/some")))
        with tls_optout.Agent(["/bin/sh", "-c", "; ".join([run] * 4)], selectors=None, log_level="debug") as a:
            a.start()
            a.go()
            a.tree.wait(60)
            a.stop()
            t.equal(len(web.log()), 8, "requests")
            t.ok(2 <= names(a).count("GET /files/some") <= 8, "calls: %s" % a.everything()[1][-3:])
            t.note("%d of 8 calls are recorded" % names(a).count("GET /files/some"))


MANY = 40


def planned(a, d):
    return [int(n) for n in re.findall("probed for TLS: %s/(\\d+)/libssl" % d, a.log())]


def what_is_used_comes_first(t):
    """Before what a scan has found and nobody is known to use, of which there is so much that the planner does not come to an end soon."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        for i in range(MANY + 1):
            os.mkdir("%s/%d" % (d, i))
            shutil.copy(LIBRARY, "%s/%d/libssl.so.3" % (d, i))
        idle = [subprocess.Popen(["/bin/sleep", "120"], env={"LD_PRELOAD": "%s/%d/libssl.so.3" % (d, i)}) for i in range(MANY)]
        run = "LD_LIBRARY_PATH=%s/%d %s" % (d, MANY, slow(web.url("/files/some")))
        try:
            with tls_optout.Agent(["/bin/sh", "-c", run], selectors=None, log_level="debug") as a:
                a.start()
                a.wait(lambda: a.planner(), 30, "no planner")
                stopped = a.planner()
                os.kill(stopped, signal.SIGSTOP)
                before = len(planned(a, d))
                a.go()
                tap.wait_for(lambda: len(web.log()) > 0 or a.tree.poll() is not None)
                time.sleep(0.5)
                os.kill(stopped, signal.SIGCONT)
                a.wait(lambda: len(planned(a, d)) > MANY, 60, "not all are probed")
                a.stop()
                t.ok(planned(a, d).index(MANY) <= before + 1, "planned as number %d; %d were before it was used" % (planned(a, d).index(MANY), before))
                t.ok(before < MANY - 4, "nothing was left to plan: nothing was tested")
        finally:
            for p in idle:
                p.kill()
                p.wait()


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx") or not os.path.exists(LIBRARY):
        print("1..0 # SKIP needs root, nginx and libssl")
        sys.exit(0)
    tap.main([replaced, found_by_who_uses_it, what_is_used_comes_first])
