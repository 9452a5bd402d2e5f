//! A running instance: a channel and a consumer for each endpoint, and one confirmed channel for all replies.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
};
use lapin::{Channel, Consumer, types::ShortString};
use tokio::{sync::watch, task::JoinHandle};
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

/// Longest a handler that is not waited for any more may take to be dropped, and a reply that is on its way to be
/// confirmed.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// An instance that runs until it is told to stop.
///
/// # Drop
///
/// Dropping it stops the consumers at once, in the background; what they held goes back to the queues.
/// [`shutdown`](Self::shutdown) finishes it first.
pub struct Running {
    instance: Arc<str>,
    consumers: Consumers,
    tasks: TaskTracker,
    drain_timeout: Duration,
    stop: Stop,
    ended: watch::Receiver<Option<ServeError>>,
    /// Closes the channels in the end.
    keeper: Option<JoinHandle<()>>,
}

/// The consumers' channels. All have the same tag: a tag belongs to its channel.
#[derive(Clone, Debug)]
struct Consumers {
    channels: Vec<Channel>,
    tag: ShortString,
}

/// How an instance is told to stop.
#[derive(Clone, Debug, Default)]
struct Stop {
    /// Take nothing new.
    shutdown: CancellationToken,
    /// Wait for nothing any more.
    abort: CancellationToken,
}

impl Stop {
    fn at_once(&self) {
        self.shutdown.cancel();
        self.abort.cancel();
    }
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
        let instance = options.instance.unwrap_or_else(|| new_instance_id(service.name));
        let tag = amqp::name("instance's id", &instance)?;
        let (ended_tx, ended) = watch::channel(None);
        let mut running = Self {
            instance: instance.into(),
            consumers: Consumers { channels: Vec::new(), tag },
            tasks: TaskTracker::new(),
            drain_timeout: options.drain_timeout,
            stop: Stop::default(),
            ended,
            keeper: None,
        };
        let replies = amqp::confirming_channel(client.connection())
            .await
            .map_err(|source| ServeError::Declare { queue: service.name.to_owned(), source })?;
        let publisher = Publisher::start(replies, |returned| {
            tracing::warn!(routing_key = returned.routing_key, "a reply came back");
        });
        for endpoint in &service.endpoints {
            let prefetch = endpoint.prefetch.unwrap_or(options.prefetch);
            if let Err(error) = running.consume(endpoint, prefetch, client, &publisher, &ended_tx).await {
                running.stop.at_once();
                running.consumers.close().await;
                return Err(error);
            }
        }
        for task in &service.background {
            let task = task(client.clone(), running.stop.shutdown.clone(), Arc::clone(&service.state));
            running.tasks.spawn(in_background(task, service.name, running.stop.abort.clone()));
        }
        let keeper = Keeper {
            consumers: running.consumers.clone(),
            stop: running.stop.clone(),
            client_lost: client.lost_token(),
            replies_failed: publisher.failed(),
            ended: ended_tx,
        };
        running.keeper = Some(tokio::spawn(keeper.keep()));
        tracing::info!(service = service.name, version = service.version, instance = &*running.instance, "serving");
        Ok(running)
    }

    /// Declares an endpoint's queue and consumes it, on a channel of its own: an error of one endpoint leaves the
    /// others.
    async fn consume(
        &mut self,
        endpoint: &Endpoint,
        prefetch: u16,
        client: &Client,
        publisher: &Publisher,
        ended: &watch::Sender<Option<ServeError>>,
    ) -> Result<(), ServeError> {
        let names = Names::of(endpoint)?;
        let refused = |source| ServeError::Declare { queue: endpoint.queue.clone(), source };
        let channel = client.connection().create_channel().await.map_err(|error| refused(error.into()))?;
        self.consumers.channels.push(channel.clone());
        let deliveries = names.consume(&channel, &self.consumers.tag, prefetch).await.map_err(refused)?;
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            publisher: publisher.clone(),
            client: client.clone(),
            instance: Arc::clone(&self.instance),
            abort: self.stop.abort.clone(),
        });
        let (tasks, shutdown) = (self.tasks.clone(), self.stop.shutdown.clone());
        self.tasks.spawn(take_deliveries(shared, deliveries, tasks, shutdown, ended.clone()));
        Ok(())
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
            // All tasks have gone without a word: a shutdown, which consumes `self`, so nobody waits here then.
            _ => std::future::pending().await,
        }
    }

    /// Stops in order: takes nothing new, lets handlers finish for `drain_timeout`, settles, closes the channels.
    /// What has not finished by then goes back to the queues. Waits some seconds longer at most, for a broker that does
    /// not answer.
    pub async fn shutdown(mut self) {
        let drained = async {
            self.consumers.cancel().await;
            self.stop.shutdown.cancel();
            self.tasks.close();
            self.tasks.wait().await;
        };
        if tokio::time::timeout(self.drain_timeout, drained).await.is_err() {
            tracing::warn!(instance = &*self.instance, "handlers did not finish in time: their requests are put back");
        }
        self.stop.at_once();
        if let Some(keeper) = self.keeper.take() {
            // An error is a panic, which is told already.
            let _ = keeper.await;
        }
        self.tasks.close();
        if tokio::time::timeout(ABORT_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(instance = &*self.instance, "handlers block the thread that they run on: they are left");
        }
        tracing::info!(instance = &*self.instance, "stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.at_once();
    }
}

