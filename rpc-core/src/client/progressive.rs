//! Calls whose progress is read: a stream of items, and then the reply.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{CallOptions, Client, RawMethod};
use crate::{
    codec::{Codec, DecodeError},
    error::{CallError, RejectReason},
    method::Progressive,
    progress::{Inbox, ProgressError},
    wire::ItemBody,
};

impl Client {
    /// Calls a method, and reads what its handler says before it replies.
    ///
    /// The call goes on in the background, whether it is polled or not: it ends with its deadline at the latest, and
    /// is retried or sent again as any other. A handler of which [`CallOptions::progress_window`] items are unread
    /// waits for the reader.
    ///
    /// ```no_run
    /// # use warren_rpc::{CallError, CallOptions, Client, Method, ProgressError, Progressive};
    /// # struct Count;
    /// # impl Method for Count { const NAME: &'static str = "calculator.count"; type Request = u32; type Reply = u32; }
    /// # impl Progressive for Count { type Progress = u32; }
    /// use futures::StreamExt;
    ///
    /// # async fn run(client: Client) -> Result<(), CallError> {
    /// let mut call = client.call_progressive::<Count>(&3, CallOptions::default());
    /// while let Some(item) = call.next().await {
    ///     match item {
    ///         Ok(number) => println!("{number}"),
    ///         Err(ProgressError::Restarted) => println!("from the beginning:"),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// println!("it counted to {}", call.reply().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn call_progressive<M: Progressive>(&self, request: &M::Request, options: CallOptions) -> ProgressiveCall<M> {
        let codec = self.inner.options.codec;
        let body = codec.encode(request).map_err(RejectReason::from);
        ProgressiveCall { driven: self.drive(RawMethod::of::<M>(), codec, body, options), method: PhantomData }
    }

    /// As [`call_progressive`](Self::call_progressive), by name and with a body that is encoded already: for programs
    /// that know methods only at run time. Items and reply are bodies in the same codec.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn call_raw_progressive(
        &self,
        method: RawMethod<'_>,
        codec: Codec,
        body: Bytes,
        options: CallOptions,
    ) -> RawProgressiveCall {
        let name = method.name.to_owned();
        RawProgressiveCall { driven: self.drive(method, codec, Ok(body), options), codec, name }
    }

    fn drive(
        &self,
        method: RawMethod<'_>,
        codec: Codec,
        body: Result<Bytes, RejectReason>,
        options: CallOptions,
    ) -> Driven {
        let inbox = Arc::new(Inbox::new(options.progress_window));
        let ending = EndOnDrop(Arc::clone(&inbox));
        let (client, name) = (self.clone(), method.name.to_owned());
        let RawMethod { body_bytes_max, effect, is_durable, .. } = method;
        let driving = async move {
            // However the task ends.
            let EndOnDrop(inbox) = &ending;
            let method = RawMethod { name: &name, body_bytes_max, effect, is_durable };
            client.make_call(method, codec, body?, &options, Some(inbox)).await
        };
        Driven { inbox, outcome: AbortOnDropHandle::new(tokio::spawn(driving.in_current_span())) }
    }
}

/// Ends an inbox with its call.
struct EndOnDrop(Arc<Inbox>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A call that goes on by itself, until this is dropped.
struct Driven {
    inbox: Arc<Inbox>,
    outcome: AbortOnDropHandle<Result<(Codec, Bytes), CallError>>,
}

impl Driven {
    async fn reply(self) -> Result<(Codec, Bytes), CallError> {
        self.inbox.discard();
        match self.outcome.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => Err(CallError::ConnectionLost { source: None }),
            },
        }
    }
}

/// A call of which progress is read: a stream of items, which ends with the call; then there is the
/// [`reply`](Self::reply).
///
/// Items come in order, each once. After a [`ProgressError`] the stream goes on: what was lost, and that the handler
/// began anew, is told between the items. The handler begins anew when its instance or the connection died, and the
/// method may run again; or when the call is retried. If nothing was read before, there is nothing to tell. The reply
/// may be of a run that sent no items.
///
/// # Drop
///
/// Dropping it cancels the call: its place is freed, and the handler's token fires.
#[must_use = "dropping it cancels the call"]
pub struct ProgressiveCall<M: Progressive> {
    driven: Driven,
    method: PhantomData<fn() -> M>,
}

impl<M: Progressive> ProgressiveCall<M> {
    /// Waits for the reply. Items that are not read by now are thrown away, and the handler waits no more for a reader.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn reply(self) -> Result<M::Reply, CallError> {
        let (codec, reply) = self.driven.reply().await?;
        super::decode_reply::<M>(codec, &reply)
    }
}

impl<M: Progressive> Stream for ProgressiveCall<M> {
    type Item = Result<M::Progress, ProgressError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.driven.inbox.poll(context).map(|next| {
            next.map(|item| {
                let ItemBody { codec, body } = item?;
                let decoded = codec.map_err(|other| unknown(&other)).and_then(|codec| codec.decode(&body));
                decoded.map_err(ProgressError::Unreadable)
            })
        })
    }
}

impl<M: Progressive> fmt::Debug for ProgressiveCall<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressiveCall").field("method", &M::NAME).finish_non_exhaustive()
    }
}

/// As [`ProgressiveCall`], of a method that is known only at run time: items and reply are bodies in the codec of the
/// request.
///
/// # Drop
///
/// As [`ProgressiveCall`].
#[must_use = "dropping it cancels the call"]
pub struct RawProgressiveCall {
    driven: Driven,
    codec: Codec,
    name: String,
}

impl RawProgressiveCall {
    /// As [`ProgressiveCall::reply`].
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn reply(self) -> Result<Bytes, CallError> {
        let Self { driven, codec, name } = self;
        let (answered_in, reply) = driven.reply().await?;
        super::check_codec(&name, codec, answered_in)?;
        Ok(reply)
    }
}

impl Stream for RawProgressiveCall {
    type Item = Result<Bytes, ProgressError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.driven.inbox.poll(context).map(|next| {
            next.map(|item| match item? {
                ItemBody { codec: Ok(codec), body } if codec == self.codec => Ok(body),
                ItemBody { codec, .. } => {
                    let written = codec.map_or_else(|other| other, |codec| codec.content_type().to_owned());
                    Err(ProgressError::Unreadable(unknown(&written)))
                }
            })
        })
    }
}

impl fmt::Debug for RawProgressiveCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawProgressiveCall").field("method", &self.name).finish_non_exhaustive()
    }
}

fn unknown(content_type: &str) -> DecodeError {
    DecodeError { path: String::new(), problem: format!("it is of the content type {content_type:?}") }
}
