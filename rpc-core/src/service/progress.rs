//! What a handler says before its reply, and the queue by which its reader asks for more.

use std::{future::Future, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use lapin::types::ShortString;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    delivery::Shared,
    handler::{Handler, decode, encode},
};
use crate::{
    codec::Codec,
    context::Context,
    link::Link,
    method::Progressive,
    progress::{ProgressSendError, Run},
    publisher::{Outgoing, Publisher, Receipt},
    status::Status,
    wire::{Head, ProgressHead, Properties, RunId},
};

/// The control queue of an instance, over all connections.
#[derive(Clone, Debug)]
pub(super) struct ControlQueue(watch::Sender<Option<Open>>);

/// A control queue while it is consumed.
#[derive(Clone, Debug)]
struct Open {
    name: ShortString,
    /// Fires when its connection is lost. A run on the next one may look before the queue is made again.
    lost: CancellationToken,
}

impl Default for ControlQueue {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl ControlQueue {
    pub(super) fn opened(&self, name: ShortString, link: &Link) {
        self.0.send_replace(Some(Open { name, lost: link.lost_token() }));
    }

    pub(super) fn closed(&self) {
        self.0.send_replace(None);
    }

    /// Its name, as soon as it is consumed. None if the instance is gone.
    async fn name(&self) -> Option<ShortString> {
        let mut queue = self.0.subscribe();
        let open = queue.wait_for(|queue| queue.as_ref().is_some_and(|open| !open.lost.is_cancelled())).await;
        open.ok()?.as_ref().map(|open| open.name.clone())
    }

    /// Waits until the queue of this name is consumed no more: what was sent there is lost.
    async fn left(&self, name: &ShortString) {
        let mut queue = self.0.subscribe();
        // An error means that the instance is gone.
        let _ = queue.wait_for(|queue| queue.as_ref().is_none_or(|open| open.name != *name)).await;
    }
}

/// A caller that reads progress.
pub(super) struct Wanted<'a> {
    credit: u32,
    replies: &'a Publisher,
}

/// Whether progress is wanted. Without a deadline it is not: nobody would know when to stop waiting for a reader that
/// is gone.
pub(super) fn wanted<'a>(head: &Head, credit: Option<u32>, replies: &'a Publisher) -> Option<Wanted<'a>> {
    let credit = credit.filter(|credit| *credit > 0)?;
    (head.reply_to.is_some() && head.deadline.is_some()).then_some(Wanted { credit, replies })
}

impl Wanted<'_> {
    /// The handler is about to run.
    pub(super) fn begin(self, shared: &Shared, head: &Head, cancellation: &CancellationToken) -> Option<Box<Way>> {
        let correlation_id = head.correlation_id.clone()?;
        let run = shared.client.links().runs().begin(correlation_id.as_str(), self.credit, cancellation);
        Some(Box::new(Way {
            run,
            correlation_id,
            reply_to: head.reply_to.clone()?,
            control_queue: shared.control_queue.clone(),
            told: None,
            replies: self.replies.clone(),
            next_seq: 0,
        }))
    }
}

/// The way of a run's progress to its reader.
pub(super) struct Way {
    run: Run,
    correlation_id: ShortString,
    reply_to: ShortString,
    control_queue: ControlQueue,
    /// What the reader is told, once there was something to tell.
    told: Option<RunId>,
    replies: Publisher,
    next_seq: u64,
}

impl Way {
    /// Publishes an item as soon as there is credit for it; not at all if it is not wanted any more.
    ///
    /// Cancel safe: dropped before it returns, the item is not published.
    async fn publish(&mut self, codec: Codec, body: Bytes) {
        let run = match &self.told {
            Some(run) => run,
            None => {
                let Some(control_queue) = self.control_queue.name().await else { return self.run.close() };
                let number = self.run.number();
                self.told.insert(RunId { control_queue: Some(control_queue), number })
            }
        };
        let told = run.control_queue.as_ref().expect("it is told when the queue is known");
        let credit = tokio::select! {
            biased;
            credit = self.run.credit() => credit,
            () = self.control_queue.left(told) => return self.run.close(),
        };
        let Ok(credit) = credit else { return };
        let (correlation_id, run, seq) = (self.correlation_id.clone(), run.clone(), self.next_seq);
        let head = ProgressHead { codec, correlation_id, run, seq };
        let item = Outgoing {
            exchange: ShortString::default(),
            routing_key: self.reply_to.clone(),
            // It comes back if the caller is gone: then the handler is cancelled.
            mandatory: true,
            properties: Properties::Progress(Box::new(head)),
            body,
            receipt: Receipt::Nobody { _until_told: None },
        };
        self.replies.send(item).await;
        credit.forget();
        self.next_seq += 1;
    }
}

/// Sends a handler's progress to its caller, if that wants any.
///
/// A caller that called without asking for progress, or stopped reading it, gets none: then [`send`](Self::send) does
/// nothing, at once.
pub struct ProgressSender<T> {
    way: Option<Box<Way>>,
    codec: Codec,
    body_bytes_max: usize,
    cancellation: CancellationToken,
    item: PhantomData<fn(&T)>,
}

impl<T: Serialize> ProgressSender<T> {
    /// Sends an item. Waits while as many items as the caller has room for are unread.
    ///
    /// Items arrive in order, and before the reply. They are not confirmed: what is on its way when a connection is
    /// lost is lost, and the caller is told that the handler begins anew, if it does.
    ///
    /// # Errors
    ///
    /// [`ProgressSendError`]; as a [`Status`], which `?` makes of it, it ends the handler.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, the item is not sent.
    pub async fn send(&mut self, item: &T) -> Result<(), ProgressSendError> {
        if self.cancellation.is_cancelled() {
            return Err(ProgressSendError::Cancelled);
        }
        let Some(way) = self.way.as_mut().filter(|way| way.run.is_wanted()) else { return Ok(()) };
        let body = self.codec.encode(item)?;
        let (body_bytes, body_bytes_max) = (body.len(), self.body_bytes_max);
        if body_bytes > body_bytes_max {
            return Err(ProgressSendError::TooLarge { body_bytes, body_bytes_max });
        }
        tokio::select! {
            biased;
            () = self.cancellation.cancelled() => Err(ProgressSendError::Cancelled),
            () = way.publish(self.codec, body) => Ok(()),
        }
    }

    /// Whether the caller wants progress: for what is dear to find out.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.way.as_ref().is_some_and(|way| way.run.is_wanted())
    }
}

impl<T> std::fmt::Debug for ProgressSender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressSender").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl From<ProgressSendError> for Status {
    fn from(error: ProgressSendError) -> Self {
        match error {
            ProgressSendError::Cancelled => Self::cancelled(error.to_string()),
            _ => {
                tracing::error!(%error, "progress cannot be sent");
                Self::internal(format!("the handler's progress cannot be sent: {error}"))
            }
        }
    }
}

/// As [`handler::erase`](super::handler::erase), for handlers that send progress.
pub(super) fn erase<S, M, H, F>(state: Arc<S>, handler: H) -> Handler
where
    S: Send + Sync + 'static,
    M: Progressive,
    H: Fn(Arc<S>, Context, M::Request, ProgressSender<M::Progress>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |context, codec, body, way| {
        let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
        Box::pin(async move {
            let request = decode(codec, &body)?;
            drop(body);
            let cancellation = context.cancellation.clone();
            let body_bytes_max = M::BODY_BYTES_MAX;
            let sender = ProgressSender { way, codec, body_bytes_max, cancellation, item: PhantomData };
            let reply = handler(state, context, request, sender).await?;
            Ok(encode(codec, &reply)?)
        })
    })
}
