# SPDX-License-Identifier: Apache-2.0
"""Longest path to the early exit of a loaded BPF program, in the kernel's translated code.

An early exit is an exit of the main function that is reached without a call of one of our own functions: the
probes keep the work of a captured call in functions (bpf/syscall.bpf.h), so what is before the first call is what every
uncaptured call pays. Helper calls that the kernel did not inline count as one instruction.
"""
import json
import re
import subprocess
import sys

INSN = re.compile(r"^\s*(\d+): \(([0-9a-f]{2})\) (.*)$")
JUMP = re.compile(r"goto pc([+-]\d+)")


def parse(text):
    """Instructions of the main function: {slot: text}."""
    code, functions = {}, 0
    for line in text.splitlines():
        m = INSN.match(line)
        if m:
            code[int(m.group(1))] = m.group(3)
        elif re.match(r"^\w.*\(.*\):?", line) and code:
            functions += 1
            break
    return code


def longest(code):
    """(instructions, slots of that path). The code has no loops before a call; one would end in a recursion error."""
    slots = sorted(code)
    following = {s: n for s, n in zip(slots, slots[1:])}
    best = {}

    def walk(slot):
        if slot in best:
            return best[slot]
        text = code.get(slot)
        if text is None:
            return None
        if text == "exit":
            result = (1, [slot])
        elif re.match(r"call pc[+-]", text):
            result = None
        else:
            m, ways = JUMP.search(text), []
            if m:
                ways.append(slot + 1 + int(m.group(1)))
            if not m or text.startswith("if "):
                ways.append(following.get(slot))
            found = [w for w in (walk(w) for w in ways if w is not None) if w]
            result = max(((n + 1, [slot] + path) for n, path in found), default=None)
        best[slot] = result
        return result

    sys.setrecursionlimit(100000)
    return walk(slots[0]) if slots else None


def program_ids(name, owner=None):
    out = subprocess.run(["bpftool", "--json", "prog", "show"], capture_output=True, text=True, check=True).stdout
    found = [p for p in json.loads(out) if p.get("name") == name]
    owned = [p for p in found if owner in [x["pid"] for x in p.get("pids", [])]]
    return [p["id"] for p in (owned or found)]


def measure(name, owner=None):
    """Instructions on the longest early path of the newest program of that name; None if there is none."""
    ids = program_ids(name, owner)
    if not ids:
        return None
    dump = subprocess.run(["bpftool", "prog", "dump", "xlated", "id", str(max(ids))], capture_output=True, text=True, check=True).stdout
    found = longest(parse(dump))
    return found[0] if found else None


if __name__ == "__main__":
    for name in sys.argv[1:] or ["ht_sys_exit", "ht_sys_enter"]:
        print(name, measure(name))
