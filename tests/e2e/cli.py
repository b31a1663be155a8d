#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=120
"""The four programs' command lines: help, usage errors, exit statuses; and that the man pages tell of every option and
every configuration key, and of no other."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("HT_BUILD", "build"))
DAEMONS = ("hosttraild", "hosttrail-forward", "hosttrail-store")
COMMANDS = ("trace", "up", "lookup", "query", "tail", "status", "doctor", "verify", "selectors", "apis")
USAGE = [
    [], ["nonsense"], ["lookup", "--nonsense"], ["lookup", "extra"], ["query"], ["query", "SELECT 1", "extra"], ["query", "--format", "xml", "SELECT 1"], ["lookup", "--attribute", "NoEquals"], ["lookup", "-a"],
    ["lookup", "--max", "x"], ["lookup", "--max", "-1"], ["lookup", "--start", "yesterday"],
    ["lookup", "-a", "EventName=a", "-a", "EventName=b"], ["lookup", "--format", "xml"], ["trace"], ["trace", "-z", "true"],
    ["trace", "--format", "xml", "true"], ["tail", "extra"], ["verify", "--end", "never"], ["doctor", "x"], ["status", "-x"],
    ["up", "--scope", "moon"], ["up", "--scope", "host", "true"], ["up", "--api", "noport"], ["up", "--scope", "tree"],
    ["selectors"], ["selectors", "check"], ["selectors", "check", "/none/such"], ["selectors", "make", "x"], ["selectors", "check", "a", "b"],
    ["selectors", "check", "--max", "x", "f"], ["trace", "--selectors", "/none/such", "true"],
    ["apis"], ["apis", "make"], ["apis", "check", "a", "b"],
]
RESULTS = []


def check(name, good, detail=""):
    RESULTS.append((name, good, detail))


def run(program, *args, **more):
    env = {k: v for k, v in os.environ.items() if k != "HOSTTRAIL_DIR"}
    return subprocess.run([os.path.join(BUILD, "bin", program), *args], capture_output=True, text=True, check=False, env=env,
                          stdin=subprocess.DEVNULL, timeout=20, **more)


def usage():
    for args in USAGE:
        r = run("hosttrail", *args)
        check("hosttrail %s: status 2, one line" % " ".join(args),
              r.returncode == 2 and len(r.stderr.splitlines()) == 1 and not r.stdout, "%d %s" % (r.returncode, r.stderr))
    for command in COMMANDS:
        r = run("hosttrail", command, "--help")
        check("hosttrail %s --help" % command, r.returncode == 0 and r.stdout.startswith("Usage: hosttrail " + command) and not r.stderr and
              "\t" not in r.stdout,
              r.stdout + r.stderr)
    for program in ("hosttrail",) + DAEMONS:
        r = run(program, "--version")
        check("%s --version" % program, r.returncode == 0 and re.match(r"\S+ \d+\.\d+\.\d+$", r.stdout.strip()), r.stdout + r.stderr)
    for program in DAEMONS:
        for wrong in ("--nonsense", "extra"):
            r = run(program, wrong)
            check("%s %s: status 2, one line" % (program, wrong), r.returncode == 2 and wrong in r.stderr and
                  len(r.stderr.splitlines()) == 1 and not r.stdout, "%d %s" % (r.returncode, r.stderr))


def failures(folder):
    r = run("hosttrail", "lookup", "--dir", folder)
    check("no store: status 1, one line", r.returncode == 1 and len(r.stderr.splitlines()) == 1 and "not running" in r.stderr, r.stderr)
    r = run("hosttrail", "status", "--dir", folder + "/none")
    check("no instance: status 1, one line", r.returncode == 1 and len(r.stderr.splitlines()) == 1, r.stderr)
    r = run("hosttrail", "lookup", cwd=folder)
    check("where no instance is usual, the way to one is told", r.returncode == 1 and ("--dir" in r.stderr or "store" in r.stderr), r.stderr)
    r = run("hosttrail", "trace", "-o", folder + "/no/such/dir", "true")
    check("an output that cannot be written", r.returncode == 1 and len(r.stderr.splitlines()) == 1, r.stderr)


def trace_counts(folder):
    """The last line's N is the number of records written, wherever they go and whatever is traced."""
    if os.geteuid() != 0:
        check("trace's count # SKIP needs root", True)
        return
    script = "for i in 1 2 3; do /bin/true & done; wait; cat /etc/hostname /no/such; exit 7"
    for name, args in (("standard output", []), ("a file", ["-o", folder + "/records"]), ("a terminal's form", ["--format", "compact"]),
                       ("--no-wait", ["--no-wait"])):
        r = run("hosttrail", "trace", *args, "--", "/bin/sh", "-c", "exec >/dev/null; " + script)
        out = open(folder + "/records").read() if "-o" in args else r.stdout
        last = re.fullmatch(r"hosttrail: (\d+) records, (\d+) lost", r.stderr.splitlines()[-1]) if r.stderr else None
        check("trace counts what it wrote to " + name, last and int(last[1]) == len(out.splitlines()) > 20 and last[2] == "0" and
              r.returncode == 7, "%d, %d lines; %s" % (r.returncode, len(out.splitlines()), r.stderr))


