"""An RPC client with pika, one call at a time, against a service that adds. argv: the broker's address."""

import json
import sys
import uuid

import pika

METHOD = "test.sum"


class RpcClient:
    def __init__(self, url):
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.callback_queue = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(self.callback_queue, self.on_response, auto_ack=True)

    def on_response(self, channel, method, properties, body):
        assert properties.correlation_id == self.correlation_id, properties
        self.response = properties, body

    def call(self, body, **properties):
        self.response, self.correlation_id = None, str(uuid.uuid4())
        properties = pika.BasicProperties(
            reply_to=self.callback_queue, correlation_id=self.correlation_id, **properties
        )
        self.channel.basic_publish("", METHOD, body, properties)
        self.connection.process_data_events(time_limit=20)
        assert self.response is not None, "no reply in 20 s"
        return self.response


def calls(rpc):
    for number in range(20):
        properties, body = rpc.call(json.dumps({"a": number, "b": 0.5 if number == 19 else 1}))
        if number < 19:
            assert json.loads(body) == number + 1 and properties.headers is None, (properties, body)
        else:
            assert properties.headers["status"] == "invalid_argument", properties


def refusals(rpc):
    for body, content_type, told in [
        (b"\xff\xfe", None, "expected value"),
        ("[" * 100_000, "application/json", "nested deeper than 32"),
        ('{"a": 1, "b": 2}', "text/html", 'content type "text/html"'),
        (json.dumps({"a": 1}), None, "missing field `b`"),
    ]:
        properties, body = rpc.call(body, content_type=content_type)
        assert properties.content_type == "application/json", properties
        assert properties.headers["status"] == "invalid_argument", properties
        status = json.loads(body)
        assert status["code"] == "invalid_argument" and told in status["message"], status


def a_call_that_nobody_waits_for_any_more(rpc):
    """A deadline that has passed is kept: there is no reply, and the next call is answered."""
    rpc.response, rpc.correlation_id = None, "late"
    headers = {"deadline-ms": 0}
    properties = pika.BasicProperties(reply_to=rpc.callback_queue, correlation_id="late", headers=headers)
    rpc.channel.basic_publish("", METHOD, json.dumps({"a": 1, "b": 2}), properties)
    calls(rpc)


rpc = RpcClient(sys.argv[1])
for scenario in [calls, refusals, a_call_that_nobody_waits_for_any_more, calls]:
    scenario(rpc)
    print("passed", scenario.__name__)
rpc.connection.close()