impl Consumers {
    /// Stops the deliveries; what was delivered stays here.
    async fn cancel(&self) {
        join_all(self.channels.iter().map(|channel| amqp::cancel_consumer(channel, &self.tag))).await;
    }

    /// Closes the channels; what was delivered and not settled goes back to the queues.
    async fn close(&self) {
        join_all(self.channels.iter().map(amqp::close_channel)).await;
    }
}

fn new_instance_id(service: &str) -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("{service}-{}", &id[..6])
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
async fn take_deliveries(
    shared: Arc<Shared>,
    mut deliveries: Consumer,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    ended: watch::Sender<Option<ServeError>>,
) {
    let queue = shared.endpoint.queue.as_str();
    let mut source = None;
    while let Some(delivery) = deliveries.next().await {
        match delivery {
            Ok(delivery) if shutdown.is_cancelled() => delivery::put_back(delivery, queue).await,
            Ok(delivery) => {
                let span = tracing::debug_span!("rpc.delivery", queue);
                tasks.spawn(delivery::handle(Arc::clone(&shared), delivery).instrument(span));
            }
            Err(error) => source = Some(BrokerError::from(error)),
        }
    }
    if !shutdown.is_cancelled() {
        ended.send_replace(Some(ServeError::ConsumerEnded { queue: queue.to_owned(), source }));
    }
}

/// Runs a background task until it ends, or the instance does not wait for it any longer.
async fn in_background(task: BoxFuture<'static, ()>, service: &'static str, abort: CancellationToken) {
    tokio::select! {
        ended = AssertUnwindSafe(task).catch_unwind() => {
            if ended.is_err() {
                tracing::error!(service, "a background task panicked: the instance goes on without it");
            }
        }
        () = abort.cancelled() => {}
    }
}

/// Waits for the end of an instance, whatever the reason, and closes its channels.
struct Keeper {
    consumers: Consumers,
    stop: Stop,
    client_lost: CancellationToken,
    replies_failed: CancellationToken,
    ended: watch::Sender<Option<ServeError>>,
}

impl Keeper {
    async fn keep(self) {
        let lost = tokio::select! {
            () = self.stop.abort.cancelled() => false,
            () = self.client_lost.cancelled() => true,
            // An instance that cannot reply must not take requests: they would go round and round.
            () = self.replies_failed.cancelled() => true,
        };
        if lost {
            self.ended.send_if_modified(|ended| ended.is_none() && ended.replace(ServeError::ConnectionLost).is_none());
        }
        self.stop.at_once();
        self.consumers.close().await;
    }
}
