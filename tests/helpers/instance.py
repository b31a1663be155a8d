# SPDX-License-Identifier: Apache-2.0
"""A store, a forwarder and an agent of a test's own: a folder, free ports, pins under a name of its own, and all of it gone
when the test ends. `hosttrail up` makes keys, certificates and configuration; the test starts and kills the programs."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import tap
import trail

PROGRAMS = ("hosttrail-store", "hosttrail-forward", "hosttraild")
PINS = "/sys/fs/bpf/hosttrail"


class Instance:
    def __init__(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="hosttrail-instance-"))
        os.chmod(self.dir, 0o755)
        self.running = {}

    def __enter__(self):
        try:
            self.enrol()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for name in reversed(PROGRAMS):
            self.kill(name)
        name = self.config("hosttraild").get("instance") if os.path.exists(self.path("etc/hosttraild.yaml")) else None
        if name and "/" not in name:
            shutil.rmtree(os.path.join(PINS, name), ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, rest):
        return os.path.join(self.dir, rest)

    def enrol(self):
        """A whole start and stop of `up`, on ports of the kernel's choice, which the configuration then keeps."""
        argv = [tap.program("hosttrail"), "up", "--dir", self.dir, "--api", "127.0.0.1:0", "--ingest", "127.0.0.1:0",
                "--quiet", "--scope", "tree", "--", "/bin/true"]
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        if r.returncode:
            raise tap.Failed("hosttrail up: exit status %d: %s%s" % (r.returncode, r.stderr[-1500:], self.logs(1500)))

    def config(self, name):
        with open(self.path("etc/%s.yaml" % name)) as f:
            return {k: v.strip().strip('"') for k, v in re.findall(r"^(\w+):[ ]*(.+)$", f.read(), re.M)}

    def configure(self, name, **keys):
        """Sets scalar keys of a program's configuration."""
        path = self.path("etc/%s.yaml" % name)
        with open(path) as f:
            text = f.read()
        for key, value in keys.items():
            text = re.sub(r"^%s:.*\n" % key, "", text, flags=re.M) + "%s: %s\n" % (key, json.dumps(value))
        with open(path, "w") as f:
            f.write(text)

    def start(self, name, wait=True):
        # what says that it is ready must be the new one's
        for stale in {"hosttrail-store": ["store/ports"]}.get(name, ["run/%s.sock" % name]):
            if os.path.exists(self.path(stale)):
                os.unlink(self.path(stale))
        with open(self.path("log/%s.log" % name), "ab") as log:
            self.running[name] = subprocess.Popen([tap.program(name), "--config", self.path("etc/%s.yaml" % name)],
                                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        if wait:
            self.wait_ready(name)

    def ready(self, name):
        if name == "hosttrail-store":
            return os.path.exists(self.path("store/ports"))
        return self.status(name) is not None

    def wait_ready(self, name, seconds=30):
        end = time.monotonic() + seconds
        while not self.ready(name):
            if self.running[name].poll() is not None or time.monotonic() > end:
                raise tap.Failed("%s does not start: %s" % (name, self.logs(1500)))
            time.sleep(0.05)

    def start_all(self):
        for name in PROGRAMS:
            self.start(name)

    def kill(self, name, sig=signal.SIGKILL):
        p = self.running.pop(name, None)
        if p and p.poll() is None:
            p.send_signal(sig)
            p.wait(60)
        return p.returncode if p else None

    def stop(self, name):
        return self.kill(name, signal.SIGTERM)

    def pids(self, name):
        """The program's process and the processes that it started."""
        root = self.running[name].pid
        found = [root]
        try:
            with open("/proc/%d/task/%d/children" % (root, root)) as f:
                found += [int(p) for p in f.read().split()]
        except OSError:
            pass
        return found

    def status(self, name):
        """What the program says on its status socket; None if it does not."""
        s = socket.socket(socket.AF_UNIX)
        try:
            s.settimeout(5)
            s.connect(self.path("run/%s.sock" % name))
            data = b"".join(iter(lambda: s.recv(65536), b""))
            return json.loads(data)
        except (OSError, ValueError):
            return None
        finally:
            s.close()

    def drained(self, seconds=60):
        """Waits until the forwarder has nothing left to ship, three times in a row; False: it has."""
        quiet, end = 0, time.monotonic() + seconds
        while quiet < 3 and time.monotonic() < end:
            lag = (self.status("hosttrail-forward") or {}).get("lag")
            quiet = quiet + 1 if isinstance(lag, dict) and not any(lag.values()) else 0
            time.sleep(0.3)
        return quiet >= 3

    def logs(self, n=800):
        text = ""
        for name in PROGRAMS:
            try:
                with open(self.path("log/%s.log" % name), errors="replace") as f:
                    text += "\n--- %s\n%s" % (name, f.read()[-n:])
            except OSError:
                pass
        return text

    def lookup(self, attribute=None, *more):
        """Records that the store has, newest first."""
        argv = [tap.program("hosttrail"), "lookup", "--dir", self.dir, "--max", "0", "--format", "json", *more]
        argv += ["--attribute", attribute] if attribute else []
        r = subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", timeout=600, check=False)
        if r.returncode:
            raise tap.Failed("hosttrail lookup: " + r.stderr)
        return [trail.Record(json.loads(line)) for line in r.stdout.splitlines()]
