//! The serving side: a group of methods with shared state, of which any number of instances run.

mod cancels;
mod consumer;
mod control;
mod delivery;
mod handler;
mod inline;
mod instance;
mod intake;
mod layers;
mod once;
mod one_way;
mod options;
mod progress;
mod settle;
mod skew;
mod turns;

use std::{fmt, future::Future, sync::Arc};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub(crate) use self::settle::Unsettled;
use self::{
    handler::{Endpoint, Handler, Source},
    layers::Wrap,
};
pub use self::{
    instance::Running,
    layers::{HandlerService, IncomingCall},
    one_way::OneWayRetries,
    options::{MethodOptions, ServeOptions},
    progress::ProgressSender,
};
use crate::{
    amqp::{self, Bound, SharedQueue},
    client::Client,
    context::Context,
    error::{BindingError, ServeError},
    exchange::{Binding, Body, Exchange},
    method::{BODY_BYTES_MAX, Effect, Event, Method, Progressive, QUEUE_LENGTH_MAX},
    once::ReplyStore,
    status::Status,
};

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
    layers: Vec<Wrap>,
}

impl<S> fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues: Vec<_> = self.endpoints.iter().map(|endpoint| &endpoint.queue.name).collect();
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("queues", &queues)
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Service<S> {
    /// A service without methods.
    ///
    /// The name is the begin of its instances' ids (`NAME-3fa9c1`), of its queues of events (`NAME.on.KEY`), and stands
    /// in its log lines; the names of its methods have no part of it. So under another name the service has other
    /// queues of events, and nobody takes what waits in the old ones. 1 to 248 bytes, unless
    /// [`ServeOptions::instance`] names the instances. The version is for people: the log line `serving` has it.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, state: Arc<S>) -> Self {
        let retries = OneWayRetries::default();
        Self { name, version, state, endpoints: Vec::new(), background: Vec::new(), retries, layers: Vec::new() }
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
        self.method_with::<M, H, F>(MethodOptions::default(), handler)
    }

    /// Serves a method in its own way.
    #[must_use]
    pub fn method_with<M, H, F>(self, options: MethodOptions, handler: H) -> Self
    where
        M: Method,
        H: Fn(Arc<S>, Context, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        const { assert!(!matches!(M::EFFECT, Effect::Once), "a method whose EFFECT is Once is served by `once`") };
        let handler = handler::erase::<S, M::Request, M::Reply, H, F>(Arc::clone(&self.state), handler);
        self.endpoint::<M>(options, handler)
    }

    /// Serves a method whose work is done once, whatever is killed and however often its request comes
    /// ([`Effect::Once`]). The handler makes its changes in the transaction, and gives it back with the reply: both
    /// are committed together. A repeat of the call gets the same answer, and does not run.
    ///
    /// A status that no retry can change is remembered, too; any other one is not, and a repeat runs again. Whatever
    /// the status, the transaction is undone.
    ///
    /// A call whose process died three times while it was handled is not begun again: it ends `internal`, and its
    /// request is kept with the dead letters. Requests that came back because a process died, or a connection, are
    /// begun one at a time in each process, so that none is blamed for another.
    ///
    /// Requests of one call that are with this service at the same time, in whichever of its instances in this process,
    /// take turns: the next one waits, in a place of the prefetch, until the first has ended, and is not counted. Of
    /// several processes each may begin the call, and one is committed; a fourth one waits too, if the store can tell
    /// runs that live from those that died ([`Begun::Busy`](crate::Begun::Busy)).
    ///
    /// Instances share the store, or each forgets what the others did.
    #[must_use]
    pub fn once<M, R, H, F>(self, options: MethodOptions, store: Arc<R>, handler: H) -> Self
    where
        M: Method,
        R: ReplyStore,
        H: Fn(Arc<S>, Context, R::Transaction, M::Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(M::Reply, R::Transaction), Status>> + Send + 'static,
    {
        const { assert!(matches!(M::EFFECT, Effect::Once), "`once` is for methods whose EFFECT is Once") };
        let state = Arc::clone(&self.state);
        let handler = once::erase::<S, R, M::Request, M::Reply, H, F>(M::NAME, state, store, handler);
        self.endpoint::<M>(options, handler)
    }

    /// Serves a method whose handler says how far it is, to callers that
    /// [want to know](Client::call_progressive). As [`method`](Self::method) in all else.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use warren_rpc::{Context, Method, ProgressSender, Progressive, Service, Status};
    /// # struct Count;
    /// # impl Method for Count { const NAME: &'static str = "calculator.count"; type Request = u32; type Reply = u32; }
    /// # impl Progressive for Count { type Progress = u32; }
    /// async fn count(_: Arc<()>, _: Context, to: u32, mut progress: ProgressSender<u32>) -> Result<u32, Status> {
    ///     for number in 0..to {
    ///         progress.send(&number).await?;
    ///     }
    ///     Ok(to)
    /// }
    ///
    /// let service = Service::new("calculator", "1.0.0", Arc::new(())).progressive::<Count, _, _>(count);
    /// ```
    #[must_use]
    pub fn progressive<M, H, F>(self, handler: H) -> Self
    where
        M: Progressive,
        H: Fn(Arc<S>, Context, M::Request, ProgressSender<M::Progress>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        self.progressive_with::<M, H, F>(MethodOptions::default(), handler)
    }

    /// Serves a method whose handler says how far it is, in its own way.
    #[must_use]
    pub fn progressive_with<M, H, F>(self, options: MethodOptions, handler: H) -> Self
    where
        M: Progressive,
        H: Fn(Arc<S>, Context, M::Request, ProgressSender<M::Progress>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        const { assert!(!matches!(M::EFFECT, Effect::Once), "a method whose EFFECT is Once is served by `once`") };
        let handler = progress::erase::<S, M, H, F>(Arc::clone(&self.state), handler);
        let mut service = self.endpoint::<M>(options, handler);
        service.endpoints.last_mut().expect("it was added just now").is_progressive = true;
        service
    }

    fn endpoint<M: Method>(mut self, options: MethodOptions, handler: Handler) -> Self {
        let mut endpoint = Endpoint {
            queue: SharedQueue {
                name: M::NAME.to_owned(),
                is_quorum: M::DURABLE,
                priority_max: M::PRIORITY_MAX,
                length_max: M::QUEUE_LENGTH_MAX,
            },
            source: Source::Method,
            prefetch: options.prefetch,
            body_bytes_max: M::BODY_BYTES_MAX,
            handling_max: M::HANDLING_MAX,
            effect: M::EFFECT,
            is_progressive: false,
            handler,
        };
        self.layers.iter().for_each(|layer| layer(&mut endpoint));
        self.endpoints.push(endpoint);
        self
    }

    /// Subscribes to an event. All instances of the service share one durable queue (`SERVICE.on.KEY`), so that each
    /// event is handled by one of them, and none is lost while none runs.
    ///
    /// After a status that allows a retry the event rests, goes to the end of the queue and is tried again, as
    /// [`OneWayRetries`] says; so a handler must bear another order, and an event twice. After any other status, a
    /// panic or the last try it is rejected, and kept in `SERVICE.on.KEY.dead`: a log line names its queue and its id.
    #[must_use]
    pub fn on<E, H, F>(self, handler: H) -> Self
    where
        E: Event,
        H: Fn(Arc<S>, Context, E::Body) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let bindings = amqp::name("event's key", E::KEY).map_err(BindingError::from).and_then(|key| {
            let bound = Binding::key(key.as_str()).bound(&Exchange::<E::Body>::topic(amqp::EVENTS_EXCHANGE))?;
            Ok(Arc::from([bound]))
        });
        self.subscribed::<E::Body, H, F>(E::KEY, bindings, handler)
    }

    /// Subscribes to an exchange: as [`on`](Self::on), with a queue `SERVICE.on.NAME` that has these bindings. What an
    /// earlier version of the service bound it to, it stays bound to. The handler is told the key and the headers by
    /// its [`Context`].
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use warren_rpc::{Context, Exchange, Service};
    /// const BOARDS: Exchange<String> = Exchange::topic("contest.boards");
    ///
    /// let service = Service::new("recorder", "1.0.0", Arc::new(())).on_exchange(
    ///     "boards",
    ///     &BOARDS,
    ///     ["spring.*", "summer.*"],
    ///     |_, context: Context, change: String| async move {
    ///         println!("{}: {change}", context.routing_key().unwrap_or_default());
    ///         Ok(())
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn on_exchange<B, T, H, F>(
        self,
        name: &str,
        exchange: &Exchange<B>,
        bindings: impl IntoIterator<Item = T>,
        handler: H,
    ) -> Self
    where
        B: Body,
        T: Into<Binding>,
        H: Fn(Arc<S>, Context, B) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let bindings = bindings.into_iter().map(|binding| binding.into().bound(exchange)).collect();
        self.subscribed::<B, H, F>(name, bindings, handler)
    }

    fn subscribed<B, H, F>(mut self, name: &str, bindings: Result<Arc<[Bound]>, BindingError>, handler: H) -> Self
    where
        B: Body,
        H: Fn(Arc<S>, Context, B) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        self.endpoints.push(Endpoint {
            queue: SharedQueue {
                name: format!("{}.on.{name}", self.name),
                is_quorum: false,
                priority_max: 0,
                length_max: QUEUE_LENGTH_MAX,
            },
            source: Source::Exchange(bindings),
            prefetch: None,
            body_bytes_max: BODY_BYTES_MAX,
            handling_max: None,
            effect: Effect::Repeatable,
            is_progressive: false,
            handler: handler::erase::<S, B, (), H, F>(Arc::clone(&self.state), handler),
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

    /// The names of the methods.
    fn methods(&self) -> impl Iterator<Item = &str> {
        let methods = self.endpoints.iter().filter(|endpoint| matches!(endpoint.source, Source::Method));
        methods.map(|endpoint| endpoint.queue.name.as_str())
    }

    /// How events, and requests that ask for no reply, are tried again.
    #[must_use]
    pub fn one_way_retries(mut self, retries: OneWayRetries) -> Self {
        self.retries = retries;
        self
    }

    /// Starts an instance on the client's connection: declares the queues and consumes them. Each further call starts
    /// another instance. Whatever the instance loses later, it makes again, as
    /// [`ClientOptions::reconnect`](crate::ClientOptions::reconnect) says; and while there is no broker this waits for
    /// one, as long as that does: put a timeout around it to wait for less.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: a name or a binding is wrong, a method is there twice or may take too long, the broker refuses a
    /// queue or a consumer, or there is no connection any more.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, what was started stops, and requests taken by then go back to the queues.
    pub async fn serve(&self, client: &Client, options: ServeOptions) -> Result<Running, ServeError> {
        Running::start(self, client, options).await
    }
}
