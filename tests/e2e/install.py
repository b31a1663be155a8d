#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120 later=20
"""What `make install` puts where (tools/install.sh), that a second time leaves changed configuration alone, that each program
accepts its installed configuration, and that systemd accepts the units."""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HT_BUILD", "build"))
PROGRAMS = ("hosttraild", "hosttrail-forward", "hosttrail-store", "hosttrail")
RESULTS = []


def check(name, good, detail=""):
    RESULTS.append((name, good, detail))


def install(dest):
    return subprocess.run([os.path.join(TOP, "tools/install.sh"), BUILD, dest, "/usr"], capture_output=True, text=True, check=False)


def tree(dest):
    return {os.path.relpath(os.path.join(d, n), dest) for d, _, names in os.walk(dest) for n in names}


def units(dest):
    if not shutil.which("systemd-analyze"):
        check("systemd accepts the units # SKIP no systemd-analyze", True)
        return
    names = sorted(n for n in tree(dest) if n.endswith(".service"))
    # their programs are looked for where the unit says
    for name in names:
        path = os.path.join(dest, name)
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("=/usr/bin/hosttrail", "=%s/usr/bin/hosttrail" % dest))
    r = subprocess.run(["systemd-analyze", "verify", "--man=no", *[os.path.join(dest, n) for n in names]], capture_output=True,
                       text=True, check=False)
    ours = [line for line in (r.stdout + r.stderr).splitlines() if "hosttrail" in line]
    check("systemd accepts the units", len(names) == 4 and not ours, "\n".join(ours))


def main():
    dest = tempfile.mkdtemp(prefix="ht-install.")
    try:
        r = install(dest)
        files = tree(dest)
        check("make install succeeds", r.returncode == 0, r.stdout + r.stderr)
        for name in PROGRAMS:
            v = subprocess.run([os.path.join(dest, "usr/bin", name), "--version"], capture_output=True, check=False)
            check("%s is installed and runs" % name, v.returncode == 0)
        check("man pages", {"usr/share/man/man1/hosttrail.1"} | {"usr/share/man/man8/%s.8" % n for n in PROGRAMS[:3]} <= files)
        check("sysusers and tmpfiles", {"usr/lib/sysusers.d/hosttrail.conf", "usr/lib/tmpfiles.d/hosttrail.conf"} <= files)
        config = os.path.join(dest, "etc/hosttrail/hosttraild.yaml")
        for name in PROGRAMS[:3]:
            c = subprocess.run([os.path.join(dest, "usr/bin", name), "--check", "--config",
                                os.path.join(dest, "etc/hosttrail", name + ".yaml")], capture_output=True, text=True, check=False)
            # users and keys are made later; what must not happen is a complaint about the file itself
            check("%s accepts its installed configuration" % name, ".yaml:" not in c.stderr, c.stderr)
        with open(config, "a") as f:
            f.write("log_level: debug\n")
        install(dest)
        with open(config) as f:
            check("a second install keeps changed configuration", "log_level: debug" in f.read())
        units(dest)
    finally:
        shutil.rmtree(dest)
    print("1..%d" % len(RESULTS))
    for number, (name, good, detail) in enumerate(RESULTS, 1):
        if not good:
            print("\n".join("# " + line for line in detail.splitlines()))
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    sys.exit(0 if all(good for _, good, _ in RESULTS) else 1)


if __name__ == "__main__":
    main()
