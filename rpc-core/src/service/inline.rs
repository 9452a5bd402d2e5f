//! Whether a handler is begun on its consumer's own task: for one that ends at once, a task of its own would cost more
//! than the handler does; for one that computes for long, it lets the next one begin beside it.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

/// Longer than what a task of its own costs, and too short for the next delivery to mind.
const SHORT: Duration = Duration::from_micros(100);

/// So long that the next delivery minds: none is begun inline to find out whether it was an exception.
const VERY_LONG: Duration = Duration::from_millis(20);

/// How many handlers get a task of their own after one that was not short.
const LONG_RUN: u32 = 256;

/// What the handlers of one consumer took lately. No I/O.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// How many more get a task of their own.
    spawned_next: AtomicU32,
    /// Whether the last one that was begun inline was not short. Once is no sign: its thread may have had to wait.
    was_long: AtomicBool,
}

impl Inline {
    /// Whether the next one is begun inline.
    pub(super) fn next(&self) -> bool {
        let left = self.spawned_next.load(Ordering::Relaxed);
        if left > 0 {
            self.spawned_next.store(left - 1, Ordering::Relaxed);
        }
        left == 0
    }

    /// One that was begun inline took so long until it ended or waited.
    pub(super) fn took(&self, duration: Duration) {
        let is_long = duration > SHORT;
        let was_long = self.was_long.swap(is_long, Ordering::Relaxed);
        if is_long && was_long || duration > VERY_LONG {
            self.spawned_next.store(LONG_RUN, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_long_ones_send_the_next_ones_to_tasks_of_their_own_for_a_while() {
        let inline = Inline::default();
        assert!(inline.next());
        inline.took(SHORT);
        assert!(inline.next());
        inline.took(SHORT * 2);
        assert!(inline.next(), "once is no sign");
        inline.took(SHORT * 2);
        assert!((0..LONG_RUN).all(|_| !inline.next()));
        assert!(inline.next());
    }

    #[test]
    fn one_very_long_one_does_so_at_once() {
        let inline = Inline::default();
        inline.took(VERY_LONG * 2);
        assert!((0..LONG_RUN).all(|_| !inline.next()));
        assert!(inline.next());
        inline.took(SHORT);
        assert!(inline.next());
    }
}
