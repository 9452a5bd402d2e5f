//! What a publisher can meet, and what a handler makes of it that publishes.

use std::time::Duration;

use super::{BrokerError, RejectReason};
use crate::{
    exchange::ExchangeKind,
    status::{MayHaveRun, Retry, Status},
};

/// Why a message may not have been published. Whether it may have been is told by
/// [`may_have_run`](Self::may_have_run), whether to try again by [`retry`](Self::retry); who does uses the same id, so
/// that a message that came twice can be known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The message was not accepted: too large, not to be carried, or the client was closed. Nothing happened; unless a
    /// queue refused it ([`RejectReason::Broker`]), most often because it is full: of several queues another may have
    /// it.
    #[error("not accepted: {0}")]
    Rejected(#[from] RejectReason),
    /// No queue takes it: nobody ever served the method here, or nothing is bound to the exchange by such a key or
    /// such headers. Nothing happened.
    #[error("{}", no_queue_takes(exchange, routing_key))]
    Unroutable {
        /// Empty for a method.
        exchange: String,
        /// The method, or the key.
        routing_key: String,
    },
    /// The exchange cannot be declared: most often it is of another kind. Nothing happened.
    #[error("the exchange {exchange} cannot be used as a {kind} exchange: {source}")]
    Exchange {
        /// The exchange.
        exchange: String,
        /// What it should be.
        kind: ExchangeKind,
        /// What AMQP said.
        source: BrokerError,
    },
    /// The connection, or its channel, was lost before the broker's confirm: it may have been published.
    #[error("the connection to the broker was lost before its confirm")]
    ConnectionLost {
        /// What AMQP said, if anything.
        source: Option<BrokerError>,
    },
    /// The broker did not confirm in time. It may have been published, or may yet.
    #[error("the broker did not confirm within {timeout:?}")]
    TimedOut {
        /// How long was waited.
        timeout: Duration,
    },
    /// The broker blocks publishers, for want of memory or disk, and went on to do so. Nothing happened.
    #[error("the broker blocks publishers, and did so for {timeout:?}: {reason}")]
    Blocked {
        /// Why, in the broker's words.
        reason: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// There was no connection in time. Nothing happened.
    #[error("no broker answered within {timeout:?}")]
    NotConnected {
        /// How long was waited.
        timeout: Duration,
    },
}

impl PublishError {
    /// Whether the message may have been published, or may yet. If not, it is certain that it has not.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            // Of several queues another may have it.
            Self::Rejected(RejectReason::Broker) | Self::ConnectionLost { .. } | Self::TimedOut { .. } => true,
            Self::Rejected(_)
            | Self::Unroutable { .. }
            | Self::Exchange { .. }
            | Self::Blocked { .. }
            | Self::NotConnected { .. } => false,
        }
    }

    /// Whether publishing again, later, can help, and how.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Blocked { .. } | Self::NotConnected { .. } => Retry::SameCall,
            _ if self.may_have_run() => Retry::OnlyIdempotent,
            _ => Retry::Never,
        }
    }
}

/// For a handler that could not publish: its caller is told `unavailable`, and whether the message may be out; or
/// `internal`, which does not say so, if what was to be published cannot be. So `?` says that the handler has done
/// nothing but that.
impl From<PublishError> for Status {
    fn from(error: PublishError) -> Self {
        let text = error.to_string();
        match &error {
            _ if error.may_have_run() => Self::unavailable(text).with_detail(&MayHaveRun(true)),
            PublishError::Rejected(reason) if reason.is_closed() => Self::unavailable(text),
            PublishError::Rejected(_) | PublishError::Exchange { .. } => Self::internal(text),
            _ => Self::unavailable(text),
        }
    }
}

fn no_queue_takes(exchange: &str, routing_key: &str) -> String {
    match exchange {
        "" => format!("no service has declared {routing_key}"),
        _ => format!("no queue takes what is published as {routing_key:?} to the exchange {exchange:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::NameError, status::Code};

    #[test]
    fn a_handler_that_cannot_publish_says_whether_the_message_may_be_out() {
        let timeout = Duration::from_secs(1);
        let name = NameError { what: "key", bytes: 0 };
        let unroutable = PublishError::Unroutable { exchange: String::new(), routing_key: String::new() };
        for (error, retry, told) in [
            (PublishError::ConnectionLost { source: None }, Retry::OnlyIdempotent, (Code::Unavailable, true)),
            (PublishError::TimedOut { timeout }, Retry::OnlyIdempotent, (Code::Unavailable, true)),
            (RejectReason::Broker.into(), Retry::OnlyIdempotent, (Code::Unavailable, true)),
            (PublishError::NotConnected { timeout }, Retry::SameCall, (Code::Unavailable, false)),
            (unroutable, Retry::Never, (Code::Unavailable, false)),
            (RejectReason::Closed { source: None }.into(), Retry::Never, (Code::Unavailable, false)),
            (RejectReason::from(name).into(), Retry::Never, (Code::Internal, true)),
        ] {
            assert_eq!(error.retry(), retry, "{error}");
            let status = Status::from(error);
            assert_eq!((status.code, status.may_have_run()), told, "{status}");
        }
    }
}
