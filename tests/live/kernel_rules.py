#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=900 long later=70
"""What the kernel drops of unselected calls: exactly none that the evaluator selects, and so much that a small ring suffices.

The same calls twice, with the same selectors: decided by the agent alone, and with the kernel's help. Both must be the same records."""
import collections
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import tap  # noqa: E402
import trail  # noqa: E402
from event_selectors import selector  # noqa: E402
from sizes import size  # noqa: E402

CONTAINER = "ab" * 32
RING = "65536"
NUMBERED = re.compile(r"#\d+|\[\d+\]")  # files and pipes that have no other name


def data(**fields):
    return selector(eventCategory="Data", **fields)


def path(**operators):
    return {"Field": "path", **{o: v if isinstance(v, list) else [v] for o, v in operators.items()}}


def with_path(more=(), **operators):
    s = data()
    s["FieldSelectors"] += [path(**operators), *more]
    return s


def euid(**operators):
    return {"Field": "process.euid", **operators}


def sets(d):
    """Name and selectors."""
    reads, changes = ({"Field": "readOnly", "Equals": [x]} for x in ("true", "false"))
    yield "prefix", [with_path(StartsWith=d + "/etc/")]
    yield "prefix inside a component", [with_path(StartsWith=d + "/etc/pass")]
    yield "prefix, whole component", [with_path(StartsWith=[d + "/etc/ssh", d + "/other/f"])]
    yield "equals", [with_path(Equals=[d + "/etc/passwd", "/", "/dev/null"])]
    yield "ends", [with_path(EndsWith=[".pem", "/.ssh/id_rsa"])]
    yield "ends inside", [with_path(EndsWith=["id_rsa", "/y" + "y" * 59 + "/end.pem"])]
    yield "not equals", [with_path(NotEquals=[d + "/etc/passwd", "/dev/null"])]
    yield "not starts", [with_path(NotStartsWith=[d + "/etc/", "/usr/", "/proc/", "/lib"])]
    yield "not ends", [with_path(NotEndsWith=[".pem", "/f"], StartsWith=d)]
    yield "long prefix", [with_path(StartsWith=d + "/" + "/".join(["y" * 60] * 3))]
    yield "long not", [with_path(NotStartsWith=d + "/" + "/".join(["y" * 60] * 3), NotEndsWith="/y" + "y" * 59 + "/end.pem", StartsWith=d)]
    yield "deep", [with_path(StartsWith=d + "/deep"), with_path(StartsWith=d + "/etc/shadow")]
    yield "reads", [with_path([reads], StartsWith=d)]
    yield "changes", [with_path([changes], NotEquals="/dev/null")]
    yield "failed", [data(errorCode="ENOENT"), with_path(StartsWith=d + "/etc/passwd")]
    yield "succeeded", [with_path([{"Field": "errorCode", "NotEquals": ["ENOENT", "EACCES"]}], StartsWith=d + "/etc/")]
    yield "user", [selector(**{"eventCategory": "Data", "process.euid": "1234"})]
    yield "other users", [selector(**{"eventCategory": "Data", "process.euid": {"NotEquals": "0"}})]
    yield "user and path", [with_path([euid(Equals=["4321", "01", "0x0", "99999999999"])], StartsWith=d + "/etc/shadow"),
                            with_path([euid(NotEquals=["0", "4321"])], EndsWith=".pem")]
    yield "no login user", [with_path([{"Field": "process.loginuid", "Equals": ["0", "4294967295"]}], StartsWith=d)]
    yield "another login user", [with_path([{"Field": "process.loginuid", "NotEquals": ["7"]}], StartsWith=d)]
    yield "container", [selector(**{"eventCategory": "Data", "process.container": CONTAINER})]
    yield "no container", [with_path([{"Field": "process.container", "NotEquals": [CONTAINER]}], StartsWith=d)]
    yield "cgroup", [with_path([{"Field": "process.cgroup", "EndsWith": ["/later"]}], StartsWith=d + "/etc/")]
    yield "named", [data(eventName="read", path=d + "/etc/passwd"), data(eventName={"StartsWith": "fstat"}, path={"EndsWith": "shadow"}),
                    data(eventName="write")]
    yield "many", [with_path(StartsWith="%s/etc/none%d" % (d, i)) for i in range(100)] + [with_path(Equals=d + "/other/f")]
    yield "management", [selector(eventCategory="Management", **{"process.euid": "4321"}), with_path(Equals=d + "/etc/passwd-")]


