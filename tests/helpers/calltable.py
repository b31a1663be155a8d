# SPDX-License-Identifier: Apache-2.0
"""The table of calls as the tests see it: read from agent/calls*.def, so that a new row is tested without a new list."""
import os
import re

import tap

ROW = re.compile(r"^CALL(32|M)?\((\w+),\s*(\w+),\s*(\w+),\s*(\w+),\s*(\w+),\s*([^,]*),\s*(\d+),", re.M)
SHORT = re.compile(r"^(ASK|WHO|CLOCK_ASK|OLD)\((\w+).*$", re.M)  # rows of a form of their own: no arguments, or registers only
ALWAYS = re.compile(r'\b(FD|INT|UINT|LONG|ULONG|HEX|ENUM|FLAGS|PID|OCTAL|SOCKOPT)\("(\w+)"')
PATH = re.compile(r'\b(PATH|OPENED|ENTERED|STR|STRING)\("(\w*)",\s*(\d+)')


class Row:
    def __init__(self, name, family, category, ring, flags, body):
        self.name, self.family, self.category, self.ring = name, family, category, ring
        self.flags = set(re.findall(r"\w+", flags)) - {"0"}
        self.result = (re.findall(r"\bRET_(\w+)", body) or ["NONE"])[-1]
        self.argv = [int(arg) for arg in re.findall(r'ARGV\("argv",\s*(\d+)', body)]
        # fields that every record of the call has
        self.always = {field for _, field in ALWAYS.findall(body)}
        # field of requestParameters -> number of the argument that holds the string
        self.strings = {field: int(arg) for kind, field, arg in PATH.findall(body) if field}
        self.paths = {field: int(arg) for kind, field, arg in PATH.findall(body) if field and kind in ("PATH", "OPENED", "ENTERED")}


def text_of_table():
    text = ""
    for name in ("calls", "calls_file", "calls_task", "calls_rest"):
        with open(os.path.join(tap.TOP, "agent", name + ".def")) as f:
            text += f.read()
    return text


def load():
    text = text_of_table()
    rows, found = {}, list(ROW.finditer(text))
    for i, m in enumerate(found):
        end = found[i + 1].start() if i + 1 < len(found) else len(text)
        compat, name, family, category, ring, _, flags, _ = m.groups()
        if compat != "32":
            rows[name] = Row(name, family, category, ring, flags, text[m.start():end].split("\n#define")[0])
    for m in SHORT.finditer(text):
        high = "" if m.group(1) == "OLD" else "HIGHRATE"
        rows[m.group(2)] = Row(m.group(2), "", "", "DATA", high, m.group(0))
    return rows


TABLE = load()
# where the kernel has hooks, the paths of these are the objects; rows of i386 alone among them
HOOKED = {m.group(2) for m in ROW.finditer(text_of_table()) if "HOOK(" in m.group(7)}
HIGHRATE = {n for n, r in TABLE.items() if "HIGHRATE" in r.flags}
NEWPEER = {n for n, r in TABLE.items() if "NEWPEER" in r.flags}
# what a trace records without being asked
RECORDED = set(TABLE) - HIGHRATE
