//! What a caller can meet, and what a handler makes of it that calls others.

use super::{BrokerError, HeaderError, NameError};
use crate::{
    codec::EncodeError,
    status::{MayHaveRun, Retry, Status},
};

/// Why a call has no reply. What may have happened on the other side is told by [`may_have_run`](Self::may_have_run),
/// whether to try again by [`retry`](Self::retry).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service said so; or the caller's own side did: `deadline_exceeded` when the time was up, `unavailable` when
    /// the broker takes no requests, `cancelled` in a handler that was, `internal` when the reply cannot be read. What
    /// may have happened on the other side is the status's to say: [`Status::may_have_run`].
    #[error(transparent)]
    Status(#[from] Status),
    /// No queue of the method's name: nobody ever served it here. Nothing happened. Trying again helps when somebody
    /// does.
    #[error("no service has declared {method}")]
    Unroutable {
        /// The method called.
        method: String,
    },
    /// The connection to the broker was lost before the reply came, and the method does not say that it may run again;
    /// or it does, and no attempt inside the deadline found out. The work may have happened, or may yet. Trying again
    /// with the same call id is right for a `Once` or `Repeatable` method, and for no other.
    #[error("the connection to the broker was lost: the outcome of the call is unknown")]
    ConnectionLost {
        /// What AMQP said, if anything.
        source: Option<BrokerError>,
    },
    /// The request was not accepted: nothing happened.
    #[error("not accepted: {0}")]
    Rejected(#[from] RejectReason),
}

impl CallError {
    /// Whether the work may have happened on the other side, or may yet. If not, it is certain that it has not.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Status(status) => status.may_have_run(),
            Self::ConnectionLost { .. } => true,
            Self::Unroutable { .. } | Self::Rejected(_) => false,
        }
    }

    /// Whether trying again, later, can help, and how. Inside the deadline the client has tried as
    /// [`RetryPolicy`](crate::RetryPolicy) says, except after [`RejectReason::InFlightLimit`].
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Status(status) => status.retry(),
            Self::ConnectionLost { .. } => Retry::OnlyIdempotent,
            Self::Rejected(RejectReason::InFlightLimit { .. } | RejectReason::Broker) => Retry::SameCall,
            Self::Unroutable { .. } | Self::Rejected(_) => Retry::Never,
        }
    }
}

/// For a handler whose own call failed: its caller is told what the handler was, and whether work may have happened. A
/// status is passed on as it is; a call that did not get so far is `unavailable`, or `resource_exhausted` if a limit
/// was met, or `internal` if what this handler asked could not be sent.
///
/// `?` says that this handler has done nothing yet: after `unavailable`, `resource_exhausted` and `aborted` its
/// caller's client tries again, even a method that is [`Effect::AtMostOnce`](crate::Effect::AtMostOnce). After an
/// effect of its own a handler adds that there was one:
///
/// ```
/// # use warren_rpc::{Context, MayHaveRun, Method, Status};
/// # struct Sum;
/// # impl Method for Sum { const NAME: &'static str = "test.sum"; type Request = [u32; 2]; type Reply = u32; }
/// # async fn after_an_effect(context: Context) -> Result<u32, Status> {
/// let sum = context.client().call::<Sum>(&[1, 2]).await;
/// sum.map_err(|error| Status::from(error).with_detail(&MayHaveRun(true)))
/// # }
/// ```
impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        let status = match &error {
            CallError::Status(_) | CallError::ConnectionLost { .. } | CallError::Unroutable { .. } => {
                Self::unavailable(text)
            }
            CallError::Rejected(RejectReason::InFlightLimit { .. } | RejectReason::Broker) => {
                Self::resource_exhausted(text)
            }
            CallError::Rejected(reason) if reason.is_closed() => Self::unavailable(text),
            CallError::Rejected(_) => Self::internal(text),
        };
        match error {
            CallError::Status(status) => status,
            _ if error.may_have_run() => status.with_detail(&MayHaveRun(true)),
            _ => status,
        }
    }
}

