# SPDX-License-Identifier: Apache-2.0
"""Today's ClickHouse engine as a library (chDB), behind an HTTP interface of our own: statements, answers and errors are the engine's;
what only a cluster has, replicated and distributed tables, stands for tables of its own."""
import ctypes
import http.server
import os
import re
import subprocess
import threading
import urllib.parse

from tap import TOP, Failed


class Engine:
    def __init__(self, d):
        r = subprocess.run([os.path.join(TOP, "tools/chdb.sh")], stdout=subprocess.PIPE, text=True)
        if r.returncode:
            raise Failed("tools/chdb.sh cannot fetch chDB")
        self.lib = ctypes.CDLL(os.path.join(r.stdout.strip(), "libchdb.so"))
        for name in ("chdb_connect", "chdb_query_n", "chdb_result_buffer", "chdb_result_error"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.lib.chdb_result_length.restype = ctypes.c_size_t
        args = (ctypes.c_char_p * 2)(b"clickhouse", b"--path=" + d.encode())
        self.connection = self.lib.chdb_connect(2, args)
        if not self.connection:
            raise Failed("chDB does not open " + d)
        self.lock = threading.Lock()

    def close(self):
        with self.lock:
            self.lib.chdb_close_conn(ctypes.c_void_p(self.connection))

    def ask(self, sql):
        """(answer, None) or (None, error)."""
        sql = sql.encode() if isinstance(sql, str) else sql
        with self.lock:
            handle = ctypes.cast(self.connection, ctypes.POINTER(ctypes.c_void_p))[0]
            r = ctypes.c_void_p(self.lib.chdb_query_n(ctypes.c_void_p(handle), sql, ctypes.c_size_t(len(sql)), b"TabSeparated", ctypes.c_size_t(12)))
            error = self.lib.chdb_result_error(r)
            error = ctypes.string_at(error).decode(errors="replace") if error else None
            p = self.lib.chdb_result_buffer(r)
            text = ctypes.string_at(p, self.lib.chdb_result_length(r)) if p else b""
            self.lib.chdb_destroy_query_result(r)
        return (None, error) if error else (text, None)


def translated(sql, database):
    """What a cluster has and a library has not."""
    if sql.startswith("SYSTEM SYNC REPLICA"):
        return "SELECT 1"
    sql = re.sub(r"ReplicatedMergeTree\('[^']*', '[^']*'\)", "MergeTree", sql)
    return re.sub(r"Distributed\('[^']*', '([^']*)', '([^']*)'\)", r"Merge('\1', '^\2$')", sql)


class Server:
    """Speaks HTTP as ClickHouse does; said: every statement, once."""

    def __init__(self, d):
        os.makedirs(d, exist_ok=True)
        self.engine, self.dir, self.said, self.refused = Engine(d + "/data"), d, [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                how = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                answer, error = outer.run(how, body)
                text = answer if error is None else error.encode()
                self.send_response(200 if error is None else 500)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.http.server_port

    def run(self, how, body):
        database, path = how.get("database", "default"), None
        if "query" in how:  # an INSERT, whose rows are the body
            path = os.path.join(self.dir, "rows-%d" % threading.get_ident())
            with open(path, "wb") as f:
                f.write(body)
            sql = how["query"].replace(" FORMAT RowBinary", " FROM INFILE '%s' FORMAT RowBinary" % path)
        else:
            sql = translated(body.decode(), database)
        self.said.append(sql[:2000])
        if database != "default":
            error = self.engine.ask("USE " + database)[1]
            if error:
                return None, error
        answer, error = self.engine.ask(sql)
        if path:
            os.unlink(path)
        if error:
            self.refused.append((sql[:500], error))
        return answer, error

    def end(self):
        self.http.shutdown()
        self.http.block_on_close = False
        self.http.server_close()
        self.engine.close()
