#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=240
"""io_uring on equal terms: every operation's record against that of the system call that does the same; and what only
io_uring has: linked, skipped, overflowing, multishot and refused operations. Cases are in tests/helpers/uringcases.py,
which the kernel matrix runs, too."""
import copy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import onetrace  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402
import uringcases  # noqa: E402


def here(case):
    """Other users work in its folder; the root is this system's."""
    case = copy.copy(case)
    case.setup, case.prepare = "", lambda d: os.chmod(d, 0o777)
    return case


if __name__ == "__main__":
    tap.main(onetrace.runnables([here(c) for c in uringcases.CASES], rulerun.W))
