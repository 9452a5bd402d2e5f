//! The calling and publishing side.

mod ask;
mod call;
mod control;
mod in_flight;
mod layers;
mod notify;
mod one_way;
mod options;
mod progressive;
mod publish;
mod retry;
mod scope;
mod stats;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use lapin::types::ShortString;
use tokio::time::Instant;

pub(crate) use self::scope::Scope;
use self::{in_flight::InFlight, layers::Layers, retry::RetryBudget};
pub use self::{
    layers::{CallService, EncodedCall, EncodedReply},
    notify::NotifyOptions,
    options::{CallOptions, ClientOptions, ReconnectOptions, TlsIdentity, TlsOptions},
    progressive::{ProgressiveCall, RawProgressiveCall},
    publish::PublishOptions,
    retry::RetryPolicy,
    stats::ClientStats,
};
use crate::{
    amqp,
    codec::Codec,
    error::{CallError, ConnectError, RejectReason},
    link::Links,
    metadata::Metadata,
    method::{BODY_BYTES_MAX, Effect, Method},
    status::Status,
};

/// Calls methods, publishes, and subscribes. Cheap to clone: clones share one connection, which is made again when it
/// is lost; and one more, for what is consumed of exchanges, once anything is. On that one nothing is published: so
/// acks of events reach a broker that blocks publishers.
///
/// # Drop
///
/// When the last clone is dropped the connection is closed in the background; [`close`](Self::close) waits for it.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// What calls inherit, in a handler.
    scope: Option<Arc<Scope>>,
    /// What calls pass.
    layers: Option<Arc<Layers>>,
}

#[derive(Debug)]
struct Inner {
    links: Links,
    /// The connection on which subscriptions are consumed and acked, and nothing is published: a broker that blocks
    /// publishers does not read what others write on their connections, acks too.
    subscriptions: OnceLock<Links>,
    in_flight: Arc<InFlight>,
    retries: RetryBudget,
    options: ClientOptions,
    /// The options' name, as AMQP carries it.
    app_id: ShortString,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.inner.options.name).finish_non_exhaustive()
    }
}

/// A method that is known only at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMethod<'a> {
    /// As [`Method::NAME`].
    pub name: &'a str,
    /// As [`Method::BODY_BYTES_MAX`]; of the request only.
    pub body_bytes_max: usize,
    /// As [`Method::EFFECT`].
    pub effect: Effect,
    /// As [`Method::DURABLE`].
    pub is_durable: bool,
}

impl<'a> RawMethod<'a> {
    /// A method of which only the name is known: everything else is as it is by default.
    #[must_use]
    pub fn named(name: &'a str) -> RawMethod<'a> {
        RawMethod { name, body_bytes_max: BODY_BYTES_MAX, effect: Effect::AtMostOnce, is_durable: false }
    }

    /// What a method's type says.
    #[must_use]
    pub const fn of<M: Method>() -> RawMethod<'static> {
        RawMethod { name: M::NAME, body_bytes_max: M::BODY_BYTES_MAX, effect: M::EFFECT, is_durable: M::DURABLE }
    }

    /// Whether a request can be sent so.
    fn check(&self, body: &Bytes, metadata: &Metadata) -> Result<(), RejectReason> {
        metadata.check()?;
        check_size(self.name, body, self.body_bytes_max)
    }
}

impl Client {
    /// Connects to a broker: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://` for TLS. Several addresses, with
    /// commas between, are the nodes of one cluster: they are tried in turn, now and whenever the connection is lost.
    /// If none answers now, that is an error at once; later losses are waited out ([`ClientOptions::reconnect`]).
    ///
    /// The client and what is served on it belong to the tokio runtime in which it was connected: connect in each test,
    /// not once for all of them.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: what is no AMQP address; or, for each, that nothing answers there or that what does, refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the connection is closed in the background.
    pub async fn connect(urls: &str, options: ClientOptions) -> Result<Self, ConnectError> {
        let app_id = amqp::name("client's name", &options.name)?;
        let links = Links::start(urls, &options).await?;
        let in_flight = InFlight::new(options.in_flight_max);
        let inner =
            Inner { links, subscriptions: OnceLock::new(), in_flight, retries: RetryBudget::new(), options, app_id };
        Ok(Self { inner: Arc::new(inner), scope: None, layers: None })
    }

    /// Calls a method, with the default [`CallOptions`].
    ///
    /// # Errors
    ///
    /// [`CallError`]; each variant says what may have happened on the other side.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the call: its place is freed, a late reply is thrown away, and the instances are
    /// told: the handler is cancelled ([`Context::cancellation`](crate::Context::cancellation)), and a request that
    /// none has taken is not begun. What the handler has done by then is done.
    pub async fn call<M: Method>(&self, request: &M::Request) -> Result<M::Reply, CallError> {
        self.call_with::<M>(request, CallOptions::default()).await
    }

