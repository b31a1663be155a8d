# SPDX-License-Identifier: Apache-2.0
"""rules.py DIR CGROUP: calls that differ in what the kernel can know of them before they are recorded: outcome, what an open changes, user,
cgroup, and the path of the descriptor, told in every way that paths are told. Twice the same calls, if run twice."""
import ctypes
import os
import struct
import sys

D, CGROUP = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
NAMES = ["etc/passwd", "etc/passwd-", "etc/shadow", "etc/ssh/host.pem", "etc/ssh/x/.ssh/id_rsa", "etc/ssh/x/.ssh/my_id_rsa", "other/f",
         "other/e.pem.bak", "other/new\nline", "other/" + "n" * 250, "other/.pem", "/".join(["deep"] * 30) + "/f",
         "/".join(["y" * 60] * 4) + "/end.pem"]


def make():
    for n in NAMES:
        os.makedirs(os.path.dirname(os.path.join(D, n)), exist_ok=True)
        with open(os.path.join(D, n), "w") as f:
            f.write("x" * 10)
    os.chmod(D, 0o755)
    with open(os.path.join(D, "other").encode() + b"/\xff\xfe", "w") as f:
        f.write("x")


def tried(*a, **kw):
    try:
        os.close(os.open(*a, **kw))
    except OSError:
        pass


def opens():
    """Every file, in every way that changes something or not; and what is not there."""
    for n in NAMES:
        p = os.path.join(D, n)
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND, os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_CREAT, os.O_PATH,
                      os.O_PATH | os.O_WRONLY, os.O_RDONLY | os.O_DIRECTORY):
            tried(p, flags)
        tried(p + "-none", os.O_RDONLY)
        tried(os.path.dirname(p), os.O_RDWR | os.O_TMPFILE)
    tried(os.path.join(D, "other").encode() + b"/\xff\xfe", os.O_RDONLY)
    tried("/", os.O_RDONLY)
    tried("/dev/null", os.O_WRONLY)
    how = struct.pack("QQQ", os.O_WRONLY, 0, 0)
    libc.syscall(437, -100, (D + "/etc/shadow").encode(), how, 24)
    libc.syscall(437, -100, (D + "/etc/shadow").encode(), struct.pack("QQQ", 0, 0, 0), 24)
    libc.syscall(85, (D + "/etc/creat").encode(), 0o600)


def otherwise():
    """Relative, by a directory's descriptor, by links, of deleted and moved directories, and what has no path."""
    os.chdir(D + "/etc")
    tried("passwd", os.O_RDONLY)
    tried("../other/f", os.O_RDONLY)
    fd = os.open(D + "/etc/ssh", os.O_RDONLY)
    tried("host.pem", os.O_RDONLY, dir_fd=fd)
    os.symlink(D + "/etc/shadow", D + "/other/link")
    tried(D + "/other/link", os.O_RDONLY)
    os.rename(D + "/etc/ssh", D + "/other/moved")
    tried("host.pem", os.O_RDONLY, dir_fd=fd)
    os.rename(D + "/other/moved", D + "/etc/ssh")
    gone = os.open(D + "/etc/gone", os.O_RDWR | os.O_CREAT)
    os.unlink(D + "/etc/gone")
    tried("/proc/self/fd/%d" % gone, os.O_RDONLY)
    a, b = os.pipe()
    os.write(b, b"xx")
    os.read(a, 1)
    m = os.memfd_create("etc")
    os.write(m, b"x")
    tried("/proc/self/fd/%d" % m, os.O_RDONLY)
    for n in NAMES[:7]:
        f = os.open(os.path.join(D, n), os.O_RDWR)
        os.read(f, 3)
        os.write(f, b"z")
        os.fstat(f)
        os.close(os.dup(f))
        os.fchmod(f, 0o644)
    os.mkdir(D + "/other/dir")
    os.rename(D + "/other/dir", D + "/etc/dir")
    os.rmdir(D + "/etc/dir")
    os.chdir("/")


def mounts():
    """In a mount namespace of its own: a bind mount, a mount over a directory, a detached mount; then a root of its own."""
    if libc.unshare(0x20000):
        return
    libc.mount(b"none", b"/", None, 0x44000, None)
    bound = D + "/bound"
    os.mkdir(bound)
    libc.mount((D + "/etc").encode(), bound.encode(), None, 4096, None)
    tried(bound + "/passwd", os.O_RDONLY)
    libc.mount(b"tmpfs", (D + "/etc/ssh").encode(), b"tmpfs", 0, None)
    tried(D + "/etc/ssh/new", os.O_CREAT | os.O_WRONLY)
    fd = os.open(D + "/etc/ssh", os.O_RDONLY)
    libc.umount2((D + "/etc/ssh").encode(), 2)
    tried("new", os.O_RDONLY, dir_fd=fd)
    libc.umount2(bound.encode(), 2)
    os.rmdir(bound)
    os.chroot(D)
    os.chdir("/")
    tried("/etc/passwd", os.O_RDONLY)
    tried("/other/f", os.O_RDWR)


def as_another():
    os.setresuid(-1, 1234, -1)
    few()
    os.setresuid(-1, 0, -1)
    os.setresuid(4321, 4321, 4321)
    few()


def few():
    for n in NAMES[:7]:
        tried(os.path.join(D, n), os.O_RDONLY)
        tried(os.path.join(D, n), os.O_WRONLY)
    tried(D + "/none", os.O_RDONLY)


def in_cgroup():
    if CGROUP == "-":
        return
    with open(CGROUP + "/cgroup.procs", "w") as f:
        f.write("0")
    few()
    os.mkdir(CGROUP + "/later")
    with open(CGROUP + "/later/cgroup.procs", "w") as f:
        f.write("0")
    few()


def child(what):
    pid = os.fork()
    if not pid:
        what()
        os._exit(0)
    os.waitpid(pid, 0)


make()
opens()
otherwise()
for job in (mounts, as_another, in_cgroup):
    child(job)
