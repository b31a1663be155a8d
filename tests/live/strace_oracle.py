#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600
"""strace as oracle: what strace saw of real programs is in the trail, with the same result and path; nothing else is."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import oracle  # noqa: E402
import tap  # noqa: E402

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
]

if __name__ == "__main__":
    tap.main(CASES)
