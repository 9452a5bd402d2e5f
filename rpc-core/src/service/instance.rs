//! A running instance: a channel and a consumer for each endpoint, and one confirmed channel for all replies.

use std::{fmt, sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{Channel, Consumer};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    ServeOptions, Service,
    delivery::{self, Shared},
    handler::{Endpoint, Source},
};
use crate::{
    amqp,
    client::Client,
    error::{BrokerError, ServeError},
    publisher::Publisher,
};

/// An instance that runs until it is told to stop.
///
/// # Drop
///
/// Dropping it stops the consumers at once; what they held goes back to the queues. [`shutdown`](Self::shutdown)
/// finishes it first.
pub struct Running {
    instance: Arc<str>,
    consumers: Vec<(Channel, String)>,
    tasks: TaskTracker,
    drain_timeout: Duration,
    stop: Stop,
    ended: watch::Receiver<Option<ServeError>>,
}

/// Fires both tokens when dropped.
#[derive(Clone, Debug)]
struct Stop {
    /// Take nothing new.
    shutdown: CancellationToken,
    /// Wait for nothing any more.
    abort: CancellationToken,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl Running {
    pub(super) async fn start<S: Send + Sync + 'static>(
        service: &Service<S>,
        client: &Client,
        options: ServeOptions,
    ) -> Result<Self, ServeError> {
        let instance: Arc<str> = options.instance.unwrap_or_else(|| new_instance_id(service.name)).into();
        let stop = Stop { shutdown: CancellationToken::new(), abort: CancellationToken::new() };
        let (ended_tx, ended) = watch::channel(None);
        let mut running = Self {
            instance: Arc::clone(&instance),
            consumers: Vec::new(),
            tasks: TaskTracker::new(),
            drain_timeout: options.drain_timeout,
            stop: stop.clone(),
            ended,
        };
        let replies = amqp::confirming_channel(client.connection())
            .await
            .map_err(|source| ServeError::Declare { queue: service.name.to_owned(), source })?;
        let publisher = Publisher::start(replies, |returned| {
            tracing::warn!(routing_key = returned.routing_key, "a reply came back");
        });
        for endpoint in &service.endpoints {
            let prefetch = endpoint.prefetch.unwrap_or(options.prefetch);
            let tag = format!("{instance}.{}", endpoint.queue);
            let (channel, consumer) = consume(client, endpoint, &tag, prefetch)
                .await
                .map_err(|source| ServeError::Declare { queue: endpoint.queue.clone(), source })?;
            running.consumers.push((channel, tag));
            let shared = Arc::new(Shared {
                endpoint: endpoint.clone(),
                publisher: publisher.clone(),
                client: client.clone(),
                instance: Arc::clone(&instance),
                abort: stop.abort.clone(),
            });
            let (tasks, shutdown) = (running.tasks.clone(), stop.shutdown.clone());
            running.tasks.spawn(take_deliveries(shared, consumer, tasks, shutdown, ended_tx.clone()));
        }
        for task in &service.background {
            running.tasks.spawn(task(client.clone(), stop.shutdown.clone(), Arc::clone(&service.state)));
        }
        tracing::info!(service = service.name, version = service.version, %instance, "serving");
        Ok(running)
    }

    /// The instance's id.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Waits until the instance stopped by itself: the broker ended a consumer, or the connection was lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn ended(&mut self) -> ServeError {
        match self.ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(error)) => error,
            // All consumers have gone without a word: a shutdown, which consumes `self`, so nobody waits here then.
            _ => std::future::pending().await,
        }
    }

    /// Stops in order: takes nothing new, lets handlers finish for `drain_timeout`, settles, closes the channels.
    /// What has not finished by then goes back to the queues.
    pub async fn shutdown(self) {
        for (channel, tag) in &self.consumers {
            amqp::cancel_consumer(channel, tag).await;
        }
        self.stop.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!(instance = &*self.instance, "handlers did not finish in time: their requests are put back");
            self.stop.abort.cancel();
        }
        for (channel, _) in &self.consumers {
            amqp::close_channel(channel).await;
        }
        tracing::info!(instance = &*self.instance, "stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.shutdown.cancel();
        self.stop.abort.cancel();
    }
}

fn new_instance_id(service: &str) -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("{service}-{}", &id[..6])
}

/// Declares an endpoint's queue and consumes it, on a channel of its own: an error of one endpoint leaves the others.
async fn consume(
    client: &Client,
    endpoint: &Endpoint,
    tag: &str,
    prefetch: u16,
) -> Result<(Channel, Consumer), BrokerError> {
    let channel = client.connection().create_channel().await?;
    amqp::declare_shared_queue(&channel, &endpoint.queue).await?;
    if let Source::Event { key } = endpoint.source {
        amqp::bind_event(&channel, &endpoint.queue, key).await?;
    }
    let consumer = amqp::consume_shared(&channel, &endpoint.queue, tag, prefetch).await?;
    Ok((channel, consumer))
}

/// Hands each delivery to a task of its own; the prefetch bounds how many there are.
async fn take_deliveries(
    shared: Arc<Shared>,
    mut deliveries: Consumer,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    ended: watch::Sender<Option<ServeError>>,
) {
    let source = loop {
        let next = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            next = deliveries.next() => next,
        };
        match next {
            Some(Ok(delivery)) => {
                let span = tracing::debug_span!("rpc.delivery", queue = shared.endpoint.queue);
                tasks.spawn(delivery::handle(Arc::clone(&shared), delivery).instrument(span));
            }
            Some(Err(error)) => break Some(BrokerError::from(error)),
            None => break None,
        }
    };
    if !shutdown.is_cancelled() {
        ended.send_replace(Some(ServeError::ConsumerEnded { queue: shared.endpoint.queue.clone(), source }));
    }
}
