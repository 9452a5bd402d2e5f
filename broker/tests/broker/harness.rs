//! What the cases share: a broker of either kind, short ways to say things to it, and patience.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use lapin::Confirmation;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ErrorKind};
use warren_broker::{Broker, Options};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A vhost of its own on one of the brokers.
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) vhost: String,
    pub(crate) embedded: Option<Broker>,
}

impl Target {
    pub(crate) async fn embedded() -> Target {
        let broker = Broker::start(Options::default()).await.unwrap();
        Target { url: broker.url(), vhost: "/".to_owned(), embedded: Some(broker) }
    }

    pub(crate) async fn rabbitmq(case: &str) -> Option<Target> {
        let node = warren_rabbitmq::testing::node_or_skip().await?;
        let url = node.vhost(case).await.expect("a vhost can be made");
        let vhost = url.rsplit('/').next().unwrap().to_owned();
        Some(Target { url, vhost, embedded: None })
    }

    pub(crate) async fn connect(&self) -> Connection {
        soon("a connection", Connection::connect(&self.url, ConnectionProperties::default())).await.unwrap()
    }

    /// A channel of a connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        self.connect().await.create_channel().await.unwrap()
    }

    /// A text of RabbitMQ's with this vhost's name for `VHOST`.
    pub(crate) fn text(&self, text: &str) -> String {
        text.replace("VHOST", &self.vhost)
    }
}

/// Makes two tests of each case: on the embedded broker, and on RabbitMQ.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $case() {
                let target = crate::harness::Target::embedded().await;
                crate::harness::soon("the case", super::$case(&target)).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $case() {
                let Some(target) = crate::harness::Target::rabbitmq(stringify!($case)).await else { return };
                crate::harness::soon("the case", super::$case(&target)).await;
            })*
        }
    };
}
pub(crate) use conformance;

/// Waits for what must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen in {PATIENCE:?}"))
}

/// Looks again until something is so: for what a broker can be asked, but does not tell.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    soon(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

pub(crate) fn table<const N: usize>(pairs: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert(name.into(), value);
    }
    table
}

pub(crate) fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

pub(crate) fn int(number: i32) -> AMQPValue {
    AMQPValue::LongInt(number)
}

/// A transient queue with arguments.
pub(crate) async fn declare(channel: &Channel, name: &str, arguments: FieldTable) {
    channel.queue_declare(name.into(), QueueDeclareOptions::default(), arguments).await.unwrap();
}

/// A durable queue with arguments.
pub(crate) async fn declare_durable(channel: &Channel, name: &str, arguments: FieldTable) {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.into(), options, arguments).await.unwrap();
}

pub(crate) async fn declare_exchange(channel: &Channel, name: &str, kind: lapin::ExchangeKind, arguments: FieldTable) {
    channel.exchange_declare(name.into(), kind, ExchangeDeclareOptions::default(), arguments).await.unwrap();
}

pub(crate) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str, arguments: FieldTable) {
    channel
        .queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), arguments)
        .await
        .unwrap();
}

/// Publishes and, with confirms, waits for the confirm.
pub(crate) async fn publish_with(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Confirmation {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirm =
        channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await.unwrap();
    soon("a confirm", confirm).await.unwrap()
}

pub(crate) async fn publish(channel: &Channel, queue: &str, body: &str) -> Confirmation {
    publish_with(channel, "", queue, body, BasicProperties::default()).await
}

pub(crate) async fn confirms(channel: &Channel) {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
}

pub(crate) async fn consume_with(
    channel: &Channel,
    queue: &str,
    tag: &str,
    options: BasicConsumeOptions,
    arguments: FieldTable,
) -> Consumer {
    channel.basic_consume(queue.into(), tag.into(), options, arguments).await.unwrap()
}

pub(crate) async fn consume(channel: &Channel, queue: &str) -> Consumer {
    consume_with(channel, queue, "", BasicConsumeOptions::default(), FieldTable::default()).await
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    soon("a delivery", consumer.next()).await.expect("the consumer lives").unwrap()
}

pub(crate) fn body(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.data).unwrap()
}

/// The next messages' bodies, fetched and acked.
pub(crate) async fn take(channel: &Channel, queue: &str, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(body(&get(channel, queue).await).to_owned());
    }
    bodies
}

/// The next message, fetched and acked, when it is there.
pub(crate) async fn get(channel: &Channel, queue: &str) -> Delivery {
    soon("a message", async {
        loop {
            let options = BasicGetOptions { no_ack: true };
            if let Some(message) = channel.basic_get(queue.into(), options).await.unwrap() {
                return message.delivery;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

pub(crate) async fn is_empty(channel: &Channel, queue: &str) -> bool {
    channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap().is_none()
}

/// How many messages are ready, and how many consumers there are.
pub(crate) async fn counts(channel: &Channel, queue: &str) -> (u32, u32) {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    (queue.message_count(), queue.consumer_count())
}

pub(crate) async fn ready(channel: &Channel, queue: &str) -> u32 {
    counts(channel, queue).await.0
}

/// Code and text of what the broker refused.
pub(crate) fn refusal<T>(result: lapin::Result<T>) -> (u16, String) {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(refusal) => (refusal.get_id(), refusal.get_message().to_string()),
            other => panic!("not an answer of the broker: {other:?}"),
        },
    }
}

pub(crate) fn is_ack(confirmation: &Confirmation) -> bool {
    matches!(confirmation, Confirmation::Ack(_))
}
