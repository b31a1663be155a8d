#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the ring image for the replay is recorded of, in folder $1: shell work, a package build, a web server.
set -e
cd "$1"
for i in 1 2 3 4 5 6 7 8; do
	ls -lR /usr/share/doc 2>/dev/null | head -2000 | sort | uniq -c | tail -1 >out.$i
	cp out.$i copy.$i; mv copy.$i moved.$i; chmod 600 moved.$i; rm moved.$i
	grep -r hosttrail /etc/apt 2>/dev/null | wc -l >/dev/null || true
done
mkdir pkg; i=0
while [ $i -lt 6 ]; do
	printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint f%d(void) { return puts("x"); }\n' $i >pkg/f$i.c
	gcc -O1 -c -o pkg/f$i.o pkg/f$i.c
	i=$((i + 1))
done
ar rcs pkg/libf.a pkg/*.o; tar -czf pkg.tgz pkg; tar -tzf pkg.tgz >/dev/null
/usr/bin/python3 -c '
import http.server, threading, urllib.request, os
class H(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
for i in range(300):
    urllib.request.urlopen("http://127.0.0.1:%d/out.%d" % (s.server_port, 1 + i % 8)).read()
s.shutdown()
'