def trace_without_priority():
    """Where the kernel refuses it, trace says that it reads no sooner than others write."""
    if os.geteuid() != 0:
        check("trace's priority # SKIP needs root", True)
        return
    for name, args, said in (("has its priority", [], 0), ("says that it has none", ["setpriv", "--bounding-set=-sys_nice"], 1)):
        r = subprocess.run([*args, "nice", "-n", "2", os.path.join(BUILD, "bin/hosttrail"), "trace", "--no-tls", "true"], capture_output=True, text=True,
                           check=False, stdin=subprocess.DEVNULL, timeout=60)
        check("trace " + name, r.returncode == 0 and r.stderr.count("priority: Permission denied") == said, r.stderr)


def browser(folder):
    """A process that has TLS in it, by a browser's name; None: there is none to be had."""
    if os.geteuid() or not os.path.exists("/usr/bin/node"):
        return None
    shutil.copy("/usr/bin/node", folder + "/chromium")
    p = subprocess.Popen([folder + "/chromium", "-e", "console.log(1); setTimeout(() => 0, 60000)"], stdout=subprocess.PIPE)
    p.stdout.readline()
    return p


def below_floor(folder):
    """Kernels before 6.1 are refused with one clear line, by all that loads programs. The kernel itself says 2.6 to a caller that asks so."""
    config = os.path.join(folder, "agent.yaml")
    with open(config, "w") as f:
        f.write("state_dir: %s/key\nspool_dir: %s/spool\nscope: tree %d\n" % (folder, folder, os.getpid()))
    os.mkdir(folder + "/key", 0o700)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", folder + "/key/host.key"], check=True)
    with open(folder + "/key/host_id", "w") as f:
        f.write("4c1f0000-0000-4000-8000-000000000001\n")
    for name, args in (("hosttraild", ["--config", config]), ("hosttrail", ["trace", "true"])):
        r = subprocess.run(["setarch", "--uname-2.6", os.path.join(BUILD, "bin", name), *args], capture_output=True, text=True,
                           check=False, stdin=subprocess.DEVNULL, timeout=20)
        check("%s refuses a kernel below 6.1 with one line" % name,
              r.returncode == 1 and re.search(r"^%s: .*kernel 2\.6\.\S+ is older than 6\.1$" % name, r.stderr) and
              len(r.stderr.splitlines()) == 1 and not r.stdout, "%d %s%s" % (r.returncode, r.stdout, r.stderr))
    p = browser(folder)
    r = subprocess.run(["setarch", "--uname-2.6", os.path.join(BUILD, "bin/hosttrail"), "doctor"], capture_output=True, text=True,
                       check=False, stdin=subprocess.DEVNULL, timeout=20)
    if p:
        p.kill()
        p.wait()
        found = [json.loads(line) for line in r.stdout.splitlines() if folder + "/chromium" in line]
        check("doctor says that browsers are left out, and whose that is", [f["name"] for f in found] == ["tls: " + folder + "/chromium", "tls user: %d" % p.pid] and
              not any(f["on"] for f in found) and all("a browser" in f["why"] for f in found), str(found)[:500])
    tls = [json.loads(line) for line in r.stdout.splitlines() if line.startswith('{"name":"tls: ')]
    mine = [f for f in tls if "libssl.so" in f["name"] and f["on"]]
    check("doctor says what of TLS would be probed: hosttrail's own libssl, its reads and writes", bool(mine) and mine[0]["stack"] == "openssl" and
          {"read", "write"} <= {w for s in mine[0]["sites"] for w in ("read", "write") if w in s["symbol"].lower()}, str(tls)[:2000])
    check("doctor says that a kernel below 6.1 is too old", r.returncode == 1 and '"on":false' in r.stdout and "is older than 6.1" in r.stdout,
          "%d %s%s" % (r.returncode, r.stdout, r.stderr))


def configs(folder):
    bad = os.path.join(folder, "bad.yaml")
    for program in DAEMONS:
        with open(bad, "w") as f:
            f.write("# comment\nno_such_key: 1\n")
        r = run(program, "--config", bad, "--check")
        check("%s --check names the line of an unknown key" % program,
              r.returncode not in (0, 2) and "bad.yaml:2" in r.stderr and "no_such_key" in r.stderr, "%d %s" % (r.returncode, r.stderr))


    for key, value, says in (("tls_exclude_users", "[no-such-user-here]", "there is no user no-such-user-here"),
                             ("tls_exclude_programs", "[a/b]", "neither a name nor an absolute path"),
                             ("tls_exclude_cgroups", "[user.slice]", "no path of a cgroup"), ("apis", "/no/such.yaml", "No such file")):
        with open(bad, "w") as f:
            f.write("%s: %s\n" % (key, value))
        r = run("hosttraild", "--config", bad, "--check")
        check("hosttraild --check refuses %s: %s" % (key, value), r.returncode == 1 and says in r.stderr and len(r.stderr.splitlines()) == 1, r.stderr)


