//! One attempt at judging a submission, from the claim to what is stored of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use warren_host::clock;
use warren_proto::{
    Decimal,
    grading::{Judgement, MESSAGE_BYTES_MAX, Verdict},
};

use super::{Dispatcher, Ended, Setback, millis, runner::Runner};
use crate::store::{AttemptOutcome, Claim, PutBack, Result};

/// Attempts that a submission has, if runners are lost on it.
const ATTEMPTS_MAX: u32 = 3;

/// What compiling may take.
const COMPILE_TIME: Duration = Duration::from_secs(30);

/// What else a runner does: fetch the package, unpack it, compare answers.
const MARGIN: Duration = Duration::from_secs(60);

/// Tries to store how an attempt ended, before it is left to the lease.
const STORE_TRIES: u32 = 5;

/// The first pause between them, doubled with each.
const STORE_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Attempt<R> {
    pub(super) dispatcher: Arc<Dispatcher<R>>,
    pub(super) claim: Claim,
}

impl<R: Runner> Attempt<R> {
    pub(super) async fn judge(self) -> Ended {
        match self.ask().await {
            // The judge's own error: another runner may do better.
            Ok(Judgement { verdict: Verdict::Je, message, .. }) => {
                let reason = message.unwrap_or_else(|| "the runner gave JE without a reason".to_owned());
                self.lost(&reason).await;
                Ended::Answered
            }
            Ok(judgement) => {
                self.finish(AttemptOutcome::Judged, None, &judgement).await;
                Ended::Answered
            }
            Err(Setback::Lost(reason)) => {
                self.lost(&reason).await;
                Ended::Answered
            }
            Err(Setback::Overdue) => {
                tracing::warn!(submission = self.claim.submission, "no runner answered in time: it goes back in line");
                self.put_back(&PutBack::Overdue { turn_ms: clock::now_ms() }).await;
                Ended::Overdue
            }
            Err(Setback::NoRunner(reason)) => {
                self.put_back(&PutBack::NotTried).await;
                Ended::NoRunner(reason)
            }
        }
    }

    /// Asks a runner. A panic costs an attempt, so that a reply which causes one does not come back for ever.
    async fn ask(&self) -> Result<Judgement, Setback> {
        let asked = self.dispatcher.runner.judge(&self.claim.request, self.deadline());
        let panicked = |_| Err(Setback::Lost("asking a runner failed inside grading: its log says more".to_owned()));
        AssertUnwindSafe(asked).catch_unwind().await.unwrap_or_else(panicked)
    }

    fn deadline(&self) -> Duration {
        let running = Duration::from_millis(self.claim.overall_wall_ms);
        self.dispatcher.options.queue_allowance + COMPILE_TIME + running + MARGIN
    }

    /// Back in line after a pause, or `JE` if it was the last attempt.
    async fn lost(&self, reason: &str) {
        let lost = self.claim.lost_before + 1;
        let submission = self.claim.submission.as_str();
        if lost < ATTEMPTS_MAX {
            tracing::warn!(submission, lost, reason, "an attempt at judging was lost");
            let pause = self.dispatcher.options.lost_pause * 4_u32.pow(lost - 1);
            let not_before_ms = clock::now_ms().saturating_add(millis(pause));
            self.put_back(&PutBack::Lost { reason, not_before_ms }).await;
        } else {
            tracing::error!(submission, lost, reason, "judge error: the submission was given up");
            let judgement = judge_error(reason, &self.dispatcher.name);
            self.finish(AttemptOutcome::Lost, Some(reason), &judgement).await;
        }
    }

    async fn finish(&self, outcome: AttemptOutcome, reason: Option<&str>, judgement: &Judgement) {
        let store = &self.dispatcher.state.store;
        if self.store(|| store.finish(&self.claim.request.attempt, outcome, reason, judgement)).await {
            self.dispatcher.state.waiters.wake(&self.claim.submission);
            self.dispatcher.state.committed.raise();
        }
    }

    async fn put_back(&self, why: &PutBack<'_>) {
        let store = &self.dispatcher.state.store;
        self.store(|| store.put_back(&self.claim.request.attempt, why)).await;
    }

    /// Stores how the attempt ended, trying again if the store fails; whether it was still the present attempt.
    async fn store<F: Future<Output = Result<bool>>>(&self, step: impl Fn() -> F) -> bool {
        let submission = self.claim.submission.as_str();
        for again in 0..STORE_TRIES {
            match step().await {
                Ok(true) => return true,
                Ok(false) => {
                    tracing::warn!(submission, attempt = self.claim.request.attempt, "a late result was refused");
                    return false;
                }
                Err(error) => {
                    tracing::warn!(submission, %error, "the end of an attempt is not stored yet");
                    tokio::time::sleep(STORE_PAUSE * 2_u32.pow(again)).await;
                }
            }
        }
        tracing::error!(submission, "the end of an attempt was not stored: it will be judged again");
        false
    }
}

/// The verdict of last resort.
fn judge_error(reason: &str, judged_by: &str) -> Judgement {
    let cut = reason.floor_char_boundary(MESSAGE_BYTES_MAX);
    Judgement {
        verdict: Verdict::Je,
        score: Decimal::zero(),
        time_ms: 0,
        memory_bytes: 0,
        message: Some(reason[..cut].to_owned()),
        judged_by: judged_by.to_owned(),
        groups: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_judge_error_is_cut_between_characters() {
        let judgement = judge_error(&"ñ".repeat(MESSAGE_BYTES_MAX), "grading-1");
        assert_eq!(judgement.verdict, Verdict::Je);
        assert_eq!(judgement.message.unwrap().len(), MESSAGE_BYTES_MAX);
        assert_eq!(judge_error("no compiler", "grading-1").message.unwrap(), "no compiler");
    }
}
