//! What the calls of a handler inherit from the call that it handles.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::trace::TraceContext;

/// What the calls of a handler inherit from the call that it handles.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// When nobody waits any more for what the handler does.
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancellation: CancellationToken,
    pub(crate) trace: TraceContext,
    /// The methods that are being handled on the way here, this one last, with spaces between.
    pub(crate) path: Arc<str>,
}
