//! The consumers of an instance: a channel for each endpoint, from its declaration to its close.

use std::sync::Arc;

use futures::{StreamExt, future::join_all};
use lapin::{Channel, Connection, Consumer, types::ShortString};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    delivery::{self, Shared},
    handler::{Endpoint, Source},
};
use crate::{
    amqp,
    error::{BrokerError, NameError, ServeError},
};

/// The consumers' channels. All have the same tag: a tag belongs to its channel.
#[derive(Clone, Debug)]
pub(super) struct Consumers {
    channels: Vec<Channel>,
    tag: ShortString,
}

impl Consumers {
    pub(super) fn new(instance: &str) -> Result<Self, NameError> {
        Ok(Self { channels: Vec::new(), tag: amqp::name("instance's id", instance)? })
    }

    /// Declares an endpoint's queue and consumes it, on a channel of its own: an error of one endpoint leaves the
    /// others.
    pub(super) async fn add(
        &mut self,
        connection: &Connection,
        endpoint: &Endpoint,
        prefetch: u16,
    ) -> Result<Consumer, ServeError> {
        let names = Names::of(endpoint)?;
        let refused = |source| ServeError::Declare { queue: endpoint.queue.clone(), source };
        let channel = connection.create_channel().await.map_err(|error| refused(error.into()))?;
        self.channels.push(channel.clone());
        names.consume(&channel, &self.tag, prefetch).await.map_err(refused)
    }

    /// Stops the deliveries; what was delivered stays here.
    pub(super) async fn cancel(&self) {
        join_all(self.channels.iter().map(|channel| amqp::cancel_consumer(channel, &self.tag))).await;
    }

    /// Closes the channels; what was delivered and not settled goes back to the queues.
    pub(super) async fn close(&self) {
        join_all(self.channels.iter().map(amqp::close_channel)).await;
    }
}

/// An endpoint's names, as AMQP carries them.
struct Names {
    queue: ShortString,
    event_key: Option<ShortString>,
}

impl Names {
    fn of(endpoint: &Endpoint) -> Result<Self, ServeError> {
        let event_key = match endpoint.source {
            Source::Method => None,
            Source::Event { key } => Some(amqp::name("event's key", key)?),
        };
        Ok(Self { queue: amqp::name("queue's name", &endpoint.queue)?, event_key })
    }

    async fn consume(&self, channel: &Channel, tag: &ShortString, prefetch: u16) -> Result<Consumer, BrokerError> {
        amqp::declare_shared_queue(channel, &self.queue).await?;
        if let Some(key) = &self.event_key {
            amqp::bind_event(channel, &self.queue, key).await?;
        }
        // 0 would be "without a limit".
        amqp::consume_shared(channel, &self.queue, tag, prefetch.max(1)).await
    }
}

/// Hands each delivery to a task of its own; the prefetch bounds how many there are.
///
/// The consumer is kept until the broker or the channel ends it. lapin would cancel a consumer that is dropped earlier,
/// and takes it for an error of the connection if the channel closes meanwhile.
pub(super) async fn take_deliveries(
    shared: Arc<Shared>,
    mut deliveries: Consumer,
    tasks: TaskTracker,
    ended: watch::Sender<Option<ServeError>>,
) {
    let queue = shared.endpoint.queue.as_str();
    let mut source = None;
    while let Some(delivery) = deliveries.next().await {
        match delivery {
            Ok(delivery) if shared.shutdown.is_cancelled() => delivery::put_back(delivery, queue).await,
            Ok(delivery) => {
                let span = tracing::debug_span!("rpc.delivery", queue);
                tasks.spawn(delivery::handle(Arc::clone(&shared), delivery).instrument(span));
            }
            Err(error) => source = Some(BrokerError::from(error)),
        }
    }
    if !shared.shutdown.is_cancelled() {
        ended.send_replace(Some(ServeError::ConsumerEnded { queue: queue.to_owned(), source }));
    }
}
