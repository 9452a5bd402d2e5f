//! `grading.get` and `grading.wait`.

use std::sync::Arc;

use warren_host::ids::quoted;
use warren_proto::grading::{Submission, SubmissionRequest};
use warren_rpc::{Context, Status};

use crate::state::State;

pub(crate) async fn get(state: Arc<State>, _: Context, request: SubmissionRequest) -> Result<Submission, Status> {
    find(&state, &request.submission).await
}

/// Parks until there is a verdict; the instance drops it when nobody waits any more.
pub(crate) async fn wait(state: Arc<State>, _: Context, request: SubmissionRequest) -> Result<Submission, Status> {
    judged(&state, &request.submission).await
}

/// The submission once it is judged, by whichever instance.
pub(crate) async fn judged(state: &State, id: &str) -> Result<Submission, Status> {
    let waiting = state.waiters.park(id);
    loop {
        // Before the store is read: a verdict after that wakes this.
        let woken = waiting.woken();
        let submission = find(state, id).await?;
        if submission.judgement.is_some() {
            return Ok(submission);
        }
        woken.await;
    }
}

async fn find(state: &State, id: &str) -> Result<Submission, Status> {
    let found = state.store.submission(id).await?;
    found.ok_or_else(|| Status::not_found(format!("submission: no submission {}", quoted(id))))
}
