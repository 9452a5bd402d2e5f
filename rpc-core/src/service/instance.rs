//! A running instance: a consumer for each endpoint, over all connections, and the background tasks.

use std::{collections::HashSet, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    ServeOptions, Service,
    cancels::Cancels,
    consumer::{EndpointConsumer, Names, Session},
    control::Control,
    delivery::Shared,
    handler::Endpoint,
    inline::Inline,
    progress::ControlQueue,
    skew::SkewLog,
};
use crate::{client::Client, error::ServeError};

/// Longest a handler that is not waited for any more may take to be dropped, and a reply that is on its way to be
/// confirmed.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// An instance that runs until it is told to stop.
///
/// # Drop
///
/// Dropping it stops the consumers at once, in the background; requests without a confirmed reply go back to
/// the queues.
/// [`shutdown`](Self::shutdown) finishes it first.
#[must_use = "dropping it stops the instance"]
pub struct Running {
    instance: Arc<str>,
    /// What handlers and background tasks run in, what is not settled, and what handlers left to be done.
    handlers: TaskTracker,
    consumers: TaskTracker,
    drain_timeout: Duration,
    stop: Stop,
    ended: watch::Receiver<Option<ServeError>>,
}

/// How an instance is told to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// Take nothing new.
    pub(super) shutdown: CancellationToken,
    /// Wait for nothing any more.
    pub(super) abort: CancellationToken,
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
        check_endpoints(service, options.consumer_timeout)?;
        let instance: Arc<str> = options.instance.clone().unwrap_or_else(|| new_instance_id(service.name)).into();
        let (ended_tx, ended) = watch::channel(None);
        let cancels = Arc::new(Cancels::default());
        let running = Self {
            instance,
            handlers: TaskTracker::new(),
            consumers: TaskTracker::new(),
            drain_timeout: options.drain_timeout,
            stop: Stop::default(),
            ended,
        };
        if let Err(error) = running.consume_all(service, client, &options, &cancels, &ended_tx).await {
            // Nothing is left running when this returns, if the broker answers.
            running.stop.at_once();
            running.consumers.close();
            let _ = tokio::time::timeout(ABORT_TIMEOUT, running.consumers.wait()).await;
            return Err(error);
        }
        for task in &service.background {
            let task = task(client.clone(), running.stop.shutdown.clone(), Arc::clone(&service.state));
            running.handlers.spawn(in_background(task, service.name, running.stop.abort.clone()));
        }
        running.consumers.close();
        tracing::info!(service = service.name, version = service.version, instance = &*running.instance, "serving");
        Ok(running)
    }

    /// Opens every consumer, one after another.
    async fn consume_all<S: Send + Sync + 'static>(
        &self,
        service: &Service<S>,
        client: &Client,
        options: &ServeOptions,
        cancels: &Arc<Cancels>,
        ended: &watch::Sender<Option<ServeError>>,
    ) -> Result<(), ServeError> {
        let control_queue = ControlQueue::default();
        let control = Control {
            client: client.clone(),
            cancels: Arc::clone(cancels),
            queue: control_queue.clone(),
            methods: service.methods().map(str::to_owned).collect(),
            stop: self.stop.clone(),
        };
        let first = control.open().await?;
        self.consumers.spawn(control.run(first));
        // One that is gone for good by then has ended the others.
        for endpoint in service.endpoints.iter().take_while(|_| !self.stop.shutdown.is_cancelled()) {
            let consumer = self.consumer(service, endpoint, client, options, (cancels, &control_queue))?;
            let first = consumer.open().await?;
            self.consumers.spawn(consume(consumer, first, self.stop.clone(), ended.clone()));
        }
        Ok(())
    }

    fn consumer<S>(
        &self,
        service: &Service<S>,
        endpoint: &Endpoint,
        client: &Client,
        options: &ServeOptions,
        (cancels, control_queue): (&Arc<Cancels>, &ControlQueue),
    ) -> Result<EndpointConsumer, ServeError> {
        let shared = Shared {
            endpoint: endpoint.clone(),
            client: client.clone(),
            instance: Arc::clone(&self.instance),
            retries: service.retries,
            handling_max: endpoint.handling_max.unwrap_or(options.consumer_timeout),
            cancels: Arc::clone(cancels),
            skew: SkewLog::default(),
            control_queue: control_queue.clone(),
            unfinished: self.handlers.clone(),
            shutdown: self.stop.shutdown.clone(),
            abort: self.stop.abort.clone(),
        };
        Ok(EndpointConsumer {
            shared: Arc::new(shared),
            names: Names::of(endpoint, &self.instance)?,
            // 0 would be "without a limit".
            prefetch: endpoint.prefetch.unwrap_or(options.prefetch).max(1),
            handlers: self.handlers.clone(),
            inline: Inline::default(),
            stop: self.stop.clone(),
        })
    }

    /// The instance's id.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Waits until the instance stopped by itself: its client was closed or has given the broker up, or a consumer
    /// could not be made again. A service of background tasks alone has no consumer, and never ends by itself:
    /// [`Client::ended`] tells there.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn ended(&mut self) -> ServeError {
        match self.ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(error)) => error,
            // No consumer is left to say so: without endpoints there never was one.
            _ => std::future::pending().await,
        }
    }

    /// Stops in order: takes nothing new, lets handlers finish for `drain_timeout`, settles, closes the channels.
    /// What has not finished by then goes back to the queues. Waits 5 s longer at most, for a broker that does not
    /// answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the instance stops at once, as if it were dropped: what its handlers have not
    /// finished goes back to the queues.
    pub async fn shutdown(self) {
        let instance = &*self.instance;
        self.stop.shutdown.cancel();
        self.handlers.close();
        if tokio::time::timeout(self.drain_timeout, self.handlers.wait()).await.is_err() {
            tracing::warn!(instance, "handlers did not finish in time: their requests are put back");
        }
        self.stop.abort.cancel();
        let ended = async {
            self.handlers.wait().await;
            self.consumers.wait().await;
        };
        if tokio::time::timeout(ABORT_TIMEOUT, ended).await.is_err() {
            tracing::warn!(instance, "the broker does not answer, or handlers block their thread: they are left");
        }
        tracing::info!(instance, "stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.at_once();
    }
}

/// Each has a queue of its own; and the broker would end the consumer of a handler that takes longer than it waits.
fn check_endpoints<S>(service: &Service<S>, consumer_timeout: Duration) -> Result<(), ServeError> {
    let mut queues = HashSet::new();
    for endpoint in &service.endpoints {
        if !queues.insert(endpoint.queue.name.as_str()) {
            return Err(ServeError::Duplicate { queue: endpoint.queue.name.clone() });
        }
        if let Some(handling_max) = endpoint.handling_max.filter(|most| *most > consumer_timeout) {
            let queue = endpoint.queue.name.clone();
            return Err(ServeError::HandlingTooLong { queue, handling_max, consumer_timeout });
        }
    }
    Ok(())
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

/// Consumes an endpoint. An instance of which one endpoint is gone for good ends as a whole.
async fn consume(consumer: EndpointConsumer, first: Session, stop: Stop, ended: watch::Sender<Option<ServeError>>) {
    if let Some(error) = consumer.run(first).await {
        ended.send_if_modified(|ended| ended.is_none() && ended.replace(error).is_none());
        stop.at_once();
    }
}
