"""pika's asynchronous connection: callbacks, confirms, a cancelled consumer, a close by the broker. argv: the broker's address."""

import sys

import pika
from pika.exceptions import ChannelClosedByBroker

URL = pika.URLParameters(sys.argv[1])
MESSAGES = 500


class Conversation:
    """One connection; `opened` is called with its channel, and `end` ends it."""

    def __init__(self, opened):
        self.passed = False
        self.connection = pika.SelectConnection(
            URL,
            on_open_callback=lambda connection: connection.channel(on_open_callback=lambda channel: opened(self, channel)),
            on_close_callback=lambda connection, _: connection.ioloop.stop(),
        )

    def run(self):
        self.connection.ioloop.call_later(20, self.connection.ioloop.stop)
        self.connection.ioloop.start()
        assert self.passed, "it did not come to its end"

    def end(self):
        self.passed = True
        self.connection.close()


def confirms(conversation, channel):
    """Every publish is confirmed, in whatever groups, and every message delivered and acked."""
    confirmed, delivered = set(), []

    def on_confirm(frame):
        tag, multiple = frame.method.delivery_tag, frame.method.multiple
        confirmed.update(range(1, tag + 1) if multiple else [tag])
        end_if_all()

    def on_delivery(channel, method, _, body):
        delivered.append(int(body))
        if len(delivered) % 50 == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
        end_if_all()

    def end_if_all():
        if len(confirmed) == MESSAGES and len(delivered) == MESSAGES:
            assert delivered == list(range(MESSAGES))
            conversation.end()

    def on_queue(frame):
        channel.basic_qos(prefetch_count=100)
        channel.basic_consume(frame.method.queue, on_delivery)
        for number in range(MESSAGES):
            channel.basic_publish("", frame.method.queue, str(number).encode())

    channel.confirm_delivery(on_confirm)
    channel.queue_declare("", exclusive=True, callback=on_queue)


def cancelled_consumer(conversation, channel):
    """A consumer is told when its queue is deleted."""

    def on_queue(frame):
        queue = frame.method.queue
        channel.add_on_cancel_callback(lambda _: conversation.end())
        channel.basic_consume(queue, lambda *_: None, callback=lambda _: channel.queue_delete(queue))

    channel.queue_declare("", exclusive=True, callback=on_queue)


def close_by_broker(conversation, channel):
    """A refused method closes the channel, and not the connection."""

    def on_close(_, reason):
        assert isinstance(reason, ChannelClosedByBroker) and reason.reply_code == 404, reason
        conversation.connection.channel(on_open_callback=lambda _: conversation.end())

    channel.add_on_close_callback(on_close)
    channel.queue_declare("no.such.queue", passive=True)


for work in (confirms, cancelled_consumer, close_by_broker):
    Conversation(work).run()
    print("passed", work.__name__)
