//! The serving side: a group of methods with shared state, of which any number of instances run.

mod consumers;
mod delivery;
mod handler;
mod instance;
mod one_way;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use self::handler::{Endpoint, Source};
pub use self::{instance::Running, one_way::OneWayRetries};
use crate::{
    client::Client,
    context::Context,
    error::ServeError,
    method::{Event, Method},
    status::Status,
};

/// How an instance runs.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Most requests of a method that the instance holds unsettled, so how many of its handlers run at a time, unless
    /// the method says otherwise. 0 counts as 1. Default: 1, so that a free instance gets the next request.
    pub prefetch: u16,
    /// Longest a shutdown waits for handlers; what is left goes back to the queues. Default: 30 s.
    pub drain_timeout: Duration,
    /// The instance's id, 1 to 255 bytes; absent: the service's name and six hexadecimal digits.
    pub instance: Option<String>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { prefetch: 1, drain_timeout: Duration::from_secs(30), instance: None }
    }
}

/// How one method is served.
#[derive(Clone, Copy, Debug)]
pub struct MethodOptions {
    /// In place of [`ServeOptions::prefetch`]. 0 counts as 1. Default: 1.
    pub prefetch: u16,
}

impl Default for MethodOptions {
    fn default() -> Self {
        Self { prefetch: 1 }
    }
}

type Background<S> = Arc<dyn Fn(Client, CancellationToken, Arc<S>) -> BoxFuture<'static, ()> + Send + Sync>;

/// A group of methods with shared state.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use warren_rpc::{Client, ClientOptions, Context, Method, ServeOptions, Service, Status};
/// # struct Sum;
/// # impl Method for Sum { const NAME: &'static str = "calculator.sum"; type Request = (i64, i64); type Reply = i64; }
/// async fn sum(_: Arc<()>, _: Context, (a, b): (i64, i64)) -> Result<i64, Status> {
///     a.checked_add(b).ok_or_else(|| Status::invalid_argument("the sum does not fit 64 bits"))
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("amqp://localhost", ClientOptions::default()).await?;
/// let service = Service::new("calculator", "1.0.0", Arc::new(())).method::<Sum, _, _>(sum);
/// let running = service.serve(&client, ServeOptions::default()).await?;
/// # running.shutdown().await;
/// # Ok(()) }
/// ```
pub struct Service<S> {
    name: &'static str,
    version: &'static str,
    state: Arc<S>,
    endpoints: Vec<Endpoint>,
    background: Vec<Background<S>>,
    retries: OneWayRetries,
}

impl<S> fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues: Vec<_> = self.endpoints.iter().map(|endpoint| &endpoint.queue).collect();
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("queues", &queues)
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Service<S> {
    /// A service without methods.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, state: Arc<S>) -> Self {
        Self { name, version, state, endpoints: Vec::new(), background: Vec::new(), retries: OneWayRetries::default() }
    }

    /// Serves a method.
    ///
    /// The handler's future is dropped when the deadline passes. A handler that panics is answered `internal`, and its
    /// request is not tried again.
    #[must_use]
    pub fn method<M, H, F>(self, handler: H) -> Self
    where
        M: Method,
        H: Fn(Arc<S>, Context, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        self.endpoint::<M, H, F>(None, handler)
    }

    /// Serves a method in its own way.
    #[must_use]
    pub fn method_with<M, H, F>(self, options: MethodOptions, handler: H) -> Self
    where
        M: Method,
        H: Fn(Arc<S>, Context, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        self.endpoint::<M, H, F>(Some(options.prefetch), handler)
    }

    fn endpoint<M, H, F>(mut self, prefetch: Option<u16>, handler: H) -> Self
    where
        M: Method,
        H: Fn(Arc<S>, Context, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        self.endpoints.push(Endpoint {
            queue: M::NAME.to_owned(),
            source: Source::Method,
            prefetch,
            body_bytes_max: M::BODY_BYTES_MAX,
            handler: handler::erase::<S, M::Request, M::Reply, H, F>(Arc::clone(&self.state), handler),
        });
        self
    }

    /// Subscribes to an event. All instances of the service share one durable queue (`SERVICE.on.KEY`), so that each
    /// event is handled by one of them, and none is lost while none runs.
    ///
    /// After a status that allows a retry the event rests, goes to the end of the queue and is tried again, as
    /// [`OneWayRetries`] says; so a handler must bear another order, and an event twice. After any other status, a
    /// panic or the last try it is rejected: a log line names its queue, which ends with its key, and its id, and it
    /// is lost unless the operator gave the queue a dead-letter exchange.
    #[must_use]
    pub fn on<E, H, F>(mut self, handler: H) -> Self
    where
        E: Event,
        H: Fn(Arc<S>, Context, E::Body) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        self.endpoints.push(Endpoint {
            queue: format!("{}.on.{}", self.name, E::KEY),
            source: Source::Event { key: E::KEY },
            prefetch: None,
            body_bytes_max: crate::method::BODY_BYTES_MAX,
            handler: handler::erase::<S, E::Body, (), H, F>(Arc::clone(&self.state), handler),
        });
        self
    }

    /// Runs a task beside the consumers of each instance. It should end when the token fires; an instance that
    /// shuts down waits for it as it waits for handlers, and drops it after `drain_timeout`. If it ends earlier, or
    /// panics, the instance goes on without it.
    #[must_use]
    pub fn background<T, F>(mut self, task: T) -> Self
    where
        T: Fn(Client, CancellationToken, Arc<S>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.background.push(Arc::new(move |client, shutdown, state| Box::pin(task(client, shutdown, state))));
        self
    }

    /// How events, and requests that ask for no reply, are tried again.
    #[must_use]
    pub fn one_way_retries(mut self, retries: OneWayRetries) -> Self {
        self.retries = retries;
        self
    }

    /// Starts an instance on the client's connection: declares the queues and consumes them. Each further call starts
    /// another instance.
    ///
    /// # Errors
    ///
    /// [`ServeError::Declare`] if the broker refuses a queue or a consumer, [`ServeError::ReplyChannel`] if it refuses
    /// the channel for replies; [`ServeError::Name`] if a name cannot be carried.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, what was started stops, and requests taken by then go back to the queues.
    pub async fn serve(&self, client: &Client, options: ServeOptions) -> Result<Running, ServeError> {
        Running::start(self, client, options).await
    }
}
