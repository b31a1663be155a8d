#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 extra long
"""What is to be probed in the real libraries and in Go programs, against objdump, nm and readelf: every place is the beginning of an
instruction, its class is that of objdump's mnemonic, in OpenSSL the inner functions are those that the outer ones call, and in Go every
return is found and nothing else, stripped or not. The programs of other TLS libraries are looked at if they are installed.

    HT_GO_PROGRAMS="FILE..." tests/live/tls_plan.py     also these Go programs, of whatever version
"""
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "helpers")]
import tap  # noqa: E402
from sizes import size  # noqa: E402

FULL = size("tlsplan.go")

GO = "/usr/lib/go-1.19/bin/go"
ENTRY, RETURN, RET_INSN = 1, 2, 3
NOP5, EMULATED, STEPPED = 1, 2, 3
LIBRARIES = {"libssl.so.3": "openssl", "libgnutls.so.30": "gnutls", "libnspr4.so": "nspr", "libwolfssl.so.35": "wolfssl",
             "libmbedtls.so.14": "mbedtls", "libnghttp2.so.14": "nghttp2"}
PROGRAM = """package main
import ("crypto/tls"; "fmt"; "os")
func main() {
	c, err := tls.Dial("tcp", os.Args[1], &tls.Config{InsecureSkipVerify: true})
	if err != nil { fmt.Println(err); os.Exit(1) }
	fmt.Fprintf(c, "GET / HTTP/1.0\\r\\n\\r\\n")
	b := make([]byte, 100)
	n, err := c.Read(b)
	fmt.Println(n, err)
	c.Close()
}
"""
# how Go can link it: name -> (arguments, is the table of symbols left in)
BUILDS = {"plain": ([], True), "stripped": (["-ldflags", "-s -w"], False), "pie": (["-buildmode=pie"], True),
          "pie-stripped": (["-buildmode=pie", "-ldflags", "-s -w"], False),
          "external": (["-ldflags", "-linkmode=external -s -w"], False),
          "external-pie": (["-buildmode=pie", "-ldflags", "-linkmode=external -s -w"], False)}


def run(*argv, **more):
    return subprocess.run(argv, capture_output=True, text=True, check=True, **more).stdout


def plans(*files):
    out = run(os.path.join(tap.BUILD, "tests/helpers/plankit"), *files)
    return [json.loads(line) for line in out.splitlines()]


def segments(path):
    """[(offset, address, size)] of what is loaded as code."""
    found = []
    for line in run("readelf", "-lW", path).splitlines():
        cells = line.split()
        if cells[:1] == ["LOAD"] and "E" in "".join(cells[6:-1]):
            found.append((int(cells[1], 16), int(cells[2], 16), int(cells[4], 16)))
    return found


def address(path, offset):
    for start, addr, size in segments(path):
        if start <= offset < start + size:
            return addr + offset - start
    return None


def instructions(path, start, end):
    """{address: (mnemonic, operands, length)} from `start`, which must be where one begins."""
    found, rows = {}, []
    for line in run("objdump", "-d", "-w", "--start-address=%d" % start, "--stop-address=%d" % end, path).splitlines():
        m = re.match(r"\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*(\S+)?\s*(.*)", line)
        if m:
            rows.append((int(m.group(1), 16), m.group(3) or "", m.group(4).strip(), len(m.group(2).split())))
    for at, name, operands, length in rows:
        found[at] = (name, operands, length)
    return found


def class_of(name, operands, length):
    """As arch/x86/kernel/uprobes.c would run it."""
    if name == "nopl" and length == 5 and operands.startswith("0x0(%rax,%rax,1)"):
        return NOP5
    if name in ("nop", "push") and length <= 2 and (name == "nop" or operands.startswith("%")):
        return EMULATED
    direct = not operands.startswith("*")
    if direct and (name in ("call", "jmp") or (re.fullmatch("j[a-z]+", name) and name not in ("jecxz", "jrcxz"))):
        return EMULATED
    return STEPPED


