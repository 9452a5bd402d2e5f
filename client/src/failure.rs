//! How a command fails: what a person reads, what a script reads, and the exit code.

use warren_proto::registry;
use warren_rpc::{CallError, Code, ConnectError, RejectReason, ServeError};

use crate::near;

/// Exit codes, as `warren --help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Internal,
    Usage,
    Rejected,
    Deadline,
    Unroutable,
    BrokerUnreachable,
    Missing,
    ConnectionLost,
    Interrupted,
    Status(Code),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Rejected => 3,
            Self::Deadline => 4,
            Self::Unroutable => 5,
            Self::BrokerUnreachable => 6,
            Self::Missing => 7,
            Self::ConnectionLost => 8,
            Self::Interrupted => 130,
            Self::Status(code) => {
                let place = Code::ALL.iter().position(|known| *known == code).unwrap_or(Code::ALL.len());
                u8::try_from(64 + place).unwrap_or(u8::MAX)
            }
        }
    }

    /// The name that a script looks for: `not_found`, `unroutable`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Rejected => "rejected",
            Self::Deadline => "deadline_exceeded",
            Self::Unroutable => "unroutable",
            Self::BrokerUnreachable => "broker_unreachable",
            Self::Missing => "missing",
            Self::ConnectionLost => "connection_lost",
            Self::Interrupted => "interrupted",
            Self::Status(code) => code.name(),
        }
    }
}

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        match error {
            CallError::Status(status) if status.code == Code::DeadlineExceeded => {
                Self::new(Exit::Deadline, status.message).with_hint(
                    "the work may go on; --timeout waits longer; without an instance of the service nobody answers",
                )
            }
            CallError::Status(status) => {
                let may_have_run = status.may_have_run();
                let failure = Self::new(Exit::Status(status.code), status.message);
                if may_have_run { failure.with_hint("its work may have been done all the same") } else { failure }
            }
            CallError::Unroutable { method } => {
                let failure = Self::new(Exit::Unroutable, message);
                match registry::find(&method) {
                    Some(known) => {
                        let service = known.service;
                        failure.with_hint(format!("nobody serves it on this broker: `warren serve {service}` does"))
                    }
                    None => failure.with_hint(format!(
                        "did you mean {}? `warren methods` lists what there is",
                        near::methods(&method).join(", ")
                    )),
                }
            }
            CallError::ConnectionLost { .. } => Self::new(Exit::ConnectionLost, message),
            CallError::Rejected(RejectReason::InFlightLimit { .. } | RejectReason::Broker) => {
                Self::new(Exit::Rejected, message).with_hint("try again later")
            }
            CallError::Rejected(RejectReason::Closed { .. }) => Self::new(Exit::ConnectionLost, message),
            CallError::Rejected(RejectReason::Name(_)) => Self::usage(message),
            CallError::Rejected(_) => Self::new(Exit::Rejected, message),
            _ => Self::internal(message),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let exit = match error {
            ConnectError::Address { .. } | ConnectError::Name(_) => Exit::Usage,
            _ => Exit::BrokerUnreachable,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let exit = match error {
            ServeError::Closed { .. } => Exit::ConnectionLost,
            ServeError::Name(_) | ServeError::Duplicate { .. } | ServeError::HandlingTooLong { .. } => Exit::Usage,
            _ => Exit::Internal,
        };
        Self::new(exit, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use warren_rpc::{MayHaveRun, Status};

    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_help() {
        assert_eq!(Exit::Status(Code::InvalidArgument).code(), 64);
        assert_eq!(Exit::Status(Code::NotFound).code(), 65);
        assert_eq!(Exit::Status(Code::Cancelled).code(), 75);
        assert_eq!(Failure::from(CallError::Status(Status::not_found("x"))).exit.code(), 65);
        assert_eq!(Failure::from(CallError::Status(Status::deadline_exceeded("x"))).exit.code(), 4);
        let had_another_run = Status::not_found("x").with_detail(&MayHaveRun(true));
        assert!(Failure::from(CallError::Status(had_another_run)).hint.unwrap().contains("may have been done"));
        assert_eq!(Failure::from(ServeError::Closed { source: None }).exit.code(), 8);
    }

    #[test]
    fn an_unroutable_method_is_told_with_near_names() {
        let hint = |method: &str| Failure::from(CallError::Unroutable { method: method.to_owned() }).hint.unwrap();
        assert!(hint("calculator.summ").contains("calculator.sum"), "{}", hint("calculator.summ"));
        assert!(hint("grading.wait").contains("warren serve grading"));
    }
}
