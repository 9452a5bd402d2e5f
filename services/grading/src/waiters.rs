//! Who waits for which verdict in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

type Parked = HashMap<String, Arc<Notify>>;

/// Wakes those who wait for a submission. Entries go when the last who waits for it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiters {
    parked: Arc<Mutex<Parked>>,
}

impl Waiters {
    /// Registers before the store is read, so that a verdict between reading and parking is not missed.
    pub(crate) fn park(&self, submission: &str) -> Waiting {
        let mut parked = self.lock();
        let notify = Arc::clone(parked.entry(submission.to_owned()).or_default());
        Waiting { waiters: self.clone(), submission: submission.to_owned(), notify }
    }

    /// Tells all who wait for it that there is a verdict in the store.
    pub(crate) fn wake(&self, submission: &str) {
        if let Some(notify) = self.lock().get(submission) {
            notify.notify_waiters();
        }
    }

    /// Nothing is done under the lock that could panic half-way.
    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits; dropping it forgets them.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Waiters,
    submission: String,
    notify: Arc<Notify>,
}

impl Waiting {
    /// The next wake-up from the moment of this call, whether or not it has been polled by then.
    pub(crate) fn woken(&self) -> impl Future<Output = ()> + '_ {
        self.notify.notified()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut parked = self.waiters.lock();
        // This one and the map's own: nobody else waits for it.
        if Arc::strong_count(&self.notify) == 2 {
            parked.remove(&self.submission);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_wake_up_before_the_first_poll_is_not_missed() {
        let waiters = Waiters::default();
        let waiting = waiters.park("a");
        let woken = waiting.woken();
        waiters.wake("b");
        waiters.wake("a");
        woken.await;
        assert!(waiting.woken().now_or_never().is_none());
    }

    #[test]
    fn the_last_who_leaves_removes_the_entry() {
        let waiters = Waiters::default();
        let (first, second) = (waiters.park("a"), waiters.park("a"));
        drop(first);
        assert!(!waiters.lock().is_empty());
        drop(second);
        assert!(waiters.lock().is_empty());
    }
}
