//! The service `scoreboard`: methods and events to the store and the rules.

use std::{path::Path, sync::Arc};

use warren_host::{clock::now_ms, ids::quoted, sqlite::OpenError};
use warren_proto::{
    contests::{self, Contest},
    grading::{Judged, Submission, Submitted},
    scoreboard::{self, ComputeReply, ComputeRequest, GetReply, GetRequest},
};
use warren_rpc::{Context, Service, Status};

use crate::{
    compute::{compute, standings},
    contest::{self, StoredRun},
    limits::STORED_RUNS_MAX,
    store::Store,
    validate::wrong,
};

/// The store's file, in the data directory.
const STORE_FILE: &str = "scoreboard.sqlite";

/// What the service's instances share: the store.
#[derive(Debug)]
pub struct State {
    store: Store,
}

/// The service `scoreboard`, which keeps its contests and runs in `scoreboard.sqlite` of an existing directory.
///
/// # Errors
///
/// If the store cannot be opened or made.
pub async fn service(data_dir: &Path) -> Result<Service<State>, OpenError> {
    let store = Store::open(&data_dir.join(STORE_FILE)).await?;
    Ok(Service::new("scoreboard", env!("CARGO_PKG_VERSION"), Arc::new(State { store }))
        .method::<contests::Put, _, _>(put_contest)
        .method::<contests::Get, _, _>(get_contest)
        .method::<scoreboard::Compute, _, _>(compute_board)
        .method::<scoreboard::Get, _, _>(get_board)
        .on::<Submitted, _, _>(on_submitted)
        .on::<Judged, _, _>(on_judged))
}

async fn put_contest(state: Arc<State>, _: Context, contest: Contest) -> Result<Contest, Status> {
    state.put_contest(contest).await
}

async fn get_contest(state: Arc<State>, _: Context, request: contests::GetRequest) -> Result<Contest, Status> {
    state.contest(&request.contest).await
}

async fn compute_board(_: Arc<State>, _: Context, request: ComputeRequest) -> Result<ComputeReply, Status> {
    off_the_reactor(move || compute(&request)).await?
}

async fn get_board(state: Arc<State>, _: Context, request: GetRequest) -> Result<GetReply, Status> {
    state.board(request, now_ms()).await
}

async fn on_submitted(state: Arc<State>, _: Context, submission: Submission) -> Result<(), Status> {
    state.record(submission).await
}

async fn on_judged(state: Arc<State>, _: Context, submission: Submission) -> Result<(), Status> {
    if submission.judgement.is_none() {
        return Err(wrong("judgement", "a judged submission has one"));
    }
    state.record(submission).await
}

impl State {
    async fn put_contest(&self, contest: Contest) -> Result<Contest, Status> {
        contest::check(&contest)?;
        self.store.put_contest(&contest).await?;
        Ok(contest)
    }

    async fn contest(&self, id: &str) -> Result<Contest, Status> {
        let stored = self.store.contest(id).await?;
        stored.ok_or_else(|| Status::not_found(format!("there is no contest {}", quoted(id))))
    }

    /// The board of a stored contest at an instant.
    async fn board(&self, request: GetRequest, now_ms: i64) -> Result<GetReply, Status> {
        let contest = self.contest(&request.contest).await?;
        let runs = self.store.runs(&contest.contest, STORED_RUNS_MAX + 1).await?;
        if runs.len() > STORED_RUNS_MAX {
            let message = format!("contest {}: a board takes at most {STORED_RUNS_MAX} runs", quoted(&contest.contest));
            return Err(Status::failed_precondition(message));
        }
        let (title, frozen) = (contest.title.clone(), contest::is_frozen(&contest, now_ms));
        let board = contest::request(contest, runs, request.audience);
        let ComputeReply { rows } = off_the_reactor(move || standings(&board)).await?;
        Ok(GetReply { contest: request.contest, title, frozen, rows })
    }

    /// Takes in what grading reported of a submission.
    async fn record(&self, submission: Submission) -> Result<(), Status> {
        match StoredRun::from_event(submission)? {
            Some(run) => Ok(self.store.put_run(&run).await?),
            None => Ok(()),
        }
    }
}

/// Runs what takes a while (a large board: some 100 ms) where it holds up no other call.
async fn off_the_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "computing a board failed");
        Status::internal("the board could not be computed")
    })
}

#[cfg(test)]
mod tests;
