#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=900 full=21600 long
"""Paths that are hard to name, and what changes while a call is made: what the trail says against what the program knows."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import hookcases  # noqa: E402
import onetrace  # noqa: E402
import pathcases  # noqa: E402
import racecases  # noqa: E402
import rulerun  # noqa: E402
import tap  # noqa: E402
from sizes import size  # noqa: E402

HOOKS = hookcases.are_on()
ROUND = 20_000  # opens in one trace


def rounds(case, n):
    """The case n times: a million records are more than one trace should hold in memory."""
    run = rulerun.runnable(case)

    def repeated(t):
        for _ in range(n):
            run(t)
    repeated.title = case.title
    return repeated


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    opens = size("races.opens")
    cases = [*pathcases.cases(HOOKS), *hookcases.cases(HOOKS)]
    races = racecases.cases(min(opens, ROUND))
    if opens <= ROUND:  # everyday: one trace for all
        tap.main(onetrace.runnables(cases + races, rulerun.W))
    tap.main(onetrace.runnables(cases, rulerun.W) + [rounds(c, -(-opens // ROUND)) for c in races])
