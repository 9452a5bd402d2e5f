//! A handler whose work is done once: begun, run and committed in a store of replies.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::handler::{Failure, Handler, decode, encode};
use crate::{
    codec::Codec,
    context::Context,
    once::{Begun, CallKey, Committed, ReplyStore, STARTS_MAX, StoreError, StoredAnswer},
    status::{Retry, Status},
};

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
    let handler = Arc::new(handler);
    Arc::new(move |context, codec, body| {
        let (state, store, handler) = (Arc::clone(&state), Arc::clone(&store), Arc::clone(&handler));
        Box::pin(async move {
            // What cannot be read is no call that could be remembered.
            let request = decode(codec, &body)?;
            let once = Once { call: CallKey::new(method, context.call_id(), codec, &body), store: &*store, codec };
            drop(body);
            let transaction = match once.begin().await? {
                Ok(transaction) => transaction,
                Err(answer) => return answer.into_outcome(codec),
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
                Err(status) => {
                    once.abandon().await;
                    return Err(status.into());
                }
            };
            answer.into_outcome(codec)
        })
    })
}

/// One call, and where it is remembered.
struct Once<'a, R> {
    call: CallKey,
    store: &'a R,
    codec: Codec,
}

impl<R: ReplyStore> Once<'_, R> {
    /// The transaction to run in, or the answer that there is.
    async fn begin(&self) -> Result<Result<R::Transaction, StoredAnswer>, Failure> {
        match self.store.begin(&self.call).await.map_err(|error| self.failed(&error))? {
            Begun::Run { starts, .. } if starts > STARTS_MAX => Err(Failure::Poison),
            Begun::Run { transaction, .. } => Ok(Ok(transaction)),
            Begun::Answered(answer) => Ok(Err(answer)),
            Begun::OtherRequest => {
                let text = format!("the call id {:?} was used for another request", self.call.call_id);
                Err(Status::failed_precondition(text).into())
            }
            Begun::Full => Err(Status::resource_exhausted("no room to remember another call").into()),
        }
    }

    async fn commit(&self, transaction: Option<R::Transaction>, answer: StoredAnswer) -> Result<StoredAnswer, Failure> {
        match self.store.commit(&self.call, transaction, answer.clone()).await {
            Ok(Committed::Stored) => Ok(answer),
            Ok(Committed::Before(answer)) => Ok(answer),
            Err(error) => Err(self.failed(&error).into()),
        }
    }

    async fn abandon(&self) {
        if let Err(error) = self.store.abandon(&self.call).await {
            tracing::warn!(call = %self.call, %error, "a start stays counted");
        }
    }

    fn failed(&self, error: &StoreError) -> Status {
        tracing::warn!(call = %self.call, %error, codec = self.codec.content_type(), "a call cannot be remembered");
        Status::unavailable("the service's store of replies does not answer")
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
