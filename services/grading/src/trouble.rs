//! What a task does that fails again and again: it pauses longer and longer, and says so now and then.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after the first failure; doubled with each.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause, so that what was mended is noticed soon.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often a failure that goes on is logged.
const LOG_PERIOD: Duration = Duration::from_secs(30);

/// Whether a step fails, and since when.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Option<Failing>);

#[derive(Debug)]
struct Failing {
    pause: Duration,
    until: Instant,
    logged_at: Instant,
}

impl Trouble {
    /// The step failed; `true` if that is to be logged: the first time, and every 30 s after.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let Some(failing) = &mut self.0 else {
            self.0 = Some(Failing { pause: PAUSE_MIN, until: now + PAUSE_MIN, logged_at: now });
            return true;
        };
        failing.pause = (failing.pause * 2).min(PAUSE_MAX);
        failing.until = now + failing.pause;
        let log = now.duration_since(failing.logged_at) >= LOG_PERIOD;
        if log {
            failing.logged_at = now;
        }
        log
    }

    /// The step succeeded; `true` if it failed before.
    pub(crate) fn ended(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// How long to wait before the next try, from `now` on; nothing if all is well.
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |failing| failing.until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_logged_at_first_and_then_every_half_minute() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let logged: Vec<u64> = (0..=65).filter(|&second| trouble.failed(start + Duration::from_secs(second))).collect();
        assert_eq!(logged, [0, 30, 60]);
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_end_with_the_failure() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert_eq!(trouble.pause(now), Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            trouble.failed(now);
            pauses.push(trouble.pause(now).as_millis());
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(trouble.pause(now + PAUSE_MAX), Duration::ZERO);
        assert!(trouble.ended() && !trouble.ended());
        assert_eq!(trouble.pause(now), Duration::ZERO);
        assert!(trouble.failed(now), "a new failure is news");
    }
}
