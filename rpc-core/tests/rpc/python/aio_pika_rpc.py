"""An RPC client with aio-pika, as its tutorial has it, against a service that adds. argv: the broker's address."""

import asyncio
import json
import sys
import uuid

from aio_pika import Message, connect_robust
from aio_pika.exceptions import DeliveryError

METHOD = "test.sum"


class RpcClient:
    def __init__(self):
        self.futures = {}

    async def connect(self, url):
        self.connection = await connect_robust(url)
        # Unroutable messages come back as errors of their publish.
        self.channel = await self.connection.channel(publisher_confirms=True, on_return_raises=True)
        self.callback_queue = await self.channel.declare_queue(exclusive=True)
        await self.callback_queue.consume(self.on_response, no_ack=True)
        return self

    async def on_response(self, message):
        self.futures.pop(message.correlation_id).set_result(message)

    async def call(self, body, method=METHOD, **properties):
        correlation_id = str(uuid.uuid4())
        future = asyncio.get_running_loop().create_future()
        self.futures[correlation_id] = future
        request = Message(body, correlation_id=correlation_id, reply_to=self.callback_queue.name, **properties)
        await self.channel.default_exchange.publish(request, routing_key=method, mandatory=True)
        return await asyncio.wait_for(future, 20)


async def concurrent_calls(rpc):
    async def add(number):
        request = json.dumps({"a": number, "b": 1000}).encode()
        reply = await rpc.call(request, content_type="application/json", expiration=20)
        assert reply.content_type == "application/json" and "status" not in reply.headers, reply
        assert json.loads(reply.body) == number + 1000, reply.body

    await asyncio.gather(*(add(number) for number in range(200)))


async def refusals(rpc):
    """Every one is told in JSON, by its code in a header and in the body."""
    for body, properties, told in [
        (b"not json", {}, "expected ident"),
        (b"", {"content_type": "application/json"}, "EOF"),
        (b'{"a": 1, "b": "two"}', {}, "b: invalid type"),
        (b'{"a": 1, "b": 2} more', {}, "trailing characters"),
        (b"30", {"content_type": "text/plain"}, 'content type "text/plain"'),
        (b'{"a": 1, "b": 2}', {"content_type": "application/python-pickle"}, "application/json are taken"),
    ]:
        reply = await rpc.call(body, **properties)
        assert reply.content_type == "application/json", reply
        assert reply.headers["status"] == "invalid_argument", reply.headers
        status = json.loads(reply.body)
        assert status["code"] == "invalid_argument" and told in status["message"], status


async def a_typed_detail(rpc):
    status = json.loads((await rpc.call(b'{"a": 1, "b": "two"}')).body)
    (field,) = status["details"]["bad_fields"]
    assert field["field"] == "b" and field["problem"], field


async def an_unknown_method(rpc):
    try:
        await rpc.call(b"{}", method="test.nowhere")
    except DeliveryError:
        return
    raise AssertionError("it was delivered to nobody")


async def main():
    rpc = await RpcClient().connect(sys.argv[1])
    for scenario in [concurrent_calls, refusals, a_typed_detail, an_unknown_method, concurrent_calls]:
        await scenario(rpc)
        print("passed", scenario.__name__)
    await rpc.connection.close()


asyncio.run(main())
