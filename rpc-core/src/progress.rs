//! Progress: what a handler says before its reply, and how much of it is on its way. No I/O.
//!
//! A caller that reads progress gives credit: so many messages may come, and there is room for them. The handler waits
//! when it has used its credit up, so a slow reader slows the handler, and the broker holds no more than the window.
//! A caller that gives no credit gets no progress, and the handler does not wait.
//!
//! `inbox` is the caller's side of it, `runs` the instance's.

mod inbox;
mod runs;

pub(crate) use self::{
    inbox::{Grant, Inbox, Readers},
    runs::{Run, Runs},
};
use crate::codec::{DecodeError, EncodeError};

/// Most progress messages that a call has on their way and unread, whatever its options say.
pub const PROGRESS_WINDOW_MAX: u32 = 1024;

/// What a reader of progress must know beside the items. The stream goes on after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// The request is run again, from its beginning: what was read until now does not belong to what follows.
    #[error("the request is run again: its progress begins anew")]
    Restarted,
    /// Items were lost between the one before and the next one.
    #[error("{count} items were lost")]
    Missed {
        /// How many.
        count: u64,
    },
    /// An item that is not what it should be.
    #[error("an item cannot be read: {0}")]
    Unreadable(DecodeError),
}

/// Why progress was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressSendError {
    /// Nobody waits any more: the caller has given up, or the handler is over.
    #[error("nobody waits for progress any more")]
    Cancelled,
    /// The encoded item is larger than the method takes. The next one may be sent.
    #[error("an item takes at most {body_bytes_max} bytes, not {body_bytes}")]
    TooLarge {
        /// The item's size.
        body_bytes: usize,
        /// The most the method takes.
        body_bytes_max: usize,
    },
    /// The item cannot be written in the codec. The next one may be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
