//! What consumes a subscription's queue, over all connections, and settles what was read.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{Consumer, message::Delivery, types::ShortString};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};
use uuid::Uuid;

use super::{
    SubscribeOptions,
    inbox::Inbox,
    message::{Message, Order, Source},
};
use crate::{
    amqp::{self, Bound, Channel, Settle, Setup, SharedQueue},
    client::Client,
    error::{BrokerError, SubscribeError},
    exchange::Body,
    link::{Link, Reopen},
};

/// Most orders that are carried out together.
const BATCH: usize = 64;

pub(super) struct Feed<B> {
    client: Client,
    bindings: Vec<Bound>,
    options: SubscribeOptions,
    inbox: Arc<Inbox<Message<B>, SubscribeError>>,
    stop: CancellationToken,
    /// Which session it is, counted from 0.
    session: u64,
    orders_tx: mpsc::UnboundedSender<Order>,
    orders: mpsc::UnboundedReceiver<Order>,
}

/// A consumer while it lives.
pub(super) struct Session {
    link: Arc<Link>,
    channel: Channel,
    deliveries: Consumer,
    queue: ShortString,
    tag: ShortString,
    /// While there may be orders to carry out.
    last_words: TaskTrackerToken,
}

impl<B: Body> Feed<B> {
    pub(super) fn new(
        client: Client,
        bindings: Vec<Bound>,
        options: SubscribeOptions,
        inbox: Arc<Inbox<Message<B>, SubscribeError>>,
        stop: CancellationToken,
    ) -> Self {
        let (orders_tx, orders) = mpsc::unbounded_channel();
        Self { client, bindings, options, inbox, stop, session: 0, orders_tx, orders }
    }

    pub(super) async fn open(&self) -> Result<Session, SubscribeError> {
        self.client.subscriptions().open_on(|link| self.open_on(link), SubscribeError::blamed).await?
    }

    async fn open_on(&self, link: Arc<Link>) -> Result<Session, SubscribeError> {
        let id = Uuid::new_v4();
        // A queue of its own has a new name each time: the old one may not be gone yet.
        let queue = self.options.queue.clone().unwrap_or_else(|| format!("warren.listener.{id}"));
        let refused = |source| SubscribeError::Declare { queue: queue.clone(), source };
        let (name, tag) = (amqp::name("queue's name", &queue)?, ShortString::from(id.to_string()));
        let setup = Setup::of(link.channel().await.map_err(refused)?);
        let deliveries = self.consume(&setup, &name, &tag).await.map_err(refused)?;
        let last_words = link.last_words();
        Ok(Session { link, channel: setup.done(), deliveries, queue: name, tag, last_words })
    }

    async fn consume(
        &self,
        channel: &Channel,
        queue: &ShortString,
        tag: &ShortString,
    ) -> Result<Consumer, BrokerError> {
        let length_max = self.options.length_max;
        if self.options.queue.is_some() {
            let shared = SharedQueue { name: queue.to_string(), is_quorum: false, priority_max: 0, length_max };
            amqp::declare_shared_queue(channel, &shared).await?;
        } else {
            amqp::declare_listener_queue(channel, queue, length_max).await?;
        }
        for bound in &self.bindings {
            amqp::declare_and_bind(channel, queue, bound).await?;
        }
        // 0 would be "without a limit".
        amqp::consume_shared(channel, queue, tag, self.options.prefetch.max(1)).await
    }

    pub(super) async fn run(mut self, mut session: Session) {
        let mut reopen = Reopen::new(self.client.options().reconnect, self.stop.clone());
        loop {
            let stops = self.take(&mut session).await;
            // Before anybody closes the channel, or the connection.
            carry_out_by_now(&mut self.orders, self.session, &session.channel);
            if stops {
                return self.finish(session).await;
            }
            drop(session.last_words);
            let queue = session.queue.clone();
            if !session.link.is_lost() {
                tracing::warn!(%queue, "the broker ended a subscription: it is made again");
            }
            self.session += 1;
            // They come again, if their queue is still there.
            drop(self.inbox.take());
            tokio::spawn(async move { amqp::close_channel(&session.channel).await });
            session = match reopen.open(&queue, || self.open(), SubscribeError::is_final).await {
                Ok(Some(session)) => session,
                Ok(None) => return,
                Err(error) => return self.inbox.end(error),
            };
        }
    }

    /// Takes messages and settles them. True when it is to stop, false if it is lost.
    async fn take(&mut self, session: &mut Session) -> bool {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                () = session.link.lost() => return false,
                () = self.stop.cancelled() => return true,
                _ = self.orders.recv_many(&mut batch, BATCH) => {
                    carry_out(&mut batch, self.session, &session.channel);
                }
                delivery = session.deliveries.next() => match delivery {
                    Some(Ok(delivery)) => self.arrived(delivery, session),
                    Some(Err(_)) | None => return false,
                },
            }
        }
    }

    fn arrived(&self, delivery: Delivery, session: &Session) {
        let source = Source {
            client: self.client.clone(),
            queue: session.queue.clone(),
            session: self.session,
            orders: self.orders_tx.clone(),
        };
        match Message::read(delivery, source) {
            Ok(message) => self.inbox.push(message),
            Err((tag, id, error)) => {
                tracing::warn!(queue = %session.queue, id, %error, "a message cannot be read, and is rejected");
                let order = Order { tag, settle: Settle::Reject, session: self.session };
                // This holds the other end.
                let _ = self.orders_tx.send(order);
            }
        }
    }

    /// Takes no more, puts back what is unread, and settles what was taken out as its holders say.
    async fn finish(self, mut session: Session) {
        let Self { inbox, orders_tx, mut orders, session: number, .. } = self;
        let link = Arc::clone(&session.link);
        tokio::select! {
            () = settle_the_rest(&mut session, number, (orders_tx, &mut orders), &inbox) => {
                amqp::close_channel(&session.channel).await;
            }
            // A connection that closes in order waits for these words.
            () = link.lost() => carry_out_by_now(&mut orders, number, &session.channel),
        }
    }
}

async fn settle_the_rest<B>(
    session: &mut Session,
    number: u64,
    (orders_tx, orders): (mpsc::UnboundedSender<Order>, &mut mpsc::UnboundedReceiver<Order>),
    inbox: &Inbox<Message<B>, SubscribeError>,
) {
    amqp::cancel_consumer(&session.channel, &session.tag).await;
    while let Some(Ok(delivery)) = session.deliveries.next().await {
        let order = Order { tag: delivery.delivery_tag, settle: Settle::PutBack, session: number };
        // The other end is here.
        let _ = orders_tx.send(order);
    }
    drop(inbox.take());
    // The orders end with the last message that is not settled.
    drop(orders_tx);
    let mut batch = Vec::with_capacity(BATCH);
    while orders.recv_many(&mut batch, BATCH).await > 0 {
        carry_out(&mut batch, number, &session.channel);
    }
}

/// Carries out the orders that there are.
fn carry_out_by_now(orders: &mut mpsc::UnboundedReceiver<Order>, session: u64, channel: &Channel) {
    let mut batch = std::iter::from_fn(|| orders.try_recv().ok()).collect();
    carry_out(&mut batch, session, channel);
}

/// Tells the broker what has become of messages.
fn carry_out(orders: &mut Vec<Order>, session: u64, channel: &Channel) {
    let told = orders.drain(..).filter(|order| order.session == session);
    told.for_each(|order| amqp::settle(channel, order.tag, order.settle, false));
    channel.io().wake_up();
}
