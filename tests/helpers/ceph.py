# SPDX-License-Identifier: Apache-2.0
"""A real Ceph of one node on loopback: a monitor, one OSD on a sparse file, an S3 gateway. Some twenty seconds until it answers.

What it took to find out: with `auth none` the gateway asks the monitor for ever, so all is cephx with one keyring; the gateway's first contact makes the
zone group, whose api_name is what GetBucketLocation answers, so a user is made first, then the name set, then the gateway started."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid

import tap

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool")
CONFIG = """[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {d}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
run_dir = {d}/run
admin_socket = {d}/run/$name.asok
log_file = {d}/log/$name.log
pid_file = {d}/run/$name.pid
mon_cluster_log_file = {d}/log/cluster.log
ms_bind_ipv6 = false
setuser_match_path =
[mon.a]
mon_data = {d}/mon
[osd.0]
osd_data = {d}/osd
osd_objectstore = bluestore
bluestore_block_size = 4294967296
bluestore_block_db_create = false
bluestore_block_wal_create = false
bluestore_fsck_on_mount = false
osd_memory_target = 939524096
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_data = {d}/rgw
rgw_dns_name = localhost
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ceph:
    def __init__(self, d, key_id, secret):
        if not all(shutil.which(p) for p in PROGRAMS):
            raise tap.Skip("Ceph is not installed")
        self.dir, self.port = d, free_port()
        for name in ("mon", "osd", "run", "log", "rgw"):
            os.makedirs(os.path.join(d, name))
        with open(d + "/ceph.conf", "w") as f:
            f.write(CONFIG.format(d=d, fsid=uuid.uuid4(), v1=free_port(), v2=free_port(), port=self.port))
        self.make(key_id, secret)
        self.start_gateway()

    def run(self, *args, seconds=60, data=None):
        r = subprocess.run([args[0], "-c", self.dir + "/ceph.conf", *args[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, input=data)
        if r.returncode:
            raise tap.Failed("%s: %s" % (" ".join(args), r.stderr.decode()[-300:]))
        return r.stdout

    def make(self, key_id, secret):
        d = self.dir
        conf = [line for line in open(d + "/ceph.conf") if line.startswith(("fsid", "mon_host"))]
        fsid, hosts = (line.split(" = ")[1].strip() for line in conf)
        ring = d + "/keyring"
        subprocess.run(["ceph-authtool", "--create-keyring", ring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"], check=True,
                       stdout=subprocess.DEVNULL)
        for name in ("client.admin", "osd.0", "client.rgw.a"):
            subprocess.run(["ceph-authtool", ring, "--gen-key", "-n", name, *sum((["--cap", c, "allow *"] for c in ("mon", "osd", "mgr")), [])],
                           check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", hosts, d + "/monmap"], check=True, stdout=subprocess.DEVNULL)
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", d + "/monmap", "--keyring", ring)
        self.run("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self.run("ceph", "osd", "new", osd)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.run("ceph-osd", "-i", "0")
        self.until(lambda: b"1 up" in self.run("ceph", "osd", "stat"), "the OSD")
        self.run("radosgw-admin", "user", "create", "--uid=trail", "--display-name=trail", "--access-key=" + key_id, "--secret-key=" + secret, seconds=90)
        zone = json.loads(self.run("radosgw-admin", "zonegroup", "get", "--rgw-zonegroup=default"))
        self.run("radosgw-admin", "zonegroup", "set", "--rgw-zonegroup=default", data=json.dumps({**zone, "api_name": "us-east-1"}).encode())

    def until(self, cond, what, seconds=60):
        end = time.monotonic() + seconds
        while not cond():
            if time.monotonic() > end:
                raise tap.Failed("Ceph: no " + what)
            time.sleep(0.25)

    def answers(self):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            c.request("GET", "/")
            return c.getresponse().status == 200
        except OSError:
            return False

    def start_gateway(self):
        self.run("radosgw", "-n", "client.rgw.a")
        self.until(self.answers, "gateway")

    def pid(self, name):
        with open(os.path.join(self.dir, "run", name + ".pid")) as f:
            return int(f.read())

    def end(self, name, seconds=10):
        try:
            pid = self.pid(name)
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + seconds
            while os.path.exists("/proc/%d" % pid):
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.1)
        except (OSError, ValueError):
            pass

    def stop_gateway(self):
        self.end("client.rgw.a")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for name in ("client.rgw.a", "osd.0", "mon.a"):
            self.end(name)
