//! What a delayed connection holds back: a fault. Each piece waits for the whole delay from the moment when it came,
//! and not for those before it to be done with.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A line of pieces, each with the moment when it came.
#[derive(Debug)]
pub(super) struct Delayed<T> {
    line: VecDeque<(Instant, T)>,
}

impl<T> Delayed<T> {
    pub(super) fn new() -> Delayed<T> {
        Delayed { line: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// The piece that came last.
    pub(super) fn last(&self) -> Option<&T> {
        self.line.back().map(|(_, piece)| piece)
    }

    pub(super) fn push(&mut self, piece: T) {
        self.line.push_back((Instant::now(), piece));
    }

    /// When the first piece may go on, by the delay as it is now: a shorter one holds for what waits already.
    pub(super) fn due(&self, delay: Duration) -> Option<Instant> {
        self.line.front().map(|(came, _)| *came + delay)
    }

    /// The first piece, if it has waited for long enough.
    pub(super) fn take_due(&mut self, delay: Duration) -> Option<T> {
        let is_due = delay.is_zero() || self.due(delay)? <= Instant::now();
        if is_due { self.line.pop_front().map(|(_, piece)| piece) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_piece_waits_for_itself() {
        let mut delayed = Delayed::new();
        delayed.push(1);
        tokio::time::advance(DELAY / 2).await;
        delayed.push(2);
        assert_eq!(delayed.take_due(DELAY), None);
        tokio::time::advance(DELAY / 2).await;
        assert_eq!((delayed.take_due(DELAY), delayed.take_due(DELAY)), (Some(1), None));
        tokio::time::advance(DELAY / 2).await;
        assert_eq!(delayed.take_due(DELAY), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn no_delay_any_more_lets_everything_go() {
        let mut delayed = Delayed::new();
        (0..3).for_each(|piece| delayed.push(piece));
        assert_eq!(delayed.take_due(DELAY), None);
        let rest: Vec<i32> = std::iter::from_fn(|| delayed.take_due(Duration::ZERO)).collect();
        assert_eq!(rest, [0, 1, 2]);
        assert!(delayed.is_empty());
    }
}
