//! Who wants to know what became of a message.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    amqp::Settle,
    error::{BrokerError, CallError, RejectReason},
    pending::PendingCalls,
    service::Unsettled,
    wire::Answer,
};

/// Who wants to know what became of a message.
pub(crate) enum Receipt {
    /// A call: told only if the request was not accepted, for else its reply tells.
    Call(u64, Arc<PendingCalls<Answer>>),
    /// A delivery that is settled so once its reply is confirmed. Refused, its caller's queue is full: again would be
    /// no better. Without a confirm it is left to another instance.
    Reply(Unsettled, Settle),
    /// Who publishes a reply again: told when the broker has confirmed or refused it.
    Again(oneshot::Sender<()>),
    /// Nobody: it is lost without harm.
    Nobody {
        /// Let go of when the broker has confirmed it, if the connection should not close before.
        _until_told: Option<TaskTrackerToken>,
    },
}

impl Receipt {
    /// Whether anybody waits for the message still.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::Call(number, calls) => calls.contains(*number),
            Self::Reply(..) | Self::Nobody { .. } => true,
            Self::Again(told) => !told.is_closed(),
        }
    }

    /// The message is about to be written.
    pub(super) fn publishing(&self) {
        if let Self::Reply(delivery, _) = self {
            delivery.answered();
        }
    }

    pub(super) fn confirmed(self) {
        match self {
            Self::Call(..) | Self::Nobody { .. } => {}
            Self::Reply(delivery, settle) => delivery.settle(settle),
            // An error means that nobody waits any more.
            Self::Again(told) => drop(told.send(())),
        }
    }

    pub(super) fn refused(self) {
        match self {
            Self::Call(number, calls) => {
                calls.end(number, Err(RejectReason::Broker.into()));
            }
            Self::Reply(delivery, _) => {
                tracing::warn!("a reply was lost: the caller's queue refused it");
                delivery.settle(Settle::Reject);
            }
            // Its caller's queue is full: again would be no better.
            Self::Again(told) => drop(told.send(())),
            Self::Nobody { .. } => {}
        }
    }

    pub(super) fn lost(self, source: &BrokerError) {
        match self {
            Self::Call(number, calls) => {
                calls.end(number, Err(CallError::ConnectionLost { source: Some(source.clone()) }));
            }
            Self::Again(_) | Self::Nobody { .. } => {}
            Self::Reply(..) => tracing::debug!("a reply was not confirmed: the broker hands its request out again"),
        }
    }
}
