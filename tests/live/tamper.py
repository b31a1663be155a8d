#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Attempts to blind the trail, made by root in the recorded tree, are records that name what of ours they were aimed at; and
what was changed behind the agent's back is noticed. Each attack is carried out by the tree's command, on instances of the test's own."""
import ctypes
import json
import os
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers")]
import daemon  # noqa: E402
import tap  # noqa: E402

# runs what it is sent, line by line: the test decides when it knows the numbers
REMOTE = ["/usr/bin/python3", "-S", "-u", "-c", "import sys\nfor line in sys.stdin: exec(line)"]
LIBC = "import ctypes, os, signal, struct; L = ctypes.CDLL(None, use_errno=True)"


class Attack(daemon.Agent):
    """A started agent whose tree runs lines of Python."""

    def __enter__(self):
        self.start()
        self.go()
        self.run(LIBC)
        return self

    def run(self, line):
        self.tree.stdin.write(line.encode() + b"\n")
        self.tree.stdin.flush()
        time.sleep(0.3)

    def records(self, name):
        return [r for r in self.everything()[1] if r.name == name]

    def tampers(self, name):
        return [(r.fields["tamper.kind"], r.fields["tamper.target"]) for r in self.records(name) if "tamper.kind" in r.fields]

    def finish(self):
        self.tree.stdin.close()
        self.tree.wait(30)
        time.sleep(0.3)

    def said(self, kind):
        return [(r.fields["target"], r.fields["what"]) for r in self.records("TrailTampered") if r.fields["kind"] == kind]


def signals(t):
    with Attack(REMOTE) as a:
        worker = a.worker()
        a.run("os.kill(%d, 0)" % worker)
        a.run("os.kill(%d, signal.SIGSTOP)" % worker)
        a.run("os.kill(%d, signal.SIGCONT)" % worker)
        a.run("L.syscall(234, %d, %d, 18)" % (a.proc.pid, a.proc.pid))
        a.run("f = os.pidfd_open(%d); signal.pidfd_send_signal(f, signal.SIGCONT); os.kill(os.getpid(), signal.SIGCONT)" % worker)
        a.run("f = os.open('/proc/%d', os.O_RDONLY); L.syscall(424, f, 18, None, 0)" % worker)
        a.run("f = os.pidfd_open(%d); L.syscall(424, f, 18, None, 4)" % os.getpgid(a.proc.pid))
        a.run("os.kill(-%d, signal.SIGCONT)" % worker)
        a.run("os.kill(%d, signal.SIGKILL)" % worker)
        a.wait(lambda: a.worker() not in (None, worker), 10, "no worker comes back")
        a.finish()
        a.stop()
        t.equal([(k, x.replace("former ", "")) for k, x in a.tampers("kill")], [("signal", "worker %d" % worker)] * 4,
                "SIGSTOP, SIGCONT, SIGCONT to its group, SIGKILL; not signal 0, not its own")
        t.equal(a.tampers("tgkill"), [("signal", "parent %d" % a.proc.pid)], "tgkill")
        t.equal(a.tampers("pidfd_send_signal"), [("signal", "worker %d" % worker)] * 2 + [("signal", "the agent's process group")],
                "pidfd_send_signal: by a pidfd, by its folder of /proc, to its group")
        t.equal(len(a.records("kill")), 6, "every kill is a record")


