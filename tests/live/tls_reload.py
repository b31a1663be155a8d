#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 later=20
"""Rule files of APIs: `hosttrail apis check` explains them or says what is wrong, hosttraild names calls by those of `apis:`, and by others from SIGHUP
on; a faulty one, or one that is gone, is one line, and those from before stay."""
import hashlib
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tls_optout  # noqa: E402
import tlsweb  # noqa: E402

RULES = """api: widgets
match:
  host: [localhost]
eventSource: widgets.example
operations:
- method: GET
  path: /widgets/{id}
  eventName: %s
"""
BAD = (("api: widgets\nmatch: {}\nwhat: 1\n", "a.yaml:"), ("\tx", "a.yaml:1:"), (None, "No such file"))


def write(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def checked(t):
    """The program that explains rule files, of a directory and of one."""
    with tap.Workdir() as d:
        def check(path):
            return subprocess.run([tap.program("hosttrail"), "apis", "check", path], capture_output=True, text=True, check=False)
        write(d + "/a.yaml", RULES % "GetWidget")
        for path in (d, d + "/a.yaml"):
            r = check(path)
            t.equal((r.returncode, r.stderr), (0, ""), "%s: status and errors" % path)
            t.ok("GetWidget" in r.stdout and "widgets.example" in r.stdout and "/widgets/{id}" in r.stdout, r.stdout)
        for text, says in BAD[:2]:
            write(d + "/a.yaml", text)
            write(d + "/b.yaml", RULES % "GetOther")
            r = check(d)
            t.equal(r.returncode, 2, "status of %r" % text)
            t.ok(len(r.stderr.splitlines()) == 1 and says in r.stderr, "said of %r: %r" % (text, r.stderr))
            t.ok("GetOther" in r.stdout, "goes on behind a faulty one")
        r = check(d + "/none")
        t.ok(r.returncode and len(r.stderr.splitlines()) == 1 and "none" in r.stderr, "not there: %r" % r.stderr)
        for argv in (["check", d, d], ["what"]):
            r = subprocess.run([tap.program("hosttrail"), "apis", *argv], capture_output=True, text=True, check=False)
            t.equal((r.returncode, len(r.stderr.splitlines()) > 0), (2, True), "%r" % argv)


def names(agent):
    return [(r.source, r.name) for r in agent.everything()[1] if "idget" in r.name]


def reloaded(t):
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        os.chmod(d, 0o755)
        os.mkdir(d + "/apis", 0o755)
        rules = d + "/apis/a.yaml"
        write(rules, RULES % "GetWidget")
        script = "while read x; do curl -sko /dev/null https://localhost:%d/widgets/7; done" % web.port
        with tls_optout.Agent(["/bin/sh", "-c", script], selectors=None, apis=d + "/apis") as a:
            def call(want):
                a.go()
                a.wait(lambda: len(names(a)) == len(want), 20, "no call")
                t.equal(names(a), want, "names of calls")

            def hup(says):
                before = len(a.log().splitlines())
                a.proc.send_signal(signal.SIGHUP)
                a.wait(lambda: any(says in line for line in a.log().splitlines()[before:]), 10, "nothing is said: " + says)
                return a.log().splitlines()[before:]
            a.start()
            a.go()  # the shell becomes the one that loops
            first, second, third = (("widgets.example", n) for n in ("GetWidget", "DescribeWidget", "LookAtWidget"))
            call([first])
            digests = [digest(d + "/apis")]
            write(rules, RULES % "DescribeWidget")
            call([first, first])  # nobody has said that they are others
            hup("rule files of APIs in force: 1 of " + d + "/apis")
            digests.append(digest(d + "/apis"))
            call([first, first, second])
            for text, says in BAD[:2]:
                write(rules, text)
                said = hup("stay")
                t.ok(len(said) == 1 and says in said[0], "said of %r: %r" % (text, said))
            call([first, first, second, second])
            worker = a.worker()
            os.kill(worker, signal.SIGSTOP)  # it takes them when it goes on
            write(rules, RULES % "LookAtWidget")
            a.proc.send_signal(signal.SIGHUP)
            os.kill(worker, signal.SIGCONT)
            a.wait(lambda: a.log().count("rule files of APIs in force") == 2, 10, "the third ones")
            digests.append(digest(d + "/apis"))
            call([first, first, second, second, third])
            a.configure(selectors=None, apis=d + "/apis/none.yaml")
            said = hup("stay")
            t.ok(len(said) == 1 and BAD[2][1] in said[0], "said of a file that is not there: %r" % said)
            a.configure(selectors=None, apis="")
            hup("rule files of APIs in force: 0 of")
            a.tree.stdin.close()
            a.tree.wait(30)
            a.stop()
            _, records = a.everything()
        changed = [r.fields for r in records if r.name == "ApiRulesChanged"]
        t.equal([(c.get("formerSha256"), c.get("apisSha256")) for c in changed], list(zip(digests, digests[1:] + [None])), "ApiRulesChanged")
        t.equal([(c.get("apis"), c["files"]) for c in changed], [(d + "/apis", 1)] * 2 + [(None, 0)], "where, and how many")


def digest(folder):
    """As docs/own-records.md has it."""
    so_far = bytes(32)
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            so_far = hashlib.sha256(so_far + hashlib.sha256(f.read()).digest()).digest()
    return so_far.hex()


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs root and nginx")
        sys.exit(0)
    tap.main([checked, reloaded])
