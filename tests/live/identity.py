#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who acted: real logins, sudo, su, set-uid files, services, containers and user namespaces, as the trail shows them. Every
scene ends with the open of a file of its own name; the record of that open is looked at."""
# ht-test: timeout=300
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import daemon  # noqa: E402
import instance  # noqa: E402
import login  # noqa: E402
import spooldir  # noqa: E402
import tap  # noqa: E402
import trail  # noqa: E402

NO_ID = 0xFFFFFFFF
CONTAINER = "0123456789abcdef" * 4
CGROUP2 = next((p for p in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(p + "/cgroup.controllers")), None)

# What `user` does in the SSH session. $D is the folder.
SESSION = r"""
D=%(dir)s
cat $D/m/person
sudo -n cat $D/m/sudo
sudo -n -u %(other)s cat $D/m/sudo-other
sudo -n sh -c "$D/rootcat $D/m/sudo-rootcat; su %(other)s -c 'cat $D/m/sudo-su'"
sh -c "read x <$D/m/before-setuid; exec $D/rootcat $D/m/setuid"
$D/othercat $D/m/setuid-other
unshare -U -r cat $D/m/userns
unshare -U -r --map-auto setpriv --reuid 5 --regid 5 --clear-groups cat $D/m/subuid
sudo -n unshare -U -r cat $D/m/sudo-userns
$D/daemonize $D/m/daemon 300
sudo -n $D/daemonize $D/m/sudo-daemon 300
sleep 0.2
"""

# What root does: as a service, logged in as root, and what starts the session.
ROOT = r"""
D=%(dir)s
cat $D/m/service
sh -c "echo 0 >/proc/self/loginuid; cat $D/m/root-login; su %(user)s -c 'cat $D/m/su'; sudo -n -u %(user)s cat $D/m/root-sudo
       unshare -U -r cat $D/m/root-userns"
%(sshd)s%(ssh)s
sleep 1
kill $sshd
wait
"""

THREAD = r"""
import ctypes, os, threading
done = threading.Event()
libc = ctypes.CDLL(None, use_errno=True)
def other():
    assert libc.syscall(117, -1, %(uid)d, -1) == 0      # setresuid: raw, so that it is this thread's alone
    os.close(os.open("%(dir)s/m/thread", os.O_RDONLY))
    done.set()
    import time; time.sleep(0.1)
t = threading.Thread(target=other)
t.start()
done.wait()
os.close(os.open("%(dir)s/m/leader", os.O_RDONLY))
t.join()
"""

FEXEC = r"""
import os, sys
source, mark, kind = sys.argv[1:]
if kind == "memfd":
    fd = os.memfd_create("prog", 0)
    os.write(fd, open(source, "rb").read())
else:
    fd = os.open(source, os.O_RDONLY)
    os.unlink(source)
os.execve(fd, ["sh", "-c", "read x <" + mark + "; read y </proc/self/fd/0; true"], {})
"""


# A session that is there before the agent.
BEFORE = r"""
D=%(dir)s
sudo -n sh -c "until [ -e $D/go ]; do sleep 0.1; done; cat $D/m/late-sudo" &
$D/othercat $D/fifo $D/m/late-setuid &
until [ -e $D/go ]; do sleep 0.1; done
cat $D/m/late-person
wait
"""


class Scene:
    """A folder with marks, users in it, and the records of what ran there."""

    def __init__(self, directory, people=None):
        self.dir, self.people, self.trace = directory, people, None
        os.mkdir(directory + "/m")

    def copy(self, source, name, owner=0, mode=0o755):
        path = os.path.join(self.dir, name)
        shutil.copyfile(source, path)
        os.chown(path, owner, 0)
        os.chmod(path, mode)
        return path

    def script(self, name, text):
        for word in text.replace("'", " ").replace('"', " ").replace(";", " ").split():
            if "$D/m/" in word or self.dir + "/m/" in word:
                open(self.dir + "/m/" + word.rsplit("/m/", 1)[1], "w").close()
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def words(self):
        p = self.people
        self.copy(tap.workload("daemonize"), "daemonize")  # the build may lie where only root may enter
        w = {"dir": self.dir}
        if p:
            w.update(user=p.user, other=p.other, uid=p.uid, sshd=p.sshd(), ssh=p.ssh("sh %s/session.sh" % self.dir))
        return w

    def run(self, text):
        self.trace = trail.run(["/bin/sh", self.script("run.sh", text)])
        if os.environ.get("HT_KEEP_RECORDS"):
            with open(os.environ["HT_KEEP_RECORDS"], "a") as f:
                for r in self.trace.records:
                    f.write(json.dumps(r.raw) + "\n")

    def opened(self, t, mark):
        """The record of the open of a mark. There is one; with two the last, which is the program's own."""
        path = self.dir + "/m/" + mark
        found = [r for r in self.trace.records if r.name in ("open", "openat") and r.request.get("path") == path]
        if not found:
            raise tap.Failed("no record of %s: %s%s" % (path, self.trace.err[-1500:], self.trace.out[-500:]))
        return found[-1]


