#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 extra long
"""A client and a server of rustls, in Rust: every request of either's access log is in the trail once for each end, whole, though a connection's
writer and reader are two objects. Stripped, each connection is said to be unobserved."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "helpers"), os.path.join(HERE, ".."), HERE]
import tap  # noqa: E402
import tls_matrix  # noqa: E402
from sizes import size  # noqa: E402
from tls_matrix import B, KEPT, W, curl, python  # noqa: E402
from tlsmatrix import Case  # noqa: E402

CARGO, CRATES = "/usr/bin/cargo", "/usr/share/cargo/registry"
AGAIN = size("tlsmatrix.copies")  # connections one after the other, at the same addresses


def rust(name, server, n, parallel, times, program="/web-rust", kind="", slices=0):
    return Case(name, server, [B + program, "get", str(n), str(parallel), str(times), "{u}/a", str(slices)], n * parallel * times, kind=kind)


CASES = [
    rust("rust-nginx", "nginx", 5, 4, 1), rust("rust-rust", "rust", 5, 4, 1), rust("rust-kept", "rust", KEPT, 1, 1), rust("rust-again", "nginx", 2, 2, AGAIN),
    rust("rust-again-rust", "rust", 2, 2, AGAIN), rust("rust-haproxy", "haproxy", 3, 1, 1),
    curl("curl-rust", "rust", "--http1.1"), curl("curl-rust-post", "rust", "-d", "k=v"), python("kept", KEPT, "rust", "python-kept-rust"),
    python("pipelined", 20, "rust", "python-pipelined-rust", 40),
    *[rust("rust-slices-%d" % n, "rust", 5, 2, 2, slices=n) for n in (1, 2, 7, 12, 100)],
    rust("rust-stripped", "nginx", 2, 2, 2, "/web-rust-stripped", "silent"),
]


def build():
    """Both programs, out of Debian's crates and nothing else. The compiler may be what the distribution has, whatever else is installed."""
    if not os.path.exists(CARGO) or not os.path.isdir(CRATES):
        raise tap.Skip("no cargo, or no crates of Debian (librust-rustls-dev)")
    source, folder, out = W + "/rust", B + "/rust", B + "/web-rust"
    if os.path.exists(out) and os.path.getmtime(out) > os.path.getmtime(source + "/web.rs"):
        return
    shutil.copytree(source, folder, dirs_exist_ok=True)
    env = {"PATH": "/usr/bin:/bin", "HOME": folder, "CARGO_HOME": folder + "/home", "CARGO_TARGET_DIR": folder + "/target"}
    p = subprocess.run([CARGO, "build", "--release", "--offline", "--quiet", "--config", 'source.crates-io.replace-with="debian"', "--config",
                        'source.debian.directory="%s"' % CRATES], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if p.returncode:
        raise tap.Failed("cargo: " + p.stderr[-2000:])
    subprocess.run(["strip", "-o", out + "-stripped", folder + "/target/release/web"], check=True)
    shutil.copy(folder + "/target/release/web", out)


def builds(t):
    build()
    t.ok(os.path.exists(B + "/web-rust-stripped"), "both are there")


if __name__ == "__main__":
    if os.geteuid():
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([builds] + list(tls_matrix.runnables(CASES)))
