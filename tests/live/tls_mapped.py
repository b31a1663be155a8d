#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=30
"""TLS libraries that no cache names are found as somebody maps them to be executed: by who is gone within a millisecond and speaks no TLS, so that neither a
scan nor a connection shows them. Who has one then is recorded from its first call on."""
import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import daemon  # noqa: E402
import tap  # noqa: E402
import tls_optout  # noqa: E402
import tlsmatrix  # noqa: E402
import tlsweb  # noqa: E402
from sizes import size  # noqa: E402

LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
TOLD = 16384  # bpf/maps.bpf.h: files that the kernel side remembers


class Shell:
    """One that runs what it is given line by line, until it is told to end or nobody is there to tell it more."""

    def __init__(self, asks):
        self.asks, self.n = asks, 0
        os.mkfifo(asks)
        self.pipe = os.open(asks, os.O_RDWR)  # does not wait for who reads

    def run(self, line):
        """Until it has ended."""
        self.n += 1
        done = "%s.%d" % (self.asks, self.n)
        os.write(self.pipe, ("%s\n: >%s\n" % (line, done)).encode())
        if not tap.wait_for(lambda: os.path.exists(done), 150):
            raise tap.Failed("not done: %s" % line)

    def end(self):
        os.write(self.pipe, b"exit\n")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        os.close(self.pipe)


class Tree(Shell):
    """It is what an agent records."""

    def __init__(self, d, **config):
        super().__init__(d + "/asks")
        self.agent = tls_optout.Agent(["/bin/sh", self.asks], selectors=None, log_level="debug", **config)

    def __enter__(self):
        self.agent.__enter__()
        self.agent.start()
        self.agent.go()
        return self

    def __exit__(self, *exc):
        self.agent.__exit__(*exc)
        super().__exit__(*exc)

    def probed(self, *names, n=1):
        """However long that takes: the scan of what runs finds nobody who has it."""
        self.agent.wait(lambda: sum(self.agent.log().count("probed for TLS: %s\n" % x) for x in names) >= n, 60, "%s is not probed" % names[0])

    def names(self):
        """Of the calls, once all is written."""
        self.end()
        self.agent.tree.wait(20)
        self.agent.stop()
        return [r.name for r in self.agent.everything()[1] if r.name.startswith("GET ")]


def copy(to):
    os.makedirs(os.path.dirname(to), exist_ok=True)
    shutil.copy(LIBRARY, to)
    return to


def shown(library):
    """A millisecond in which it is mapped."""
    return "LD_PRELOAD=%s /bin/true" % library


def asked(library, url, path):
    return "LD_LIBRARY_PATH=%s curl -sk -o /dev/null %s" % (os.path.dirname(library), url + path)


def short_lived(t):
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        a, b = copy(d + "/a/libssl.so.3"), copy(d + "/b/libssl-0123abcd.so.3")
        with Tree(d) as tree:
            tree.run(shown(a))
            tree.probed(a)
            for i in range(5):
                tree.run(asked(a, web.url("/a"), str(i)))
            tree.run(shown(b))  # as a virtualenv's is called
            tree.probed(b)
            tree.run(asked(a, web.url("/a"), "5"))
            shutil.copy(LIBRARY, d + "/next")  # another file by its name
            os.rename(d + "/next", a)
            tree.run(shown(a))
            tree.probed(a, n=2)
            tree.run(asked(a, web.url("/a"), "6"))
            t.equal(tree.names(), ["GET /a%d" % i for i in range(7)], "calls")


