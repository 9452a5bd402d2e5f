//! A running instance: a channel and a consumer for each endpoint, and one confirmed channel for all replies.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    ServeOptions, Service,
    consumers::{Consumers, take_deliveries},
    delivery::Shared,
    handler::Endpoint,
    one_way::OneWayRetries,
};
use crate::{amqp, client::Client, error::ServeError, publisher::Publisher};

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
    task: Option<JoinHandle<()>>,
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
        let consumers = Consumers::new(&instance)?;
        let (ended_tx, ended) = watch::channel(None);
        let mut running = Self {
            instance: instance.into(),
            consumers,
            tasks: TaskTracker::new(),
            drain_timeout: options.drain_timeout,
            stop: Stop::default(),
            ended,
            task: None,
        };
        let replies = amqp::confirming_channel(client.connection())
            .await
            .map_err(|source| ServeError::ReplyChannel { service: service.name, source })?;
        let publisher = Publisher::start(replies, |returned| {
            tracing::warn!(routing_key = returned.routing_key, "a reply came back");
        });
        for endpoint in &service.endpoints {
            let prefetch = endpoint.prefetch.unwrap_or(options.prefetch);
            let shared = running.shared(endpoint, service.retries, client, &publisher);
            if let Err(error) = running.consume(shared, prefetch, &ended_tx).await {
                running.stop.at_once();
                running.consumers.close().await;
                return Err(error);
            }
        }
        for task in &service.background {
            let task = task(client.clone(), running.stop.shutdown.clone(), Arc::clone(&service.state));
            running.tasks.spawn(in_background(task, service.name, running.stop.abort.clone()));
        }
        let task = InstanceTask {
            consumers: running.consumers.clone(),
            stop: running.stop.clone(),
            client_lost: client.lost_token(),
            replies_failed: publisher.failed(),
            ended: ended_tx,
        };
        running.task = Some(tokio::spawn(task.run()));
        tracing::info!(service = service.name, version = service.version, instance = &*running.instance, "serving");
        Ok(running)
    }

    fn shared(&self, endpoint: &Endpoint, retries: OneWayRetries, client: &Client, publisher: &Publisher) -> Shared {
        Shared {
            endpoint: endpoint.clone(),
            publisher: publisher.clone(),
            client: client.clone(),
            instance: Arc::clone(&self.instance),
            retries,
            shutdown: self.stop.shutdown.clone(),
            abort: self.stop.abort.clone(),
        }
    }

    /// Consumes an endpoint's queue.
    async fn consume(
        &mut self,
        shared: Shared,
        prefetch: u16,
        ended: &watch::Sender<Option<ServeError>>,
    ) -> Result<(), ServeError> {
        let deliveries = self.consumers.add(shared.client.connection(), &shared.endpoint, prefetch).await?;
        self.tasks.spawn(take_deliveries(Arc::new(shared), deliveries, self.tasks.clone(), ended.clone()));
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
        if let Some(task) = self.task.take() {
            // An error is a panic, which is reported already.
            let _ = task.await;
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

fn new_instance_id(service: &str) -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("{service}-{}", &id[..6])
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
struct InstanceTask {
    consumers: Consumers,
    stop: Stop,
    client_lost: CancellationToken,
    replies_failed: CancellationToken,
    ended: watch::Sender<Option<ServeError>>,
}

impl InstanceTask {
    async fn run(self) {
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
