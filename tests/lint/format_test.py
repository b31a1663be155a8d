#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of format.py: what it finds and what it leaves to people."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import format as checker  # noqa: E402

# name, text, lines that it must find
CASES = [
    ("good code", "int f(int a)\n{\n\tif (a)\n\t\treturn 1;\n\treturn 0;\n}\n", []),
    ("spaces for tabs", "int f(int a)\n{\n    return a;\n}\n", [3]),
    ("no space around =", "int f(int a)\n{\n\ta=1;\n\treturn a;\n}\n", [3]),
    ("brace of a function on its line", "int f(int a) {\n\treturn a;\n}\n", [1]),
    ("wrong indent of a continued call", "int f(int a)\n{\n\treturn g(a,\n\t\ta);\n}\n", [4]),
    ("comments behind code", "struct s {\n\tint a;\t\t/* one */\n\tint bcd;\t/* two */\n};\n", []),
    ("a comment does not hide code", "int f(int a)\n{\n\ta=1;\t/* one */\n\treturn a;\n}\n", [3]),
    ("comment signs in a string", "int f(const char *a)\n{\n\ta = \"x://y\";\n\treturn g(a);\n}\n", []),
    ("a table set by hand", "static const struct s t[] = {\n\t{ 1, 2 },   { 3, 4 },\n\t{ 5, 6 },\n};\n", []),
    ("code behind a table", "static const int t[] = { 1,   2 };\nint f(int a)\n{\n\ta=1;\n\treturn t[a];\n}\n", [4]),
    ("an enum in few lines", "enum e {\n\tA, B,\n\tC\n};\n", []),
    ("a macro", "#define M(a)   do { \\\n\ta=1;    \\\n} while (0)\n", []),
    ("a condition broken by hand", "int f(int a)\n{\n\treturn a ? 1 : a > 2 ? 3 : 4;\n}\n", []),
    ("loops of macros", "void f(void)\n{\n\tDL_FOREACH(a, b)\n\t\tg(b);\n}\n", []),
]


def main():
    if not shutil.which("clang-format"):
        print("1..0 # SKIP no clang-format")
        return 0
    texts = [checker.without_comments(text) for _, text, _ in CASES]
    failed = 0
    print("1..%d" % len(CASES))
    for number, ((name, _, want), text, formatted) in enumerate(zip(CASES, texts, checker.formatted(texts)), 1):
        got = [line for line, _, _ in checker.differences(text, formatted)]
        if got != want:
            print("# found in lines %r, not %r" % (got, want))
        failed += got != want
        print("%s %d - %s" % ("ok" if got == want else "not ok", number, name))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
