//! Layers around a client's calls: for what is not the library's own to promise.
//!
//! From the outside in: the place in flight, the deadline and the cancellation of a handler's own calls; the layers;
//! and the attempts, each with its request. So no layer makes a call outlive its deadline, or runs it twice.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use lapin::types::ShortString;
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use super::{CallOptions, Client, RawMethod, call::Call, in_flight::Place};
use crate::{
    codec::Codec, deadline, error::CallError, metadata::Metadata, method::Effect, progress::Inbox, trace::TraceContext,
    wire::CallId,
};

/// The layers of a client, the last one outermost.
pub(super) type Layers = BoxCloneSyncService<EncodedCall, EncodedReply, CallError>;

/// A call on its way through the layers of a client ([`Client::layered`]).
///
/// A layer passes it on once, or not at all: it cannot be copied, for whether a call may run twice is its method's to
/// say, and retries are the client's. Dropped, the call is not made.
pub struct EncodedCall {
    client: Client,
    method: Arc<str>,
    body_bytes_max: usize,
    effect: Effect,
    is_durable: bool,
    queue: ShortString,
    codec: Codec,
    body: Bytes,
    call_id: ShortString,
    ends_at: Instant,
    options: CallOptions,
    trace: Option<TraceContext>,
    inbox: Option<Arc<Inbox>>,
    /// As long as the call is on its way, even if nobody waits for it.
    _place: Arc<Place>,
}

impl EncodedCall {
    /// The method's name.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// How the request is written, and the reply will be.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The idempotency key: the caller's, or a new one.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.call_id.as_str()
    }

    /// What remains until the deadline.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        deadline::remaining(self.ends_at)
    }

    /// The priority, if the caller chose one.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        self.options.priority
    }

    /// The encoded request.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The encoded request, to put another in its place. The method's limit counts for what is sent.
    pub fn body_mut(&mut self) -> &mut Bytes {
        &mut self.body
    }

    /// What travels beside the request.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.options.metadata
    }

    /// What travels beside the request, to add to it.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.options.metadata
    }

    /// Sends this trace context, in place of that of the handler that makes the call, or of none.
    pub fn set_trace(&mut self, trace: TraceContext) {
        self.trace = Some(trace);
    }

    async fn make(self) -> Result<EncodedReply, CallError> {
        let Self { client, method, body_bytes_max, effect, is_durable, queue, codec, body, .. } = self;
        let method = RawMethod { name: &method, body_bytes_max, effect, is_durable };
        method.check(&body, &self.options.metadata)?;
        let call = Call {
            client: &client,
            method,
            queue,
            codec,
            body,
            call_id: CallId::Given(self.call_id),
            ends_at: self.ends_at,
            options: &self.options,
            trace: self.trace,
            inbox: self.inbox.as_ref(),
        };
        let (codec, body) = call.outcome().await?;
        Ok(EncodedReply { codec, body })
    }
}

impl fmt::Debug for EncodedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedCall")
            .field("method", &self.method)
            .field("call_id", &self.call_id())
            .finish_non_exhaustive()
    }
}

/// A reply on its way back through the layers of a client.
#[derive(Clone)]
pub struct EncodedReply {
    /// How it is written.
    pub codec: Codec,
    /// The encoded reply.
    pub body: Bytes,
}

impl fmt::Debug for EncodedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedReply").field("codec", &self.codec).finish_non_exhaustive()
    }
}

/// What a layer of a client wraps: the layers that were added before it, and the call itself. Always ready, and cheap
/// to clone.
#[derive(Clone, Debug)]
pub struct CallService(Option<Arc<Layers>>);

impl Service<EncodedCall> for CallService {
    type Response = EncodedReply;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<EncodedReply, CallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: EncodedCall) -> Self::Future {
        match &self.0 {
            None => Box::pin(call.make()),
            Some(layers) => Box::pin(layers.as_ref().clone().oneshot(call)),
        }
    }
}

impl Client {
    /// The same client, on the same connection, whose calls pass a [`tower`] layer: to trace, to count, to add a token.
    /// The layer that is added last is the outermost.
    ///
    /// A layer is passed once a call, whatever number of attempts it takes: deadline, cancellation, retries and limits
    /// are not a layer's to keep, and stay as they are, however long it takes. It may answer in place of the service,
    /// or with a [`Status`](crate::Status); the body's limit counts for what it lets through. If it spawns the call,
    /// that goes on when the caller's future is dropped, until its deadline.
    ///
    /// Calls with progress pass layers too; progress itself, what is published, and [`notify`](Self::notify) do not.
    /// The calls of a handler pass the layers of the client that its service was served on.
    ///
    /// ```
    /// use tower::util::MapRequestLayer;
    /// use warren_rpc::{Client, EncodedCall};
    ///
    /// fn with_token(client: &Client, token: String) -> Client {
    ///     client.layered(MapRequestLayer::new(move |mut call: EncodedCall| {
    ///         call.metadata_mut().insert("token", token.as_str());
    ///         call
    ///     }))
    /// }
    /// ```
    #[must_use]
    pub fn layered<L>(&self, layer: L) -> Self
    where
        L: Layer<CallService>,
        L::Service: Service<EncodedCall, Response = EncodedReply, Error = CallError> + Clone + Send + Sync + 'static,
        <L::Service as Service<EncodedCall>>::Future: Send + 'static,
    {
        let layers = BoxCloneSyncService::new(layer.layer(CallService(self.layers.clone())));
        Self { layers: Some(Arc::new(layers)), ..self.clone() }
    }
}

impl Call<'_> {
    /// The call's end, through layers.
    pub(super) async fn pass(&self, layers: &Layers, place: Place) -> Result<(Codec, Bytes), CallError> {
        let RawMethod { name, body_bytes_max, effect, is_durable } = self.method;
        let place = Arc::new(place);
        let call = EncodedCall {
            client: self.client.clone(),
            method: name.into(),
            body_bytes_max,
            effect,
            is_durable,
            queue: self.queue.clone(),
            codec: self.codec,
            body: self.body.clone(),
            call_id: self.call_id.clone().write(),
            ends_at: self.ends_at,
            options: self.options.clone(),
            trace: None,
            inbox: self.inbox.cloned(),
            _place: Arc::clone(&place),
        };
        let passing = timeout_at(self.ends_at, layers.clone().oneshot(call));
        let outcome = match &self.client.scope {
            None => passing.await,
            Some(scope) => tokio::select! {
                biased;
                outcome = passing => outcome,
                () = scope.cancellation.cancelled() => return Err(self.cancelled().into()),
            },
        };
        let EncodedReply { codec, body } = outcome.map_err(|_| self.too_late())??;
        Ok((codec, body))
    }
}
