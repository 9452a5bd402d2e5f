//! The calls that wait for a reply: a map from correlation id to a oneshot channel. No I/O.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use dashmap::DashMap;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::{BrokerError, CallError, RejectReason};

/// The pending calls of a client. Every entry is removed once: by its reply, its failure, its deadline, or its drop.
#[derive(Debug)]
pub(crate) struct PendingCalls<T> {
    calls: DashMap<Uuid, oneshot::Sender<Result<T, CallError>>>,
    in_flight: AtomicUsize,
    in_flight_max: usize,
    closed: AtomicBool,
}

/// A place in the map, freed on drop. Made before the request is published, so that a reply always finds it.
#[derive(Debug)]
pub(crate) struct PendingCall<T> {
    id: Uuid,
    outcome: oneshot::Receiver<Result<T, CallError>>,
    calls: Arc<PendingCalls<T>>,
}

impl<T> PendingCalls<T> {
    pub(crate) fn new(in_flight_max: usize) -> Arc<Self> {
        Arc::new(Self {
            calls: DashMap::new(),
            in_flight: AtomicUsize::new(0),
            in_flight_max,
            closed: AtomicBool::new(false),
        })
    }

    /// Takes a place for a new call.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<PendingCall<T>, CallError> {
        let (outcome_tx, outcome) = oneshot::channel();
        let call = PendingCall { id: Uuid::new_v4(), outcome, calls: Arc::clone(self) };
        // From here on `call` gives the place back when it is dropped, on the error paths too.
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed);
        if in_flight >= self.in_flight_max {
            return Err(RejectReason::InFlightLimit { in_flight_max: self.in_flight_max }.into());
        }
        self.calls.insert(call.id, outcome_tx);
        // After the insert: a `close` that ran before it has not seen this entry.
        if self.closed.load(Ordering::SeqCst) {
            return Err(CallError::ConnectionLost { source: None });
        }
        Ok(call)
    }

    /// Ends the call of this correlation id; false if it has ended already.
    pub(crate) fn end(&self, id: Uuid, outcome: Result<T, CallError>) -> bool {
        self.calls.remove(&id).is_some_and(|(_, call)| call.send(outcome).is_ok())
    }

    /// Whether the call of this correlation id has not ended.
    pub(crate) fn contains(&self, id: Uuid) -> bool {
        self.calls.contains_key(&id)
    }

    /// Ends all calls, and those that begin later: the connection is lost.
    pub(crate) fn close(&self, source: Option<&BrokerError>) {
        self.closed.store(true, Ordering::SeqCst);
        let ids: Vec<Uuid> = self.calls.iter().map(|entry| *entry.key()).collect();
        for id in ids {
            self.end(id, Err(CallError::ConnectionLost { source: source.cloned() }));
        }
    }

    /// Calls that have not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl<T> PendingCall<T> {
    /// The correlation id.
    pub(crate) fn id(&self) -> Uuid {
        self.id
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
        self.calls.calls.remove(&self.id);
        self.calls.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_ends_its_own_call_once() {
        let calls = PendingCalls::new(8);
        let (mut one, mut other) = (calls.begin().unwrap(), calls.begin().unwrap());
        assert!(calls.end(other.id(), Ok(2)));
        assert!(calls.end(one.id(), Ok(1)));
        assert!(!calls.end(one.id(), Ok(3)), "a call ends once");
        assert_eq!(one.outcome().await.unwrap(), 1);
        assert_eq!(other.outcome().await.unwrap(), 2);
    }

    #[test]
    fn a_dropped_call_leaves_nothing() {
        let calls = PendingCalls::<()>::new(8);
        let call = calls.begin().unwrap();
        let id = call.id();
        assert_eq!(calls.in_flight(), 1);
        assert!(calls.contains(id));
        drop(call);
        assert!(!calls.contains(id));
        assert_eq!((calls.in_flight(), calls.calls.len()), (0, 0));
        assert!(!calls.end(id, Ok(())), "a late reply finds nobody");
    }

    #[test]
    fn the_limit_is_exact_and_given_back() {
        let calls = PendingCalls::<()>::new(2);
        let held = [calls.begin().unwrap(), calls.begin().unwrap()];
        let refused = calls.begin().unwrap_err();
        assert!(matches!(refused, CallError::Rejected(RejectReason::InFlightLimit { in_flight_max: 2 })));
        drop(held);
        assert!(calls.begin().is_ok());
        assert_eq!((calls.in_flight(), calls.calls.len()), (0, 0));
    }

    #[tokio::test]
    async fn closing_ends_all_calls_and_the_later_ones() {
        let calls = PendingCalls::<()>::new(8);
        let mut call = calls.begin().unwrap();
        calls.close(None);
        assert!(matches!(call.outcome().await, Err(CallError::ConnectionLost { .. })));
        assert!(matches!(calls.begin(), Err(CallError::ConnectionLost { .. })));
        drop(call);
        assert_eq!((calls.in_flight(), calls.calls.len()), (0, 0));
    }
}
