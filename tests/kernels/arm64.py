#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=2400 extra
"""The agent, cross-built for arm64 (by `make arm64`, here), inside Debian's kernel 6.1 of that machine, under qemu: what of the
base tests has a program there. By hand: HT_ARM64_KERNEL=6.12-arm64 tests/kernels/arm64.py [part of a name]"""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KERNEL = os.environ.get("HT_ARM64_KERNEL", "6.1-arm64")
os.environ.update(HT_BUILD=os.path.join(TOP, "build/arm64"), HT_GUEST_HOOKS="0" if KERNEL == "6.1-arm64" else "1")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
BUILT = subprocess.run(["make", "-s", "-C", TOP, "arm64"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
import base  # noqa: E402
import tap  # noqa: E402


def built(t):
    t.equal(BUILT.returncode, 0, "make arm64: " + BUILT.stdout[-2000:])


if __name__ == "__main__":
    tap.main([built] + base.cases(KERNEL, patience=3))