def tracing(t):
    with Attack(REMOTE) as a:
        a.run("L.ptrace(0x4206, %d, 0, 0); L.ptrace(17, %d, 0, 0)" % (a.worker(), a.worker()))
        a.run("L.process_vm_writev(%d, None, 0, None, 0, 0)" % a.proc.pid)
        a.run("L.ptrace(0, 0, 0, 0)")
        a.run("f = os.pidfd_open(%d); L.syscall(438, f, 0, 0); L.syscall(440, f, None, 0, 0, 0)" % a.worker())
        a.run("f = os.pidfd_open(os.getpid()); L.syscall(438, f, 0, 0); L.syscall(440, f, None, 0, 0, 0)")
        a.run("os.close(os.open('/proc/%d/mem', os.O_RDWR)); os.close(os.open('/proc/%d/stat', os.O_RDONLY))" % (a.worker(), a.worker()))
        worker = a.worker()
        a.finish()
        a.stop()
        t.equal([x for x in a.tampers("openat") + a.tampers("open") if x[0] == "trace"], [("trace", "worker %d" % worker)], "its memory; not what is only read")
        t.equal(a.tampers("ptrace"), [("trace", "worker %d" % worker)] * 2, "PTRACE_SEIZE and PTRACE_DETACH; not its TRACEME")
        t.equal(a.tampers("process_vm_writev"), [("trace", "parent %d" % a.proc.pid)], "process_vm_writev")
        t.equal(a.tampers("pidfd_getfd") + a.tampers("process_madvise"), [("trace", "worker %d" % worker)] * 2, "by pidfd; not its own process")


def bpf_ids(instance):
    out = subprocess.run(["bpftool", "-j", "map", "show", "pinned", "%s/%s/shared" % (daemon.PINS, instance)], capture_output=True,
                         text=True, check=False).stdout
    link = subprocess.run(["bpftool", "-j", "link", "show", "pinned", "%s/%s/ht_sys_exit" % (daemon.PINS, instance)],
                          capture_output=True, text=True, check=False).stdout
    return json.loads(out)["id"], json.loads(link)["id"]


def bpf_objects(t):
    with Attack(REMOTE) as a:
        map_id, link_id = bpf_ids(a.name)
        a.run("B = lambda c, *v: L.syscall(321, c, ctypes.c_char_p(struct.pack('<4I', *v) + bytes(112)), 128)")
        a.run("m = B(14, %d, 0, 0, 0); l = B(30, %d, 0, 0, 0)" % (map_id, link_id))
        a.run("B(3, m, 0, 0, 0); B(34, l, 0, 0, 0)")
        a.run("B(14, 0x7fffffff, 0, 0, 0)")
        a.finish()
        t.ok(a.status()["records"] > 0, "it still answers")
        a.stop()
        got = a.tampers("bpf")
        t.equal([k for k, _ in got], ["bpf"] * 4, "by id and by descriptor: %r" % got)
        t.equal([x.split()[:2] for _, x in got], [["map", str(map_id)], ["link", str(link_id)]] * 2, "which")
        t.equal(len(a.records("bpf")), 5, "every bpf call is a record")


def told(*argv):
    """What bpftool says; nothing where it is another kind of object."""
    r = subprocess.run(["bpftool", "-j", *argv], capture_output=True, text=True, check=False)
    return json.loads(r.stdout) if r.returncode == 0 else {}


def maps_of_programs(instance):
    """Numbers of the maps that any of the instance's programs uses, as the kernel tells them."""
    found = set()
    for name in os.listdir("%s/%s" % (daemon.PINS, instance)):
        at = "%s/%s/%s" % (daemon.PINS, instance, name)
        program = told("prog", "show", "pinned", at) or told("prog", "show", "id", str(told("link", "show", "pinned", at).get("prog_id", 0)))
        found.update(program.get("map_ids", []))
    return sorted(found)


def every_map(t):
    """Those of io_uring and of TLS, too, which not every program uses."""
    with Attack(REMOTE) as a:
        maps = maps_of_programs(a.name)
        t.ok(len(maps) > 25, "maps: %r" % maps)
        a.run("B = lambda c, *v: L.syscall(321, c, ctypes.c_char_p(struct.pack('<4I', *v) + bytes(112)), 128)")
        a.run("[os.close(B(14, i, 0, 0, 0)) for i in %r]" % maps)
        a.finish()
        a.stop()
        t.equal(sorted(int(x.split()[1]) for _, x in a.tampers("bpf")), maps, "opened by number")