def man_page(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/man", name)) as f:
        return f.read()


def words(line):
    return re.findall(r"[a-z][A-Za-z_]+", line)


def settings(program):
    """{key: (choices or kind, default)}, as --help tells them."""
    return {k: (kind, default) for k, kind, default in re.findall(r"^  ([A-Za-z_]+): (\S+)\n      .*?(?:\(default: (.*)\))?$",
                                                                  run(program, "--help").stdout, re.M)}


def shared_settings():
    """Programs that run side by side without a configuration find each other; one key means one thing everywhere."""
    agent, forwarder, store = (settings(p) for p in DAEMONS)
    check("agent and forwarder use one spool", agent["spool_dir"][1] and agent["spool_dir"] == forwarder["spool_dir"],
          "%s, %s" % (agent["spool_dir"], forwarder["spool_dir"]))
    check("the agent reads the cursor that the forwarder writes", agent["cursor"][1] == forwarder["cursor_dir"][1] + "/cursor",
          "%s, %s" % (agent["cursor"], forwarder["cursor_dir"]))
    check("log levels have the same names", agent["log_level"] == forwarder["log_level"] == store["log_level"],
          "%s, %s, %s" % (agent["log_level"], forwarder["log_level"], store["log_level"]))


def man_pages():
    for program in DAEMONS:
        keys = settings(program)
        helped = set(keys)
        section = man_page(program + ".8").split(".Sh CONFIGURATION")[1].split(".Sh FILES")[0]
        told = {w for line in re.findall(r"^\.It Cm (.*)$", section, re.M) for w in words(line)}
        check("%s.8 tells of every key and no other" % program, helped and helped == told, "--help: %s, page: %s" % (
            sorted(helped - told), sorted(told - helped)))
        for key, (kind, _) in sorted(keys.items()):
            if "|" in kind and kind != "true|false":
                text = section.split(".It Cm %s\n" % key)[1].split("\n.It")[0]
                missing = set(kind.split("|")) - set(words(text))
                check("%s.8 tells of every value of %s" % (program, key), not missing, "not told: %s" % sorted(missing))
    page = man_page("hosttrail.1").replace("\\-", "-")
    for command in COMMANDS:
        options = set(re.findall(r"--([a-z-]+)", run("hosttrail", command, "--help").stdout.split("Options:")[1])) - {"help"}
        lines = page.split(".Sh SYNOPSIS")[1].split(".Sh DESCRIPTION")[0].split(".Cm %s\n" % command)[1].split(".Nm")[0]
        told = set(re.findall(r"\.Op Fl -([a-z-]+)", lines))
        short = {"d": "dir", "o": "output", "a": "attribute", "n": "max", "q": "quiet"}
        told |= {short[s] for s in re.findall(r"\.Op Fl ([a-z])\b", lines)}
        check("hosttrail.1 has the options of %s" % command, options == told, "--help: %s, page: %s" % (sorted(options), sorted(told)))


def make_run_cmd(folder):
    """CMD reaches the shell as it was written, quotes and all."""
    os.mkdir(folder + "/bin")
    with open(folder + "/bin/hosttrail", "w") as f:
        f.write("#!/bin/sh\nfor a; do echo \"[$a]\"; done\n")
    os.chmod(folder + "/bin/hosttrail", 0o755)
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    for cmd in ("cat /etc/passwd", "echo 'a  b' \"c\"; echo d", "grep -c '^ro*t' /etc/passwd | cat >\"$$X\""):
        r = subprocess.run(["make", "-s", "-C", top, "-o", "deps", "MAKE=true", "O=" + folder, "run", "SCOPE=tree", "CMD=" + cmd],
                           capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
        want = ["up", "--dir", folder + "/run", "--scope", "tree", "--", "sh", "-c", cmd.replace("$$", "$")]
        check("make run CMD=%s" % cmd, r.stdout.splitlines() == ["[%s]" % a for a in want], r.stdout + r.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="ht-cli.") as folder:
        usage()
        failures(folder)
        trace_counts(folder)
        trace_without_priority()
        below_floor(folder)
        configs(folder)
        shared_settings()
        man_pages()
        make_run_cmd(folder)
    print("1..%d" % len(RESULTS))
    for number, (name, good, detail) in enumerate(RESULTS, 1):
        if not good:
            print("\n".join("# " + line for line in detail.splitlines()))
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    sys.exit(0 if all(good for _, good, _ in RESULTS) else 1)


if __name__ == "__main__":
    main()
