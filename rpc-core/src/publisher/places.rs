//! Which message is written next, so that a queue that does not confirm does not take the places of all. No I/O.
//!
//! A place is taken by a message that is written and not confirmed. A queue takes no more of them than it leaves free:
//! alone half of all, and another half of what is left then. (The threshold of Choudhury and Hahne, "Dynamic queue
//! length thresholds for shared-memory packet switches", 1998.) Whatever is over its share waits here, in its order,
//! and lets those pass that go elsewhere.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
};

/// Where a message goes, by its hash: two queues that share one share its places, too.
pub(super) type Target = u64;

/// Places, and the messages that wait for one.
#[derive(Debug)]
pub(super) struct Places<M> {
    hasher: RandomState,
    free: usize,
    /// Those that have any.
    taken: HashMap<Target, usize>,
    waiting: HashMap<Target, VecDeque<M>>,
    /// The keys of `waiting`, in the order in which they are looked at.
    order: VecDeque<Target>,
    waiting_count: usize,
    /// With so many waiting, those that nobody wants any more are looked for.
    sweep_at: usize,
    /// Whether a place was given back since all of `waiting` were looked at.
    is_changed: bool,
}

impl<M> Places<M> {
    /// Fewer are not worth a look for those that nobody wants.
    const SWEEP_MIN: usize = 1024;

    pub(super) fn new(places: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            free: places,
            taken: HashMap::new(),
            waiting: HashMap::new(),
            order: VecDeque::new(),
            waiting_count: 0,
            sweep_at: Self::SWEEP_MIN,
            is_changed: false,
        }
    }

    pub(super) fn target(&self, of: impl Hash) -> Target {
        self.hasher.hash_one(of)
    }

    /// A message that has its place now; or none, and it waits behind those that go where it goes.
    pub(super) fn enter(&mut self, target: Target, message: M, is_wanted: impl Fn(&M) -> bool) -> Option<M> {
        if !self.waiting.contains_key(&target) && self.take(target) {
            return Some(message);
        }
        if self.waiting_count >= self.sweep_at {
            self.sweep(is_wanted);
        }
        self.waiting_count += 1;
        let waiting = self.waiting.entry(target).or_default();
        if waiting.is_empty() {
            self.order.push_back(target);
        }
        waiting.push_back(message);
        None
    }

    /// A message was confirmed, or will not be.
    pub(super) fn give_back(&mut self, target: Target) {
        if let Some(taken) = self.taken.get_mut(&target) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&target);
            }
            self.free += 1;
            self.is_changed = true;
        }
    }

    /// The next one of those that wait that has a place now; targets have it in turn.
    pub(super) fn next(&mut self) -> Option<(Target, M)> {
        if !self.is_changed {
            return None;
        }
        for _ in 0..self.order.len() {
            let target = self.order.pop_front()?;
            if self.take(target) {
                let waiting = self.waiting.get_mut(&target)?;
                let message = waiting.pop_front()?;
                self.waiting_count -= 1;
                if waiting.is_empty() {
                    self.waiting.remove(&target);
                } else {
                    self.order.push_back(target);
                }
                return Some((target, message));
            }
            self.order.push_back(target);
        }
        self.is_changed = false;
        None
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting_count
    }

    /// All that wait.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = M> {
        self.waiting.into_values().flatten()
    }

    fn take(&mut self, target: Target) -> bool {
        let taken = self.taken.get(&target).copied().unwrap_or_default();
        let has_place = taken < self.free;
        if has_place {
            self.taken.insert(target, taken + 1);
            self.free -= 1;
        }
        has_place
    }

    /// Forgets messages that nobody wants any more: so there are twice as many as somebody wants, at most.
    fn sweep(&mut self, is_wanted: impl Fn(&M) -> bool) {
        self.waiting.values_mut().for_each(|waiting| waiting.retain(&is_wanted));
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        self.order.retain(|target| self.waiting.contains_key(target));
        self.waiting_count = self.waiting.values().map(VecDeque::len).sum();
        self.sweep_at = (self.waiting_count * 2).max(Self::SWEEP_MIN);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn enter(places: &mut Places<usize>, target: Target, count: usize) -> usize {
        (0..count).filter_map(|message| places.enter(target, message, |_| true)).count()
    }

    #[test]
    fn a_queue_that_does_not_confirm_leaves_places_to_others() {
        let mut places = Places::new(2048);
        assert_eq!(enter(&mut places, 1, 5000), 1024);
        assert_eq!(enter(&mut places, 2, 300), 300);
        assert_eq!(places.next(), None);
        (0..300).for_each(|_| places.give_back(2));
        assert_eq!(places.next(), None, "its own are not confirmed");
        places.give_back(1);
        assert_eq!(places.next(), Some((1, 1024)));
        assert_eq!((places.next(), places.waiting()), (None, 5000 - 1025));
    }

    #[test]
    fn what_nobody_wants_any_more_does_not_wait_for_ever() {
        let mut places = Places::new(2);
        assert_eq!(enter(&mut places, 1, 1), 1);
        for message in 0..100_000_usize {
            assert_eq!(places.enter(1, message, |waiting| message - waiting < 10), None);
            assert!(places.waiting() <= Places::<usize>::SWEEP_MIN + 1);
        }
        assert_eq!(places.enter(2, 1, |_| true), Some(1));
    }

    #[test]
    fn a_target_is_the_same_only_for_the_same() {
        let places = Places::<()>::new(1);
        assert_eq!(places.target(("", "a")), places.target(("", "a")));
        assert_ne!(places.target(("", "a")), places.target(("a", "")));
    }

    proptest! {
        #[test]
        fn each_has_its_place_once_in_its_order_and_there_are_never_too_many(
            steps in proptest::collection::vec((0..6_u64, any::<bool>()), 1..400),
        ) {
            const PLACES: usize = 12;
            let mut places = Places::new(PLACES);
            // How many entered, how many had their place, and how many of these have given it back.
            let mut counts = BTreeMap::<Target, (usize, usize, usize)>::new();
            let written = |counts: &BTreeMap<_, (usize, usize, usize)>| {
                counts.values().map(|(_, written, confirmed)| written - confirmed).sum::<usize>()
            };
            let drain: Vec<_> = (0..6).cycle().take(6 * steps.len()).map(|target| (target, false)).collect();
            for (target, enters) in steps.into_iter().chain(drain) {
                let count = counts.entry(target).or_default();
                if enters {
                    count.0 += 1;
                    if let Some(message) = places.enter(target, count.0 - 1, |_| true) {
                        prop_assert_eq!(message, count.1);
                        count.1 += 1;
                    }
                } else if count.2 < count.1 {
                    count.2 += 1;
                    places.give_back(target);
                }
                while let Some((target, message)) = places.next() {
                    let count = counts.get_mut(&target).unwrap();
                    prop_assert_eq!(message, count.1);
                    count.1 += 1;
                }
                prop_assert!(written(&counts) <= PLACES);
            }
            prop_assert!(counts.values().all(|(entered, written, _)| entered == written));
            prop_assert!(counts.values().all(|(_, written, confirmed)| written == confirmed));
            prop_assert_eq!((places.waiting(), places.taken.len(), places.free), (0, 0, PLACES));
        }
    }
}
