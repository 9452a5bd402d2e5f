//! The calling side: one connection, one callback queue, one map of pending calls.

mod exchange;
mod link;
mod options;

use std::sync::Arc;

use bytes::Bytes;
use lapin::{Connection, types::ShortString};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::link::{Link, LinkTask};
pub use self::options::{CallOptions, ClientOptions};
use crate::{
    amqp,
    codec::Codec,
    error::{CallError, ConnectError, PublishError, RejectReason},
    method::{BODY_BYTES_MAX, Event, Method},
    pending::PendingCalls,
    publisher::Publisher,
    status::Status,
    wire::{self, Answer},
};

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
    connection: Arc<Connection>,
    publisher: Publisher,
    pending: Arc<PendingCalls<Answer>>,
    callback_queue: ShortString,
    options: ClientOptions,
    /// The options' name, as AMQP carries it.
    app_id: ShortString,
    /// Fires when the connection is lost.
    lost: CancellationToken,
    /// Closes the connection with the last clone.
    _dropped: DropGuard,
}

impl Client {
    /// Connects to a broker: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://` for TLS.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: the address is not an AMQP address, nothing answers there, or what answers refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the connection is closed in the background.
    pub async fn connect(url: &str, options: ClientOptions) -> Result<Self, ConnectError> {
        let address = amqp::Address::parse(url)?;
        let app_id = amqp::name("client's name", &options.name)?;
        let host = address.host_and_port();
        let opening = Link::open(address, &options);
        let link = match tokio::time::timeout(options.connect_timeout, opening).await {
            Ok(Ok(link)) => link,
            Ok(Err(source)) => return Err(ConnectError::Unreachable { address: host, source }),
            Err(_) => return Err(ConnectError::TimedOut { address: host }),
        };
        let pending = PendingCalls::new(options.in_flight_max);
        let lost = CancellationToken::new();
        let Link { connection, callback_queue, replies, publishing } = link;
        let publisher = Publisher::start(publishing, {
            let pending = Arc::clone(&pending);
            move |returned| link::on_return(&pending, returned)
        });
        let task = LinkTask {
            connection: Arc::clone(&connection),
            pending: Arc::clone(&pending),
            publisher_failed: publisher.failed(),
            lost: lost.clone(),
            dropped: CancellationToken::new(),
        };
        let _dropped = task.dropped.clone().drop_guard();
        tokio::spawn(task.run(replies));
        let inner = Inner { connection, publisher, pending, callback_queue, options, app_id, lost, _dropped };
        Ok(Self { inner: Arc::new(inner) })
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

    /// Publishes an event, and waits until the broker has it on disk for every queue that wants it; whether any does is
    /// not asked. Waits for [`ClientOptions::publish_timeout`] at most.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: too large, refused, the connection was lost, or the broker did not confirm in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the event was published; what was not written by then never will be.
    pub async fn publish<E: Event>(&self, event: &E::Body) -> Result<(), PublishError> {
        let codec = self.inner.options.codec;
        let body = codec.encode(event).map_err(RejectReason::from)?;
        if body.len() > BODY_BYTES_MAX {
            let (body_bytes, method) = (body.len(), E::KEY.to_owned());
            return Err(RejectReason::BodyTooLarge { method, body_bytes, body_bytes_max: BODY_BYTES_MAX }.into());
        }
        let key = amqp::name("event's key", E::KEY).map_err(RejectReason::from)?;
        let properties = wire::event_properties(codec, &self.inner.app_id);
        let timeout = self.inner.options.publish_timeout;
        let confirmed = self.inner.publisher.publish(amqp::EVENTS_EXCHANGE.into(), key, properties, body);
        tokio::time::timeout(timeout, confirmed).await.unwrap_or(Err(PublishError::TimedOut { timeout }))
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.pending.in_flight()
    }

    /// Waits until the connection is lost or closed. A client does not connect again: make a new one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn lost(&self) {
        self.inner.lost.cancelled().await;
    }

    /// Closes the connection in order. Calls of other clones that have not ended end
    /// [`CallError::ConnectionLost`], and instances that it serves end. Waits for the broker's answer, 5 s at most.
    pub async fn close(self) {
        amqp::close(&self.inner.connection).await;
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// Fires when the connection is lost.
    pub(crate) fn lost_token(&self) -> CancellationToken {
        self.inner.lost.clone()
    }

    pub(crate) fn app_id(&self) -> &ShortString {
        &self.inner.app_id
    }
}