/// Why a request, or another message, was not accepted: nothing happened. One exception: of several queues that an
/// exchange leads to, one may have what another refused ([`Broker`](Self::Broker)).
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// The client has `in_flight_max` calls unanswered. Retry when some have ended.
    #[error("{in_flight_max} calls are in flight already")]
    InFlightLimit {
        /// The limit.
        in_flight_max: usize,
    },
    /// The broker refused the message: its queue is full, or it could not store it. Retry later.
    #[error("the broker refused the message: most often its queue is full")]
    Broker,
    /// The client has no connection, and will have none: it was closed, or gave the broker up. Retrying does not help.
    #[error("the client was closed, or gave the broker up")]
    Closed {
        /// What AMQP said, if anything.
        source: Option<BrokerError>,
    },
    /// The encoded body is larger than the method takes. Retrying does not help.
    #[error("{method} takes at most {body_bytes_max} bytes, not {body_bytes}")]
    BodyTooLarge {
        /// The method called, or the exchange.
        method: String,
        /// The body's size.
        body_bytes: usize,
        /// The most the method takes.
        body_bytes_max: usize,
    },
    /// The request's metadata is larger than what travels. Retrying does not help.
    #[error("metadata takes at most {bytes_max} bytes, not {bytes}")]
    MetadataTooLarge {
        /// Its names and values together.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The request cannot be written in the codec. Retrying does not help.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The name of a method or an exchange, an id, or a routing key cannot be carried. Retrying does not help.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A header cannot be chosen. Retrying does not help.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl RejectReason {
    /// Whether it is the client's end, and nothing that the caller chose.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    /// The table of the design: what may have happened, and what may be tried again.
    #[test]
    fn each_end_of_a_call_says_what_may_have_happened_and_whether_to_try_again() {
        let status = |code| CallError::from(Status::new(code, ""));
        let nothing_was_done = [
            (status(Code::InvalidArgument), Retry::Never),
            (status(Code::NotFound), Retry::Never),
            (status(Code::AlreadyExists), Retry::Never),
            (status(Code::FailedPrecondition), Retry::Never),
            (status(Code::PermissionDenied), Retry::Never),
            (status(Code::Unimplemented), Retry::Never),
            (status(Code::Unavailable), Retry::SameCall),
            (status(Code::ResourceExhausted), Retry::SameCall),
            (status(Code::Aborted), Retry::SameCall),
            (CallError::Unroutable { method: String::new() }, Retry::Never),
            (RejectReason::InFlightLimit { in_flight_max: 1 }.into(), Retry::SameCall),
            (RejectReason::Broker.into(), Retry::SameCall),
            (
                RejectReason::BodyTooLarge { method: String::new(), body_bytes: 2, body_bytes_max: 1 }.into(),
                Retry::Never,
            ),
            (RejectReason::Name(NameError { what: "call id", bytes: 0 }).into(), Retry::Never),
        ];
        let may_have_run = [
            (status(Code::Internal), Retry::Never),
            (status(Code::DeadlineExceeded), Retry::OnlyIdempotent),
            (status(Code::Cancelled), Retry::OnlyIdempotent),
            (Status::unavailable("").with_detail(&MayHaveRun(true)).into(), Retry::OnlyIdempotent),
            (Status::not_found("").with_detail(&MayHaveRun(true)).into(), Retry::Never),
            (CallError::ConnectionLost { source: None }, Retry::OnlyIdempotent),
        ];
        for (error, retry) in nothing_was_done {
            assert_eq!((error.may_have_run(), error.retry()), (false, retry), "{error:?}");
        }
        for (error, retry) in may_have_run {
            assert_eq!((error.may_have_run(), error.retry()), (true, retry), "{error:?}");
        }
    }

    #[test]
    fn a_handler_passes_on_what_became_of_its_own_call() {
        let status = |error: CallError| Status::from(error);
        let given = Status::not_found("no such contest").with_detail(&MayHaveRun(true));
        assert_eq!(status(given.clone().into()), given);
        let lost = status(CallError::ConnectionLost { source: None });
        assert_eq!((lost.code, lost.may_have_run()), (Code::Unavailable, true));
        let unroutable = status(CallError::Unroutable { method: "calculator.sum".to_owned() });
        assert_eq!(unroutable, Status::unavailable("no service has declared calculator.sum"));
        assert!(!unroutable.may_have_run());
        let full = status(RejectReason::InFlightLimit { in_flight_max: 1 }.into());
        assert_eq!(full.code, Code::ResourceExhausted);
        let wrong = status(RejectReason::Name(NameError { what: "call id", bytes: 0 }).into());
        assert_eq!(wrong.code, Code::Internal);
    }
}
