#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our numbers of system calls (agent/numbers_*.def) with a kernel tree's tables, or with the installed headers.

    tools/syscalls.py TREE       a Linux source tree: both must be the same
    tools/syscalls.py            the installed headers: they may be older, but may not say anything else

Prints one line for each difference; exit status 1 if there was one, 2 if the tables or headers cannot be read.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# our file -> (the tree's table, which of our rows it is about, which of its ABI words count)
TABLES = {
    "x86-64": ("numbers_x86_64.def", ("COMMON", "N64"), "arch/x86/entry/syscalls/syscall_64.tbl", ("common", "64")),
    "x32": ("numbers_x86_64.def", ("COMMON", "X32"), "arch/x86/entry/syscalls/syscall_64.tbl", ("common", "x32")),
    "i386": ("numbers_i386.def", ("I386",), "arch/x86/entry/syscalls/syscall_32.tbl", ("i386",)),
    "arm64": ("numbers_arm64.def", ("ARM64",), "scripts/syscall.tbl", ("common", "64", "renameat", "rlimit", "memfd_secret")),
}
HEADERS = {"x86-64": ("asm/unistd_64.h", ()), "x32": ("asm/unistd_x32.h", ("-D__X32_SYSCALL_BIT=0",)), "i386": ("asm/unistd_32.h", ()),
           "arm64": ("asm-generic/unistd.h", ("-D__BITS_PER_LONG=64", "-D__ARCH_WANT_RENAMEAT", "-D__ARCH_WANT_NEW_STAT",
                                             "-D__ARCH_WANT_SET_GET_RLIMIT", "-D__ARCH_WANT_SYS_CLONE3", "-D__ARCH_WANT_MEMFD_SECRET"))}
NO_CALLS = {"syscalls", "arch_specific_syscall"}    # defined in headers, but no calls
HEADER_ONLY = {("arm64", 42)}                       # nfsservctl: kept in the generic header, in no table


def ours(abi):
    name, macros, _, _ = TABLES[abi]
    with open(os.path.join(TOP, "agent", name)) as f:
        return {int(nr): call for macro, nr, call in re.findall(r"^(\w+)\((\d+), (\w+)\)$", f.read(), re.M) if macro in macros}


def of_tree(abi, tree):
    _, _, path, abis = TABLES[abi]
    found = {}
    with open(os.path.join(tree, path)) as f:
        for line in f:
            cells = line.split("#")[0].split()
            if len(cells) > 2 and cells[1] in abis:
                found[int(cells[0])] = cells[2]
    return found


def of_headers(abi):
    header, defines = HEADERS[abi]
    p = subprocess.run(["gcc", "-E", "-dM", *defines, "-include", header, "-x", "c", "/dev/null"], capture_output=True, text=True, check=True)
    values = dict(re.findall(r"^#define (__NR\w+) (\S.*)$", p.stdout, re.M))
    found = {}
    for name, value in values.items():
        if not name.startswith("__NR_") or name[5:] in NO_CALLS or name[5:].startswith("syscall"):
            continue
        number = re.search(r"(\d+)\)?$", values.get(value, value))
        if number and (abi, int(number.group(1))) not in HEADER_ONLY:
            found[int(number.group(1))] = name[5:]
    return found


def differences(have, want, whole):
    for nr in sorted(set(have) | set(want)):
        if have.get(nr) != want.get(nr) and (whole or nr in want):
            yield nr, have.get(nr, "nothing"), want.get(nr, "nothing")


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__.strip())
        sys.exit(0 if len(sys.argv) == 2 else 2)
    found = 0
    for abi in TABLES:
        try:
            want = of_tree(abi, sys.argv[1]) if len(sys.argv) == 2 else of_headers(abi)
        except (OSError, subprocess.CalledProcessError) as e:
            print("syscalls.py: %s" % e, file=sys.stderr)
            sys.exit(2)
        if len(want) < 200:
            print("syscalls.py: %s: only %d numbers there" % (abi, len(want)), file=sys.stderr)
            sys.exit(2)
        for nr, have, there in differences(ours(abi), want, len(sys.argv) == 2):
            print("%s %d: %s here, %s there" % (abi, nr, have, there))
            found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
