# SPDX-License-Identifier: Apache-2.0
"""What is particular to io_uring, as cases for tests/live/uring.py and the kernel matrix (see rulecases.py)."""
import uringcheck

ABSENT = (77,)


class Case:
    def __init__(self, title, command, check):
        self.title, self.command, self.check = title, command, check
        self.setup, self.absent, self.why = "chmod 755 / && chmod 777 {D}", ABSENT, "no io_uring"


CASES = [Case("io_uring like the system calls: " + way, "{W}/uring_ops %s {D}" % way, uringcheck.same_as_calls(way))
         for way in ("plain", "async", "sqpoll", "fixed", "direct", "personality")]
CASES += [Case("io_uring " + title, "{W}/uring_odd %s {D}" % kind, check) for title, kind, check in (
    ("links that break", "link", uringcheck.link),
    ("operations without completion events", "skip", uringcheck.skip),
    ("overflowing completion queue", "overflow", uringcheck.overflow),
    ("multishot accept", "multishot", uringcheck.multishot),
    ("refused submissions", "refused", uringcheck.refused),
    ("operations without a system call", "others", uringcheck.others),
    ("names overwritten after submission", "swap", uringcheck.swap),
    ("program ends before its accept", "death", uringcheck.death),
)]
