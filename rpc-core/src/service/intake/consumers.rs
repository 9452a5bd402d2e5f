//! The consumers of a channel, as one stream: one, or the two of a [`Relay`](super::relay::Relay).

use std::task::{Context, Poll};

use futures::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream,
};
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
    /// For which seat there is to be one, while the broker has not been asked for it.
    wanted: Option<usize>,
    /// For which seat, until the broker has answered.
    opening: Option<(usize, BoxFuture<'static, Result<Consumer, BrokerError>>)>,
    is_stopping: bool,
}

struct Consuming {
    /// lapin's own stream waits for ever after its end.
    deliveries: stream::Fuse<Consumer>,
    tag: ShortString,
    /// Once its end was asked for.
    cancelling: Option<future::Fuse<BoxFuture<'static, ()>>>,
}

impl Consuming {
    fn new(consumer: Consumer) -> Self {
        Self { tag: consumer.tag(), deliveries: consumer.fuse(), cancelling: None }
    }

    /// Its next delivery; none: it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<lapin::Result<Delivery>>> {
        if let Some(cancelling) = &mut self.cancelling {
            let _ = cancelling.poll_unpin(context);
        }
        self.deliveries.poll_next_unpin(context)
    }

    /// The broker is told at once, before anything else that is written after this.
    fn cancel(&mut self, channel: &Channel) {
        let (channel, tag) = (channel.clone(), self.tag.clone());
        let cancelling = self
            .cancelling
            .get_or_insert_with(|| async move { amqp::cancel_consumer(&channel, &tag).await }.boxed().fuse());
        let _ = cancelling.now_or_never();
    }
}

impl Consumers {
    pub(super) fn new(channel: Channel, first: Consumer) -> Self {
        let queue = first.queue();
        let consumers = [Some(Consuming::new(first)), None];
        Self { channel, queue, consumers, wanted: None, opening: None, is_stopping: false }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Opens another one, with the prefetch of the first; it may get deliveries at once.
    pub(super) fn open(&mut self, seat: usize) {
        debug_assert!(self.opening.is_none() && self.consumers[seat].is_none(), "the seat is taken");
        self.wanted = Some(seat);
    }

    /// Cancels one.
    pub(super) fn cancel(&mut self, seat: usize) {
        if let Some(consuming) = &mut self.consumers[seat] {
            consuming.cancel(&self.channel);
        }
    }

    /// Cancels all, and opens none: what is under way still comes.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        self.wanted = None;
        (0..SEATS).for_each(|seat| self.cancel(seat));
    }

    /// The next delivery; none: there will be no more.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivered>> {
        if let Err(error) = self.poll_opening(context) {
            return Poll::Ready(Some(Err(error)));
        }
        let mut is_over = self.opening.is_none();
        for seat in 0..SEATS {
            let Some(consuming) = &mut self.consumers[seat] else { continue };
            match consuming.poll(context) {
                Poll::Ready(Some(Ok(delivery))) => return Poll::Ready(Some(Ok((seat, delivery)))),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => {
                    let was_asked_for = consuming.cancelling.is_some();
                    self.consumers[seat] = None;
                    if !was_asked_for {
                        // The broker ended it.
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending => is_over = false,
            }
        }
        if is_over { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Goes on with what is to be opened.
    fn poll_opening(&mut self, context: &mut Context<'_>) -> Result<(), BrokerError> {
        if let Some(seat) = self.wanted.take() {
            let (channel, queue) = (self.channel.clone(), self.queue.clone());
            self.opening = Some((seat, async move { amqp::consume_beside(&channel, &queue).await }.boxed()));
        }
        if let Some((seat, opening)) = &mut self.opening
            && let Poll::Ready(opened) = opening.poll_unpin(context)
        {
            let seat = *seat;
            self.opening = None;
            self.consumers[seat] = Some(Consuming::new(opened?));
            if self.is_stopping {
                self.cancel(seat);
            }
        }
        Ok(())
    }

    /// Waits until there is none any more: cancelled, or their channel is closed. One that is being opened is left to
    /// its channel's end.
    pub(super) async fn all_ended(mut self) {
        for consuming in self.consumers.iter_mut().flatten() {
            while consuming.deliveries.next().await.is_some() {}
        }
    }
}
