//! The attempts that wait for a reply: a map from correlation id to a oneshot channel. No I/O.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use dashmap::DashMap;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::{BrokerError, CallError};

/// Pending attempts for which the map keeps room when there are none.
const KEPT: usize = 1024;

/// The pending attempts of one connection. Every entry is removed once: by its reply, its failure, or its drop.
#[derive(Debug)]
pub(crate) struct PendingCalls<T> {
    /// What the correlation ids of this connection begin with.
    prefix: String,
    next: AtomicU64,
    calls: DashMap<u64, oneshot::Sender<Result<T, CallError>>>,
    /// How many there are.
    live: AtomicUsize,
    /// Whether there were more than [`KEPT`] since the map was empty.
    has_grown: AtomicBool,
    closed: AtomicBool,
}

/// A place in the map, freed on drop. Made before the request is published, so that a reply always finds it.
#[derive(Debug)]
pub(crate) struct PendingCall<T> {
    number: u64,
    outcome: oneshot::Receiver<Result<T, CallError>>,
    calls: Arc<PendingCalls<T>>,
}

impl<T> PendingCalls<T> {
    pub(crate) fn new() -> Arc<Self> {
        // 64 random bits make the ids unique among all clients of a broker; within one, the number does.
        let random = Uuid::new_v4().as_u64_pair().1;
        Arc::new(Self {
            prefix: format!("{random:016x}."),
            next: AtomicU64::new(0),
            calls: DashMap::new(),
            live: AtomicUsize::new(0),
            has_grown: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// What the correlation ids of this connection begin with; the number of the attempt follows.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Takes a place for a new attempt; none if the connection is lost.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<PendingCall<T>> {
        let (outcome_tx, outcome) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let call = PendingCall { number, outcome, calls: Arc::clone(self) };
        self.calls.insert(number, outcome_tx);
        if self.live.fetch_add(1, Ordering::Relaxed) >= KEPT {
            self.has_grown.store(true, Ordering::Relaxed);
        }
        // After the insert: a `close` that ran before it has not seen this entry.
        (!self.closed.load(Ordering::SeqCst)).then_some(call)
    }

    /// The number in a correlation id of this connection.
    pub(crate) fn number(&self, correlation_id: &str) -> Option<u64> {
        correlation_id.strip_prefix(self.prefix.as_str())?.parse().ok()
    }

    /// Ends an attempt; false if it has ended already.
    pub(crate) fn end(&self, number: u64, outcome: Result<T, CallError>) -> bool {
        self.calls.remove(&number).is_some_and(|(_, call)| call.send(outcome).is_ok())
    }

    /// Whether an attempt has not ended.
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.calls.contains_key(&number)
    }

    /// Ends all attempts, and those that begin later: the connection is lost.
    pub(crate) fn close(&self, source: Option<&BrokerError>) {
        self.closed.store(true, Ordering::SeqCst);
        let numbers: Vec<u64> = self.calls.iter().map(|entry| *entry.key()).collect();
        for number in numbers {
            self.end(number, Err(CallError::ConnectionLost { source: source.cloned() }));
        }
    }
}

impl<T> PendingCall<T> {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Waits for the end. Dropping the future leaves the place to be freed with the guard.
    pub(crate) async fn outcome(&mut self) -> Result<T, CallError> {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallError::ConnectionLost { source: None }),
        }
    }
}

impl<T> Drop for PendingCall<T> {
    fn drop(&mut self) {
        let PendingCalls { calls, live, has_grown, .. } = &*self.calls;
        calls.remove(&self.number);
        let is_last = live.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last && has_grown.swap(false, Ordering::Relaxed) {
            calls.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_ends_its_own_call_once() {
        let calls = PendingCalls::new();
        let (mut one, mut other) = (calls.begin().unwrap(), calls.begin().unwrap());
        assert!(calls.end(other.number(), Ok(2)));
        assert!(calls.end(one.number(), Ok(1)));
        assert!(!calls.end(one.number(), Ok(3)), "a call ends once");
        assert_eq!(one.outcome().await.unwrap(), 1);
        assert_eq!(other.outcome().await.unwrap(), 2);
    }

    #[test]
    fn a_correlation_id_is_read_back_by_its_own_connection_only() {
        let (calls, others) = (PendingCalls::<()>::new(), PendingCalls::<()>::new());
        let (_first, second) = (calls.begin().unwrap(), calls.begin().unwrap());
        let id = format!("{}{}", calls.prefix(), second.number());
        assert_eq!(calls.number(&id), Some(second.number()));
        assert_eq!(others.number(&id), None);
        assert_eq!(calls.number("5"), None);
    }

    #[test]
    fn a_dropped_call_leaves_nothing() {
        let calls = PendingCalls::<()>::new();
        let call = calls.begin().unwrap();
        let number = call.number();
        assert!(calls.contains(number));
        drop(call);
        assert!(!calls.contains(number));
        assert_eq!(calls.calls.len(), 0);
        assert!(!calls.end(number, Ok(())), "a late reply finds nobody");
    }

    #[test]
    fn what_many_calls_took_is_given_back_after_them() {
        let calls = PendingCalls::<()>::new();
        let many: Vec<_> = (0..KEPT * 8).map(|_| calls.begin().unwrap()).collect();
        assert!(calls.calls.capacity() >= many.len());
        drop(many);
        assert!(calls.calls.capacity() < KEPT, "{}", calls.calls.capacity());
    }

    #[tokio::test]
    async fn closing_ends_all_calls_and_the_later_ones() {
        let calls = PendingCalls::<()>::new();
        let mut call = calls.begin().unwrap();
        calls.close(None);
        assert!(matches!(call.outcome().await, Err(CallError::ConnectionLost { .. })));
        assert!(calls.begin().is_none());
        drop(call);
        assert_eq!(calls.calls.len(), 0);
    }
}
