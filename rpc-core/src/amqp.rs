//! AMQP as Warren uses it: every flag of every declaration, consumer, publish and settlement is written out here, and
//! nowhere else.

use std::time::Duration;

use lapin::{
    Acker, BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, PublisherConfirm,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
        BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
    uri::AMQPUri,
};

use crate::error::{BrokerError, ConnectError, NameError};

/// The topic exchange of events; routing keys are like `grading.judged`.
pub(crate) const EVENTS_EXCHANGE: &str = "warren.events";

/// Longest a channel or a connection may take to close in order. A broker that blocks publishers reads nothing more, so
/// it would not answer at all.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A name as AMQP carries it. lapin's own conversions panic when a text is too long.
pub(crate) fn name(what: &'static str, text: &str) -> Result<ShortString, NameError> {
    let refused = NameError { what, bytes: text.len() };
    if text.is_empty() { Err(refused) } else { ShortString::try_new(text).map_err(|_| refused) }
}

/// Where a broker is.
#[derive(Clone, Debug)]
pub(crate) struct Address(AMQPUri);

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        // lapin's parser may repeat the whole address, and the password is in there.
        // The address may hold a password. An empty one holds nothing, and stands between all letters.
        let refused = |problem: String| ConnectError::Address {
            problem: if url.is_empty() { problem } else { problem.replace(url, "...") },
        };
        let uri: AMQPUri = url.parse().map_err(refused)?;
        match ShortString::try_new(uri.vhost.as_str()) {
            Ok(_) => Ok(Self(uri)),
            Err(_) => Err(refused("the name of the virtual host has over 255 bytes".to_owned())),
        }
    }

    /// For people: without the password.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.0.authority.host, self.0.authority.port)
    }
}

/// Opens a connection, shown by the broker under `name`. lapin's own recovery stays off: it does not recover channel
/// errors and gives up silently.
pub(crate) async fn connect(address: Address, name: &str, heartbeat: Duration) -> Result<Connection, BrokerError> {
    let Address(mut uri) = address;
    // Whole seconds on the wire, and 0 would turn heartbeats off.
    let seconds = heartbeat.as_millis().div_ceil(1000).clamp(1, u16::MAX.into());
    uri.query.heartbeat = uri.query.heartbeat.or(u16::try_from(seconds).ok());
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Ok(Connection::connect_uri(uri, properties).await?)
}

/// Closes a connection in order, if the broker answers in time. An error means that it is closed already.
pub(crate) async fn close(connection: &Connection) {
    match tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "bye".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the connection was closed already"),
        Err(_) => tracing::warn!("the broker did not answer that the connection closes"),
    }
}

/// Closes a channel in order, if the broker answers in time: what it has not acked goes back to the queues.
pub(crate) async fn close_channel(channel: &Channel) {
    match tokio::time::timeout(CLOSE_TIMEOUT, channel.close(200, "bye".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the channel was closed already"),
        Err(_) => tracing::warn!("the broker did not answer that a channel closes"),
    }
}

/// A channel whose publishes are confirmed by the broker.
pub(crate) async fn confirming_channel(connection: &Connection) -> Result<Channel, BrokerError> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
    Ok(channel)
}

/// Declares a method's queue: durable, for RabbitMQ 4 refuses shared transient ones.
pub(crate) async fn declare_shared_queue(channel: &Channel, queue: &ShortString) -> Result<(), BrokerError> {
    let options =
        QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };
    channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
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
pub(crate) async fn bind_event(channel: &Channel, queue: &ShortString, key: &ShortString) -> Result<(), BrokerError> {
    let options = QueueBindOptions { nowait: false };
    channel.queue_bind(queue.clone(), EVENTS_EXCHANGE.into(), key.clone(), options, FieldTable::default()).await?;
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
    queue: &ShortString,
    tag: &ShortString,
    prefetch: u16,
) -> Result<Consumer, BrokerError> {
    channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
    let options = BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    Ok(channel.basic_consume(queue.clone(), tag.clone(), options, FieldTable::default()).await?)
}

/// Stops deliveries to a consumer; what it holds stays its own.
pub(crate) async fn cancel_consumer(channel: &Channel, tag: &ShortString) {
    if let Err(error) = channel.basic_cancel(tag.clone(), BasicCancelOptions { nowait: false }).await {
        tracing::debug!(%error, %tag, "the consumer was gone already");
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

/// Settles a delivery: done with. False if its channel is gone, and the broker hands it out again.
pub(crate) async fn ack(acker: &Acker) -> lapin::Result<bool> {
    acker.ack(BasicAckOptions { multiple: false }).await
}

/// Settles a delivery: it goes back to its queue, to where it was if that is free. False as with [`ack`].
pub(crate) async fn put_back(acker: &Acker) -> lapin::Result<bool> {
    acker.nack(BasicNackOptions { multiple: false, requeue: true }).await
}

/// Settles a delivery: it is dropped, or dead-lettered if the queue has an exchange for that. False as with [`ack`].
pub(crate) async fn reject(acker: &Acker) -> lapin::Result<bool> {
    acker.reject(BasicRejectOptions { requeue: false }).await
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
