#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=900 full=14400 long
"""strace as oracle: what strace saw of real programs is in the trail, with the same result and path; nothing else is."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import oracle  # noqa: E402
import tap  # noqa: E402
from sizes import size  # noqa: E402

SHELL = """
set -e
git init -q repo; cd repo
git config user.email a@example.org; git config user.name A
for i in 1 2 3; do echo $i >f$i; git add f$i; git commit -q -m "commit $i"; done
git mv f1 g1; git commit -q -m moved; git gc -q; git log --oneline | wc -l
"""
SOURCE = '#include <stdio.h>\nint main(void) { puts("compiled"); return 0; }\n'
PYTHON = """
import json, os, shutil, socket, subprocess, tempfile, threading
d = tempfile.mkdtemp(dir='.')
ts = [threading.Thread(target=lambda i=i: open(os.path.join(d, str(i)), 'w').close()) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
os.symlink('0', os.path.join(d, 'link')); os.chmod(os.path.join(d, 'link'), 0o600); os.rename(os.path.join(d, '1'), os.path.join(d, 'x'))
a, b = socket.socketpair(); s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
c = socket.create_connection(s.getsockname()); s.accept()[0].close()
subprocess.run(['true']); shutil.rmtree(d)
"""
SQL = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t(b) VALUES('x'),('y'); PRAGMA journal_mode=WAL; UPDATE t SET b='z'; SELECT * FROM t;"
PIPES = "for i in 1 2 3 4 5; do cat /etc/passwd | grep root | cut -d: -f1 | sort -u | tee out.$i >/dev/null; done; cat out.* | uniq -c; (exit 3); rm out.?"


def tree(d):
    for i in range(12):
        os.makedirs(os.path.join(d, "tree", str(i % 3)), exist_ok=True)
        with open(os.path.join(d, "tree", str(i % 3), "file %d" % i), "w") as f:
            f.write("x" * i)


def source(d):
    with open(os.path.join(d, "a.c"), "w") as f:
        f.write(SOURCE)


def calls_dir(d):
    os.mkdir(os.path.join(d, "calls"))


def history(d):
    """A repository with many files and some history, to be cloned."""
    n = size("strace.files")
    for i in range(n):
        os.makedirs(os.path.join(d, "large", "d%d" % (i % 40)), exist_ok=True)
        with open(os.path.join(d, "large", "d%d" % (i % 40), "file %d" % i), "w") as f:
            f.write("%d\n" % i * (i % 50))
    script = ("git init -q; git config user.email a@example.org; git config user.name A; "
              "for i in 1 2 3; do echo $i >>d$i/more; git add .; git commit -q -m $i; done")
    subprocess.run(["sh", "-ec", script], cwd=os.path.join(d, "large"), check=True)


def package(d):
    """Sources, a makefile with dependencies, and what dpkg-deb wants of a package."""
    n = size("strace.sources")
    for i in range(n):
        with open(os.path.join(d, "f%d.c" % i), "w") as f:
            f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint f%d(void) { return puts(\"%d\"); }\n" % (i, i))
    source(d)
    os.makedirs(os.path.join(d, "root", "DEBIAN"))
    with open(os.path.join(d, "root", "DEBIAN", "control"), "w") as f:
        f.write("Package: hosttrail-example\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: example\n")
    with open(os.path.join(d, "Makefile"), "w") as f:
        f.write("objects := $(patsubst %.c,%.o,$(wildcard f*.c))\nexample.deb: root/usr/bin/a\n\tdpkg-deb --root-owner-group -b root $@\n"
                "root/usr/bin/a: a.o libf.a\n\tmkdir -p $(@D)\n\t$(CC) -o $@ $^\n\tstrip $@\nlibf.a: $(objects)\n\tar rcs $@ $^\n"
                "%.o: %.c\n\t$(CC) -O1 -MMD -c -o $@ $<\n")


# Python's own tests of what asks the kernel for much; and stress-ng's stressors that make calls which nothing else here makes
PYTHON_TESTS = ["test_stat", "test_glob", "test_tempfile", "test_shutil", "test_mmap", "test_fcntl", "test_select", "test_zipfile",
                "test_subprocess"]
STRESSORS = ["handle", "kcmp", "landlock", "mq", "pidfd", "seal", "seccomp", "userfaultfd", "dup", "eventfd", "fanotify", "fcntl",
             "inotify", "lease", "lockf", "membarrier", "mlock", "prctl", "sem-sysv", "shm-sysv", "sigq", "splice", "unshare", "xattr"]


def python_tests(_):
    return ["/usr/bin/python3", "-m", "test", "-q", *PYTHON_TESTS[:size("strace.python_tests")]]


def stress(name):
    return oracle.case("stress-ng " + name, ["stress-ng", "--temp-path", ".", "--timeout", "20", "--" + name, "1", "--%s-ops" % name,
                                             str(size("strace.stress_ops"))], least=10)


CASES = [
    oracle.case("git", ["sh", "-c", SHELL], least=500),
    oracle.case("tar", ["tar", "-czf", "t.tgz", "tree"], tree),
    oracle.case("tar extracting", ["sh", "-c", "tar -cf t.tar tree; mkdir x; tar -xf t.tar -C x; rm -r x"], tree, 60),
    oracle.case("compiler", ["gcc", "-O1", "-o", "a", "a.c"], source, 100),
    oracle.case("python", ["/usr/bin/python3", "-c", PYTHON], least=80),
    oracle.case("find -exec", ["find", "tree", "-type", "f", "-exec", "cat", "{}", ";"], tree, 60),
    oracle.case("sqlite3", ["sqlite3", "t.db", SQL]),
    oracle.case("ssh-keygen", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"]),
    oracle.case("shell with pipes", ["sh", "-c", PIPES], least=200),
    oracle.case("every call of the table", lambda d: [tap.workload("all_calls"), "calls"], calls_dir, 200),
    *map(stress, STRESSORS[:size("strace.stressors")]),
]
# minutes of work under strace
LARGE = [
    oracle.case("git clone", ["git", "-c", "core.fsync=all", "clone", "-q", "--no-local", "large", "clone"], history, size("strace.files")),
    oracle.case("package build", ["make", "-s", "-j2"], package, 20 * size("strace.sources")),
    oracle.case("python's own tests", python_tests, least=100),
]

if __name__ == "__main__":
    tap.main(oracle.together(CASES) + LARGE * size("strace.large"))
