//! Which requests are being handled, so that their callers can cancel them; and which were cancelled before they came.
//! No I/O.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most cancelled requests that are remembered until they come; the oldest are forgotten.
const EARLY_MAX: usize = 16_384;

/// The requests of an instance, by their correlation ids.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of one id there are several when a request was handed out again while its first run still lives here.
    running: HashMap<Box<str>, Vec<(u64, CancellationToken)>>,
    /// The number of the next run.
    next: u64,
    /// Cancelled, and not here yet: with the instant at which nobody hands them out any more.
    early: HashMap<Box<str>, Instant>,
    /// The keys of `early`, the oldest first.
    order: VecDeque<Box<str>>,
}

/// A request that can be cancelled, while it lives.
#[derive(Debug)]
pub(super) struct Cancellable<'a> {
    cancels: &'a Cancels,
    id: &'a str,
    number: u64,
}

impl Cancels {
    /// A request is about to be handled. None if it was cancelled already.
    pub(super) fn begin<'a>(&'a self, id: &'a str, token: &CancellationToken) -> Option<Cancellable<'a>> {
        let mut state = self.lock();
        if state.early.remove(id).is_some() {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.running.entry(id.into()).or_default().push((number, token.clone()));
        Some(Cancellable { cancels: self, id, number })
    }

    /// A caller has given its request up; `until` is when the request would be too late anyway.
    pub(super) fn cancel(&self, id: &str, until: Instant) {
        let mut state = self.lock();
        match state.running.get(id) {
            Some(runs) => runs.iter().for_each(|(_, token)| token.cancel()),
            None => state.remember(id, until, Instant::now()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, id: &str, until: Instant, now: Instant) {
        while let Some(oldest) = self.order.front()
            && (self.order.len() >= EARLY_MAX || self.early.get(oldest).is_none_or(|until| *until <= now))
        {
            self.early.remove(oldest);
            self.order.pop_front();
        }
        if self.early.insert(id.into(), until).is_none() {
            self.order.push_back(id.into());
        }
    }
}

impl Drop for Cancellable<'_> {
    fn drop(&mut self) {
        let mut state = self.cancels.lock();
        let Some(runs) = state.running.get_mut(self.id) else { return };
        runs.retain(|(number, _)| *number != self.number);
        if runs.is_empty() {
            state.running.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn a_running_request_is_cancelled_and_its_place_is_freed() {
        let (cancels, token) = (Cancels::default(), CancellationToken::new());
        let running = cancels.begin("a", &token).unwrap();
        cancels.cancel("b", soon());
        assert!(!token.is_cancelled());
        cancels.cancel("a", soon());
        assert!(token.is_cancelled());
        drop(running);
        assert!(cancels.lock().running.is_empty());
    }

    #[tokio::test]
    async fn all_runs_of_a_request_are_cancelled_whichever_ended_first() {
        let (cancels, tokens) = (Cancels::default(), [(); 3].map(|()| CancellationToken::new()));
        let [first, second, third] = [0, 1, 2].map(|run| cancels.begin("a", &tokens[run]).unwrap());
        drop(first);
        cancels.cancel("a", soon());
        assert_eq!(tokens.each_ref().map(CancellationToken::is_cancelled), [false, true, true]);
        drop((third, second));
        assert!(cancels.lock().running.is_empty());
    }

    #[tokio::test]
    async fn a_request_that_was_cancelled_before_it_came_is_not_begun_once() {
        let (cancels, token) = (Cancels::default(), CancellationToken::new());
        cancels.cancel("a", soon());
        assert!(cancels.begin("a", &token).is_none());
        assert!(cancels.begin("a", &token).is_some());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_in_number_and_in_time() {
        let cancels = Cancels::default();
        for number in 0..EARLY_MAX + 10 {
            cancels.cancel(&number.to_string(), soon());
        }
        let remembered = || {
            let state = cancels.lock();
            (state.early.len(), state.order.len())
        };
        assert_eq!(remembered(), (EARLY_MAX, EARLY_MAX));
        assert!(cancels.begin("0", &CancellationToken::new()).is_some(), "the oldest is forgotten");
        let later = soon() + Duration::from_secs(1);
        cancels.lock().remember("late", later, later);
        assert_eq!(remembered(), (1, 1));
    }
}
