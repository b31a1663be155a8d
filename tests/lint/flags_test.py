#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names of flags and values that agent/flags_*.c writes with a number of its own are the installed headers' where these have the name:
a wrong number would make every record wrong that has it."""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402

LEAST = 500
ENTRY = re.compile(r'\{ \(uint64_t\)\(([^"{}]*)\), \(uint64_t\)\([^"{}]*\), \{ "(\w+)"')
DEFINE = re.compile(r"^#define (\w+) (.+)$", re.M)
NUMBER = re.compile(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\b")
HEADERS = """fcntl.h sys/epoll.h sys/eventfd.h sys/signalfd.h sys/timerfd.h sys/inotify.h sys/fanotify.h sys/socket.h netinet/in.h netinet/tcp.h
    netinet/udp.h sys/mman.h sys/mount.h sys/wait.h sys/resource.h sys/ptrace.h sys/prctl.h sys/swap.h sys/shm.h sys/sem.h sys/msg.h sys/random.h
    sys/xattr.h sys/file.h sys/ioctl.h time.h signal.h sched.h unistd.h stdio.h asm/prctl.h asm/mman.h sys/timex.h sys/uio.h""".split()
# what is meant is another than what a 64-bit program's header says
OTHERWISE = {
    "F_GETLK64": "a 32-bit program's", "F_SETLK64": "a 32-bit program's", "F_SETLKW64": "a 32-bit program's",
    "O_LARGEFILE": "what a 32-bit program passes", "S_IFREG": "no type at all makes one, too",
}


def number(text, defined=None, depth=0):
    """Of an expression of numbers, and of names that `defined` explains; None if it has anything else."""
    if depth > 8:
        return None
    for name in set(re.findall(r"\b[A-Za-z_]\w*", NUMBER.sub("0", text))):
        inner = number(defined[name], defined, depth + 1) if defined and name in defined else None
        if inner is None:
            return None
        text = re.sub(r"\b%s\b" % name, str(inner), text)
    text = NUMBER.sub(lambda m: str(int(m.group(1), 8 if re.fullmatch(r"0[0-7]+", m.group(1)) else 0)), text)
    if not re.fullmatch(r"[\d\s()|<>~+-]+", text):
        return None
    try:
        return eval(text) & 0xffffffffffffffff  # pylint: disable=eval-used
    except SyntaxError:
        return None


def preprocessed(source, *options):
    return subprocess.run(["gcc", "-E", "-D_GNU_SOURCE", "-I", tap.TOP, *options, "-xc", "-"], input=source, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False).stdout


def ours():
    """{name: number}"""
    out = {}
    for path in glob.glob(os.path.join(tap.TOP, "agent", "flags_*.c")):
        with open(path) as f:
            text = " ".join(preprocessed(f.read(), "-I", os.path.join(tap.TOP, "agent")).split())
        for expression, name in ENTRY.findall(text):
            n = number(expression)
            if n is not None:
                out[name] = n
    return out


def linux_headers(names):
    """Those that define any of them."""
    out = []
    for path in sorted(glob.glob("/usr/include/linux/*.h")):
        with open(path, errors="replace") as f:
            if set(re.findall(r"^#\s*define\s+(\w+)", f.read(), re.M)) & set(names):
                out.append(path[len("/usr/include/"):])
    return out


def values_are_the_headers(t):
    mine, compared = ours(), set()
    for header in HEADERS + linux_headers(mine):
        defined = dict(DEFINE.findall(preprocessed("#include <stdint.h>\n#include <%s>\n" % header, "-dM")))
        for name in set(mine) & set(defined) - set(OTHERWISE):
            theirs = number(defined[name], defined)
            if theirs is not None:
                compared.add(name)
                t.ok(mine[name] & 0xffffffff == theirs & 0xffffffff, "%s is %#x here, %#x in %s" % (name, mine[name], theirs, header))
    t.ok(len(compared) >= LEAST, "only %d names compared" % len(compared))
    t.note("%d of %d names that have a number of their own compared" % (len(compared), len(mine)))


if __name__ == "__main__":
    tap.main([values_are_the_headers])
