#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1800 long
"""Other compilers make other code of the probes, of which the verifier may look at ten times as much: what those beside Debian's own make loads, too, and
records. At full size only: they are large, and all is built once more."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import trail  # noqa: E402
from sizes import size  # noqa: E402


def by(version):
    def run(t):
        compiler = shutil.which("clang-%d" % version)
        if not size("clang.others") or not compiler:
            raise tap.Skip("full size only" if compiler or not size("clang.others") else "no clang-%d (HT_DEPS=long)" % version)
        with tap.Workdir() as d:
            program, verified = d + "/out/bin/hosttrail", d + "/out/tests/live/verified"
            p = subprocess.run(["make", "-j2", "O=" + d + "/out", "CLANG=" + compiler, program, verified], cwd=tap.TOP, capture_output=True, text=True, check=False)
            t.must(p.returncode == 0, "make: " + p.stderr[-500:])
            p = subprocess.run([program, "trace", "-o", d + "/trail", "--", "/bin/cat", "/etc/hostname"], capture_output=True, text=True, check=False)
            t.equal(p.returncode, 0, "exit status (%s)" % p.stderr[-300:])
            opens = [r.request["path"] for r in trail.load(d + "/trail") if r.name == "openat"]
            t.equal(opens[-1:], ["/etc/hostname"], "what it recorded")
            p = subprocess.run([verified], capture_output=True, text=True, check=False)
            t.equal(p.returncode, 0, "all of them, at the first attempt (%s)" % p.stderr[-300:])
            t.note(", ".join(p.stdout.split("\n")[:-1]))
    run.title = "clang %d" % version
    return run


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([by(16), by(19)])
