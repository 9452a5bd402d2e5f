//! Grading: keeps problems and submissions, sends submissions to runners, and tells the verdicts.
//!
//! # What it promises
//!
//! - A submission that was answered is stored, and is judged once, however many instances share the store and whichever
//!   of them is killed: a claim is a lease, and an attempt's id fences off its late result.
//! - The same call of `grading.submit` hands in one submission, however often it is delivered.
//! - `grading.submitted` and `grading.judged` are published at least once, for they are committed with the change they
//!   tell of. Who listens must bear a repeated event.
//! - Contest goes before practice, and no team delays another by submitting often (`turn`).
//! - A lost runner costs an attempt, of which there are 3; no runner at all costs nothing: the submissions wait.
//!
//! # What it does not do
//!
//! Run programs or judge output (a runner does), or know contests (the scoreboard does): a contest's id is taken as it
//! is given.
//!
//! # Reading order
//!
//! `store` is the truth; `submit`, `submissions` and `problems` are the methods; `dispatch` sends submissions to
//! runners in the order of `turn`; `outbox` publishes events; `waiters` and `verdicts` wake those who wait.

mod dispatch;
mod names;
mod outbox;
mod problems;
mod state;
mod store;
mod submissions;
mod submit;
mod trouble;
mod turn;
mod verdicts;
mod waiters;

use std::{path::Path, sync::Arc};

use warren_host::sqlite::OpenError;
use warren_proto::{grading, problems as packages};
use warren_rpc::{MethodOptions, Service};

use crate::dispatch::DispatchOptions;
pub use crate::state::State;

/// The store's file in the data directory.
const STORE_FILE: &str = "grading.sqlite";

/// `grading.wait` parks its requests, so an instance takes many. What is over it waits in the queue.
const WAIT_PREFETCH: u16 = 1024;

/// Enough that one slow write does not hold up who only asks.
const PREFETCH: u16 = 16;

/// The service, with its store in `data_dir`. Serving it starts an instance; several may share the directory.
///
/// # Errors
///
/// If the store cannot be opened or made.
pub async fn service(data_dir: &Path) -> Result<Service<State>, OpenError> {
    let state = Arc::new(State::open(&data_dir.join(STORE_FILE)).await?);
    let many = MethodOptions { prefetch: Some(PREFETCH) };
    Ok(Service::new("grading", env!("CARGO_PKG_VERSION"), state)
        .method::<packages::Put, _, _>(problems::put)
        .method_with::<packages::Get, _, _>(many, problems::get)
        .method_with::<packages::List, _, _>(many, problems::list)
        .method_with::<packages::Fetch, _, _>(many, problems::fetch)
        .method_with::<grading::Submit, _, _>(many, submit::submit)
        .method_with::<grading::Get, _, _>(many, submissions::get)
        .method_with::<grading::Wait, _, _>(MethodOptions { prefetch: Some(WAIT_PREFETCH) }, submissions::wait)
        .background(|client, shutdown, state| dispatch::run(state, client, shutdown, DispatchOptions::default()))
        .background(|client, shutdown, state| outbox::run(state, client, shutdown))
        .background(|_client, shutdown, state| verdicts::watch(state, shutdown)))
}
