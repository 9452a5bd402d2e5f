//! What the dispatcher asks of a runner, and what it makes of the ways in which that can fail.

use std::time::Duration;

use warren_proto::{
    grading::Judgement,
    runner::{Judge, JudgeRequest},
};
use warren_rpc::{CallError, CallOptions, Client, Code, RejectReason, RetryPolicy, Status};

/// Who judges: the runners behind the broker, or a test's.
pub(crate) trait Runner: Send + Sync + 'static {
    /// Has a submission judged within `deadline`, which counts from now: the time in the broker's queue is in it.
    fn judge(
        &self,
        request: &JudgeRequest,
        deadline: Duration,
    ) -> impl Future<Output = Result<Judgement, Setback>> + Send;
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    /// A runner had it, and was lost or could not judge it: it costs an attempt.
    Lost(String),
    /// Nobody answered in time. Most of that time a request may lie in the broker's queue, so it costs no attempt.
    Overdue,
    /// No runner had it: it costs nothing.
    NoRunner(String),
}

impl Runner for Client {
    async fn judge(&self, request: &JudgeRequest, deadline: Duration) -> Result<Judgement, Setback> {
        // What is tried again, and how often, is the dispatcher's to say.
        let retry = RetryPolicy::never();
        let options = CallOptions { deadline, call_id: Some(request.attempt.clone()), retry, ..CallOptions::default() };
        let reply = self.call_with::<Judge>(request, options).await.map_err(|error| setback(&error))?;
        if reply.attempt == request.attempt {
            Ok(reply.judgement)
        } else {
            Err(Setback::Lost(format!("the runner answered attempt {} in place of {}", reply.attempt, request.attempt)))
        }
    }
}

/// Whether a failed call cost an attempt. `aborted` is what a runner says of a request that another one had before
/// and did not finish.
fn setback(error: &CallError) -> Setback {
    let reason = error.to_string();
    match error {
        CallError::Status(Status { code, .. }) => match code {
            Code::DeadlineExceeded => Setback::Overdue,
            Code::Unavailable | Code::ResourceExhausted => Setback::NoRunner(reason),
            _ => Setback::Lost(reason),
        },
        CallError::Rejected(RejectReason::BodyTooLarge { .. } | RejectReason::Encode(_)) => Setback::Lost(reason),
        // Nobody serves it, the broker is gone or refuses: nothing that a runner did.
        _ => Setback::NoRunner(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: Status) -> Setback {
        setback(&CallError::Status(status))
    }

    #[test]
    fn a_runner_that_fails_or_is_lost_costs_an_attempt() {
        assert_eq!(of(Status::internal("no compiler")), Setback::Lost("internal: no compiler".to_owned()));
        assert!(matches!(of(Status::aborted("a runner was lost on it")), Setback::Lost(_)));
        assert!(matches!(of(Status::not_found("no such package")), Setback::Lost(_)));
    }

    #[test]
    fn no_runner_and_a_lost_connection_cost_none() {
        let unroutable = CallError::Unroutable { method: "runner.judge".to_owned() };
        assert_eq!(setback(&unroutable), Setback::NoRunner("no service has declared runner.judge".to_owned()));
        assert!(matches!(setback(&CallError::ConnectionLost { source: None }), Setback::NoRunner(_)));
        assert!(matches!(setback(&CallError::Rejected(RejectReason::Broker)), Setback::NoRunner(_)));
        assert!(matches!(of(Status::unavailable("stopping")), Setback::NoRunner(_)));
    }

    #[test]
    fn the_deadline_costs_none() {
        assert_eq!(of(Status::deadline_exceeded("10 min")), Setback::Overdue);
    }
}
