//! How many calls of a client have not ended. No I/O.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::error::RejectReason;

/// Counts calls up to a limit.
#[derive(Debug)]
pub(super) struct InFlight {
    count: AtomicUsize,
    max: usize,
}

/// A call's place, given back on drop.
#[derive(Debug)]
pub(super) struct Place(Arc<InFlight>);

impl InFlight {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), max })
    }

    /// Takes a place.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, RejectReason> {
        // From here on `place` gives it back when it is dropped, if it is refused too.
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        if before < self.max { Ok(place) } else { Err(RejectReason::InFlightLimit { in_flight_max: self.max }) }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact_and_given_back() {
        let calls = InFlight::new(2);
        let held = [calls.enter().unwrap(), calls.enter().unwrap()];
        assert!(matches!(calls.enter(), Err(RejectReason::InFlightLimit { in_flight_max: 2 })));
        assert_eq!(calls.count(), 2);
        drop(held);
        assert!(calls.enter().is_ok());
        assert_eq!(calls.count(), 0);
    }
}