def run(mode, selectors, command, ring="0"):
    with tap.Workdir() as w:
        file, out = w + "/selectors.json", w + "/trail"
        with open(file, "w") as f:
            json.dump(selectors, f)
        p = subprocess.run([os.path.join(tap.BUILD, "tests/live/smallrings"), out, "0", "0", ring, "%s=%s" % (mode, file),
                            *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300 + size("rules.opens") // 2000, check=False)
        said = trail.LAST_LINE.match(p.stderr.splitlines()[-1]) if p.stderr else None
        if not said or p.returncode:
            raise tap.Failed("smallrings said: " + p.stderr[-600:])
        return trail.load(out), int(said.group(2))


class Ground:
    """A directory, and a cgroup whose name is a container's; the cgroup only where version 2 has one to give."""

    def __init__(self):
        self.work = tap.Workdir()
        self.root = next((r for r in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(r + "/cgroup.controllers")), None)
        self.cgroup = "-"

    def __enter__(self):
        self.dir = self.work.__enter__()
        if self.root:
            self.cgroup = "%s/ht-rules-%d" % (self.root, os.getpid())
            os.mkdir(self.cgroup)
            self.cgroup += "/docker-%s.scope" % CONTAINER
            os.mkdir(self.cgroup)
        return self

    def fresh(self):
        subprocess.run(["rm", "-rf", self.dir + "/d"], check=True)
        os.mkdir(self.dir + "/d")
        if self.root and os.path.exists(self.cgroup + "/later"):
            os.rmdir(self.cgroup + "/later")

    def __exit__(self, *exc):
        if self.root:
            for c in (self.cgroup + "/later", self.cgroup, os.path.dirname(self.cgroup)):
                if os.path.exists(c):
                    os.rmdir(c)
        self.work.__exit__()


def what(r):
    """A record without what differs between two runs."""
    return tuple(x and NUMBERED.sub("N", str(x)) for x in (r.name, json.dumps(r.request.get("path")), json.dumps(r.asked()), r.error, r.more.get("pathKind"), r.more.get("pathInRoot"),
            (r.process.get("uids") or {}).get("euid"), r.process.get("cgroup"), json.dumps(r.request.get("flags"))))


def same(t):
    with Ground() as g:
        d = g.dir + "/d"
        command = ["/usr/bin/python3", "-I", "-S", "-B", os.path.join(HERE, "..", "workloads", "rules.py"), d, g.cgroup]
        for name, selectors in list(sets(d))[::size("rules.every")]:
            got = {}
            for mode in ("agent", "kernel"):
                g.fresh()
                records, lost = run(mode, selectors, command)
                got[mode] = collections.Counter(what(r) for r in records if r.call)
                t.equal(lost, 0, "%s: lost" % name)
            missing, more = got["agent"] - got["kernel"], got["kernel"] - got["agent"]
            t.note("%s: %d records" % (name, sum(got["agent"].values())))
            t.equal(list(missing)[:3], [], "%s: selected, and not recorded" % name)
            t.equal(list(more)[:3], [], "%s: recorded by the kernel's help alone" % name)


def flood(prefix, *more):
    return [tap.workload("opens"), str(size("rules.opens")), "0", prefix, *more]


def unread(command, then):
    """The reader, which is the shell's parent, is stopped meanwhile: what the ring is given stays there, however fast the reader is on this machine."""
    return ["/bin/sh", "-c", "kill -STOP $PPID && %s; kill -CONT $PPID%s" % (" ".join(command), then)]


def floods(t):
    """Unwanted opens, made and not, by path, by user and by outcome, in a ring of 64 KiB that nobody reads meanwhile: they cost it nothing."""
    with tap.Workdir() as w:
        os.chmod(w, 0o777)
        wanted = "; cat %s/wanted >/dev/null" % w
        with open(w + "/wanted", "w") as f:
            f.write("x")
        for name, selectors, command, count in (
                ("path", [with_path(StartsWith=w + "/wanted")], flood(w + "/x", "create"), 1),
                ("end", [with_path(EndsWith="wanted")], flood(w + "/y", "create"), 1),
                ("user", [with_path([euid(NotEquals=["1234"])], StartsWith=w)],
                 ["/usr/bin/setpriv", "--reuid=1234", "--clear-groups", *flood(w + "/z", "create")], 1),
                ("user, failing", [data(**{"process.euid": "4321"}), with_path([euid(NotEquals=["1234"])], Equals=w + "/wanted")],
                 ["/usr/bin/setpriv", "--reuid=1234", "--clear-groups", *flood(w + "/none/z")], 1),
                ("reads", [with_path([{"Field": "readOnly", "Equals": ["true"]}], Equals=w + "/wanted")], flood(w + "/v", "create"), 1)):
            records, lost = run("kernel", selectors, unread(command, wanted), RING)
            lost_without = run("agent", selectors, unread(command, wanted), RING)[1] if name == "path" else 1
            t.ok(lost_without, "without the kernel's help the ring does not suffice")
            opens = [r for r in records if r.call and (r.asked() or "").startswith(w + "/wanted")]
            t.equal((len(opens), lost), (count, 0), "%s: opens that are wanted, lost of %d that are not" % (name, size("rules.opens")))


same.title = "the same records with the kernel's help"
floods.title = "floods of unwanted opens cost no ring space"

if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    tap.main([same, floods])
