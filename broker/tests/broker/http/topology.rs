//! Something of everything that can be listed, and some work in it.

use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

use crate::harness::*;

pub(super) async fn channel(url: &str) -> Channel {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap().create_channel().await.unwrap()
}

/// What [`Topology::work`] leaves in the statistics of the queue `plain`.
pub(super) const PLAIN_STATS: [(&str, u64); 9] = [
    ("publish", 8),
    ("deliver", 0),
    ("deliver_no_ack", 0),
    ("get", 4),
    ("get_no_ack", 1),
    ("get_empty", 0),
    ("redeliver", 1),
    ("ack", 2),
    ("deliver_get", 5),
];

/// As long as it lives, its consumers do.
pub(super) struct Topology {
    channel: Channel,
    _consumers: Vec<Consumer>,
}

impl Topology {
    pub(super) async fn build(url: &str) -> Topology {
        let channel = channel(url).await;
        declare(&channel, "plain", FieldTable::default()).await;
        let arguments = [
            ("x-message-ttl", int(600_000)),
            ("x-dead-letter-exchange", long("amq.direct")),
            ("x-dead-letter-routing-key", long("k")),
            ("x-max-length", int(100)),
            ("x-max-priority", int(5)),
            ("x-overflow", long("reject-publish")),
        ];
        declare_durable(&channel, "limited", table(arguments)).await;
        let arguments = [("x-queue-type", long("quorum")), ("x-delivery-limit", int(3))];
        declare_durable(&channel, "quorum", table(arguments)).await;
        declare(&channel, "single", table([("x-single-active-consumer", AMQPValue::Boolean(true))])).await;
        let exclusive = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        channel.queue_declare("exclusive".into(), exclusive, FieldTable::default()).await.unwrap();
        let arguments = table([("alternate-exchange", long("amq.fanout"))]);
        declare_exchange(&channel, "events", ExchangeKind::Topic, arguments).await;
        bind(&channel, "limited", "events", "a.#", FieldTable::default()).await;
        bind(&channel, "plain", "amq.headers", "", table([("x-match", long("all")), ("n", int(1))])).await;
        let options = ExchangeBindOptions::default();
        let bound =
            channel.exchange_bind("amq.topic".into(), "events".into(), "x.y".into(), options, FieldTable::default());
        bound.await.unwrap();
        channel.basic_qos(5, BasicQosOptions::default()).await.unwrap();
        let none = BasicConsumeOptions::default();
        let no_ack = BasicConsumeOptions { no_ack: true, ..none };
        let consumers = vec![
            consume_with(&channel, "single", "first", none, FieldTable::default()).await,
            consume_with(&channel, "single", "second", none, FieldTable::default()).await,
            consume_with(&channel, "quorum", "free", no_ack, table([("x-priority", int(3))])).await,
        ];
        Topology { channel, _consumers: consumers }
    }

    /// Eight messages to `plain`, of which four stay and one is not settled; one that is returned, and one that is
    /// dropped.
    pub(super) async fn work(&self) {
        let channel = &self.channel;
        confirms(channel).await;
        for _ in 0..8 {
            publish(channel, "plain", "12345").await;
        }
        publish(channel, "nosuch", "returned").await;
        let options = BasicPublishOptions::default();
        let dropped =
            channel.basic_publish("".into(), "nosuch".into(), options, b"x", Default::default()).await.unwrap();
        soon("a confirm", dropped).await.unwrap();
        let get = async |no_ack| {
            channel.basic_get("plain".into(), BasicGetOptions { no_ack }).await.unwrap().expect("a message is ready")
        };
        get(true).await;
        get(false).await.ack(BasicAckOptions::default()).await.unwrap();
        get(false).await.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
        get(false).await.ack(BasicAckOptions::default()).await.unwrap();
        // It stays unsettled.
        get(false).await;
        // What was said before is done when this is answered.
        assert_eq!(ready(channel, "plain").await, 4);
    }
}
