//! When something is over. No I/O.

use std::time::Duration;

use tokio::time::Instant;

/// Longer than anything takes or is kept, shorter than what overflows an instant.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When what begins now is over: after so long at most, and at the deadline of what it is a part of.
pub(crate) fn ends_at(longest: Duration, deadline: Option<Instant>) -> Instant {
    let own = Instant::now() + longest.min(LONGEST);
    deadline.map_or(own, |deadline| deadline.min(own))
}

/// How long until then; zero if it has passed.
pub(crate) fn remaining(ends_at: Instant) -> Duration {
    ends_at.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earlier_one_counts_and_none_overflows() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(ends_at(second, None), now + second);
        assert_eq!(ends_at(2 * second, Some(now + second)), now + second);
        assert_eq!(ends_at(second, Some(now + 2 * second)), now + second);
        assert_eq!(ends_at(Duration::MAX, None), now + LONGEST);
    }
}