def subset(t, got, want, what):
    for key, value in want.items():
        if isinstance(value, dict):
            subset(t, got.get(key) or {}, value, "%s: %s" % (what, key))
        else:
            t.equal(got.get(key), value, "%s: %s" % (what, key))


def check(t, r, what, source=None, process=None, **who):
    subset(t, r.raw["userIdentity"], who, what)
    if source:
        t.equal(r.raw["sourceIPAddress"], source, what + ": sourceIPAddress")
    subset(t, r.process, process or {}, what + ": process")


def arn(r, tail):
    head, host = r.raw["userIdentity"]["arn"].split(":host/", 1)
    return "%s:host/%s/%s" % (head, host.split("/", 1)[0], tail)


def host_of(r):
    return r.raw["userIdentity"]["principalId"].split(":", 1)[0]


def person(t, r, name, uid, what, **more):
    check(t, r, what, type="IAMUser", userName=name, principalId="%s:%d" % (host_of(r), uid), arn=arn(r, "user/" + name),
          invokedBy=None, **more)


def became(t, r, name, uid, who, via, what, **more):
    issuer = {"type": "Role", "principalId": "%s:%d" % (host_of(r), uid), "arn": arn(r, "user/" + name), "userName": name}
    check(t, r, what, type="AssumedRole", userName=None, principalId="%s:%d:%s" % (host_of(r), uid, who), via=via,
          arn=arn(r, "assumed-role/%s/%s" % (name, who)), sessionContext={"sessionIssuer": issuer, "sourceIdentity": who}, **more)


def service(t, r, name, what, **more):
    check(t, r, what, type="AWSService", invokedBy=name, userName=None, sessionContext=None, source=name,
          arn=arn(r, "service/" + name.lstrip("/")), **more)


def prepare(scene):
    scene.copy("/bin/cat", "rootcat", 0, 0o4755)
    scene.copy("/bin/cat", "othercat", scene.people.other_uid, 0o4755)
    w = scene.words()
    scene.script("session.sh", SESSION % w)
    return ROOT % w


