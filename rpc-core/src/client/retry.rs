//! When a call is tried again: the rules of AWS and gRPC for retries. No I/O.
//!
//! Only on statuses that say that nothing was done, and on `unavailable` of methods that may run again; one layer only;
//! a random part of a pause that doubles; a few times, inside the one deadline; and never more than a tenth of the
//! calls, so that retries do not keep down what is down.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use crate::backoff;

/// Whether a call is tried again after `unavailable`, `resource_exhausted` or `aborted`, or when the broker did not
/// take it: then nothing was done. If a status says that the work may have been ([`MayHaveRun`](crate::MayHaveRun)),
/// only after `unavailable`, and if the method may run again. All attempts have the same call id. A service that says
/// how long to wait ([`RetryAfter`](crate::RetryAfter)) is waited for so long at least.
///
/// That a connection was lost is another matter: calls of a method that may run again
/// ([`Effect`](crate::Effect)) are sent again whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included. 0 counts as 1. Default: 5.
    pub attempts_max: u32,
    /// The longest pause before the second attempt; each later one may be twice as long. The pause is a random part
    /// of it. Default: 50 ms.
    pub pause: Duration,
    /// The longest pause of all. Default: 2 s.
    pub pause_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 5, pause: Duration::from_millis(50), pause_max: Duration::from_secs(2) }
    }
}

impl RetryPolicy {
    /// One attempt.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// The pause after so many attempts, none if there is to be no other; `part` is random, from 0 to 1.
    pub(super) fn pause_after(&self, attempts: u32, part: f64) -> Option<Duration> {
        (attempts < self.attempts_max).then(|| backoff::doubled(self.pause, self.pause_max, attempts).mul_f64(part))
    }
}

/// What retries may take of a client's calls: each call puts in a tenth of a retry, each retry takes one out.
#[derive(Debug)]
pub(super) struct RetryBudget {
    tenths: AtomicU32,
    made: AtomicU64,
}

/// What a new client may retry before it has made calls, and the most that is saved: retries, in tenths.
const SAVED_MAX: u32 = 100 * 10;

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self { tenths: AtomicU32::new(SAVED_MAX), made: AtomicU64::new(0) }
    }

    /// A call begins.
    pub(super) fn call(&self) {
        // Nothing depends on this value but itself; if it is full, it stays so.
        let _ = self
            .tenths
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tenths| (tenths < SAVED_MAX).then_some(tenths + 1));
    }

    /// Whether a retry may be made; if so, it is taken out.
    pub(super) fn retry(&self) -> bool {
        let taken = self.tenths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tenths| tenths.checked_sub(10));
        self.made.fetch_add(u64::from(taken.is_ok()), Ordering::Relaxed);
        taken.is_ok()
    }

    /// How many retries were made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_attempts_with_pauses_that_double() {
        let policy = RetryPolicy::default();
        let pauses: Vec<_> = (1..=5).map(|attempts| policy.pause_after(attempts, 1.0)).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [ms(50), ms(100), ms(200), ms(400), None]);
        assert_eq!(RetryPolicy::never().pause_after(1, 1.0), None);
        let many = RetryPolicy { attempts_max: u32::MAX, ..policy };
        assert_eq!(many.pause_after(u32::MAX - 1, 1.0), Some(policy.pause_max));
    }

    #[test]
    fn retries_are_a_tenth_of_the_calls_in_the_long_run() {
        let budget = RetryBudget::new();
        let mut retries = 0;
        for _ in 0..10_000 {
            budget.call();
            retries += u32::from(budget.retry());
        }
        assert!((1_000..=1_100).contains(&retries), "{retries}");
    }
}
