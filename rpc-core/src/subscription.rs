//! Typed subscriptions outside a service: what is published to an exchange, as a stream.

mod feed;
mod inbox;
mod message;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::message::Message;
use self::{feed::Feed, inbox::Inbox};
use crate::{
    amqp,
    client::Client,
    error::SubscribeError,
    exchange::{Binding, Body, Exchange},
    method::QUEUE_LENGTH_MAX,
};

/// Longest that [`Subscription::close`] waits for messages that are held.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a subscription is made.
#[derive(Clone, Debug)]
pub struct SubscribeOptions {
    /// The name of a durable queue, 1 to 250 bytes. Who subscribes under the same name shares its messages, and they
    /// wait while nobody does; those that are rejected are kept in `QUEUE.dead`. Default: none, a queue of the
    /// subscription's own, that goes with it.
    pub queue: Option<String>,
    /// Most messages that the subscription holds: unread, or read and not settled. 0 counts as 1. Default: 64.
    pub prefetch: u16,
    /// Most messages that wait in the queue. One more is refused by a named queue, and its publisher told
    /// ([`RejectReason::Broker`](crate::RejectReason::Broker)); a queue of the subscription's own drops its oldest
    /// instead, for a listener that is slow should not be in a publisher's way. Default: 65,536.
    pub length_max: u32,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { queue: None, prefetch: 64, length_max: QUEUE_LENGTH_MAX }
    }
}

/// Messages of an exchange, as a stream: of those that are bound, each once, and again if it was not settled.
///
/// A message that cannot be read as a `B`, or is over [`BODY_BYTES_MAX`](crate::BODY_BYTES_MAX), is rejected, a log
/// line says so, and the stream goes on. When the connection is lost the subscription is made again, on the next one.
/// What it had and had not settled is handed out again if the queue is named; a queue of its own is gone then with all
/// that was in it, and what is published until there is a new one is missed.
///
/// It keeps the client's connections open. The stream ends when the client is closed or gives the broker up;
/// [`error`](Self::error) says why.
///
/// # Drop
///
/// Dropped, it takes nothing more, and what is unread goes back to the queue. Messages that were taken out of it can
/// still be settled. [`close`](Self::close) waits for that.
#[must_use = "dropping it ends the subscription"]
#[derive(Debug)]
pub struct Subscription<B> {
    inbox: Arc<Inbox<Message<B>, SubscribeError>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _dropped: DropGuard,
}

impl Client {
    /// Subscribes to what is published to an exchange. While there is no broker it waits for one, as long as
    /// [`ClientOptions::reconnect`](crate::ClientOptions::reconnect) does: put a timeout around it to wait for less.
    ///
    /// ```
    /// # use warren_rpc::{Client, Exchange, SubscribeOptions};
    /// const BOARDS: Exchange<String> = Exchange::topic("contest.boards");
    ///
    /// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = client.subscribe(&BOARDS, ["spring.*"], SubscribeOptions::default()).await?;
    /// while let Some(message) = changes.next().await {
    ///     println!("{}: {}", message.routing_key, message.body);
    ///     message.ack();
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]: a name or a binding is wrong, the broker refuses, or there is no connection any more.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, nothing is consumed; a named queue may have been declared.
    pub async fn subscribe<B: Body, T: Into<Binding>>(
        &self,
        exchange: &Exchange<B>,
        bindings: impl IntoIterator<Item = T>,
        options: SubscribeOptions,
    ) -> Result<Subscription<B>, SubscribeError> {
        let bindings = bindings.into_iter().map(|binding| binding.into().bound(exchange)).collect::<Result<_, _>>()?;
        if let Some(queue) = &options.queue {
            amqp::shared_queue_name(queue)?;
        }
        let (inbox, stop) = (Arc::new(Inbox::default()), CancellationToken::new());
        let feed = Feed::new(self.unscoped(), bindings, options, Arc::clone(&inbox), stop.clone());
        let session = feed.open().await?;
        let task = tokio::spawn(feed.run(session));
        Ok(Subscription { inbox, _dropped: stop.clone().drop_guard(), stop, task })
    }
}

impl<B> Subscription<B> {
    /// The next message; none when the subscription has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Message<B>> {
        StreamExt::next(self).await
    }

    /// Why it has ended, once it has.
    #[must_use]
    pub fn error(&self) -> Option<SubscribeError> {
        self.inbox.ended()
    }

    /// Takes nothing more, puts back what is unread, and waits until what was taken out is settled, 5 s at most.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on in the background.
    pub async fn close(self) {
        self.stop.cancel();
        if tokio::time::timeout(CLOSE_TIMEOUT, self.task).await.is_err() {
            tracing::debug!("a subscription was closed while messages of it are held");
        }
    }
}

impl<B> Stream for Subscription<B> {
    type Item = Message<B>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message<B>>> {
        self.inbox.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let SubscribeOptions { queue, prefetch, length_max } = SubscribeOptions::default();
        assert_eq!((queue, prefetch, length_max), (None, 64, 65_536));
    }
}
