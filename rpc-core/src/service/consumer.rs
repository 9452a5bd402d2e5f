//! The consumer of one endpoint of an instance: declared, consumed, settled, and made again whenever it is lost.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::join_all};
use lapin::{Acker, Channel, Consumer, message::Delivery, types::ShortString};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    delivery::{self, Shared},
    handler::{Endpoint, Source},
    instance::Stop,
    reopen::Reopen,
    settle::{Command, Order, Settle, Unsettled, Window},
};
use crate::{
    amqp::{self, Bound},
    error::{BrokerError, ServeError},
    link::{Link, LinksEnded},
    publisher::Publisher,
};

/// Most deliveries that are taken, and most that are settled, before the others have their turn.
const BATCH: usize = 64;

/// An endpoint's names, as AMQP carries them.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) queue: ShortString,
    bindings: Arc<[Bound]>,
    /// The instance's id.
    tag: ShortString,
}

impl Names {
    pub(super) fn of(endpoint: &Endpoint, instance: &str) -> Result<Self, ServeError> {
        let bindings = match &endpoint.source {
            Source::Method => Arc::default(),
            Source::Exchange(bindings) => bindings.clone()?,
        };
        let tag = amqp::name("instance's id", instance)?;
        let queue = amqp::name("queue's name", &endpoint.queue.name)?;
        // Its dead letters' queue has a longer one.
        amqp::name("queue's name", &format!("{queue}.dead"))?;
        Ok(Self { queue, bindings, tag })
    }
}

/// What consumes one endpoint, over all connections.
pub(super) struct EndpointConsumer {
    pub(super) shared: Arc<Shared>,
    pub(super) names: Names,
    /// Not 0.
    pub(super) prefetch: u16,
    pub(super) handlers: TaskTracker,
    pub(super) stop: Stop,
}

/// A consumer while it lives.
pub(super) struct Session {
    link: Arc<Link>,
    channel: Channel,
    deliveries: Consumer,
    replies: Publisher,
}

/// Why a session is over.
enum Over {
    /// The instance stops.
    Stopped,
    /// The consumer is gone: its connection, its channel or its queue is.
    Lost(Option<BrokerError>),
}

impl EndpointConsumer {
    /// Declares the queue and consumes it, on a channel of its own: an error of one endpoint leaves the others.
    pub(super) async fn open(&self) -> Result<Session, ServeError> {
        let refused = |source| ServeError::Declare { queue: self.names.queue.to_string(), source };
        let Shared { client, endpoint, .. } = &*self.shared;
        let publishing = client.links().up().await.map_err(|LinksEnded(_)| ServeError::ConnectionLost)?;
        let (link, replies) = match endpoint.source {
            Source::Method => {
                let replies = publishing.replies().await.map_err(refused)?.clone();
                (publishing, replies)
            }
            // There are no replies, and opening a channel for them would wait for a broker that blocks publishers.
            Source::Exchange(_) => {
                let link = client.subscriptions().up().await.map_err(|LinksEnded(_)| ServeError::ConnectionLost)?;
                (link, publishing.requests.clone())
            }
        };
        let channel = link.channel().await.map_err(refused)?;
        let deliveries = self.consume(&channel).await.map_err(refused)?;
        Ok(Session { link, channel, deliveries, replies })
    }

    async fn consume(&self, channel: &Channel) -> Result<Consumer, BrokerError> {
        let Names { queue, bindings, tag } = &self.names;
        amqp::declare_shared_queue(channel, &self.shared.endpoint.queue).await?;
        for bound in bindings.iter() {
            amqp::declare_and_bind(channel, queue, bound).await?;
        }
        amqp::consume_shared(channel, queue, tag, self.prefetch).await
    }

