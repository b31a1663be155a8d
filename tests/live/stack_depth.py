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
PLACE = re.compile(r"\(r10 - (0x[0-9a-f]+|\d+)\)")
SET = re.compile(r"\t([rw]\d) ([+\-*/|&^<>s]*=) (.*)$")
CALL = re.compile(r"^ *(\d+):\s+85 1.(?: ..){6}\s+call (-?0x[0-9a-f]+|-?\d+)")	# of a function, which no helper is
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


def called(text, line, relocation):
    """The function that an instruction calls or hands to a loop, or None. A call of a static function of the same section has no relocation."""
    call, address = CALL.search(line), ADDRESS.search(line)
    if "R_BPF_64" not in relocation:
        return text.get((int(call.group(1)) + 1 + int(call.group(2), 0)) * 8, "?") if call else None
    target = relocation.split()[-1]
    if target == ".text" and call:
        return text.get((int(call.group(2), 0) + 1) * 8, "?")
    if target == ".text" and address:
        return text.get(int(address.group(1), 0), "?")
    return target


def below_frame(line, copies):
    """How far below its frame's end an instruction reaches. `copies` are the registers that are that end."""
    m = PLACE.search(line)
    if m:
        return int(m.group(1), 0)
    m = SET.search(line)
    if not m:
        return 0
    register, how, value = m.groups()
    was = register in copies
    copies.discard(register)
    if how == "=" and (value == "r10" or value in copies):
        copies.add(register)
    return -int(value, 0) if was and how == "+=" and value.startswith("-") else 0


def graph():
    """({function: bytes}, {function: those that it calls or hands to a loop}, programs)"""
    text, programs = symbols()
    frames, calls, name = {}, {}, None
    lines = objdump("-dr")
    for line, following in zip(lines, lines[1:] + [""]):
        m = FUNCTION.match(line)
        if m and not m.group(1).startswith("LBB"):
            name = m.group(1)
            frames[name], calls[name], copies = 0, set(), set()
        elif name and "R_BPF_64" not in line:
            calls[name].add(called(text, line, following))
            frames[name] = max(frames[name], below_frame(line, copies))
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
    unknown = sorted(f for f, below in calls.items() if "?" in below)
    t.ok(not unknown, "it is not known whom these call: %s" % " ".join(unknown))
    depths = {p: depth_of(frames, calls, p, known) for p in programs}
    t.ok(any(len(chain) > 3 for _, chain in depths.values()), "no chain of calls was found")
    for p, (n, chain) in sorted(depths.items()):
        t.ok(n <= LIMIT, "%s: %d bytes: %s" % (p, n, " > ".join(chain)))
    t.note("deepest: %d bytes" % max(n for n, _ in depths.values()))


if __name__ == "__main__":
    tap.main([stacks_are_small])
