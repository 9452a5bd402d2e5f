//! A typed handler behind one face: bytes in, bytes out.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use super::progress::Way;
use crate::{
    amqp::{Bound, SharedQueue},
    codec::Codec,
    context::Context,
    error::BindingError,
    method::Effect,
    status::{BadFields, Status},
    wire::Head,
};

/// What an instance consumes, and how.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) queue: SharedQueue,
    pub(super) source: Source,
    /// In place of the instance's own.
    pub(super) prefetch: Option<u16>,
    pub(super) body_bytes_max: usize,
    /// Longest that a handler may take; none: as long as the broker lets it.
    pub(super) handling_max: Option<Duration>,
    pub(super) effect: Effect,
    /// Whether the handler can send progress.
    pub(super) is_progressive: bool,
    pub(super) handler: Handler,
}

impl Endpoint {
    /// Whether a request may be run that an instance may have run before. Without an id of its caller's nobody could
    /// know a call that is remembered.
    pub(super) fn may_repeat(&self, head: &Head) -> bool {
        match self.effect {
            Effect::AtMostOnce => false,
            Effect::Repeatable => true,
            Effect::Once => head.has_call_id,
        }
    }
}

/// Where an endpoint's messages come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Requests, by the default exchange.
    Method,
    /// What is published to an exchange, by these bindings.
    Exchange(Result<Arc<[Bound]>, BindingError>),
}

/// A handler that decodes its request and encodes its reply; with the way of its progress, if that is wanted.
pub(super) type Handler =
    Arc<dyn Fn(Context, Codec, Bytes, Option<Box<Way>>) -> BoxFuture<'static, Result<Bytes, Failure>> + Send + Sync>;

/// Why a handler has no reply.
#[derive(Debug)]
pub(super) enum Failure {
    Status(Status),
    /// The request has ended every process that began it, and is not begun again.
    Poison,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

pub(super) fn erase<S, Request, Reply, H, F>(state: Arc<S>, handler: H) -> Handler
where
    S: Send + Sync + 'static,
    Request: DeserializeOwned + Send,
    Reply: Serialize + Send,
    H: Fn(Arc<S>, Context, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Status>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |context, codec, body, _| {
        let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
        Box::pin(async move {
            let request = decode(codec, &body)?;
            drop(body);
            let reply = handler(state, context, request).await?;
            Ok(encode(codec, &reply)?)
        })
    })
}

pub(super) fn decode<T: DeserializeOwned>(codec: Codec, body: &[u8]) -> Result<T, Status> {
    codec.decode(body).map_err(|error| {
        Status::invalid_argument(error.to_string()).with_detail(&BadFields::one(error.path, error.problem))
    })
}

pub(super) fn encode(codec: Codec, reply: &impl Serialize) -> Result<Bytes, Status> {
    codec.encode(reply).map_err(|error| {
        tracing::error!(%error, "a reply cannot be encoded");
        Status::internal("the reply cannot be encoded")
    })
}
