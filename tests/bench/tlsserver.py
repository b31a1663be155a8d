# SPDX-License-Identifier: Apache-2.0
"""nginx under wrk over TLS: requests a second while it is captured, while it is not, and while another tool copies its plaintext.

Equal servers take turns, one worker each: one in the agent's scope; one outside, with a copy of libssl that nobody probes, as wrk has; and one whose
copy is probed by bpftrace, at the functions' entries and returns and with their bytes printed, as bcc's sslsniff does it (which itself
needs the kernel's headers). All share the machine's CPUs with who reads what they say. How much of what was asked is recorded is
told, because who loses half costs less.
"""
import os
import re
import shutil
import subprocess
import time

import tap
import tlsweb
from agent import Agent
from measure import Sample, ratio_text
from peers import IN_TRACEFS, Bpftrace, installed
from sizes import size
from tlscost import library

CONNECTIONS = 16
COPY = ("uprobe:{0}:SSL_write,uprobe:{0}:SSL_read {{ @b[tid] = arg1; }} "
        "uretprobe:{0}:SSL_write,uretprobe:{0}:SSL_read /@b[tid]/ {{ if (retval > 0) {{ printf(\"%d %s %r\\n\", retval, comm, buf(@b[tid], retval)); }} "
        "delete(@b[tid]); }}")


class Copier(Bpftrace):
    """bpftrace on one copy of the library."""

    def start_on(self, path):
        self.launch(IN_TRACEFS + ["bpftrace", "-B", "full", "-e", COPY.format(path)])
        self.wait(self.polls)

    def requests(self):
        with open(self.output(), "rb") as f:
            return sum(b" GET /" in line for line in f)


class Asked:
    """Turns of one server: requests a second, and how many there were."""

    def __init__(self, web, env):
        self.web, self.env, self.rates, self.requests = web, env, [], 0

    def turn(self):
        argv = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "%ds" % size("bench.tls_wrk_seconds"), self.web.url("/v2/customers/17/orders?state=open")]
        out = subprocess.run(argv, capture_output=True, text=True, check=True, env=self.env).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            raise tap.Failed("wrk: " + out)
        self.rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)))
        self.requests += int(re.search(r"(\d+) requests in", out).group(1))


def copies(folder, names):
    """An environment for each in which programs have a libssl of their own."""
    for name in names:
        os.mkdir(os.path.join(folder, name))
        shutil.copy(library(), os.path.join(folder, name))
    return [dict(os.environ, LD_LIBRARY_PATH=os.path.join(folder, name)) for name in names]


def server(folder, name, env):
    path = os.path.join(folder, "web-" + name)
    os.mkdir(path)
    return tlsweb.Nginx(path, env=env)


def recorded(agent):
    """API calls of the agent's records, and lost pieces: until no more come."""
    before, now = None, agent.status()
    while before != now.get("records_by_class"):
        before = now.get("records_by_class")
        time.sleep(0.5)
        now = agent.status()
    return now.get("records_by_class", {}).get("tls", 0), now.get("lost", 0)


def run(instance, say):
    installed("nginx", "wrk", "bpftrace")
    with tap.Workdir() as d:
        free, theirs, client = copies(d, ("free", "theirs", "client"))
        agent, peer = Agent(instance), Copier(d)
        with server(d, "ours", None) as ours:
            agent.start_on(ours.proc.pid, tls=True)
            # later than the agent: else it would probe what they have mapped
            with server(d, "free", free) as others, server(d, "theirs", theirs) as copied:
                peer.start_on(os.path.join(theirs["LD_LIBRARY_PATH"], os.path.basename(library())))
                try:
                    turns = [Asked(ours, client), Asked(others, client), Asked(copied, client)]
                    for i in range(size("bench.tls_wrk_rounds")):
                        for asked in turns[i % 3:] + turns[:i % 3]:
                            asked.turn()
                            time.sleep(1)	# who reads what the turn said is through
                finally:
                    peer.stop()
                calls, lost = recorded(agent)
                agent.stop()
        mine, plain, theirs = turns
        seen = peer.requests()
    say("nginx + wrk over TLS, not captured", Sample(plain.rates).text("requests/s"))
    say("  captured", "%s, times %s; %.1f %% of %d requests recorded, %d pieces lost" % (
        Sample(mine.rates).text("requests/s"), ratio_text(mine.rates, plain.rates), 100 * calls / mine.requests, mine.requests, lost))
    say("  copied by bpftrace", "%s, times %s; %.1f %% of %d requests printed" % (
        Sample(theirs.rates).text("requests/s"), ratio_text(theirs.rates, plain.rates), 100 * seen / theirs.requests, theirs.requests))
