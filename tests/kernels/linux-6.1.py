#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600
"""The agent's base tests inside Debian's kernel 6.1, under qemu. Reproduce by hand: tests/kernels/linux-6.1.py [part of a name]"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import base  # noqa: E402
import guest  # noqa: E402
import tap  # noqa: E402


def built_with_its_types(t):
    """Who builds on the oldest kernel has no newer one's types: no name of those is used."""
    with tap.Workdir() as d:
        extract = [os.path.join(tap.TOP, "tools/kernelbtf.py"), guest.kernel_image("6.1"), d + "/btf"]
        make = ["make", "-s", "-C", tap.TOP, "O=" + d, "BTF=%s/btf" % d, "bpf-syntax"]
        for command in (extract, make):
            r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            t.must(r.returncode == 0, "%s: %s" % (command[0], r.stdout[-2000:]))


if __name__ == "__main__":
    tap.main([built_with_its_types] + base.cases("6.1"))
