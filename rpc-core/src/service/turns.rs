//! Requests of one call that are here at the same time: one is handled, the others wait for its end. No I/O.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::once::CallKey;

/// The calls of a `Once` method that are being handled by this process: by all instances of one
/// [`Service`](crate::Service). As many as there are deliveries that are not settled, so the prefetch bounds them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    calls: Mutex<HashMap<CallKey, Call>>,
}

#[derive(Debug)]
struct Call {
    /// With one permit, handed on in the order of coming.
    turn: Arc<Semaphore>,
    /// The one whose turn it is, and those that wait.
    requests: usize,
}

/// A request whose turn it is, or that waits for it. Dropped, it is the next one's.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    call: CallKey,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits until no other request of the same call is being handled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the request out of the row.
    pub(super) async fn wait(self: &Arc<Self>, call: &CallKey) -> Turn {
        let (turn, mut waiting) = self.queue_up(call);
        waiting.permit = Some(turn.acquire_owned().await.expect("the semaphore is never closed"));
        waiting
    }

    fn queue_up(self: &Arc<Self>, call: &CallKey) -> (Arc<Semaphore>, Turn) {
        let mut calls = self.lock();
        let entry = calls.entry(call.clone());
        let known = entry.or_insert_with(|| Call { turn: Arc::new(Semaphore::new(1)), requests: 0 });
        known.requests += 1;
        (Arc::clone(&known.turn), Turn { turns: Arc::clone(self), call: call.clone(), permit: None })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallKey, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut calls = self.turns.lock();
        // Before the place is freed: who comes then begins a row of its own.
        self.permit = None;
        let Some(call) = calls.get_mut(&self.call) else { return };
        call.requests -= 1;
        if call.requests == 0 {
            calls.remove(&self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::codec::Codec;

    fn call(id: &str) -> CallKey {
        CallKey::new("test.once", id, Codec::Json, b"1")
    }

    #[tokio::test]
    async fn requests_of_one_call_take_turns_and_others_do_not_wait() {
        let turns = Arc::new(Turns::default());
        let first = turns.wait(&call("a")).await;
        let other = turns.wait(&call("b")).await;
        let (again, call_a) = (Arc::clone(&turns), call("a"));
        let mut second = Box::pin(again.wait(&call_a));
        assert!(second.as_mut().now_or_never().is_none());
        drop((first, other));
        drop(second.await);
        assert!(turns.lock().is_empty());
    }

    #[tokio::test]
    async fn who_stops_waiting_lets_the_next_one_pass_and_leaves_nothing() {
        let turns = Arc::new(Turns::default());
        let first = turns.wait(&call("a")).await;
        let (call_a, call_a_too) = (call("a"), call("a"));
        let mut second = Box::pin(turns.wait(&call_a));
        let mut third = Box::pin(turns.wait(&call_a_too));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        drop(third.await);
        assert!(turns.lock().is_empty());
    }
}
