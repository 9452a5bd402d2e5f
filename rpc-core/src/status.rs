//! What a service says when it does not answer with a reply: a [`Code`] and a message for the caller.
//!
//! The codes are gRPC's, as far as they make sense here, with gRPC's meanings
//! (<https://grpc.io/docs/guides/status-codes/>).

mod details;
mod standard;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    details::{Detail, Details},
    standard::{BadField, BadFields, MayHaveRun, RetryAfter},
};
use crate::codec::DecodeError;

/// Why a call failed, as the other side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The request is wrong, whatever the state of the service: a missing field, a text for a number.
    InvalidArgument,
    /// What the request names does not exist.
    NotFound,
    /// What the request would create exists, and differs.
    AlreadyExists,
    /// The request is right, the state of the service is not: fix that before trying again.
    FailedPrecondition,
    /// The caller may not.
    PermissionDenied,
    /// The instance does not know the method, or this form of it.
    Unimplemented,
    /// The service broke one of its own promises. Its log says more.
    Internal,
    /// The service cannot now, and did nothing: try this call again.
    Unavailable,
    /// A limit was met and nothing was done: try again, later.
    ResourceExhausted,
    /// The work was given up half-way and undone: try again.
    Aborted,
    /// The time was up. The work may have happened, or may yet.
    DeadlineExceeded,
    /// The caller gave the call up. The work may have happened.
    Cancelled,
}

impl Code {
    /// All codes, in the order in which exit codes and documents list them.
    pub const ALL: [Self; 12] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::AlreadyExists,
        Self::FailedPrecondition,
        Self::PermissionDenied,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::ResourceExhausted,
        Self::Aborted,
        Self::DeadlineExceeded,
        Self::Cancelled,
    ];

    /// The code's name on the wire: `not_found`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::FailedPrecondition => "failed_precondition",
            Self::PermissionDenied => "permission_denied",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Aborted => "aborted",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether trying again can help, and how.
    #[must_use]
    pub fn retry(self) -> Retry {
        match self {
            Self::Unavailable | Self::ResourceExhausted | Self::Aborted => Retry::SameCall,
            Self::DeadlineExceeded | Self::Cancelled => Retry::OnlyIdempotent,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no [`Code`]'s name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a status code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(name: &str) -> Result<Self, UnknownCode> {
        Self::ALL.into_iter().find(|code| code.name() == name).ok_or(UnknownCode)
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: the same call would fail the same way.
    Never,
    /// Yes, under the same call id.
    SameCall,
    /// The work may have happened: only if doing it twice is doing it once.
    OnlyIdempotent,
}

/// What a handler returns in place of a reply, and what a caller gets.
///
/// The message is for the caller and names the field it is about; what only an operator should know goes to the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Status {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people: in lower case, without a full stop.
    pub message: String,
    /// More for programs: the standard ones ([`BadFields`], [`RetryAfter`], [`MayHaveRun`]), and those that the method
    /// documents.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

macro_rules! constructors {
    ($($name:ident => $code:ident),+ $(,)?) => {$(
        #[doc = concat!("A status of [`Code::", stringify!($code), "`].")]
        #[must_use]
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new(Code::$code, message)
        }
    )+};
}

impl Status {
    /// A status without details.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Details::default() }
    }

    /// The same status with a detail, in place of one of the same name.
    ///
    /// A detail that JSON cannot have (a map whose keys are no texts), or that nests deeper than 29, is left out, and a
    /// log line says so. A status that is larger than its method's bodies may be is sent without its details.
    #[must_use]
    pub fn with_detail<D: Detail>(mut self, detail: &D) -> Self {
        self.details.insert(detail);
        self
    }

    /// A detail of the status; none if it has none of this name.
    ///
    /// # Errors
    ///
    /// What is there under this name is something else.
    #[must_use]
    pub fn detail<D: Detail>(&self) -> Option<Result<D, DecodeError>> {
        self.details.get()
    }

    /// Whether the work may have happened on the other side.
    ///
    /// It may with `deadline_exceeded` and `cancelled`, after which it goes on for a while; with `internal`, for a
    /// handler may have begun before it failed; and with the detail [`MayHaveRun`]. Any other code is a service's word
    /// that nothing was done.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        matches!(self.code, Code::DeadlineExceeded | Code::Cancelled | Code::Internal) || self.says_may_have_run()
    }

    /// Whether trying again can help, and how: as [`Code::retry`], unless the work may have happened.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.code.retry() {
            Retry::SameCall if self.says_may_have_run() => Retry::OnlyIdempotent,
            retry => retry,
        }
    }

    fn says_may_have_run(&self) -> bool {
        matches!(self.detail(), Some(Ok(MayHaveRun(true))))
    }

    /// For a request that an instance had and did not settle, of a method that must not run twice.
    pub(crate) fn lost_by_an_instance(method: &str) -> Self {
        Self::unavailable(format!("an instance of {method} had this request and is gone: it may have run"))
            .with_detail(&MayHaveRun(true))
    }

    constructors! {
        invalid_argument => InvalidArgument,
        not_found => NotFound,
        already_exists => AlreadyExists,
        failed_precondition => FailedPrecondition,
        permission_denied => PermissionDenied,
        unimplemented => Unimplemented,
        internal => Internal,
        unavailable => Unavailable,
        resource_exhausted => ResourceExhausted,
        aborted => Aborted,
        deadline_exceeded => DeadlineExceeded,
        cancelled => Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_name() {
        for code in Code::ALL {
            assert_eq!(code.name().parse(), Ok(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
        assert_eq!("nonsense".parse::<Code>(), Err(UnknownCode));
    }

    #[test]
    fn retries_are_allowed_as_the_design_says() {
        let of = |retry| Code::ALL.into_iter().filter(move |code| code.retry() == retry).map(Code::name);
        assert_eq!(of(Retry::SameCall).collect::<Vec<_>>(), ["unavailable", "resource_exhausted", "aborted"]);
        assert_eq!(of(Retry::OnlyIdempotent).collect::<Vec<_>>(), ["deadline_exceeded", "cancelled"]);
    }
}
