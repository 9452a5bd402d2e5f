//! Layers around the handlers of a service.
//!
//! From the outside in: settlement, the body's limit, deadline, cancellation and what is done when a handler panics;
//! the layers; the store of replies, if the method is `Once`; and the handler. So a layer that hangs or panics is taken
//! for a handler that does, and a caller whom a layer refuses has no call that is remembered.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{self, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use super::{
    handler::{Endpoint, Failure, Handler, Source},
    progress::Way,
};
use crate::{codec::Codec, context::Context, metadata::Metadata, status::Status};

/// A request on its way through the layers of a service ([`Service::layer`](crate::Service::layer)). A layer passes it
/// on once, or not at all.
pub struct IncomingCall {
    method: Arc<str>,
    context: Context,
    codec: Codec,
    body: Bytes,
    /// The way of its progress.
    way: Option<Box<Way>>,
    /// Whether it ends every process that begins it: not a layer's to hide.
    is_poison: Arc<AtomicBool>,
}

impl IncomingCall {
    /// The method's name.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What its handler will be told.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What came beside the request.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.context.metadata
    }

    /// What its handler will read as [`Context::metadata`]. What a layer tells it there, the caller may have said, too:
    /// so it is put in its place, or taken away.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.context.metadata
    }

    /// How the request is written, and the reply has to be.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The encoded request. Nobody has looked at it.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The encoded request, to put another in its place.
    pub fn body_mut(&mut self) -> &mut Bytes {
        &mut self.body
    }
}

impl fmt::Debug for IncomingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingCall")
            .field("method", &self.method)
            .field("call_id", &self.context.call_id())
            .finish_non_exhaustive()
    }
}

/// What a layer of a service wraps: the layers that were added before it, and a method's handler. Always ready, and
/// cheap to clone.
#[derive(Clone)]
pub struct HandlerService(Handler);

impl Service<IncomingCall> for HandlerService {
    type Response = Bytes;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Bytes, Status>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: IncomingCall) -> Self::Future {
        let IncomingCall { method, context, codec, body, way, is_poison } = call;
        let handling = (self.0)(context, codec, body, way);
        Box::pin(async move {
            handling.await.map_err(|failure| match failure {
                Failure::Status(status) => status,
                Failure::Poison => {
                    is_poison.store(true, Ordering::Relaxed);
                    Status::internal(format!("the handler of {method} failed"))
                }
            })
        })
    }
}

impl fmt::Debug for HandlerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> super::Service<S> {
    /// Puts a [`tower`] layer around the handlers of all methods, of those that are added later too: to trace, to
    /// count, to ask who calls. The layer that is added last is the outermost. Handlers of what is published to
    /// exchanges pass none.
    ///
    /// A layer is a part of the handler for all that the library promises: it is dropped at the deadline, what it
    /// returns is settled as a handler's, and if it panics the request is answered `internal` and not tried again.
    /// Around a `Once` method's handler it is outside of the store of replies: a repeat passes it, too, though not the
    /// handler, and what it refuses is not remembered. What is no request that a handler could get (another content
    /// type, a body over the limit) does not pass it.
    ///
    /// ```
    /// use tower::{ServiceExt, layer::layer_fn, service_fn};
    /// use warren_rpc::{HandlerService, IncomingCall, Service, Status};
    ///
    /// fn guarded(service: Service<()>, token: &'static str) -> Service<()> {
    ///     service.layer(layer_fn(move |handler: HandlerService| {
    ///         service_fn(move |call: IncomingCall| {
    ///             let (handler, is_known) = (handler.clone(), call.metadata().get("token") == Some(token));
    ///             async move {
    ///                 if !is_known {
    ///                     return Err(Status::permission_denied("who are you?"));
    ///                 }
    ///                 handler.oneshot(call).await
    ///             }
    ///         })
    ///     }))
    /// }
    /// ```
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService> + Send + Sync + 'static,
        L::Service: Service<IncomingCall, Response = Bytes, Error = Status> + Clone + Send + Sync + 'static,
        <L::Service as Service<IncomingCall>>::Future: Send + 'static,
    {
        let layer = wrap(layer);
        self.endpoints.iter_mut().for_each(|endpoint| layer(endpoint));
        self.layers.push(layer);
        self
    }
}

/// Puts a layer around an endpoint's handler. What is published to exchanges passes none.
pub(super) type Wrap = Arc<dyn Fn(&mut Endpoint) + Send + Sync>;

fn wrap<L>(layer: L) -> Wrap
where
    L: Layer<HandlerService> + Send + Sync + 'static,
    L::Service: Service<IncomingCall, Response = Bytes, Error = Status> + Clone + Send + Sync + 'static,
    <L::Service as Service<IncomingCall>>::Future: Send + 'static,
{
    Arc::new(move |endpoint: &mut Endpoint| {
        if matches!(endpoint.source, Source::Method) {
            let layered = BoxCloneSyncService::new(layer.layer(HandlerService(Arc::clone(&endpoint.handler))));
            endpoint.handler = handler(endpoint.queue.name.as_str().into(), layered);
        }
    })
}

fn handler(method: Arc<str>, layered: BoxCloneSyncService<IncomingCall, Bytes, Status>) -> Handler {
    let layered = Arc::new(layered);
    Arc::new(move |context, codec, body, way| {
        let (layered, is_poison) = (Arc::clone(&layered), Arc::new(AtomicBool::new(false)));
        let method = Arc::clone(&method);
        let call = IncomingCall { method, context, codec, body, way, is_poison: Arc::clone(&is_poison) };
        // Whatever panics, panics while it is polled.
        Box::pin(async move {
            let outcome = layered.as_ref().clone().oneshot(call).await;
            if is_poison.load(Ordering::Relaxed) { Err(Failure::Poison) } else { outcome.map_err(Failure::from) }
        })
    })
}
