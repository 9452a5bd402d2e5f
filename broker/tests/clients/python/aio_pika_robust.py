"""aio-pika: its patterns, and what it does when its connection is lost. argv: the broker's address, and
`cut` if whoever runs this cuts the connection when it reads that word."""

import asyncio
import sys

import aio_pika
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError, PublishError
from aio_pika.patterns import RPC, Master

URL = sys.argv[1]


async def eventually(is_so):
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


async def rpc(connection):
    channel = await connection.channel()
    server = await RPC.create(channel)

    async def add(*, a, b):
        return a + b

    async def fail():
        raise ValueError("as asked")

    await server.register("add", add, auto_delete=True)
    await server.register("fail", fail, auto_delete=True)
    client = await RPC.create(await connection.channel())
    results = await asyncio.gather(*(client.call("add", kwargs={"a": n, "b": 1}) for n in range(200)))
    assert results == list(range(1, 201))
    try:
        await client.call("fail")
        raise AssertionError("the error did not come back")
    except ValueError:
        pass
    await server.close()
    await client.close()


async def master_and_workers(connection):
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=4)
    master = Master(channel)
    done = []

    async def work(*, number):
        done.append(number)

    worker = await master.create_worker("aio.work", work, auto_delete=True)
    for number in range(50):
        await master.proxy.aio.work(number=number)
    await eventually(lambda: len(done) == 50)
    await worker.close()


async def returns_and_priorities(connection):
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    try:
        await channel.default_exchange.publish(aio_pika.Message(b"?"), "no.such.queue", mandatory=True)
        raise AssertionError("an unroutable message was accepted")
    except (PublishError, DeliveryError) as error:
        assert error.message.delivery.reply_code == 312, error
    queue = await channel.declare_queue(exclusive=True, arguments={"x-max-priority": 9})
    for priority in (1, 9, 5):
        message = aio_pika.Message(str(priority).encode(), priority=priority, headers={"p": priority})
        await channel.default_exchange.publish(message, queue.name)
    bodies = []
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                bodies.append((message.body, message.headers["p"]))
            if len(bodies) == 3:
                break
    assert bodies == [(b"9", 9), (b"5", 5), (b"1", 1)], bodies
    await channel.close()


async def refusal(connection):
    channel = await connection.channel()
    try:
        await channel.declare_exchange("amq.direct", aio_pika.ExchangeType.FANOUT, durable=True)
        raise AssertionError("it was not refused")
    except ChannelPreconditionFailed:
        pass


async def robust(connection):
    """The connection is cut by whoever runs this: exchange, queue, binding and consumer must come back."""
    channel = await connection.channel()
    exchange = await channel.declare_exchange("aio.events", aio_pika.ExchangeType.TOPIC, auto_delete=True)
    queue = await channel.declare_queue("aio.mine", durable=True)
    await queue.bind(exchange, "event.#")
    seen = []

    async def handle(message):
        async with message.process():
            seen.append(message.body)

    await queue.consume(handle)
    await exchange.publish(aio_pika.Message(b"before"), "event.one", mandatory=True)
    await eventually(lambda: seen == [b"before"])
    reconnected = asyncio.Event()
    connection.reconnect_callbacks.add(lambda *_: reconnected.set())
    print("cut", flush=True)
    async with asyncio.timeout(20):
        await reconnected.wait()
    await channel.ready()
    await exchange.publish(aio_pika.Message(b"after"), "event.two", mandatory=True)
    await eventually(lambda: seen == [b"before", b"after"])
    await queue.delete(if_unused=False)


async def main():
    connection = await aio_pika.connect_robust(URL, reconnect_interval=0.1)
    works = [rpc, master_and_workers, returns_and_priorities, refusal]
    if "cut" in sys.argv:
        works.append(robust)
    for work in works:
        await work(connection)
        print("passed", work.__name__, flush=True)
    await connection.close()


asyncio.run(asyncio.wait_for(main(), 60))
