#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=200 later=20
"""TLS libraries of a container that nobody has used yet are probed: those that the cache of its linker names, found by a process that lives there.
So the first user's first request is a record. What the cache names outside the container is not; a cache that is none hurts nobody."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import tls_optout  # noqa: E402
import tlsweb  # noqa: E402


LIBRARIES = "/only/here"


def make_root(root):
    """A program and what it needs, each a file of its own, in a folder that nobody else has."""
    for folder in (LIBRARIES, "/usr/bin", "/usr/lib", "/etc", "/lib64"):
        os.makedirs(root + folder)
    for line in subprocess.check_output(["ldd", "/usr/bin/curl"], text=True).splitlines():
        path = line.split("=>")[-1].split()[0]
        if "/" in path:
            shutil.copy(path, root + (path if path.startswith("/lib64/") else LIBRARIES + "/" + os.path.basename(path)))
    shutil.copy("/usr/bin/curl", root + "/usr/bin/curl")
    shutil.copy("/bin/busybox", root + "/busybox")
    with open(root + "/etc/ld.so.conf", "w") as f:
        f.write(LIBRARIES + "\n")
    subprocess.run(["/sbin/ldconfig", "-r", root], check=True)


def first_use_in_a_container(t):
    with tap.Workdir() as d, tlsweb.Nginx(d + "/web") as web:
        root, broken = d + "/root", d + "/broken"
        later = d + "/later"  # begins while the agent runs: known by its first exec
        make_root(root)
        make_root(later)
        os.makedirs(broken + "/etc")
        shutil.copy("/bin/busybox", broken + "/busybox")
        with open(broken + "/etc/ld.so.cache", "wb") as f:
            f.write(b"glibc-ld.so.cache1.1" + b"\xff" * 200)
        living = [subprocess.Popen(["chroot", r, "/busybox", "sleep", "120"]) for r in (root, broken)]
        try:
            # the agent itself opens nothing by these names: no process of the scope does before the library is probed
            request = "curl -sk -o /dev/null https://127.0.0.1:%d" % web.port
            script = "chroot %s /usr/bin/%s/first; chroot %s /busybox sh -c '/busybox sleep 2; /usr/bin/%s/later'" % (root, request, later, request)
            with tls_optout.Agent(["/bin/sh", "-c", script], selectors=None, log_level="debug") as a:
                a.start()
                a.wait(lambda: "probed for TLS: %s/libssl.so.3" % LIBRARIES in a.log(), 20, "not probed")
                a.go()
                a.tree.wait(30)
                t.equal(a.log().count("probed for TLS: %s/libssl.so.3" % LIBRARIES), 2, "libraries that are probed")
                a.stop()
                _, records = a.everything()
                t.ok("linker's cache of a container" not in a.log(), a.log()[-500:])
            t.equal([e["uri"] for e in web.log()], ["/first", "/later"], "nginx was asked")
            t.equal([r.name for r in records if r.name.startswith("GET ") or r.name == "TlsUnobserved"], ["GET /first", "GET /later"], "calls")
        finally:
            for p in living:
                p.kill()
                p.wait()


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx") or not os.path.exists("/bin/busybox"):
        print("1..0 # SKIP needs root, nginx and busybox")
        sys.exit(0)
    tap.main([first_use_in_a_container])
