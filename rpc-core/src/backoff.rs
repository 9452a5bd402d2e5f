//! The pauses between attempts at one thing. No I/O.

use std::time::Duration;

/// The pause after so many attempts: `first` after one, twice as long after each further one, and never over `longest`.
pub(crate) fn doubled(first: Duration, longest: Duration, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1);
    first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_never_overflow() {
        let pause = |attempts| doubled(Duration::from_secs(1), Duration::from_secs(5), attempts).as_secs();
        assert_eq!([0, 1, 2, 3, 4, u32::MAX].map(pause), [1, 1, 2, 4, 5, 5]);
        assert_eq!(doubled(Duration::MAX, Duration::MAX, 2), Duration::MAX);
    }
}
