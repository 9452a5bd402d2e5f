//! AMQP as Warren uses it: every flag of every declaration, consumer and publish is written out here, and nowhere else.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, PublisherConfirm,
    options::{
        BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
    uri::AMQPUri,
};

use crate::error::{BrokerError, ConnectError};

/// The topic exchange of events; routing keys are like `grading.judged`.
pub(crate) const EVENTS_EXCHANGE: &str = "warren.events";

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct ConnectOptions<'a> {
    /// Shown by the broker beside the connection.
    pub(crate) name: &'a str,
    pub(crate) connect_timeout: Duration,
    pub(crate) heartbeat: Duration,
}

/// Opens a connection. lapin's own recovery stays off: it does not recover channel errors and gives up silently.
pub(crate) async fn connect(url: &str, options: &ConnectOptions<'_>) -> Result<Connection, ConnectError> {
    let mut uri: AMQPUri = url.parse().map_err(|problem| ConnectError::Address { problem })?;
    let address = format!("{}:{}", uri.authority.host, uri.authority.port);
    uri.query.heartbeat = uri.query.heartbeat.or(Some(u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX)));
    let properties = ConnectionProperties::default().with_connection_name(options.name.into());
    match tokio::time::timeout(options.connect_timeout, Connection::connect_uri(uri, properties)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(source)) => Err(ConnectError::Unreachable { address, source: source.into() }),
        Err(_) => Err(ConnectError::TimedOut { address }),
    }
}

/// Closes a connection in order; an error means that it is closed already.
pub(crate) async fn close(connection: &Connection) {
    if let Err(error) = connection.close(200, "bye".into()).await {
        tracing::debug!(%error, "the connection was closed already");
    }
}

/// Closes a channel in order: what it has not acked goes back to the queues.
pub(crate) async fn close_channel(channel: &Channel) {
    if let Err(error) = channel.close(200, "bye".into()).await {
        tracing::debug!(%error, "the channel was closed already");
    }
}

/// A channel whose publishes are confirmed by the broker.
pub(crate) async fn confirming_channel(connection: &Connection) -> Result<Channel, BrokerError> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
    Ok(channel)
}

/// Declares a method's queue: durable, for RabbitMQ 4 refuses shared transient ones.
pub(crate) async fn declare_shared_queue(channel: &Channel, queue: &str) -> Result<(), BrokerError> {
    let options =
        QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(())
}

/// Declares a caller's own queue. It goes with the connection.
pub(crate) async fn declare_callback_queue(channel: &Channel, queue: &ShortString) -> Result<(), BrokerError> {
    let options =
        QueueDeclareOptions { passive: false, durable: false, exclusive: true, auto_delete: true, nowait: false };
    channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
    Ok(())
}

/// Declares the exchange of events.
pub(crate) async fn declare_events_exchange(channel: &Channel) -> Result<(), BrokerError> {
    let options =
        ExchangeDeclareOptions { passive: false, durable: true, auto_delete: false, internal: false, nowait: false };
    channel.exchange_declare(EVENTS_EXCHANGE.into(), ExchangeKind::Topic, options, FieldTable::default()).await?;
    Ok(())
}

/// Lets a queue have the events of a key.
pub(crate) async fn bind_event(channel: &Channel, queue: &str, key: &str) -> Result<(), BrokerError> {
    let options = QueueBindOptions { nowait: false };
    channel.queue_bind(queue.into(), EVENTS_EXCHANGE.into(), key.into(), options, FieldTable::default()).await?;
    Ok(())
}

/// Consumes replies. They are not acked: a reply that its caller does not get is lost with the caller.
/// Without acks there is no prefetch either: what bounds lapin's buffer is the caller's in-flight limit.
pub(crate) async fn consume_replies(channel: &Channel, queue: &ShortString) -> Result<Consumer, BrokerError> {
    let options = BasicConsumeOptions { no_local: false, no_ack: true, exclusive: true, nowait: false };
    Ok(channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?)
}

/// Consumes requests or events, at most `prefetch` of them unsettled at a time.
pub(crate) async fn consume_shared(
    channel: &Channel,
    queue: &str,
    tag: &str,
    prefetch: u16,
) -> Result<Consumer, BrokerError> {
    channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
    let options = BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    Ok(channel.basic_consume(queue.into(), tag.into(), options, FieldTable::default()).await?)
}

/// Stops deliveries to a consumer; what it holds stays its own.
pub(crate) async fn cancel_consumer(channel: &Channel, tag: &str) {
    if let Err(error) = channel.basic_cancel(tag.into(), BasicCancelOptions { nowait: false }).await {
        tracing::debug!(%error, tag, "the consumer was gone already");
    }
}

/// Writes a message; the confirm comes later.
pub(crate) async fn publish(
    channel: &Channel,
    exchange: ShortString,
    routing_key: ShortString,
    mandatory: bool,
    properties: BasicProperties,
    body: &[u8],
) -> lapin::Result<PublisherConfirm> {
    // RabbitMQ has no `immediate` and closes the connection if it is asked for.
    let options = BasicPublishOptions { mandatory, immediate: false };
    channel.basic_publish(exchange, routing_key, options, body, properties).await
}

/// A header's text, if it is one.
pub(crate) fn header_text<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a str> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// A header's whole number, of whatever width the sender chose.
pub(crate) fn header_integer(properties: &BasicProperties, name: &str) -> Option<i64> {
    match *properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::ShortShortInt(value) => Some(value.into()),
        AMQPValue::ShortShortUInt(value) => Some(value.into()),
        AMQPValue::ShortInt(value) => Some(value.into()),
        AMQPValue::ShortUInt(value) => Some(value.into()),
        AMQPValue::LongInt(value) => Some(value.into()),
        AMQPValue::LongUInt(value) => Some(value.into()),
        AMQPValue::LongLongInt(value) => Some(value),
        _ => None,
    }
}