def symbols(path, *flags):
    """{name: (address, size)} of functions."""
    found = {}
    for line in run("nm", "-S", *flags, path).splitlines():
        cells = line.split()
        if len(cells) == 4 and cells[2] in "tTwW":
            found[cells[3].split("@")[0]] = (int(cells[0], 16), int(cells[1], 16))
    return found


def check_c(t, path, table):
    """Every place of a C library. Returns the plan."""
    plan = plans(path)[0]
    t.equal(plan["result"], 0, path)
    for s in plan["sites"]:
        name = s["symbol"].split(" -> ")
        at = address(path, s["offset"])
        outer = table.get(name[0].split("+")[0])
        if not t.ok(at is not None and outer, "%s: %s is in no segment, or nm does not know it" % (path, s["symbol"])):
            continue
        plus = int(name[-1].rsplit("+", 1)[1])
        start = at - plus
        if len(name) == 1:
            t.equal(start, outer[0], "%s: where %s begins" % (path, name[0]))
        else:
            calls = [int(i[1].split()[0], 16) for i in instructions(path, outer[0], sum(outer)).values() if i[0] in ("call", "jmp")]
            t.ok(start in calls, "%s: %s calls %x" % (path, name[0], start))
        there = instructions(path, start, start + 64).get(at)
        if t.ok(there, "%s: an instruction begins at %s" % (path, s["symbol"])):
            t.equal(s["insn"], class_of(*there), "%s: %s is `%s %s`" % ((path, s["symbol"]) + there[:2]))
        if there and s["kind"] == ENTRY:
            t.note("%-24s %-44s %s %s" % (os.path.basename(path), s["symbol"], there[0], there[1][:40]))
    return plan


def libraries(t):
    seen = 0
    for name, stack in LIBRARIES.items():
        for path in glob.glob("/usr/lib/*-linux-gnu/" + name):
            plan = check_c(t, path, symbols(path, "-D"))
            t.equal(plan["stack"], stack, path)
            note = [line for line in run("readelf", "-n", path).splitlines() if "Build ID" in line]
            t.equal(plan["build_id"], note[0].split()[-1] if note else "", path + ": build id")
            seen += 1
    t.ok(seen >= 2, "libraries to look at")


def openssl_inner(t):
    """Reads, writes and peeks have one place each: the inner function that both outer ones call, and only they."""
    path = glob.glob("/usr/lib/*-linux-gnu/libssl.so.3")[0]
    table = symbols(path, "-D")
    plan = plans(path)[0]
    callers = {}
    function = None
    for line in run("objdump", "-d", "-w", "--no-show-raw-insn", path).splitlines():
        head = re.match(r"[0-9a-f]+ <(\w+)", line)
        call = re.match(r"\s*[0-9a-f]+:\t(?:call|jmp)\s+([0-9a-f]+)\b", line)
        at = re.match(r"\s*([0-9a-f]+):\t", line)
        if head:
            function = head.group(1)
        elif call and at and function in table and table[function][0] <= int(at.group(1), 16) < sum(table[function]):
            callers.setdefault(int(call.group(1), 16), set()).add(function)
    for inner, outer in (("read", {"SSL_read", "SSL_read_ex"}), ("write", {"SSL_write", "SSL_write_ex"}), ("peek", {"SSL_peek", "SSL_peek_ex"})):
        sites = [s for s in plan["sites"] if "ssl_%s_internal" % inner in s["symbol"]]
        t.equal(sorted(s["kind"] for s in sites), [ENTRY, RETURN], inner)
        t.equal(len({s["offset"] for s in sites}), 1, inner + ": one place")
        t.equal(callers.get(address(path, sites[0]["offset"])), outer, inner + ": who calls it")
    rows = {s["row"] for s in plan["sites"]}
    t.ok(not rows & {"SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", "SSL_read_early_data", "SSL_write_early_data", "SSL_connect"},
         "nothing beside them: %s" % rows)


def static_openssl(t):
    path = "/usr/bin/node"
    if not os.path.exists(path) or "SSL_read" not in symbols(path, "-D"):
        raise tap.Skip("no node with OpenSSL in it")
    plan = check_c(t, path, symbols(path, "-D"))
    t.equal(plan["stack"], "openssl", "stack")
    t.ok({s["op"] for s in plan["sites"]} >= {1, 2, 4, 5, 8, 9}, "reads, writes, handshakes, ends, HTTP/2")


