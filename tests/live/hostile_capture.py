#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What programs can do to be recorded wrongly: odd names, deep folders, far descriptors, changing namespaces; each record is
checked against what the program knows it did."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import tap  # noqa: E402

PROGRAM = r"""
import ctypes, fcntl, mmap, os, resource, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1])
def opened(what, fd):
    print(what, os.readlink("/proc/self/fd/%d" % fd).encode("utf-8", "surrogateescape").hex(), fd)
    return fd
# names
for i, name in enumerate((b"new\nline", b"\xff\xfe\x80bad", b"q\"uote\\", b"\x01\x1b[31m", "ü☃".encode())):
    opened("name%d" % i, os.open(name, os.O_CREAT | os.O_WRONLY, 0o600))
# 300 folders deep, from the bottom and by a path near PATH_MAX
for i in range(300):
    os.mkdir("d"); os.chdir("d")
opened("deep", os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o600))
os.chdir(sys.argv[1])
long = "./" * 2040 + "near"
opened("near", os.open(long, os.O_CREAT | os.O_WRONLY, 0o600))
try:
    os.open("./" * 2050 + "over", os.O_CREAT | os.O_WRONLY)
except OSError as e:
    print("over", e.errno, 0)
# descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
far = fcntl.fcntl(os.open("far", os.O_CREAT | os.O_WRONLY, 0o600), fcntl.F_DUPFD, 3000)
os.ftruncate(far, 5); print("far", far, 0)
d = os.open(".", os.O_PATH | os.O_DIRECTORY)
opened("opath", os.open("child", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=d))
fd = os.open("gone", os.O_CREAT | os.O_WRONLY, 0o600); os.unlink("gone"); os.ftruncate(fd, 7)
m = libc.memfd_create(b"secret", 0); os.ftruncate(m, 9); print("memfd", m, 0)
# an exec that fails, with a page of arguments that is not there
buf = mmap.mmap(-1, 3 * 4096)
at = ctypes.addressof(ctypes.c_char.from_buffer(buf))
first = ctypes.create_string_buffer(b"first")
libc.madvise(ctypes.c_void_p(at), 3 * 4096, 4)
argv = (ctypes.c_char_p * 3)(); words = ctypes.cast(argv, ctypes.POINTER(ctypes.c_void_p))
words[0] = ctypes.addressof(first); words[1] = at + 4096; words[2] = None
libc.execve(b"/nonexistent/program", argv, None)
# namespaces, one after the other
for i in range(20):
    if libc.unshare(0x00020000):
        break
    print("ns%d" % i, os.readlink("/proc/self/ns/mnt"), os.close(os.open("ns%d" % i, os.O_CREAT | os.O_WRONLY, 0o600)))
sys.stdout.flush()
# arguments of 128 KiB in one string, and many
os.execv("/bin/true", ["true", "x" * 131000] + ["y"] * 2000)
"""


def run(t, d):
    r = subprocess.run([tap.program("hosttrail"), "trace", "-o", d + "/trail", "--", "/usr/bin/python3", "-S", "-c", PROGRAM, d + "/w"],
                       capture_output=True, timeout=60, check=False)
    t.equal(r.returncode, 0, "exit status (%r)" % r.stderr[-500:])
    said = {v[0]: v[1:] for v in (line.split() for line in r.stdout.decode().splitlines())}
    with open(d + "/trail", "rb") as f:
        data = f.read()
    data.decode("utf-8")  # every line is UTF-8
    return said, [json.loads(line) for line in data.splitlines()]


def more(r):
    return r["additionalEventData"]


def check_names(t, said, opens):
    paths = {}
    for r in opens:
        paths.setdefault(r["requestParameters"].get("path"), r)
    for name in ("name0", "name2", "name3", "name4", "near", "opath"):
        want = bytes.fromhex(said[name][0]).decode()
        t.ok(want in paths, "%s: no open of %r" % (name, want))
    bad = [p for p in paths if p and re.search(r"bad$", p) and "/w/" in p]
    t.equal(len(bad), 1, "the name that is no UTF-8: %r" % bad)
    deep = [(p, r) for p, r in paths.items() if p and p.endswith("/bottom")]
    t.equal(len(deep), 1, "the deep file")
    for p, r in deep:
        whole = p == bytes.fromhex(said["deep"][0]).decode()
        t.ok(whole or more(r).get("pathTruncated"), "a deep path is whole or says that it is not: %r" % p[:80])
    over = [r for r in opens if r.get("errorCode") == "ENAMETOOLONG"]
    t.ok(len(over) == 1 and said["over"][0] == "36", "the path that is too long: %r" % [r["requestParameters"] for r in over][:1])


def check_files(t, said, records):
    cuts = {r["requestParameters"].get("length"): r for r in records if r["eventName"] == "ftruncate"}
    t.ok(cuts[5]["requestParameters"].get("path", "").endswith("/w/far"), "far descriptor: %r" % cuts[5]["requestParameters"])
    t.equal(more(cuts[7]).get("pathKind"), "deleted", "unlinked file: %r %r" % (cuts[7]["requestParameters"], more(cuts[7]).get("pathKind")))
    t.equal(more(cuts[9]).get("pathKind"), "memfd", "memfd: %r" % cuts[9]["requestParameters"])


def check_execs(t, records):
    failed = [r for r in records if r["eventName"] == "execve" and r.get("errorCode") == "ENOENT" and
              r["requestParameters"].get("path") == "/nonexistent/program"]
    t.equal(len(failed), 1, "the failed exec")
    for r in failed:
        text = json.dumps(r["requestParameters"])
        t.ok("first" in text and ("omitted" in text or "runcated" in json.dumps(r)), "its arguments say that they are cut: %s" % text)
    large = [r for r in records if r["eventName"] == "execve" and "yyy" not in "" and "xxxx" in json.dumps(r["requestParameters"])]
    t.equal(len(large), 1, "the exec with large arguments")
    for r in large:
        t.ok("omitted" in json.dumps(r["requestParameters"]), "what is too long is cut, and says so")


def records_say_what_was_done(t):
    with tap.Workdir() as d:
        os.mkdir(d + "/w")
        said, records = run(t, d)
        opens = [r for r in records if r["eventName"] in ("open", "openat")]
        check_names(t, said, opens)
        check_files(t, said, records)
        check_execs(t, records)
        for i in range(20):
            mine = [r for r in opens if r["requestParameters"].get("path", "").endswith("/w/ns%d" % i)]
            got = [str(more(r)["process"].get("namespaces", {}).get("mnt")) for r in mine]
            if "ns%d" % i in said:
                t.equal(got, re.findall(r"\d+", said["ns%d" % i][0]), "mount namespace %d" % i)
        numbers = [int(r["requestID"].rsplit("-", 1)[1]) for r in records if r.get("requestID")]
        t.ok(len(numbers) > 300, "records")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([records_say_what_was_done])
