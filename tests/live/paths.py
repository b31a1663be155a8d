#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300
"""Paths that are hard to name: what the trail says against what the program knows."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import pathcases  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402

if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([rulerun.runnable(c) for c in pathcases.CASES])
