//! The runs of handlers whose progress somebody reads, and their credit. No I/O.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Most credit that a run has at a time; more is not counted. Nothing grows with it here.
const CREDIT_MAX: usize = 1 << 16;

/// The runs of a client's instances, by the correlation ids of their requests.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    next: AtomicI64,
    /// Several under one id: a request that was delivered again, or a foreign caller's idea.
    running: Mutex<HashMap<Box<str>, Vec<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    number: i64,
    credit: Arc<Semaphore>,
    cancellation: CancellationToken,
}

/// A run, while its progress may be sent.
#[derive(Debug)]
pub(crate) struct Run {
    runs: Arc<Runs>,
    id: Box<str>,
    number: i64,
    /// Closed when progress is not wanted any more.
    credit: Arc<Semaphore>,
}

impl Runs {
    /// A handler begins, whose caller wants so much of its progress.
    pub(crate) fn begin(self: &Arc<Self>, id: &str, credit: u32, cancellation: &CancellationToken) -> Run {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let credit = Arc::new(Semaphore::new(usize::try_from(credit).map_or(CREDIT_MAX, |more| more.min(CREDIT_MAX))));
        let entry = Entry { number, credit: Arc::clone(&credit), cancellation: cancellation.clone() };
        self.lock().entry(id.into()).or_default().push(entry);
        Run { runs: Arc::clone(self), id: id.into(), number, credit }
    }

    /// A caller wants so much more of a run's progress, or nothing any more; without a number, of all runs of its
    /// request.
    pub(crate) fn grant(&self, id: &str, number: Option<i64>, more: u32) {
        let running = self.lock();
        let runs = running.get(id).into_iter().flatten();
        for run in runs.filter(|run| number.is_none_or(|number| number == run.number)) {
            match usize::try_from(more) {
                Ok(0) => run.credit.close(),
                more => {
                    let room = CREDIT_MAX.saturating_sub(run.credit.available_permits());
                    run.credit.add_permits(more.map_or(room, |more| more.min(room)));
                }
            }
        }
    }

    /// The queue of who reads is gone.
    pub(crate) fn caller_is_gone(&self, id: &str) {
        self.lock().get(id).into_iter().flatten().for_each(|run| run.cancellation.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Vec<Entry>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// What tells it from other runs of the same request.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// Waits for the credit of one message. To be forgotten when that is on its way; dropped, it is free again. An
    /// error if progress is not wanted any more.
    pub(crate) async fn credit(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.credit).acquire_owned().await
    }

    /// Whether progress is wanted, now or as soon as there is credit.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.credit.is_closed()
    }

    /// From now on progress is not wanted.
    pub(crate) fn close(&self) {
        self.credit.close();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut running = self.runs.lock();
        if let Some(runs) = running.get_mut(&self.id) {
            runs.retain(|run| run.number != self.number);
            if runs.is_empty() {
                running.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn begin(runs: &Arc<Runs>, credit: u32) -> (Run, CancellationToken) {
        let token = CancellationToken::new();
        (runs.begin("a", credit, &token), token)
    }

    /// Sends as many as it may; false at the end if progress is not wanted any more.
    fn send_all(run: &Run) -> (usize, bool) {
        let next = || run.credit().now_or_never()?.ok().map(OwnedSemaphorePermit::forget);
        let sent = std::iter::from_fn(next).count();
        (sent, run.is_wanted())
    }

    #[test]
    fn a_run_sends_what_it_has_credit_for() {
        let runs = Arc::new(Runs::default());
        let (run, _) = begin(&runs, 2);
        assert_eq!(send_all(&run), (2, true));
        runs.grant("a", Some(run.number()), 3);
        runs.grant("b", None, 5);
        runs.grant("a", Some(run.number() + 1), 5);
        assert_eq!(send_all(&run), (3, true));
        runs.grant("a", None, u32::MAX);
        runs.grant("a", None, u32::MAX);
        assert_eq!(send_all(&run), (CREDIT_MAX, true), "bounded, and no panic");
        runs.grant("a", None, 0);
        assert_eq!(send_all(&run), (0, false));
        runs.grant("a", None, 5);
        assert_eq!(send_all(&run), (0, false), "for good");
    }

    #[test]
    fn two_runs_of_one_request_are_told_apart_and_leave_nothing() {
        let runs = Arc::new(Runs::default());
        let ((one, one_token), (other, other_token)) = (begin(&runs, 0), begin(&runs, 0));
        runs.grant("a", Some(other.number()), 1);
        assert_eq!((send_all(&one), send_all(&other)), ((0, true), (1, true)));
        drop(one);
        runs.caller_is_gone("a");
        assert_eq!((one_token.is_cancelled(), other_token.is_cancelled()), (false, true));
        drop(other);
        runs.caller_is_gone("a");
        assert!(runs.lock().is_empty());
    }
}
