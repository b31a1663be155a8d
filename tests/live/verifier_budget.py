#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that this kernel's verifier processes for each program, against the recorded ones."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import budget  # noqa: E402
import tap  # noqa: E402


def verifier_budget(t):
    r = subprocess.run([os.path.join(tap.BUILD, "tests/live/verified")], capture_output=True, text=True, check=False)
    t.equal(r.returncode, 0, "verified: " + r.stderr)
    budget.check(t, re.match(r"\d+\.\d+", os.uname().release).group(), budget.parse(r.stdout))


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([verifier_budget])
