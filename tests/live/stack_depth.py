#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stack of every kernel program down to its deepest call, callbacks among them: 512 bytes is all that kernels without private stacks
allow (up to 6.12), and this one may not notice. As their verifier counts: each frame rounded up to 32 bytes."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402

LIMIT = 512
OBJECT = os.path.join(tap.BUILD, "bpf/hosttrail.bpf.o")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")
SYMBOL = re.compile(r"^([0-9a-f]+) .{7} (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$")
FRAME = re.compile(r"r10 - (0x[0-9a-f]+|\d+)|\+= -(0x[0-9a-f]+|\d+)")
CALL = re.compile(r"call (-?0x[0-9a-f]+|-?\d+)")
ADDRESS = re.compile(r"= (0x[0-9a-f]+|\d+) ll")


def objdump(*options):
    return subprocess.run(["llvm-objdump", *options, OBJECT], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def symbols():
    """Functions of .text by address, and those that are programs: they have sections of their own."""
    text, programs = {}, []
    for line in objdump("-t"):
        m = SYMBOL.match(line)
        if m and " F " in line:
            if m.group(2) == ".text":
                text[int(m.group(1), 16)] = m.group(3)
            else:
                programs.append(m.group(3))
    return text, programs


def graph():
    """({function: bytes}, {function: those that it calls or hands to a loop}, programs)"""
    text, programs = symbols()
    frames, calls, name, last = {}, {}, None, ""
    for line in objdump("-dr", "--no-show-raw-insn"):
        m = FUNCTION.match(line)
        if m and not m.group(1).startswith("LBB"):
            name = m.group(1)
            frames[name], calls[name] = 0, set()
        elif name and "R_BPF_64" in line:
            target = line.split()[-1]
            call, address = CALL.search(last), ADDRESS.search(last)
            if target == ".text" and call:
                target = text.get((int(call.group(1), 0) + 1) * 8)
            elif target == ".text" and address:
                target = text.get(int(address.group(1), 0))
            calls[name].add(target)
        elif name:
            for x in FRAME.finditer(line):
                n = int(next(g for g in x.groups() if g), 0)
                frames[name] = max(frames[name], n if n <= LIMIT else 0)
        last = line
    return frames, calls, programs


def depth_of(frames, calls, name, known):
    if name not in known:
        below = [depth_of(frames, calls, c, known) for c in calls[name] if c in frames]
        own = (max(frames[name], 1) + 31) // 32 * 32
        deepest = max(below, default=(0, []))
        known[name] = (own + deepest[0], [name] + deepest[1])
    return known[name]


def stacks_are_small(t):
    frames, calls, programs = graph()
    known = {}
    t.must(len(programs) > 20, "%d programs found" % len(programs))
    depths = {p: depth_of(frames, calls, p, known) for p in programs}
    t.ok(any(len(chain) > 3 for _, chain in depths.values()), "no chain of calls was found")
    for p, (n, chain) in sorted(depths.items()):
        t.ok(n <= LIMIT, "%s: %d bytes: %s" % (p, n, " > ".join(chain)))
    t.note("deepest: %d bytes" % max(n for n, _ in depths.values()))


if __name__ == "__main__":
    tap.main([stacks_are_small])
