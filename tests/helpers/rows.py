# SPDX-License-Identifier: Apache-2.0
"""What the record of each call of workloads/all_calls*.h must say, field by field, row by row. Written from the calls' manual
pages and from what the workload passes, not from agent/calls*.def: a wrong register or width there is a failure here.

    FAMILY("name", field=kind(argument), ..., gives=what the result is called, ro=is it read-only)

`good` and `bad` are fields that only the call that succeeds, or the one that fails, has (or has otherwise); `good_more` and
`bad_more` the same for additionalEventData. A field whose value is written out is what a variable of the workload holds.
"""
from rowkinds import (Want, accepted, address, bound, capabilities, created, device, dirfd, entered, enum, executed, fdpath, flags, found_lock, gives, gives_a_tracer,
                      hex_, id_, inode_flags, int_, interface, ioctl_request, local, lock, long_, member, message, mode, moved, moved_mount, number_name, opened, pair,
                      path, peer, pid, result, returned_path, string, uint, ulong, value, waited)

ROWS = {}


class Row:
    def __init__(self, family, category, ro, answer, good, bad, good_more, bad_more, fields):
        self.family, self.category, self.ro, self.answer = family, category, ro, answer
        self.good, self.bad, self.good_more, self.bad_more, self.fields = good or {}, bad or {}, good_more or {}, bad_more or {}, fields

    def want(self, m):
        w = Want()
        for field, kind in {**self.fields, **(self.good if m.good else self.bad)}.items():
            (kind if callable(kind) else value(kind))(m, w, field)
        if m.ok and self.answer:
            (gives(self.answer) if isinstance(self.answer, str) else self.answer)(m, w)
        if not m.good or not m.failed:
            w.more.update(self.good_more if m.good else self.bad_more)
        w.read_only = self.ro(m) if callable(self.ro) else self.ro
        w.source, w.category = self.family + ".linux", self.category(m) if callable(self.category) else self.category
        return w


def group(family, default, table):
    def row(name, /, *, ro=False, category=default, gives=None, good=None, bad=None, good_more=None, bad_more=None, **fields):
        table[name] = Row(family, category, ro, gives, good, bad, good_more, bad_more, fields)
    return row


def row_of(m, table):
    """fcntl and ioctl have a row for each command."""
    return table.get("%s %s" % (m.name, m.text(1))) or table[m.name]


def names(group_, text, **kw):
    for name in text.split():
        group_(name, **kw)


M, D, N = "Management", "Data", "NetworkActivity"
PROCESS, MEMORY, CREDENTIAL, SIGNAL, TIME, NETWORK, MOUNT, NAMESPACE, BPF, MODULE, SYSTEM, DEVICE, KEY, IOURING, IPC = (
    group(n, M, ROWS) for n in ("process", "memory", "credential", "signal", "time", "network", "mount", "namespace", "bpf", "module", "system",
                                "device", "key", "iouring", "ipc"))
FILE = group("file", D, ROWS)


