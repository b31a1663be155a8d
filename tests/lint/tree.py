#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the source tree: the folder table, and what can be checked of our style. Prints TAP.

    tests/lint/tree.py [TREE]

The table says for each folder which folders' headers and which libraries its files may include. A header that is
neither ours, nor of a listed library, nor known to be libc's or the kernel's is an error too, so that a new library
gets its row here first.
"""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FUNCTION_WANTED, FUNCTION_MAX = 60, 80

# folder -> (headers of these folders or files, libraries). Folders that are not here hold no C.
FOLDERS = {
    "bpf": (("bpf/",), ("bpf-side", "kernel types")),
    "lib": (("lib/",), ("libc", "yaml", "uthash")),
    "proto": (("proto/", "lib/"), ("libc", "uthash", "protobuf-c", "json-c", "zstd", "libcrypto", "libsodium")),
    "agent": (("agent/", "proto/", "lib/", "bpf/event.h"),
              ("libc", "uthash", "libbpf", "libelf", "json-c", "expat", "libseccomp", "libaudit", "zydis",
               "zlib")),  # zlib: /proc/config.gz
    "forwarder": (("forwarder/", "proto/", "lib/"), ("libc", "uthash", "nghttp2", "libcrypto", "libssl")),
    "store": (("store/", "proto/", "lib/"),
              ("libc", "uthash", "nghttp2", "libcrypto", "libssl", "libmicrohttpd", "sqlite", "duckdb", "libcurl",
               "json-c", "zlib", "zstd", "libseccomp")),  # json-c: requests of the CloudTrail API are JSON; zlib: log files are gzip; zstd: segments; libseccomp: queries
    "tools": (("tools/", "agent/", "proto/", "lib/"),
              ("libc", "uthash", "libcurl", "json-c", "zlib")),  # json-c: so are the store's answers; zlib: verify opens log files
    "tests": (None, None),  # everything
}

# Headers that the build generates, and the folder that they belong to.
GENERATED = {"hosttrail.pb-c.h": "proto/", "hosttrail.skel.h": "agent/", "vmlinux.h": "bpf/"}

LIBRARIES = [
    ("kernel types", r"linux/types\.h$"),  # in bpf/event.h, for its user-space readers
    ("bpf-side", r"bpf/(bpf_helpers|bpf_tracing|bpf_core_read|bpf_endian|usdt\.bpf)\.h$"),
    ("libbpf", r"bpf/(libbpf|bpf|btf|skel_internal|libbpf_common|libbpf_legacy)\.h$"),
    ("libelf", r"(libelf|gelf|elfutils/.*)\.h$"),
    ("json-c", r"json-c/.*"),
    ("protobuf-c", r"(protobuf-c|google/protobuf-c)/.*"),
    ("zstd", r"(zstd|zdict|zstd_errors)\.h$"),
    ("libssl", r"openssl/(ssl|ssl3|tls1|dtls1)\.h$"),
    ("libcrypto", r"openssl/.*"),
    ("libsodium", r"sodium\.h$"),
    ("nghttp2", r"nghttp2/.*"),
    ("libmicrohttpd", r"microhttpd\.h$"),
    ("sqlite", r"sqlite3\.h$"),
    ("duckdb", r"duckdb\.h$"),
    ("libcurl", r"curl/.*"),
    ("yaml", r"(yaml|cyaml/.*)\.?h?$"),
    ("uthash", r"(uthash|utarray|utlist|utstring|utringbuffer)\.h$"),
    ("expat", r"expat\.h$"),
    ("libseccomp", r"seccomp\.h$"),
    ("zlib", r"zlib\.h$"),
    ("libaudit", r"(libaudit|auparse)\.h$"),
    ("zydis", r"Zydis/.*"),
    ("libc", r"(sys|linux|asm|asm-generic|net|netinet|netpacket|arpa|bits)/.*"),
    ("libc", r"(assert|complex|ctype|errno|fenv|float|fts|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|"
             r"stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|wchar|wctype|"
             r"alloca|argp|byteswap|cpuid|dirent|dlfcn|elf|endian|err|error|fcntl|fnmatch|ftw|getopt|glob|grp|ifaddrs|"
             r"immintrin|nmmintrin|link|libgen|malloc|mntent|netdb|paths|poll|pthread|pty|pwd|regex|sched|search|"
             r"semaphore|spawn|strings|sysexits|syslog|termios|ucontext|unistd|utime|utmp|utmpx|x86intrin)\.h$"),
]
LIBRARIES = [(name, re.compile(pattern)) for name, pattern in LIBRARIES]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SPDX = {"bpf": "GPL-2.0-only OR Apache-2.0"}
BUILD_PRODUCT = re.compile(r"(\.(o|a|so|d|ko|pyc|gcda|gcno)|\.skel\.h|\.pb-c\.[ch]|_pb2(_grpc)?\.py|~|\.orig|\.rej)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
NEED_SPDX = (".c", ".h", ".py", ".sh", ".proto", ".def")
NEED_README = ("bpf", "lib", "proto", "agent", "forwarder", "store", "tools", "tests", "docs", "packaging")
PROGRAMS = ("hosttraild.8", "hosttrail-forward.8", "hosttrail-store.8", "hosttrail.1")


class Tree:
    def __init__(self, top):
        self.top = top
        self.files = sorted(self.walk())

    def walk(self):
        """Paths below top; where git knows them, those that are tracked or would be."""
        r = None
        if os.path.isdir(os.path.join(self.top, ".git")) and shutil.which("git"):
            r = subprocess.run(["git", "-C", self.top, "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard",
                                "-z"], capture_output=True, check=False)
        if r and r.returncode == 0:
            return [p for p in r.stdout.decode(errors="surrogateescape").split("\0")
                    if p and os.path.isfile(os.path.join(self.top, p))]
        found = []
        for folder, folders, names in os.walk(self.top):
            folders[:] = [d for d in folders if d not in (".git", "build", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, n), self.top) for n in names]
        return found

    def text(self, path):
        with open(os.path.join(self.top, path), errors="replace") as f:
            return f.read()

    def ending(self, *ends):
        return [p for p in self.files if p.endswith(ends)]

    def exists(self, path):
        return os.path.isfile(os.path.join(self.top, path))


def library(header):
    """Name of the library that a <header> belongs to, or None."""
    for name, pattern in LIBRARIES:
        if pattern.match(header):
            return name
    return None


def owner(tree, path, header):
    """Path from the top of a project header as `path` includes it, a library's name in <>, or None if unknown."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
    for candidate in (beside, os.path.normpath(header)):
        if tree.exists(candidate):
            return candidate
    if os.path.basename(header) in GENERATED:
        return GENERATED[os.path.basename(header)] + os.path.basename(header)
    name = library(header)
    if name == "kernel types" and not path.startswith("bpf/"):
        name = "libc"
    return "<%s>" % name if name else None