SOCKETS = "import array, socket; x, y = socket.socketpair()"
SEND = "x.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [m]))])"
RECEIVE = "n = array.array('i', y.recvmsg(1, 64)[1][0][2])[0]"


def bpf_descriptors(t):
    """Whatever way a descriptor came: opened by the pin, copied, inherited, received. What looks only is not marked, nor is what is its own."""
    with Attack(REMOTE) as a:
        map_id, link_id = bpf_ids(a.name)
        at = "%s/%s" % (daemon.PINS, a.name)
        a.run("P = lambda c, b: L.syscall(321, c, ctypes.c_char_p(b + bytes(128 - len(b))), 128)")
        a.run("S = lambda c, *v: P(c, struct.pack('<%dI' % len(v), *v))")
        a.run("pin = lambda p: P(7, struct.pack('<Q', ctypes.addressof(p))); k = ctypes.create_string_buffer")
        a.run("p, q = k(%r), k(%r); m = pin(p); l = pin(q)" % ((at + "/shared").encode(), (at + "/ht_sys_exit").encode()))
        a.run("S(3, os.dup(m)); S(34, l); S(29, l, 7, 0, 0); S(27, *[0] * 9, m)")   # delete, detach, update, delete a batch
        a.run("c = os.fork(); c or (S(3, m), os._exit(0)); os.waitpid(c, 0)")
        a.run(SOCKETS + "; " + SEND + "; " + RECEIVE + "; S(22, n)")            # freeze
        marked = 8
        a.run("S(1, m); S(15, m); S(11, 0)")                                    # lookup, info, the next program's number
        a.run("o = S(0, 2, 4, 8, 1); S(3, o); S(22, o); S(3, 0x7ffffff0); os.close(m); S(3, m)")
        a.finish()
        a.stop()
        got = a.tampers("bpf")
        t.equal([k for k, _ in got], ["bpf"] * marked, "which were marked: %r" % got)
        want = [("map", map_id), ("link", link_id), ("map", map_id), ("link", link_id), ("link", link_id), ("map", map_id), ("map", map_id), ("map", map_id)]
        t.equal([tuple(x.split()[:2]) for _, x in got], [(k, str(n)) for k, n in want], "which of ours")
        t.equal(len(a.records("bpf")), marked + 8, "every bpf call is a record")


