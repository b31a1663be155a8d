#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Test of tools/syscalls.py: a kernel tree with our numbers is the same; one with another, a new or a missing call is not."""
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests", "helpers"), os.path.join(TOP, "tools")]
import syscalls  # noqa: E402
import tap  # noqa: E402

GENERIC = "scripts/syscall.tbl"


def tree(top):
    """Our own numbers in the kernel's format, with what its files have beside them: comments, entry points, other ABIs."""
    words = {"COMMON": "common", "N64": "64", "X32": "x32", "I386": "i386", "ARM64": "64"}
    for name, _, path, _ in {v[2]: v for v in syscalls.TABLES.values()}.values():
        os.makedirs(os.path.join(top, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(TOP, "agent", name)) as f, open(os.path.join(top, path), "w") as out:
            out.write("# a comment\n#\n244\triscv\tof_another\t\tsys_of_another\n")
            for macro, nr, call in syscalls.re.findall(r"^(\w+)\((\d+), (\w+)\)$", f.read(), syscalls.re.M):
                out.write("%s\t%s\t%s\t\tsys_%s\n" % (nr, words[macro], call, call))


def says(top):
    p = subprocess.run([os.path.join(TOP, "tools/syscalls.py"), top], capture_output=True, text=True, check=False)
    return p.returncode, p.stdout.splitlines()


def changed(title, edit, want):
    def run(t):
        with tap.Workdir() as d:
            tree(d)
            path = os.path.join(d, GENERIC)
            with open(path) as f:
                text = f.read()
            with open(path, "w") as f:
                f.write(edit(text))
            t.equal(says(d), want, "what it says")
    run.title = title
    return run


def no_tree(t):
    with tempfile.TemporaryDirectory() as d:
        t.equal(says(d), (2, []), "without tables")


CASES = [
    changed("the same", lambda text: text, (0, [])),
    changed("another name", lambda text: text.replace("\tchdir\t", "\tchroot_\t"), (1, ["arm64 49: chdir here, chroot_ there"])),
    changed("a new call", lambda text: text + "900\tcommon\tnewest\t\tsys_newest\n", (1, ["arm64 900: nothing here, newest there"])),
    changed("a call less", lambda text: text.replace("50\t64\tfchdir", "# 50"), (1, ["arm64 50: fchdir here, nothing there"])),
    no_tree,
]

if __name__ == "__main__":
    tap.main(CASES)