def include_fault(tree, path, header):
    """Why `path` may not include `header`, or None."""
    folder = path.split("/")[0]
    if folder not in FOLDERS:
        return "folder %s/ has no row in the folder table" % folder
    folders, libraries = FOLDERS[folder]
    if folders is None:
        return None
    found = owner(tree, path, header)
    if found is None:
        return "is of no library that the folder table knows"
    if found.startswith("<"):
        return None if found[1:-1] in libraries else "%s/ may not use %s" % (folder, found[1:-1])
    return None if found.startswith(folders) else "%s/ may not use %s" % (folder, os.path.dirname(found) + "/")


def check_includes(tree):
    for path in tree.ending(".c", ".h"):
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            m = INCLUDE.match(line)
            why = include_fault(tree, path, m.group(2)) if m else None
            if why:
                yield "%s:%d: %s: %s" % (path, number, m.group(2), why)


def check_spdx(tree):
    for path in tree.ending(*NEED_SPDX):
        if "/corpus/" in path:
            continue
        want = SPDX.get(path.split("/")[0], "Apache-2.0")
        head = "\n".join(tree.text(path).splitlines()[:3])
        m = re.search(r"SPDX-License-Identifier: \(?(.*?)\)?\s*(?:\*/)?$", head, re.M)
        if not m:
            yield "%s: no SPDX-License-Identifier in the first three lines" % path
        elif m.group(1) != want:
            yield "%s: SPDX says %s, want %s" % (path, m.group(1), want)


