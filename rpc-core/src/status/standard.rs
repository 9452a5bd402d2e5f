//! Details that many services need, so that callers know them: after `google.rpc`'s error details
//! (<https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Detail;

/// Which fields of a request are wrong, with `invalid_argument`: for a form that marks each. What cannot be decoded
/// has one. `google.rpc.BadRequest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BadFields(pub Vec<BadField>);

/// A field of a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadField {
    /// Where, as fields and indices: `runs[3].time_ms`; empty for the whole request.
    pub field: String,
    /// What is wrong there, for people.
    pub problem: String,
}

impl Detail for BadFields {
    const NAME: &'static str = "bad_fields";
}

impl BadFields {
    /// One field that is wrong.
    #[must_use]
    pub fn one(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self(vec![BadField { field: field.into(), problem: problem.into() }])
    }
}

/// How long to wait before trying again, with a status that allows it. A client's own retries wait at least so long, or
/// end the call if its deadline is earlier. `google.rpc.RetryInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAfter {
    /// In ms.
    pub ms: u64,
}

impl Detail for RetryAfter {
    const NAME: &'static str = "retry_after";
}

impl RetryAfter {
    /// So long; a part of a millisecond counts as a whole one.
    #[must_use]
    pub fn new(pause: Duration) -> Self {
        Self { ms: u64::try_from(pause.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX) }
    }

    /// So long.
    #[must_use]
    pub fn pause(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

/// Whether the work may have happened, where the code alone does not say so: a request that an instance had and did
/// not settle is `unavailable`, and may have run. Then it is tried again by itself after `unavailable` only, and if its
/// method may run again ([`Effect`](crate::Effect)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MayHaveRun(pub bool);

impl Detail for MayHaveRun {
    const NAME: &'static str = "may_have_run";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[test]
    fn the_standard_details_are_on_the_wire_as_they_are_documented() {
        let status = Status::unavailable("later")
            .with_detail(&RetryAfter::new(Duration::from_micros(1_001)))
            .with_detail(&BadFields::one("runs[3].time_ms", "negative"))
            .with_detail(&MayHaveRun(true));
        let expected = serde_json::json!({
            "code": "unavailable",
            "message": "later",
            "details": {
                "bad_fields": [{"field": "runs[3].time_ms", "problem": "negative"}],
                "may_have_run": true,
                "retry_after": {"ms": 2},
            },
        });
        assert_eq!(serde_json::to_value(&status).unwrap(), expected);
        assert_eq!(status.detail::<RetryAfter>().unwrap().unwrap().pause(), Duration::from_millis(2));
    }
}
