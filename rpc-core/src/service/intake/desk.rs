//! A channel's consumers and unsettled deliveries: what the relay decides is carried out here, and the broker told.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Instant,
};

use futures::FutureExt;

use super::{
    consumers::{Consumers, Delivered},
    relay::{HELD_MAX, Relay, Step},
};
use crate::{
    amqp::{self, Sleep},
    service::settle::{Command, News, Order, Window},
};

/// The consumers of a channel, and their deliveries that are not settled.
pub(super) struct Desk {
    consumers: Consumers,
    /// None: there is one consumer, and nothing is held.
    relay: Option<Relay<Order>>,
    window: Window,
    /// The delivery that was held when the wait began, and the wait.
    held: Option<(u64, Sleep)>,
}

/// A delivery is held for long.
pub(super) struct Overdue;

impl Desk {
    pub(super) fn new(consumers: Consumers, is_relayed: bool) -> Self {
        let relay = is_relayed.then(Relay::default);
        Self { consumers, relay, window: Window::default(), held: None }
    }

    /// Waits for the next delivery, none: there will be no more; or until one is held for too long.
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Delivered>, Overdue> {
        poll_fn(|context| match self.consumers.poll_next(context) {
            Poll::Ready(delivered) => Poll::Ready(Ok(delivered)),
            Poll::Pending => self.poll_overdue(context).map(Err),
        })
        .await
    }

    /// What has come as well by now.
    pub(super) fn delivered_too(&mut self) -> Option<Option<Delivered>> {
        poll_fn(|context| self.consumers.poll_next(context)).now_or_never()
    }

    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        while let Some(held) = self.relay.as_ref().and_then(Relay::held) {
            let (since, sleep) = self.held.get_or_insert_with(|| (held, self.consumers.channel().io().sleep(HELD_MAX)));
            if sleep.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            let is_same = *since == held;
            self.held = None;
            if is_same {
                return Poll::Ready(Overdue);
            }
        }
        Poll::Pending
    }

    /// A delivery is open.
    pub(super) fn arrived(&mut self, seat: usize, tag: u64) {
        self.window.arrived(tag);
        if let Some(relay) = &mut self.relay {
            relay.arrived(seat, tag);
        }
    }

    /// Takes what has become of deliveries, and tells the broker what may be told.
    pub(super) fn take_news(&mut self, news: &mut Vec<News>) {
        let orders: Vec<_> = news.drain(..).filter_map(|news| self.order_of(news)).collect();
        self.settle(&orders);
    }

    fn order_of(&mut self, news: News) -> Option<Order> {
        match (news, &mut self.relay) {
            (News::Settled(order), None) => Some(order),
            (News::Settled(order), Some(relay)) => relay.settled(order.tag, order),
            (News::Answered(_), None) => None,
            (News::Answered(tag), Some(relay)) => match relay.answered(tag, Instant::now())? {
                Step::Settle(order) => Some(order),
                Step::Open(seat) => {
                    self.consumers.open(seat);
                    None
                }
            },
        }
    }

    /// What is held is settled, and its consumer cancelled first, so that the broker gives it nothing for that.
    pub(super) fn let_go(&mut self) {
        if let Some((seat, order)) = self.relay.as_mut().and_then(Relay::let_go) {
            self.consumers.cancel(seat);
            self.settle(&[order]);
        }
    }

    /// Consumes no longer, and holds nothing.
    pub(super) fn stop(&mut self) {
        self.consumers.stop();
        self.let_go();
        self.relay = None;
    }

    /// Tells the broker what has become of deliveries.
    fn settle(&mut self, orders: &[Order]) {
        for order in orders {
            self.window.settle(order.tag, order.settle);
        }
        // In order: an ack of all before one must not come before what else was told of them.
        for Command { tag, settle, multiple } in self.window.take() {
            amqp::settle(self.consumers.channel(), tag, settle, multiple);
        }
    }

    /// To be waited for.
    pub(super) fn into_consumers(self) -> Consumers {
        self.consumers
    }
}
