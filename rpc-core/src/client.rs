//! The calling side: one connection, one callback queue, one map of pending calls.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use lapin::{Channel, Connection, Consumer, types::ShortString};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    amqp,
    codec::Codec,
    error::{BrokerError, CallError, ConnectError, PublishError, RejectReason},
    method::{BODY_BYTES_MAX, Event, Method},
    pending::PendingCalls,
    publisher::{Outgoing, Publisher, Receipt, Returned},
    status::Status,
    wire::{self, Answer, RequestHead},
};

/// How a client connects, and what it holds at most.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Shown by the broker beside the connection, and sent as `app_id`. Default: `warren`.
    pub name: String,
    /// How requests and events are written. Replies come in the same form. Default: msgpack.
    pub codec: Codec,
    /// Most calls unanswered at a time; one more ends [`CallError::Rejected`] at once. Default: 16,384.
    pub in_flight_max: usize,
    /// Longest the broker may take to accept the connection. Default: 10 s.
    pub connect_timeout: Duration,
    /// A connection that is silent is noticed within 2.5 of these. Default: 10 s.
    pub heartbeat: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            name: "warren".to_owned(),
            codec: Codec::Msgpack,
            in_flight_max: 16_384,
            connect_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// How one call is made.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The call ends within this, with `deadline_exceeded` at the latest; the instance is told too. Default: 10 s.
    pub deadline: Duration,
    /// The idempotency key. The same over every attempt at the same work; absent: a new UUIDv7.
    pub call_id: Option<String>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), call_id: None }
    }
}

/// Calls methods and publishes events. Cheap to clone: clones share one connection.
///
/// # Drop
///
/// When the last clone is dropped the connection is closed in the background; [`close`](Self::close) waits for it.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    publisher: Publisher,
    pending: Arc<PendingCalls<Answer>>,
    callback_queue: ShortString,
    options: ClientOptions,
    /// Fires when the connection is lost.
    lost: CancellationToken,
    /// Ends the reader of replies with the last clone.
    _reader: DropGuard,
}

impl Client {
    /// Connects to a broker: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://` for TLS.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: the address is none, nothing answers there, or it refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the connection is closed in the background.
    pub async fn connect(url: &str, options: ClientOptions) -> Result<Self, ConnectError> {
        let connect = amqp::ConnectOptions {
            name: &options.name,
            connect_timeout: options.connect_timeout,
            heartbeat: options.heartbeat,
        };
        let connection = amqp::connect(url, &connect).await?;
        // A name of our own: `amq.gen-*` names cannot be declared again, and a queue's name tells an operator whose it is.
        let callback_queue = ShortString::from(format!("warren.reply.{}", Uuid::new_v4()));
        let (replies, publishing) = open_channels(&connection, &callback_queue).await.map_err(|source| {
            ConnectError::Unreachable { address: "the broker (opening channels)".to_owned(), source }
        })?;
        let pending = PendingCalls::new(options.in_flight_max);
        let publisher = Publisher::start(publishing, {
            let pending = Arc::clone(&pending);
            move |returned| on_return(&pending, returned)
        });
        let (lost, reader) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(read_replies(replies, Arc::clone(&pending), lost.clone(), reader.clone()));
        let _reader = reader.drop_guard();
        Ok(Self { inner: Arc::new(Inner { connection, publisher, pending, callback_queue, options, lost, _reader }) })
    }