def functions(tree):
    """(path, line, name, lines) of every function, as ctags sees them."""
    files = tree.ending(".c", ".h")
    if not files:
        return
    r = subprocess.run(["ctags", "-f", "-", "--languages=C", "--langmap=C:.c.h", "--fields=+ne", "--kinds-C=f", "--sort=no",
                        "-L", "-"], cwd=tree.top, input="\n".join(files), capture_output=True, text=True, check=True)
    for line in r.stdout.splitlines():
        cells = line.split("\t")
        numbers = dict(c.split(":", 1) for c in cells[3:] if c.startswith(("line:", "end:")))
        if len(numbers) == 2:
            yield cells[1], int(numbers["line"]), cells[0], int(numbers["end"]) - int(numbers["line"]) + 1


def check_functions(tree):
    for path, line, name, length in functions(tree):
        if length > FUNCTION_MAX:
            yield "%s:%d: %s() has %d lines, at most %d" % (path, line, name, length, FUNCTION_MAX)
        elif length > FUNCTION_WANTED:
            print("# %s:%d: %s() has %d lines, should have at most %d" % (path, line, name, length, FUNCTION_WANTED))


def check_unit_tests(tree):
    for path in tree.files:
        if re.match(r"tests/unit/test_[^/]*\.c$", path) and not re.search(r"^TAP_MAIN\(|\btap_run\(", tree.text(path), re.M):
            yield "%s: has neither TAP_MAIN() nor tap_run(), so it prints no results" % path
    for path in tree.files:
        m = re.match(r"tests/fuzz/fuzz_([^/]*)\.c$", path)
        if m and not any(p.startswith("tests/fuzz/corpus/%s/" % m.group(1)) for p in tree.files):
            yield "%s: tests/fuzz/corpus/%s/ is empty" % (path, m.group(1))
        if m and "LLVMFuzzerTestOneInput" not in tree.text(path):
            yield "%s: no LLVMFuzzerTestOneInput()" % path


def check_runnable(tree):
    """A script that the runner would skip silently because nobody made it executable."""
    for path in tree.files:
        m = re.match(r"tests/(lint|live|e2e|kernels)/[^/]*\.(py|sh)$", path)
        starts = m and tree.text(path).startswith("#!")
        if starts and not os.access(os.path.join(tree.top, path), os.X_OK):
            yield "%s: has #! but is not executable, so it would never run" % path


def check_readmes(tree):
    for folder in NEED_README:
        if not tree.exists(folder + "/README.md"):
            yield "%s/README.md is missing" % folder


def check_products(tree):
    for path in tree.files:
        if "/corpus/" in path:
            continue
        if BUILD_PRODUCT.search(path) or path.startswith("build/"):
            yield "%s: looks like a build product" % path
            continue
        with open(os.path.join(tree.top, path), "rb") as f:
            if f.read(8).startswith((b"\x7fELF", b"!<arch>\n")):
                yield "%s: is an object file" % path


def check_text(tree):
    for path in tree.ending(".c", ".h", ".py", ".sh", ".md", ".proto", ".def", ".8", ".1", "Makefile"):
        if "/corpus/" in path:
            continue
        text = tree.text(path)
        if text and not text.endswith("\n"):
            yield "%s: no newline at the end" % path
        for number, line in enumerate(text.splitlines(), 1):
            if line.rstrip() != line:
                yield "%s:%d: space at the end of the line" % (path, number)
            if path.endswith((".c", ".h")) and line.startswith(" " * 8) and not line.endswith("\\"):
                yield "%s:%d: indented with spaces" % (path, number)


def check_unfinished(tree):
    for path in tree.ending(".c", ".h", ".py", ".sh", ".md", ".proto", ".def"):
        if path.startswith("tests/lint/") or path == "tests/run.py":
            continue
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if UNFINISHED.search(line):
                yield "%s:%d: unfinished: %s" % (path, number, line.strip())


