# SPDX-License-Identifier: Apache-2.0
"""Users of a test's own and an sshd with PAM on a loopback port, so that real people log in: all of it gone afterwards."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import uuid

import tap

SSHD = "/usr/sbin/sshd"
CLIENT = "127.0.0.9"  # where the client says that it comes from: not the address that it connects to


def quiet(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class People:
    """Two users, `user` and `other`; `user` may become anybody through sudo, and has a key for an sshd that a script starts."""

    def __init__(self, directory):
        self.dir = directory
        mark = uuid.uuid4().hex[:6]
        self.user, self.other = "ht%sa" % mark, "ht%sb" % mark
        self.sudoers = "/etc/sudoers.d/hosttrail-test-%s" % mark
        self.made, self.made_run = [], False

    def __enter__(self):
        for program in (SSHD, "/usr/bin/sudo", "/usr/bin/ssh", "/usr/sbin/useradd"):
            if not os.path.exists(program):
                raise tap.Skip("%s is not installed" % program)
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        for name in (self.user, self.other):
            quiet("/usr/sbin/useradd", "-M", "-d", self.dir, "-s", "/bin/sh", name)
            self.made.append(name)
        self.uid, self.other_uid = pwd.getpwnam(self.user).pw_uid, pwd.getpwnam(self.other).pw_uid
        with open(self.sudoers, "w") as f:
            os.fchmod(f.fileno(), 0o440)
            f.write("%s ALL=(ALL) NOPASSWD: ALL\n" % self.user)
        for key in ("host", "client"):
            quiet("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "%s/%s_key" % (self.dir, key))
        if not os.path.isdir("/run/sshd"):
            os.mkdir("/run/sshd", 0o755)
            self.made_run = True
        self.port = free_port()
        shutil.copy(self.dir + "/client_key.pub", self.dir + "/authorized")
        with open(self.dir + "/sshd_config", "w") as f:
            f.write("ListenAddress 127.0.0.1:%d\nHostKey %s/host_key\nPidFile none\nUsePAM yes\nStrictModes no\n"
                    "AuthorizedKeysFile %s/authorized\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                    "PrintMotd no\nUseDNS no\nAllowUsers %s\n" % (self.port, self.dir, self.dir, self.user))

    def sshd(self):
        """Words of a shell that start the sshd in the background, as $sshd, and wait until it answers."""
        return ("%s -D -e -f %s/sshd_config 2>%s/sshd.log & sshd=$!\n"
                "for i in 1 2 3 4 5 6 7 8 9 10; do grep -q listening %s/sshd.log && break; sleep 0.2; done\n" %
                (SSHD, self.dir, self.dir, self.dir))

    def ssh(self, command):
        return ("ssh -F /dev/null -n -tt -i %s/client_key -b %s -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
                " -o LogLevel=ERROR -o IdentitiesOnly=yes -o BatchMode=yes %s@127.0.0.1 '%s'\n" %
                (self.dir, CLIENT, self.port, self.user, command))

    def leftovers(self):
        """Processes of our users and of our sshd, which a test that failed left behind."""
        uids = {pwd.getpwnam(name).pw_uid for name in self.made}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    ours = self.dir.encode() + b"/sshd_config" in f.read()
                if ours or os.stat("/proc/" + pid).st_uid in uids:
                    yield int(pid)
            except OSError:
                pass

    def __exit__(self, *exc):
        for _ in range(20):
            left = list(self.leftovers())
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not left:
                break
            time.sleep(0.05)
        for name in self.made:
            subprocess.run(["/usr/sbin/userdel", name], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if os.path.exists(self.sudoers):
            os.unlink(self.sudoers)
        if self.made_run:
            shutil.rmtree("/run/sshd", ignore_errors=True)