def opens(n):
    return lambda m: not any(w in m.text(n) for w in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"))


def says(n, *words):
    return lambda m: any(w in m.text(n) for w in words)


def null(n):
    return lambda m: not m.args[n]


def of_xattr(n):
    return lambda m: M if m.string(n).startswith("trusted.") else D


# ---- processes
LEAF = ["leaf", "--leaf"]
PROCESS("execve", path=executed(0), argv=LEAF)
PROCESS("execveat", path=executed(1, 0), dirfd=dirfd(0), argv=LEAF, flags=flags(4))
names(PROCESS, "fork vfork", gives="pid")
PROCESS("clone", flags=flags(0), gives="pid")
PROCESS("clone3", flags=member(0, "flags", "0"), exitSignal=member(0, "exit_signal", as_flags=False), gives="pid")
names(PROCESS, "exit exit_group", status=int_(0))
PROCESS("setsid", gives="pid")
PROCESS("setpgid", pid=pid(0), pgid=pid(1))
PROCESS("prctl", option=enum(0), arg2=hex_(1), gives=result)
PROCESS("personality", persona=["ADDR_NO_RANDOMIZE", "PER_LINUX"], gives=result)
PROCESS("ptrace", request=enum(0), pid=pid(1), addr=hex_(2), data=hex_(3), gives=gives_a_tracer)
names(MEMORY, "process_vm_writev", pid=pid(0), localCount=ulong(2), remoteCount=ulong(4), flags=ulong(5), gives="bytes")
MEMORY("process_vm_readv", ro=True, pid=pid(0), localCount=ulong(2), remoteCount=ulong(4), flags=ulong(5), gives="bytes")
PROCESS("pidfd_open", ro=True, pid=pid(0), flags=flags(1), gives="fd")
PROCESS("pidfd_getfd", pidfd=int_(0), targetFd=int_(1), flags=uint(2), path=returned_path, gives="fd")
PROCESS("seccomp", ro=says(0, "GET"), operation=enum(0), flags=flags(1), gives=result,
        bad={"operation": "99"})
PROCESS("landlock_create_ruleset", handledAccessFs=["LANDLOCK_ACCESS_FS_EXECUTE"], flags=flags(2), gives=result, bad={"handledAccessFs": None})
PROCESS("landlock_add_rule", rulesetFd=int_(0), ruleType=enum(1), allowedAccess=["LANDLOCK_ACCESS_FS_EXECUTE"], flags=uint(3),
        good={"parentFd": 3}, bad={"allowedAccess": [], "parentFd": 0})
PROCESS("landlock_restrict_self", rulesetFd=int_(0), flags=flags(1), bad={"flags": ["LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF"]})

# ---- files: opened
FILE("open", ro=opens(1), path=opened(0), flags=flags(1), mode=created(2, 1), gives="fd")
FILE("openat", ro=opens(2), path=opened(1, 0), dirfd=dirfd(0), flags=flags(2), mode=created(3, 2), gives="fd")
FILE("openat2", ro=True, path=opened(1, 0), dirfd=dirfd(0), gives="fd", flags=member(2, "flags", "O_RDONLY"), resolve=member(2, "resolve"))
FILE("creat", path=opened(0), mode=mode(1), gives="fd")
FILE("open_by_handle_at", ro=opens(2), path=returned_path, mountFd=int_(0), flags=flags(2), gives="fd")
MEMORY("memfd_create", name=string(0), flags=flags(1), gives="fd")
MEMORY("memfd_secret", flags=flags(0), gives="fd")
FILE("uselib", ro=True, path=path(0))

# ---- files: directory entries and content
names(FILE, "unlink rmdir", path=path(0))
FILE("unlinkat", path=path(1, 0), dirfd=dirfd(0), flags=flags(2))
names(FILE, "rename link", path=path(0), newPath=path(1))
FILE("renameat", path=path(1, 0), dirfd=dirfd(0), newPath=path(3, 2), newDirfd=dirfd(2))
names(FILE, "renameat2 linkat", path=path(1, 0), dirfd=dirfd(0), newPath=path(3, 2), newDirfd=dirfd(2), flags=flags(4))
FILE("mkdir", path=path(0), mode=mode(1))
FILE("mkdirat", path=path(1, 0), dirfd=dirfd(0), mode=mode(2))
FILE("symlink", target=string(0), path=path(1))
FILE("symlinkat", target=string(0), path=path(2, 1), dirfd=dirfd(1))
FILE("mknod", path=path(0), fileType="S_IFIFO", mode=mode(1), dev=device(2, 1))
FILE("mknodat", path=path(1, 0), dirfd=dirfd(0), mode=mode(2), dev=device(3, 2), good={"fileType": "S_IFCHR"}, bad={"fileType": "S_IFREG"})
FILE("truncate", path=path(0), length=long_(1))
FILE("ftruncate", path=fdpath(0), fd=int_(0), length=long_(1))
FILE("fallocate", path=fdpath(0), fd=int_(0), mode=flags(1), offset=long_(2), length=long_(3))
FILE("utime", path=path(0), good={"accessTime": "1000", "modificationTime": "2000"})
TIMES = {"accessTime": "1000.000001", "modificationTime": "2000.000002"}
FILE("utimes", path=path(0), **TIMES, bad={"accessTime": "-1+-1u", "modificationTime": "0.000000"})
FILE("futimesat", path=path(1, 0), dirfd=dirfd(0), **TIMES)
FILE("utimensat", path=path(1, 0), dirfd=dirfd(0), accessTime="1000.000000001", modificationTime="2000.000000002", flags=flags(3))

# ---- files: permissions
FILE("chmod", category=M, path=path(0), mode=mode(1))
FILE("fchmod", category=M, path=fdpath(0), fd=int_(0), mode=mode(1))
FILE("fchmodat", category=M, path=path(1, 0), dirfd=dirfd(0), mode=mode(2))
FILE("fchmodat2", category=M, path=path(1, 0), dirfd=dirfd(0), mode=mode(2), flags=flags(3))
names(FILE, "chown lchown", category=M, path=path(0), owner=id_(1), group=id_(2))
FILE("fchown", category=M, path=fdpath(0), fd=int_(0), owner=id_(1), group=id_(2))
FILE("fchownat", category=M, path=path(1, 0), dirfd=dirfd(0), owner=id_(2), group=id_(3), flags=flags(4))
names(FILE, "setxattr lsetxattr", category=of_xattr(1), path=path(0), name=string(1), size=ulong(3), flags=flags(4))
FILE("fsetxattr", category=of_xattr(1), path=fdpath(0), fd=int_(0), name=string(1), size=ulong(3), flags=flags(4))
FILE("setxattrat", category=of_xattr(3), path=path(1, 0), dirfd=dirfd(0), atFlags=flags(2), name=string(3), size=1, flags=["XATTR_CREATE"])
FILE("getxattrat", ro=True, path=path(1, 0), dirfd=dirfd(0), atFlags=flags(2), name=string(3), size=10, flags=[], gives="bytes")
FILE("listxattrat", ro=True, path=path(1, 0), dirfd=dirfd(0), atFlags=flags(2), size=ulong(4), gives="bytes")
FILE("removexattrat", category=of_xattr(3), path=path(1, 0), dirfd=dirfd(0), atFlags=flags(2), name=string(3))
FILE("file_getattr", ro=True, path=path(1, 0), dirfd=dirfd(0), size=ulong(3), atFlags=flags(4))
FILE("file_setattr", category=M, path=path(1, 0), dirfd=dirfd(0), xflags=["FS_XFLAG_NODUMP"], projectId=7, size=ulong(3), atFlags=flags(4))
names(FILE, "removexattr lremovexattr", category=of_xattr(1), path=path(0), name=string(1))
FILE("fremovexattr", category=of_xattr(1), path=fdpath(0), fd=int_(0), name=string(1))

# ---- network
NETWORK("socket", family=enum(0), type=flags(1), protocol="0", good={"protocol": "IPPROTO_IP"}, gives="fd")
NETWORK("socketpair", family=enum(0), type=flags(1), protocol=int_(2), gives=pair)
NETWORK("bind", fd=int_(0), address=bound(1))
NETWORK("listen", fd=int_(0), backlog=int_(1), address=local(0))
NETWORK("connect", category=N, fd=int_(0), address=peer(1))
NETWORK("accept", category=N, fd=int_(0), local=local(0), gives=accepted)
NETWORK("accept4", category=N, fd=int_(0), local=local(0), flags=flags(3), gives=accepted)
NETWORK("sendto", category=N, fd=int_(0), address=peer(4), length=ulong(2), flags=flags(3), gives="bytes")
NETWORK("sendmsg", category=N, fd=int_(0), address=message("127.0.0.1", 9), flags=flags(2), gives="bytes", bad={"address": message(None, None)})
NETWORK("recvfrom", category=N, ro=True, fd=int_(0), address=peer(4), length=ulong(2), flags=flags(3), gives="bytes")
NETWORK("recvmsg", category=N, ro=True, fd=int_(0), address=peer(1), flags=flags(2), gives="bytes")
NETWORK("recvmmsg", category=N, ro=True, fd=int_(0), address=peer(1), messages=uint(2), flags=flags(3), gives="count")
NETWORK("sendmmsg", category=N, fd=int_(0), address=message("127.0.0.1", 9), messages=uint(2), flags=flags(3), gives=result)
NETWORK("shutdown", fd=int_(0), how=enum(1), address=local(0))
NETWORK("getsockname", ro=True, fd=int_(0), address=local(0))
NETWORK("getpeername", ro=True, fd=int_(0), address=peer(1))
NETWORK("setsockopt", fd=int_(0), level=enum(1), option=enum(2), value=1, length=uint(4))
NETWORK("getsockopt", ro=True, fd=int_(0), level=enum(1), option=enum(2))

# ---- credentials
CREDENTIAL("setuid", uid=id_(0))
CREDENTIAL("setgid", gid=id_(0))
CREDENTIAL("setreuid", ruid=id_(0), euid=id_(1))
CREDENTIAL("setregid", rgid=id_(0), egid=id_(1))
CREDENTIAL("setresuid", ruid=id_(0), euid=id_(1), suid=id_(2))
CREDENTIAL("setresgid", rgid=id_(0), egid=id_(1), sgid=id_(2))
CREDENTIAL("setfsuid", fsuid=id_(0), gives="previousId")
CREDENTIAL("setfsgid", fsgid=id_(0), gives="previousId")
CREDENTIAL("setgroups", count=int_(0), good={"groups": [5, 6]}, bad={"groups": [5]})
CREDENTIAL("capset", pid=0, effective=capabilities("CapEff"), permitted=capabilities("CapPrm"), inheritable=capabilities("CapInh"))
CREDENTIAL("capget", ro=True, pid=0, bad={"pid": None}, bad_more={"unreadable": ["pid"]})
names(CREDENTIAL, "getuid geteuid getgid getegid", ro=True, gives=result)
CREDENTIAL("lsm_get_self_attr", ro=True, attribute="LSM_ATTR_CURRENT", flags=["0x2"], gives="count")
CREDENTIAL("lsm_set_self_attr", attribute=uint(0), size=uint(2), flags=uint(3))
SYSTEM("lsm_list_modules", ro=True, flags=uint(2), gives="count")
names(CREDENTIAL, "getresuid getresgid", ro=True)
CREDENTIAL("getgroups", ro=True, size=int_(0), gives="count")

# ---- mounts and namespaces
MOUNT("mount", source=string(0), path=path(1), type=string(2), flags=flags(3), data=string(4))
MOUNT("umount2", path=path(0), flags=flags(1))
# the mount that a descriptor stands for is where it was moved to
MOUNT("move_mount", path=path(1, 0), dirfd=dirfd(0), newPath=path(3, 2), newDirfd=dirfd(2), flags=flags(4), good={"path": moved_mount})
MOUNT("open_tree", path=opened(1, 0), dirfd=dirfd(0), flags=flags(2), gives="fd", good_more={"pathKind": "detached"})
MOUNT("open_tree_attr", path=opened(1, 0), dirfd=dirfd(0), flags=flags(2), attributesSet=member(3, "attr_set"), attributesCleared=[],
      gives="fd", good_more={"pathKind": "detached"})
MOUNT("statmount", ro=True, mountId=7, parameter="0x2", size=ulong(2), flags=flags(3))
MOUNT("listmount", ro=True, mountId=str((1 << 64) - 1), parameter="0x0", count=ulong(2), flags=["LISTMOUNT_REVERSE"], gives="count",
      bad={"mountId": 7, "parameter": "0x2", "flags": []})
MOUNT("fsopen", type=string(0), flags=flags(1), gives="fd")
MOUNT("fsconfig", fd=int_(0), command=enum(1), key=string(2), value=string(3), aux=int_(4))
MOUNT("fsmount", fsFd=int_(0), flags=flags(1), attributes=flags(2), gives="fd")
MOUNT("fspick", path=path(1, 0), dirfd=dirfd(0), flags=flags(2), gives="fd")
MOUNT("mount_setattr", path=path(1, 0), dirfd=dirfd(0), flags=flags(2), attributesSet=member(3, "attr_set"), attributesCleared=[],
      propagation=member(3, "propagation"))
MOUNT("pivot_root", path=path(0), newPath=path(1), good={"path": moved(0, "/"), "newPath": moved(1, "/old")})
NAMESPACE("chroot", path=path(0))
NAMESPACE("unshare", flags=flags(0))
NAMESPACE("setns", fd=int_(0), path=fdpath(0), type=flags(1))

# ---- signals
SIGNAL("kill", pid=pid(0), signal=enum(1))
SIGNAL("tkill", tid=pid(0), signal=enum(1))
SIGNAL("tgkill", pid=pid(0), tid=int_(1), signal=enum(2))
SIGNAL("rt_sigqueueinfo", pid=pid(0), signal=enum(1))
SIGNAL("rt_tgsigqueueinfo", pid=pid(0), tid=int_(1), signal=enum(2))
SIGNAL("pidfd_send_signal", pidfd=int_(0), signal=enum(1), flags=flags(3), bad={"flags": ["PIDFD_SIGNAL_THREAD_GROUP"]})
SET = ["SIGTERM", "SIGUSR1"]  # some_set
SIGNAL("rt_sigaction", signal=enum(0), handler="SIG_IGN", flags=["SA_RESTART"], mask=[])
SIGNAL("rt_sigprocmask", how=enum(0), signals=SET)
SIGNAL("rt_sigpending", ro=True, size=ulong(1))
SIGNAL("rt_sigsuspend", ro=True, signals=SET)
SIGNAL("rt_sigtimedwait", ro=True, signals=SET, timeout="0.000000000", gives=result)
SIGNAL("pause", ro=True)
SIGNAL("sigaltstack", flags=[], good={"size": 4096}, bad={"size": 1})
names(SIGNAL, "signalfd", ro=True, fd=int_(0), signals=SET, gives="fd")
SIGNAL("signalfd4", ro=True, fd=int_(0), signals=SET, flags=flags(3), gives="fd")

# ---- bpf, modules, system
BPF("bpf", command=enum(0), maxEntries=1, size=uint(2), gives=result, good={"mapType": "BPF_MAP_TYPE_ARRAY"}, bad={"mapType": "9999"})
SYSTEM("perf_event_open", type="PERF_TYPE_SOFTWARE", config="0x9", pid=int_(1), cpu=int_(2), groupFd=int_(3), flags=flags(4), gives="fd",
       bad={"type": "999", "config": "0x0"})
MODULE("init_module", size=ulong(1), parameters=string(2))
MODULE("finit_module", path=fdpath(0), fd=int_(0), parameters=string(1), flags=flags(2))
MODULE("delete_module", name=string(0, "Linux::KernelModule"), flags=flags(1))
SYSTEM("kexec_load", entry=hex_(0), segments=ulong(1), flags=["KEXEC_ARCH_DEFAULT", "KEXEC_ON_CRASH"])
SYSTEM("kexec_file_load", kernelFd=int_(0), initrdFd=int_(1), commandLine=string(3), flags=flags(4))
SYSTEM("reboot", magic1=hex_(0), magic2=hex_(1), command=enum(2))
names(SYSTEM, "sethostname setdomainname", name=string(0))
SYSTEM("swapon", path=path(0), flags=flags(1))
names(SYSTEM, "swapoff acct", path=path(0))
SYSTEM("quotactl", ro=True, command="Q_GETQUOTA", path=path(1), id=int_(2))
SYSTEM("quotactl_fd", fd=int_(0), command="Q_QUOTAOFF", path=fdpath(0), id=int_(2))
SYSLOG = {10: "SYSLOG_ACTION_SIZE_BUFFER", 7: "SYSLOG_ACTION_CONSOLE_ON"}
SYSTEM("syslog", ro=lambda m: m.ok, type=number_name(0)(SYSLOG), length=int_(2), gives=result)
DEVICE("vhangup")
DEVICE("iopl", level=uint(0))
DEVICE("ioperm", **{"from": hex_(0)}, count=ulong(1), on=int_(2))
SYSTEM("fanotify_init", flags=flags(0), eventFlags=flags(1), gives="fd")
SYSTEM("fanotify_mark", fd=int_(0), flags=flags(1), mask=flags(2), path=path(4, 3), dirfd=dirfd(3))
SYSTEM("getrandom", ro=True, length=ulong(1), flags=flags(2), gives="bytes")
names(SYSTEM, "create_module query_module nfsservctl vserver _sysctl getpmsg putpmsg afs_syscall tuxcall security get_kernel_syms "
      "epoll_ctl_old epoll_wait_old", arg1=hex_(0), arg2=hex_(1), arg3=hex_(2), arg4=hex_(3), gives=result)
FILE("lookup_dcookie", ro=True, cookie=hex_(0), length=ulong(2), gives="bytes")
SYSTEM("sysfs", ro=True, option=number_name(0)({3: "count"}), gives=result)

# ---- time
TIME("settimeofday", bad={"time": "-1+-1u"})
TIME("clock_settime", clock=enum(0), time="-1+-1n")
TIME("adjtimex", ro=lambda m: m.ok, modes=[], gives=result, bad={"modes": ["ADJ_TICK"], "tick": 1})
TIME("clock_adjtime", ro=True, clock=enum(0), modes=[], gives=result)
TIME("timerfd_create", ro=True, clock=enum(0), flags=flags(1), gives="fd")
TIME("timerfd_settime", ro=True, fd=int_(0), flags=flags(1), interval="1000.000000001", value="2000.000000002")
TIME("timerfd_gettime", ro=True, fd=int_(0))
TIME("alarm", seconds=uint(0), gives=result)
TIME("getitimer", ro=True, timer=enum(0))
TIME("setitimer", timer=enum(0), interval="1000.000001", value="2000.000002")
TIME("timer_create", clock=enum(0), good={"notify": "SIGEV_SIGNAL", "signal": "SIGUSR2"})
TIME("timer_settime", id=int_(0), flags=flags(1), interval="1000.000000001", value="2000.000000002")
names(TIME, "timer_gettime", ro=True, id=int_(0))
TIME("timer_getoverrun", ro=True, id=int_(0), gives="count")
TIME("timer_delete", id=int_(0))
names(TIME, "clock_gettime clock_getres", ro=True, clock=enum(0))
names(TIME, "gettimeofday", ro=True)
names(TIME, "time times", ro=True, gives=result)
TIME("nanosleep", ro=True, timeout="0.000001000", bad={"timeout": "-1+-1n"})
TIME("clock_nanosleep", ro=True, clock=enum(0), flags=flags(1), timeout="0.000001000", bad={"timeout": "1000.000000001"})

# ---- keys
KEY("add_key", type=string(0), description=string(1), size=ulong(3), keyring=enum(4), gives="key")
KEY("request_key", type=string(0), description=string(1), keyring=enum(3), gives="key")
KEY("keyctl", ro=says(0, "GET"), operation=enum(0), arg2=hex_(1), good={"arg3": hex_(2)}, gives=result)

# ---- memory
MEMORY("userfaultfd", flags=flags(0), gives="fd")
MEMORY("brk", address=hex_(0), gives=address)
MEMORY("mmap", path=fdpath(4), address=hex_(0), length=ulong(1), protection=flags(2), flags=flags(3), fd=int_(4), offset=ulong(5), gives=address)
MEMORY("munmap", address=hex_(0), length=ulong(1))
MEMORY("mremap", address=hex_(0), length=ulong(1), newLength=ulong(2), flags=flags(3), newAddress=hex_(4), gives=address)
MEMORY("mprotect", address=hex_(0), length=ulong(1), protection=flags(2))
MEMORY("pkey_mprotect", address=hex_(0), length=ulong(1), protection=flags(2), pkey=int_(3))
MEMORY("pkey_alloc", flags=uint(0), rights=flags(1), gives=result)
MEMORY("pkey_free", pkey=int_(0))
MEMORY("msync", ro=True, address=hex_(0), length=ulong(1), flags=flags(2))
MEMORY("mincore", ro=True, address=hex_(0), length=ulong(1))
MEMORY("madvise", address=hex_(0), length=ulong(1), advice=enum(2))
names(MEMORY, "mlock munlock", address=hex_(0), length=ulong(1))
MEMORY("mlock2", address=hex_(0), length=ulong(1), flags=flags(2))
MEMORY("mlockall", flags=flags(0))
MEMORY("munlockall")
MEMORY("remap_file_pages", address=hex_(0), length=ulong(1), protection=["PROT_NONE"], offsetPages=ulong(3), flags=flags(4))
MEMORY("mbind", address=hex_(0), length=ulong(1), mode=flags(2), nodes="0x1", flags=flags(5))
MEMORY("set_mempolicy", mode=flags(0), nodes="0x1")
MEMORY("get_mempolicy", ro=True, address=hex_(3), flags=flags(4))
MEMORY("migrate_pages", pid=pid(0), maxNode=ulong(1), gives=result)
MEMORY("move_pages", pid=pid(0), count=ulong(1), flags=flags(5), gives=result)
MEMORY("set_mempolicy_home_node", address=hex_(0), length=ulong(1), node=ulong(2), flags=ulong(3))
MEMORY("map_shadow_stack", address=hex_(0), length=ulong(1), flags=["SHADOW_STACK_SET_TOKEN"], gives=address)
MEMORY("mseal", address=hex_(0), length=ulong(1), flags=ulong(2))
MEMORY("process_madvise", pidfd=int_(0), count=ulong(2), advice=enum(3), flags=uint(4), gives="bytes")
MEMORY("process_mrelease", pidfd=int_(0), flags=uint(1))

# ---- content
FD = {"path": fdpath(0), "fd": int_(0)}
FILE("read", ro=True, **FD, length=ulong(2), gives="bytes")
FILE("write", **FD, length=ulong(2), gives="bytes")
FILE("pread64", ro=True, **FD, length=ulong(2), offset=long_(3), gives="bytes")
FILE("pwrite64", **FD, length=ulong(2), offset=long_(3), gives="bytes")
FILE("readv", ro=True, **FD, count=ulong(2), gives="bytes")
FILE("writev", **FD, count=ulong(2), gives="bytes")
FILE("preadv", ro=True, **FD, count=ulong(2), offset=long_(3), gives="bytes")
FILE("pwritev", **FD, count=ulong(2), offset=long_(3), gives="bytes")
FILE("preadv2", ro=True, **FD, count=ulong(2), offset=long_(3), flags=flags(5), gives="bytes")
FILE("pwritev2", **FD, count=ulong(2), offset=long_(3), flags=flags(5), gives="bytes")
FILE("lseek", ro=True, **FD, offset=long_(1), whence=enum(2), gives="offset")
FILE("sendfile", path=fdpath(1), newPath=fdpath(0), inFd=int_(1), outFd=int_(0), length=ulong(3), gives="bytes")
BETWEEN = {"path": fdpath(0), "inFd": int_(0)}
FILE("splice", **BETWEEN, newPath=fdpath(2), outFd=int_(2), length=ulong(4), flags=flags(5), gives="bytes")
FILE("tee", **BETWEEN, newPath=fdpath(1), outFd=int_(1), length=ulong(2), flags=flags(3), gives="bytes")
FILE("vmsplice", **FD, count=ulong(2), flags=flags(3), gives="bytes")
FILE("copy_file_range", **BETWEEN, newPath=fdpath(2), outFd=int_(2), length=ulong(4), flags=uint(5), gives="bytes")
names(FILE, "fsync fdatasync syncfs", ro=True, **FD)
FILE("sync_file_range", ro=True, **FD, offset=long_(1), length=long_(2), flags=flags(3))
FILE("fadvise64", ro=True, **FD, offset=long_(1), length=ulong(2), advice=enum(3))
FILE("readahead", ro=True, **FD, offset=long_(1), length=ulong(2))
FILE("cachestat", ro=True, **FD, offset=1, length=100, flags=uint(3))
names(FILE, "getdents getdents64", ro=True, **FD, length=uint(2), gives="bytes")

# ---- descriptors
FILE("close", ro=True, fd=int_(0))
FILE("close_range", ro=True, first=uint(0), last=uint(1), flags=flags(2))
FILE("dup", ro=True, **FD, gives="fd")
FILE("dup2", ro=True, **FD, newFd=int_(1), gives="fd")
FILE("dup3", ro=True, **FD, newFd=int_(1), flags=flags(2), gives="fd")
COMMAND = {**FD, "command": enum(1)}
FILE("fcntl", ro=says(1, "GET"), **COMMAND, argument=hex_(2), gives=result)
for c in ("F_GETFL", "F_GET_SEALS"):
    FILE("fcntl " + c, ro=True, **COMMAND, gives=result)
FILE("fcntl F_DUPFD", **COMMAND, lowestFd=int_(2), gives=result)
FILE("fcntl F_DUPFD_CLOEXEC", **COMMAND, lowestFd=int_(2), gives=result)
FILE("fcntl F_SETFD", **COMMAND, flags=flags(2))
FILE("fcntl F_SETFL", **COMMAND, flags=flags(2))
FILE("fcntl F_SETLK", **COMMAND, lock=lock(2))
FILE("fcntl F_SETLKW", **COMMAND, lock=lock(2), bad={"lock": None}, bad_more={"unreadable": ["argument"]})
FILE("fcntl F_OFD_SETLK", **COMMAND, lock=lock(2))
FILE("fcntl F_GETLK", ro=True, **COMMAND, gives=found_lock, bad={"lock": lock(2)})
FILE("fcntl F_SETOWN", **COMMAND, owner=int_(2))
FILE("fcntl F_SETOWN_EX", **COMMAND, ownerType=member(2, "type", as_flags=False), owner=1, bad={"owner": 7})
FILE("fcntl F_SETSIG", **COMMAND, signal=enum(2), bad={"signal": "99"})
FILE("fcntl F_SETLEASE", **COMMAND, lease=enum(2))
FILE("fcntl F_NOTIFY", **COMMAND, events=flags(2))
FILE("fcntl F_SETPIPE_SZ", **COMMAND, size=ulong(2), gives=result)
FILE("fcntl F_ADD_SEALS", **COMMAND, seals=flags(2))
FILE("fcntl F_SET_RW_HINT", **COMMAND, hint="RWH_WRITE_LIFE_SHORT", bad={"hint": "77"})
FILE("flock", **FD, operation=flags(1))
REQUEST = {**FD, "request": ioctl_request(1)}
DEVICE("ioctl", **REQUEST, argument=hex_(2), gives=result)
DEVICE("ioctl FIONBIO", **REQUEST, enabled=True, bad={"enabled": False})
DEVICE("ioctl FIOCLEX", **REQUEST)
DEVICE("ioctl TIOCSWINSZ", **REQUEST, rows=24, columns=81, bad={"rows": 25, "columns": 80})
DEVICE("ioctl TIOCSTI", **REQUEST, character=lambda m, want, field: want.request.__setitem__(field, "y" if "end" in m.text(2) else "x"))
DEVICE("ioctl TIOCSPGRP", **REQUEST, pgid=4711)
DEVICE("ioctl TIOCSETD", **REQUEST, lineDiscipline=0, bad={"lineDiscipline": 3})
DEVICE("ioctl FS_IOC_SETFLAGS", **REQUEST, flags=inode_flags(2))
DEVICE("ioctl FS_IOC_FSSETXATTR", **REQUEST, flags=member(2, "fsx_xflags"), projectId=9)
DEVICE("ioctl FICLONE", **REQUEST, sourceFd=int_(2))
DEVICE("ioctl LOOP_SET_FD", **REQUEST, targetFd=int_(2))
LOOP = {"flags": ["LO_FLAGS_PARTSCAN", "LO_FLAGS_READ_ONLY"], "file": "lab.img"}
DEVICE("ioctl LOOP_CONFIGURE", **REQUEST, targetFd=96, blockSize=512, **LOOP)
DEVICE("ioctl LOOP_SET_STATUS64", **REQUEST, **LOOP)
DEVICE("ioctl LOOP_CTL_REMOVE", **REQUEST, number=int_(2))
DEVICE("ioctl SIOCSIFADDR", **REQUEST, interface=interface(2), address="127.0.0.2")
DEVICE("ioctl SIOCSIFFLAGS", **REQUEST, interface=interface(2), flags=["IFF_PROMISC", "IFF_UP"])
DEVICE("ioctl SIOCSIFMTU", **REQUEST, interface=interface(2), mtu=1280)
DEVICE("ioctl SIOCGIFINDEX", **REQUEST, interface=interface(2))
DEVICE("ioctl TUNSETIFF", **REQUEST, interface=interface(2), flags=["IFF_NO_PI", "IFF_TAP"])
DEVICE("ioctl TUNSETPERSIST", **REQUEST, enabled=True)
IPC("pipe", gives=pair)
IPC("pipe2", flags=flags(1), gives=pair)
IPC("eventfd", count=uint(0), gives="fd")
IPC("eventfd2", count=uint(0), flags=flags(1), gives="fd")
IPC("epoll_create", ro=True, size=int_(0), gives="fd")
IPC("epoll_create1", ro=True, flags=flags(0), gives="fd")
IPC("epoll_ctl", ro=True, path=fdpath(2), epollFd=int_(0), operation=enum(1), fd=int_(2), events=["EPOLLET", "EPOLLIN"])
IPC("epoll_wait", ro=True, fd=int_(0), maxEvents=int_(2), timeoutMilliseconds=int_(3), gives="count")
IPC("epoll_pwait", ro=True, fd=int_(0), maxEvents=int_(2), timeoutMilliseconds=int_(3), signals=SET, gives="count")
IPC("epoll_pwait2", ro=True, fd=int_(0), maxEvents=int_(2), timeout="0.000000000", gives="count", bad={"timeout": "1000.000000001"})
IPC("poll", ro=True, fds=[1], count=uint(1), timeoutMilliseconds=int_(2), gives="count", bad={"fds": None}, bad_more={"unreadable": ["fds"]})
IPC("ppoll", ro=True, fds=[1], count=uint(1), timeout="0.000000000", gives="count", bad={"fds": None, "timeout": "1000.000000001"},
    bad_more={"unreadable": ["fds"]})
IPC("select", ro=True, descriptors=int_(0), timeout="0.000000", gives="count", bad={"timeout": "1000.000001"})
IPC("pselect6", ro=True, descriptors=int_(0), timeout="0.000000000", gives="count", bad={"timeout": "1000.000000001"})
FILE("inotify_init", ro=True, gives="fd")
FILE("inotify_init1", ro=True, flags=flags(0), gives="fd")
FILE("inotify_add_watch", ro=True, fd=int_(0), path=path(1), mask=flags(2), gives="id")
FILE("inotify_rm_watch", ro=True, fd=int_(0), id=int_(1))

# ---- looking
names(FILE, "stat lstat statfs", ro=True, path=path(0))
names(FILE, "fstat fstatfs", ro=True, **FD)
FILE("newfstatat", ro=True, path=path(1, 0), dirfd=dirfd(0), flags=flags(3))
FILE("statx", ro=True, path=path(1, 0), dirfd=dirfd(0), flags=flags(2), mask=flags(3))
FILE("access", ro=True, path=path(0), access=flags(1))
FILE("faccessat", ro=True, path=path(1, 0), dirfd=dirfd(0), access=flags(2))
FILE("faccessat2", ro=True, path=path(1, 0), dirfd=dirfd(0), access=flags(2), flags=flags(3))
FILE("readlink", ro=True, path=path(0), length=int_(2), gives="bytes")
FILE("readlinkat", ro=True, path=path(1, 0), dirfd=dirfd(0), length=int_(3), gives="bytes")
FILE("ustat", ro=True, device=hex_(0))
FILE("getcwd", ro=True, size=ulong(1), gives="bytes")
FILE("chdir", path=entered(0))
FILE("fchdir", **FD)
FILE("umask", mode=mode(0), gives=result)
names(FILE, "getxattr lgetxattr", ro=True, path=path(0), name=string(1), size=ulong(3), gives="bytes")
FILE("fgetxattr", ro=True, **FD, name=string(1), size=ulong(3), gives="bytes")
names(FILE, "listxattr llistxattr", ro=True, path=path(0), size=ulong(2), gives="bytes")
FILE("flistxattr", ro=True, **FD, size=ulong(2), gives="bytes")
FILE("name_to_handle_at", ro=True, path=path(1, 0), dirfd=dirfd(0), flags=flags(4))

# ---- about itself and others
PROCESS("wait4", ro=True, pid=pid(0), options=flags(2), gives=waited)
PROCESS("waitid", ro=True, idType=enum(0), id=int_(1), options=flags(3))
names(PROCESS, "getpid getppid gettid getpgrp", ro=True, gives="pid")
names(PROCESS, "getpgid getsid", ro=True, pid=pid(0), gives="pid")
names(PROCESS, "uname sysinfo getcpu sched_yield", ro=True)
PROCESS("kcmp", ro=True, pid=pid(0), otherPid=pid(1), type=enum(2), index=ulong(3), otherIndex=ulong(4), gives=result)
PROCESS("getpriority", ro=True, which=enum(0), who=int_(1), gives=result)
PROCESS("setpriority", which=enum(0), who=int_(1), priority=int_(2))
PROCESS("ioprio_get", ro=True, which=enum(0), who=int_(1), gives=result)
PROCESS("ioprio_set", which=enum(0), who=int_(1), priority=["0x3", "IOPRIO_CLASS_BE"])
PROCESS("sched_setparam", pid=pid(0), priority=0, bad={"priority": 7})
PROCESS("sched_setscheduler", pid=pid(0), policy=enum(1), priority=0)
PROCESS("sched_setattr", pid=pid(0), policy="SCHED_BATCH", schedFlags=["SCHED_FLAG_RESET_ON_FORK"], nice=4, flags=uint(2))
PROCESS("sched_setaffinity", pid=pid(0), length=uint(1), cpus="0x1", bad={"cpus": "0x0"})
PROCESS("sched_getparam", ro=True, pid=pid(0))
PROCESS("sched_getscheduler", ro=True, pid=pid(0), gives=result)
PROCESS("sched_getattr", ro=True, pid=pid(0), size=uint(2), flags=uint(3))
PROCESS("sched_getaffinity", ro=True, pid=pid(0), length=uint(1), gives="bytes")
names(PROCESS, "sched_get_priority_max sched_get_priority_min", ro=True, policy=enum(0), gives=result)
PROCESS("sched_rr_get_interval", ro=True, pid=pid(0))
PROCESS("getrlimit", ro=True, resource=enum(0))
PROCESS("setrlimit", resource=enum(0), soft=0, hard=4096, bad={"soft": 9, "hard": 8})
PROCESS("prlimit64", ro=null(2), pid=pid(0), resource=enum(1), good={"soft": 0, "hard": 8192})
PROCESS("getrusage", ro=True, who=enum(0))

# ---- threads
PROCESS("set_tid_address", address=hex_(0), gives="pid")
PROCESS("set_robust_list", address=hex_(0), length=ulong(1))
PROCESS("get_robust_list", ro=True, pid=pid(0))
PROCESS("rseq", address=hex_(0), length=uint(1), flags=["RSEQ_FLAG_UNREGISTER"], signature=hex_(3))
PROCESS("membarrier", ro=True, command=enum(0), flags=uint(1), cpu=int_(2), gives=result)
PROCESS("futex", ro=True, address=hex_(0), operation=flags(1), value=uint(2), gives=result)
PROCESS("futex_waitv", ro=True, count=uint(1), flags=uint(2), clock=enum(4), gives=result)
PROCESS("futex_wake", ro=True, address=hex_(0), mask=hex_(1), count=int_(2), flags=["FUTEX2_PRIVATE", "FUTEX2_SIZE_U32"], gives="count",
        bad={"flags": ["0x40", "FUTEX2_SIZE_U32"]})
PROCESS("futex_wait", ro=True, address=hex_(0), value=ulong(1), mask=hex_(2), flags=["FUTEX2_SIZE_U32"], timeout="1000.000000001", clock=enum(5))
PROCESS("futex_requeue", ro=True, flags=uint(1), wake=int_(2), requeue=int_(3), gives="count")
names(PROCESS, "set_thread_area", address=hex_(0))
PROCESS("get_thread_area", ro=True, address=hex_(0))
PROCESS("arch_prctl", ro=says(0, "GET"), option=enum(0), address=hex_(1), gives=result)
PROCESS("modify_ldt", function=number_name(0)({0: "read"}), length=ulong(2), gives="bytes")

# ---- IPC objects, asynchronous I/O
IPC("shmget", key=hex_(0), size=ulong(1), flags=flags(2, True), gives="id")
IPC("shmat", id=int_(0), address=hex_(1), flags=flags(2), gives=address)
IPC("shmdt", address=hex_(0))
names(IPC, "shmctl msgctl", ro=says(1, "STAT"), id=int_(0), command=enum(1), gives=result)
IPC("semget", key=hex_(0), count=int_(1), flags=flags(2, True), gives="id")
SEM = {"semaphores": [1], "operations": [3]}
IPC("semop", id=int_(0), **SEM, count=uint(2))
IPC("semtimedop", id=int_(0), **SEM, count=uint(2), timeout="1000.000000001")
IPC("semctl", ro=says(2, "GET"), id=int_(0), semaphore=int_(1), command=enum(2), gives=result)
IPC("msgget", key=hex_(0), flags=flags(1, True), gives="id")
IPC("msgsnd", id=int_(0), type=7, length=ulong(2), flags=flags(3))
IPC("msgrcv", ro=True, id=int_(0), length=ulong(2), type=long_(3), flags=flags(4), gives="bytes")
IPC("mq_open", ro=opens(1), name=string(0), flags=flags(1), mode=created(2, 1), gives="fd")
IPC("mq_unlink", name=string(0))
IPC("mq_timedsend", fd=int_(0), length=ulong(2), priority=uint(3), timeout="1000.000000001")
IPC("mq_timedreceive", ro=True, fd=int_(0), length=ulong(2), timeout="1000.000000001", gives="bytes")
IPC("mq_notify", fd=int_(0), good={"notify": "SIGEV_SIGNAL", "signal": "SIGUSR2"})
IPC("mq_getsetattr", ro=null(1), fd=int_(0), good={"flags": ["O_NONBLOCK", "O_RDONLY"]})
FILE("io_setup", events=uint(0))
FILE("io_destroy", context=hex_(0))
FILE("io_submit", context=hex_(0), count=long_(1), gives="count")
FILE("io_cancel", context=hex_(0), request=hex_(1))
names(FILE, "io_getevents io_pgetevents", ro=True, context=hex_(0), least=long_(1), most=long_(2), timeout="1000.000000001", gives="count")
IOURING("io_uring_setup", entries=uint(0), flags=[], gives="fd")
IOURING("io_uring_enter", fd=int_(0), submit=uint(1), least=uint(2), flags=flags(3), gives="count")
IOURING("io_uring_register", fd=int_(0), opcode=flags(1), count=uint(3), gives=result)
