#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 long later=240
"""The agent's base tests inside Debian's kernel 6.12, under qemu. Reproduce by hand: tests/kernels/linux-6.12.py [part of a name]"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import base  # noqa: E402
import tap  # noqa: E402

if __name__ == "__main__":
    tap.main(base.cases("6.12", brief=os.environ.get("HT_LONG") != "1"))
