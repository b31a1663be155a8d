#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=20
"""A brand-new instance on a disk that is full, or nearly: one clear line and status 1, and nothing half made that
keeps a later start from going well."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import upkit  # noqa: E402

PAGE = os.sysconf("SC_PAGE_SIZE")
FIRST, LAST = 1, 16	# pages that the disk has: from nothing to keys, certificates and a store that has no room for a journal


class Disk:
    def __init__(self, folder):
        self.path = os.path.join(folder, "disk")
        os.mkdir(self.path)

    def mount(self, *more):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(("mode=755",) + more), "hosttrail-test", self.path],
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    def grow(self, to):
        subprocess.run(["mount", "-o", "remount,size=%d" % to, self.path], check=True)

    def __enter__(self):
        if not self.mount("size=%d" % (FIRST * PAGE)):
            raise tap.Skip("cannot mount a tmpfs")
        return self

    def __exit__(self, *exc):
        subprocess.run(["umount", self.path], check=True)


def up(disk, timeout):
    return subprocess.run(upkit.up(disk.path + "/run", "--quiet", "--scope", "tree", "--", "/bin/true"), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False)


def each_page_more_then_room(t):
    """Each start comes one file further than the one before and must cope with what that one left."""
    with tap.Workdir() as d:
        os.chmod(d, 0o755)
        with Disk(d) as disk:
            for pages in range(FIRST, LAST):
                disk.grow(pages * PAGE)
                r = up(disk, 60)
                lines = r.stderr.splitlines()
                t.ok(r.returncode == 1 and len(lines) == 1, "%d pages: status %d, %r" % (pages, r.returncode, r.stderr))
                t.ok("No space left on device" in r.stderr or "disk is full" in r.stderr, "it says why: %r" % r.stderr)
            disk.grow(256 << 20)
            r = up(disk, 120)
            t.equal((r.returncode, r.stderr), (0, ""), "with room")


if __name__ == "__main__":
    tap.main([each_page_more_then_room])
