# SPDX-License-Identifier: Apache-2.0
"""nginx under wrk over TLS: requests a second while it is captured, while it is not, and while another tool copies its plaintext.

Equal servers take turns, one worker each: one in the agent's scope; one outside, with a copy of libssl that nobody probes, as wrk has; one whose
copy is probed by bcc's sslsniff, if that can be had; and one whose copy is probed by bpftrace in the same way: at the functions' entries and returns, with
their bytes printed. All share the machine's CPUs with who reads what they say. How much of what was asked is recorded is
told, because who loses half costs less.
"""
import contextlib
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
from sslsniff import Sslsniff
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


def begun(peers, envs, say):
    """Those of the peers that record what is done with their copies of the library."""
    running = []
    for peer, env in zip(peers, envs):
        try:
            peer.start_on(os.path.join(env["LD_LIBRARY_PATH"], os.path.basename(library())))
            running.append(peer)
        except tap.Failed as e:
            peer.stop()
            say("  copied by " + peer.name, "not measured: %s" % e)
    return running


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
    with tap.Workdir() as d, contextlib.ExitStack() as servers:
        free, client, *theirs = copies(d, ("free", "client", "sslsniff", "bpftrace"))
        agent, peers = Agent(instance), [Sslsniff(d), Copier(d)]
        ours = servers.enter_context(server(d, "ours", None))
        agent.start_on(ours.proc.pid, tls=True)
        # later than the agent: else it would probe what they have mapped
        others = servers.enter_context(server(d, "free", free))
        copied = {peer: servers.enter_context(server(d, peer.name, env)) for peer, env in zip(peers, theirs)}
        running = begun(peers, theirs, say)
        mine, plain, *copying = turns = [Asked(web, client) for web in (ours, others, *(copied[p] for p in running))]
        try:
            for i in range(size("bench.tls_wrk_rounds")):
                first = i % len(turns)
                for asked in turns[first:] + turns[:first]:
                    asked.turn()
                    time.sleep(1)	# who reads what the turn said is through
        finally:
            for peer in running:
                peer.stop()
        calls, lost = recorded(agent)
        agent.stop()
        seen = [peer.requests() for peer in running]
    say("nginx + wrk over TLS, not captured", Sample(plain.rates).text("requests/s"))
    say("  captured", "%s, times %s; %.1f %% of %d requests recorded, %d pieces lost" % (
        Sample(mine.rates).text("requests/s"), ratio_text(mine.rates, plain.rates), 100 * calls / mine.requests, mine.requests, lost))
    for peer, n, asked in zip(running, seen, copying):
        say("  copied by " + peer.name, "%s, times %s; %.1f %% of %d requests printed" % (
            Sample(asked.rates).text("requests/s"), ratio_text(asked.rates, plain.rates), 100 * n / asked.requests, asked.requests))