    /// Calls a method, with the default [`CallOptions`].
    ///
    /// # Errors
    ///
    /// [`CallError`]; each variant says what may have happened on the other side.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the call: its place is freed and a late reply is thrown away, but a request that
    /// was sent is not taken back.
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
        let (codec, reply) = self.exchange(M::NAME, codec, body, M::BODY_BYTES_MAX, options).await?;
        codec
            .decode(&reply)
            .map_err(|error| Status::internal(format!("the reply of {} is not what it should be: {error}", M::NAME)))
            .map_err(CallError::from)
    }

    /// Calls a method by name with a body that is encoded already: for programs that know methods only at run time.
    /// The answer is the reply's body, in the same codec.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call). A body over `body_bytes_max` is refused ([`RejectReason::BodyTooLarge`]).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn call_raw(
        &self,
        method: &str,
        codec: Codec,
        body: Bytes,
        body_bytes_max: usize,
        options: CallOptions,
    ) -> Result<Bytes, CallError> {
        let (answered_in, reply) = self.exchange(method, codec, body, body_bytes_max, options).await?;
        if answered_in != codec {
            let text = format!("the reply of {method} is {}, not {}", answered_in.content_type(), codec.content_type());
            return Err(Status::internal(text).into());
        }
        Ok(reply)
    }

    async fn exchange(
        &self,
        method: &str,
        codec: Codec,
        body: Bytes,
        body_bytes_max: usize,
        options: CallOptions,
    ) -> Result<(Codec, Bytes), CallError> {
        if body.len() > body_bytes_max {
            let method = method.to_owned();
            return Err(RejectReason::BodyTooLarge { method, body_bytes: body.len(), body_bytes_max }.into());
        }
        let call_id = options.call_id.unwrap_or_else(|| Uuid::now_v7().to_string());
        let span = tracing::debug_span!("rpc.call", method, call_id = call_id.as_str());
        let attempt = self.attempt(method, codec, body, &call_id, options.deadline);
        attempt.instrument(span).await?.into_result().map_err(CallError::from)
    }

    /// One request and its answer, within the deadline.
    async fn attempt(
        &self,
        method: &str,
        codec: Codec,
        body: Bytes,
        call_id: &str,
        deadline: Duration,
    ) -> Result<Answer, CallError> {
        let inner = &*self.inner;
        let ends_at = Instant::now() + deadline.min(DEADLINE_MAX);
        let mut call = inner.pending.begin()?;
        let properties = RequestHead {
            correlation_id: call.id(),
            call_id,
            reply_to: &inner.callback_queue,
            app_id: &inner.options.name,
            codec,
            remaining: deadline.min(DEADLINE_MAX),
        }
        .to_properties();
        let request = Outgoing {
            exchange: ShortString::default(),
            routing_key: method.into(),
            mandatory: true,
            properties,
            body,
            receipt: Receipt::Call(call.id(), Arc::clone(&inner.pending)),
        };
        let answered = async {
            inner.publisher.send(request).await;
            call.outcome().await
        };
        tokio::time::timeout_at(ends_at, answered).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!("no reply of {method} within {deadline:?}")).into())
        })
    }

    /// Publishes an event, and waits until the broker has it on disk for every queue that wants it. Nobody has to.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: too large, or the connection was lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the event was published.
    pub async fn publish<E: Event>(&self, event: &E::Body) -> Result<(), PublishError> {
        let codec = self.inner.options.codec;
        let body = codec.encode(event).map_err(RejectReason::from)?;
        if body.len() > BODY_BYTES_MAX {
            let (body_bytes, method) = (body.len(), E::KEY.to_owned());
            return Err(RejectReason::BodyTooLarge { method, body_bytes, body_bytes_max: BODY_BYTES_MAX }.into());
        }
        let properties = wire::event_properties(codec, &self.inner.options.name);
        self.inner.publisher.publish(amqp::EVENTS_EXCHANGE, E::KEY.into(), properties, body).await
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.pending.in_flight()
    }

    /// Waits until the connection is lost. A client does not connect again: make a new one.
    pub async fn lost(&self) {
        self.inner.lost.cancelled().await;
    }

    /// Closes the connection in order. Calls of other clones that have not ended end
    /// [`CallError::ConnectionLost`].
    pub async fn close(self) {
        amqp::close(&self.inner.connection).await;
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.inner.options
    }
}

/// Longer than any call, shorter than what overflows an instant.
const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One channel for replies, and one for requests: a channel error of one leaves the other.
async fn open_channels(
    connection: &Connection,
    callback_queue: &ShortString,
) -> Result<(Consumer, Channel), BrokerError> {
    let consuming = connection.create_channel().await?;
    amqp::declare_events_exchange(&consuming).await?;
    amqp::declare_callback_queue(&consuming, callback_queue).await?;
    let replies = amqp::consume_replies(&consuming, callback_queue).await?;
    Ok((replies, amqp::confirming_channel(connection).await?))
}

fn on_return(pending: &PendingCalls<Answer>, returned: Returned) {
    match returned.correlation_id {
        Some(id) => {
            pending.end(id, Err(CallError::Unroutable { method: returned.routing_key }));
        }
        None => tracing::warn!(routing_key = returned.routing_key, "a message came back that is no request"),
    }
}

async fn read_replies(
    mut replies: Consumer,
    pending: Arc<PendingCalls<Answer>>,
    lost: CancellationToken,
    dropped: CancellationToken,
) {
    let source = loop {
        let next = tokio::select! {
            () = dropped.cancelled() => return,
            next = replies.next() => next,
        };
        match next {
            Some(Ok(reply)) => match wire::correlation_id(&reply.properties) {
                Some(id) => {
                    if !pending.end(id, Ok(Answer::read(&reply.properties, reply.data))) {
                        tracing::debug!(%id, "a reply came after its call had ended");
                    }
                }
                None => tracing::warn!("a reply came without a correlation id of ours"),
            },
            Some(Err(error)) => break Some(BrokerError::from(error)),
            None => break None,
        }
    };
    pending.close(source.as_ref());
    lost.cancel();
}
