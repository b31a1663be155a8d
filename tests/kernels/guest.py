# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels in a qemu guest: fetch one, build a small initramfs, run commands in it, bring the results back.

Nothing of the host is shared with the guest: it gets copies of the files that a test names (with the
shared libraries that these need) in its initramfs, and gives back an archive of /out over its second serial port. Every job is
a line of shell; its output, errors and exit status come back as /out/NAME.{out,err,rc}.

Downloads are kept in build/kernels and used again. By hand:
    /usr/bin/python3 tests/kernels/guest.py 6.1 'uname -a' 'bpftool version'
"""
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(TOP, "build", "kernels")



class Machine:
    """An architecture. results: options for the second serial port, which writes a file; root: where its programs' libraries lie; apt: options by which apt knows its packages
    (tools/arm64.sh makes both)."""

    def __init__(self, qemu, console, results, root="", apt=()):
        self.qemu, self.console, self.results, self.root, self.apt = qemu, console, results, root, list(apt)


ARM64_ROOT = os.path.join(TOP, "build/arm64/root")
X86 = Machine(["qemu-system-x86_64", "-cpu", "max", "-smp", "2"], "ttyS0", ["-serial", "file:%s"])
# pauth-impdef: else half of the time is the emulation of pointer authentication
ARM64 = Machine(["qemu-system-aarch64", "-M", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2"], "ttyAMA0",
                ["-chardev", "file,path=%s,id=results", "-device", "pci-serial,chardev=results"], ARM64_ROOT,
                ("-c", os.path.join(TOP, "build/arm64/apt.conf")))
# The generic flavour: the cloud flavour of the same source has no x32.
# name -> (machine, metapackage, words for the kernel's command line)
KERNELS = {
    "6.1": (X86, "linux-image-amd64", "syscall.x32=y"),
    "6.12": (X86, "linux-image-6.12-amd64", "syscall.x32=y preempt=full"),
    "6.12-rt": (X86, "linux-image-6.12-rt-amd64", "syscall.x32=y"),
    "6.1-arm64": (ARM64, "linux-image-arm64", ""),
    "6.12-arm64": (ARM64, "linux-image-6.12-arm64", ""),
}
MEMORY_MIB = {"6.12-rt": 2048}  # what takes it longest records most, and all of that lies in memory
# Without mitigations: an emulator needs none, and its indirect calls are then predicted (an eighth of the time).
COMMAND_LINE = "quiet panic=-1 mitigations=off lsm=landlock,lockdown,yama,integrity,apparmor,bpf"
ARCHIVE_MAX = 256 << 20
PLAIN_MAX = 300 << 20
UP = "guest: up"  # init says so before it runs anything of ours
DIED = re.compile(r"Kernel panic|\bOops\b|BUG: |watchdog: ")
# A CPU met the breakpoint by which another patches an instruction, when that was over: only an emulator shows one that late.
PATCHED = re.compile(r"\bint3: 0000|Oops: int3")
BOOTS = 3


class GuestError(Exception):
    pass


def run(argv, **kw):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kw)
    if r.returncode:
        raise GuestError("%s: %s" % (" ".join(argv), r.stdout.strip()[-400:]))
    return r.stdout


def resolve(machine, metapackage):
    """Name of the package that the metapackage stands for today."""
    out = run(["apt-cache"] + machine.apt + ["depends", "--important", metapackage])
    m = re.search(r"Depends: (linux-image-[0-9]\S+)", out)
    if not m:
        raise GuestError("apt-cache knows no kernel behind %s (apt-get update?)" % metapackage)
    return m.group(1)


def kernel_image(name):
    """Path of the kernel's vmlinuz, downloaded and unpacked if it is not there yet."""
    os.makedirs(CACHE, exist_ok=True)
    here = os.path.join(CACHE, name)
    found = sorted(os.listdir(os.path.join(here, "boot"))) if os.path.isdir(os.path.join(here, "boot")) else []
    images = [f for f in found if f.startswith("vmlinuz-")]
    if not images:
        machine, metapackage, _ = KERNELS[name]
        package = resolve(machine, metapackage)
        with tempfile.TemporaryDirectory(dir=CACHE) as tmp:
            run(["apt-get"] + machine.apt + ["download", "-q", package], cwd=tmp)
            deb = [f for f in os.listdir(tmp) if f.endswith(".deb")]
            if len(deb) != 1:
                raise GuestError("apt-get download %s gave %d files" % (package, len(deb)))
            unpack_boot(os.path.join(tmp, deb[0]), os.path.join(tmp, "image"))
            shutil.rmtree(here, ignore_errors=True)
            os.rename(os.path.join(tmp, "image"), here)
        images = [f for f in os.listdir(os.path.join(here, "boot")) if f.startswith("vmlinuz-")]
    return os.path.join(here, "boot", images[0])