def check_session(t, s, user, other):
    """What happened in the SSH session."""
    p = s.opened(t, "person")
    session = p.process.get("auditSession")
    t.ok(session not in (None, NO_ID), "an audit session")
    t.ok((p.process.get("tty") or "").startswith("pts"), "a tty: %r" % p.process.get("tty"))
    t.ok(p.process.get("sessionId") and p.process["sessionId"] == s.opened(t, "userns").process.get("sessionId"), "a POSIX session")
    t.equal(s.opened(t, "daemon").process.get("tty"), None, "the daemon's tty")
    here = {"source": login.CLIENT, "process": {"loginuid": s.people.uid, "auditSession": session}}
    person(t, p, user, s.people.uid, "person", via=None, **here)
    created = p.raw["userIdentity"]["sessionContext"]["attributes"]["creationDate"]
    t.ok(created <= p.raw["eventTime"] and p.raw["eventTime"][:13] == created[:13], "creationDate %s" % created)
    roles = (("sudo", "root", 0, "/usr/bin/sudo"), ("sudo-other", other, s.people.other_uid, "/usr/bin/sudo"),
             ("sudo-rootcat", "root", 0, "/usr/bin/sudo"), ("sudo-su", other, s.people.other_uid, "/usr/bin/su"),
             ("setuid", "root", 0, s.dir + "/rootcat"), ("setuid-other", other, s.people.other_uid, s.dir + "/othercat"),
             ("sudo-userns", "root", 0, "/usr/bin/sudo"), ("sudo-daemon", "root", 0, "/usr/bin/sudo"))
    for mark, name, uid, via in roles:
        r = s.opened(t, mark)
        became(t, r, name, uid, user, via, mark, **here)
        t.equal(r.raw["userIdentity"]["sessionContext"].get("attributes", {}).get("creationDate"), created, mark + ": creationDate")
    person(t, s.opened(t, "daemon"), user, s.people.uid, "daemon", **here)
    t.equal(s.opened(t, "daemon").process.get("parent", {}).get("pid") in (None, p.process["parent"]["pid"]), False, "an orphan")
    here["process"]["uidInNamespace"] = 0
    person(t, s.opened(t, "userns"), user, s.people.uid, "userns", via="userns", **here)
    here["process"]["uidInNamespace"] = 5
    r = s.opened(t, "subuid")
    person(t, r, user, s.people.uid, "subuid", via="userns", **here)
    t.ok(r.process["uids"]["euid"] >= 100000, "a subordinate uid: %r" % r.process["uids"])


def check_setuid_exec(t, s, user):
    """The credentials of a set-uid program: in the record of its exec, and not before it."""
    before, after = s.opened(t, "before-setuid"), s.opened(t, "setuid")
    t.equal(after.pid, before.pid, "the same process")
    person(t, before, user, s.people.uid, "before the exec", process={"uids": {"uid": s.people.uid, "euid": s.people.uid}})
    execs = [r for r in s.trace.calls("execve") if r.pid == before.pid and r.request.get("path") == s.dir + "/rootcat"]
    t.must(len(execs) == 1, "one exec: %r" % execs)
    uids = {"uid": s.people.uid, "euid": 0, "suid": 0, "fsuid": 0}
    became(t, execs[0], "root", 0, user, s.dir + "/rootcat", "the exec", process={"uids": uids})


def people(t):
    """Root as a service and logged in, a person over sshd, and who they become."""
    with tap.Workdir() as d, login.People(d) as p:
        s = Scene(d, p)
        s.run(prepare(s))
        t.equal(s.trace.lost, 0, "lost")
        service(t, s.opened(t, "service"), "/usr/bin/cat", "service", process={"uids": {"euid": 0}, "loginuid": None})
        r = s.opened(t, "root-login")
        check(t, r, "root logged in", type="Root", userName="root", principalId=host_of(r) + ":0", arn=arn(r, "user/root"),
              process={"loginuid": 0})
        check(t, s.opened(t, "root-userns"), "root in a user namespace", type="Root", via="userns")
        became(t, s.opened(t, "su"), p.user, p.uid, "root", "/usr/bin/su", "su")
        became(t, s.opened(t, "root-sudo"), p.user, p.uid, "root", "/usr/bin/sudo", "sudo by root")
        check_session(t, s, p.user, p.other)
        check_setuid_exec(t, s, p.user)


def one_thread(t):
    """setresuid in one thread is that thread's alone."""
    with tap.Workdir() as d:
        s = Scene(d)
        s.script("marks", "%s/m/thread %s/m/leader" % (d, d))
        with open(d + "/thread.py", "w") as f:
            f.write(THREAD % {"dir": d, "uid": 64999})
        s.run("exec /usr/bin/python3 -S %s/thread.py" % d)
        thread, leader = s.opened(t, "thread"), s.opened(t, "leader")
        t.equal(thread.pid, leader.pid, "one process")
        t.ok(thread.process.get("threadId"), "another thread")
        t.ok(thread.nanos < leader.nanos, "the leader acts last")
        t.equal(thread.process["uids"], {"uid": 0, "suid": 0, "euid": 64999, "fsuid": 64999}, "the thread's uids")
        t.equal(leader.process["uids"], {"uid": 0, "suid": 0, "euid": 0, "fsuid": 0}, "the leader's uids")


