//! Who wants to know what became of a message.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    error::{BrokerError, CallError, PublishError, RejectReason},
    pending::PendingCalls,
    wire::Answer,
};

/// Who wants to know what became of a message.
pub(crate) enum Receipt {
    /// A call: told only if the request was not accepted, for else its reply tells.
    Call(Uuid, Arc<PendingCalls<Answer>>),
    /// Somebody who waits for the confirm.
    Confirm(oneshot::Sender<Result<(), PublishError>>),
}

impl Receipt {
    /// Whether anybody waits for the message still.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::Call(id, calls) => calls.contains(*id),
            Self::Confirm(waiter) => !waiter.is_closed(),
        }
    }

    pub(super) fn confirmed(self) {
        if let Self::Confirm(waiter) = self {
            // A waiter that is gone does not want to know.
            let _ = waiter.send(Ok(()));
        }
    }

    pub(super) fn refused(self) {
        match self {
            Self::Call(id, calls) => {
                calls.end(id, Err(RejectReason::Broker.into()));
            }
            Self::Confirm(waiter) => {
                let _ = waiter.send(Err(RejectReason::Broker.into()));
            }
        }
    }

    pub(super) fn lost(self, source: &BrokerError) {
        let source = Some(source.clone());
        match self {
            Self::Call(id, calls) => {
                calls.end(id, Err(CallError::ConnectionLost { source }));
            }
            Self::Confirm(waiter) => {
                let _ = waiter.send(Err(PublishError::ConnectionLost { source }));
            }
        }
    }
}
