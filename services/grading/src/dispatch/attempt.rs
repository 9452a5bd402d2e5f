//! One attempt at judging a submission, from the claim to what is stored of it.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use warren_host::clock;
use warren_proto::{
    grading::{Judgement, Verdict},
    runner::COMPILE_TIME_MAX,
};

use super::{Dispatcher, Ended, Setback, in_flight::Entered, millis, runner::Runner};
use crate::store::{AttemptOutcome, Claim, PutBack, Result};

/// Attempts that a submission has, if runners are lost on it.
const ATTEMPTS_MAX: u32 = 3;

/// What else a runner does: fetch the package, unpack it, compare answers.
const MARGIN: Duration = Duration::from_secs(60);

/// Tries to store how an attempt ended, before it is left to the lease.
const STORE_TRIES: u32 = 5;

pub(super) struct Attempt<R> {
    dispatcher: Arc<Dispatcher<R>>,
    claim: Claim,
    /// Renews the claim as long as it is there.
    _entered: Entered,
}

impl<R: Runner> Attempt<R> {
    pub(super) fn new(dispatcher: Arc<Dispatcher<R>>, claim: Claim) -> Self {
        let entered = dispatcher.in_flight.enter(&claim.request.attempt);
        Self { dispatcher, claim, _entered: entered }
    }

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
        self.dispatcher.options.queue_allowance + COMPILE_TIME_MAX + running + MARGIN
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
            let judgement = Judgement::without_cases(Verdict::Je, reason, &self.dispatcher.name);
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
                    if again == 0 {
                        let error = &error as &dyn Error;
                        tracing::warn!(submission, error, "the end of an attempt is not stored yet");
                    }
                    tokio::time::sleep(self.dispatcher.options.store_pause * 2_u32.pow(again)).await;
                }
            }
        }
        tracing::error!(submission, "the end of an attempt was not stored: it is judged again when its lease ends");
        false
    }
}