def unpack_boot(deb, into):
    """Only /boot of a package: the modules are ten times as large and the guest loads none."""
    os.makedirs(into)
    data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=data.stdout, mode="r|") as tar:
        for member in tar:
            if member.isfile() and member.name.startswith("./boot/"):
                tar.extract(member, into)
    data.stdout.close()
    if data.wait():
        raise GuestError("dpkg-deb cannot read " + deb)


def libraries(path, root=""):
    """Shared libraries (and the loader) that a program needs; none for a static one. root: of a machine whose programs do not run here."""
    if root:
        return sorted(foreign_libraries(path, root))
    r = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", r.stdout) if r.returncode == 0 else []


def foreign_libraries(path, root):
    said, found, todo = {}, set(), [path]
    while todo:
        at = todo.pop()
        if at not in said:
            said[at] = run(["readelf", "-ld", at])
            names = re.findall(r"\(NEEDED\).*\[(.*)\]|interpreter: (.*)\]", said[at])
            for place in [n or i for n, i in names]:
                lib = place if place.startswith("/") else next((p for p in LIBRARY_FOLDERS if os.path.exists(root + p + place)), "/missing/") + place
                found.add(lib)
                todo.append(root + lib)
    return found


LIBRARY_FOLDERS = ("/lib/aarch64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/")


class Initramfs:
    """A tree that becomes the guest's root."""

    def __init__(self, machine):
        self.foreign = machine.root
        self.root = tempfile.mkdtemp(prefix="hosttrail-guest-")
        for d in ("bin", "sbin", "proc", "sys", "dev", "tmp", "run", "etc", "root", "out", "var/tmp", "usr/bin"):
            os.makedirs(os.path.join(self.root, d))
        self.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\n")
        self.text("/etc/group", "root:x:0:\nalice:x:1000:\n")
        self.text("/etc/nsswitch.conf", "passwd: files\ngroup: files\n")
        self.program(self.foreign + "/bin/busybox", "/bin/busybox")
        os.symlink("busybox", os.path.join(self.root, "bin/sh"))

    def at(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def text(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "w") as f:
            f.write(text)
        os.chmod(self.at(path), mode)

    def file(self, source, path):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        shutil.copy(source, self.at(path))

    def program(self, source, path):
        self.file(source, path)
        for lib in libraries(source, self.foreign):
            if not os.path.exists(self.at(lib)):
                self.file(os.path.realpath(self.foreign + lib), lib)

    def linker_cache(self):
        """Of the libraries that programs brought."""
        self.text("/etc/ld.so.conf", "/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n")
        run(["/sbin/ldconfig", "-r", self.root])

    def pack(self, path):
        listing = run(["find", "."], cwd=self.root)
        packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=listing.encode(), cwd=self.root,
                                stdout=subprocess.PIPE, check=True)
        # what is not compressed need not be unpacked by an emulated CPU, but lies in its memory twice
        with open(path, "wb") if len(packed.stdout) < PLAIN_MAX else gzip.open(path, "wb", compresslevel=1) as f:
            f.write(packed.stdout)

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Result:
    """What a job left: text of its output and errors, exit status (None: it did not end)."""

    def __init__(self, out, err, rc):
        self.out, self.err, self.rc = out, err, rc


class Outcome:
    def __init__(self, files, console, seconds):
        self.files, self.console, self.seconds = files, console, seconds

    def text(self, name):
        return self.files.get(name, b"").decode(errors="replace")

    def job(self, name):
        rc = self.text(name + ".rc").strip()
        return Result(self.text(name + ".out"), self.text(name + ".err"), int(rc) if rc else None)


def script_of(jobs):
    """The guest's script: each job in a subshell under a time limit of its own."""
    lines = ["cd /tmp"]
    for name, command, limit in jobs:
        lines.append("cat >/run/%s.sh <<'END_OF_JOB'\n%s\nEND_OF_JOB" % (name, command))
        lines.append('echo "guest: %s at $(cut -d " " -f 1 /proc/uptime) s" >/dev/console' % name)
        lines.append("timeout -s KILL %d sh /run/%s.sh </dev/null >/out/%s.out 2>/out/%s.err; echo $? >/out/%s.rc"
                     % (limit, name, name, name, name))
    lines.append('echo "guest: results at $(cut -d " " -f 1 /proc/uptime) s" >/dev/console')
    return "\n".join(lines) + "\n"


