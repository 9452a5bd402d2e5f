//! Requests that ask for no reply.

use std::time::Duration;

use bytes::Bytes;

use super::{Client, RawMethod, RetryPolicy, one_way::OneWay};
use crate::{
    amqp,
    codec::Codec,
    error::{PublishError, RejectReason},
    metadata::Metadata,
    method::Method,
    publisher::lanes::Destination,
};

/// How one method is notified.
#[derive(Clone, Debug, Default)]
pub struct NotifyOptions {
    /// The idempotency key, 1 to 255 bytes. The same over every attempt at the same work; absent: a new UUIDv7.
    pub call_id: Option<String>,
    /// The request is dropped if no instance took it within this, counted from when the broker got it. Default: none,
    /// it waits as long as it takes.
    pub expires_after: Option<Duration>,
    /// As [`CallOptions::priority`](crate::CallOptions::priority). Default: none, which counts as 0.
    pub priority: Option<u8>,
    /// Longest all of it may take. Absent: [`ClientOptions::publish_timeout`](crate::ClientOptions::publish_timeout).
    pub timeout: Option<Duration>,
    /// Whether the request is published again when the queue refused it, because it is full. Default: as for a call.
    pub retry: RetryPolicy,
    /// As [`CallOptions::metadata`](crate::CallOptions::metadata). Default: none.
    pub metadata: Metadata,
}

impl Client {
    /// Hands a request to a method's queue and does not wait for a reply, with the default [`NotifyOptions`].
    ///
    /// When this returns, the broker has the request, on disk, and does not lose it; it does not expire unless that is
    /// asked for. Its handler may return a status that allows another try, and gets one, as
    /// [`OneWayRetries`](crate::OneWayRetries) says; after any other it is kept in `METHOD.dead`.
    ///
    /// If the connection is lost the request is published again, with the same id, if the method may run again
    /// ([`Method::EFFECT`]). In a handler, this ends with the handler's deadline at the latest.
    ///
    /// ```
    /// # use warren_rpc::{Client, Method, PublishError};
    /// struct Send;
    ///
    /// impl Method for Send {
    ///     const NAME: &'static str = "mail.send";
    ///     type Request = String;
    ///     type Reply = ();
    /// }
    ///
    /// # async fn run(client: Client) -> Result<(), PublishError> {
    /// match client.notify::<Send>(&"hello".to_owned()).await {
    ///     Err(PublishError::Unroutable { .. }) => println!("nobody ever served mail.send here"),
    ///     other => other?,
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError`]; each variant says what may have happened.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the request was accepted; what was not written by then never will be.
    pub async fn notify<M: Method>(&self, request: &M::Request) -> Result<(), PublishError> {
        self.notify_with::<M>(request, NotifyOptions::default()).await
    }

    /// As [`notify`](Self::notify), in one's own way.
    ///
    /// # Errors
    ///
    /// As [`notify`](Self::notify).
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Self::notify).
    pub async fn notify_with<M: Method>(
        &self,
        request: &M::Request,
        options: NotifyOptions,
    ) -> Result<(), PublishError> {
        let codec = self.inner.options.codec;
        let body = codec.encode(request).map_err(RejectReason::from)?;
        self.notify_raw(RawMethod::of::<M>(), codec, body, options).await
    }

    /// As [`notify`](Self::notify), for a method that is known only at run time, with a body that is encoded already.
    ///
    /// # Errors
    ///
    /// As [`notify`](Self::notify).
    ///
    /// # Cancel safety
    ///
    /// As [`notify`](Self::notify).
    pub async fn notify_raw(
        &self,
        method: RawMethod<'_>,
        codec: Codec,
        body: Bytes,
        options: NotifyOptions,
    ) -> Result<(), PublishError> {
        method.check(&body, &options.metadata)?;
        let queue = amqp::name("method's name", method.name).map_err(RejectReason::from)?;
        let mut head = self.one_way_head(codec, options.call_id.as_deref())?;
        head.priority = options.priority;
        head.expires_after = options.expires_after;
        options.metadata.write(&mut head.headers);
        self.inner.retries.call();
        let message = OneWay {
            client: self,
            destination: Destination::queue(queue),
            properties: head.into_properties(),
            body,
            timeout: options.timeout.unwrap_or(self.inner.options.publish_timeout),
            may_repeat: method.effect.may_repeat(),
            retry: options.retry,
        };
        message.publish().await
    }
}
