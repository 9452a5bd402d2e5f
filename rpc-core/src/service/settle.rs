//! Settling deliveries: each once, and together where AMQP can.
//!
//! A delivery is settled by consuming its [`Unsettled`]. What has been settled since the last look goes to the broker
//! as one `basic.ack` with `multiple`, as far as no earlier delivery is open.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::amqp::Settle;

/// A delivery that is not settled. Dropped, it stays so, and the broker hands it out again when its channel closes.
#[derive(Debug)]
pub(crate) struct Unsettled {
    tag: u64,
    news: mpsc::UnboundedSender<News>,
    /// What waits for the handlers waits for this, too.
    token: TaskTrackerToken,
    /// Whether anybody wants to know when its reply is about to be written.
    tells_answered: bool,
}

/// What is new of a delivery. Unbounded as a channel: the consumers' prefetch bounds how many there are.
#[derive(Debug)]
pub(super) enum News {
    /// Its reply is about to be written.
    Answered(u64),
    Settled(Order),
}

/// What shall become of a delivery.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) tag: u64,
    pub(super) settle: Settle,
    /// Let go of when the broker has been told.
    pub(super) _token: TaskTrackerToken,
}

impl Unsettled {
    pub(super) fn new(
        tag: u64,
        news: mpsc::UnboundedSender<News>,
        token: TaskTrackerToken,
        tells_answered: bool,
    ) -> Self {
        Self { tag, news, token, tells_answered }
    }

    /// Waits until it cannot be settled any more: its connection is lost, and the broker hands it out again.
    pub(super) async fn lost(&self) {
        self.news.closed().await;
    }

    /// Its reply is about to be written: from now on it counts as answered.
    pub(crate) fn answered(&self) {
        if self.tells_answered {
            let _ = self.news.send(News::Answered(self.tag));
        }
    }

    pub(crate) fn settle(self, settle: Settle) {
        // An error means that the channel is gone: the broker hands the delivery out again.
        let _ = self.news.send(News::Settled(Order { tag: self.tag, settle, _token: self.token }));
    }
}

/// What is to be told to the broker: with `multiple`, about this delivery and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) tag: u64,
    pub(super) settle: Settle,
    pub(super) multiple: bool,
}

/// The deliveries of a channel that are not settled. No I/O. Holds no more than the consumers' prefetch lets
/// through, however long one of them stays open.
#[derive(Debug, Default)]
pub(super) struct Window {
    open: BTreeSet<u64>,
    /// Not told to the broker.
    settled: Vec<(u64, Settle)>,
}

impl Window {
    /// A delivery came.
    pub(super) fn arrived(&mut self, tag: u64) {
        self.open.insert(tag);
    }

    /// What shall become of a delivery; [`take`](Self::take) says it to the broker.
    pub(super) fn settle(&mut self, tag: u64, settle: Settle) {
        if self.open.remove(&tag) {
            self.settled.push((tag, settle));
        }
    }

    /// What is to be told to the broker about all that was settled since the last time.
    pub(super) fn take(&mut self) -> Vec<Command> {
        self.settled.sort_unstable_by_key(|(tag, _)| *tag);
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        let mut commands: Vec<Command> = Vec::new();
        for (tag, settle) in self.settled.drain(..) {
            match commands.last_mut() {
                // Acks run together, as far as nothing is open. Behind that one by one, for its sake.
                Some(last) if tag < first_open && (last.settle, settle) == (Settle::Ack, Settle::Ack) => {
                    *last = Command { tag, settle, multiple: true };
                }
                _ => commands.push(Command { tag, settle, multiple: false }),
            }
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settled(window: &mut Window, tags: &[u64]) -> Vec<Command> {
        tags.iter().for_each(|tag| window.settle(*tag, Settle::Ack));
        window.take()
    }

    fn window(tags: std::ops::RangeInclusive<u64>) -> Window {
        let mut window = Window::default();
        tags.for_each(|tag| window.arrived(tag));
        window
    }

    fn ack(tag: u64, multiple: bool) -> Command {
        Command { tag, settle: Settle::Ack, multiple }
    }

    #[test]
    fn what_is_settled_from_the_front_is_acked_at_once() {
        let mut window = window(1..=5);
        assert_eq!(settled(&mut window, &[3, 1, 2]), [ack(3, true)]);
        assert_eq!(settled(&mut window, &[4]), [ack(4, false)]);
        assert_eq!(settled(&mut window, &[]), []);
    }

    #[test]
    fn an_open_delivery_is_never_acked_with_those_behind_it() {
        let mut window = window(1..=4);
        assert_eq!(settled(&mut window, &[2, 4]), [ack(2, false), ack(4, false)]);
        assert_eq!(settled(&mut window, &[1]), [ack(1, false)], "2 is told already");
        assert_eq!(settled(&mut window, &[3]), [ack(3, false)]);
    }

    #[test]
    fn a_rejected_one_stands_for_itself() {
        let mut window = window(1..=5);
        window.settle(3, Settle::Reject);
        let commands = settled(&mut window, &[1, 2, 4, 5]);
        let reject = Command { tag: 3, settle: Settle::Reject, multiple: false };
        assert_eq!(commands, [ack(2, true), reject, ack(5, true)]);
    }

    #[test]
    fn one_that_stays_open_keeps_nothing_of_the_others() {
        let mut window = window(1..=1);
        for tag in 2..=10_000 {
            window.arrived(tag);
            assert_eq!(settled(&mut window, &[tag]), [ack(tag, false)]);
        }
        assert_eq!((window.open.len(), window.settled.len()), (1, 0));
        assert_eq!(settled(&mut window, &[1]), [ack(1, false)]);
    }

    proptest! {
        #[test]
        fn each_is_settled_once_and_as_it_was_asked(
            how in proptest::collection::vec((0..3_u8, 0..4_u8), 1..60),
        ) {
            let mut window = window(1..=how.len() as u64);
            let mut told = std::collections::BTreeMap::new();
            for round in 0..4 {
                for (tag, (settle, _)) in (1..).zip(&how).filter(|(_, (_, at))| *at == round) {
                    window.settle(tag, [Settle::Ack, Settle::PutBack, Settle::Reject][usize::from(*settle)]);
                }
                for Command { tag: last, settle, multiple } in window.take() {
                    prop_assert!(!multiple || window.open.iter().all(|open| *open > last), "an open one is acked");
                    let first = if multiple { 1 } else { last };
                    for tag in first..=last {
                        // `multiple` says nothing about what was settled before.
                        let before = told.entry(tag).or_insert(settle);
                        prop_assert!(multiple || *before == settle);
                    }
                }
            }
            for (tag, (settle, _)) in (1..).zip(&how) {
                let asked = [Settle::Ack, Settle::PutBack, Settle::Reject][usize::from(*settle)];
                prop_assert_eq!(told.get(&tag), Some(&asked));
            }
        }
    }
}