def empty_map(pin, size):
    """Zeroes the only element of a pinned array, with bpf(2) itself: no tool takes so long a value."""
    libc = ctypes.CDLL(None, use_errno=True)
    path, key, value = (ctypes.create_string_buffer(x) for x in (pin.encode(), bytes(4), bytes(size)))
    attr = ctypes.create_string_buffer(struct.pack("QII", ctypes.addressof(path), 0, 0), 128)
    fd = libc.syscall(321, 7, attr, 128)
    attr = ctypes.create_string_buffer(struct.pack("IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0), 128)
    if fd < 0 or libc.syscall(321, 2, attr, 128):
        raise tap.Failed("bpf(2): " + os.strerror(ctypes.get_errno()))
    os.close(fd)


def captured(t):
    """The table of captured calls, emptied by its number: it is put back, said, and calls are recorded again."""
    with tap.Workdir() as d, Attack(REMOTE) as a:
        out = subprocess.run(["bpftool", "-j", "map", "show", "pinned", "%s/%s/captured" % (daemon.PINS, a.name)], capture_output=True,
                             text=True, check=True).stdout
        size = json.loads(out)["bytes_value"]
        empty_map("%s/%s/captured" % (daemon.PINS, a.name), size)
        a.run("open('%s/blind', 'w')" % d)
        a.wait(lambda: a.said("map"), 10, "nothing is said")
        a.run("open('%s/seen', 'w')" % d)
        a.finish()
        a.stop()
        t.equal(a.said("map"), [("captured", "written to by somebody else")], "TrailTampered")
        t.equal([r.fields.get("path") for r in a.records("openat") if d in str(r.fields.get("path"))], [d + "/seen"], "opens")


def bpf(command, *words):
    """words: numbers and buffers, as the command has them."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(b"".join(struct.pack("Q", w if isinstance(w, int) else ctypes.addressof(w)) for w in words), 128)
    return libc.syscall(321, command, attr, 128)


def rules(t):
    """What the kernel is told to drop, made to drop what is wanted: entries removed, changed and added are put back, said, and count again."""
    with tap.Workdir() as d:
        with open(d + "/selectors.json", "w") as f:
            json.dump([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "process.euid", "NotEquals": ["1"]},
                                           {"Field": "path", "StartsWith": [d + "/wanted"]}]}], f)
        with Attack(REMOTE, selectors=d + "/selectors.json") as a:
            for pin, key_size, zeros in (("rule_ids", 16, bytes(8)), ("rule_paths", 132, bytes(16))):
                path, key, value = (ctypes.create_string_buffer(x, len(x) + 1)
                                    for x in (("%s/%s/%s" % (daemon.PINS, a.name, pin)).encode(), bytes(key_size), zeros))
                fd = bpf(7, path)
                t.ok(fd >= 0 and not bpf(4, fd, 0, key), "%s has an entry" % pin)
                bpf(3, fd, key)         # removed
                bpf(2, fd, ctypes.create_string_buffer(bytes(16) if key_size == 16 else struct.pack("I", 8) + b"b" + bytes(127)), value)  # added: uid 0, every path
                os.close(fd)
                a.wait(lambda: [x for x, _ in a.said("map") if x == pin], 10, "nothing is said of %s" % pin)  # noqa: B023
                a.run("open('%s/wanted-%s', 'w')" % (d, pin))
            a.run("open('%s/key/host_id', 'a'); open('%s/key/host_id')" % (a.dir, a.dir))
            a.finish()
            a.stop()
            t.equal(a.said("map"), [(x, "written to by somebody else") for x in ("rule_ids", "rule_paths")], "TrailTampered")
            t.equal([r.fields.get("path") for r in a.records("openat")],
                    [d + "/wanted-rule_ids", d + "/wanted-rule_paths", a.dir + "/key/host_id"], "opens, one of them aimed at us")
            t.equal(a.tampers("openat"), [("file", a.dir + "/key")], "the open for writing of what is ours, which no selector wants")


def files(t):
    with Attack(REMOTE) as a:
        spool, key = a.dir + "/spool", a.dir + "/key"
        a.run("open(%r).close(); os.chmod(%r, 0o640); os.rename(%r, %r); os.rename(%r, %r)" % (
            key + "/host_id", key + "/host_id", key, key + "2", key + "2", key))
        a.run("f = open(%r, 'a'); f.write('x'); f.close()" % (key + "/host_id"))
        a.run("os.mkdir(%r); os.rmdir(%r)" % (spool + "/x", spool + "/x"))
        a.run("os.unlink(%r)" % ("%s/%s/tasks" % (daemon.PINS, a.name)))
        a.run("open('/tmp/ht-not-ours-%d', 'w').close(); os.unlink('/tmp/ht-not-ours-%d')" % (os.getpid(), os.getpid()))
        pin = "%s/%s/tasks" % (daemon.PINS, a.name)
        a.wait(lambda: os.path.exists(pin), 10, "the pin is not put back")
        time.sleep(2.5)
        a.finish()
        a.stop()
        t.equal(a.tampers("chmod"), [("file", key)], "chmod")
        t.equal([k for k, _ in a.tampers("rename")], ["file", "file"], "rename of a whole directory, and back")
        t.equal([x for _, x in a.tampers("openat")], [key], "the open for writing, not the one for reading")
        t.equal([x for _, x in a.tampers("mkdir") + a.tampers("rmdir")], [spool] * 2, "mkdir and rmdir")
        t.equal(a.tampers("unlink"), [("file", os.path.dirname(pin))], "unlink of a pin; not of somebody else's file")
        t.equal(a.said("pin"), [("tasks", "removed")], "the pin's loss")
        t.ok(all(r.fields["restored"] for r in a.records("TrailTampered") if r.fields["kind"] == "pin"), "put back")
        t.ok(any(x == key + "/host_id" for x, _ in a.said("file")), "the host id's change: %r" % a.said("file"))


def spool(t):
    """Edited, grown, cut, removed."""
    with Attack(REMOTE) as a:
        a.run("os.mkdir('/tmp/ht-spool-%d'); os.rmdir('/tmp/ht-spool-%d')" % (os.getpid(), os.getpid()))
        time.sleep(2.5)
        found = [os.path.join(d, n) for d, _, names in os.walk(a.dir + "/spool") for n in names if n.endswith(".seg")]
        victim = [p for p in found if "/data/" in p][0]
        a.run("f = open(%r, 'r+b'); f.seek(40); f.write(b'x'); f.close()" % victim)
        a.wait(lambda: a.status()["tampered"] >= 1, 10, "the edited segment is not noticed")
        a.run("f = open(%r, 'ab'); f.write(b'xxxx'); f.close()" % victim)
        a.wait(lambda: a.status()["tampered"] >= 2, 10, "the longer segment is not noticed")
        time.sleep(4)
        t.equal(a.status()["tampered"], 2, "said once each")
        a.proc.kill()
        a.proc.wait()
        control = [p for p in found if "/control/" in p][0]
        got = [(r.fields["target"], r.fields["what"]) for f in daemon.spooldir.frames_of(open(control, "rb").read()) if f.kind == 0
               for r in daemon.spooldir.records(f) if r.name == "TrailTampered"]
        t.equal(got, [(victim, "touched"), (victim, "written to")], "the records")


def mounts_inside(work):
    """In a mount namespace of its own, with a bpffs of its own: the agent and its attacker."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, ctypes.c_ulong(0x44000), None):
        return 77
    if libc.mount(b"bpf", b"/sys/fs/bpf", b"bpf", ctypes.c_ulong(0), None):
        return 77
    with Attack(REMOTE) as a:
        pin = "%s/%s/tasks" % (daemon.PINS, a.name)
        had = sorted(os.listdir(os.path.dirname(pin)))
        a.run("L.mount(b'none', b'/', None, ctypes.c_ulong(0x44000), None)")
        a.run("L.mount(b'ht', b'/sys/kernel/tracing', b'tmpfs', ctypes.c_ulong(0), None)")
        a.run("L.umount2(b'/sys/fs/bpf', 2)")
        a.wait(lambda: os.path.exists(pin), 10, "the pins are not put back")
        time.sleep(1)
        has = sorted(os.listdir(os.path.dirname(pin)))
        a.finish()
        a.stop()
        out = {"had": had, "has": has, "mount": a.tampers("mount"), "umount2": a.tampers("umount2"), "pins": a.said("pin"),
               "left": os.path.exists(os.path.dirname(pin))}
    with open(work + "/out", "w") as f:
        json.dump(out, f)
    return 0


def mounts(t):
    with tap.Workdir() as d:
        pid = os.fork()
        if not pid:
            try:
                os._exit(mounts_inside(d))
            except BaseException as e:
                print("# %r" % e, file=sys.stderr)
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 77:
            raise tap.Skip("no mount namespace or bpffs of one's own")
        t.must(status == 0, "the attacked agent")
        with open(d + "/out") as f:
            got = json.load(f)
    t.equal(got["mount"], [["mount", "/sys/kernel/tracing"]], "a mount over tracefs; not one that only says how mounts spread")
    t.equal(got["umount2"], [["mount", "/sys/fs/bpf"]], "the umount of the bpffs")
    t.ok(len(got["pins"]) > 10 and all(x[1] == "removed" for x in got["pins"]), "every pin was lost: %r" % got["pins"])
    t.equal(got["has"], got["had"], "pins that are there again")
    t.ok(not got["left"], "a clean stop removes the new pins")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([signals, tracing, bpf_objects, every_map, bpf_descriptors, captured, rules, files, spool, mounts])