def cgroups(t):
    """A unit and a container, from cgroups laid out as systemd and Docker do, and namespaces."""
    if not CGROUP2:
        raise tap.Skip("no cgroup2 here")
    top = "%s/hosttrail-test-%d" % (CGROUP2, os.getpid())
    unit, scope = top + "/system.slice/foo.service", top + "/system.slice/docker-%s.scope" % CONTAINER
    try:
        os.makedirs(unit)
        os.makedirs(scope)
        with tap.Workdir() as d:
            s = Scene(d)
            s.run("D=%s\nsh -c 'echo $$ >%s/cgroup.procs; exec cat %s/m/unit'\n"
                  "sh -c 'echo $$ >%s/cgroup.procs; exec unshare -m -u -i -n -p -f cat %s/m/scope'\n"
                  "sh -c 'read x <%s/m/moved-before; echo $$ >%s/cgroup.procs; read x <%s/m/moved-after'\n" %
                  (d, unit, d, scope, d, d, unit, d))
            service(t, s.opened(t, "unit"), "foo.service", "unit", process={"cgroup": unit[len(CGROUP2):], "container": None})
            r = s.opened(t, "scope")
            service(t, r, "container/" + CONTAINER[:12], "scope", process={"cgroup": scope[len(CGROUP2):], "container": CONTAINER})
            t.ok(r.process.get("pidInNamespace") == 1, "its pid there is 1")
            ours = s.opened(t, "unit").process["namespaces"]
            same = [n for n in ours if ours[n] == r.process["namespaces"].get(n)]
            t.equal(sorted(same), ["cgroup", "time", "user"], "namespaces that it shares")
            service(t, s.opened(t, "moved-before"), "/usr/bin/dash", "before the move")
            service(t, s.opened(t, "moved-after"), "foo.service", "after the move")
    finally:
        for path in (unit, scope, top + "/system.slice", top):
            if os.path.isdir(path):
                os.rmdir(path)


def podman(t):
    """A real container: podman and runc, busybox."""
    for program in ("/usr/bin/podman", "/usr/sbin/runc", "/bin/busybox"):
        if not os.path.exists(program):
            raise tap.Skip(program + " is not installed")
    with tap.Workdir() as d:
        s = Scene(d)
        for name in ("bin", "proc", "sys", "dev", "m", "etc", "tmp"):
            os.makedirs(d + "/root/" + name, exist_ok=True)
        shutil.copy("/bin/busybox", d + "/root/bin/busybox")
        open(d + "/root/m/inside", "w").close()
        s.run("podman --root %s/store --runroot %s/run --tmpdir %s/tmp --storage-driver vfs --events-backend none --runtime runc"
              " --cgroup-manager=cgroupfs run --rm --cidfile %s/cid --network none --ulimit nofile=1024:1024"
              " --ulimit nproc=1000:1000 --rootfs %s/root /bin/busybox cat /m/inside\n" % (d, d, d, d, d))
        found = [r for r in s.trace.records if r.name in ("open", "openat") and r.executable and r.executable.endswith("/bin/busybox")
                 and (r.request.get("path") or "").endswith("/m/inside")]
        if s.trace.status and not found:
            raise tap.Skip("podman does not work here: " + " ".join(s.trace.err.split())[-300:])
        t.must(len(found) == 1, "one open inside: %r" % found)
        with open(d + "/cid") as f:
            cid = f.read().strip()
        service(t, found[0], "container/" + cid[:12], "inside", process={"container": cid, "pidInNamespace": 1})


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def check_hashes(t, s):
    """Every record has an executable's id; every id has one hash, and records that show a hash show that one."""
    calls = [r for r in s.trace.records if r.call]
    ids = {(r.process.get("executable") or {}).get("id") for r in calls}
    t.ok(None not in ids, "records without an executable: %r" % [r for r in calls if not r.process.get("executable")][:3])
    said = [r.raw["serviceEventDetails"] for r in s.trace.records if r.name == "ExecutableHashed"]
    hashes = {e["executableId"]: e for e in said}
    t.equal(len(hashes), len(said), "one ExecutableHashed for each id")
    for r in calls:
        e = r.process.get("executable") or {}
        if "sha256" in e and e.get("id") in hashes:
            t.equal(e["sha256"], hashes[e["id"]]["sha256"], "the hash in a record")
    return hashes


