//! Exchanges that users choose, and what binds queues to them.

use lapin::{
    ErrorKind,
    options::QueueBindOptions,
    protocol::AMQPErrorKind,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    Channel, Connection, close_channel,
    topology::{declare_exchange, declare_own_queue_with},
};
use crate::{
    error::{BrokerError, NameError},
    exchange::ExchangeKind,
};

/// A binding as AMQP has it.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) exchange: ShortString,
    pub(crate) kind: ExchangeKind,
    pub(crate) key: ShortString,
    /// Of a headers exchange: which, and whether all are needed.
    pub(crate) headers: Option<(FieldTable, bool)>,
}

impl From<ExchangeKind> for lapin::ExchangeKind {
    fn from(kind: ExchangeKind) -> Self {
        match kind {
            ExchangeKind::Direct => Self::Direct,
            ExchangeKind::Topic => Self::Topic,
            ExchangeKind::Fanout => Self::Fanout,
            ExchangeKind::Headers => Self::Headers,
        }
    }
}

/// A routing key as AMQP carries it: it may be empty.
pub(crate) fn routing_key(key: &str) -> Result<ShortString, NameError> {
    ShortString::try_new(key).map_err(|_| NameError { what: "routing key", bytes: key.len() })
}

/// Whether the broker said no, and closed a channel for it; else what should have carried the answer was lost.
pub(crate) fn is_refusal(error: &BrokerError) -> bool {
    matches!(error.0.kind(), ErrorKind::ProtocolError(error) if matches!(error.kind(), AMQPErrorKind::Soft(_)))
}

/// Declares an exchange on a channel of its own, which the broker closes if it is there and of another kind.
pub(crate) async fn declare_exchange_once(
    connection: &Connection,
    name: &ShortString,
    kind: ExchangeKind,
) -> Result<(), BrokerError> {
    let channel = connection.channel().await?;
    let declared = declare_exchange(&channel, name.as_str(), kind.into()).await;
    if declared.is_ok() {
        close_channel(&channel).await;
    }
    declared
}

/// Declares a queue of a listener's own; the oldest messages go when there are too many.
pub(crate) async fn declare_listener_queue(
    channel: &Channel,
    queue: &ShortString,
    length_max: u32,
) -> Result<(), BrokerError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(length_max.into()));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    declare_own_queue_with(channel, queue, arguments).await
}

/// Lets a queue have what a binding says.
pub(crate) async fn declare_and_bind(channel: &Channel, queue: &ShortString, bound: &Bound) -> Result<(), BrokerError> {
    declare_exchange(channel, bound.exchange.as_str(), bound.kind.into()).await?;
    let mut arguments = FieldTable::default();
    if let Some((headers, all)) = &bound.headers {
        arguments = headers.clone();
        arguments.insert("x-match".into(), AMQPValue::LongString(if *all { "all" } else { "any" }.into()));
    }
    let options = QueueBindOptions { nowait: false };
    let binding =
        channel.lapin.queue_bind(queue.clone(), bound.exchange.clone(), bound.key.clone(), options, arguments);
    channel.written(binding).await?;
    Ok(())
}
