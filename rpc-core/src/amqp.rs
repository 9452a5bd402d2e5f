//! AMQP as Warren uses it: every flag of every declaration, consumer, publish and settlement is written out here, and
//! nowhere else.

mod connection;
mod exchanges;
mod io;
mod topology;
mod values;

use std::{future::Future, ops::Deref, time::Duration};

use futures::FutureExt;
use lapin::{
    BasicProperties, Consumer, PublisherConfirm,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::{FieldTable, ShortString},
};

pub(crate) use self::{
    connection::{Address, Connection, Greeting, connect},
    exchanges::{Bound, declare_and_bind, declare_exchange_once, declare_listener_queue, is_refusal, routing_key},
    io::{Io, Sleep},
    topology::{
        Consumed, SharedQueue, bind_control, bind_own_dead_letters, consumers_of, death, declare_control_exchange,
        declare_events_exchange, declare_own_queue, declare_shared_queue,
    },
    values::{header_integer, header_text, integer, text},
};
use crate::error::{BrokerError, NameError};

/// The topic exchange of events; routing keys are like `grading.judged`.
pub(crate) const EVENTS_EXCHANGE: &str = "warren.events";

/// The topic exchange of what instances are told beside their requests; routing keys are like `cancel.METHOD`.
pub(crate) const CONTROL_EXCHANGE: &str = "warren.control";

/// The headers exchange of what was rejected, expired, or failed too often.
pub(crate) const DEAD_EXCHANGE: &str = "warren.dead";

/// Longest a channel or a connection may take to close in order. A broker that blocks publishers reads nothing more, so
/// it would not answer at all.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A name as AMQP carries it. lapin's own conversions panic when a text is too long.
pub(crate) fn name(what: &'static str, text: &str) -> Result<ShortString, NameError> {
    let refused = NameError { what, bytes: text.len() };
    if text.is_empty() { Err(refused) } else { ShortString::try_new(text).map_err(|_| refused) }
}

/// The name of a queue that instances or subscriptions share: its dead letters' queue has a longer one.
pub(crate) fn shared_queue_name(text: &str) -> Result<ShortString, NameError> {
    let queue = name("queue's name", text)?;
    name("queue's name with .dead behind it", &format!("{text}.dead"))?;
    Ok(queue)
}

/// A channel, on its connection's thread.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    lapin: lapin::Channel,
    io: Io,
}

impl Channel {
    /// Its connection's thread.
    pub(crate) fn io(&self) -> &Io {
        &self.io
    }

    /// Waits for a future that makes lapin write on this channel, and sees to it that it is written.
    pub(crate) async fn written<F: Future>(&self, future: F) -> F::Output {
        self.io.written(future).await
    }
}

/// A channel that is being set up. Dropped before it is [`done`](Self::done), it is closed, and with it what consumes
/// on it by then: lapin would keep a consumer whose start the broker confirms later, and nobody would read it.
pub(crate) struct Setup {
    channel: Channel,
    is_done: bool,
}

impl Setup {
    pub(crate) fn of(channel: Channel) -> Self {
        Self { channel, is_done: false }
    }

    pub(crate) fn done(mut self) -> Channel {
        self.is_done = true;
        self.channel.clone()
    }
}

impl Deref for Setup {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        if !self.is_done {
            let channel = self.channel.clone();
            self.channel.io.spawn_in_tokio(async move { close_channel(&channel).await });
        }
    }
}

/// Closes a channel in order, if the broker answers in time: what it has not acked goes back to the queues.
pub(crate) async fn close_channel(channel: &Channel) {
    let closing = channel.written(channel.lapin.close(200, "bye".into()));
    match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the channel was closed already"),
        Err(_) => tracing::warn!("the broker did not answer that a channel closes"),
    }
}

/// Consumes a queue of one's own, without acks: what does not arrive is lost with who should have had it. Without acks
/// there is no prefetch either: what bounds lapin's buffer for replies is the caller's in-flight limit.
pub(crate) async fn consume_own(channel: &Channel, queue: &ShortString) -> Result<Consumer, BrokerError> {
    let options = BasicConsumeOptions { no_local: false, no_ack: true, exclusive: true, nowait: false };
    Ok(channel.written(channel.lapin.basic_consume(queue.clone(), "".into(), options, FieldTable::default())).await?)
}

/// Consumes requests or events, at most `prefetch` of them unsettled at a time.
pub(crate) async fn consume_shared(
    channel: &Channel,
    queue: &ShortString,
    tag: &ShortString,
    prefetch: u16,
) -> Result<Consumer, BrokerError> {
    channel.written(channel.lapin.basic_qos(prefetch, BasicQosOptions { global: false })).await?;
    consume(channel, queue, tag).await
}

/// Consumes once more what the channel consumes already, with the same prefetch; the broker chooses the consumer's tag.
pub(crate) async fn consume_beside(channel: &Channel, queue: &ShortString) -> Result<Consumer, BrokerError> {
    consume(channel, queue, &"".into()).await
}

async fn consume(channel: &Channel, queue: &ShortString, tag: &ShortString) -> Result<Consumer, BrokerError> {
    let options = BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let consuming = channel.lapin.basic_consume(queue.clone(), tag.clone(), options, FieldTable::default());
    Ok(channel.written(consuming).await?)
}

/// Stops deliveries to a consumer; what it holds stays its own.
pub(crate) async fn cancel_consumer(channel: &Channel, tag: &ShortString) {
    let cancelling = channel.lapin.basic_cancel(tag.clone(), BasicCancelOptions { nowait: false });
    if let Err(error) = channel.written(cancelling).await {
        tracing::debug!(%error, %tag, "the consumer was gone already");
    }
}

/// Writes a message; the confirm comes later. For tasks of the connection's thread: nothing wakes it.
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
    channel.lapin.basic_publish(exchange, routing_key, options, body, properties).await
}

/// How a delivery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settle {
    /// It is done with.
    Ack,
    /// It goes back to its queue, to where it was if that is free.
    PutBack,
    /// It is dropped, or dead-lettered if the queue has an exchange for that.
    Reject,
}

/// Tells the broker how a delivery ends; an ack with `multiple` is of all before it too. If its channel is gone, the
/// broker hands it out again. Nothing wakes the connection's thread: elsewhere, with [`Io::wake_up`].
///
/// lapin puts it behind all other methods that are to be written, but publishes, when its future is polled first; what
/// comes later only says that it was written. Nobody waits for that: a broker that reads nothing more must keep nobody
/// from stopping.
///
/// By its tag, and not by lapin's `Acker`: that one goes through two more tasks, and is written later than what was
/// published before it.
pub(crate) fn settle(channel: &Channel, tag: u64, settle: Settle, multiple: bool) {
    let lapin = &channel.lapin;
    let told = match settle {
        Settle::Ack => lapin.basic_ack(tag, BasicAckOptions { multiple }).now_or_never(),
        Settle::PutBack => lapin.basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }).now_or_never(),
        Settle::Reject => lapin.basic_reject(tag, BasicRejectOptions { requeue: false }).now_or_never(),
    };
    if let Some(Err(error)) = told {
        tracing::debug!(%error, "the channel is gone: the broker hands the delivery out again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_queue_leaves_room_for_the_name_of_its_dead_letters() {
        assert!(shared_queue_name(&"q".repeat(250)).is_ok());
        let error = shared_queue_name(&"q".repeat(251)).unwrap_err();
        assert_eq!(error.to_string(), "the queue's name with .dead behind it takes 1 to 255 bytes, not 256");
    }
}
