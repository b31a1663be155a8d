# SPDX-License-Identifier: Apache-2.0
"""bodies_nginx.py FOLDER MIB: large bodies through nginx, both ways, over HTTP/2 by curl; in the middle of each there is a mark, as in bodies.py."""
import http.server
import os
import socket
import subprocess
import sys
import threading
import time

LEAD, PIECE = 1 << 20, 16384
FOLDER, SIZE = sys.argv[1], int(sys.argv[2]) << 20
begun, go_on = threading.Event(), threading.Event()
NGINX = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/pid; error_log %(dir)s/error.log;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %(dir)s/t1; proxy_temp_path %(dir)s/t2; fastcgi_temp_path %(dir)s/t3; uwsgi_temp_path %(dir)s/t4; scgi_temp_path %(dir)s/t5;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:%(port)d ssl http2; ssl_certificate %(dir)s/c.pem; ssl_certificate_key %(dir)s/k.pem;
    location / { return 200 "hello\\n"; }
    location /large/ { proxy_pass http://127.0.0.1:%(sink)d; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_buffer_size 16k; proxy_buffers 4 16k; }
  }
}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_PUT(self):
        n = 1
        while n:	# chunks
            n = int(self.rfile.readline(), 16)
            self.rfile.read(n + 2)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(bytes(LEAD))
        begun.set()
        go_on.wait()
        for _ in range((SIZE - LEAD) // PIECE):
            self.wfile.write(bytes(PIECE))


def curl(port, path, *options, **kw):
    return subprocess.Popen(["curl", "-sk", "--http2", "-o", "/dev/null", *options, "https://127.0.0.1:%d%s" % (port, path)], **kw)


def mark(port, name):
    curl(port, "/mark/" + name).wait()
    while True:
        with open(FOLDER + "/trail") as f:
            if sum('/mark/%s"' % name in line for line in f) >= 2:
                return
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = free_port()
    with open(FOLDER + "/nginx.conf", "w") as f:
        f.write(NGINX % {"dir": FOLDER, "port": port, "sink": backend.server_port})
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", FOLDER + "/nginx.conf"])
    while not os.path.exists(FOLDER + "/pid"):
        if nginx.poll() is not None:
            sys.exit("nginx ended")
        time.sleep(0.02)
    up = curl(port, "/large/put", "-T", "-", stdin=subprocess.PIPE)
    up.stdin.write(bytes(LEAD))
    up.stdin.flush()
    mark(port, "put")
    for _ in range((SIZE - LEAD) // PIECE):
        up.stdin.write(bytes(PIECE))
    up.stdin.close()
    up.wait()
    down = curl(port, "/large/get")
    begun.wait()
    mark(port, "get")
    go_on.set()
    status = down.wait() or up.returncode
    nginx.terminate()
    nginx.wait()
    sys.exit(status)


main()