    /// Calls a method.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn call_with<M: Method>(
        &self,
        request: &M::Request,
        options: CallOptions,
    ) -> Result<M::Reply, CallError> {
        let codec = self.inner.options.codec;
        let body = codec.encode(request).map_err(RejectReason::from)?;
        let (codec, reply) = self.make_call(RawMethod::of::<M>(), codec, body, &options, None).await?;
        decode_reply::<M>(codec, &reply)
    }

    /// Calls a method by name with a body that is encoded already: for programs that know methods only at run time.
    /// The answer is the reply's body, in the same codec.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn call_raw(
        &self,
        method: RawMethod<'_>,
        codec: Codec,
        body: Bytes,
        options: CallOptions,
    ) -> Result<Bytes, CallError> {
        let (answered_in, reply) = self.make_call(method, codec, body, &options, None).await?;
        check_codec(method.name, codec, answered_in)?;
        Ok(reply)
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.in_flight.count()
    }

    /// Whether there is a connection now. While there is none, calls wait for it, within their deadlines.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let subscribed = self.inner.subscriptions.get();
        self.inner.links.now().is_some() && subscribed.is_none_or(|links| links.now().is_some())
    }

    /// The queue that replies come by now: another one for each connection.
    #[must_use]
    pub fn callback_queue(&self) -> Option<String> {
        self.inner.links.now().map(|link| link.origin.callback_queue.to_string())
    }

    /// Why the broker blocks publishers, if it does: for want of memory or disk. Calls end `unavailable` then.
    #[must_use]
    pub fn blocked(&self) -> Option<String> {
        self.inner.links.now().and_then(|link| link.blocked())
    }

    /// How many replies of this client's instances came back, since it was made, for their callers were gone. Their
    /// requests are settled all the same. Each is published again for some seconds: it may be the node that was gone,
    /// and does not know its caller's queue yet.
    #[must_use]
    pub fn lost_replies(&self) -> u64 {
        self.inner.links.lost_replies()
    }

    /// Waits until the client is closed, or gives the broker up ([`ReconnectOptions::attempts_max`]).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn ended(&self) {
        self.inner.links.ended().await;
    }

    /// Closes the connection in order. Calls of other clones that have not ended end [`CallError::ConnectionLost`],
    /// those that begin later [`RejectReason::Closed`], and instances that it serves end. The handlers of the
    /// calls that it ends are not told, and go on. Waits 1 s at most for what is to be written before, and 5 s for the
    /// broker's answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the connection is closed in the background.
    pub async fn close(self) {
        self.inner.links.close().await;
        if let Some(subscribed) = self.inner.subscriptions.get() {
            subscribed.ended().await;
        }
    }

    pub(crate) fn links(&self) -> &Links {
        &self.inner.links
    }

    /// The connection of subscriptions; opened by the first.
    pub(crate) fn subscriptions(&self) -> &Links {
        self.inner.subscriptions.get_or_init(|| self.inner.links.beside("subscriptions"))
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// The deadline of the handler that it is for.
    fn handlers_deadline(&self) -> Option<Instant> {
        self.scope.as_ref()?.deadline
    }

    /// The same client, outside of every handler.
    pub(crate) fn unscoped(&self) -> Self {
        Self { scope: None, ..self.clone() }
    }

    /// The same client, for a handler: its calls inherit what the scope says.
    pub(crate) fn scoped(&self, scope: Scope) -> Self {
        let (inner, layers) = (Arc::clone(&self.inner), self.layers.clone());
        Self { inner, scope: Some(Arc::new(scope)), layers }
    }
}

/// Whether a body can be sent to a method, or an exchange.
fn check_size(to: &str, body: &Bytes, body_bytes_max: usize) -> Result<(), RejectReason> {
    let body_bytes = body.len();
    if body_bytes <= body_bytes_max {
        return Ok(());
    }
    Err(RejectReason::BodyTooLarge { method: to.to_owned(), body_bytes, body_bytes_max })
}

fn decode_reply<M: Method>(codec: Codec, reply: &[u8]) -> Result<M::Reply, CallError> {
    codec
        .decode(reply)
        .map_err(|error| Status::internal(format!("the reply of {} is not what it should be: {error}", M::NAME)))
        .map_err(CallError::from)
}

/// For callers that do not decode.
fn check_codec(method: &str, asked: Codec, answered: Codec) -> Result<(), CallError> {
    if answered == asked {
        return Ok(());
    }
    let (answered, asked) = (answered.content_type(), asked.content_type());
    Err(Status::internal(format!("the reply of {method} is {answered}, not {asked}")).into())
}
