# SPDX-License-Identifier: Apache-2.0
"""bcc's sslsniff on one copy of libssl.

bcc compiles a tool's program when it starts, against the running kernel's headers. Not every kernel has a package of them; this program takes nothing
of the kernel's own structures, so those of any of Debian's kernels do. They are given as one tree (Debian has two packages of them), in which min()
is the plain one: since 6.1.15x the kernel's needs a function that bcc 0.26 refuses ("cannot call non-static helper function").
"""
import glob
import os

import tap
from peers import IN_TRACEFS, Tool, installed

NAME = "sslsniff-bpfcc"
COMMON = "/usr/src/linux-headers-*-common"
POLLS = {"x86_64": "7", "aarch64": "73"}
MINMAX = """#pragma once
#define min(x, y) ((x) < (y) ? (x) : (y))
#define max(x, y) ((x) > (y) ? (x) : (y))
#define min_t(type, x, y) min((type)(x), (type)(y))
#define max_t(type, x, y) max((type)(x), (type)(y))
#define clamp_t(type, v, low, high) min_t(type, max_t(type, v, low), high)
#define clamp(v, low, high) min(max(v, low), high)
#define clamp_val(v, low, high) clamp_t(typeof(v), v, low, high)
#define swap(a, b) do { typeof(a) was = (a); (a) = (b); (b) = was; } while (0)
"""


def links(folder, *sources):
    """What is in the sources, as links in a folder; where it is there already, not."""
    os.makedirs(folder, exist_ok=True)
    for source in sources:
        for name in os.listdir(source):
            if not os.path.lexists(os.path.join(folder, name)):
                os.symlink(os.path.join(source, name), os.path.join(folder, name))


def headers(folder):
    """A tree of links to what the packages of linux-headers have, in `folder`."""
    machine, arch = {"x86_64": ("amd64", "x86"), "aarch64": ("arm64", "arm64")}[os.uname().machine]
    pairs = [(c, c[:-len("common")] + machine) for c in sorted(glob.glob(COMMON))]
    pairs = [p for p in pairs if os.path.isdir(p[1])]
    if not pairs:
        raise tap.Failed("no headers of a kernel are installed (linux-headers-%s)" % machine)
    common, special = pairs[-1]
    tree = os.path.join(folder, "headers")
    links(os.path.join(tree, "include/linux"), os.path.join(common, "include/linux"))
    for name in ("include", "arch/%s/include" % arch):
        links(os.path.join(tree, name), os.path.join(common, name), os.path.join(special, name))
    minmax = os.path.join(tree, "include/linux/minmax.h")
    os.unlink(minmax)
    with open(minmax, "w") as f:
        f.write(MINMAX)
    return tree


class Sslsniff(Tool):
    name = NAME
    waits = POLLS

    def start_on(self, path):
        installed(NAME)
        os.environ["BCC_KERNEL_SOURCE"] = headers(self.dir)
        try:
            self.launch(IN_TRACEFS + [NAME, "--no-openssl", "--no-gnutls", "--no-nss", "--extra-lib", "openssl:" + path])
        finally:
            del os.environ["BCC_KERNEL_SOURCE"]
        self.wait(self.polls)

    def requests(self):
        with open(self.output(), "rb") as f:
            return sum(line.startswith(b"GET /") for line in f)
