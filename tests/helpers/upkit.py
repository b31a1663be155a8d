# SPDX-License-Identifier: Apache-2.0
"""What tests of `hosttrail up` share: its command line, one that runs and its API, its pins, and checks that are told as TAP when all is done."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import tap

HOSTTRAIL = tap.program("hosttrail")
PINS = "/sys/fs/bpf/hosttrail"
RESULTS = []


def check(name, good, detail=""):
    RESULTS.append((name, good, detail))


def up(directory, *args):
    return [HOSTTRAIL, "up", "--dir", directory, "--api", "127.0.0.1:0", "--ingest", "127.0.0.1:0", *args]


def pins(directory):
    """The pins of an instance directory; others on this host are none of our business."""
    name = "run-" + hashlib.sha256(os.path.realpath(directory).encode()).hexdigest()[:8]
    return os.path.exists(os.path.join(PINS, name))


class Up:
    """One `hosttrail up --scope tree` with a command that waits for a file to go."""

    def __init__(self, folder, script):
        os.makedirs(folder, exist_ok=True)
        self.dir = os.path.join(folder, "run")
        self.hold = os.path.join(folder, "hold")
        self.out = os.path.join(folder, "out")
        self.err = os.path.join(folder, "err")
        open(self.hold, "w").close()
        command = "%s; while [ -e %s ]; do sleep 0.1; done; exit 7" % (script, self.hold)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.p = subprocess.Popen(up(self.dir, "--scope", "tree", "--", "sh", "-c", command), stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=err, start_new_session=True)

    def said(self):
        with open(self.out, errors="replace") as out, open(self.err, errors="replace") as err:
            return out.read() + err.read()

    def wait_for(self, what, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = what()
            if found:
                return found
            if self.p.poll() is not None:
                return None
            time.sleep(0.05)
        return None

    def port(self):
        with open(os.path.join(self.dir, "store/ports")) as f:
            return int(re.search(r"api (\d+)", f.read()).group(1))

    def pid(self, name):
        try:
            with open(os.path.join(self.dir, "run", name + ".pid")) as f:
                return int(f.read())
        except (OSError, ValueError):
            return 0

    def aws(self, *more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(AWS_SHARED_CREDENTIALS_FILE=os.path.join(self.dir, "credentials"), AWS_CONFIG_FILE="/dev/null",
                   AWS_EC2_METADATA_DISABLED="true", PATH="/usr/bin:/bin")
        r = subprocess.run(["/usr/bin/aws", "cloudtrail", "lookup-events", "--endpoint-url", "http://127.0.0.1:%d" % self.port(),
                            "--region", "local", "--output", "json", *more], env=env, capture_output=True, text=True, check=False)
        return json.loads(r.stdout)["Events"] if r.returncode == 0 else r.stderr

    def records(self, attribute, *more):
        key, value = attribute.split("=", 1)
        r = self.aws("--lookup-attributes", "AttributeKey=%s,AttributeValue=%s" % (key, value), *more)
        return [json.loads(e["CloudTrailEvent"]) for e in r] if isinstance(r, list) else []

    def hosttrail(self, *args):
        return subprocess.run([HOSTTRAIL, args[0], "--dir", self.dir, *args[1:]], capture_output=True, text=True, check=False)

    def end(self):
        if os.path.exists(self.hold):
            os.unlink(self.hold)
        try:
            return self.p.wait(60)
        except subprocess.TimeoutExpired:
            self.p.send_signal(signal.SIGTERM)
            return self.p.wait(60)


def main(*parts):
    """Each part gets one folder, which is gone at the end."""
    if os.geteuid():
        print("1..0 # SKIP needs root")
        return
    folder = tempfile.mkdtemp(prefix="ht-up.")
    os.chmod(folder, 0o755)
    try:
        for part in parts:
            part(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("1..%d" % len(RESULTS))
    for number, (name, good, detail) in enumerate(RESULTS, 1):
        if not good:
            print("\n".join("# " + line for line in detail.splitlines()))
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    sys.exit(0 if all(good for _, good, _ in RESULTS) else 1)
