# SPDX-License-Identifier: Apache-2.0
"""The kernel's audit as a witness: rules for one login uid only, read from the kernel's socket, everything put back after.

    with audit.Listener(["openat", ...], auid) as listener:
        ... run processes with that login uid ...
        events = listener.events()
"""
import os
import re
import socket
import struct
import subprocess
import threading
import time

import tap

NETLINK_AUDIT = 9
AUDIT_GET, AUDIT_SET = 1000, 1001
STATUS = "=IIIIIIIIIIII"	# struct audit_status
MASK_ENABLED, MASK_PID, MASK_BACKLOG = 0x1, 0x4, 0x10
SYSCALL, PATH, SOCKADDR, EXECVE, CWD, EOE, URINGOP = 1300, 1302, 1306, 1309, 1307, 1320, 1336
ADD_RULE, DEL_RULE = 1011, 1012
RULE = "=III64I64I64I64II"	# struct audit_rule_data without strings
FILTER_URING_EXIT, ALWAYS, LOGINUID, EQUAL = 7, 2, 9, 0x40000000
NLM_F_REQUEST, NLM_F_ACK = 1, 4
SO_RCVBUFFORCE = 33


def numbers():
    """System call number -> name, native ABI."""
    out = subprocess.run(["ausyscall", "x86_64", "--dump"], capture_output=True, text=True, check=True).stdout
    return {int(n): name for n, name in re.findall(r"^(\d+)\s+(\w+)$", out, re.M)}


def text_of(value):
    """audit writes text in quotes, or as hexadecimal when it holds anything unusual."""
    if value.startswith('"'):
        return value.strip('"')
    if value == "(null)":
        return None
    return bytes.fromhex(value).decode("utf-8", "surrogateescape")


class Event:
    """One audited call."""

    def __init__(self, fields):
        self.fields, self.paths, self.saddr = fields, [], None
        self.number, self.pid = int(fields["syscall"]), int(fields["pid"])
        self.ret = int(fields["exit"])
        self.native = fields["arch"] == "c000003e"

    def path(self, *kinds):
        for p in self.paths:
            if p.get("nametype") in kinds:
                return text_of(p["name"])
        return None


class Operation:
    """One audited operation of io_uring. Audit does not know its result: it looks when the operation is begun."""

    def __init__(self, fields):
        self.fields, self.paths, self.saddr = fields, [], None
        self.opcode, self.pid = int(fields["uring_op"]), int(fields["pid"])

    path = Event.path


class Listener:
    """calls: system calls by their names. rings: every operation of io_uring as well."""

    def __init__(self, calls, auid, rings=False):
        self.calls, self.auid, self.rings = calls, auid, rings
        self.raw, self.seq, self.stopping = [], 0, False

    def __enter__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.sock.bind((0, 0))
        self.port = self.sock.getsockname()[0]
        before = self.status()
        if before[3]:
            self.sock.close()
            raise tap.Skip("an audit daemon (pid %d) reads the kernel's audit here" % before[3])
        self.before = before
        self.thread = threading.Thread(target=self.read)
        self.set(MASK_ENABLED | MASK_PID | MASK_BACKLOG, enabled=1, pid=os.getpid(), backlog=65536)
        self.thread.start()
        self.rule("-a")
        return self

    def __exit__(self, *exc):
        self.rule("-d")
        self.stopping = True
        self.set(MASK_ENABLED | MASK_PID | MASK_BACKLOG, enabled=self.before[1], pid=0, backlog=self.before[5])
        self.thread.join()
        self.sock.close()

    def rule(self, what):
        argv = ["auditctl", what, "always,exit", "-F", "arch=b64", "-F", "auid=%d" % self.auid]
        for c in self.calls:
            argv += ["-S", c]
        if self.calls:
            r = subprocess.run(argv, capture_output=True, text=True, check=False)
            if r.returncode and what == "-a":
                raise tap.Failed("auditctl: " + r.stderr.strip())
        if self.rings:
            self.ring_rule(ADD_RULE if what == "-a" else DEL_RULE)

    def ring_rule(self, kind):
        """As `auditctl -a always,io_uring -S all -F auid=...` does, which Debian's does not know."""
        first = [0] * 63
        self.send(kind, struct.pack(RULE, FILTER_URING_EXIT, ALWAYS, 1, *[0xffffffff] * 64, LOGINUID, *first, self.auid, *first,
                                    EQUAL, *first, 0))

    def send(self, kind, payload):
        self.seq += 1
        head = struct.pack("=IHHII", 16 + len(payload), kind, NLM_F_REQUEST | NLM_F_ACK, self.seq, 0)
        self.sock.sendto(head + payload, (0, 0))

    def status(self):
        self.send(AUDIT_GET, b"")
        while True:
            data = self.sock.recv(65536)
            _, kind, _, _, _ = struct.unpack_from("=IHHII", data)
            if kind == AUDIT_GET:
                return struct.unpack_from(STATUS, data.ljust(16 + struct.calcsize(STATUS), b"\0"), 16)

    def set(self, mask, enabled=0, pid=0, backlog=0):
        self.send(AUDIT_SET, struct.pack(STATUS, mask, enabled, 0, pid, 0, backlog, 0, 0, 0, 0, 0, 0))

    def read(self):
        self.sock.settimeout(0.3)
        quiet = 0
        while not (self.stopping and quiet):
            try:
                data = self.sock.recv(65536)
                quiet = 0
            except socket.timeout:
                quiet = 1
                continue
            _, kind, _, _, _ = struct.unpack_from("=IHHII", data)
            if 1300 <= kind < 1400:
                self.raw.append((kind, data[16:].rstrip(b"\0\n").decode("utf-8", "surrogateescape")))

    def events(self):
        """What was audited until now, in the kernel's order. Waits until the kernel says nothing more."""
        seen = -1
        while seen != len(self.raw):
            seen = len(self.raw)
            time.sleep(0.5)
        found = {}
        for kind, text in self.raw:
            m = re.match(r"audit\(([\d.]+):(\d+)\): (.*)", text, re.S)
            if not m:
                continue
            serial, fields = int(m.group(2)), dict(re.findall(r'(\w+)=("[^"]*"|\S+)', m.group(3)))
            if kind == SYSCALL and int(fields["auid"]) == self.auid:
                found[serial] = Event(fields)
            elif kind == URINGOP:
                found[serial] = Operation(fields)
            elif kind == PATH and serial in found:
                found[serial].paths.append(fields)
            elif kind == SOCKADDR and serial in found:
                found[serial].saddr = bytes.fromhex(fields["saddr"])
        return [found[s] for s in sorted(found)]
