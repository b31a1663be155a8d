#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: first
"""C files are as clang-format would write them by .clang-format, except what it cannot know and people set by hand:

    tables       whatever stands in the braces of an initializer or enum, or in a definition of a macro
    comments     at the end of a line: in the column that its neighbours have
    conditions   where an expression with `?` is broken

    tests/lint/format.py [--show] [FILE...]     --show: what it would write

Prints TAP, one case a folder. Files of folders that are not in FOLDERS are looked at only when they are named.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("lib", "proto", "agent", "agent/api", "agent/http", "agent/tls", "forwarder", "store", "store/clickhouse", "store/delivery",
           "store/digest", "store/lake", "store/retention", "tools")
TRAILING = re.compile(r"(?<=\S)\s*(/\*(?:(?!\*/).)*\*/)\s*$")
TABLE = re.compile(r"=\s*\{|\)\s*\{[^}]*[^;{}]$|\){[^;]*$|\benum\b[^();]*\{|\bstruct\b[^();]*\{.*[,}]")


def without_comments(text):
    """The same lines, without what people put behind them."""
    return "\n".join(line if line.lstrip().startswith(("/*", "* ", "*/", "//")) else TRAILING.sub("", line) for line in text.split("\n"))


def tables(lines):
    """For each line, whether it belongs to a table or to a macro."""
    depth, macro, found = 0, False, []
    for line in lines:
        begins = TABLE.search(line) if not depth else None
        found.append(bool(depth or macro or begins or line.startswith("#define")))
        macro = line.endswith("\\")
        part = line if depth else line[begins.start():] if begins else ""
        depth = max(0, depth + part.count("{") - part.count("}"))
    return found


def by_hand(lines, marked, first, last):
    """Nothing but tables, or a condition that was broken where clang-format would not."""
    return all(marked[first:last]) or "?" in lines[first] or lines[first].lstrip().startswith(":")


def differences(text, formatted):
    """[(line number, lines, what clang-format makes of them)]"""
    ours, theirs = text.split("\n"), formatted.split("\n")
    marked = tables(ours)
    return [(i + 1, ours[i:j], theirs[k:m]) for op, i, j, k, m in difflib.SequenceMatcher(None, ours, theirs, False).get_opcodes()
            if op != "equal" and not (i < j and by_hand(ours, marked, i, j))]


def formatted(texts):
    """What clang-format makes of each text, in one run."""
    with tempfile.TemporaryDirectory(prefix="ht-format.") as d:
        shutil.copy(os.path.join(TOP, ".clang-format"), d)
        paths = [os.path.join(d, "%d.c" % i) for i in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "w") as f:
                f.write(text)
        subprocess.run(["clang-format", "--style=file", "-i", *paths], check=True)
        return [open(path).read().replace("class ++", "class++") for path in paths]  # to it a keyword of another language


def check(paths):
    """{path: differences}"""
    texts = []
    for path in paths:
        with open(os.path.join(TOP, path), errors="surrogateescape") as f:
            texts.append(without_comments(f.read().encode(errors="replace").decode()))
    return {path: differences(a, b) for path, a, b in zip(paths, texts, formatted(texts))} if paths else {}


def files_of(folder):
    return sorted(os.path.join(folder, n) for n in os.listdir(os.path.join(TOP, folder)) if n.endswith((".c", ".h")))


def tell(path, found, show):
    for line, ours, theirs in found:
        print("# %s:%d" % (path, line))
        for sign, lines in (("-", ours), ("+", theirs)) if show else ():
            print("".join("# %s%s\n" % (sign, x) for x in lines), end="")


def main():
    show, named = "--show" in sys.argv, [a for a in sys.argv[1:] if a != "--show"]
    cases = [("named", named)] if named else [(f, files_of(f)) for f in FOLDERS]
    failed = 0
    if not shutil.which("clang-format"):
        print("1..0 # SKIP no clang-format")
        return 0
    print("1..%d" % len(cases))
    for number, (name, paths) in enumerate(cases, 1):
        found = {path: d for path, d in check(paths).items() if d}
        for path, d in found.items():
            tell(path, d, show)
        failed += bool(found)
        print("%s %d - %s: %d files" % ("not ok" if found else "ok", number, name, len(paths)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
