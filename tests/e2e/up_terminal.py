#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=180 later=30
"""`hosttrail up` on a terminal, in cgroup scope (so that a test records nothing but its own process): the self-test inside the
scope, the live trail in aligned lines, Ctrl-C. And the shell of tree scope: it is not disturbed by Ctrl-C, its exit ends all."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import upkit  # noqa: E402
from upkit import HOSTTRAIL, check  # noqa: E402


def pins(folder):
    return upkit.pins(os.path.join(folder, "run"))


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, env=None):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execve(argv[0], argv, dict(os.environ, TERM="xterm", **(env or {})))

    def read(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not select.select([self.fd], [], [], 0.1)[0]:
                return
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return

    def expect(self, pattern, seconds=40):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if re.search(pattern, self.text):
                return True
            self.read(0.5)
        return False

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read(0.2)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")


def up(folder, *args):
    return upkit.up(os.path.join(folder, "run"), *args)


def in_cgroup(cgroup, path):
    """cat path, from inside the cgroup; its shell enters before it opens anything else."""
    subprocess.run(["/bin/sh", "-c", 'echo $$ >"$1/cgroup.procs" && exec /bin/cat "$2"', "sh", cgroup, path], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cgroup_scope(folder):
    root = next((r for r in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(r + "/cgroup.controllers")), None)
    if not root:
        check("cgroup scope # SKIP no cgroup v2 is mounted", True)
        return
    name = "/ht-test-" + uuid.uuid4().hex[:12]
    os.mkdir(root + name)
    inside, outside = ("/tmp/ht-inside-" + uuid.uuid4().hex, "/tmp/ht-outside-" + uuid.uuid4().hex)
    try:
        t = Terminal(up(folder, "--scope", "cgroup " + name, "--selectors", "all"))
        check("cgroup scope: it starts and its self-test passes", t.expect(r"stop +Ctrl-C"), t.text)
        subprocess.run(["/bin/cat", outside], check=False, stderr=subprocess.DEVNULL)
        in_cgroup(root + name, inside)
        check("the live trail shows a call of the cgroup", t.expect(r"openat[^\n]*" + re.escape(inside) + r"[^\n]*\n"), t.text)
        lines = [line for line in plain(t.text).splitlines() if inside in line and " openat " in line]
        check("its pins are there", pins(folder))
        check("in one aligned line", len(lines) == 1 and re.match(
            r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ +openat +ENOENT +cat\[\d+\] +/", lines[0]), t.text)
        check("and none of outside", outside not in t.text, t.text)
        s = Terminal([HOSTTRAIL, "status", "--dir", os.path.join(folder, "run")])
        check("status, for people: in colour, times as text", s.wait() == 0 and s.text.count("\x1b[32mup\x1b[0m") == 3 and
              re.search(r"Hosts\[0\]\.LastReceivedTime +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", plain(s.text)), s.text)
        t.type("\x03")
        check("Ctrl-C stops it, status 0", t.wait() == 0, t.text)
        check("no pin is left", not pins(folder))
    finally:
        for _ in range(50):
            try:
                os.rmdir(root + name)
                break
            except OSError:
                time.sleep(0.1)


def shell_of_tree_scope(folder):
    t = Terminal(up(folder, "--scope", "tree"), {"SHELL": "/bin/sh", "PS1": "ready> "})
    check("tree scope without a command opens the shell", t.expect(r"ready> "), t.text)
    t.type("sleep 30\n")
    time.sleep(1)
    t.type("\x03")
    t.type("echo still $((40 + 2))\n")
    check("Ctrl-C ends the shell's command, not the shell", t.expect(r"still 42"), t.text)
    t.type("cat /etc/hostname; exit 5\n")
    check("the shell's status is ours", t.wait() == 5, t.text)
    check("the trail is not printed into the shell", "openat" not in t.text, t.text)
    check("no pin is left by the shell", not pins(folder))


def terminated(folder):
    """SIGTERM to `up` goes to the command first, then all ends in order."""
    p = subprocess.Popen(up(folder, "--quiet", "--scope", "tree", "--", "sleep", "100"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = ""
    for line in p.stdout:
        seen += line
        if "stop " in line:
            break
    time.sleep(0.5)
    p.send_signal(signal.SIGTERM)
    try:
        status = p.wait(60)
    except subprocess.TimeoutExpired:
        p.kill()
        status = None
    check("SIGTERM ends the command and then all", status == 128 + signal.SIGTERM, "status %s\n%s" % (status, seen))
    check("no pin is left after SIGTERM", not pins(folder))


if __name__ == "__main__":
    upkit.main(cgroup_scope, shell_of_tree_scope, terminated)
