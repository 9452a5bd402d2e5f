//! Time as queues keep it: microseconds since the broker began, monotonic, eight bytes.

use std::time::{Duration, Instant};

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// Later than any moment that comes.
    pub(crate) const NEVER: Tick = Tick(u64::MAX);

    /// So many milliseconds later.
    pub(crate) fn after_ms(self, milliseconds: u64) -> Tick {
        Tick(self.0.saturating_add(milliseconds.saturating_mul(1000)))
    }
}

/// Where ticks come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Tick {
        Tick(u64::try_from(self.origin.elapsed().as_micros()).expect("half a million years"))
    }

    pub(crate) fn instant(self, tick: Tick) -> Instant {
        self.origin + Duration::from_micros(tick.0)
    }
}