def executables(t):
    """Ids and hashes: a replaced file, an overlay in a mount namespace of its own, a memfd, a deleted file."""
    with tap.Workdir() as d:
        s = Scene(d)
        s.copy("/bin/cat", "x")
        s.copy("/usr/bin/head", "y")
        for name in ("gone", "source", "lower-sh"):
            s.copy("/bin/dash", name)
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(d + "/" + name)
        os.rename(d + "/lower-sh", d + "/lower/sh")
        with open(d + "/fexec.py", "w") as f:
            f.write(FEXEC)
        wait = "sleep 0.5 | "  # its file is opened meanwhile: later nothing leads there
        s.run("D=%s\n%s$D/x $D/m/first; mv $D/y $D/x; $D/x $D/m/second\n"
              "%s/usr/bin/python3 -S $D/fexec.py $D/source $D/m/memfd memfd\n"
              "%s/usr/bin/python3 -S $D/fexec.py $D/gone $D/m/deleted deleted\n"
              "unshare -m sh -c 'mount -t overlay -o lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work none %s/merged &&"
              " %s %s/merged/sh -c \"read x <%s/m/overlay; read x\"'\n" % (d, wait, wait, wait, d, d, d, d, wait, d, d))
        hashes = check_hashes(t, s)
        exe = {m: s.opened(t, m).process["executable"] for m in ("first", "second", "memfd", "deleted", "overlay")}
        t.equal([exe[m]["path"] for m in ("first", "second", "overlay")], [d + "/x", d + "/x", d + "/merged/sh"], "paths")
        t.ok(exe["first"]["id"] != exe["second"]["id"], "another file under the same path is another id")
        want = {"first": "/bin/cat", "second": "/usr/bin/head", "memfd": "/bin/dash", "deleted": "/bin/dash", "overlay": "/bin/dash"}
        for mark, path in want.items():
            t.equal(hashes.get(exe[mark]["id"], {}).get("sha256"), sha256(path), mark + ": SHA-256")
        for mark in ("memfd", "deleted"):
            t.equal(exe[mark].get("deleted"), True, mark + ": has no name any more")
        t.equal(exe["overlay"].get("deleted"), None, "overlay: is not deleted")


def said_of(agent):
    """Path of each open: what its identity says, as text."""
    said = {}
    for f in agent.everything()[0]:
        for r in spooldir.records(f) if f.kind == 0 else ():
            w = r.identity
            said[r.fields.get("path")] = [r.type, r.arn] + [spooldir.text(f.message, i) for i in (w.via, w.source_ip)]
    return said


def before_the_agent(t):
    """A session that began before the agent did: what /proc still tells of it."""
    if not CGROUP2:
        raise tap.Skip("no cgroup2 here")
    top = "%s/hosttrail-test-%d" % (CGROUP2, os.getpid())
    os.mkdir(top)
    try:
        with tap.Workdir() as d, login.People(d) as p:
            s = Scene(d, p)
            s.copy("/bin/cat", "othercat", p.other_uid, 0o4755)
            os.mkfifo(d + "/fifo")
            s.script("session.sh", BEFORE % s.words())
            run = s.script("run.sh", "echo $$ >%s/cgroup.procs\n%s%skill $sshd\nwait\n" % (top, p.sshd(), s.words()["ssh"]))
            with daemon.Agent(["/bin/sh", run], scope="cgroup " + top[len(CGROUP2):]) as a:
                a.go()
                a.wait(lambda: subprocess.run(["/usr/bin/pgrep", "-u", p.other, "othercat"], check=False,
                                              stdout=subprocess.DEVNULL).returncode == 0, 20, "no session")
                a.start()
                with open(d + "/fifo", "w"), open(d + "/go", "w"):
                    pass
                a.tree.wait(30)
                a.stop()
                said = said_of(a)
                want = {"late-person": [2, "user/" + p.user, "", login.CLIENT],
                        "late-sudo": [3, "assumed-role/root/" + p.user, "/usr/bin/sudo", login.CLIENT],
                        "late-setuid": [3, "assumed-role/%s/%s" % (p.other, p.user), d + "/othercat", login.CLIENT]}
                for mark, what in want.items():
                    t.equal(said.get(d + "/m/" + mark), what, mark)
    finally:
        os.rmdir(top)


