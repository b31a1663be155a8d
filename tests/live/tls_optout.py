#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=300 long later=30
"""Who opted out: of a program by name, by path, of a user, of a cgroup and of a browser no byte of TLS comes out of the kernel, and one TlsUnobserved
record each says whose wish that was; what shares their library is recorded. nginx's log is the oracle of the requests, the memory of the agent's
processes, rings among it, of what came out."""
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "helpers"), os.path.join(HERE, "..")]
import daemon  # noqa: E402
import tap  # noqa: E402
import tlsweb  # noqa: E402

CGROUP2 = next((p for p in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(p + "/cgroup.controllers")), None)
UID = 64917
# what is asked for -> how, and whose wish it is that it is not read
WHO = {"seen": None, "browser": "browser", "named": "program", "path": "program", "user": "user", "cgroup": "cgroup", "other": None}


def mark(name):
    return "MARK%sMARK" % name.upper()


class Agent(daemon.Agent):
    tls = True

    def planner(self):
        """The child that plans files."""
        with open("/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid)) as f:
            for pid in f.read().split():
                with open("/proc/%s/cmdline" % pid) as c:
                    if c.read().split("\0")[1:2] == ["--planner"]:
                        return int(pid)
        return None


class Cgroup:
    """One that opted out, and one below it, where the process is."""

    def __enter__(self):
        self.path = "/hosttrail-optout-%d" % os.getpid()
        self.dir = CGROUP2 + self.path + "/below"
        os.makedirs(self.dir)
        return self

    def __exit__(self, *exc):
        os.rmdir(self.dir)
        os.rmdir(CGROUP2 + self.path)


def commands(d, cgroup):
    """One of each. Secrets are in files: what a command line has is recorded anyway."""
    os.chmod(d, 0o755)
    for sub, name in (("a", "chromium"), ("a", "my-tool"), ("opt", "curl")):
        os.makedirs(d + "/" + sub, exist_ok=True)
        shutil.copy("/usr/bin/curl", "%s/%s/%s" % (d, sub, name))
    run = {"seen": "curl -sK %s", "browser": d + "/a/chromium -sK %s", "named": d + "/a/my-tool -sK %s", "path": d + "/opt/curl -sK %s",
           "user": "setpriv --reuid %d curl -sK %%s" % UID, "cgroup": "sh -c 'echo $$ > %s/cgroup.procs; exec curl -sK %%s'" % cgroup.dir,
           "other": "setpriv --reuid %d curl -sK %%s" % (UID + 1)}
    return [run[name] % (d + "/" + name) for name in WHO]


def sni(name):
    return "%s.optout.test" % name


def write_requests(d, port):
    for name in WHO:
        with open(d + "/" + name, "w") as f:
            f.write('insecure\noutput = "/dev/null"\nheader = "authorization: Bearer %s"\nresolve = "%s:%d:127.0.0.1"\nurl = "https://%s:%d/%s"\n' %
                    (mark(name), sni(name), port, sni(name), port, name))
        os.chmod(d + "/" + name, 0o644)


def memory(pid):
    """What can be read of a process: its heap, and the rings that it has mapped. Some end when they have nothing to do, at any time."""
    found = b""
    try:
        with open("/proc/%d/maps" % pid) as f, open("/proc/%d/mem" % pid, "rb") as m:
            for line in f:
                at = re.match("([0-9a-f]+)-([0-9a-f]+) r", line)
                if not at or "[v" in line or int(at.group(2), 16) - int(at.group(1), 16) > 1 << 28:
                    continue
                try:
                    m.seek(int(at.group(1), 16))
                    found += m.read(int(at.group(2), 16) - int(at.group(1), 16))
                except (OSError, ValueError, OverflowError):
                    pass
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def processes(agent):
    with open("/proc/%d/task/%d/children" % (agent.proc.pid, agent.proc.pid)) as f:
        return [agent.proc.pid] + [int(p) for p in f.read().split()]


def nothing_comes_out(t):
    if not CGROUP2:
        raise tap.Skip("no cgroup2")
    with tap.Workdir() as d, Cgroup() as cgroup, tlsweb.Nginx(d + "/web") as web:
        write_requests(d, web.port)
        agent = Agent(["/bin/sh", "-c", "; ".join(commands(d, cgroup))], selectors=None, tls_exclude_programs=["my-t??l", d + "/o*/curl"],
                      tls_exclude_users=[str(UID)], tls_exclude_cgroups=[cgroup.path])
        with agent as a:
            a.start()
            a.go()
            a.tree.wait(60)
            a.wait(lambda: a.status()["records"] and len(web_seen(a)) >= 2, 20, "no calls")
            read = b"".join(memory(p) for p in processes(a))
            off = {f["name"]: f["why"] for f in a.status()["features"] if f["name"].startswith("TLS of")}
            a.stop()
            _, records = a.everything()
        t.equal(sorted(e["uri"] for e in web.log()), sorted("/" + n for n in WHO), "nginx was asked")
        check_records(t, records, d)
        t.ok(mark("seen").encode() in read and sni("seen").encode() in read, "the ring that is read has what is not left out")
        for name, wish in WHO.items():
            if wish:
                t.ok(mark(name).encode() not in read, "%s: its plaintext is in the agent's memory" % name)
                t.ok(sni(name).encode() not in read, "%s: its handshake is in the agent's memory" % name)
        t.equal(sorted(off), ["TLS of browsers", "TLS of cgroups", "TLS of programs", "TLS of users"], "status")
        t.equal(off["TLS of programs"], "tls_exclude_programs: my-t??l, %s/o*/curl" % d, "programs")
        t.equal(off["TLS of users"], "tls_exclude_users: %d" % UID, "users")
        started = next(r.fields for r in records if r.name == "AgentStarted")
        t.ok("TLS of cgroups: tls_exclude_cgroups: " + cgroup.path in started["off"], "AgentStarted: %r" % started["off"])


def web_seen(agent):
    return [r for r in agent.everything()[1] if r.name.startswith("GET /")]


def check_records(t, records, d):
    t.equal(sorted(r.name for r in records if r.name.startswith("GET /")), ["GET /other", "GET /seen"], "calls")
    unseen = [r for r in records if r.name == "TlsUnobserved"]
    t.equal(sorted((r.executable, r.fields["reason"], r.fields["optedOut"]) for r in unseen),
            sorted([(d + "/a/chromium", "OptedOut", "browser"), (d + "/a/my-tool", "OptedOut", "program"), (d + "/opt/curl", "OptedOut", "program"),
                    ("/usr/bin/curl", "OptedOut", "user"), ("/usr/bin/curl", "OptedOut", "cgroup")]), "TlsUnobserved")
    t.ok(all(r.fields["role"] == "client" and "serverName" not in r.fields and r.fields["peer.address"] == "127.0.0.1" for r in unseen), "%r" % unseen)


def traced(t):
    """hosttrail trace: a program that is named is left out, and browsers are unless they are wanted, as clients and as servers: each end of a
    connection by itself."""
    with tap.Workdir() as d, tlsweb.Nginx(d) as web:
        os.makedirs(d + "/bin")
        for name, source in (("firefox-esr", "curl"), ("tool", "curl"), ("opera", "openssl")):
            shutil.copy("/usr/bin/" + source, d + "/bin/" + name)
        port = tlsweb.free_port()
        script = ["sh", "-c", "cd %s/bin; curl -sko /dev/null %s; ./firefox-esr -sko /dev/null %s; "
                  "./opera s_server -accept 127.0.0.1:%d -www -key ../k.pem -cert ../c.pem >/dev/null 2>&1 & "
                  "./tool -sko /dev/null --retry-connrefused --retry 50 --retry-delay 1 https://127.0.0.1:%d/c; kill $!" %
                  (d, web.url("/a"), web.url("/b"), port, port)]
        want = [(["--tls-exclude", "*/bin/c?rl"], {("/c", "client")}, {("program", "client"), ("browser", "client"), ("browser", "server")})]
        if os.environ.get("HT_LONG") == "1":
            want.append((["--tls-browsers"], {("/a", "client"), ("/b", "client"), ("/c", "client"), ("/c", "server")}, set()))
        for options, calls, left in want:
            _, err, records = tlsweb.trace(script, d + "/trail", *options)
            t.equal(sorted((r["requestParameters"]["path"], r["additionalEventData"]["tls"]["role"]) for r in tlsweb.calls(records)), sorted(calls), "calls")
            unseen = [r["serviceEventDetails"] for r in records if r["eventName"] == "TlsUnobserved"]
            t.equal(sorted((r["optedOut"], r["role"]) for r in unseen), sorted(left), "%r: left out" % options)
            t.ok(all(r["reason"] == "OptedOut" and (r["role"] == "client" or r["local"]["port"] == port) for r in unseen), "%r" % unseen)
            t.ok(err.rstrip().endswith(" 0 lost"), err[-200:])


if __name__ == "__main__":
    if os.geteuid() or not os.path.exists("/usr/sbin/nginx"):
        print("1..0 # SKIP needs root and nginx")
        sys.exit(0)
    tap.main([nothing_comes_out, traced])
