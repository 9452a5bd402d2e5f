//! What is declared, with every flag and argument.

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{CONTROL_EXCHANGE, Channel, DEAD_EXCHANGE, EVENTS_EXCHANGE};
use crate::error::BrokerError;

/// Most dead letters that a queue keeps; the oldest are dropped.
const DEAD_LETTERS_MAX: i32 = 10_000;

/// Deliveries of one message of a quorum queue that may fail before it is dead-lettered: far beyond what an instance
/// counts by itself. A process that dies is counted against every message that it held.
const DELIVERY_LIMIT: i32 = 20;

/// Why a message is dead, as the broker says it in `x-first-death-reason`.
pub(crate) mod death {
    pub(crate) const REJECTED: &str = "rejected";
    pub(crate) const EXPIRED: &str = "expired";
    pub(crate) const DELIVERY_LIMIT: &str = "delivery_limit";
}

/// How long a queue of one's own stays that nobody consumes: if its consumer's start was given up, or refused.
const UNUSED_MS_MAX: i64 = 60_000;

/// A queue that instances share. All of them declare it with the same arguments, or the broker refuses.
#[derive(Clone, Debug)]
pub(crate) struct SharedQueue {
    pub(crate) name: String,
    /// A quorum queue.
    pub(crate) is_quorum: bool,
    /// 0: none.
    pub(crate) priority_max: u8,
    pub(crate) length_max: u32,
}

impl SharedQueue {
    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        arguments.insert("x-dead-letter-exchange".into(), text(DEAD_EXCHANGE));
        // Who publishes is told that the queue is full: what waits there is never dropped for it.
        arguments.insert("x-overflow".into(), text("reject-publish"));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(self.length_max.into()));
        if self.is_quorum {
            arguments.insert("x-queue-type".into(), text("quorum"));
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        } else if self.priority_max > 0 {
            arguments.insert("x-max-priority".into(), AMQPValue::LongInt(self.priority_max.into()));
        }
        arguments
    }
}

/// Declares a queue that instances share, with a place for its dead letters: durable, for RabbitMQ 4 refuses shared
/// transient ones.
pub(crate) async fn declare_shared_queue(channel: &Channel, queue: &SharedQueue) -> Result<(), BrokerError> {
    declare_exchange(channel, DEAD_EXCHANGE, ExchangeKind::Headers).await?;
    declare_dead_letters(channel, queue).await?;
    declare_queue(channel, &queue.name, queue.arguments()).await
}

async fn declare_queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options =
        QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };
    channel.written(channel.lapin.queue_declare(name.into(), options, arguments)).await?;
    Ok(())
}

/// `QUEUE.dead` takes what failed, and not what expired.
async fn declare_dead_letters(channel: &Channel, queue: &SharedQueue) -> Result<(), BrokerError> {
    let dead = format!("{}.dead", queue.name);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(DEAD_LETTERS_MAX));
    if queue.is_quorum {
        // A classic one could not even be declared again while its node is down.
        arguments.insert("x-queue-type".into(), text("quorum"));
    }
    declare_queue(channel, &dead, arguments).await?;
    for reason in [death::REJECTED, death::DELIVERY_LIMIT] {
        bind_dead(channel, &dead, ("x-first-death-queue", &queue.name), reason).await?;
    }
    Ok(())
}

/// Lets a callback queue have its caller's dead requests, so that it is told of them even if no instance lives.
pub(crate) async fn bind_own_dead_letters(channel: &Channel, callback_queue: &ShortString) -> Result<(), BrokerError> {
    declare_exchange(channel, DEAD_EXCHANGE, ExchangeKind::Headers).await?;
    for reason in [death::REJECTED, death::DELIVERY_LIMIT, death::EXPIRED] {
        bind_dead(channel, callback_queue.as_str(), ("caller", callback_queue.as_str()), reason).await?;
    }
    Ok(())
}

