//! How many submissions are with runners at a time, and when to ask again if there is no runner.

use std::time::Duration;

use tokio::time::Instant;

/// How long after the first refusal a runner is asked for again; doubled with each.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause, so that runners that come back get work soon.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// The window of submissions in flight.
///
/// It shrinks to half when the deadline passes on one, for then requests lie in the broker's queue for too long, and
/// grows by one with every answer. While no runner is there it is closed, but for one submission after each pause.
#[derive(Debug)]
pub(crate) struct Pace {
    window: usize,
    window_max: usize,
    away: Option<Away>,
}

/// There is no runner.
#[derive(Clone, Copy, Debug)]
struct Away {
    pause: Duration,
    until: Instant,
}

impl Pace {
    /// At most `window_max` in flight.
    pub(crate) fn new(window_max: usize) -> Self {
        let window_max = window_max.max(1);
        Self { window: window_max, window_max, away: None }
    }

    /// How many more may go.
    pub(crate) fn room(&self, in_flight: usize, now: Instant) -> usize {
        match self.away {
            Some(away) if now < away.until => 0,
            Some(_) => 1_usize.saturating_sub(in_flight),
            None => self.window.saturating_sub(in_flight),
        }
    }

    /// A runner answered, with a verdict or not; `true` if there was none before.
    pub(crate) fn answered(&mut self) -> bool {
        self.window = (self.window + 1).min(self.window_max);
        self.away.take().is_some()
    }

    /// The deadline passed on a submission.
    pub(crate) fn overdue(&mut self) {
        self.window = (self.window / 2).max(1);
    }

    /// There is no runner; `true` if there was one before.
    pub(crate) fn unavailable(&mut self, now: Instant) -> bool {
        let pause = match self.away {
            // One that was sent before the others came back.
            Some(away) if now < away.until => return false,
            Some(away) => (away.pause * 2).min(PAUSE_MAX),
            None => PAUSE_MIN,
        };
        self.away.replace(Away { pause, until: now + pause }).is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_in_flight_takes_room() {
        let (pace, now) = (Pace::new(4), Instant::now());
        assert_eq!((pace.room(0, now), pace.room(3, now), pace.room(9, now)), (4, 1, 0));
    }

    #[test]
    fn without_a_runner_one_goes_after_each_pause_and_pauses_grow() {
        let (mut pace, start) = (Pace::new(64), Instant::now());
        assert!(pace.unavailable(start));
        assert!(!pace.unavailable(start), "the others in flight say the same");
        assert_eq!(pace.room(0, start), 0);
        let probe = start + PAUSE_MIN;
        assert_eq!((pace.room(0, probe), pace.room(1, probe)), (1, 0));
        assert!(!pace.unavailable(probe));
        assert_eq!(pace.room(0, probe + PAUSE_MIN), 0);
        assert_eq!(pace.room(0, probe + PAUSE_MIN * 2), 1);
    }

    #[test]
    fn a_runner_that_is_back_opens_the_window() {
        let (mut pace, now) = (Pace::new(64), Instant::now());
        assert!(!pace.answered());
        pace.unavailable(now);
        assert!(pace.answered());
        assert_eq!(pace.room(0, now), 64);
    }

    proptest! {
        #[test]
        fn there_is_always_room_for_one_in_time(
            events in proptest::collection::vec(0..3_u8, 0..60), window_max in 0..100_usize
        ) {
            let (mut pace, mut now) = (Pace::new(window_max), Instant::now());
            for event in events {
                match event {
                    0 => { pace.answered(); }
                    1 => pace.overdue(),
                    _ => { pace.unavailable(now); }
                }
                now += PAUSE_MIN / 3;
                prop_assert!(pace.room(0, now) <= window_max.max(1));
                prop_assert!(pace.room(0, now + PAUSE_MAX) >= 1);
            }
        }
    }
}
