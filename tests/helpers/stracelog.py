# SPDX-License-Identifier: Apache-2.0
"""What strace saw, as a list of calls. Written by `strace -f -y -v -xx -s 100000 -o FILE`.

All strings are hexadecimal (-xx), so commas, brackets and quotes in the text are syntax, never data.
"""
import errno
import re

LINE = re.compile(r"^(\d+)\s+(.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
STRING = re.compile(r'^"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
RESULT = re.compile(r"^(0x[0-9a-f]+|-?\d+|\?)(<.*?>)?(?:\((deleted)\))?(?:\s+([A-Z0-9_]+)\b)?")
SUPERSEDED = re.compile(r"superseded by execve in pid (\d+)")
OPTIONS = ["-f", "-y", "-v", "-xx", "-s", "100000"]


def unhex(text):
    """Bytes of strace's "\\x2f\\x61", as JSON shows them."""
    return bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "surrogateescape")


class Call:
    def __init__(self, tid, name, args):
        self.tid, self.name, self.args = tid, name, args
        self.ret, self.error = None, None      # None, None: it never returned
        self.path, self.deleted = None, False  # of a returned descriptor
        self.restarts = 0

    def string(self, n):
        """The string argument n; None if it is none (NULL, an address that could not be read)."""
        if n < len(self.args):
            m = STRING.match(self.args[n])
            if m and not m.group(2):
                return unhex(m.group(1))
        return None

    def strings(self, n):
        """The strings of an array argument (argv)."""
        return [unhex(s) for s in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', self.args[n])] if n < len(self.args) else []

    def at(self, n):
        """Path of the descriptor in argument n, if strace shows one."""
        m = re.match(r"^(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>", self.args[n]) if n < len(self.args) else None
        return unhex(m.group(1)) if m else None

    @property
    def errno(self):
        return getattr(errno, self.error, None) if self.error else None

    def __repr__(self):
        shown = ", ".join(re.sub(r"(?:\\x[0-9a-f]{2})+", lambda m: unhex(m.group(0)), a) for a in self.args)
        return "%d %s(%.160s) = %s" % (self.tid, self.name, shown, self.error or self.ret)


# a string, which holds no quotes as strace writes it here; a comment; what takes arguments apart
TOKEN = re.compile(r'"[^"]*"|/\*.*?\*/|[][(){},]', re.S)


def split_args(text):
    """Arguments of `a, {b, c}, "d")  = 0`, and what follows the closing bracket."""
    args, depth, start = [], 0, 0
    for m in TOKEN.finditer(text):
        c = text[m.start()]
        if c in "([{":
            depth += 1
        elif c in ")]}" and depth:
            depth -= 1
        elif c == ")":
            args.append(text[start:m.start()].strip())
            return [a for a in args if a], text[m.end():]
        elif c == "," and not depth:
            args.append(text[start:m.start()].strip())
            start = m.end()
    return [a for a in args + [text[start:].strip()] if a], ""


def number(text):
    """Decimal, hexadecimal, or octal as umask shows it."""
    return int(text, 8) if re.match(r"^0[0-7]+$", text) else int(text, 0)


def finish(call, text):
    """Takes "= 3<path>", "= -1 ENOENT (...)", "= ? ERESTARTSYS (...)" apart."""
    m = RESULT.match(text.split("=", 1)[1].strip()) if "=" in text else None
    if not m or m.group(1) == "?" and not m.group(4):
        return
    if m.group(4) and (m.group(1) in ("-1", "?")):
        call.error = m.group(4)
        return
    call.ret = number(m.group(1))
    if m.group(2):
        inner = re.match(r"^<((?:\\x[0-9a-f]{2})*)>$", m.group(2))
        call.path = unhex(inner.group(1)) if inner else None
        call.deleted = bool(m.group(3))


def parse(path):
    """All calls in the order in which they returned. A call inside which its task died has neither ret nor error."""
    calls, open_calls = [], {}
    with open(path, errors="replace") as f:
        for line in f:
            m = LINE.match(line.rstrip("\n"))
            if not m:
                continue
            tid, text = int(m.group(1)), m.group(2)
            if text.startswith("+++"):
                pending, heir = open_calls.pop(tid, None), SUPERSEDED.search(text)
                if heir:  # a thread's exec: the rest of its line comes under the leader's pid
                    open_calls[tid] = open_calls.pop(int(heir.group(1)), pending)
                elif pending:
                    calls.append(build(tid, pending, ""))
                continue
            resumed = RESUMED.match(text)
            if resumed:
                begun = open_calls.pop(tid, None)
                if begun:
                    calls.append(build(tid, begun, resumed.group(2)))
            elif text.endswith("<unfinished ...>"):
                open_calls[tid] = text[:-len("<unfinished ...>")]
            elif "(" in text and not text.startswith("---"):
                calls.append(build(tid, text, ""))
    calls += [build(tid, text, "") for tid, text in open_calls.items()]
    return merge_restarts(calls)


def build(tid, begun, rest):
    name, text = (begun + rest).split("(", 1)
    args, after = split_args(text)
    call = Call(tid, name, args)
    finish(call, after)
    return call


def merge_restarts(calls):
    """strace shows each attempt of a restarted call; the kernel's caller made one call."""
    done, held = [], {}
    for c in calls:
        before = held.pop(c.tid, None)
        if before:
            same = c.name == before.name and c.args == before.args
            if same or c.name == "restart_syscall":
                c.restarts, c.name, c.args = before.restarts, before.name, before.args
            elif before.error == "ERESTARTNOINTR":
                held[c.tid] = before  # comes back whatever a handler does meanwhile
            else:
                before.error = "EINTR"
                done.append(before)
        if c.error and c.error.startswith("ERESTART"):
            c.restarts += 1
            if c.tid in held:
                held[c.tid].error = "EINTR"
                done.append(held[c.tid])
            held[c.tid] = c
        else:
            done.append(c)
    for c in held.values():
        c.error = "EINTR"
        done.append(c)
    return done
