// SPDX-License-Identifier: Apache-2.0
// "node web.js serve PORT CERT KEY": HTTP/1 and HTTP/2, one JSON object a request on standard output.
// "node web.js get 1|2 N URL": N requests at once over one connection.
const fs = require("fs"), http2 = require("http2"), https = require("https");
const [what, ...args] = process.argv.slice(2);

function serve(port, cert, key) {
  const server = http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), allowHTTP1: true }, (q, s) => {
    q.resume();
    q.on("end", () => {
      const status = q.url.endsWith("/missing") ? 404 : 200;
      console.log(JSON.stringify({ port: q.socket.remotePort, method: q.method, path: q.url.split("?")[0], status }));
      s.writeHead(status, { "content-type": "text/plain" });
      s.end("hello\n");
    });
  });
  server.listen(+port, "127.0.0.1");
}

function get1(n, url) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  let left = n;
  for (let i = 0; i < n; i++)
    https.get(url, { agent, rejectUnauthorized: false }, (r) => r.resume().on("end", () => --left || agent.destroy()));
}

function get2(n, url) {
  const session = http2.connect(url, { rejectUnauthorized: false });
  let left = n;
  for (let i = 0; i < n; i++) {
    const r = session.request({ ":path": new URL(url).pathname });
    r.resume().on("end", () => --left || session.close());
    r.end();
  }
}

if (what == "serve") serve(...args);
else (args[0] == "1" ? get1 : get2)(+args[1], args[2]);
