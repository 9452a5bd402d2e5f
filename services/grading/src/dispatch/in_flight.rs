//! Which attempts a dispatcher works on: the ones whose claims it renews.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ids of the attempts that are worked on.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashSet<String>>);

impl InFlight {
    /// Counts an attempt until what it gives is dropped: at its end, be it by a panic.
    pub(super) fn enter(self: &Arc<Self>, attempt: &str) -> Entered {
        self.attempts_mut().insert(attempt.to_owned());
        Entered { in_flight: Arc::clone(self), attempt: attempt.to_owned() }
    }

    pub(super) fn attempts(&self) -> Vec<String> {
        self.attempts_mut().iter().cloned().collect()
    }

    fn attempts_mut(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that is worked on.
#[derive(Debug)]
pub(super) struct Entered {
    in_flight: Arc<InFlight>,
    attempt: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.in_flight.attempts_mut().remove(&self.attempt);
    }
}
