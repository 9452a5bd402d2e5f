"""Asks each of the tutorial's services once, with the tutorial's client, and one of them wrongly, and prints each answer on a line."""

import sys

from client.rpc_client import RPCClient

sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
rpc = RPCClient()
print(rpc.call("service_soma", {"a": 10, "b": 5}))
print(rpc.call("service_media", [10, 20, 30, 40]))
print(rpc.call("service_busca", {"nome": "joao"}))
print(rpc.call("service_info", {}))
# What it does not expect: a wrong request is answered too, and does not end the service.
print(rpc.call("service_soma", {"a": "dez", "b": 5}))