def check_man(tree):
    for name in PROGRAMS:
        if not tree.exists("docs/man/" + name):
            yield "docs/man/%s is missing" % name
    pages = [p for p in tree.files if re.match(r"docs/man/[^/]*\.[0-9]$", p)]
    if pages:
        r = subprocess.run(["mandoc", "-Tlint", "-Wstyle"] + pages, cwd=tree.top, capture_output=True, text=True, check=False)
        for line in r.stdout.splitlines():
            if "referenced manual not found" not in line:
                yield line


def check_links(tree):
    """Files that our Markdown points to."""
    for path in tree.ending(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", tree.text(path)):
            if re.match(r"[a-z]+:", target):
                continue
            where = os.path.normpath(os.path.join(tree.top, os.path.dirname(path), target))
            if not os.path.exists(where):
                yield "%s: link to %s, which is not there" % (path, target)


def check_sizes(tree):
    """A row of tests/sizes.py that no test reads, and a test with a full size whose full runs would not be noted."""
    scripts = {p: tree.text(p) for p in tree.files if re.match(r"tests/.*\.(py|c|h)$", p) and not p.startswith("tests/sizes.")}
    rows = re.findall(r'^    "([a-z0-9_.]+)": \(', tree.text("tests/sizes.py"), re.M) if tree.exists("tests/sizes.py") else ()
    for row in rows:
        if not any('size("%s")' % row in text for text in scripts.values()):
            yield "tests/sizes.py: nothing uses %s" % row
    for path, text in scripts.items():
        if re.match(r"tests/(live|e2e|kernels)/", path) and os.access(os.path.join(tree.top, path), os.X_OK) and "size(\"" in text and \
                not re.search(r"^# ht-test: .*\blong\b", "\n".join(text.splitlines()[:20]), re.M):
            yield "%s: has sizes, but `# ht-test:` does not say long" % path


def check_own_records(tree):
    """Names and details of the trail's own records, as the two shape tables have them, against their page."""
    page = tree.text("docs/own-records.md") if tree.exists("docs/own-records.md") else ""
    for path in ("agent/own.c", "store/witness.c"):
        text = tree.text(path) if tree.exists(path) else ""
        for name in re.findall(r'OWN_SHAPE\(\w+, "(\w+)"', text):
            if "| %s |" % name not in page:
                yield "docs/own-records.md: no row for %s of %s" % (name, path)
        for detail in re.findall(r'(?:SERVICE\(|SECTION_SERVICE, )"([\w.]+)"', text):
            if "`%s`" % detail not in page:
                yield "docs/own-records.md: nothing says what %s of %s is" % (detail, path)


def check_syscalls(tree):
    """The installed headers against our numbers; a kernel tree is compared by hand (tools/syscalls.py TREE)."""
    if not tree.exists("tools/syscalls.py"):
        return
    p = subprocess.run([sys.executable, os.path.join(tree.top, "tools/syscalls.py")], capture_output=True, text=True, check=False)
    yield from p.stdout.splitlines()
    if p.returncode and not p.stdout:
        yield "tools/syscalls.py: " + p.stderr.strip()


CHECKS = [
    ("every include is allowed by the folder table", check_includes),
    ("every source file says its license", check_spdx),
    ("no function is longer than %d lines" % FUNCTION_MAX, check_functions),
    ("every unit test prints TAP, every fuzz target has a corpus", check_unit_tests),
    ("every test script is executable", check_runnable),
    ("every folder has a README.md", check_readmes),
    ("no build product is committed", check_products),
    ("text files are clean: tabs, line ends", check_text),
    ("nothing is marked unfinished", check_unfinished),
    ("man pages are complete and mandoc finds no fault", check_man),
    ("links between our documents lead somewhere", check_links),
    ("every size is used, and its full runs are noted", check_sizes),
    ("the trail's own records are documented", check_own_records),
    ("system call numbers are the installed headers'", check_syscalls),
]


def main():
    tree = Tree(os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(HERE)))
    failed = 0
    print("1..%d" % len(CHECKS))
    for number, (name, check) in enumerate(CHECKS, 1):
        faults = list(check(tree))
        for fault in faults:
            print("# " + fault)
        print("%s %d - %s" % ("not ok" if faults else "ok", number, name))
        failed += bool(faults)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
