//! A log line about callers whose clocks are wrong, now and then: their requests may end early, and somebody should
//! know why.

use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

/// Shortest time between two lines of one endpoint.
const PAUSE: Duration = Duration::from_secs(60);

/// When the last line was written.
#[derive(Debug, Default)]
pub(super) struct SkewLog {
    last: Mutex<Option<Instant>>,
}

impl SkewLog {
    /// Logs a request whose caller's clock is off by so much; once in [`PAUSE`].
    pub(super) fn tell(&self, queue: &str, app_id: Option<&str>, skew_ms: i64) {
        if self.is_due(Instant::now()) {
            tracing::warn!(queue, app_id, skew_ms, "a caller's clock is off: its requests may end early");
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_a_line_a_minute_at_most() {
        let (log, now) = (SkewLog::default(), Instant::now());
        assert!(log.is_due(now));
        assert!(!log.is_due(now + PAUSE / 2));
        assert!(log.is_due(now + PAUSE));
    }
}