def slow_names(t):
    """A resolver that does not answer holds nobody up: the number stands for the name, and NameResolved follows."""
    script = "import os; open('/proc/self/loginuid','w').write('1'); os.setuid(1); open('/etc/hostname')"
    with daemon.Agent(["/usr/bin/python3", "-S", "-c", script]) as a:
        a.start()
        resolver = daemon.resolvers(a)[0]
        os.kill(resolver, signal.SIGSTOP)
        try:
            a.go()
            a.tree.wait(30)
            opens = lambda: [r for r in a.everything()[1] if r.fields.get("path") == "/etc/hostname"]
            a.wait(opens, 5, "no record while the resolver sleeps")
            r = opens()[0]
            t.equal([r.type, r.identity.loginuid, r.arn], [2, 1, "user/1"], "its identity")
        finally:
            os.kill(resolver, signal.SIGCONT)
        a.wait(lambda: sum(r.name == "NameResolved" for r in a.everything()[1]) >= 2, 5, "no NameResolved")
        a.stop()
        said = [(r.fields["uid"], r.fields["userName"]) for r in a.everything()[1] if r.name == "NameResolved"]
        t.equal(sorted(said), [(0, "root"), (1, "daemon")], "NameResolved: who called setuid, and who that made of it")


def lookup(t):
    """The store finds a person's calls under their own name and under the name that they took."""
    with tap.Workdir() as d, login.People(d) as p, instance.Instance() as i:
        s = Scene(d, p)
        path = s.script("run.sh", prepare(s))
        argv = [tap.program("hosttrail"), "up", "--dir", i.dir, "--quiet", "--scope", "tree", "--", "/bin/sh", path]
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        t.must(r.returncode == 0, "hosttrail up: %d %s" % (r.returncode, r.stderr[-1500:] + i.logs()))
        i.start("hosttrail-store")
        by = {}
        for name in (p.user, p.other, "root", "/usr/bin/cat"):
            by[name] = i.lookup("Username=" + name)
        s.trace = trail.Trace(list({x.event_id: x for v in by.values() for x in v}.values()), 0, 0, 0, "", "")
        check_session(t, s, p.user, p.other)
        check_setuid_exec(t, s, p.user)
        marks = {n: {os.path.basename(x.request.get("path") or "") for x in v if x.name in ("open", "openat")} for n, v in by.items()}
        for mark in ("person", "sudo", "sudo-other", "setuid", "daemon", "userns"):
            t.ok(mark in marks[p.user], "%s under the login user" % mark)
        for name, mark in ((p.other, "sudo-other"), (p.other, "setuid-other"), ("root", "sudo"), ("root", "root-login"),
                           ("/usr/bin/cat", "service")):
            t.ok(mark in marks[name], "%s under %s" % (mark, name))
        t.ok("sudo" not in marks[p.other] and "person" not in marks["root"], "and not under anybody else")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    with open("/proc/self/loginuid") as login_file:
        if int(login_file.read()) != NO_ID:
            print("1..0 # SKIP this login's uid cannot be changed; run it from a service")
            sys.exit(0)
    tap.main([people, one_thread, cgroups, podman, executables, before_the_agent, slow_names, lookup])
