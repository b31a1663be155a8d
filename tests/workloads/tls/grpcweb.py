# SPDX-License-Identifier: Apache-2.0
"""grpcweb.py serve PORT CERT KEY: answers any unary call of gRPC, one JSON object a call on standard output.
grpcweb.py get N PORT CERT PATH [SECONDS]: N such calls over one channel, so long between two; PATH is /service/method."""
import concurrent.futures
import json
import sys
import time

import grpc


class Any(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, context):
            print(json.dumps({"port": int(context.peer().rsplit(":", 1)[1]), "method": "POST", "path": details.method, "status": 200}), flush=True)
            return request
        return grpc.unary_unary_rpc_method_handler(answer)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def serve(port, cert, key):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Any()])
    server.add_secure_port("127.0.0.1:" + port, grpc.ssl_server_credentials([(read(key), read(cert))]))
    server.start()
    server.wait_for_termination()


def get(n, port, cert, path, pause=0):
    with grpc.secure_channel("localhost:" + port, grpc.ssl_channel_credentials(read(cert))) as channel:
        for _ in range(int(n)):
            channel.unary_unary(path)(b"hello", timeout=60)
            time.sleep(float(pause))


{"serve": serve, "get": get}[sys.argv[1]](*sys.argv[2:])