def go_build(d, name):
    out = os.path.join(d, name)
    source = os.path.join(d, "main.go")
    with open(source, "w") as f:
        f.write(PROGRAM)
    env = dict(os.environ, GOCACHE=os.path.join(tap.BUILD, "go-cache"), GO111MODULE="off", GOPATH=d,
               CGO_ENABLED="1" if name.startswith("external") else "0")
    run(GO, "build", "-o", out, *BUILDS[name][0], source, env=env)
    return out


def go_function(plan, row):
    """Offsets of a function's sites: (entry, [returns])."""
    mine = [s for s in plan["sites"] if s["row"] == row]
    return ([s["offset"] for s in mine if s["kind"] == ENTRY], sorted(s["offset"] for s in mine if s["kind"] == RET_INSN))


def check_go(t, path, table):
    """A Go program with symbols: {row: [returns, counted from the function's entry]}."""
    plan = plans(path)[0]
    t.equal((plan["result"], plan["stack"]), (0, "go 1.19"), path)
    t.ok(not [s for s in plan["sites"] if s["kind"] == RETURN], path + ": no uretprobe")
    shapes = {}
    for row in ("crypto/tls.(*Conn).Write", "crypto/tls.(*Conn).Read"):
        start, size = table[row]
        code = instructions(path, start, start + size)
        entry, returns = go_function(plan, row)
        t.equal([address(path, o) for o in returns], sorted(a for a, i in code.items() if i[0] == "ret"), "%s: returns of %s" % (path, row))
        there = code.get(address(path, entry[0]))
        t.ok(there and there[0] == "jbe", "%s: %s at its stack check: %s" % (path, row, there))
        shapes[row] = [entry[0] - returns[0]] + [o - returns[0] for o in returns]
    return shapes


def go_programs(t):
    if not os.path.exists(GO):
        raise tap.Skip("no " + GO)
    with tap.Workdir() as d:
        shapes = {}
        for name in BUILDS if FULL else ("pie-stripped", "plain"):
            path = go_build(d, name)
            if BUILDS[name][1]:
                shapes[name] = check_go(t, path, symbols(path))
        for name in BUILDS if FULL else ("pie-stripped",):
            path = os.path.join(d, name)
            plan = plans(path)[0]
            t.equal((plan["stack"], plan["why"]), ("go 1.19", ""), name)
            for row, shape in shapes["plain"].items():
                entry, returns = go_function(plan, row)
                t.ok(entry and returns, "%s: %s" % (name, row))
                t.equal([entry[0] - returns[0]] + [o - returns[0] for o in returns], shape, "%s: as in the program with symbols: %s" % (name, row))
            with open(path, "rb") as f:
                b = f.read()
            t.ok(all(b[s["offset"]] in (0xc3, 0xc2) for s in plan["sites"] if s["kind"] == RET_INSN), name + ": every return is one")


def other_go_programs(t):
    """From each function's stack check on objdump decodes to the same returns."""
    files = os.environ.get("HT_GO_PROGRAMS", "").split() + [p for p in ("/usr/bin/podman", GO) if os.path.exists(p)]
    if not files:
        raise tap.Skip("no Go program is installed")
    for plan in plans(*files):
        path = plan["file"]
        t.note("%s: %s %s %s" % (path, plan["stack"], plan["uses_tls"], plan["why"]))
        for row in {s["row"] for s in plan["sites"] if s["kind"] == RET_INSN}:
            entry, returns = go_function(plan, row)
            first, last = address(path, entry[0]), address(path, returns[-1])
            code = instructions(path, first, last + 1)
            t.equal([address(path, o) for o in returns], sorted(a for a, i in code.items() if i[0] == "ret"), "%s: %s" % (path, row))
            t.ok(code[first][0] in ("jbe", "jb"), "%s: %s begins with its stack check: %s" % (path, row, code[first]))


if __name__ == "__main__":
    tap.main([libraries, openssl_inner, static_openssl, go_programs, other_go_programs])
