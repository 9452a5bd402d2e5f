"""pika's blocking connection: the manners that its users rely on, each of them asserted. argv: the broker's address."""

import sys

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker, NackError, UnroutableError

PARAMETERS = pika.URLParameters(sys.argv[1])


def connect():
    return pika.BlockingConnection(PARAMETERS)


def publish_with_confirms(channel):
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", "fruit.*")
    properties = pika.BasicProperties(headers={"n": 1, "deep": {"list": [1, "two", None, True]}}, delivery_mode=2, priority=3)
    channel.basic_publish("amq.topic", "fruit.pear", b"a pear", properties, mandatory=True)
    try:
        channel.basic_publish("amq.topic", "stone.flint", b"?", mandatory=True)
        raise AssertionError("an unroutable message was accepted")
    except UnroutableError as error:
        [returned] = error.messages
        assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE"), returned.method
        assert returned.body == b"?"
    method, properties, body = channel.basic_get(queue)
    assert (body, method.routing_key, method.redelivered) == (b"a pear", "fruit.pear", False)
    assert properties.headers == {"n": 1, "deep": {"list": [1, "two", None, True]}}, properties.headers
    channel.basic_nack(method.delivery_tag, requeue=True)
    method, _, _ = channel.basic_get(queue)
    assert method.redelivered
    channel.basic_ack(method.delivery_tag)
    assert channel.basic_get(queue) == (None, None, None)


def refuse_when_full(channel):
    channel.confirm_delivery()
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = channel.queue_declare("", exclusive=True, arguments=arguments).method.queue
    channel.basic_publish("", queue, b"1")
    try:
        channel.basic_publish("", queue, b"2")
        raise AssertionError("a full queue took a message")
    except NackError:
        pass


def consume_in_turn(channel):
    channel.basic_qos(prefetch_count=2)
    queue = channel.queue_declare("", exclusive=True).method.queue
    for number in range(10):
        channel.basic_publish("", queue, str(number).encode())
    seen = []
    for method, _, body in channel.consume(queue, inactivity_timeout=20):
        assert method is not None, "nothing came"
        seen.append(int(body))
        channel.basic_ack(method.delivery_tag)
        if len(seen) == 10:
            break
    assert seen == list(range(10)), seen
    assert channel.cancel() == 0


def call_back(channel):
    requests = channel.queue_declare("", exclusive=True).method.queue
    answers = []

    def serve(channel, method, properties, body):
        channel.basic_publish("", properties.reply_to, body.upper(), pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(method.delivery_tag)

    def answered(channel, method, properties, body):
        answers.append((properties.correlation_id, body))
        channel.stop_consuming()

    channel.basic_consume(requests, serve)
    channel.basic_consume("amq.rabbitmq.reply-to", answered, auto_ack=True)
    properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="c-1")
    channel.basic_publish("", requests, b"loud", properties)
    channel.start_consuming()
    assert answers == [("c-1", b"LOUD")], answers


def refuse(connection, code, work):
    channel = connection.channel()
    try:
        work(channel)
    except ChannelClosedByBroker as error:
        assert error.reply_code == code, error
        assert channel.is_closed and connection.is_open
    else:
        raise AssertionError(f"not refused with {code}")


def many_sizes(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.confirm_delivery()
    for size in (0, 1, 131_063, 131_064, 131_065, 1_000_003):
        channel.basic_publish("", queue, b"x" * size)
        _, _, body = channel.basic_get(queue, auto_ack=True)
        assert len(body) == size


def exclusive_ends_with_its_connection():
    other = connect()
    queue = other.channel().queue_declare("exclusive.to.one", exclusive=True).method.queue
    with connect() as connection:
        refuse(connection, 405, lambda channel: channel.queue_declare(queue, passive=True))
        other.close()
        refuse(connection, 404, lambda channel: channel.queue_declare(queue, passive=True))


def main():
    connection = connect()
    for work in (publish_with_confirms, refuse_when_full, consume_in_turn, call_back, many_sizes):
        channel = connection.channel()
        work(channel)
        channel.close()
        print("passed", work.__name__)
    refuse(connection, 404, lambda channel: channel.basic_get("no.such.queue"))
    refuse(connection, 406, lambda channel: channel.exchange_declare("amq.direct", "fanout", durable=True))
    refuse(connection, 403, lambda channel: channel.queue_declare("amq.mine"))
    print("passed refuse")
    exclusive_ends_with_its_connection()
    print("passed exclusive_ends_with_its_connection")
    connection.close()
    wrong = pika.URLParameters(sys.argv[1])
    wrong.credentials = pika.PlainCredentials("guest", "wrong")
    try:
        pika.BlockingConnection(wrong)
        raise AssertionError("a wrong password was taken")
    except (AMQPConnectionError, ConnectionClosedByBroker):
        print("passed wrong_password")


main()
