//! A message of a subscription, and how it is settled.

use std::{fmt, panic::AssertUnwindSafe};

use bytes::Bytes;
use lapin::{BasicProperties, message::Delivery, types::ShortString};
use tokio::sync::mpsc;

use crate::{
    amqp::Settle,
    client::Client,
    codec::DecodeError,
    error::{PublishError, RejectReason},
    exchange::{Body, Headers},
    method::{BODY_BYTES_MAX, Effect},
    wire::{self, Head, Published},
};

/// A message of a [`Subscription`](crate::Subscription). It is settled by one of the methods that consume it.
///
/// # Drop
///
/// Dropped, it goes back to its queue, to be handed out again at once.
#[derive(Debug)]
pub struct Message<B> {
    /// What was published.
    pub body: B,
    /// The key that it was published with.
    pub routing_key: String,
    /// The headers that its publisher chose.
    pub headers: Headers,
    /// Its id, the same over every try.
    pub id: String,
    /// How often it was put to the queue's end by [`retry`](Self::retry).
    pub tries: u32,
    /// Whether somebody had it before and did not settle it.
    pub redelivered: bool,
    held: Held,
}

/// What is to be told to the broker.
pub(super) struct Order {
    pub(super) tag: u64,
    pub(super) settle: Settle,
    /// The session that the message came by: on another one it means nothing.
    pub(super) session: u64,
}

/// A delivery that is not settled.
struct Held {
    /// Until it is settled.
    tag: Option<u64>,
    session: u64,
    orders: mpsc::UnboundedSender<Order>,
    again: Again,
}

/// What another try takes.
struct Again {
    client: Client,
    queue: ShortString,
    properties: BasicProperties,
    head: Head,
    body: Bytes,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Held {
    fn settle(&mut self, settle: Settle) {
        if let Some(tag) = self.tag.take() {
            // An error means that the subscription is over, and the broker hands the message out again.
            let _ = self.orders.send(Order { tag, settle, session: self.session });
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.settle(Settle::PutBack);
    }
}

impl<B> Message<B> {
    /// Settles the message: it is done with. Gives back what was published.
    pub fn ack(mut self) -> B {
        self.held.settle(Settle::Ack);
        self.body
    }

    /// Settles the message: it is dropped, or kept in `QUEUE.dead` if the queue is a named one.
    pub fn reject(mut self) {
        self.held.settle(Settle::Reject);
    }

    /// Settles the message: it goes to the end of its queue, with its [`tries`](Self::tries) counted. It is published
    /// there before it is acked, so it may be there twice, under the same id, if something is lost in between. There is
    /// no pause, and no last try: both are the reader's to choose.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it could not be published again, and is put back instead, where it was. Only if its headers
    /// are too large for another try ([`RejectReason::Header`]) it is rejected, as by [`reject`](Self::reject): it
    /// would come again for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future puts the message back; it may be in the queue twice then.
    pub async fn retry(mut self) -> Result<(), PublishError> {
        let published = Published { routing_key: self.routing_key.clone(), headers: self.headers.clone() };
        let Again { client, queue, properties, head, body } = &self.held.again;
        let tries = self.tries.saturating_add(1);
        let properties = match wire::retry_properties(properties, head, Some(&published), tries) {
            Ok(properties) => properties,
            Err(error) => {
                self.held.settle(Settle::Reject);
                return Err(RejectReason::from(error).into());
            }
        };
        // If it fails, `held` is dropped, and puts the message back.
        client.publish_again(queue.clone(), properties, body.clone(), Effect::Repeatable).await?;
        self.held.settle(Settle::Ack);
        Ok(())
    }
}

/// What a message was read by.
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) queue: ShortString,
    pub(super) session: u64,
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

/// Why a delivery is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is of the content type {0:?}")]
    ContentType(String),
    #[error("it has {0} bytes")]
    TooLarge(usize),
    #[error("its type's own Deserialize panicked")]
    Panicked,
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl<B: Body> Message<B> {
    pub(super) fn read(delivery: Delivery, source: Source) -> Result<Self, (u64, String, Unreadable)> {
        let head = Head::read(&delivery.properties);
        let body = match read_body(&head, &delivery.data) {
            Ok(body) => body,
            Err(error) => return Err((delivery.delivery_tag, head.call_id, error)),
        };
        let Published { routing_key, headers } = Published::read(&delivery);
        let Delivery { delivery_tag, properties, data, redelivered, .. } = delivery;
        let Source { client, queue, session, orders } = source;
        let (id, tries) = (head.call_id.clone(), head.tries);
        let again = Again { client, queue, properties, head, body: data.into() };
        let held = Held { tag: Some(delivery_tag), session, orders, again };
        Ok(Self { body, routing_key, headers, id, tries, redelivered, held })
    }
}

fn read_body<B: Body>(head: &Head, data: &[u8]) -> Result<B, Unreadable> {
    let codec = head.codec.as_ref().map_err(|content_type| Unreadable::ContentType(content_type.clone()))?;
    if data.len() > BODY_BYTES_MAX {
        return Err(Unreadable::TooLarge(data.len()));
    }
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| codec.decode(data)));
    Ok(decoded.map_err(|_| Unreadable::Panicked)??)
}
