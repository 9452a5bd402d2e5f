//! A handler whose work is done once: begun, run and committed in a store of replies.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, SemaphorePermit},
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{
    handler::{Failure, Handler, decode, encode},
    turns::{Turn, Turns},
};
use crate::{
    codec::Codec,
    context::Context,
    once::{Begun, CallKey, Committed, ReplyStore, STARTS_MAX, StoreError, StoredAnswer},
    status::{MayHaveRun, Retry, Status},
};

/// How long a call waits that as many processes as may have begun already: then it is looked what became of them.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// As [`handler::erase`](super::handler::erase), for handlers that take a transaction and give it back.
pub(super) fn erase<S, R, Request, Reply, H, F>(
    method: &'static str,
    state: Arc<S>,
    store: Arc<R>,
    handler: H,
) -> Handler
where
    S: Send + Sync + 'static,
    R: ReplyStore,
    Request: DeserializeOwned + Send,
    Reply: Serialize + Send,
    H: Fn(Arc<S>, Context, R::Transaction, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(Reply, R::Transaction), Status>> + Send + 'static,
{
    let (handler, suspects, turns) = (Arc::new(handler), Arc::new(Suspects::default()), Arc::new(Turns::default()));
    Arc::new(move |context, codec, body, _| {
        let (state, store, handler) = (Arc::clone(&state), Arc::clone(&store), Arc::clone(&handler));
        let (suspects, turns) = (Arc::clone(&suspects), Arc::clone(&turns));
        Box::pin(async move {
            // What cannot be read is no call that could be remembered.
            let request = decode(codec, &body)?;
            let call = CallKey::new(method, context.call_id(), codec, &body);
            drop(body);
            // Not counted while another request of the call is handled here: it most likely gets that one's answer.
            let turn = turns.wait(&call).await;
            let unfinished = context.unfinished.clone();
            let mut once = Once { call, store, codec, begun: false, turn: Some(turn), unfinished };
            let (alone, transaction) = loop {
                let alone = suspects.if_suspect(context.redelivered()).await;
                match once.begin().await? {
                    Start::Run(transaction) => break (alone, transaction),
                    Start::Answered(answer) => return answer.into_outcome(codec),
                    Start::Busy => {}
                }
                drop(alone);
                sleep(BUSY_PAUSE).await;
            };
            let answer = match handler(state, context, transaction, request).await {
                Ok((reply, transaction)) => {
                    let answer = StoredAnswer { code: None, body: encode(codec, &reply)? };
                    once.commit(Some(transaction), answer).await?
                }
                Err(status) if status.code.retry() == Retry::Never => {
                    let answer = StoredAnswer { code: Some(status.code), body: encode(codec, &status)? };
                    once.commit(None, answer).await?
                }
                // Its start is not counted against it: `once` is dropped.
                Err(status) => return Err(status.into()),
            };
            drop(alone);
            answer.into_outcome(codec)
        })
    })
}

/// Requests that an instance had before and did not settle: it may be that one of them ended its process. They are
/// begun one at a time, so that the start of another is not counted when it does so again.
#[derive(Debug)]
struct Suspects(Semaphore);

impl Default for Suspects {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Suspects {
    /// Waits until no other is under way, if this is one.
    async fn if_suspect(&self, is_suspect: bool) -> Option<SemaphorePermit<'_>> {
        if is_suspect { Some(self.0.acquire().await.expect("the semaphore is never closed")) } else { None }
    }
}

/// One call, and where it is remembered. However it is left while this process lives, its start is not counted.
struct Once<R: ReplyStore> {
    call: CallKey,
    store: Arc<R>,
    codec: Codec,
    /// Counted, and without an end.
    begun: bool,
    /// Kept until the start is not counted any more.
    turn: Option<Turn>,
    /// What an instance waits for before it is shut down: its process may end then.
    unfinished: TaskTracker,
}

/// What is to be done with a call.
enum Start<T> {
    /// To run its handler in the transaction.
    Run(T),
    Answered(StoredAnswer),
    /// To wait for others that have begun it.
    Busy,
}

impl<R: ReplyStore> Once<R> {
    async fn begin(&mut self) -> Result<Start<R::Transaction>, Failure> {
        // Dropped while it waits, it may be counted.
        self.begun = true;
        let begun = self.store.begin(&self.call).await;
        // What is found to be poison is counted like a run, and is none: its start is taken back, too.
        self.begun = matches!(begun, Ok(Begun::Run { .. }));
        match begun.map_err(|error| self.failed(&error))? {
            Begun::Run { starts, .. } if starts > STARTS_MAX => Err(Failure::Poison),
            Begun::Run { transaction, .. } => Ok(Start::Run(transaction)),
            Begun::Answered(answer) => Ok(Start::Answered(answer)),
            Begun::Busy => Ok(Start::Busy),
            Begun::OtherRequest => {
                let text = format!("the call id {:?} was used for another request", self.call.call_id);
                Err(Status::failed_precondition(text).into())
            }
            Begun::Full => Err(Status::resource_exhausted("no room to remember another call").into()),
        }
    }

    async fn commit(
        &mut self,
        transaction: Option<R::Transaction>,
        answer: StoredAnswer,
    ) -> Result<StoredAnswer, Failure> {
        let answer = match self.store.commit(&self.call, transaction, answer.clone()).await {
            Ok(Committed::Stored) => answer,
            Ok(Committed::Before(answer)) => answer,
            // It may be stored nevertheless: the store's own connection may have been lost with its word.
            Err(error) => return Err(self.failed(&error).with_detail(&MayHaveRun(true)).into()),
        };
        self.begun = false;
        Ok(answer)
    }

    fn failed(&self, error: &StoreError) -> Status {
        tracing::warn!(call = %self.call, %error, codec = self.codec.content_type(), "a call cannot be remembered");
        Status::unavailable("the service's store of replies does not answer")
    }
}

impl<R: ReplyStore> Drop for Once<R> {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        let Some(runtime) = self.begun.then(Handle::try_current).and_then(Result::ok) else { return };
        let (store, call, turn) = (Arc::clone(&self.store), self.call.clone(), self.turn.take());
        let abandoning = async move {
            // The next one is to find it taken back.
            let _turn = turn;
            if let Err(error) = store.abandon(&call).await {
                tracing::warn!(%call, %error, "a start stays counted");
            }
        };
        self.unfinished.spawn_on(abandoning, &runtime);
    }
}

impl StoredAnswer {
    fn into_outcome(self, codec: Codec) -> Result<Bytes, Failure> {
        match self.code {
            None => Ok(self.body),
            Some(code) => {
                let status = codec.decode::<Status>(&self.body);
                Err(status.unwrap_or_else(|_| Status::new(code, "its words cannot be read any more")).into())
            }
        }
    }
}
