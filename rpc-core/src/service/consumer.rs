//! The consumer of one endpoint of an instance: declared, consumed, settled, and made again whenever it is lost.

use std::{sync::Arc, time::Instant};

use futures::{FutureExt, future::BoxFuture};
use lapin::{Consumer, types::ShortString};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    delivery::{self, Shared},
    handler::{Endpoint, Source},
    inline::Inline,
    instance::Stop,
    intake::{Arrival, Intake},
};
use crate::{
    amqp::{self, Bound, Channel, Settle, Setup},
    error::{BrokerError, ServeError},
    link::{Link, Reopen},
    publisher::Publisher,
};

/// An endpoint's names, as AMQP carries them.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) queue: ShortString,
    bindings: Arc<[Bound]>,
    /// The instance's id: the first consumer's tag.
    tag: ShortString,
}

impl Names {
    pub(super) fn of(endpoint: &Endpoint, instance: &str) -> Result<Self, ServeError> {
        let bindings = match &endpoint.source {
            Source::Method => Arc::default(),
            Source::Exchange(bindings) => bindings.clone()?,
        };
        let tag = amqp::name("instance's id", instance)?;
        let queue = amqp::shared_queue_name(&endpoint.queue.name)?;
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
    pub(super) inline: Inline,
    pub(super) stop: Stop,
}

/// A consumer while it lives.
pub(super) struct Session {
    link: Arc<Link>,
    channel: Channel,
    intake: Intake,
    replies: Publisher,
}

impl Session {
    /// Tells what is settled, and closes the channel: all else goes back to the queue.
    async fn close(self) {
        self.intake.close().await;
        amqp::close_channel(&self.channel).await;
    }
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
        let links = match self.shared.endpoint.source {
            Source::Method => self.shared.client.links(),
            Source::Exchange(_) => self.shared.client.subscriptions(),
        };
        links.open_on(|link| self.open_on(link), ServeError::blamed).await?
    }

    async fn open_on(&self, link: Arc<Link>) -> Result<Session, ServeError> {
        let refused = |source| ServeError::Declare { queue: self.names.queue.to_string(), source };
        let replies = match self.shared.endpoint.source {
            Source::Method => link.replies().await.map_err(refused)?.clone(),
            // There are no replies, and opening a channel for them would wait for a broker that blocks publishers.
            Source::Exchange(_) => self.shared.client.links().up().await?.requests.clone(),
        };
        let setup = Setup::of(link.channel().await.map_err(refused)?);
        let deliveries = self.consume(&setup).await.map_err(refused)?;
        let channel = setup.done();
        let intake = Intake::start(
            (&link, channel.clone()),
            deliveries,
            (&self.shared.endpoint, self.prefetch),
            self.handlers.clone(),
            self.stop.shutdown.clone(),
        );
        Ok(Session { link, channel, intake, replies })
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
        let mut reopen = Reopen::new(self.shared.client.options().reconnect, self.stop.shutdown.clone());
        loop {
            match self.consume_until_over(&mut session).await {
                Over::Stopped => {
                    session.close().await;
                    break None;
                }
                Over::Lost(source) => self.tell_lost(&session, source.as_ref()),
            }
            // In the background: a broker that is gone does not answer.
            tokio::spawn(session.close());
            session = match reopen.open(&self.names.queue, || self.open(), ServeError::is_final).await {
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

    /// Begins a handler for each delivery.
    async fn consume_until_over(&self, session: &mut Session) -> Over {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.stop.abort.cancelled() => return Over::Stopped,
                () = session.link.lost() => return Over::Lost(None),
                // After `shutdown` come those that were under way, and are put back, and then the end.
                more = session.intake.next(&mut batch) => match more {
                    Some(()) => {
                        for arrival in batch.drain(..) {
                            match arrival {
                                Ok(arrival) => self.take(arrival, &session.replies),
                                Err(error) => return Over::Lost(Some(error)),
                            }
                        }
                    }
                    // Cancelled by us: handlers go on, and settle.
                    None if self.stop.shutdown.is_cancelled() => break,
                    None => return Over::Lost(None),
                },
            }
        }
        tokio::select! {
            // What waits for the handlers fires the other one, then.
            () = session.intake.all_settled() => self.stop.abort.cancelled().await,
            () = self.stop.abort.cancelled() => {}
            () = session.link.lost() => return Over::Lost(None),
        }
        Over::Stopped
    }

    fn take(&self, arrival: Arrival, replies: &Publisher) {
        // One that comes back counts as one that may have run: what must not run twice is run now.
        if self.stop.shutdown.is_cancelled() && self.shared.endpoint.may_repeat(&arrival.head) {
            return arrival.unsettled.settle(Settle::PutBack);
        }
        let span = tracing::debug_span!("rpc.delivery", queue = %self.names.queue);
        let handling = delivery::handle(Arc::clone(&self.shared), arrival, replies.clone());
        self.start(Box::pin(handling.instrument(span)));
    }

    /// Begins a handler. One that ends at once is never a task of its own: that would cost more than it does.
    fn start(&self, mut handling: BoxFuture<'static, ()>) {
        if self.inline.next() {
            let begun = Instant::now();
            let ended = handling.as_mut().now_or_never().is_some();
            self.inline.took(begun.elapsed());
            if ended {
                return;
            }
        }
        self.handlers.spawn(handling);
    }
}
