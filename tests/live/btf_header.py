#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kernels from 7.2.5 on have a longer header before their types, and a section more, of which older readers of BTF know nothing. This kernel's own types, written
like that and bound over its own file in a mount namespace: all probes load by them."""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402
import trail  # noqa: E402

TYPES = "/sys/kernel/btf/vmlinux"
HEADER = struct.Struct("<HBBIIIII")
LAYOUT = bytes(8 * 20)


def rewritten(blob):
    """With layout_off and layout_len behind the header's six fields, and that section behind the names."""
    magic, version, flags, length, type_at, type_n, text_at, text_n = HEADER.unpack_from(blob)
    layout_at = text_at + text_n + (-(text_at + text_n) % 4)
    head = HEADER.pack(magic, version, flags, length + 8, type_at, type_n, text_at, text_n) + struct.pack("<II", layout_at, len(LAYOUT))
    body = blob[length:length + text_at + text_n]
    return head + body + bytes(layout_at - len(body)) + LAYOUT


def traced(d):
    """(exit status, what was opened last, what was said at the end), with d/types in the place of the kernel's."""
    argv = ["unshare", "-m", "sh", "-c", "mount --bind %s/types %s && exec \"$@\"" % (d, TYPES), "sh",
            tap.program("hosttrail"), "trace", "--no-tls", "-o", d + "/trail", "--", "/bin/cat", "/etc/hostname"]
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    records = trail.load(d + "/trail") if os.path.exists(d + "/trail") else []
    return p.returncode, [r.request["path"] for r in records if r.name == "openat"][-1:], p.stderr[-300:]


def a_longer_header(t):
    if not os.path.exists(TYPES):
        raise tap.Skip("no BTF")
    with tap.Workdir() as d:
        with open(TYPES, "rb") as f, open(d + "/types", "wb") as out:
            out.write(rewritten(f.read()))
        status, path, err = traced(d)
        t.equal((status, path), (0, ["/etc/hostname"]), "exit status and last open (%s)" % err)


def a_damaged_one(t):
    """The same way, and nothing else than the file is to blame: it is read, then."""
    with tap.Workdir() as d:
        with open(d + "/types", "wb") as f:
            f.write(HEADER.pack(0xeb9f, 1, 0, 32, 0, 1 << 30, 1 << 30, 4))
        status, path, err = traced(d)
        t.ok(status and not path, "%r %r" % (status, path))
        t.ok("BTF" in err, "what it says: %r" % err)


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([a_longer_header, a_damaged_one])
