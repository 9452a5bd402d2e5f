//! Doing the work of a call once, however often its request comes: the store that remembers what was answered.

mod memory;

use std::{fmt, future::Future};

use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use self::memory::{MemoryReplyStore, MemoryReplyStoreOptions, MemoryTransaction};
use crate::{codec::Codec, status::Code};

/// Most starts of one call that nobody saw the end of: one more, and its request is taken for what kills the process.
pub const STARTS_MAX: u32 = 3;

/// Remembers which calls of [`Effect::Once`](crate::Effect::Once) methods were answered, and how, for all instances of
/// a service.
///
/// A call is begun before its handler runs, and committed together with what the handler changed: in one transaction
/// of the database that holds both. So whatever is killed in between, either both are there or none.
///
/// A store may forget an answer only when no repeat of its call can come any more; if it is full before, it refuses
/// ([`Begun::Full`]).
pub trait ReplyStore: Send + Sync + 'static {
    /// What a handler makes its changes in. Dropped, they are undone.
    type Transaction: Send + 'static;

    /// A request is about to be handled. If the same call is being handled here now, this may wait for its end.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the call is answered `unavailable`, and nothing is run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may count a start that there was none of, and nothing else.
    fn begin(&self, call: &CallKey) -> impl Future<Output = Result<Begun<Self::Transaction>, StoreError>> + Send;

    /// Stores an answer together with the changes of a transaction; without one, the answer alone.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was stored and nothing changed, or it is not known whether; the call is answered
    /// `unavailable`, and a repeat finds out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it was stored.
    fn commit(
        &self,
        call: &CallKey,
        transaction: Option<Self::Transaction>,
        answer: StoredAnswer,
    ) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// The handler has ended in order, without an answer to store: its start is not counted against the call. It is
    /// called after a failed [`commit`](Self::commit), too, which may have stored: an answer that is stored must stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; it is only logged.
    ///
    /// # Cancel safety
    ///
    /// As [`begin`](Self::begin).
    fn abandon(&self, call: &CallKey) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Which call a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// [`Method::NAME`](crate::Method::NAME).
    pub method: &'static str,
    /// The call's id. 1 to 255 bytes.
    pub call_id: String,
    /// SHA-256 of the request's content type and body: the same id with another body is a mistake of the caller.
    pub digest: [u8; 32],
}

impl CallKey {
    pub(crate) fn new(method: &'static str, call_id: &str, codec: Codec, body: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(codec.content_type()).chain_update([0]).chain_update(body).finalize();
        Self { method, call_id: call_id.to_owned(), digest: digest.into() }
    }
}

/// What a store knows of a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Begun<T> {
    /// It was not answered: run the handler.
    Run {
        /// For the handler's changes.
        transaction: T,
        /// How often it was begun without anybody seeing the end, this time included.
        starts: u32,
    },
    /// It was answered.
    Answered(StoredAnswer),
    /// The id was used for another request.
    OtherRequest,
    /// No room for another answer.
    Full,
    /// It was begun [`STARTS_MAX`] times, and not all of those who did may be dead: it was not begun now. It is asked
    /// for again after a while, within the call's deadline. For stores that several processes share.
    Busy,
}

/// What became of a commit.
#[derive(Debug)]
#[non_exhaustive]
pub enum Committed {
    /// It is stored.
    Stored,
    /// Another run of the same call was stored before: nothing of this one is kept.
    Before(StoredAnswer),
}

/// An answer as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// None for a success.
    pub code: Option<Code>,
    /// The reply, or the status, in the codec of the request.
    pub body: Bytes,
}

/// Why a store cannot say or keep anything now.
#[derive(Debug, thiserror::Error)]
#[error("the store of replies fails: {0}")]
pub struct StoreError(#[from] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// An error with its source.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.call_id)
    }
}
