//! The messages that wait, in order: by priority, then by age. What comes back goes to its old place, or before all
//! others.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Tick;
use crate::message::Message;

/// A message in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    /// Its place: lower is older.
    pub(crate) sequence: u64,
    pub(crate) expires_at: Tick,
    pub(crate) redelivered: bool,
    /// How often it was given out and came back.
    pub(crate) deliveries: u32,
}

/// A queue's waiting messages.
#[derive(Debug)]
pub(crate) struct Ready {
    /// One line a priority, the lowest first; a queue without priorities has one. With `returns_first`, what came back
    /// stands in one more.
    lines: Vec<VecDeque<Entry>>,
    /// What is put back goes before everything else, in the order in which it came back, as in a quorum queue.
    returns_first: bool,
    length: usize,
    body_bytes: usize,
}

impl Ready {
    pub(crate) fn new(max_priority: u8, returns_first: bool) -> Ready {
        let lines = vec![VecDeque::new(); usize::from(max_priority) + 1 + usize::from(returns_first)];
        Ready { lines, returns_first, length: 0, body_bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bodies' bytes together: what `x-max-length-bytes` limits.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    fn line(&mut self, entry: &Entry) -> &mut VecDeque<Entry> {
        let highest = self.lines.len() - 1 - usize::from(self.returns_first);
        &mut self.lines[usize::from(entry.message.traits.priority).min(highest)]
    }

    fn count(&mut self, entry: &Entry) {
        self.length += 1;
        self.body_bytes += entry.message.body().len();
    }

    /// Puts a new entry behind all of its priority.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.count(&entry);
        self.line(&entry).push_back(entry);
    }

    /// Puts an entry back: where it stood, or behind what came back before it.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.count(&entry);
        if self.returns_first
            && let Some(returned) = self.lines.last_mut()
        {
            returned.push_back(entry);
            return;
        }
        let line = self.line(&entry);
        if line.front().is_none_or(|front| entry.sequence < front.sequence) {
            line.push_front(entry);
        } else {
            let place = line.partition_point(|other| other.sequence < entry.sequence);
            line.insert(place, entry);
        }
    }

    /// The next entry: the oldest of the highest priority.
    pub(crate) fn head(&self) -> Option<&Entry> {
        self.lines.iter().rev().find_map(VecDeque::front)
    }

    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let line = self.lines.iter_mut().rev().find(|line| !line.is_empty())?;
        let entry = line.pop_front()?;
        if line.is_empty() && line.capacity() > 64 {
            // A queue that was long once gives its memory back.
            *line = VecDeque::new();
        }
        self.length -= 1;
        self.body_bytes -= entry.message.body().len();
        Some(entry)
    }

    /// Takes everything away and says how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        let count = self.length;
        self.lines.iter_mut().for_each(|line| *line = VecDeque::new());
        (self.length, self.body_bytes) = (0, 0);
        count
    }

    /// Keeps what `keep` says.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        self.lines.iter_mut().for_each(|line| line.retain(&keep));
        let entries = || self.lines.iter().flatten();
        (self.length, self.body_bytes) = (entries().count(), entries().map(|entry| entry.message.body().len()).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(sequence: u64, priority: u8) -> Entry {
        let message = Message::new("e".into(), b"k", &[0x08, 0x00, priority], b"12345");
        Entry { message: Arc::new(message), sequence, expires_at: Tick::NEVER, redelivered: false, deliveries: 0 }
    }

    #[test]
    fn higher_priorities_go_first_and_too_high_ones_are_the_highest() {
        let mut ready = Ready::new(5, false);
        for (sequence, priority) in [(0, 0), (1, 5), (2, 9), (3, 1)] {
            ready.push(entry(sequence, priority));
        }
        let order: Vec<u64> = std::iter::from_fn(|| ready.pop()).map(|entry| entry.sequence).collect();
        assert_eq!(order, [1, 2, 3, 0]);
    }

    #[test]
    fn what_comes_back_to_a_quorum_queue_goes_first_in_its_own_order() {
        let mut ready = Ready::new(0, true);
        (0..4).for_each(|sequence| ready.push(entry(sequence, 0)));
        let (first, second) = (ready.pop().unwrap(), ready.pop().unwrap());
        ready.put_back(second);
        ready.put_back(first);
        assert_eq!(ready.head().unwrap().sequence, 1);
        let order: Vec<u64> = std::iter::from_fn(|| ready.pop()).map(|entry| entry.sequence).collect();
        assert_eq!(order, [1, 0, 2, 3]);
    }

    #[test]
    fn an_entry_is_as_small_as_it_can_be() {
        assert_eq!(std::mem::size_of::<Entry>(), 32);
    }

    proptest! {
        #[test]
        fn what_comes_back_stands_where_it_stood(
            taken in 0usize..20,
            order in proptest::collection::vec(any::<u16>(), 20),
        ) {
            let mut ready = Ready::new(0, false);
            (0..20).for_each(|sequence| ready.push(entry(sequence, 0)));
            let mut out: Vec<Entry> = (0..taken).filter_map(|_| ready.pop()).collect();
            out.sort_by_key(|entry| order[usize::try_from(entry.sequence).unwrap()]);
            out.into_iter().for_each(|entry| ready.put_back(entry));
            prop_assert_eq!(ready.len(), 20);
            prop_assert_eq!(ready.body_bytes(), 100);
            let order: Vec<u64> = std::iter::from_fn(|| ready.pop()).map(|entry| entry.sequence).collect();
            prop_assert_eq!(order, (0..20).collect::<Vec<u64>>());
        }
    }
}