def boot(kernel, jobs, programs=(), files=(), timeout=240, extra="", cache=False):
    """Boots `kernel`, runs jobs [(name, shell, seconds)], returns an Outcome. GuestError if the guest did not end by itself.

    programs and files are (source on the host, path in the guest); programs bring their shared libraries.
    """
    image, machine = kernel_image(kernel), KERNELS[kernel][0]
    initramfs, begin = Initramfs(machine), time.monotonic()
    work = tempfile.mkdtemp(prefix="hosttrail-qemu-")
    try:
        for source, path in programs:
            initramfs.program(source, path)
        for source, path in files:
            initramfs.file(source, path)
        initramfs.file(os.path.join(TOP, "tests/kernels/init"), "/init")
        os.chmod(initramfs.at("/init"), 0o755)
        config = image.replace("vmlinuz-", "config-")
        initramfs.file(config, "/boot/" + os.path.basename(config))  # as on any Debian: it tells whether this kernel preempts
        initramfs.text("/jobs.sh", script_of(jobs))
        if cache:
            initramfs.linker_cache()
        initramfs.pack(os.path.join(work, "initrd"))
        console = started(image, work, " ".join(("console=" + machine.console, COMMAND_LINE, KERNELS[kernel][2], extra)), timeout, kernel)
        return Outcome(read_archive(os.path.join(work, "results"), console, kernel), console, time.monotonic() - begin)
    finally:
        initramfs.remove()
        shutil.rmtree(work, ignore_errors=True)


def started(image, work, append, timeout, kernel):
    """Runs the machine. It is started again where it ended before init runs, which on a busy host can be for a timer's interrupt that came late, and
    where it died of an instruction that was being patched: up to 8.0 qemu translates a page while another of its threads writes there, and keeps
    the old instruction. (With one thread for all CPUs it cannot, but then no two of them run at once, which is what the races among
    the tests need.)"""
    for _ in range(BOOTS):
        console = qemu(image, work, append, timeout, kernel)
        if UP in console and not PATCHED.search(console):
            break
    return console


def qemu(image, work, append, timeout, kernel):
    """Runs the machine; its console's text. The results lie in work/results. What a machine that died said is kept."""
    console = os.path.join(work, "console")
    on = KERNELS[kernel][0]
    argv = on.qemu + ["-accel", "tcg,thread=multi", "-m", str(MEMORY_MIB.get(kernel, 1024)), "-no-reboot", "-display", "none", "-monitor", "none", "-nic", "none",
                      "-serial", "file:" + console, *[w.replace("%s", os.path.join(work, "results")) for w in on.results],
                      "-kernel", image, "-initrd", os.path.join(work, "initrd"), "-append", append]
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, err = machine.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        machine.kill()
        machine.communicate()
        raise GuestError("the guest did not end within %d s; its console said:\n%s" % (timeout, last_words(kernel, text_of(console))))
    if machine.returncode:
        raise GuestError("qemu: exit status %d: %s" % (machine.returncode, err.strip()))
    text = text_of(console)
    last_words(kernel, text)
    return text


def text_of(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def last_words(kernel, console):
    """The end, or from where the kernel died on; then all of it stays in build/kernels/died-KERNEL-TIME."""
    died = DIED.search(console)
    if not died and UP in console:
        return console[-3000:]
    path = os.path.join(CACHE, "died-%s-%s" % (kernel, time.strftime("%Y%m%dT%H%M%S")))
    with open(path, "w") as f:
        f.write(console)
    return "(whole: %s)\n%s" % (os.path.relpath(path, TOP), console[max(0, died.start() - 200):][:3000] if died else console[-3000:])


def read_archive(path, console, kernel):
    with open(path, "rb") as f:
        packed = f.read(ARCHIVE_MAX)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
            return {m.name.lstrip("./"): tar.extractfile(m).read() for m in tar if m.isfile()}
    except (tarfile.TarError, EOFError, OSError) as e:
        raise GuestError("the guest's results are not readable (%s); its console said:\n%s" % (e, last_words(kernel, console)))


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in KERNELS:
        sys.exit("usage: guest.py %s COMMAND..." % "|".join(KERNELS))
    build = os.environ.get("HT_BUILD", os.path.join(TOP, "build"))
    programs = [(p, "/bin/" + os.path.basename(p)) for p in ours(build) + ([] if KERNELS[sys.argv[1]][0].root else ["/usr/sbin/bpftool"]) if os.path.exists(p)]
    jobs = [("job%d" % i, c, 120) for i, c in enumerate(sys.argv[2:])]
    done = boot(sys.argv[1], jobs, programs)
    for name, command, _ in jobs:
        r = done.job(name)
        print("$ %s\n%s%s(exit status %s)" % (command, r.out, r.err, r.rc))


def ours(build):
    """Our programs and every workload that is built."""
    found = [os.path.join(build, "bin", b) for b in ("hosttrail", "hosttraild")]
    where = os.path.join(build, "tests/workloads")
    for name in sorted(os.listdir(where)) if os.path.isdir(where) else ():
        path = os.path.join(where, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            found.append(path)
    return [p for p in found if os.path.exists(p)]


if __name__ == "__main__":
    main()
