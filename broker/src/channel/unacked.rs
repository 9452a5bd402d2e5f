//! What was delivered on a channel and is not settled, by delivery tag.

use std::collections::VecDeque;

use crate::queue::QueueId;
use crate::queue::consumers::ConsumerId;
use crate::queue::ready::Entry;

/// A delivery that is not settled.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) queue: QueueId,
    /// None: it was fetched by `basic.get`.
    pub(crate) consumer: Option<ConsumerId>,
    pub(crate) entry: Entry,
}

/// The deliveries of a channel. Tags only grow, so they stand in a line; what is settled from the middle leaves a hole.
#[derive(Debug, Default)]
pub(crate) struct Unacked {
    line: VecDeque<(u64, Option<Delivery>)>,
    holes: usize,
}

impl Unacked {
    pub(crate) fn len(&self) -> usize {
        self.line.len() - self.holes
    }

    /// Adds a delivery; its tag is higher than all before.
    pub(crate) fn push(&mut self, tag: u64, delivery: Delivery) {
        self.line.push_back((tag, Some(delivery)));
    }

    /// Takes the delivery of one tag.
    pub(crate) fn take(&mut self, tag: u64) -> Option<Delivery> {
        let place = self.line.partition_point(|(other, _)| *other < tag);
        let (found, slot) = self.line.get_mut(place)?;
        if *found != tag {
            return None;
        }
        let delivery = slot.take()?;
        self.holes += 1;
        self.tidy();
        Some(delivery)
    }

    /// Takes all up to and including `tag`; all there are if it is 0. The oldest is first.
    pub(crate) fn take_up_to(&mut self, tag: u64, mut taken: impl FnMut(Delivery)) {
        while let Some((other, _)) = self.line.front() {
            if tag != 0 && *other > tag {
                break;
            }
            match self.line.pop_front() {
                Some((_, Some(delivery))) => taken(delivery),
                _ => self.holes -= 1,
            }
        }
        self.tidy();
    }

    /// Whether `tag` is one of an unsettled delivery.
    pub(crate) fn contains(&self, tag: u64) -> bool {
        let place = self.line.partition_point(|(other, _)| *other < tag);
        self.line.get(place).is_some_and(|(found, slot)| *found == tag && slot.is_some())
    }

    fn tidy(&mut self) {
        while self.line.front().is_some_and(|(_, slot)| slot.is_none()) {
            self.line.pop_front();
            self.holes -= 1;
        }
        if self.holes > 64 && self.holes > self.line.len() / 2 {
            self.line.retain(|(_, slot)| slot.is_some());
            self.holes = 0;
        }
        if self.line.is_empty() && self.line.capacity() > 64 {
            self.line = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Tick;
    use crate::message::Message;
    use proptest::prelude::*;

    fn delivery(sequence: u64) -> Delivery {
        let message = Arc::new(Message::new("e".into(), b"k", &[0, 0], b""));
        let entry = Entry { message, sequence, expires_at: Tick::NEVER, redelivered: false, deliveries: 0 };
        Delivery { queue: QueueId(1), consumer: None, entry }
    }

    proptest! {
        #[test]
        fn it_takes_what_a_sorted_map_would(steps in proptest::collection::vec((0u8..4, 1u64..60), 0..200)) {
            let mut unacked = Unacked::default();
            let mut model = std::collections::BTreeMap::new();
            let mut next = 1;
            for (step, tag) in steps {
                match step {
                    0 | 1 => {
                        unacked.push(next, delivery(next));
                        model.insert(next, ());
                        next += 1;
                    }
                    2 => prop_assert_eq!(unacked.take(tag).is_some(), model.remove(&tag).is_some()),
                    _ => {
                        let mut taken = Vec::new();
                        unacked.take_up_to(tag, |delivery| taken.push(delivery.entry.sequence));
                        let rest = model.split_off(&(tag + 1));
                        let expected: Vec<u64> = std::mem::replace(&mut model, rest).into_keys().collect();
                        prop_assert_eq!(taken, expected);
                    }
                }
                prop_assert_eq!(unacked.len(), model.len());
                prop_assert_eq!(unacked.contains(tag), model.contains_key(&tag));
            }
        }
    }
}
