//! The consumers of a channel, as one stream: one, or the two of a [`Relay`](super::relay::Relay).

use std::task::{Context, Poll};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::Fuse};
use lapin::{Consumer, message::Delivery, types::ShortString};

use super::relay::SEATS;
use crate::{
    amqp::{self, Channel},
    error::BrokerError,
};

/// A delivery, and which consumer it came to; or why none comes any more.
pub(super) type Delivered = Result<(usize, Delivery), BrokerError>;

/// Consumers of one queue on one channel.
///
/// One that is dropped before its end is cancelled by lapin, which takes it for an error if the channel closes
/// meanwhile: wait for [`all_ended`](Self::all_ended).
pub(super) struct Consumers {
    channel: Channel,
    queue: ShortString,
    consumers: [Option<Consuming>; SEATS],
    /// For which seat, until the broker has answered.
    opening: Option<(usize, BoxFuture<'static, Result<Consumer, BrokerError>>)>,
    is_stopping: bool,
}

struct Consuming {
    /// lapin's own stream waits for ever after its end.
    deliveries: Fuse<Consumer>,
    tag: ShortString,
    /// Whether its end was asked for.
    is_cancelled: bool,
    /// Until the broker has answered.
    cancelling: Option<BoxFuture<'static, ()>>,
}

impl Consuming {
    fn new(consumer: Consumer) -> Self {
        Self { tag: consumer.tag(), deliveries: consumer.fuse(), is_cancelled: false, cancelling: None }
    }

    /// Its next delivery; none: it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<lapin::Result<Delivery>>> {
        if let Some(cancelling) = &mut self.cancelling
            && cancelling.poll_unpin(context).is_ready()
        {
            self.cancelling = None;
        }
        self.deliveries.poll_next_unpin(context)
    }

    /// The broker is told at once, before anything else that is written after this.
    fn cancel(&mut self, channel: &Channel) {
        if self.is_cancelled {
            return;
        }
        self.is_cancelled = true;
        let (channel, tag) = (channel.clone(), self.tag.clone());
        let mut cancelling = async move { amqp::cancel_consumer(&channel, &tag).await }.boxed();
        if cancelling.as_mut().now_or_never().is_none() {
            self.cancelling = Some(cancelling);
        }
    }
}

impl Consumers {
    pub(super) fn new(channel: Channel, first: Consumer) -> Self {
        let queue = first.queue();
        let consumers = [Some(Consuming::new(first)), None];
        Self { channel, queue, consumers, opening: None, is_stopping: false }
    }

    /// Opens another one, with the prefetch of the first; it may get deliveries at once.
    pub(super) fn open(&mut self, seat: usize) {
        let (channel, queue) = (self.channel.clone(), self.queue.clone());
        let opening = async move { amqp::consume_beside(&channel, &queue).await };
        debug_assert!(self.opening.is_none() && self.consumers[seat].is_none(), "the seat is taken");
        self.opening = Some((seat, opening.boxed()));
    }

    /// Cancels one.
    pub(super) fn cancel(&mut self, seat: usize) {
        if let Some(consuming) = &mut self.consumers[seat] {
            consuming.cancel(&self.channel);
        }
    }

    /// Cancels all: what is under way still comes.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        (0..SEATS).for_each(|seat| self.cancel(seat));
    }

    /// The next delivery; none: there will be no more.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivered>> {
        if let Some((seat, opening)) = &mut self.opening
            && let Poll::Ready(opened) = opening.poll_unpin(context)
        {
            let seat = *seat;
            self.opening = None;
            match opened {
                Ok(consumer) => self.consumers[seat] = Some(Consuming::new(consumer)),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if self.is_stopping {
                self.cancel(seat);
            }
        }
        let mut is_over = self.opening.is_none();
        for seat in 0..SEATS {
            let Some(consuming) = &mut self.consumers[seat] else { continue };
            match consuming.poll(context) {
                Poll::Ready(Some(Ok(delivery))) => return Poll::Ready(Some(Ok((seat, delivery)))),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                // The broker ended it.
                Poll::Ready(None) if !consuming.is_cancelled => return Poll::Ready(None),
                Poll::Ready(None) => self.consumers[seat] = None,
                Poll::Pending => is_over = false,
            }
        }
        if is_over { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Waits until there is none any more: cancelled, or their channel is closed. One that is being opened is left to
    /// its channel's end.
    pub(super) async fn all_ended(mut self) {
        for consuming in self.consumers.iter_mut().flatten() {
            while consuming.deliveries.next().await.is_some() {}
        }
    }
}
