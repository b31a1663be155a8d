# SPDX-License-Identifier: Apache-2.0
"""A real ClickHouse cluster on loopback: two of Debian's servers (18.16) and its ZooKeeper, each in a directory of its own."""
import atexit
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from authority import Authority
from shipkit import Place
from storekit import Store
from tap import Failed

ZOO = """tickTime=500
initLimit=10
syncLimit=5
dataDir={dir}/data
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=*
"""
CONFIG = """<yandex>
<logger><level>warning</level><log>{dir}/server.log</log><errorlog>{dir}/error.log</errorlog></logger>
{listen}<tcp_port>{tcp}</tcp_port>
<interserver_http_port>{inter}</interserver_http_port><interserver_http_host>127.0.0.1</interserver_http_host>
<listen_host>127.0.0.1</listen_host>
<path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path><format_schema_path>{dir}/schemas/</format_schema_path>
<user_files_path>{dir}/files/</user_files_path>
<users_config>{dir}/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
<timezone>{zone}</timezone><mark_cache_size>134217728</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
<zookeeper><node><host>127.0.0.1</host><port>{zoo}</port></node><session_timeout_ms>1500</session_timeout_ms></zookeeper>
<macros><shard>{shard}</shard><replica>{name}</replica></macros>
<remote_servers><hosttrail>{cluster}</hosttrail></remote_servers>
<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
</yandex>
"""
USERS = """<yandex>
<profiles><default><max_memory_usage>2000000000</max_memory_usage><load_balancing>random</load_balancing></default>
<questions><readonly>2</readonly></questions></profiles>
<users>
<default><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
<questions><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>questions</profile><quota>default</quota>
<allow_databases><database>hosttrail</database><database>compared</database></allow_databases></questions>
</users>
<quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows>
<execution_time>0</execution_time></interval></default></quotas>
</yandex>
"""
PLAIN = "<http_port>{port}</http_port>"
TLS = """<https_port>{port}</https_port>
<openSSL><server><certificateFile>{dir}/server.crt</certificateFile><privateKeyFile>{dir}/server.key</privateKeyFile><verificationMode>none</verificationMode>
<loadDefaultCAFile>false</loadDefaultCAFile><cacheSessions>true</cacheSessions><disableProtocols>sslv2,sslv3,tlsv1,tlsv1_1</disableProtocols></server></openSSL>
"""
REPLICA = "<replica><host>127.0.0.1</host><port>{}</port><user>default</user><password>{}</password></replica>"


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def quick_dir():
    """A part has two files for each of nearly two hundred columns, and what is killed here are processes, not machines: memory will do."""
    d, shm = tempfile.mkdtemp(prefix="hosttrail-clickhouse-"), "/dev/shm"
    if os.path.isdir(shm):
        s = os.statvfs(shm)
        if s.f_bavail * s.f_frsize > 4 << 30:
            os.rmdir(d)
            d = tempfile.mkdtemp(prefix="hosttrail-clickhouse-", dir=shm)
    atexit.register(shutil.rmtree, d, ignore_errors=True)
    return d


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Server:
    def __init__(self, cluster, d, name, shard, ports):
        self.cluster, self.dir, self.name, self.shard = cluster, d, name, shard
        self.http, self.tcp, self.inter = ports
        self.child = None
        for x in ("data", "tmp", "schemas", "files"):
            os.makedirs(os.path.join(d, x))

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.cluster.ca else "http", self.http)

    def start(self):
        if self.cluster.ca and not os.path.exists(self.dir + "/server.crt"):
            self.certify()
        write(self.dir + "/users.xml", USERS.format(password=self.cluster.password))
        listen = (TLS if self.cluster.ca else PLAIN).format(port=self.http, dir=self.dir)
        write(self.dir + "/config.xml", CONFIG.format(listen=listen, dir=self.dir, name=self.name, shard=self.shard, tcp=self.tcp, inter=self.inter,
                                                      zoo=self.cluster.zoo, zone=self.cluster.zone, cluster=self.cluster.shards()))
        out = open(self.dir + "/out", "ab")
        self.child = subprocess.Popen(["clickhouse-server", "--config-file=" + self.dir + "/config.xml"], stdout=out, stderr=out, cwd=self.dir)
        atexit.register(self.kill)

    def certify(self, **how):
        """A certificate for it, from its next start on."""
        self.cluster.ca.issue(self.dir + "/server", "127.0.0.1", **how)

    def kill(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def up(self):
        try:
            return self.ask("SELECT 1") == "1\n"
        except (OSError, Failed):
            return False

    def ask(self, sql, database="default", timeout=30):
        q = urllib.request.Request(self.url + "/?database=" + database, data=sql.encode(),
                                   headers={"X-ClickHouse-User": "default", "X-ClickHouse-Key": self.cluster.password})
        try:
            with urllib.request.urlopen(q, timeout=timeout, context=self.cluster.trust) as r:
                return r.read().decode()
        except urllib.error.HTTPError as e:
            raise Failed("%s: %s" % (sql[:200], e.read().decode(errors="replace")[:400])) from None

    def rows(self, sql):
        return [line.split("\t") for line in self.ask(sql, "hosttrail").splitlines()]


class Clustered(Place):
    """A place with a cluster, started when it is first wanted, and stores in front of it."""

    def __init__(self, *hosts, zone="UTC", tls=False):
        """tls: the servers have no other HTTP interface."""
        super().__init__(*hosts)
        self.zone, self.tls, self.clusters, self.stores = zone, tls, [], []

    def cluster(self):
        if not self.clusters:
            self.clusters.append(Cluster(zone=self.zone, ca=Authority(self.next("authority")) if self.tls else None))
        return self.clusters[0]

    def keys(self):
        return {x: self.pki.file(y) for x, y in (("ca", "ca.crt"), ("cert", "store.crt"), ("key", "store.key"))}

    def store(self, **settings):
        self.stores.append(Store(self.next("store"), **self.keys(), **self.cluster().settings(**settings)))
        return self.stores[-1]

    def end(self):
        for x in self.stores + self.clusters:
            (x.kill if x in self.stores else x.end)()
        super().end()


class Cluster:
    """shards: the shard of each server. ca: an Authority, whose certificates they show."""

    def __init__(self, shards=("01", "01"), zone="UTC", ca=None):
        d = quick_dir()
        self.dir, self.zone, self.ca, self.password = d, zone, ca, "a secret of the test's"
        # what the test asks the servers itself does not care for how long their certificates are good
        self.trust = ssl._create_unverified_context() if ca else None
        self.zoo, *ports = free_ports(1 + 3 * len(shards))
        os.makedirs(d + "/zoo/data")
        write(d + "/zoo/zoo.cfg", ZOO.format(dir=d + "/zoo", port=self.zoo))
        write(d + "/password", self.password + "\n")
        os.chmod(d + "/password", 0o600)
        self.servers = [Server(self, "%s/s%d" % (d, i), "r%d" % i, s, ports[3 * i:3 * i + 3]) for i, s in enumerate(shards)]
        for x in ("clickhouse-server", "java"):
            if not shutil.which(x):
                raise Failed("no %s: tools/deps.sh installs it" % x)
        self.keeper = subprocess.Popen(["java", "-Xmx256m", "-cp", "/etc/zookeeper/conf:/usr/share/java/*",
                                        "org.apache.zookeeper.server.quorum.QuorumPeerMain", d + "/zoo/zoo.cfg"],
                                       stdout=open(d + "/zoo/out", "ab"), stderr=subprocess.STDOUT)
        atexit.register(self.end)
        self.until(self.keeper_answers, "ZooKeeper")
        for s in self.servers:
            s.start()
        for s in self.servers:
            self.until(s.up, "ClickHouse " + s.name)

    def keeper_answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.zoo), timeout=2) as s:
                s.sendall(b"ruok")
                return s.recv(16) == b"imok"
        except OSError:
            return False

    def until(self, cond, what, seconds=180):
        end = time.monotonic() + seconds
        while not cond():
            if time.monotonic() > end:
                raise Failed("%s does not answer" % what)
            time.sleep(0.05)

    def shards(self):
        return "".join("<shard><internal_replication>true</internal_replication>%s</shard>" %
                       "".join(REPLICA.format(s.tcp, self.password) for s in self.servers if s.shard == shard)
                       for shard in sorted({s.shard for s in self.servers}))

    def settings(self, **more):
        """What a store in front of it is told."""
        return {"engine": "clickhouse", "clickhouse_servers": [s.url for s in self.servers], "clickhouse_password_file": self.dir + "/password",
                **({"clickhouse_ca": self.ca.path} if self.ca else {}), **more}

    def end(self):
        for s in self.servers:
            s.kill()
        if self.keeper and self.keeper.poll() is None:
            self.keeper.kill()
            self.keeper.wait()
