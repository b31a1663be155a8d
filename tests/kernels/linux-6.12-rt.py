#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=1700 long extra
"""The agent's base tests inside Debian's kernel 6.12 with PREEMPT_RT, under qemu. Reproduce by hand: tests/kernels/linux-6.12-rt.py [part of a name]

Each load of the probes takes this kernel a minute there, ten times as long as others: the everyday run has no time for it, the run at full size has."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import base  # noqa: E402
import tap  # noqa: E402

if __name__ == "__main__":
    tap.main(base.cases("6.12-rt", patience=3))
