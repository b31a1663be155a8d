# SPDX-License-Identifier: Apache-2.0
"""As rows.py, of workloads/rows32.h: what the record of a 32-bit program's call must say."""
from rowkinds import address, dirfd, enum, fdpath, flags, hex_, id16, id_, int_, long_, off64, path, pid, result, string, uint, ulong
from rows import D, M, group, names

ROWS = {}
FILE = group("file", D, ROWS)
PROCESS, MEMORY, CREDENTIAL, SIGNAL, TIME, MOUNT, IPC = (
    group(n, M, ROWS) for n in ("process", "memory", "credential", "signal", "time", "mount", "ipc"))

# ---- 64-bit numbers in halves
FD = {"path": fdpath(0), "fd": int_(0)}
FILE("pread64", ro=True, **FD, length=ulong(2), offset=off64(3), gives="bytes")
FILE("pwrite64", **FD, length=ulong(2), offset=off64(3), gives="bytes")
FILE("preadv", ro=True, **FD, count=ulong(2), offset=off64(3), gives="bytes")
FILE("pwritev", **FD, count=ulong(2), offset=off64(3), gives="bytes")
FILE("preadv2", ro=True, **FD, count=ulong(2), offset=off64(3), flags=flags(5), gives="bytes")
FILE("pwritev2", **FD, count=ulong(2), offset=off64(3), flags=flags(5), gives="bytes")
FILE("truncate64", path=path(0), length=off64(1))
FILE("ftruncate64", **FD, length=off64(1))
FILE("fallocate", **FD, mode=flags(1), offset=off64(2), length=off64(4))
FILE("sync_file_range", ro=True, **FD, offset=off64(1), length=off64(3), flags=flags(5))
FILE("fadvise64", ro=True, **FD, offset=off64(1), length=ulong(3), advice=enum(4))
FILE("fadvise64_64", ro=True, **FD, offset=off64(1), length=off64(3), advice=enum(5))
FILE("readahead", ro=True, **FD, offset=off64(1), length=ulong(3))
FILE("_llseek", ro=True, **FD, offsetHigh=uint(1), offsetLow=uint(2), whence=enum(4))
FILE("sendfile64", path=fdpath(1), newPath=fdpath(0), inFd=int_(1), outFd=int_(0), length=ulong(3), gives="bytes")

# ---- shorter structures
SPECS = {"accessTime": "1000.000000001", "modificationTime": "2000.000000002"}
VALS = {"accessTime": "1000.000001", "modificationTime": "2000.000002"}
FILE("utime", path=path(0), accessTime="1000", modificationTime="1")
FILE("utimes", path=path(0), **VALS)
FILE("futimesat", path=path(1, 0), dirfd=dirfd(0), **VALS)
names(FILE, "utimensat utimensat_time64", path=path(1, 0), dirfd=dirfd(0), **SPECS, flags=flags(3))
TIME("settimeofday", time="-1+-1u")
TIME("stime", time="1000")
TIME("clock_settime", clock=enum(0), time="-1+-1n")
PROCESS("setrlimit", resource=enum(0), soft=0, hard=4096, bad={"soft": 9, "hard": 8})
PROCESS("ugetrlimit", ro=True, resource=enum(0))
TIME("setitimer", timer=enum(0), interval="1000.000001", value="2000.000002")
names(TIME, "timerfd_settime timerfd_settime64", ro=True, fd=int_(0), interval="1000.000000001", value="2000.000000002",
      flags=["TFD_TIMER_ABSTIME"], bad={"flags": []})
TIME("nanosleep", ro=True, timeout="0.000001000", bad={"timeout": "-1+-1n"})
names(TIME, "clock_nanosleep clock_nanosleep_time64", ro=True, clock=enum(0), flags=flags(1), timeout="0.000001000",
      bad={"timeout": "1000.000000001"})
IPC("_newselect", ro=True, descriptors=int_(0), timeout="1000.000001", gives="count")
IPC("select", ro=True, descriptors=-1, gives="count")
names(IPC, "pselect6 pselect6_time64", ro=True, descriptors=int_(0), timeout="1000.000000001", gives="count")
names(IPC, "ppoll ppoll_time64", ro=True, fds=[1], count=uint(1), timeout="1000.000000001", gives="count", bad={"fds": None},
      bad_more={"unreadable": ["fds"]})
ACTION = {"handler": "SIG_IGN", "flags": ["SA_RESTART"], "mask": ["SIGUSR1"]}
names(SIGNAL, "rt_sigaction sigaction", signal=enum(0), **ACTION)
SIGNAL("signal", signal=enum(0), handler=hex_(1), gives=address)
names(SIGNAL, "sigprocmask rt_sigprocmask", how=enum(0), signals=["SIGTERM", "SIGUSR1"])
SIGNAL("sgetmask", ro=True, gives=result)
SIGNAL("ssetmask", mask=hex_(0), gives=result)
SIGNAL("sigaltstack", flags=[], size=4096, bad={"size": 1})
MEMORY("mmap", address="0x0", length=4096, protection=["PROT_READ"], flags=["MAP_ANONYMOUS", "MAP_PRIVATE"], fd=-1, offset=0, gives=address,
       bad={"length": 0})
MEMORY("mmap2", path=fdpath(4), address=hex_(0), length=ulong(1), protection=flags(2), flags=flags(3), fd=int_(4), offsetPages=ulong(5),
       gives=address)
FILE("fcntl", **FD, command=enum(1), lock={"type": "F_WRLCK", "whence": "SEEK_END", "start": -3, "length": 3})
FILE("fcntl64", **FD, command="F_SETLK64", lock={"type": "F_WRLCK", "whence": "SEEK_SET", "start": 0x100000001, "length": 0x200000002})
FILE("io_getevents", ro=True, context=hex_(0), least=long_(1), most=long_(2), timeout="1000.000000001", gives="count")
names(IPC, "mq_timedsend mq_timedsend_time64", fd=int_(0), length=ulong(2), priority=uint(3), timeout="1000.000000001")
IPC("mq_timedreceive", ro=True, fd=int_(0), length=ulong(2), timeout="1000.000000001", gives="bytes")

# ---- 16-bit ids
names(FILE, "chown lchown", category=M, path=path(0), owner=id16(1), group=id16(2))
FILE("fchown", category=M, **FD, owner=id16(1), group=id16(2))
FILE("chown32", category=M, path=path(0), owner=id_(1), group=id_(2))
CREDENTIAL("setuid", uid=id16(0))
CREDENTIAL("setreuid", ruid=id16(0), euid=id16(1))
CREDENTIAL("setresuid", ruid=id16(0), euid=id16(1), suid=id16(2))
CREDENTIAL("setuid32", uid=id_(0))
CREDENTIAL("setresuid32", ruid=id_(0), euid=id_(1), suid=id_(2))
names(CREDENTIAL, "setgroups setgroups32", count=int_(0), groups=[5, 6], bad={"groups": [5]})
CREDENTIAL("getuid32", ro=True, gives=result)

# ---- of their own
names(FILE, "stat64 lstat64", ro=True, path=path(0))
FILE("fstat64", ro=True, **FD)
FILE("fstatat64", ro=True, path=path(1, 0), dirfd=dirfd(0), flags=flags(3))
FILE("statfs64", ro=True, path=path(0), size=uint(1))
FILE("fstatfs64", ro=True, **FD, size=uint(1))
PROCESS("waitpid", ro=True, pid=pid(0), options=flags(2), gives="pid")
PROCESS("nice", increment=int_(0), gives=result)
MOUNT("umount", path=path(0))