def in_a_mount_namespace(t):
    """Where the agent has another file by that name. The shell stays, so its root leads there."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        library = copy(d + "/hidden/libssl.so.3")
        with Tree(d) as tree, Shell(d + "/inner") as inner:
            tree.run("unshare --mount /bin/sh %s & :" % inner.asks)
            inner.run("mount -t tmpfs tmpfs %s/hidden && cp %s %s" % (d, LIBRARY, library))
            inner.run(shown(library))
            tree.probed(library)
            inner.run(asked(library, web.url("/"), "inside"))
            tree.run(shown(library))  # that is the other file
            tree.probed(library, n=2)
            tree.run(asked(library, web.url("/"), "outside"))
            inner.end()
            t.equal(tree.names(), ["GET /inside", "GET /outside"], "calls")


def in_a_root(t):
    """Of a container: a mount namespace whose root another file system is, which the agent does not see."""
    with tap.Workdir() as d:
        root, library = d + "/root", "/own/libssl.so.3"
        with Tree(d) as tree, Shell(d + "/inner") as inner:
            os.makedirs(root)
            make = "mount -t tmpfs tmpfs %s && mkdir -p %s/own %s/bin && cp /bin/busybox %s/bin && cp %s %s%s" % (root, root, root, root, LIBRARY, root, library)
            tree.run("unshare --mount /bin/sh %s & :" % inner.asks)
            inner.run(make)
            for lib in subprocess.check_output(["ldd", "/bin/true", LIBRARY], text=True).split():
                if lib.startswith("/") and not lib.endswith(":"):
                    inner.run("mkdir -p %s%s && cp %s %s%s" % (root, os.path.dirname(lib), lib, root, lib))
            inner.run("cp /bin/true %s/bin" % root)
            # the shell in the root stays until it was found, which is waited for half as long as it would stay: with its last process a root is gone
            inner.run("chroot %s /bin/busybox sh -c 'LD_PRELOAD=%s /bin/true; i=0; until [ -e /found ] || [ $i = 1200 ]; do i=$((i + 1)); /bin/busybox sleep 0.1; done' &" % (root, library))
            tree.probed(root + library, library)  # as the kernel walked to it, or, while its process is there, as the file's own mount has it
            inner.run(": >%s/found; wait" % root)
            inner.end()
            tree.names()


def of_who_opted_out(t):
    """Nothing is told of what they map; of what others map of the same, it is."""
    with tap.Workdir() as d:
        a, b = copy(d + "/a/libssl.so.3"), copy(d + "/b/libssl.so.3")
        shutil.copy("/bin/true", d + "/mine")
        with Tree(d, tls_exclude_programs=["mine"]) as tree:
            tree.run("LD_PRELOAD=%s %s/mine" % (a, d))
            tree.run(shown(b))
            tree.probed(b)
            t.ok(a not in tree.agent.log(), "told of who opted out: %s" % tree.agent.log()[-500:])
            tree.run(shown(a))
            tree.probed(a)
            tree.names()


def of_32_bit_programs(t):
    """By both of their calls. What is mapped here is a 64-bit library: others are not probed."""
    with tap.Workdir() as d:
        with Tree(d) as tree:
            for call in ("mmap", "mmap2"):
                library = copy(d + "/%s/libssl.so.3" % call)
                tree.run("%s %s %s" % (tap.workload("mapexec32"), call, library))
                tree.probed(library)
            tree.names()


MAPS = """
import mmap, os, sys
for i in range(int(sys.argv[1])):
    fd = os.memfd_create("some.so")
    os.write(fd, b"x")
    mmap.mmap(fd, 1, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    os.close(fd)
"""


MEMORY = """
import ctypes, os, sys, time
fd = os.memfd_create("libssl.so.3")
with open(sys.argv[1], "rb") as f:
    os.write(fd, f.read())
ctypes.CDLL("/proc/self/fd/%d" % fd)
end = time.monotonic() + 120
while not os.path.exists(sys.argv[2]) and time.monotonic() < end:
    time.sleep(0.05)
"""


def by_other_names(t):
    """A program that the linker was given as its argument, a plugin, a library that is in memory alone (that is found while its process is there)."""
    with tap.Workdir() as d:
        plugin, program = d + "/plugin", copy(d + "/a/program-1.0")
        shutil.copy(LIBRARY, plugin)
        with open(d + "/memory.py", "w") as f:
            f.write(MEMORY)
        with Tree(d) as tree:
            tree.run("LD_PRELOAD=%s /bin/true" % plugin)
            tree.probed(plugin)
            tree.run("/lib64/ld-linux-x86-64.so.2 --list %s" % program)  # maps it, and does not begin it
            tree.probed(program)
            tree.run("/usr/bin/python3 %s/memory.py %s %s/found & :" % (d, LIBRARY, d))
            tree.probed("/memfd:libssl.so.3")
            tree.run(": >%s/found; wait" % d)
            tree.names()


TURNS = """
import mmap, os, sys, time
files = []
for i in range(200):
    os.mkdir("%s/%d" % (sys.argv[1], i))
    files.append(open("%s/%d/libssl.so.3" % (sys.argv[1], i), "w+b"))
    files[i].write(b"x")
    files[i].flush()
    os.unlink(files[i].name)
end = time.monotonic() + 2
while time.monotonic() < end:
    for f in files:
        mmap.mmap(f.fileno(), 1, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
"""


def who_keeps_us_busy(t):
    """By mapping in turns what is gone before anybody looks: 16 of them a tenth of a second are told again, and others' are found as before."""
    with tap.Workdir() as d:
        a = copy(d + "/a/libssl.so.3")
        os.mkdir(d + "/gone")
        with open(d + "/turns.py", "w") as f:
            f.write(TURNS)
        with Tree(d) as tree:
            begin = time.monotonic()
            tree.run("/usr/bin/python3 %s/turns.py %s/gone" % (d, d))
            tree.run(shown(a))
            tree.probed(a)
            tree.names()
            tenths = (time.monotonic() - begin) * 10
            n = tree.agent.log().count("not found: ")
            t.ok(0 < n <= 200 + 16 * (tenths + 2), "looked for %d times in %d tenths of a second" % (n, tenths))


def more_than_are_remembered(t):
    """What goes from the kernel side's memory is told again, and no harm done; what is new is told as before."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        a, b = copy(d + "/a/libssl.so.3"), copy(d + "/b/libssl.so.3")
        with open(d + "/maps.py", "w") as f:
            f.write(MAPS)
        with Tree(d) as tree:
            tree.run(shown(a))
            tree.probed(a)
            tree.run("/usr/bin/python3 %s/maps.py %d" % (d, TOLD * 3 // 2))
            tree.run(shown(b))
            tree.probed(b)
            tree.run(asked(a, web.url("/"), "a"))
            tree.run(asked(b, web.url("/"), "b"))
            t.equal(tree.names(), ["GET /a", "GET /b"], "calls")
            t.equal((tree.agent.log().count("probed for TLS: %s\n" % a), tree.agent.log().count("probed for TLS: %s\n" % b)), (1, 1), "probed")
            t.equal(daemon.lost_of(tree.agent.everything()[1], "tls"), 0, "losses")


SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
PROMPT = 100000  # agent/config.h
EXPEDITED = "/sys/kernel/rcu_expedited"
MARK = "/run/hosttrail/rcu_expedited"


def first_users(t, n, pause, least):
    """Programs that are each the first user of a library of their own, as in a daemon's busy tree: most are recorded, of each of the others it is said."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        script = ("for i in $(seq %d); do mkdir %s/$i && cp %s %s/$i/ && sleep %s && LD_LIBRARY_PATH=%s/$i curl -sk --http1.1 -o /dev/null %s; done"
                  % (n, d, LIBRARY, d, pause, d, web.url("/first")))
        before = tlsmatrix.text(EXPEDITED) if os.path.exists(EXPEDITED) else None
        with tls_optout.Agent(["/bin/sh", "-c", script], selectors=None) as a:
            a.start()
            a.go()
            a.tree.wait(120)
            a.wait(lambda: len(seen(a)) >= n, 20, "not all connections are told of")
            a.stop()
            told = seen(a)
        calls = sum(r.name == "GET /first" for r in told)
        t.equal(len(web.log()), n, "requests")
        t.equal(len(told), n, "records: %r" % [r.name for r in told])
        t.ok(calls >= least, "of %d first users %d are recorded" % (n, calls))
        t.note("%d of %d" % (calls, n))
        t.equal(tlsmatrix.text(EXPEDITED) if before is not None else None, before, EXPEDITED)


def for_a_moment_only(t):
    """What makes attaching short is on for each file that is in use already, for the time of that, and not for what was there before."""
    if not os.path.exists(EXPEDITED) or tlsmatrix.text(EXPEDITED).strip() != "0":
        raise tap.Skip("%s is not 0" % EXPEDITED)
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        watched = ["strace", "-o", d + "/calls", "-e", "trace=openat,pwrite64,bpf"]
        command = [os.path.join(HERE, "../workloads/tls/first.sh"), "2", d, "curl", "-sk", web.url("/first")]
        r = subprocess.run(watched + [tap.program("hosttrail"), "trace", "-o", d + "/trail", "--"] + command, capture_output=True, text=True, check=False)
        calls = tlsmatrix.text(d + "/calls")
        t.equal((r.returncode, len(web.log())), (0, 2), "status, requests; " + r.stderr[-300:])
        fd = re.search(r'openat\(AT_FDCWD, "%s", .*= (\d+)' % EXPEDITED, calls)
        t.ok(fd, "it is not opened")
        told = re.findall(r'^(?:pwrite64\((\d+), "([01])", 1, 0\)|bpf\((?:BPF_LINK_CREATE|0x1c).*attach_type=(?:BPF_TRACE_UPROBE_\w+|0x3\w|\d+))', calls, re.M) if fd else []
        switched = "".join(value if number == fd.group(1) else "-" if not number else "" for number, value in told)
        t.ok(re.fullmatch("-+(?:-*1-+0){2}-*", switched), "on (1), attaching (-), off (0): " + switched)
        t.note(switched)
        t.equal(tlsmatrix.text(EXPEDITED).strip(), "0", EXPEDITED)


def expedited():
    return tlsmatrix.text(EXPEDITED).strip()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def traced(*before):
    """A trace that meets a new library which is in use already; its status."""
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        command = [os.path.join(HERE, "../workloads/tls/first.sh"), "1", d, "curl", "-sk", web.url("/first")]
        return subprocess.run([*before, tap.program("hosttrail"), "trace", "-o", d + "/trail", "--", *command], capture_output=True, check=False).returncode


def put_back_by_the_next(t):
    """Who is killed as it is 1 cannot put it back: the next one does, and leaves a 1 alone that is somebody else's."""
    if not os.path.exists(EXPEDITED) or expedited() != "0":
        raise tap.Skip("%s is not 0" % EXPEDITED)
    kill = ["strace", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", "inject=pwrite64:signal=KILL:when=3"]
    boot = tlsmatrix.text("/proc/sys/kernel/random/boot_id").strip()
    try:
        for put_back in ("trace", "daemon", "daemon that sets nothing"):
            traced(*kill)  # the mark, 1, and then 0, which is not written any more
            t.equal((expedited(), tlsmatrix.text(MARK)), ("1", boot), "killed in that moment: switch, mark")
            if put_back == "trace":
                t.equal(traced(), 0, "status")
            else:
                with tap.Workdir() as d, Tree(d, tls_expedite=put_back == "daemon"):
                    pass
            t.equal((expedited(), tlsmatrix.text(MARK)), ("0", ""), "put back by a %s: switch, mark" % put_back)
        for whose, left in (("an administrator's", ""), ("of this boot, and who was killed of an earlier one", boot[::-1])):
            write(EXPEDITED, "1")
            write(MARK, left)
            t.equal((traced(), expedited(), tlsmatrix.text(MARK)), (0, "1", ""), "status, switch, mark; 1 is " + whose)
    finally:
        write(EXPEDITED, "0")


def seen(agent):
    return [r for r in agent.everything()[1] if r.ring_class == 3]


def in_time(t):
    """How many depends on what else the machine does: nearly all, where that is little."""
    first_users(t, size("tlsmapped.users"), "0.05", size("tlsmapped.users") // 2)


def in_time_after_a_pause(t):
    first_users(t, 4, "4", 1)


def a_new_planner_waits(t):
    """Who has worked ends with the memory that it took; the next one is there before there is something to plan, and is the one that plans it."""
    with tap.Workdir() as d:
        a, b = copy(d + "/a/libssl.so.3"), copy(d + "/b/libssl.so.3")
        with Tree(d) as tree:
            tree.run(shown(a))
            tree.probed(a)
            worked = tree.agent.planner()
            tree.agent.wait(lambda: tree.agent.planner() not in (None, worked), 30, "no new planner")
            waits = tree.agent.planner()
            time.sleep(4)
            t.equal(tree.agent.planner(), waits, "it still waits")
            tree.run(shown(b))
            tree.probed(b)
            t.equal(tree.agent.planner(), waits, "who planned")


def slice_of(pid):
    """Its time slice, in nanoseconds, as sched_getattr() has it."""
    attr = ctypes.create_string_buffer(48)
    if ctypes.CDLL(None, use_errno=True).syscall(SCHED_GETATTR, pid, attr, 48, 0) < 0:
        raise OSError(ctypes.get_errno(), "sched_getattr")
    return struct.unpack_from("=Q", attr, 24)[0]


def sooner_than_others(t):
    """Who comes between a library's first user and its probes asks for a short slice; who is recorded does not get one."""
    if not slice_of(0):
        raise tap.Skip("this kernel has no slices of tasks (before 6.12)")
    with tap.Workdir() as d, Tree(d) as tree:
        agent = tree.agent
        tree.run(":")
        t.equal([slice_of(pid) for pid in (agent.proc.pid, agent.planner(), agent.worker())], [PROMPT] * 3, "parent, planner, worker")
        t.equal(slice_of(agent.tree.pid), slice_of(0), "who is recorded")


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx") or not os.path.exists(LIBRARY):
        print("1..0 # SKIP needs root, nginx and libssl")
        sys.exit(0)
    tap.main([short_lived, in_a_mount_namespace, in_a_root, of_who_opted_out, of_32_bit_programs, by_other_names, who_keeps_us_busy, more_than_are_remembered, in_time, in_time_after_a_pause, a_new_planner_waits, sooner_than_others, for_a_moment_only, put_back_by_the_next])
