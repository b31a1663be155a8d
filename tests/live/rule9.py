#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 later=30
"""One test for each row of rule 9, and for the trees that a trace must follow: on this kernel."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import onetrace  # noqa: E402
import rulecases  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402

if __name__ == "__main__":
    tap.main(onetrace.runnables(rulecases.CASES, rulerun.W))
