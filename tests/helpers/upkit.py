# SPDX-License-Identifier: Apache-2.0
"""What tests of `hosttrail up` share: its command line, its pins, and checks that are told as TAP when all is done."""
import hashlib
import os
import shutil
import sys
import tempfile

import tap

HOSTTRAIL = tap.program("hosttrail")
PINS = "/sys/fs/bpf/hosttrail"
RESULTS = []


def check(name, good, detail=""):
    RESULTS.append((name, good, detail))


def up(directory, *args):
    return [HOSTTRAIL, "up", "--dir", directory, "--api", "127.0.0.1:0", "--ingest", "127.0.0.1:0", *args]


def pins(directory):
    """The pins of an instance directory; others on this host are none of our business."""
    name = "run-" + hashlib.sha256(os.path.realpath(directory).encode()).hexdigest()[:8]
    return os.path.exists(os.path.join(PINS, name))


def main(*parts):
    """Each part gets one folder, which is gone at the end."""
    if os.geteuid():
        print("1..0 # SKIP needs root")
        return
    folder = tempfile.mkdtemp(prefix="ht-up.")
    os.chmod(folder, 0o755)
    try:
        for part in parts:
            part(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("1..%d" % len(RESULTS))
    for number, (name, good, detail) in enumerate(RESULTS, 1):
        if not good:
            print("\n".join("# " + line for line in detail.splitlines()))
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    sys.exit(0 if all(good for _, good, _ in RESULTS) else 1)