async fn bind_dead(
    channel: &Channel,
    queue: &str,
    (header, value): (&str, &str),
    reason: &str,
) -> Result<(), BrokerError> {
    let mut arguments = FieldTable::default();
    // `all` would not look at headers that begin with `x-`.
    arguments.insert("x-match".into(), text("all-with-x"));
    arguments.insert(header.into(), text(value));
    arguments.insert("x-first-death-reason".into(), text(reason));
    let options = QueueBindOptions { nowait: false };
    channel
        .written(channel.lapin.queue_bind(queue.into(), DEAD_EXCHANGE.into(), "".into(), options, arguments))
        .await?;
    Ok(())
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Declares a queue of a client's or an instance's own. It goes with the connection, or the last consumer, and if it is
/// not used.
pub(crate) async fn declare_own_queue(channel: &Channel, queue: &ShortString) -> Result<(), BrokerError> {
    declare_own_queue_with(channel, queue, FieldTable::default()).await
}

/// As [`declare_own_queue`], with arguments.
pub(super) async fn declare_own_queue_with(
    channel: &Channel,
    queue: &ShortString,
    mut arguments: FieldTable,
) -> Result<(), BrokerError> {
    let options =
        QueueDeclareOptions { passive: false, durable: false, exclusive: true, auto_delete: true, nowait: false };
    arguments.insert("x-expires".into(), AMQPValue::LongLongInt(UNUSED_MS_MAX));
    channel.written(channel.lapin.queue_declare(queue.clone(), options, arguments)).await?;
    Ok(())
}

/// Who takes a queue's messages now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Consumed {
    /// So many consumers.
    By(u32),
    /// There is no such queue.
    NoQueue,
}

/// Asks who takes a queue's messages. If there is no such queue the channel is closed.
pub(crate) async fn consumers_of(channel: &Channel, queue: &ShortString) -> Result<Consumed, BrokerError> {
    let options =
        QueueDeclareOptions { passive: true, durable: false, exclusive: false, auto_delete: false, nowait: false };
    match channel.written(channel.lapin.queue_declare(queue.clone(), options, FieldTable::default())).await {
        Ok(declared) => Ok(Consumed::By(declared.consumer_count())),
        Err(error) if is_not_found(&error) => Ok(Consumed::NoQueue),
        Err(error) => Err(error.into()),
    }
}

fn is_not_found(error: &lapin::Error) -> bool {
    let lapin::ErrorKind::ProtocolError(error) = error.kind() else { return false };
    *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)
}

/// Declares the exchange of events.
pub(crate) async fn declare_events_exchange(channel: &Channel) -> Result<(), BrokerError> {
    declare_exchange(channel, EVENTS_EXCHANGE, ExchangeKind::Topic).await
}

/// Declares the exchange by which instances are told things beside their requests.
pub(crate) async fn declare_control_exchange(channel: &Channel) -> Result<(), BrokerError> {
    declare_exchange(channel, CONTROL_EXCHANGE, ExchangeKind::Topic).await
}

pub(super) async fn declare_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
    let options =
        ExchangeDeclareOptions { passive: false, durable: true, auto_delete: false, internal: false, nowait: false };
    channel.written(channel.lapin.exchange_declare(name.into(), kind, options, FieldTable::default())).await?;
    Ok(())
}

/// Lets a queue have the control messages of a key.
pub(crate) async fn bind_control(channel: &Channel, queue: &ShortString, key: &ShortString) -> Result<(), BrokerError> {
    bind(channel, queue, CONTROL_EXCHANGE, key).await
}

async fn bind(channel: &Channel, queue: &ShortString, exchange: &str, key: &ShortString) -> Result<(), BrokerError> {
    let options = QueueBindOptions { nowait: false };
    channel
        .written(channel.lapin.queue_bind(queue.clone(), exchange.into(), key.clone(), options, FieldTable::default()))
        .await?;
    Ok(())
}