    /// Consumes until the instance stops, or what is lost cannot be made again: then the reason.
    pub(super) async fn run(self, mut session: Session) -> Option<ServeError> {
        let mut reopen = Reopen::new(self.shared.client.options().reconnect, self.stop.clone());
        loop {
            match self.consume_until_over(&mut session).await {
                Over::Stopped => break self.finish(session).await,
                Over::Lost(source) => self.tell_lost(&session, source.as_ref()),
            }
            // In the background: a broker that is gone does not answer.
            tokio::spawn(async move { amqp::close_channel(&session.channel).await });
            session = match reopen.open(&self.names.queue, || self.open()).await {
                Ok(Some(session)) => session,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
        }
    }

    fn tell_lost(&self, session: &Session, source: Option<&BrokerError>) {
        if !session.link.is_lost() {
            let source = source.map(tracing::field::display);
            tracing::warn!(queue = %self.names.queue, source, "the broker ended a consumer: it is made again");
        }
    }

    /// Takes deliveries and settles them.
    async fn consume_until_over(&self, session: &mut Session) -> Over {
        let (orders_tx, mut orders) = mpsc::unbounded_channel();
        let mut window = Window::default();
        let mut batch = Vec::with_capacity(BATCH);
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                () = self.stop.abort.cancelled() => return Over::Stopped,
                () = session.link.lost() => return Over::Lost(None),
                () = self.stop.shutdown.cancelled(), if !stopping => {
                    stopping = true;
                    // Deliveries that are under way come before the answer, and are put back.
                    tokio::select! {
                        () = amqp::cancel_consumer(&session.channel, &self.names.tag) => {}
                        () = self.stop.abort.cancelled() => return Over::Stopped,
                    }
                }
                _ = orders.recv_many(&mut batch, BATCH) => settle(&mut window, &mut batch).await,
                delivery = session.deliveries.next() => match delivery {
                    Some(Ok(delivery)) => self.take(delivery, session, &mut window, &orders_tx),
                    // Cancelled by us: handlers go on, and settle.
                    None if stopping => break,
                    Some(Err(error)) => return Over::Lost(Some(error.into())),
                    None => return Over::Lost(None),
                },
            }
        }
        // The orders end with the last delivery that is not settled.
        drop(orders_tx);
        self.settle_the_rest(orders, window, session).await
    }

    /// Takes a delivery, and those that have come with it.
    fn take(
        &self,
        first: Delivery,
        session: &mut Session,
        window: &mut Window<Acker>,
        orders: &mpsc::UnboundedSender<Order>,
    ) {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(delivery) = next {
            let tag = delivery.delivery_tag;
            window.arrived(tag, delivery.acker.clone());
            let unsettled = Unsettled::new(tag, orders.clone(), self.handlers.token());
            if self.stop.shutdown.is_cancelled() {
                unsettled.settle(Settle::PutBack);
            } else {
                let span = tracing::debug_span!("rpc.delivery", queue = %self.names.queue);
                let handling = delivery::handle(Arc::clone(&self.shared), delivery, unsettled, session.replies.clone());
                self.handlers.spawn(handling.instrument(span));
            }
            taken += 1;
            // What is not a delivery ends the stream: the next look finds it again.
            next = if taken < BATCH {
                session.deliveries.next().now_or_never().flatten().and_then(Result::ok)
            } else {
                None
            };
        }
    }

    /// The consumer is cancelled; what was delivered is still to be settled.
    async fn settle_the_rest(
        &self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut window: Window<Acker>,
        session: &Session,
    ) -> Over {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                settled = orders.recv_many(&mut batch, BATCH) => {
                    if settled == 0 {
                        self.stop.abort.cancelled().await;
                        return Over::Stopped;
                    }
                    settle(&mut window, &mut batch).await;
                }
                () = self.stop.abort.cancelled() => return Over::Stopped,
                () = session.link.lost() => return Over::Lost(None),
            }
        }
    }

    /// Closes the channel: what is not settled goes back to the queue.
    async fn finish(&self, session: Session) -> Option<ServeError> {
        amqp::close_channel(&session.channel).await;
        // lapin would cancel a consumer that is dropped earlier, and takes it for an error of the connection if the
        // channel closes meanwhile.
        drop(session.deliveries);
        None
    }
}

/// Tells the broker what has become of deliveries.
async fn settle(window: &mut Window<Acker>, orders: &mut Vec<Order>) {
    for order in orders.iter() {
        window.settle(order.tag, order.settle);
    }
    let told = window.take().into_iter().map(|Command { delivery, settle, multiple }| async move {
        match settle {
            Settle::Ack => amqp::ack(&delivery, multiple).await,
            Settle::PutBack => amqp::put_back(&delivery).await,
            Settle::Reject => amqp::reject(&delivery).await,
        }
    });
    for outcome in join_all(told).await {
        match outcome {
            Ok(true) => {}
            Ok(false) => tracing::debug!("the channel is gone: the broker hands the delivery out again"),
            Err(error) => tracing::debug!(%error, "the connection is gone: the broker hands the delivery out again"),
        }
    }
    // Only now are they settled.
    orders.clear();
}
