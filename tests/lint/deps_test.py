#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/deps.sh with a dpkg-query and an apt-get of the test's own: what is asked for, and that no service may start meanwhile."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "helpers"))
import tap  # noqa: E402

POLICY = "/usr/sbin/policy-rc.d"
DPKG = '#!/bin/sh\ncase " $INSTALLED " in *" all "*|*" $4 "*) printf installed ;; esac\n'
APT = '''#!/bin/sh
[ "$1" = install ] || exit 0
for p in "$@"; do
    [ "$p" != "$REFUSED" ] || exit 100
done
%s; echo "services: $?" >>"$ASKED"
echo "$@" >>"$ASKED"
''' % POLICY


def run(deps, installed="", refused=""):
    """(exit status, what apt-get was asked to install, a line a time; stderr)."""
    with tap.Workdir() as d:
        for name, text in (("dpkg-query", DPKG), ("apt-get", APT)):
            with open(os.path.join(d, name), "w") as f:
                os.fchmod(f.fileno(), 0o755)
                f.write(text)
        asked = os.path.join(d, "asked")
        env = dict(os.environ, PATH=d + ":" + os.environ["PATH"], INSTALLED=installed, REFUSED=refused, ASKED=asked, HT_DEPS=deps)
        r = subprocess.run([os.path.join(TOP, "tools/deps.sh")], env=env, capture_output=True, text=True, check=False)
        lines = open(asked).read().splitlines() if os.path.exists(asked) else []
        return r.returncode, lines, r.stderr


def root():
    if os.geteuid():
        raise tap.Skip("needs root")


def nothing_is_missing(t):
    t.equal(run("bench", installed="all"), (0, [], ""), "status, installs, errors")


def no_service_starts(t):
    root()
    before = os.path.exists(POLICY)
    status, asked, _ = run("all")
    t.equal(status, 0, "exit status")
    t.equal(asked[:1], ["services: 101"], "what policy-rc.d answers while packages are installed")
    t.equal(os.path.exists(POLICY), before, "policy-rc.d is there afterwards")


def a_peer_that_debian_does_not_have(t):
    root()
    status, asked, err = run("bench", refused="libbpf-tools")
    t.equal(status, 0, "exit status")
    t.ok(any(line.endswith(" bpftrace") for line in asked), "the others are installed: %r" % asked)
    t.ok("libbpf-tools will not be measured" in err, "it is told: %r" % err)


def only_what_is_wanted(t):
    root()
    t.ok("strace" not in " ".join(run("build")[1]), "a build needs no tests' packages")
    t.ok("bpftrace" not in " ".join(run("all")[1]), "tests need no peers")


def a_needed_package_that_is_refused(t):
    root()
    t.equal(run("all", refused="strace")[0], 1, "exit status")


CASES = [nothing_is_missing, no_service_starts, a_peer_that_debian_does_not_have, only_what_is_wanted, a_needed_package_that_is_refused]

if __name__ == "__main__":
    tap.main(CASES)
